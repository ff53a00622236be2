/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Threads that allocate, read, resize and free while another one compacts. The owners'
 * table is an array of atomic handles: who wants to free or resize an object takes its
 * handle out first, a move replaces the handle only where it is still the old one, and
 * who reads tries again when the object has moved on the way. May call: public headers,
 * POSIX threads, C11 atomics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <xvmalloc/pool.h>

#include "pattern.h"
#include "providers.h"
#include "test_random.h"
#include "test_flags.h"

enum { WORKERS = 2, SLOTS = 240, OBJECT_BYTES_MAX = 9000, PAGES = 2048, OPS_MAX = 4000000 };

struct world {
	struct xv_pool *pool;
	_Atomic(xv_handle) handle[SLOTS];
	struct {
		uint32_t size;
		uint32_t pattern;
	} object[SLOTS]; /* each is touched by one worker alone */
	atomic_uint running;
	atomic_ullong moves;
	uint64_t ops;
	uint64_t seed;
};

struct worker {
	struct world *world;
	pthread_t thread;
	uint32_t number;
	uint32_t errors;
	uint64_t retries;
	uint64_t random;
	uint32_t patterns;
	unsigned char buffer[OBJECT_BYTES_MAX];
};

/* ---- owners ---- */

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct world *world = context;

	if (owner >= SLOTS || !atomic_compare_exchange_strong(&world->handle[owner], &from, to))
		return -1;
	atomic_fetch_add(&world->moves, 1);
	return 0;
}

static const struct xv_owner_ops ops = {relocated};

/* ---- workers ---- */

static void expect(struct worker *worker, bool good, const char *what)
{
	if (!good && worker->errors++ < 3)
		fprintf(stderr, "worker %u: %s\n", (unsigned)worker->number, what);
}

static uint32_t fresh_size(struct worker *worker)
{
	size_t kind = random_below(&worker->random, 16);

	return 1 + (uint32_t)random_below(&worker->random, kind == 0  ? OBJECT_BYTES_MAX
							   : kind < 6 ? 3000
								      : 600);
}

/* Contents before the handle is known to others: nothing moves the object meanwhile. */
static void publish(struct worker *worker, uint32_t slot, xv_handle handle, uint32_t size)
{
	struct world *world = worker->world;
	uint32_t pattern = ++worker->patterns * WORKERS + worker->number;

	pattern_fill(worker->buffer, size, pattern);
	expect(worker, xv_write(world->pool, handle, 0, worker->buffer, size) == 0, "write");
	world->object[slot].size = size;
	world->object[slot].pattern = pattern;
	atomic_store(&world->handle[slot], handle);
}

static void make(struct worker *worker, uint32_t slot)
{
	uint32_t size = fresh_size(worker);
	xv_handle handle;
	int err = xv_malloc_owned(worker->world->pool, size, slot, &handle);

	expect(worker, err == 0, "malloc");
	if (err == 0)
		publish(worker, slot, handle, size);
}

static void look(struct worker *worker, uint32_t slot)
{
	struct world *world = worker->world;
	uint32_t size = world->object[slot].size;
	xv_handle handle = atomic_load(&world->handle[slot]);
	int err;

	while ((err = xv_read(world->pool, handle, 0, worker->buffer, size)) == -XV_EINVAL) {
		xv_handle now = atomic_load(&world->handle[slot]);

		if (now == handle)
			break;
		handle = now;
		worker->retries++;
	}
	expect(worker, err == 0, "read");
	expect(worker, pattern_matches(worker->buffer, size, world->object[slot].pattern),
	       "contents");
}

static void drop(struct worker *worker, uint32_t slot)
{
	xv_handle handle = atomic_exchange(&worker->world->handle[slot], XV_NULL_HANDLE);

	expect(worker, xv_free(worker->world->pool, handle) == 0, "free");
}

static void resize(struct worker *worker, uint32_t slot)
{
	uint32_t size = fresh_size(worker);
	xv_handle handle = atomic_exchange(&worker->world->handle[slot], XV_NULL_HANDLE);
	int err = xv_realloc(worker->world->pool, &handle, size);

	/* Another thread's object in the same page may be being copied: not an error. */
	expect(worker, err == 0 || err == -XV_EBUSY, "realloc");
	publish(worker, slot, handle, err == 0 ? size : worker->world->object[slot].size);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct world *world = worker->world;

	/* On a busy machine the compactor may come late: wait for it to have moved something. */
	for (uint64_t i = 0; worker->errors == 0 &&
			     (i < world->ops || (atomic_load(&world->moves) == 0 && i < OPS_MAX));
	     i++) {
		uint32_t slot = (uint32_t)random_below(&worker->random, SLOTS / WORKERS) * WORKERS +
				worker->number;

		if (atomic_load(&world->handle[slot]) == XV_NULL_HANDLE) {
			if (random_below(&worker->random, 3) != 0)
				make(worker, slot);
			continue;
		}
		look(worker, slot);
		if (i % 3 == 0)
			drop(worker, slot);
		else if (i % 7 == 0)
			resize(worker, slot);
	}
	atomic_fetch_sub(&world->running, 1);
	return NULL;
}

