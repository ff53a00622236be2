/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Threads on a pool of several shards that free each other's objects, while one compacts
 * and one counts, checks, walks and trims. The objects lie in a table of atomic handles,
 * whose index is the owner number: whoever takes a handle out has the object to himself,
 * so any thread verifies, resizes and frees what any other made. Then: threads that end
 * and leave objects behind, and fork. Longer with XV_OPS. Meant for the thread sanitizer too.
 * May call: public headers, POSIX threads and processes, C11 atomics.
 */
#define _GNU_SOURCE /* usleep, CPU sets */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xvmalloc/pool.h>

#include "providers.h"
#include "shards_workers.h"
#include "test_flags.h"

enum { PAGES = 4096, OPS = 6000, FORKS = 12, LOW_PAGES = 400 };

/* What a run varies. */
struct kind {
	uint32_t threads;
	uint32_t shards;
	uint32_t flags;
	enum xv_lock_kind lock;
	bool high; /* another pool has the first pages */
};

/* ---- the others ---- */

static void *compact(void *argument)
{
	struct world *world = argument;

	while (atomic_load(&world->running) != 0) {
		int err = xv_compact(world->pool, 2048, NULL);

		expect(world, err == 0 || err == -XV_ENOTSUP, "compact", err);
		sched_yield();
	}
	return NULL;
}

static int count_object(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	*(size_t *)context += size != 0;
	return 0;
}

static bool parts_add_up(const struct xv_pool_stats *s)
{
	return s->held_bytes == s->requested_bytes + s->header_bytes + s->owner_bytes +
					s->link_bytes + s->rounding_bytes + s->free_bytes +
					s->spare_bytes + s->table_bytes &&
	       s->mallocs - s->frees == s->objects && s->peak_held_bytes >= s->held_bytes &&
	       s->page_allocs - s->page_frees == s->pages &&
	       s->remote_waiting <= 64 * XV_SHARDS_MAX;
}

static void *watch(void *argument)
{
	struct world *world = argument;
	struct xv_pool_stats stats;
	size_t seen = 0;

	for (uint32_t i = 0; atomic_load(&world->running) != 0; i++) {
		struct xv_check_report report = {.message = ""};
		int err = xv_pool_check(world->pool, i % 4 == 0 ? XV_CHECK_DEEP : XV_CHECK_QUICK,
					&report);

		expect(world, err == 0, report.message, err);
		xv_pool_get_stats(world->pool, &stats);
		expect(world, parts_add_up(&stats), "the statistics add up", 0);
		if (i % 3 == 0)
			(void)xv_pool_trim(world->pool);
		if (i % 8 == 1)
			expect(world, xv_pool_walk(world->pool, count_object, &seen) == 0, "walk",
			       0);
		sched_yield();
	}
	return NULL;
}

/* Turns the limit. */
static void *tune(void *argument)
{
	struct world *world = argument;
	struct xv_pool_stats stats;

	for (uint32_t i = 0; atomic_load(&world->running) != 0; i++) {
		xv_pool_get_stats(world->pool, &stats);
		xv_pool_set_limit(world->pool, i % 3 == 0 ? stats.held_bytes : 0);
		for (uint32_t n = 0; n < 50 && atomic_load(&world->running) != 0; n++)
			sched_yield();
	}
	xv_pool_set_limit(world->pool, 0);
	return NULL;
}

/* ---- a world ---- */

/* Another pool, with all pages up to a number that the first records of a pool do not reach. */
static struct xv_pool *low_pages_taken(struct xv_provider *provider)
{
	struct xv_pool *pool;
	xv_handle handle;

	assert_int_equal(xv_pool_create(&pool, provider, NULL), 0);
	for (uint32_t i = 0; i < LOW_PAGES; i++)
		assert_int_equal(xv_malloc(pool, xv_pool_max_size(pool), &handle), 0);
	return pool;
}

static struct world *world_open(const struct kind *kind)
{
	struct world *world = test_calloc(1, sizeof(*world));
	struct xv_pool_options options;

	assert_int_equal(provider_case_create(&provider_cases[0],
					      (size_t)PAGES * provider_cases[0].page_bytes,
					      &world->provider),
			 0);
	xv_pool_options_init(&options);
	options_set_flags(&options, kind->flags);
	options.owner_ops = &owner_ops;
	options.owner_context = world;
	options.lock = kind->lock;
	options.shards = kind->shards;
	world->low = kind->high ? low_pages_taken(world->provider) : NULL;
	assert_int_equal(xv_pool_create(&world->pool, world->provider, &options), 0);
	world->ops = test_repeats("XV_OPS", OPS) * 4 / kind->threads;
	return world;
}

