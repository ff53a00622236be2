/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Who locks a whole pool lets go of what it locked and of nothing else, though another thread
 * waits to make a shard meanwhile. Locks are mutexes here, which are counted for each thread, and
 * the CPU is the test's to say (the linker's --wrap).
 */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

enum { SHARDS = 2, WAITS = 200, WAIT_NS = 1000000 };

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
uint32_t __wrap_xvi_cpu_now(void);

static _Thread_local uint32_t cpu;
static _Thread_local int locked; /* mutexes that the thread has, count */
static _Thread_local int fewest;
static _Thread_local bool waits; /* after each unlock, for the other thread */

static atomic_bool started, done;

uint32_t __wrap_xvi_cpu_now(void)
{
	return cpu;
}

static _Thread_local pthread_mutex_t *first_locked, *looked_for;
static _Thread_local int times_locked; /* that one */

static int note_lock(pthread_mutex_t *mutex, int err)
{
	if (err != 0)
		return err;
	locked++;
	first_locked = first_locked == NULL ? mutex : first_locked;
	times_locked += mutex == looked_for;
	return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	return note_lock(mutex, __real_pthread_mutex_lock(mutex));
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	return note_lock(mutex, __real_pthread_mutex_trylock(mutex));
}

/* Wait for a while; what comes later is not looked at here, but nothing fails by it. */
static void wait_for(atomic_bool *flag)
{
	const struct timespec moment = {.tv_nsec = WAIT_NS};

	for (int i = 0; i < WAITS && !atomic_load(flag); i++)
		nanosleep(&moment, NULL);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int err = __real_pthread_mutex_unlock(mutex);

	if (--locked < fewest)
		fewest = locked;
	if (waits)
		wait_for(&done);
	return err;
}

/* The first call from this CPU makes its shard. */
static void *allocate_elsewhere(void *argument)
{
	xv_handle handle;

	cpu = 1;
	atomic_store(&started, true);
	if (xv_malloc(argument, 100, &handle) != 0)
		return argument;
	atomic_store(&done, true);
	return NULL;
}

static struct xv_pool *pool_make(struct xv_provider *provider)
{
	struct xv_pool_options options;
	struct xv_pool *pool = NULL;

	xv_pool_options_init(&options);
	options.lock = XV_LOCK_MUTEX;
	options.shards = SHARDS;
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
	return pool;
}

static void a_shard_that_is_made_while_all_are_left_is_not_left(void **state)
{
	struct xv_provider *provider = NULL;
	struct xv_pool_stats stats;
	struct xv_pool *pool;
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	pool = pool_make(provider);
	xv_pool_lock_all(pool);
	assert_int_equal(pthread_create(&thread, NULL, allocate_elsewhere, pool), 0);
	wait_for(&started);
	waits = true;
	xv_pool_unlock_all(pool);
	waits = false;
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_int_equal(fewest, 0);
	assert_int_equal(locked, 0);
	xv_pool_get_stats(pool, &stats);
	assert_int_equal(stats.shards, SHARDS);
	assert_int_equal(stats.objects, 1);
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

static void a_shard_that_two_threads_want_is_made_once(void **state)
{
	struct xv_provider *provider = NULL;
	struct xv_pool_stats stats;
	struct xv_pool *pool;
	pthread_t threads[2];
	void *failed;

	(void)state;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	pool = pool_make(provider);
	xv_pool_lock_all(pool);
	for (int i = 0; i < 2; i++) {
		atomic_store(&started, false);
		assert_int_equal(pthread_create(&threads[i], NULL, allocate_elsewhere, pool), 0);
		wait_for(&started);
	}
	/* Neither finds the shard, and both wait to make it. */
	atomic_store(&done, false);
	for (int i = 0; i < 20; i++)
		nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
	xv_pool_unlock_all(pool);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	xv_pool_get_stats(pool, &stats);
	assert_int_equal(stats.shards, SHARDS);
	assert_int_equal(stats.objects, 2);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

/* Room in another shard is taken under its lock. */
static void room_in_another_shard_is_taken_under_its_lock(void **state)
{
	enum { PAGE_BYTES = 65536, HALF = PAGE_BYTES / 2 };
	struct xv_provider *provider = NULL;
	struct xv_pool_stats stats;
	xv_handle handle, large;
	struct xv_pool *pool;

	(void)state;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	if (xv_provider_page_grains(provider) < 16) { /* there is room in the other page as well */
		xv_provider_mmap_destroy(provider);
		skip();
	}
	pool = pool_make(provider);
	cpu = 0;
	assert_int_equal(xv_malloc(pool, HALF, &handle), 0);
	assert_int_equal(xv_malloc(pool, HALF / 2, &large), 0);
	cpu = 1;
	assert_int_equal(xv_malloc(pool, HALF, &handle), 0);
	xv_pool_get_stats(pool, &stats);
	xv_pool_set_limit(pool, stats.held_bytes);
	cpu = 0;
	first_locked = NULL;
	assert_int_equal(xv_free(pool, large), 0);
	looked_for = first_locked;
	assert_non_null(looked_for);
	cpu = 1;
	times_locked = 0;
	assert_int_equal(xv_malloc(pool, HALF / 2 - 100, &handle), 0);
	assert_int_equal(xv_handle_page(handle), xv_handle_page(large));
	assert_int_equal(times_locked, 1);
	assert_int_equal(locked, 0);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	cpu = 0;
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shard_that_is_made_while_all_are_left_is_not_left),
		cmocka_unit_test(a_shard_that_two_threads_want_is_made_once),
		cmocka_unit_test(room_in_another_shard_is_taken_under_its_lock),
	};

	return cmocka_run_group_tests_name("pool_leave_threads", tests, NULL, NULL);
}