static void *compact(void *argument)
{
	struct world *world = argument;
	uintptr_t errors = 0;

	while (atomic_load(&world->running) != 0)
		errors += xv_compact(world->pool, 2048, NULL) != 0;
	return (void *)errors;
}

/* ---- the test ---- */

static void run_threads(struct world *world, struct worker *workers)
{
	pthread_t compactor;
	void *errors = NULL;

	atomic_store(&world->running, WORKERS);
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i].world = world;
		workers[i].number = i;
		workers[i].random = world->seed + i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	assert_int_equal(pthread_create(&compactor, NULL, compact, world), 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	assert_int_equal(pthread_join(compactor, &errors), 0);
	assert_null(errors);
}

/* All objects are where the table says, and then none is left. */
static void verify_all(struct world *world, struct worker *workers)
{
	struct xv_check_report report;
	struct xv_pool_stats stats;

	assert_int_equal(xv_pool_check(world->pool, XV_CHECK_DEEP, &report), 0);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		if (atomic_load(&world->handle[slot]) == XV_NULL_HANDLE)
			continue;
		look(&workers[slot % WORKERS], slot);
		drop(&workers[slot % WORKERS], slot);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(workers[i].errors, 0);
	xv_pool_get_stats(world->pool, &stats);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(xv_pool_check(world->pool, XV_CHECK_DEEP, &report), 0);
}

static void compact_while_others_work(const struct provider_case *which, uint32_t flags,
				      enum xv_lock_kind lock)
{
	struct world *world = test_calloc(1, sizeof(*world));
	struct worker *workers = test_calloc(WORKERS, sizeof(*workers));
	struct xv_pool_options options;
	struct xv_provider *provider;

	world->seed = environment_number("XV_SEED", 2009);
	world->ops = test_repeats("XV_OPS", 4000);
	assert_int_equal(provider_case_create(which, (size_t)PAGES * which->page_bytes, &provider),
			 0);
	xv_pool_options_init(&options);
	options_set_flags(&options, flags);
	options.owner_ops = &ops;
	options.owner_context = world;
	options.lock = lock;
	assert_int_equal(xv_pool_create(&world->pool, provider, &options), 0);
	run_threads(world, workers);
	verify_all(world, workers);
	print_message("%s: %llu moves, %llu reads tried again\n", which->name,
		      (unsigned long long)atomic_load(&world->moves),
		      (unsigned long long)(workers[0].retries + workers[1].retries));
	assert_true(atomic_load(&world->moves) != 0);
	xv_pool_destroy(world->pool);
	provider_case_destroy(which, provider);
	test_free(workers);
	test_free(world);
}

static const struct provider_case *case_of(enum provider_kind kind)
{
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		if (provider_cases[i].kind == kind)
			return &provider_cases[i];
	}
	return NULL;
}

static void objects_survive_on_mapped_pages(void **state)
{
	(void)state;
	compact_while_others_work(case_of(PROVIDER_MMAP), XV_POOL_OWNERS | XV_POOL_SPLIT,
				  XV_LOCK_MUTEX);
}

static void objects_survive_under_a_spinning_lock(void **state)
{
	(void)state;
	compact_while_others_work(case_of(PROVIDER_MMAP), XV_POOL_OWNERS | XV_POOL_SPLIT,
				  XV_LOCK_SPIN);
}

static void objects_survive_behind_a_window(void **state)
{
	(void)state;
	if (case_of(PROVIDER_HIGHMEM)->page_bytes < os_page_bytes())
		skip();
	compact_while_others_work(case_of(PROVIDER_HIGHMEM), XV_POOL_OWNERS | XV_POOL_SPLIT,
				  XV_LOCK_MUTEX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_survive_on_mapped_pages),
		cmocka_unit_test(objects_survive_under_a_spinning_lock),
		cmocka_unit_test(objects_survive_behind_a_window),
	};

	fprintf(stderr, "compact_threads: XV_SEED=%llu\n",
		(unsigned long long)environment_number("XV_SEED", 2009));
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