static void assert_sound(struct world *world)
{
	struct xv_check_report report;
	int err = xv_pool_check(world->pool, XV_CHECK_DEEP, &report);

	if (err != 0)
		print_error("invariant %u, page %u: %s\n", (unsigned)report.invariant,
			    (unsigned)report.page, report.message);
	assert_int_equal(err, 0);
}

static void world_close(struct world *world)
{
	xv_pool_destroy(world->pool);
	xv_pool_destroy(world->low);
	provider_case_destroy(&provider_cases[0], world->provider);
	test_free(world);
}

static struct worker *workers_start(struct world *world, uint32_t threads)
{
	struct worker *workers = test_calloc(threads, sizeof(*workers));

	atomic_store(&world->running, threads);
	for (uint32_t i = 0; i < threads; i++) {
		workers[i].world = world;
		workers[i].number = i;
		workers[i].random = environment_number("XV_SEED", 2009) * THREADS_MAX + i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	return workers;
}

static void workers_join(struct worker *workers, uint32_t threads)
{
	for (uint32_t i = 0; i < threads; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

/* Every object is where the table says, and as it was; then there is none. */
static void end_all(struct world *world, struct worker *worker)
{
	struct xv_pool_stats stats;
	uint64_t live = 0;

	assert_sound(world);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		live += atomic_load(&world->handle[slot]) != XV_NULL_HANDLE;
	xv_pool_get_stats(world->pool, &stats);
	assert_int_equal(stats.objects, live);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		xv_handle handle = atomic_load(&world->handle[slot]);

		if (handle == XV_NULL_HANDLE)
			continue;
		verify(worker, slot, handle);
		drop(worker, slot, handle);
	}
	(void)xv_pool_trim(world->pool);
	assert_sound(world);
	xv_pool_get_stats(world->pool, &stats);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.requested_bytes, 0);
	assert_int_equal(stats.pages, 0);
	assert_int_equal(stats.bad_handles, 0);
	assert_int_equal(stats.remote_waiting, 0);
	assert_int_equal(atomic_load(&world->errors), 0);
}

static void threads_keep_their_contents(const struct kind *kind, bool tuned)
{
	struct world *world = world_open(kind);
	struct worker *workers = workers_start(world, kind->threads);
	struct xv_pool_stats stats;
	pthread_t others[3];

	assert_int_equal(pthread_create(&others[0], NULL, compact, world), 0);
	assert_int_equal(pthread_create(&others[1], NULL, watch, world), 0);
	assert_int_equal(pthread_create(&others[2], NULL, tuned ? tune : compact, world), 0);
	workers_join(workers, kind->threads);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(pthread_join(others[i], NULL), 0);
	xv_pool_get_stats(world->pool, &stats);
	print_message("%u threads, %u shards: %llu of %llu frees were of others' objects,"
		      " %llu left to a shard, %llu moves\n",
		      (unsigned)kind->threads, (unsigned)kind->shards,
		      (unsigned long long)atomic_load(&world->others),
		      (unsigned long long)stats.frees, (unsigned long long)stats.remote_frees,
		      (unsigned long long)atomic_load(&world->moves));
	/* A limit that turns may be low for as long as the workers run. */
	assert_true(tuned || stats.frees != 0);
	assert_true(tuned || atomic_load(&world->others) != 0);
	if (kind->shards == 1)
		assert_int_equal(stats.remote_frees, 0);
	end_all(world, &workers[0]);
	test_free(workers);
	world_close(world);
}

static void every_kind(uint32_t threads, uint32_t flags)
{
	static const uint32_t shards[] = {1, 2, 5};

	for (uint32_t i = 0; i < sizeof(shards) / sizeof(shards[0]); i++) {
		struct kind kind = {.threads = threads, .shards = shards[i], .flags = flags};

		threads_keep_their_contents(&kind, false);
	}
}

static void objects_change_hands(void **state)
{
	(void)state;
	every_kind(4, XV_POOL_OWNERS | XV_POOL_SPLIT);
}

static void objects_change_hands_in_plain_pools(void **state)
{
	struct kind spreading = {.threads = 4, .shards = 0};

	(void)state;
	every_kind(3, 0);
	threads_keep_their_contents(&spreading, false);
	spreading.high = true;
	threads_keep_their_contents(&spreading, false);
	spreading.flags = TEST_KEYED;
	threads_keep_their_contents(&spreading, false);
}

static void objects_change_hands_under_mutexes(void **state)
{
	struct kind kind = {
		.threads = 4, .shards = 2, .flags = XV_POOL_OWNERS, .lock = XV_LOCK_MUTEX};

	(void)state;
	threads_keep_their_contents(&kind, false);
}

static void sixty_four_threads_share_what_cpus_there_are(void **state)
{
	(void)state;
	every_kind(THREADS_MAX, XV_POOL_OWNERS | XV_POOL_SPLIT);
}

static void the_limit_turns_meanwhile(void **state)
{
	struct kind kind = {.threads = 4, .shards = 2, .flags = XV_POOL_OWNERS | XV_POOL_SPLIT};

	(void)state;
	threads_keep_their_contents(&kind, true);
	kind.shards = 1;
	threads_keep_their_contents(&kind, true);
}

/* ---- one shard, until threads meet ---- */

struct meeting {
	struct world *world;
	int cpu; /* to run on; -1 for any */
	atomic_bool is_there;
};

static void run_on(int cpu)
{
#if defined(__linux__)
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
#else
	(void)cpu;
#endif
}

static void *meet(void *argument)
{
	struct meeting *meeting = argument;
	struct world *world = meeting->world;
	xv_handle handle;

	if (meeting->cpu >= 0)
		run_on(meeting->cpu);
	atomic_store(&meeting->is_there, true);
	expect(world, xv_malloc(world->pool, 100, &handle) == 0, "malloc", 0);
	expect(world, xv_free(world->pool, handle) == 0, "free", 0);
	return NULL;
}

static uint32_t shards_used(struct world *world)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(world->pool, &stats);
	return stats.shards;
}

