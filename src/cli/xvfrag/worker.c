/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * worker.c: operations and their times; see worker.h.
 */
#include "worker.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/* An object's bytes begin at one of this many places of the pattern. */
#define WORKER_PATTERN_STARTS 8192U
#define WORKER_PATTERN_STEP 8U

/* A context switch there and back takes longer than this, nearly all operations less. */
#define WORKER_SLOW_NS 20000U

uint64_t xvf_pattern_bytes(uint64_t max_size)
{
	return (WORKER_PATTERN_STARTS * WORKER_PATTERN_STEP + max_size + 7) / 8 * 8;
}

const uint8_t *xvf_worker_content(const struct xvf_replay *r, uint32_t place, uint32_t source)
{
	uint32_t mix = (place * 2654435761U) ^ (source * 2246822519U);

	if (r->pages != NULL)
		return r->pages + (size_t)r->work.pages[source] * XVM_INPUT_PAGE_BYTES;
	return r->pattern + (size_t)((mix >> 7) % WORKER_PATTERN_STARTS) * WORKER_PATTERN_STEP;
}

/* ---- times ---------------------------------------------------------------- */

static long worker_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/*
 * On a busy machine the scheduler's slices would be the tail of every allocator's
 * times. An operation during which the processor was given to somebody else is
 * counted, not timed; one that waited for a lock is timed. The kernel is asked only
 * after a stretch long enough to hold a switch: after a long gap, so that its switches
 * are not laid to what follows, and after a long operation.
 */
static bool worker_was_preempted(struct xvf_worker *w, uint64_t start, uint64_t stop)
{
	bool gap_is_long = start - w->last_stop > WORKER_SLOW_NS;
	long before = w->switches;

	w->last_stop = stop;
	if (stop - start <= WORKER_SLOW_NS) {
		if (gap_is_long)
			w->switches = worker_switches();
		return false;
	}
	w->switches = worker_switches();
	return !gap_is_long && w->switches != before;
}

static void worker_time(struct xvf_worker *w, uint64_t start, uint64_t stop)
{
	if (worker_was_preempted(w, start, stop))
		w->preempted++;
	else
		xvm_histogram_record(&w->times, stop - start > w->replay->clock_ns
							? stop - start - w->replay->clock_ns
							: 0);
}

/* ---- operations ----------------------------------------------------------- */

static int worker_alloc(struct xvf_worker *w, uint32_t place, size_t size, uint64_t *token)
{
	struct xvf_replay *r = w->replay;
	uint64_t start = xvm_clock_ns();
	int result;

	result = r->plugin->alloc(r->heap, size, place, token);
	worker_time(w, start, xvm_clock_ns());
	if (result == -E2BIG)
		return xvf_run_fail(r->run, "%zu bytes is more than its largest object", size);
	if (result != 0)
		return xvf_run_fail(r->run, "alloc of %zu bytes failed: %s", size,
				    strerror(-result));
	w->live_objects++;
	w->requested_bytes += size;
	return 0;
}

static int worker_write(struct xvf_worker *w, uint32_t place, uint32_t source, uint64_t token)
{
	struct xvf_replay *r = w->replay;
	size_t size = r->pages != NULL ? XVM_INPUT_PAGE_BYTES : r->work.sizes[source];
	int result;

	result = xvm_object_write(r->plugin, r->heap, token, xvf_worker_content(r, place, source),
				  size);
	if (result < 0)
		return xvf_run_fail(r->run, "write of %zu bytes failed: %s", size,
				    strerror(-result));
	return 0;
}

static void worker_free(struct xvf_worker *w, uint64_t token, size_t size)
{
	struct xvf_replay *r = w->replay;
	uint64_t start = xvm_clock_ns();
	int result;

	result = r->plugin->free(r->heap, token, size);
	worker_time(w, start, xvm_clock_ns());
	if (result != 0)
		(void)xvf_run_fail(r->run, "free of %zu bytes failed: %s", size, strerror(-result));
	w->live_objects--;
	w->requested_bytes -= size;
}

/* ---- a phase -------------------------------------------------------------- */

/* End the place's object, where it has one. */
static void worker_end_object(struct xvf_worker *w, uint32_t place)
{
	struct xvf_replay *r = w->replay;
	uint32_t source = r->source[place];
	size_t size;

	if (source == XVM_NO_SOURCE)
		return;
	size = r->work.sizes[source];
	r->source[place] = XVM_NO_SOURCE;
	worker_free(w, r->token[place], size);
}

/* The new object is there before the old one goes; a page is overwritten where it is. */
static int worker_put(struct xvf_worker *w, uint32_t place, uint32_t source)
{
	struct xvf_replay *r = w->replay;
	uint64_t token = r->token[place];

	if (r->pages == NULL || r->source[place] == XVM_NO_SOURCE) {
		if (worker_alloc(w, place, r->work.sizes[source], &token) != 0)
			return XVM_FAILED;
	}
	if (worker_write(w, place, source, token) != 0)
		return XVM_FAILED;
	if (r->pages == NULL)
		worker_end_object(w, place);
	r->token[place] = token;
	r->source[place] = source;
	return 0;
}

static uint32_t worker_place(const struct xvf_replay *r, uint32_t slot)
{
	if (r->threads == 1)
		return slot;
	return (uint32_t)(slot % r->threads * r->places_a_thread + slot / r->threads);
}

static int worker_op(struct xvf_worker *w, const struct xvm_op *op)
{
	uint32_t place = worker_place(w->replay, op->slot);

	if (op->source != XVM_NO_SOURCE)
		return worker_put(w, place, op->source);
	worker_end_object(w, place);
	return 0;
}

void xvf_worker_phase(struct xvf_worker *w)
{
	struct xvf_replay *r = w->replay;
	const struct xvm_phase *phase = &r->work.head->phase[r->phase];
	const struct xvm_op *op = r->work.ops + phase->first_op, *end = op + phase->op_count;

	w->times = (struct xvm_histogram){.total = 0};
	w->preempted = 0;
	w->last_stop = xvm_clock_ns();
	w->switches = worker_switches();
	for (; op < end; op++) {
		if (op->slot % r->threads != w->number)
			continue;
		if (atomic_load_explicit(&r->run->failed, memory_order_relaxed) ||
		    worker_op(w, op) != 0)
			break;
	}
}
