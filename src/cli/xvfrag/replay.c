/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * replay.c: a workload played on a plugin; see replay.h.
 *
 * Owns the tokens of live objects and the pattern they are filled with. From the
 * first operation on it allocates nothing.
 *
 * Locking: between two barriers the workers have the site (worker.h) and everybody
 * else waits; otherwise the calling thread, which is worker 0, has it and the others
 * wait.
 */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rss.h"
#include "worker.h"

/* A context switch there and back takes longer than this, nearly all operations less. */
#define REPLAY_SLOW_NS 20000.0

/* Quit instead of a phase. */
#define REPLAY_NO_PHASE UINT32_MAX

struct replay;

/* A worker and the thread it has, but for the first one. */
struct replay_thread {
	struct xvf_worker worker;
	struct replay *replay;
	pthread_t thread;
};

struct replay {
	const struct xvf_replay_config *config;
	struct xvm_workload_view work;
	bool is_model; /* counts only: no resident set, no time */
	struct xvf_site site;
	struct replay_thread *threads;
	pthread_barrier_t barrier;
	bool started;               /* the threads are there */
	uint32_t phase;             /* that the workers are to do, or REPLAY_NO_PHASE */
	uint64_t phase_ns;          /* what the last one took, by the clock */
	struct xvm_histogram times; /* of all workers */
	uint64_t preempted;
	uint64_t rss_at_start;
};

/* ---- threads -------------------------------------------------------------- */

static void *replay_thread_main(void *context)
{
	struct replay_thread *t = context;
	struct replay *r = t->replay;

	xvm_rss_settle_stack();
	pthread_barrier_wait(&r->barrier); /* ready: see replay_start */
	for (;;) {
		pthread_barrier_wait(&r->barrier);
		if (r->phase == REPLAY_NO_PHASE)
			return NULL;
		xvf_worker_phase(&t->worker, r->phase);
		pthread_barrier_wait(&r->barrier);
	}
}

/* Returns when all threads wait for a phase. */
static int replay_start(struct replay *r)
{
	unsigned count = r->site.deal.threads;

	if (pthread_barrier_init(&r->barrier, NULL, count) != 0)
		return xvf_record_fail(r->config->result_fd, "no barrier for %u threads", count);
	for (unsigned i = 1; i < count; i++) {
		struct replay_thread *t = &r->threads[i];
		int error = pthread_create(&t->thread, NULL, replay_thread_main, t);

		/* Those made so far wait until the process ends, which is now. */
		if (error != 0)
			return xvf_record_fail(r->config->result_fd,
					       "only %u of %u threads could be made: %s; use a "
					       "smaller --threads",
					       i, count, strerror(error));
	}
	pthread_barrier_wait(&r->barrier);
	r->started = true;
	return 0;
}

static void replay_stop(struct replay *r)
{
	if (!r->started)
		return;
	r->phase = REPLAY_NO_PHASE;
	pthread_barrier_wait(&r->barrier);
	for (unsigned i = 1; i < r->site.deal.threads; i++)
		pthread_join(r->threads[i].thread, NULL);
	pthread_barrier_destroy(&r->barrier);
}

/* All workers do the phase, this thread's too. */
static void replay_run_workers(struct replay *r, uint32_t phase)
{
	uint64_t start;

	r->phase = phase;
	atomic_store(&r->site.busy, r->site.deal.threads);
	pthread_barrier_wait(&r->barrier);
	start = xvm_timer_clock_ns();
	xvf_worker_phase(&r->threads[0].worker, phase);
	pthread_barrier_wait(&r->barrier);
	r->phase_ns = xvm_timer_clock_ns() - start;
}

/* ---- setting up ----------------------------------------------------------- */

static void replay_fill_pattern(const struct replay *r)
{
	struct xvm_random random;

	xvm_random_init(&random, r->config->seed ^ UINT64_C(0x7061747465726E));
	for (uint64_t i = 0; i < xvf_pattern_bytes(r->work.head->max_size); i += 8) {
		uint64_t word = xvm_random_next(&random);

		memcpy(r->site.pattern + i, &word, sizeof(word));
	}
}

static bool replay_take_memory(struct replay *r)
{
	struct xvf_site *site = &r->site;

	if (!xvf_deal_make(&site->deal, &r->work, r->config->threads))
		return false;
	site->token = xvm_resident_memory(site->deal.places * sizeof(*site->token));
	site->source = xvm_resident_memory(site->deal.places * sizeof(*site->source));
	site->pattern = xvm_resident_memory(xvf_pattern_bytes(r->work.head->max_size));
	r->threads = xvm_resident_memory(site->deal.threads * sizeof(*r->threads));
	if (site->token == NULL || site->source == NULL || site->pattern == NULL ||
	    r->threads == NULL)
		return false;
	memset(site->source, 0xFF, site->deal.places * sizeof(*site->source));
	replay_fill_pattern(r);
	return true;
}