/* A thread on that CPU allocates and frees while this one has all locks, or none. */
static void meet_once(struct world *world, bool locked, int cpu)
{
	struct meeting meeting = {.world = world, .cpu = cpu};
	pthread_t thread;

	if (locked)
		xv_pool_lock_all(world->pool);
	assert_int_equal(pthread_create(&thread, NULL, meet, &meeting), 0);
	if (locked) {
		while (!atomic_load(&meeting.is_there))
			sched_yield();
		usleep(1000);
		xv_pool_unlock_all(world->pool);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Two CPUs that the system lets this process run on, and that have shards of their own once
 * there are as many as CPUs. False where there are none. */
static bool two_cpus(int cpu[2])
{
#if defined(__linux__)
	int shards = (int)sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	cpu[0] = -1;
	if (shards > (int)XV_SHARDS_MAX)
		shards = (int)XV_SHARDS_MAX;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return false;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET((unsigned)i, &set))
			continue;
		cpu[1] = i;
		if (cpu[0] < 0)
			cpu[0] = i;
		else if (cpu[0] % shards != i % shards)
			return true;
	}
	return false;
#else
	cpu[0] = cpu[1] = -1;
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
#endif
}

/* Left to itself the system may run all of them on one CPU while the others are busy. When a
 * thread runs is its to say still: it may take some rounds. */
static void meet_until_spread(bool high)
{
	struct kind kind = {.shards = 0, .threads = 2, .high = high};
	struct world *world;
	xv_handle handle;
	int cpu[2];

	if (!two_cpus(cpu))
		skip();
	world = world_open(&kind);
	assert_int_equal(xv_malloc(world->pool, 1234, &handle), 0);
	for (uint32_t i = 0; i < 100; i++)
		meet_once(world, false, cpu[i % 2]);
	assert_int_equal(shards_used(world), 1);
	for (uint32_t round = 0; round < 2000 && shards_used(world) == 1; round++)
		meet_once(world, true, cpu[round % 2]);
	assert_true(shards_used(world) > 1);
	assert_int_equal(atomic_load(&world->errors), 0);
	assert_sound(world);
	assert_int_equal(xv_object_size(world->pool, handle), 1234);
	assert_int_equal(xv_free(world->pool, handle), 0);
	world_close(world);
}

static void threads_that_meet_are_spread(void **state)
{
	(void)state;
	meet_until_spread(false);
}

/* A pool that has one page, of a high number, before. */
static void threads_on_high_pages_are_spread(void **state)
{
	(void)state;
	meet_until_spread(true);
}

/* ---- threads that end ---- */

static void *leave_objects_behind(void *argument)
{
	struct worker *worker = argument;
	struct xv_pool *pool = worker->world->pool;
	xv_handle handle[200];

	for (uint32_t i = 0; i < 200; i++)
		expect(worker->world, xv_malloc(pool, 300, &handle[i]) == 0, "malloc", 0);
	/* A few live on; the last frees still wait to be done. */
	for (uint32_t i = 0; i < 200; i++) {
		if (i % 20 != 0)
			expect(worker->world, xv_free(pool, handle[i]) == 0, "free", 0);
	}
	for (uint32_t i = 0; i < 10; i++)
		atomic_store(&worker->world->handle[worker->number * 10 + i], handle[i * 20]);
	return NULL;
}

