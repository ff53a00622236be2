/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fork() while other threads use the provider: who holds it finds it in one piece in the
 * child, whoever else was inside. Without the hold a child waits for ever for a lock that a
 * thread had which it does not have: an alarm ends it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* usleep */
#endif
#include "provider_support.h"

#include "providers.h"

#include <xvmalloc/pool.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define FORKS 20
#define OBJECTS 24U
#define OBJECT_BYTES 12000U
#define CHILD_SECONDS 60U
#define WORLD_SECONDS 300U
#define PROVIDER_BYTES (64 * MIB)
#define WORK_BEFORE_FORK 20U
#define NAP_US 200 /* a thread that waits for a lock gets it */

enum { FIRST, SECOND, OTHER, POOLS };

struct world {
	struct xv_provider *provider;
	struct xv_pool *pool[POOLS];
	bool shared; /* the child sees the same pages: the parent stays out of them */
	atomic_bool stop;
	atomic_bool failed;
	atomic_uint work;
};

struct pool_worker {
	struct world *world;
	struct xv_pool *pool;
};

/* Allocate and free so that pages and grains come and go. */
static bool use_pool(struct xv_pool *pool, const atomic_bool *stop)
{
	static const char word[] = "contents";
	xv_handle handle[OBJECTS];
	char seen[sizeof(word)];
	uint32_t count = 0;
	bool good = true;

	while (count < OBJECTS && good && !(stop != NULL && atomic_load(stop))) {
		good = xv_malloc(pool, OBJECT_BYTES, &handle[count]) == 0;
		count += good;
		good = good && xv_write(pool, handle[count - 1], 0, word, sizeof(word)) == 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		good = xv_read(pool, handle[i], 0, seen, sizeof(seen)) == 0 &&
		       memcmp(seen, word, sizeof(word)) == 0 && xv_free(pool, handle[i]) == 0 &&
		       good;
	}
	(void)xv_pool_trim(pool);
	return good;
}

static void *work_on_pool(void *argument)
{
	struct pool_worker *worker = argument;
	struct world *world = worker->world;

	while (!atomic_load(&world->stop)) {
		if (!use_pool(worker->pool, &world->stop))
			atomic_store(&world->failed, true);
		atomic_fetch_add(&world->work, 1);
		usleep(NAP_US);
	}
	return NULL;
}

/* Pages without a pool, so that the provider is busy whatever pools are locked. */
static void *work_on_provider(void *argument)
{
	struct world *world = argument;
	struct xv_provider *provider = world->provider;
	uint32_t page;

	while (!atomic_load(&world->stop)) {
		char *at = NULL;

		if (page_take(provider, &page) != 0) {
			atomic_store(&world->failed, true);
			break;
		}
		at = provider->ops->page_map(provider, page);
		if (at != NULL) {
			*at = 1;
			(void)provider->ops->page_unmap(provider, page, at);
		}
		if (provider->ops->grains_give != NULL)
			(void)provider->ops->grains_give(provider, page, 0, 1);
		provider->ops->pages_free(provider, page, 1);
		atomic_fetch_add(&world->work, 1);
	}
	return NULL;
}

static int child_uses(struct world *world, int first, int last)
{
	alarm(CHILD_SECONDS);
	for (int i = last; i >= first; i--)
		xv_pool_unlock_all(world->pool[i]);
	for (int i = first; i <= last; i++) {
		if (xv_pool_check(world->pool[i], XV_CHECK_DEEP, NULL) != 0)
			return 2;
		if (!use_pool(world->pool[i], NULL))
			return 3;
	}
	return 0;
}

/* One fork with pools first .. last locked; true when its child could use them. */
static bool fork_once(struct world *world, int first, int last)
{
	int status = -1;
	pid_t child;

	for (int i = first; i <= last; i++)
		xv_pool_lock_all(world->pool[i]);
	child = fork();
	if (child == 0)
		_exit(child_uses(world, first, last));
	/* Who works on what a child has used would find it changed: locked until the process ends.
	 */
	for (int i = last; i >= first && !world->shared; i--)
		xv_pool_unlock_all(world->pool[i]);
	if (child > 0)
		(void)waitpid(child, &status, 0);
	if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "child: status %#x\n", (unsigned)status);
		return false;
	}
	return true;
}

/* The third pool is locked alone, while the first two may be locked by the other thread. */
static void *fork_with_other(void *argument)
{
	struct world *world = argument;

	for (int i = 0; i < FORKS && !atomic_load(&world->stop); i++) {
		if (!fork_once(world, OTHER, OTHER))
			atomic_store(&world->failed, true);
	}
	return NULL;
}

