/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * replay.c: a workload played on a plugin; see replay.h.
 *
 * Owns the tokens of live objects and the pattern they are filled with. From the
 * first operation on it allocates nothing. Locking: none, one thread.
 */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "histogram.h"
#include "rss.h"
#include "timer.h"

/* An object's bytes begin at one of this many places of the pattern. */
#define REPLAY_PATTERN_STARTS 8192U
#define REPLAY_PATTERN_STEP 8U

/* A context switch there and back takes longer than this, nearly all operations less. */
#define REPLAY_SLOW_NS 20000.0

struct replay {
	const struct xvf_replay_config *config;
	const struct xvfrag_plugin *plugin;
	struct xvf_workload_view work;
	void *heap;
	bool is_model;               /* counts only: no resident set, no time */
	uint64_t *token;             /* by slot */
	uint32_t *source;            /* by slot: what it holds, or XVF_NO_SOURCE */
	uint8_t *pattern;            /* random bytes, pattern starts + the largest size */
	struct xvf_histogram *times; /* of the phase */
	struct xvf_timer timer;
	uint64_t last_stop;  /* ticks at the end of the operation before */
	uint64_t slow_ticks; /* from here on an operation may have been preempted */
	long switches;       /* involuntary context switches seen so far */
	uint64_t preempted;  /* operations of the phase left out of times */
	uint64_t live_objects;
	uint64_t requested_bytes;
	uint64_t rss_at_start;
};

/* ---- setting up ----------------------------------------------------------- */

