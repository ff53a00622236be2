/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of the replay on one thread and on several, with an allocator that watches who
 * calls it: at once or not, from which thread, and what it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker.h"

enum { OBJECTS = 1500, RESULTS = 16, SLOW_EVERY = 67, SLOW_US = 300 };

/* ---- the allocator that watches ------------------------------------------- */

/* What is in front of each object. */
struct watched {
	uint32_t maker; /* number of the thread */
	uint32_t index;
	uint64_t size;
};

static struct {
	atomic_uint threads;   /* that ever called alloc */
	atomic_uint inside;    /* in a call now */
	atomic_uint overlaps;  /* calls beside another call */
	atomic_uint own_frees; /* by the thread that made the object */
	unsigned wait_for;     /* the first alloc of each thread waits for so many threads */
	bool one_is_slow;      /* the first thread, each SLOW_EVERY calls */
	unsigned fail_at;      /* this alloc, and those after it */
	atomic_uint allocs;
	atomic_uint wrong; /* sizes and indexes told */
	struct watched *_Atomic by_index[2 * OBJECTS];
	struct xvfrag_plugin_config config;
	size_t next; /* object that compaction looks at */
} watch;

/* 0 = none yet; per run, as the first thread has several. */
static _Thread_local struct {
	unsigned run, number, calls;
} watch_thread;
static unsigned watch_run;

static void watch_reset(void)
{
	memset(&watch, 0, sizeof(watch));
	watch_run++;
}

static bool watch_wait_for_others(void)
{
	uint64_t deadline_ns = xvm_clock_ns() + UINT64_C(10000000000);

	while (atomic_load(&watch.threads) < watch.wait_for) {
		if (xvm_clock_ns() > deadline_ns)
			return false;
		sched_yield();
	}
	return true;
}

/* False when the others did not come. */
static bool watch_enter_thread(void)
{
	if (watch_thread.run == watch_run)
		return true;
	watch_thread.run = watch_run;
	watch_thread.calls = 0;
	watch_thread.number = atomic_fetch_add(&watch.threads, 1) + 1;
	return watch_wait_for_others();
}

static void watch_be_slow(void)
{
	uint64_t end_ns = xvm_clock_ns() + SLOW_US * 1000;

	if (!watch.one_is_slow || watch_thread.number != 1 ||
	    ++watch_thread.calls % SLOW_EVERY != 0)
		return;
	while (xvm_clock_ns() < end_ns)
		continue;
}

static void watch_enter(void)
{
	if (atomic_fetch_add(&watch.inside, 1) > 0)
		atomic_fetch_add(&watch.overlaps, 1);
	if (atomic_load(&watch.threads) > 1 && !watch.one_is_slow)
		sched_yield();
}

static void watch_leave(void)
{
	atomic_fetch_sub(&watch.inside, 1);
}

static void *watch_create(const struct xvfrag_plugin_config *config)
{
	watch.config = *config;
	return &watch;
}

static void watch_destroy(void *heap)
{
	(void)heap;
	for (size_t i = 0; i < 2 * OBJECTS; i++)
		free(watch.by_index[i]);
}

static struct watched *watch_object(uint64_t token)
{
	return (struct watched *)(uintptr_t)token - 1;
}

static int watch_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	struct watched *object;

	(void)heap;
	if (!watch_enter_thread())
		return -ETIMEDOUT;
	watch_enter();
	object = malloc(sizeof(*object) + size);
	watch_be_slow();
	watch_leave();
	if (object == NULL)
		return -ENOMEM;
	if (index >= 2 * OBJECTS) {
		atomic_fetch_add(&watch.wrong, 1);
		return -ERANGE;
	}
	*object = (struct watched){.maker = watch_thread.number, .index = index, .size = size};
	watch.by_index[index] = object;
	*token = (uintptr_t)(object + 1);
	return 0;
}

static int watch_free(void *heap, uint64_t token, size_t size)
{
	struct watched *object = watch_object(token);
	struct watched *current = object;

	(void)heap;
	watch_enter();
	assert_true(size == object->size);
	atomic_fetch_add(&watch.own_frees, object->maker == watch_thread.number);
	/* An overwrite: the index has a new object already. */
	atomic_compare_exchange_strong(&watch.by_index[object->index], &current, NULL);
	free(object);
	watch_leave();
	return 0;
}

static int watch_write(void *heap, uint64_t token, const void *data, size_t size)
{
	(void)heap;
	watch_enter();
	memcpy((void *)(uintptr_t)token, data, size);
	watch_leave();
	return 0;
}

