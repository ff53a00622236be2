/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * worker.c: operations, their times, and handing over; see worker.h. Locking: see
 * there.
 */
#include "worker.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "record.h"

/* An object's bytes begin at one of this many places of the pattern. */
#define WORKER_PATTERN_STARTS 8192U
#define WORKER_PATTERN_STEP 8U

uint64_t xvf_pattern_bytes(uint64_t max_size)
{
	return (WORKER_PATTERN_STARTS * WORKER_PATTERN_STEP + max_size + 7) / 8 * 8;
}

const uint8_t *xvf_worker_content(const struct xvf_site *site, uint32_t place, uint32_t source)
{
	uint32_t mix = (place * 2654435761U) ^ (source * 2246822519U);

	return site->pattern + (size_t)((mix >> 7) % WORKER_PATTERN_STARTS) * WORKER_PATTERN_STEP;
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
	bool gap_is_long = start - w->last_stop > w->site->slow_ticks;
	long before = w->switches;

	w->last_stop = stop;
	if (stop - start <= w->site->slow_ticks) {
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
		xvm_histogram_record(w->times, xvm_timer_ticks(&w->site->timer, start, stop));
}

/* ---- operations ----------------------------------------------------------- */

/* The first worker to fail says why; the run is over. */
#define WORKER_FAIL(site, ...)                                                                     \
	(atomic_exchange(&(site)->failed, true) ? XVM_FAILED                                       \
						: xvf_record_fail((site)->result_fd, __VA_ARGS__))

static void worker_lock(struct xvf_site *site, bool wanted)
{
	if (wanted)
		pthread_mutex_lock(&site->guard);
}

static void worker_unlock(struct xvf_site *site, bool wanted)
{
	if (wanted)
		pthread_mutex_unlock(&site->guard);
}

static int worker_call_alloc(const struct xvf_site *site, size_t size, uint32_t place,
			     uint64_t *token)
{
	const struct xvfrag_plugin *p = site->plugin;
	int result;

	if (p->alloc_indexed != NULL)
		return p->alloc_indexed(site->heap, size, place, token);
	result = p->alloc(site->heap, size, token);
	if (result == 0 && p->set_index != NULL)
		p->set_index(site->heap, *token, place);
	return result;
}

static int worker_alloc(struct xvf_worker *w, const struct xvm_op *op, uint64_t *token)
{
	struct xvf_site *site = w->site;
	size_t size = site->sizes[op->source];
	uint64_t start = xvm_timer_start(&site->timer);
	int result;

	worker_lock(site, site->is_guarded);
	result = worker_call_alloc(site, size, op->slot, token);
	worker_unlock(site, site->is_guarded);
	worker_time(w, start, xvm_timer_stop(&site->timer));
	if (result == -E2BIG)
		return WORKER_FAIL(site, "%zu bytes is more than its largest object", size);
	if (result != 0)
		return WORKER_FAIL(site, "alloc of %zu bytes failed: %s", size, strerror(-result));
	w->live_objects++;
	w->requested_bytes += size;
	return 0;
}

static int worker_fill(const struct xvf_site *site, uint64_t token, const uint8_t *content,
		       size_t size)
{
	const struct xvfrag_plugin *p = site->plugin;
	void *memory;

	if (p->write != NULL) {
		int result = p->write(site->heap, token, content, size);

		return result < 0 ? result : 0;
	}
	if (p->map == NULL)
		return 0;
	memory = p->map(site->heap, token, size);
	if (memory == NULL)
		return -EFAULT;
	memcpy(memory, content, size);
	if (p->unmap != NULL)
		p->unmap(site->heap, token, memory);
	return 0;
}

static int worker_write(struct xvf_worker *w, const struct xvm_op *op, uint64_t token)
{
	struct xvf_site *site = w->site;
	size_t size = site->sizes[op->source];
	const uint8_t *content = xvf_worker_content(site, op->slot, op->source);
	int result;

	worker_lock(site, site->fill_is_guarded);
	result = worker_fill(site, token, content, size);
	worker_unlock(site, site->fill_is_guarded);
	if (result == 0)
		return 0;
	if (site->plugin->write == NULL)
		return WORKER_FAIL(site, "map of %zu bytes failed", size);
	return WORKER_FAIL(site, "write of %zu bytes failed: %s", size, strerror(-result));
}

static void worker_free(struct xvf_worker *w, struct xvf_handed item)
{
	struct xvf_site *site = w->site;
	uint64_t start = xvm_timer_start(&site->timer);

	worker_lock(site, site->is_guarded);
	site->plugin->free(site->heap, item.token, (size_t)item.size);
	worker_unlock(site, site->is_guarded);
	worker_time(w, start, xvm_timer_stop(&site->timer));
	w->live_objects--;
	w->requested_bytes -= item.size;
}

/* ---- handing over --------------------------------------------------------- */

/* Free all that waits. False when there was nothing. */
static bool worker_take(struct xvf_worker *w)
{
	struct xvf_handed item;
	bool any = false;

	while (xvf_handover_take(w->in, &item)) {
		worker_free(w, item);
		any = true;
	}
	return any;
}

/* Everybody who waits here also takes, so somebody always gets on. */
static void worker_hand_over(struct xvf_worker *w, struct xvf_handed item)
{
	while (!xvf_handover_put(w->out, item)) {
		if (atomic_load_explicit(&w->site->failed, memory_order_relaxed))
			return;
		if (!worker_take(w))
			sched_yield();
	}
}

/* At the end of a phase: until nobody can hand over any more, and nothing waits. */
static void worker_take_the_rest(struct xvf_worker *w)
{
	atomic_fetch_sub(&w->site->busy, 1);
	while (atomic_load(&w->site->busy) > 0) {
		if (!worker_take(w))
			sched_yield();
	}
	(void)worker_take(w);
}

/* ---- a phase -------------------------------------------------------------- */

/* End the place's object, where it has one. */
static void worker_end_object(struct xvf_worker *w, uint32_t place)
{
	struct xvf_site *site = w->site;
	struct xvf_handed item;

	if (site->source[place] == XVM_NO_SOURCE)
		return;
	item = (struct xvf_handed){site->token[place], site->sizes[site->source[place]]};
	site->source[place] = XVM_NO_SOURCE;
	if (site->cross)
		worker_hand_over(w, item);
	else
		worker_free(w, item);
}

static int worker_op(struct xvf_worker *w, const struct xvm_op *op)
{
	uint64_t token;

	if (op->source == XVM_NO_SOURCE) {
		worker_end_object(w, op->slot);
		return 0;
	}
	if (worker_alloc(w, op, &token) != 0 || worker_write(w, op, token) != 0)
		return XVM_FAILED;
	worker_end_object(w, op->slot);
	w->site->token[op->slot] = token;
	w->site->source[op->slot] = op->source;
	return 0;
}

void xvf_worker_phase(struct xvf_worker *w, uint32_t phase)
{
	uint64_t count;
	const struct xvm_op *ops = xvf_deal_ops(&w->site->deal, phase, w->number, &count);

	xvm_histogram_reset(w->times);
	w->preempted = 0;
	w->last_stop = xvm_timer_stop(&w->site->timer);
	w->switches = worker_switches();
	for (uint64_t i = 0; i < count; i++) {
		if (atomic_load_explicit(&w->site->failed, memory_order_relaxed) ||
		    worker_op(w, &ops[i]) != 0)
			break;
		if (w->site->cross)
			(void)worker_take(w);
	}
	if (w->site->cross)
		worker_take_the_rest(w);
}
