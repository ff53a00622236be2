/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_walk_threads.c: a walk while other threads make and free objects: what stays is visited
 * once. May call: public headers, threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

#include "test_random.h"

enum { THREADS = 2, OWN = 200, STAY = 3000, WALKS = 30, STAYS_BYTES = 48 };

struct world {
	struct xv_pool *pool;
	atomic_int ended;
	unsigned char visits[STAY];
	bool strange; /* an object of this size that does not say its number */
};

static void *worker(void *context)
{
	struct world *world = context;
	xv_handle own[OWN] = {0};
	uint64_t random = (uintptr_t)&own;

	while (!atomic_load(&world->ended)) {
		size_t at = random_below(&random, OWN);

		if (own[at] != XV_NULL_HANDLE)
			(void)xv_free(world->pool, own[at]);
		own[at] = XV_NULL_HANDLE;
		/* Never as long as those that stay. */
		(void)!xv_malloc(world->pool, STAYS_BYTES + 1 + random_below(&random, 300),
				 &own[at]);
	}
	for (size_t i = 0; i < OWN; i++) {
		if (own[i] != XV_NULL_HANDLE)
			(void)xv_free(world->pool, own[i]);
	}
	return NULL;
}

static int visit(void *context, xv_handle handle, size_t size)
{
	struct world *world = context;
	uint32_t number;

	if (size != STAYS_BYTES)
		return 0;
	if (xv_read(world->pool, handle, 0, &number, sizeof(number)) != 0 || number >= STAY)
		world->strange = true;
	else if (world->visits[number] < 255)
		world->visits[number]++;
	return 0;
}

static void a_walk_beside_threads_visits_what_stays_once(void **unused)
{
	static struct world world;
	struct xv_provider *provider;
	pthread_t threads[THREADS];

	(void)unused;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	assert_int_equal(xv_pool_create(&world.pool, provider, NULL), 0);
	for (uint32_t i = 0; i < STAY; i++) {
		xv_handle handle, other;

		assert_int_equal(xv_malloc(world.pool, STAYS_BYTES, &handle), 0);
		assert_int_equal(xv_write(world.pool, handle, 0, &i, sizeof(i)), 0);
		assert_int_equal(xv_malloc(world.pool, 100, &other), 0);
		assert_int_equal(xv_free(world.pool, other), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, &world), 0);
	for (unsigned walk = 0; walk < WALKS; walk++) {
		memset(world.visits, 0, sizeof(world.visits));
		assert_int_equal(xv_pool_walk(world.pool, visit, &world), 0);
		for (uint32_t i = 0; i < STAY; i++)
			assert_int_equal(world.visits[i], 1);
	}
	atomic_store(&world.ended, 1);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(world.strange);
	assert_int_equal(xv_pool_check(world.pool, XV_CHECK_DEEP, NULL), 0);
	xv_pool_destroy(world.pool);
	xv_provider_mmap_destroy(provider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_beside_threads_visits_what_stays_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