static void world_open(struct world *world, const struct provider_case *which)
{
	struct xv_pool_options options;

	*world = (struct world){.shared = which->kind == PROVIDER_HIGHMEM};
	if (provider_case_create(which, PROVIDER_BYTES, &world->provider) != 0)
		_exit(1);
	xv_pool_options_init(&options);
	for (int i = 0; i < POOLS; i++) {
		if (xv_pool_create(&world->pool[i], world->provider, &options) != 0)
			_exit(1);
	}
}

/* In a process of its own: pages that a child shares are not used again after it. */
static void world_run(const struct provider_case *which, int forks)
{
	struct pool_worker workers[POOLS];
	pthread_t threads[POOLS + 2];
	struct world world;
	int count = 0;

	alarm(WORLD_SECONDS);
	world_open(&world, which);
	for (int i = 0; i < POOLS; i++) {
		workers[i] = (struct pool_worker){.world = &world, .pool = world.pool[i]};
		if (pthread_create(&threads[count++], NULL, work_on_pool, &workers[i]) != 0)
			_exit(1);
	}
	if (pthread_create(&threads[count++], NULL, work_on_provider, &world) != 0)
		_exit(1);
	while (atomic_load(&world.work) < WORK_BEFORE_FORK)
		sched_yield();
	if (!world.shared && pthread_create(&threads[count++], NULL, fork_with_other, &world) != 0)
		_exit(1);
	for (int i = 0; i < forks; i++) {
		if (!fork_once(&world, FIRST, SECOND))
			_exit(1);
	}
	if (world.shared)
		_exit(0);
	atomic_store(&world.stop, true);
	for (int i = 0; i < count; i++)
		(void)pthread_join(threads[i], NULL);
	_exit(atomic_load(&world.failed) ? 1 : 0);
}

static void worlds_run(enum provider_kind kind, int worlds, int forks)
{
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		if (provider_cases[i].kind != kind || provider_cases[i].page_bytes != 64 * KIB)
			continue;
		for (int world = 0; world < worlds; world++) {
			int status = -1;
			pid_t child = fork();

			if (child == 0)
				world_run(&provider_cases[i], forks);
			assert_true(child > 0);
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_int_equal(status, 0);
		}
	}
}

static void private_pages_are_whole_in_a_child(void **state)
{
	(void)state;
	worlds_run(PROVIDER_MMAP, 1, FORKS);
}

static void shared_pages_are_whole_in_a_child(void **state)
{
	(void)state;
	worlds_run(PROVIDER_HIGHMEM, FORKS, 1);
}

static void holds_are_counted_and_end_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		struct xv_provider *provider = NULL;
		const struct xv_provider_ops *ops;
		uint32_t page;

		if (provider_case_create(&provider_cases[i], MIB, &provider) != 0)
			continue;
		ops = provider->ops;
		assert_true((ops->hold == NULL) == (ops->release == NULL));
		assert_true((ops->hold == NULL) == (provider_cases[i].kind == PROVIDER_BUFFER));
		if (ops->hold != NULL) {
			assert_int_equal(ops->release(provider), 0);
			ops->hold(provider, 1);
			ops->hold(provider, 2);
			assert_int_equal(ops->release(provider), 3);
			assert_int_equal(ops->release(provider), 0);
		}
		assert_int_equal(page_take(provider, &page), 0);
		provider_case_destroy(&provider_cases[i], provider);
	}
}

struct visitor {
	struct xv_provider *provider;
	uint32_t released;
	atomic_bool is_there;
	atomic_bool is_over;
};

static void *visit(void *argument)
{
	struct visitor *visitor = argument;
	uint32_t page;

	visitor->released = visitor->provider->ops->release(visitor->provider);
	atomic_store(&visitor->is_there, true);
	if (page_take(visitor->provider, &page) == 0)
		atomic_store(&visitor->is_over, true);
	return NULL;
}

static void another_thread_waits_for_the_holder_and_cannot_end_its_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		struct visitor visitor = {.provider = NULL};
		pthread_t thread;

		if (provider_cases[i].kind == PROVIDER_BUFFER ||
		    provider_case_create(&provider_cases[i], MIB, &visitor.provider) != 0)
			continue;
		visitor.provider->ops->hold(visitor.provider, 1);
		assert_int_equal(pthread_create(&thread, NULL, visit, &visitor), 0);
		while (!atomic_load(&visitor.is_there))
			sched_yield();
		usleep(2000);
		assert_false(atomic_load(&visitor.is_over));
		assert_int_equal(visitor.provider->ops->release(visitor.provider), 1);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(visitor.released, 0);
		assert_true(atomic_load(&visitor.is_over));
		provider_case_destroy(&provider_cases[i], visitor.provider);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_are_counted_and_end_together),
		cmocka_unit_test(another_thread_waits_for_the_holder_and_cannot_end_its_hold),
		cmocka_unit_test(private_pages_are_whole_in_a_child),
		cmocka_unit_test(shared_pages_are_whole_in_a_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
