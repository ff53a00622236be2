/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * replay.c: a workload played on a plugin; see worker.h.
 *
 * Owns the tokens of live objects and what they are filled with. From the first operation on
 * it allocates nothing.
 *
 * Locking: between two barriers the workers have the replay (worker.h) and everybody
 * else waits; otherwise the calling thread, which is worker 0, has it and the others
 * wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

/* Quit instead of a phase. */
#define REPLAY_NO_PHASE UINT32_MAX

/* Records of a place are 4 bytes or more: so many fill a cache line of 128 bytes. */
#define REPLAY_PLACES_STEP 32U

#define REPLAY_CLOCK_ROUNDS 20000
#define REPLAY_STACK_BYTES (256U * 1024U)
#define REPLAY_RESIDENT "\nAnonymous:" /* in smaps_rollup, Linux 4.14 */

/* ---- memory --------------------------------------------------------------- */

/*
 * Resident bytes of this process that are no file's: code that is first run later does not count.
 * Read without a stream, which would allocate. 0 when /proc cannot be read.
 */
static uint64_t resident_bytes(void)
{
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;
	char text[2048];
	const char *field = NULL;

	if (fd >= 0) {
		got = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (got > 0) {
		text[got] = '\0';
		field = strstr(text, REPLAY_RESIDENT);
	}
	return field != NULL ? strtoull(field + strlen(REPLAY_RESIDENT), NULL, 10) * 1024U : 0;
}

/* Deepen the stack of this thread, so that its growth does not pass for an allocator's. */
static void deepen_stack(void)
{
	volatile char deep[REPLAY_STACK_BYTES];

	for (size_t i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 1;
}

/* Zeroed memory that is resident at once, for as long as the process lives; or NULL. */
static void *resident_memory(uint64_t bytes)
{
	void *memory = mmap(NULL, bytes > 0 ? (size_t)bytes : 1, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

/* ---- threads -------------------------------------------------------------- */

static void *replay_thread_main(void *context)
{
	struct xvf_worker *worker = context;
	struct xvf_replay *r = worker->replay;

	deepen_stack();
	pthread_barrier_wait(&r->barrier); /* ready: see replay_start */
	for (;;) {
		pthread_barrier_wait(&r->barrier);
		if (r->phase == REPLAY_NO_PHASE)
			return NULL;
		xvf_worker_phase(worker);
		pthread_barrier_wait(&r->barrier);
	}
}

/* Returns when all threads wait for a phase. What is made stays until the process ends. */
static int replay_start(struct xvf_replay *r)
{
	if (pthread_barrier_init(&r->barrier, NULL, r->threads) != 0)
		return xvf_run_fail(r->run, "no barrier for %u threads", r->threads);
	for (unsigned i = 1; i < r->threads; i++) {
		struct xvf_worker *w = &r->workers[i];
		int error = pthread_create(&w->thread, NULL, replay_thread_main, w);

		if (error != 0)
			return xvf_run_fail(r->run,
					    "only %u of %u threads could be made: %s; use a "
					    "smaller --threads",
					    i, r->threads, strerror(error));
	}
	pthread_barrier_wait(&r->barrier);
	return 0;
}

static void replay_stop(struct xvf_replay *r)
{
	r->phase = REPLAY_NO_PHASE;
	pthread_barrier_wait(&r->barrier);
	for (unsigned i = 1; i < r->threads; i++)
		pthread_join(r->workers[i].thread, NULL);
	pthread_barrier_destroy(&r->barrier);
}

/* All workers do the phase, this thread's too. Returns what it took by the clock. */
static uint64_t replay_run_workers(struct xvf_replay *r, uint32_t phase)
{
	uint64_t start;

	r->phase = phase;
	pthread_barrier_wait(&r->barrier);
	start = xvm_clock_ns();
	xvf_worker_phase(&r->workers[0]);
	pthread_barrier_wait(&r->barrier);
	return xvm_clock_ns() - start;
}

/* ---- setting up ----------------------------------------------------------- */

static void replay_fill_pattern(const struct xvf_replay *r)
{
	struct xvm_random random;

	xvm_random_init(&random, r->run->seed ^ UINT64_C(0x7061747465726E));
	for (uint64_t i = 0; i < xvf_pattern_bytes(r->work.head->max_size); i += 8) {
		uint64_t word = xvm_random_next(&random);

		memcpy(r->pattern + i, &word, sizeof(word));
	}
}

static bool replay_take_memory(struct xvf_replay *r)
{
	uint64_t each = (r->work.head->slots + r->threads - 1) / r->threads;

	if (r->threads > 1)
		each = (each + REPLAY_PLACES_STEP - 1) / REPLAY_PLACES_STEP * REPLAY_PLACES_STEP;
	r->places_a_thread = each;
	r->places = each * r->threads;
	r->token = resident_memory(r->places * sizeof(*r->token));
	r->source = resident_memory(r->places * sizeof(*r->source));
	r->pattern = resident_memory(xvf_pattern_bytes(r->work.head->max_size));
	r->copy = resident_memory(r->work.head->max_size + XVM_INPUT_PAGE_BYTES);
	r->workers = resident_memory(r->threads * sizeof(*r->workers));
	if (r->token == NULL || r->source == NULL || r->pattern == NULL || r->copy == NULL ||
	    r->workers == NULL)
		return false;
	memset(r->source, 0xFF, (size_t)r->places * sizeof(*r->source));
	replay_fill_pattern(r);
	for (unsigned i = 0; i < r->threads; i++) {
		r->workers[i].replay = r;
		r->workers[i].number = i;
	}
	return true;
}

/* For compaction: the object's place is its index. */
static int replay_moved(void *context, uint32_t index, uint64_t from, uint64_t to)
{
	struct xvf_replay *r = context;

	if (index >= r->places || r->token[index] != from)
		return -EBUSY;
	r->token[index] = to;
	return 0;
}

static int replay_create_heap(struct xvf_replay *r, const char *settings)
{
	const struct xvm_workload_head *head = r->work.head;
	uint64_t extra = r->threads; /* live beyond the workload's: new objects of overwrites */
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "";
	const struct xvfrag_plugin_config config = {
		.max_size = (size_t)head->max_size,
		.max_objects = r->places + extra,
		/* The peak of one thread has one new object in it. */
		.total_bytes = head->peak_bytes + (extra - 1) * head->max_size,
		.seed = r->run->seed,
		.settings = settings,
		.codec = r->run->codec[0] != '\0' ? r->run->codec : NULL,
		.why = why,
		.moved = replay_moved,
		.context = r,
	};

	errno = 0;
	r->heap = r->plugin->create(&config);
	if (r->heap != NULL)
		return 0;
	r->run->cannot = errno == ENODEV;
	if (why[0] != '\0')
		return xvf_run_fail(r->run, "%s", why);
	return xvf_run_fail(r->run, "it made no heap: %s",
			    errno != 0 ? strerror(errno) : "create returned NULL");
}

/* A store of pages gets the input's own. */
static int replay_map_pages(struct xvf_replay *r)
{
	off_t bytes = lseek(r->run->pages_fd, 0, SEEK_END);
	void *pages = MAP_FAILED;

	if (r->work.pages != NULL && bytes > 0)
		pages = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, r->run->pages_fd, 0);
	r->pages = pages;
	return pages != MAP_FAILED ? 0 : XVM_FAILED;
}

/* Can the allocator do what was asked for? */
static int replay_check(struct xvf_replay *r)
{
	r->run->cannot = true;
	if (r->threads > 1 && (r->plugin->flags & XVFRAG_PLUGIN_THREADS) == 0)
		return xvf_run_fail(r->run, "it takes one thread: leave out --threads");
	if ((r->plugin->flags & XVFRAG_PLUGIN_PAGES) != 0 && replay_map_pages(r) != 0)
		return xvf_run_fail(r->run, "it stores pages, which sizes and traces do not have: "
					    "give another INPUT");
	r->run->cannot = false;
	return 0;
}

/* The least of many: subtracting more would make fast operations free. */
static uint64_t replay_clock_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < REPLAY_CLOCK_ROUNDS; i++) {
		uint64_t start = xvm_clock_ns(), ns = xvm_clock_ns() - start;

		least = ns < least ? ns : least;
	}
	return least;
}

static int replay_init(struct xvf_replay *r, const char *settings)
{
	if (!xvm_workload_open(&r->work, r->run->workload_fd))
		return xvf_run_fail(r->run, "cannot map the workload");
	if (replay_check(r) != 0)
		return XVM_FAILED;
	if (!replay_take_memory(r))
		return xvf_run_fail(r->run,
				    "no memory for %" PRIu64 " slots; use a smaller --objects",
				    r->work.head->slots);
	r->clock_ns = replay_clock_cost();
	if (replay_start(r) != 0)
		return XVM_FAILED;
	deepen_stack();
	r->rss_at_start = resident_bytes();
	return replay_create_heap(r, settings);
}

/* ---- the end of a phase --------------------------------------------------- */

/* No times of models, nor of a store that compresses: they would be the codec's. */
static bool replay_has_times(const struct xvf_replay *r)
{
	return !xvm_plugin_is_model(r->plugin) && r->pages == NULL;
}

static void replay_measure(struct xvf_replay *r, struct xvf_result *result)
{
	const struct xvfrag_plugin *p = r->plugin;
	uint64_t rss = resident_bytes();

	for (unsigned i = 0; i < r->threads; i++) {
		result->live_objects += r->workers[i].live_objects;
		result->requested_bytes += r->workers[i].requested_bytes;
	}
	result->rss_bytes = rss > r->rss_at_start ? rss - r->rss_at_start : 0;
	result->held_bytes = p->held_bytes != NULL ? p->held_bytes(r->heap) : result->rss_bytes;
	if (p->requested_bytes != NULL)
		result->requested_bytes = p->requested_bytes(r->heap);
	if (replay_has_times(r))
		result->flags |= XVF_RESULT_RSS;
	if (p->split_objects != NULL) {
		result->flags |= XVF_RESULT_SPLIT;
		result->split_objects = p->split_objects(r->heap);
	}
}

static void replay_measure_times(const struct xvf_replay *r, uint64_t phase_ns,
				 struct xvf_result *result)
{
	struct xvm_histogram times = {.total = 0};

	for (unsigned i = 0; i < r->threads; i++) {
		xvm_histogram_merge(&times, &r->workers[i].times);
		result->preempted += r->workers[i].preempted;
	}
	result->ops = times.total + result->preempted;
	if (!replay_has_times(r))
		return;
	if (phase_ns > 0)
		result->ops_per_s = (double)result->ops * 1e9 / (double)phase_ns;
	if (times.total == 0) /* each was preempted */
		return;
	result->flags |= XVF_RESULT_TIME;
	result->ns_per_op = (double)times.sum / (double)times.total;
	result->p50_ns = (double)xvm_histogram_percentile(&times, 5000);
	result->p99_ns = (double)xvm_histogram_percentile(&times, 9900);
	result->p9999_ns = (double)xvm_histogram_percentile(&times, 9999);
	result->max_ns = (double)times.max;
}

/* Is each object what it was filled with? A model has nothing to compare. */
static int replay_verify(const struct xvf_replay *r, const char *phase)
{
	if (xvm_plugin_is_model(r->plugin))
		return 0;
	for (uint32_t place = 0; place < r->places; place++) {
		uint32_t source = r->source[place];
		size_t size = XVM_INPUT_PAGE_BYTES;

		if (source == XVM_NO_SOURCE)
			continue;
		if (r->pages == NULL)
			size = r->work.sizes[source];
		if (xvm_object_read(r->plugin, r->heap, r->token[place], r->copy, size) < 0 ||
		    memcmp(r->copy, xvf_worker_content(r, place, source), size) != 0)
			return xvf_run_fail(r->run,
					    "after %s an object of %zu bytes is not as it was "
					    "written: the allocator gave memory twice or moved it "
					    "wrongly",
					    phase, size);
	}
	return 0;
}

/* The result is there before it is counted: the parent reads while we go on. */
static int replay_report(struct xvf_replay *r, const struct xvf_result *result)
{
	unsigned count = atomic_load(&r->run->result_count);

	r->held_bytes = result->held_bytes;
	if (count < XVF_RESULTS_MAX) {
		r->run->results[count] = *result;
		atomic_store(&r->run->result_count, count + 1);
	}
	return replay_verify(r, result->phase);
}

/* Time that this thread has had the processor. */
static uint64_t replay_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int replay_compact(struct xvf_replay *r, const char *phase)
{
	struct xvf_result result = {.flags = XVF_RESULT_COMPACT | XVF_RESULT_TIME};
	uint64_t before = r->held_bytes, start = xvm_clock_ns();
	struct xvm_histogram steps = {.total = 0};
	int more;

	do {
		uint64_t step_start = replay_cpu_ns();

		more = r->plugin->compact_step(r->heap, &result.moved_bytes);
		xvm_histogram_record(&steps, replay_cpu_ns() - step_start);
	} while (more > 0);
	if (more < 0)
		return xvf_run_fail(r->run, "compaction after %s failed: %s", phase,
				    strerror(-more));
	snprintf(result.phase, sizeof(result.phase), "%s+compact", phase);
	result.ops = steps.total;
	result.ns_per_op = (double)(xvm_clock_ns() - start) / (double)steps.total;
	if (r->pages == NULL)
		result.flags |= XVF_RESULT_STEPS;
	result.p99_step_ns = xvm_histogram_percentile(&steps, 9900);
	result.longest_step_ns = steps.max;
	replay_measure(r, &result);
	result.freed_bytes = before > result.held_bytes ? before - result.held_bytes : 0;
	return replay_report(r, &result);
}

static int replay_phase(struct xvf_replay *r, uint32_t number)
{
	const struct xvm_phase *phase = &r->work.head->phase[number];
	struct xvf_result result = {.flags = 0};
	uint64_t phase_ns = replay_run_workers(r, number);

	if (atomic_load(&r->run->failed))
		return XVM_FAILED;
	snprintf(result.phase, sizeof(result.phase), "%s", phase->name);
	replay_measure(r, &result);
	replay_measure_times(r, phase_ns, &result);
	if (replay_report(r, &result) != 0)
		return XVM_FAILED;
	if ((phase->flags & XVM_PHASE_COMPACTABLE) != 0 && r->plugin->compact_step != NULL)
		return replay_compact(r, phase->name);
	return 0;
}

int xvf_replay(struct xvf_run *run, const struct xvfrag_plugin *plugin, const char *settings)
{
	struct xvf_replay r = {
		.run = run,
		.plugin = plugin,
		.threads = run->threads,
	};
	int result;

	result = replay_init(&r, settings);
	if (result != 0)
		return XVM_FAILED;
	for (uint32_t i = 0; result == 0 && i < r.work.head->phases; i++)
		result = replay_phase(&r, i);
	if (result == 0)
		plugin->destroy(r.heap);
	replay_stop(&r);
	return result;
}