static int watch_read(void *heap, uint64_t token, void *data, size_t size)
{
	(void)heap;
	memcpy(data, (const void *)(uintptr_t)token, size);
	return 0;
}

static uint64_t watch_held_bytes(void *heap)
{
	(void)heap;
	return atomic_load(&watch.threads);
}

/* Moves an object a step, the refused one never. */
static int watch_compact_step(void *heap, uint64_t *moved_bytes)
{
	struct watched *object = NULL, *copy;

	(void)heap;
	while (watch.next < 2 * OBJECTS && object == NULL)
		object = watch.by_index[watch.next++];
	if (object == NULL) {
		watch.next = 0;
		return 0;
	}
	copy = malloc(sizeof(*copy) + (size_t)object->size);
	assert_non_null(copy);
	memcpy(copy, object, sizeof(*copy) + (size_t)object->size);
	/* Not from where the object is: refused. */
	assert_int_not_equal(watch.config.moved(watch.config.context, object->index,
						(uintptr_t)copy, (uintptr_t)(copy + 1)),
			     0);
	assert_int_equal(watch.config.moved(watch.config.context, object->index,
					    (uintptr_t)(object + 1), (uintptr_t)(copy + 1)),
			 0);
	free(object);
	watch.by_index[copy->index] = copy;
	*moved_bytes += copy->size;
	return 1;
}

static const struct xvfrag_plugin watch_plugin = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "watch",
	.create = watch_create,
	.destroy = watch_destroy,
	.alloc = watch_alloc,
	.free = watch_free,
	.write = watch_write,
	.read = watch_read,
	.held_bytes = watch_held_bytes,
	.compact_step = watch_compact_step,
};

/* Has no memory, and from some alloc on none to give. */
static int poor_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	(void)heap;
	(void)index;
	(void)size;
	*token = 1;
	return atomic_fetch_add(&watch.allocs, 1) + 1 >= watch.fail_at ? -ENOMEM : 0;
}

static int poor_free(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)token;
	(void)size;
	return 0;
}

static const struct xvfrag_plugin poor_plugin = {
	.abi = XVFRAG_PLUGIN_ABI,
	.flags = XVFRAG_PLUGIN_THREADS,
	.name = "poor",
	.create = watch_create,
	.destroy = watch_destroy,
	.alloc = poor_alloc,
	.free = poor_free,
	.held_bytes = watch_held_bytes,
};

/* ---- a run ---------------------------------------------------------------- */

static int workload_fd;

static int setup_workload(void **state)
{
	struct xvm_workload workload = {.ops = NULL};
	struct xvm_sizes sizes = {.objects = {.items = NULL}};

	(void)state;
	for (uint32_t i = 0; i < OBJECTS; i++)
		xvm_u32s_append(&sizes.objects, 16 + i);
	xvm_workload_life_cycle(&workload, &sizes, 0, 7);
	workload_fd = xvm_workload_seal(&workload);
	xvm_workload_fini(&workload);
	xvm_sizes_fini(&sizes);
	return workload_fd >= 0 ? 0 : -1;
}

/* Good until the call after the next one. */
static const struct xvf_run *run(const struct xvfrag_plugin *plugin, unsigned threads,
				 const char *settings)
{
	static struct xvf_run runs[2];
	static unsigned next;
	struct xvf_run *run = &runs[next++ % 2];

	*run = (struct xvf_run){
		.threads = threads,
		.seed = 1,
		.workload_fd = workload_fd,
		.pages_fd = -1,
	};
	run->done = xvf_replay(run, plugin, settings) == 0;
	return run;
}

static void assert_done(const struct xvf_run *run)
{
	if (!run->done || run->failed)
		fail_msg("%s", run->failure);
}

static const struct xvf_run *run_watch(unsigned flags, unsigned threads)
{
	struct xvfrag_plugin plugin = watch_plugin;
	const struct xvf_run *outcome;

	plugin.flags = flags;
	outcome = run(&plugin, threads, NULL);
	assert_done(outcome);
	assert_int_equal(atomic_load(&watch.threads), threads);
	assert_int_equal(atomic_load(&watch.wrong), 0);
	return outcome;
}

/* ---- tests ---------------------------------------------------------------- */

static void replay_runs_its_threads_at_once(void **state)
{
	(void)state;
	watch_reset();
	watch.wait_for = 5;
	(void)run_watch(XVFRAG_PLUGIN_THREADS, 5);
	assert_true(atomic_load(&watch.overlaps) > 0);
}

static void replay_does_not_run_on_threads_what_takes_one(void **state)
{
	struct xvfrag_plugin plugin = watch_plugin;
	const struct xvf_run *outcome = run(&plugin, 3, NULL);

	(void)state;
	assert_true(outcome->cannot && !outcome->done);
	assert_non_null(strstr(outcome->failure, "leave out --threads"));
	watch_reset();
	(void)run_watch(0, 1);
}