/* Zeroed memory that is resident at once, or NULL. */
static void *replay_memory(uint64_t bytes)
{
	void *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

static bool replay_take_memory(struct replay *r)
{
	const struct xvf_workload_head *head = r->work.head;
	uint64_t pattern_bytes = REPLAY_PATTERN_STARTS * REPLAY_PATTERN_STEP + head->max_size;
	struct xvf_random random;

	r->token = replay_memory(head->slots * sizeof(*r->token));
	r->source = replay_memory(head->slots * sizeof(*r->source));
	r->times = replay_memory(sizeof(*r->times));
	pattern_bytes = (pattern_bytes + 7) / 8 * 8;
	r->pattern = replay_memory(pattern_bytes);
	if (r->token == NULL || r->source == NULL || r->times == NULL || r->pattern == NULL)
		return false;
	memset(r->source, 0xFF, head->slots * sizeof(*r->source));
	xvf_random_init(&random, r->config->seed ^ UINT64_C(0x7061747465726E));
	for (uint64_t i = 0; i < pattern_bytes; i += 8) {
		uint64_t word = xvf_random_next(&random);

		memcpy(r->pattern + i, &word, sizeof(word));
	}
	return true;
}

static int replay_create_heap(struct replay *r)
{
	const struct xvf_workload_head *head = r->work.head;
	struct xvfrag_plugin_config config = {
		.page_bytes = r->config->page_bytes,
		.max_size = (size_t)head->max_size,
		.max_objects = head->slots + 1,
		.total_bytes = head->peak_bytes,
		.seed = r->config->seed,
		.provider = r->config->provider,
		.library = r->config->library,
	};

	errno = 0;
	r->heap = r->plugin->create(&config);
	if (r->heap == NULL)
		return xvf_record_fail(r->config->result_fd, "it made no heap: %s",
				       errno != 0 ? strerror(errno) : "create returned NULL");
	return 0;
}

static int replay_check_plugin(const struct replay *r)
{
	const struct xvfrag_plugin *p = r->plugin;
	int fd = r->config->result_fd;

	if (p->abi != XVFRAG_PLUGIN_ABI)
		return xvf_record_fail(fd,
				       "it was built for version %" PRIu32
				       " of the plugin interface, this is %u: build it again",
				       p->abi, XVFRAG_PLUGIN_ABI);
	if (p->create == NULL || p->destroy == NULL || p->alloc == NULL || p->free == NULL)
		return xvf_record_fail(fd, "it lacks one of create, destroy, alloc and free");
	if (p->map == NULL && p->write == NULL && p->held_bytes == NULL)
		return xvf_record_fail(fd, "it has none of map, write and held_bytes: "
					   "there is nothing to measure");
	return 0;
}

static int replay_init(struct replay *r)
{
	if (replay_check_plugin(r) != 0)
		return XVF_FAILED;
	if (!xvf_workload_open(&r->work, r->config->workload_fd))
		return xvf_record_fail(r->config->result_fd, "cannot map the workload");
	if (!replay_take_memory(r))
		return xvf_record_fail(r->config->result_fd,
				       "no memory for %" PRIu64 " slots; use a smaller --objects",
				       r->work.head->slots);
	xvf_timer_init(&r->timer);
	r->slow_ticks = (uint64_t)(REPLAY_SLOW_NS / r->timer.ns_per_tick);
	xvf_rss_settle();
	r->rss_at_start = xvf_rss_bytes();
	return replay_create_heap(r);
}

/* ---- operations ----------------------------------------------------------- */

/* What the object of this slot and source is filled with. */
static const uint8_t *replay_content(const struct replay *r, uint32_t slot, uint32_t source)
{
	uint32_t mix = (slot * 2654435761U) ^ (source * 2246822519U);

	return r->pattern + (size_t)((mix >> 7) % REPLAY_PATTERN_STARTS) * REPLAY_PATTERN_STEP;
}

static long replay_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/*
 * On a busy machine the scheduler's slices would be the tail of every allocator's
 * times. An operation during which the processor was given to somebody else is
 * counted, not timed. The kernel is asked only after a stretch long enough to hold
 * a switch: after a long gap, so that its switches are not laid to what follows,
 * and after a long operation.
 */
static bool replay_was_preempted(struct replay *r, uint64_t start, uint64_t stop)
{
	bool gap_is_long = start - r->last_stop > r->slow_ticks;
	long before = r->switches;

	r->last_stop = stop;
	if (stop - start <= r->slow_ticks) {
		if (gap_is_long)
			r->switches = replay_switches();
		return false;
	}
	r->switches = replay_switches();
	return !gap_is_long && r->switches != before;
}

static void replay_time(struct replay *r, uint64_t start, uint64_t stop)
{
	if (replay_was_preempted(r, start, stop))
		r->preempted++;
	else
		xvf_histogram_record(r->times, xvf_timer_ticks(&r->timer, start, stop));
}

static int replay_alloc(struct replay *r, const struct xvf_op *op, uint64_t *token)
{
	const struct xvfrag_plugin *p = r->plugin;
	size_t size = r->work.sizes[op->source];
	uint64_t start = xvf_timer_start(&r->timer);
	int result = p->alloc_indexed != NULL ? p->alloc_indexed(r->heap, size, op->slot, token)
					      : p->alloc(r->heap, size, token);

	if (result == 0 && p->alloc_indexed == NULL && p->set_index != NULL)
		p->set_index(r->heap, *token, op->slot);
	replay_time(r, start, xvf_timer_stop(&r->timer));
	if (result == -E2BIG)
		return xvf_record_fail(r->config->result_fd,
				       "%zu bytes is more than its largest object", size);
	if (result != 0)
		return xvf_record_fail(r->config->result_fd, "alloc of %zu bytes failed: %s", size,
				       strerror(-result));
	r->live_objects++;
	r->requested_bytes += size;
	return 0;
}

static int replay_write(struct replay *r, const struct xvf_op *op, uint64_t token)
{
	const struct xvfrag_plugin *p = r->plugin;
	size_t size = r->work.sizes[op->source];
	const uint8_t *content = replay_content(r, op->slot, op->source);
	void *memory;

	if (p->write != NULL) {
		int result = p->write(r->heap, token, content, size);

		if (result < 0)
			return xvf_record_fail(r->config->result_fd,
					       "write of %zu bytes failed: %s", size,
					       strerror(-result));
		return 0;
	}
	if (p->map == NULL)
		return 0;
	memory = p->map(r->heap, token, size);
	if (memory == NULL)
		return xvf_record_fail(r->config->result_fd, "map of %zu bytes failed", size);
	memcpy(memory, content, size);
	if (p->unmap != NULL)
		p->unmap(r->heap, token, memory);
	return 0;
}

/* Free the slot's object, where it has one. */
static void replay_free(struct replay *r, uint32_t slot)
{
	uint64_t start;
	size_t size;

	if (r->source[slot] == XVF_NO_SOURCE)
		return;
	size = r->work.sizes[r->source[slot]];
	start = xvf_timer_start(&r->timer);
	r->plugin->free(r->heap, r->token[slot], size);
	replay_time(r, start, xvf_timer_stop(&r->timer));
	r->source[slot] = XVF_NO_SOURCE;
	r->live_objects--;
	r->requested_bytes -= size;
}

static int replay_op(struct replay *r, const struct xvf_op *op)
{
	uint64_t token;

	if (op->source == XVF_NO_SOURCE) {
		replay_free(r, op->slot);
		return 0;
	}
	if (replay_alloc(r, op, &token) != 0 || replay_write(r, op, token) != 0)
		return XVF_FAILED;
	replay_free(r, op->slot);
	r->token[op->slot] = token;
	r->source[op->slot] = op->source;
	return 0;
}

/* ---- the end of a phase --------------------------------------------------- */

static void replay_measure(const struct replay *r, struct xvf_result *result)
{
	uint64_t rss = xvf_rss_bytes();

	result->live_objects = r->live_objects;
	result->requested_bytes = r->requested_bytes;
	result->rss_bytes = rss > r->rss_at_start ? rss - r->rss_at_start : 0;
	if (r->plugin->held_bytes != NULL)
		result->held_bytes = r->plugin->held_bytes(r->heap);
	else
		result->held_bytes = result->rss_bytes;
	if (!r->is_model)
		result->flags |= XVF_RESULT_RSS;
	if (r->plugin->split_objects != NULL) {
		result->flags |= XVF_RESULT_SPLIT;
		result->split_objects = r->plugin->split_objects(r->heap);
	}
}

static double replay_ns(const struct replay *r, uint64_t ticks)
{
	return (double)ticks * r->timer.ns_per_tick;
}

static void replay_report_times(const struct replay *r, struct xvf_result *result)
{
	const struct xvf_histogram *times = r->times;

	result->ops = times->total + r->preempted;
	result->preempted = r->preempted;
	if (r->is_model || times->total == 0)
		return;
	result->flags |= XVF_RESULT_TIME;
	result->ns_per_op = replay_ns(r, times->sum) / (double)times->total;
	result->p50_ns = replay_ns(r, xvf_histogram_percentile(times, 5000));
	result->p99_ns = replay_ns(r, xvf_histogram_percentile(times, 9900));
	result->p9999_ns = replay_ns(r, xvf_histogram_percentile(times, 9999));
	result->max_ns = replay_ns(r, times->max);
}

/* Is the object what it was filled with? Objects that cannot be mapped pass. */
static bool replay_verify_slot(const struct replay *r, uint32_t slot)
{
	size_t size = r->work.sizes[r->source[slot]];
	void *memory = r->plugin->map(r->heap, r->token[slot], size);
	bool same;

	if (memory == NULL)
		return true;
	same = memcmp(memory, replay_content(r, slot, r->source[slot]), size) == 0;
	if (r->plugin->unmap != NULL)
		r->plugin->unmap(r->heap, r->token[slot], memory);
	return same;
}

static int replay_verify(const struct replay *r, const char *phase)
{
	if (r->plugin->map == NULL)
		return 0;
	for (uint64_t slot = 0; slot < r->work.head->slots; slot++) {
		if (r->source[slot] != XVF_NO_SOURCE && !replay_verify_slot(r, (uint32_t)slot))
			return xvf_record_fail(r->config->result_fd,
					       "after %s an object of %" PRIu32
					       " bytes is not as it was written: the allocator "
					       "gave memory twice or moved it wrongly",
					       phase, r->work.sizes[r->source[slot]]);
	}
	return 0;
}

static void replay_renamed(void *context, uint32_t index, uint64_t token)
{
	struct replay *r = context;

	r->token[index] = token;
}

static uint64_t replay_locate(void *context, uint32_t index)
{
	const struct replay *r = context;

	return r->token[index];
}

static int replay_compact(struct replay *r, const struct xvf_phase *phase)
{
	struct xvfrag_plugin_compaction done = {.steps = 0};
	struct xvf_result result = {.flags = XVF_RESULT_COMPACT | XVF_RESULT_STEPS |
					     XVF_RESULT_TIME};
	uint64_t start = xvf_timer_clock_ns();
	int error = r->plugin->compact(r->heap, replay_renamed, replay_locate, r, &done);
	uint64_t ns = xvf_timer_clock_ns() - start;

	if (error < 0)
		return xvf_record_fail(r->config->result_fd, "compact after %s failed: %s",
				       phase->name, strerror(-error));
	snprintf(result.phase, sizeof(result.phase), "%s+compact", phase->name);
	replay_measure(r, &result);
	result.ops = done.steps;
	result.ns_per_op = (double)ns / (double)(done.steps > 0 ? done.steps : 1);
	result.p99_step_ns = done.p99_step_ns;
	result.longest_step_ns = done.longest_step_ns;
	result.moved_bytes = done.moved_bytes;
	result.freed_bytes = done.freed_bytes;
	xvf_record_result(r->config->result_fd, &result);
	return replay_verify(r, result.phase);
}

static int replay_phase(struct replay *r, const struct xvf_phase *phase)
{
	struct xvf_result result = {.flags = 0};

	xvf_histogram_reset(r->times);
	r->preempted = 0;
	r->last_stop = xvf_timer_stop(&r->timer);
	r->switches = replay_switches();
	for (uint64_t i = 0; i < phase->op_count; i++) {
		if (replay_op(r, &r->work.ops[phase->first_op + i]) != 0)
			return XVF_FAILED;
	}
	snprintf(result.phase, sizeof(result.phase), "%s", phase->name);
	replay_measure(r, &result);
	replay_report_times(r, &result);
	xvf_record_result(r->config->result_fd, &result);
	if (replay_verify(r, phase->name) != 0)
		return XVF_FAILED;
	if ((phase->flags & XVF_PHASE_COMPACTABLE) != 0 && r->plugin->compact != NULL)
		return replay_compact(r, phase);
	return 0;
}

int xvf_replay_plugin(const struct xvf_entry *entry, const struct xvf_replay_config *config)
{
	struct replay r = {
		.config = config,
		.plugin = entry->plugin,
		.is_model = (entry->flags & XVF_MODEL) != 0,
	};
	int result = replay_init(&r);

	for (uint32_t i = 0; result == 0 && i < r.work.head->phases; i++)
		result = replay_phase(&r, &r.work.head->phase[i]);
	if (result == 0)
		r.plugin->destroy(r.heap);
	return result;
}