/*
 * What waits to be freed is live beyond what the workload asks for: of all objects it
 * shall not be more than one in 64, or the overhead would be that of more objects.
 */
static uint32_t replay_queue_limit(const struct replay *r)
{
	uint64_t fair = r->work.head->slots / 64 / r->site.deal.threads;

	if (fair > XVF_HANDOVER_ITEMS)
		return XVF_HANDOVER_ITEMS;
	return fair > 0 ? (uint32_t)fair : 1;
}

static bool replay_make_workers(struct replay *r)
{
	unsigned count = r->site.deal.threads;
	struct xvm_histogram *times = xvm_resident_memory(count * sizeof(*times));
	struct xvf_handover *queues = xvm_resident_memory(count * sizeof(*queues));

	if (times == NULL || queues == NULL)
		return false;
	for (unsigned i = 0; i < count; i++) {
		queues[i].limit = replay_queue_limit(r);
		r->threads[i].replay = r;
		r->threads[i].worker = (struct xvf_worker){
			.site = &r->site,
			.number = i,
			.out = &queues[i],
			.in = &queues[(i + count - 1) % count],
			.times = &times[i],
		};
	}
	return true;
}

/* Objects live at once beyond the workload's: the new one of an overwrite, and queues. */
static uint64_t replay_extra_objects(const struct replay *r)
{
	uint64_t each = r->site.cross ? 1 + XVF_HANDOVER_ITEMS : 1;

	return r->site.deal.threads * each;
}

static int replay_create_heap(struct replay *r)
{
	const struct xvm_workload_head *head = r->work.head;
	uint64_t extra = replay_extra_objects(r);
	struct xvfrag_plugin_config config = {
		.page_bytes = r->config->page_bytes,
		.max_size = (size_t)head->max_size,
		.max_objects = head->slots + extra,
		/* The peak of one thread has one new object in it. */
		.total_bytes = head->peak_bytes + (extra - 1) * head->max_size,
		.seed = r->config->seed,
		.provider = r->config->provider,
		.argument = r->config->argument,
	};

	errno = 0;
	r->site.heap = r->site.plugin->create(&config);
	if (r->site.heap == NULL)
		return xvf_record_fail(r->config->result_fd, "it made no heap: %s",
				       errno != 0 ? strerror(errno) : "create returned NULL");
	return 0;
}

static int replay_check_plugin(const struct replay *r)
{
	const struct xvfrag_plugin *p = r->site.plugin;
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
	struct xvf_site *site = &r->site;

	if (replay_check_plugin(r) != 0)
		return XVM_FAILED;
	if (!xvm_workload_open(&r->work, r->config->workload_fd))
		return xvf_record_fail(r->config->result_fd, "cannot map the workload");
	if (!replay_take_memory(r) || !replay_make_workers(r))
		return xvf_record_fail(r->config->result_fd,
				       "no memory for %" PRIu64 " slots; use a smaller --objects",
				       r->work.head->slots);
	site->sizes = r->work.sizes;
	xvm_timer_init(&site->timer);
	site->slow_ticks = (uint64_t)(REPLAY_SLOW_NS / site->timer.ns_per_tick);
	if (replay_start(r) != 0)
		return XVM_FAILED;
	xvm_rss_settle();
	r->rss_at_start = xvm_rss_bytes();
	return replay_create_heap(r);
}

/* ---- the end of a phase --------------------------------------------------- */

/* What the workers did, as one. */
static void replay_gather(struct replay *r, struct xvf_result *result)
{
	for (unsigned i = 0; i < r->site.deal.threads; i++) {
		const struct xvf_worker *w = &r->threads[i].worker;

		result->live_objects += w->live_objects;
		result->requested_bytes += w->requested_bytes;
	}
}

static void replay_gather_times(struct replay *r)
{
	xvm_histogram_reset(&r->times);
	r->preempted = 0;
	for (unsigned i = 0; i < r->site.deal.threads; i++) {
		xvm_histogram_merge(&r->times, r->threads[i].worker.times);
		r->preempted += r->threads[i].worker.preempted;
	}
}

static void replay_measure(struct replay *r, struct xvf_result *result)
{
	const struct xvfrag_plugin *p = r->site.plugin;
	uint64_t rss = xvm_rss_bytes();

	replay_gather(r, result);
	result->rss_bytes = rss > r->rss_at_start ? rss - r->rss_at_start : 0;
	if (p->held_bytes != NULL)
		result->held_bytes = p->held_bytes(r->site.heap);
	else
		result->held_bytes = result->rss_bytes;
	if (!r->is_model)
		result->flags |= XVF_RESULT_RSS;
	if (p->split_objects != NULL) {
		result->flags |= XVF_RESULT_SPLIT;
		result->split_objects = p->split_objects(r->site.heap);
	}
}

static double replay_ns(const struct replay *r, uint64_t ticks)
{
	return (double)ticks * r->site.timer.ns_per_tick;
}