/* One after the other, so that each ends with what it kept. */
static void a_thread_that_ends_leaves_nothing_behind(void **state)
{
	static const uint32_t shards[] = {1, 2, 5};
	struct xv_pool_stats stats;

	(void)state;
	for (uint32_t s = 0; s < sizeof(shards) / sizeof(shards[0]); s++) {
		struct kind kind = {.threads = 1, .shards = shards[s]};
		struct world *world = world_open(&kind);

		for (uint32_t i = 0; i < 20; i++) {
			struct worker *worker = test_calloc(1, sizeof(*worker));

			worker->world = world;
			worker->number = i;
			assert_int_equal(
				pthread_create(&worker->thread, NULL, leave_objects_behind, worker),
				0);
			assert_int_equal(pthread_join(worker->thread, NULL), 0);
			test_free(worker);
			xv_pool_get_stats(world->pool, &stats);
			assert_int_equal(stats.objects, 10 * (i + 1));
		}
		assert_int_equal(atomic_load(&world->errors), 0);
		for (uint32_t i = 0; i < 200; i++)
			assert_int_equal(xv_free(world->pool, atomic_load(&world->handle[i])), 0);
		(void)xv_pool_trim(world->pool);
		xv_pool_get_stats(world->pool, &stats);
		assert_int_equal(stats.objects + stats.pages, 0);
		assert_sound(world);
		world_close(world);
	}
}

/* ---- fork ---- */

/* What a child does with its copy of the pool; its exit status. */
static int child_uses(struct world *world)
{
	struct xv_pool_stats before, after;
	xv_handle handle[100];
	unsigned char bytes[500];

	if (xv_pool_check(world->pool, XV_CHECK_DEEP, NULL) != 0)
		return 2;
	xv_pool_get_stats(world->pool, &before);
	for (uint32_t i = 0; i < 100; i++) {
		if (xv_malloc(world->pool, 400 + i, &handle[i]) != 0)
			return 3;
		pattern_fill(bytes, 400 + i, i);
		if (xv_write(world->pool, handle[i], 0, bytes, 400 + i) != 0)
			return 4;
	}
	for (uint32_t i = 0; i < 100; i++) {
		if (xv_read(world->pool, handle[i], 0, bytes, 400 + i) != 0 ||
		    !pattern_matches(bytes, 400 + i, i))
			return 5;
		if (xv_free(world->pool, handle[i]) != 0)
			return 6;
	}
	(void)xv_pool_trim(world->pool);
	xv_pool_get_stats(world->pool, &after);
	if (after.objects != before.objects || after.remote_waiting > 64 * XV_SHARDS_MAX)
		return 7;
	return xv_pool_check(world->pool, XV_CHECK_DEEP, NULL) == 0 ? 0 : 8;
}

static void fork_once(struct world *world)
{
	int status = -1;
	pid_t child;

	xv_pool_lock_all(world->pool);
	child = fork();
	xv_pool_unlock_all(world->pool);
	if (child == 0)
		_exit(child_uses(world));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void fork_while_others_work(uint32_t shards, enum xv_lock_kind lock)
{
	struct kind kind = {.threads = 3, .shards = shards, .flags = XV_POOL_OWNERS, .lock = lock};
	struct world *world = world_open(&kind);
	struct worker *workers;

	world->ops = UINT64_MAX;
	workers = workers_start(world, kind.threads);
	for (uint32_t i = 0; i < FORKS; i++) {
		fork_once(world);
		usleep(1000);
	}
	atomic_store(&world->stop, true);
	workers_join(workers, kind.threads);
	end_all(world, &workers[0]);
	test_free(workers);
	world_close(world);
}

static void a_child_process_finds_the_pool_whole(void **state)
{
	(void)state;
	fork_while_others_work(2, XV_LOCK_SPIN);
	fork_while_others_work(2, XV_LOCK_MUTEX);
	fork_while_others_work(1, XV_LOCK_SPIN);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_change_hands),
		cmocka_unit_test(objects_change_hands_in_plain_pools),
		cmocka_unit_test(objects_change_hands_under_mutexes),
		cmocka_unit_test(sixty_four_threads_share_what_cpus_there_are),
		cmocka_unit_test(the_limit_turns_meanwhile),
		cmocka_unit_test(threads_that_meet_are_spread),
		cmocka_unit_test(threads_on_high_pages_are_spread),
		cmocka_unit_test(a_thread_that_ends_leaves_nothing_behind),
		cmocka_unit_test(a_child_process_finds_the_pool_whole),
	};

	fprintf(stderr, "pool_shards_threads: XV_SEED=%llu\n",
		(unsigned long long)environment_number("XV_SEED", 2009));
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pool_shards_threads", tests, NULL, NULL) != 0;
}