/* Every alloc of the life cycle: fill, churn, refill; and every free but the last tenth's. */
enum { ALLOCS = OBJECTS * 5 + OBJECTS / 2, FREES = ALLOCS - OBJECTS / 10 };

static void replay_frees_where_it_made(void **state)
{
	(void)state;
	watch_reset();
	(void)run_watch(XVFRAG_PLUGIN_THREADS, 3);
	assert_int_equal(atomic_load(&watch.own_frees), FREES);
}

/* What is live, and how many operations that took, does not depend on the threads. */
static void replay_has_the_same_objects_on_any_threads(void **state)
{
	static const unsigned threads[] = {2, 7, 64};
	const struct xvf_run *one;

	(void)state;
	watch_reset();
	one = run_watch(XVFRAG_PLUGIN_THREADS, 1);
	assert_int_equal(one->result_count, 8);
	for (size_t v = 0; v < sizeof(threads) / sizeof(threads[0]); v++) {
		const struct xvf_run *many;

		watch_reset();
		many = run_watch(XVFRAG_PLUGIN_THREADS, threads[v]);
		assert_int_equal(many->result_count, one->result_count);
		for (unsigned i = 0; i < one->result_count; i++) {
			const struct xvf_result *a = &one->results[i];
			const struct xvf_result *b = &many->results[i];

			assert_string_equal(a->phase, b->phase);
			assert_int_equal(a->live_objects, b->live_objects);
			assert_int_equal(a->requested_bytes, b->requested_bytes);
			/* A compaction's steps are the objects that the plugin moved, and one. */
			assert_int_equal(a->ops, b->ops);
			if ((a->flags & XVF_RESULT_COMPACT) == 0)
				assert_true(b->ops_per_s > 0);
		}
	}
}

/*
 * One of two threads is slow in one call of SLOW_EVERY / 2 or so: of its own operations
 * that is more than 1%, of all together less. p99 alone must not show it, p99.99 must.
 */
static void replay_has_percentiles_of_all_threads(void **state)
{
	const double slow_ns = SLOW_US * 1000.0;
	const struct xvf_result *churn;

	(void)state;
	watch_reset();
	watch.one_is_slow = true;
	churn = &run_watch(XVFRAG_PLUGIN_THREADS, 2)->results[1];
	assert_string_equal(churn->phase, "churn");
	assert_int_equal(churn->ops, 8 * OBJECTS);
	assert_true(churn->p50_ns < slow_ns / 10);
	assert_true(churn->p99_ns < slow_ns);
	assert_true(churn->p9999_ns >= slow_ns);
	assert_true(churn->max_ns >= churn->p9999_ns);
	assert_true(churn->ns_per_op < slow_ns / 10);
}

static void replay_stops_all_threads_at_the_first_failure(void **state)
{
	(void)state;
	for (unsigned threads = 1; threads <= 8; threads *= 2) {
		const struct xvf_run *outcome;

		watch_reset();
		watch.fail_at = OBJECTS + 500; /* in churn */
		outcome = run(&poor_plugin, threads, NULL);
		assert_false(outcome->done);
		assert_non_null(strstr(outcome->failure, "Cannot allocate memory"));
		assert_int_equal(outcome->result_count, 1);
	}
}

/* Real ones: what they hold is compared at the end of each phase. */
static void replay_keeps_contents_on_threads(void **state)
{
	static const char *const specs[] = {"xvmalloc", "xvmalloc:provider=highmem",
					    "xvmalloc-nosplit:provider=buffer", "xvmalloc-heap"};

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		const char *settings;
		const struct xvm_entry *entry = xvm_entry_find(specs[i], &settings);
		const struct xvf_run *outcome = run(entry->plugin, 3, settings);

		assert_done(outcome);
		assert_true(outcome->result_count >= 5);
		assert_int_equal(outcome->results[1].live_objects, OBJECTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay_runs_its_threads_at_once),
		cmocka_unit_test(replay_does_not_run_on_threads_what_takes_one),
		cmocka_unit_test(replay_frees_where_it_made),
		cmocka_unit_test(replay_has_the_same_objects_on_any_threads),
		cmocka_unit_test(replay_has_percentiles_of_all_threads),
		cmocka_unit_test(replay_stops_all_threads_at_the_first_failure),
		cmocka_unit_test(replay_keeps_contents_on_threads),
	};

	return cmocka_run_group_tests(tests, setup_workload, NULL);
}