static void replay_report_times(struct replay *r, struct xvf_result *result)
{
	const struct xvm_histogram *times = &r->times;

	replay_gather_times(r);
	result->ops = times->total + r->preempted;
	result->preempted = r->preempted;
	if (r->is_model)
		return;
	if (r->phase_ns > 0)
		result->ops_per_s = (double)result->ops * 1e9 / (double)r->phase_ns;
	if (times->total == 0) /* each was preempted */
		return;
	result->flags |= XVF_RESULT_TIME;
	result->ns_per_op = replay_ns(r, times->sum) / (double)times->total;
	result->p50_ns = replay_ns(r, xvm_histogram_percentile(times, 5000));
	result->p99_ns = replay_ns(r, xvm_histogram_percentile(times, 9900));
	result->p9999_ns = replay_ns(r, xvm_histogram_percentile(times, 9999));
	result->max_ns = replay_ns(r, times->max);
}

/* Is the object what it was filled with? Objects that cannot be mapped pass. */
static bool replay_verify_place(const struct replay *r, uint32_t place)
{
	const struct xvf_site *site = &r->site;
	uint32_t source = site->source[place];
	void *memory = site->plugin->map(site->heap, site->token[place], site->sizes[source]);
	bool same;

	if (memory == NULL)
		return true;
	same = memcmp(memory, xvf_worker_content(site, place, source), site->sizes[source]) == 0;
	if (site->plugin->unmap != NULL)
		site->plugin->unmap(site->heap, site->token[place], memory);
	return same;
}

static int replay_verify(const struct replay *r, const char *phase)
{
	const struct xvf_site *site = &r->site;

	if (site->plugin->map == NULL)
		return 0;
	for (uint64_t place = 0; place < site->deal.places; place++) {
		if (site->source[place] != XVM_NO_SOURCE &&
		    !replay_verify_place(r, (uint32_t)place))
			return xvf_record_fail(r->config->result_fd,
					       "after %s an object of %" PRIu32
					       " bytes is not as it was written: the allocator "
					       "gave memory twice or moved it wrongly",
					       phase, site->sizes[site->source[place]]);
	}
	return 0;
}

static void replay_renamed(void *context, uint32_t index, uint64_t token)
{
	struct xvf_site *site = context;

	site->token[index] = token;
}

static uint64_t replay_locate(void *context, uint32_t index)
{
	const struct xvf_site *site = context;

	return site->token[index];
}

static int replay_compact(struct replay *r, const struct xvm_phase *phase)
{
	struct xvfrag_plugin_compaction done = {.steps = 0};
	struct xvf_result result = {.flags = XVF_RESULT_COMPACT | XVF_RESULT_STEPS |
					     XVF_RESULT_TIME};
	uint64_t start = xvm_timer_clock_ns();
	int error = r->site.plugin->compact(r->site.heap, replay_renamed, replay_locate, &r->site,
					    &done);
	uint64_t ns = xvm_timer_clock_ns() - start;

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

static int replay_phase(struct replay *r, uint32_t number)
{
	const struct xvm_phase *phase = &r->work.head->phase[number];
	struct xvf_result result = {.flags = 0};

	replay_run_workers(r, number);
	if (atomic_load(&r->site.failed))
		return XVM_FAILED;
	snprintf(result.phase, sizeof(result.phase), "%s", phase->name);
	replay_measure(r, &result);
	replay_report_times(r, &result);
	xvf_record_result(r->config->result_fd, &result);
	if (replay_verify(r, phase->name) != 0)
		return XVM_FAILED;
	if ((phase->flags & XVM_PHASE_COMPACTABLE) != 0 && r->site.plugin->compact != NULL)
		return replay_compact(r, phase);
	return 0;
}

bool xvf_replay_is_guarded(const struct xvm_entry *entry, const struct xvf_replay_config *config)
{
	return config->threads > 1 && (entry->flags & XVM_THREADS) == 0;
}

int xvf_replay_plugin(const struct xvm_entry *entry, const struct xvf_replay_config *config)
{
	bool is_guarded = xvf_replay_is_guarded(entry, config);
	struct replay r = {
		.config = config,
		.is_model = (entry->flags & XVM_MODEL) != 0,
		.site =
			{
				.plugin = entry->plugin,
				.result_fd = config->result_fd,
				.cross = config->cross && config->threads > 1,
				.is_guarded = is_guarded,
				.fill_is_guarded =
					is_guarded && (entry->flags & XVM_ADDRESSES) == 0,
				.guard = PTHREAD_MUTEX_INITIALIZER,
			},
	};
	int result = replay_init(&r);

	for (uint32_t i = 0; result == 0 && i < r.work.head->phases; i++)
		result = replay_phase(&r, i);
	if (result == 0)
		r.site.plugin->destroy(r.site.heap);
	replay_stop(&r);
	return result;
}
