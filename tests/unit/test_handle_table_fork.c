/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A process whose threads are busy on a handle table forks again and again: each child finds
 * table and pool in one piece, and uses both.
 */
#include "handle_table_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that waits for a thread it has not would wait for ever. */
enum { THREADS = 3, FORKS = 60, BOARD = 48, CHILD_SECONDS = 120 };

static struct xv_handle_table *table;
static struct xv_pool *beside; /* over the same provider; locked with the table if it is there */
static _Atomic xv_id board[BOARD];
static atomic_bool ending;
static atomic_uint errors;

static void expect(bool good)
{
	if (!good)
		atomic_fetch_add(&errors, 1);
}

static bool may_be_gone(int err)
{
	return err == 0 || err == -XV_EINVAL || err == -XV_EBUSY;
}

/* Make what is not there; else read, map, resize or free it. Any of it may be gone, or be
 * another thread's at the moment. */
static void work_once(uint64_t *random)
{
	_Atomic xv_id *place = &board[random_below(random, BOARD)];
	struct xv_id_mapping mapping;
	unsigned char bytes[64] = {0};
	xv_id id = atomic_load(place);
	xv_id empty = XV_NULL_ID;

	if (id == XV_NULL_ID) {
		expect(xv_id_malloc(table, 64 + random_below(random, 3000), &id) == 0);
		expect(xv_id_write(table, id, 0, bytes, sizeof(bytes)) == 0);
		if (!atomic_compare_exchange_strong(place, &empty, id))
			expect(xv_id_free(table, id) == 0);
		return;
	}
	switch (random_below(random, 6)) {
	case 0:
		if (atomic_compare_exchange_strong(place, &id, XV_NULL_ID))
			expect(xv_id_free(table, id) == 0);
		break;
	case 1:
		expect(may_be_gone(xv_id_realloc(table, id, 64 + random_below(random, 3000))));
		break;
	case 2:
		if (xv_id_map(table, id, &mapping) == 0)
			expect(xv_id_unmap(table, &mapping) == 0);
		break;
	case 3:
		(void)xv_handle_table_compact(table, 4096, NULL);
		break;
	default:
		expect(may_be_gone(xv_id_read(table, id, 0, bytes, sizeof(bytes))));
		break;
	}
}

static void *work(void *argument)
{
	uint64_t random = (uint64_t)(uintptr_t)argument;

	while (!atomic_load(&ending))
		work_once(&random);
	return NULL;
}

/* What a child does with its copy: every id that it knows, and new ones; its exit status. */
static int child_uses(void)
{
	struct xv_pool *pool = xv_handle_table_pool(table);
	struct xv_id_mapping mapping;
	unsigned char byte = 0;
	xv_handle handle;
	xv_id ids[400];

	if (xv_handle_table_check(table, XV_CHECK_QUICK, NULL) != 0)
		return 2;
	for (size_t i = 0; i < BOARD; i++) {
		xv_id id = atomic_load(&board[i]);

		if (!may_be_gone(xv_id_write(table, id, 0, &byte, 1)) ||
		    !may_be_gone(xv_id_realloc(table, id, 500)))
			return 3;
		if (xv_id_map(table, id, &mapping) == 0 && xv_id_unmap(table, &mapping) != 0)
			return 3;
		(void)xv_id_free(table, id);
	}
	for (size_t i = 0; i < 400; i++) {
		if (xv_id_malloc(table, 200, &ids[i]) != 0)
			return 4;
	}
	for (size_t i = 0; i < 400; i++) {
		if (xv_id_read(table, ids[i], 0, &byte, 1) != 0 || xv_id_free(table, ids[i]) != 0)
			return 5;
	}
	if (xv_malloc(pool, 100, &handle) != 0 || xv_free(pool, handle) != 0)
		return 6;
	for (int i = 0; i < 20; i++)
		(void)xv_handle_table_compact(table, 0, NULL);
	(void)xv_handle_table_trim(table);
	/* Whatever was between making and freeing when the process forked, nothing is busy. */
	return xv_handle_table_check(table, XV_CHECK_DEEP, NULL) == 0 ? 0 : 7;
}

static void fork_once(void)
{
	int status = -1;
	pid_t child;

	xv_pool_lock_all(beside);
	xv_handle_table_lock_all(table);
	child = fork();
	if (child == 0)
		(void)alarm(CHILD_SECONDS);
	xv_handle_table_unlock_all(table);
	xv_pool_unlock_all(beside);
	if (child == 0)
		_exit(child_uses());
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void fork_beside_threads(enum xv_lock_kind lock, uint32_t shards, bool with_pool)
{
	struct xv_handle_table_options options;
	struct xv_provider *provider;
	pthread_t threads[THREADS];

	/* Memory that is private to the process: the child has its own. */
	assert_int_equal(provider_cases[0].kind, PROVIDER_MMAP);
	assert_int_equal(provider_case_create(&provider_cases[0], 16 << 20, &provider), 0);
	xv_handle_table_options_init(&options);
	options.pool.lock = lock;
	options.pool.shards = shards;
	assert_int_equal(xv_handle_table_create(&table, provider, &options), 0);
	if (with_pool)
		assert_int_equal(xv_pool_create(&beside, provider, NULL), 0);
	atomic_store(&ending, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
	for (int i = 0; i < FORKS; i++)
		fork_once();
	atomic_store(&ending, true);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&errors), 0);
	assert_int_equal(xv_handle_table_check(table, XV_CHECK_DEEP, NULL), 0);
	for (size_t i = 0; i < BOARD; i++) {
		xv_id id = atomic_exchange(&board[i], XV_NULL_ID);

		if (id != XV_NULL_ID)
			assert_int_equal(xv_id_free(table, id), 0);
	}
	xv_handle_table_destroy(table);
	xv_pool_destroy(beside);
	beside = NULL;
	provider_case_destroy(&provider_cases[0], provider);
}

static void test_children_of_busy_threads_use_table_and_pool(void **state)
{
	(void)state;
	fork_beside_threads(XV_LOCK_SPIN, 1, false);
	fork_beside_threads(XV_LOCK_MUTEX, 1, false);
	fork_beside_threads(XV_LOCK_SPIN, 2, false);
}

/* A call under way on an id may wait for the provider, which the pool's lock holds. */
static void test_a_pool_over_the_provider_may_be_locked_first(void **state)
{
	(void)state;
	fork_beside_threads(XV_LOCK_SPIN, 1, true);
	fork_beside_threads(XV_LOCK_MUTEX, 2, true);
}

/* Two threads may each ask for the whole table, one after the other. */
static void *lock_again_and_again(void *argument)
{
	for (int i = 0; i < 200; i++) {
		xv_handle_table_lock_all(argument);
		xv_handle_table_unlock_all(argument);
	}
	return NULL;
}

static void test_threads_take_turns_to_lock_all(void **state)
{
	struct xv_provider *provider;
	struct xv_handle_table *own;
	pthread_t threads[2];
	xv_id id;

	(void)state;
	xv_handle_table_lock_all(NULL);
	xv_handle_table_unlock_all(NULL);
	assert_int_equal(provider_case_create(&provider_cases[0], 16 << 20, &provider), 0);
	assert_int_equal(xv_handle_table_create(&own, provider, NULL), 0);
	assert_int_equal(xv_id_malloc(own, 100, &id), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, lock_again_and_again, own), 0);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(xv_id_realloc(own, id, 100 + (size_t)i), 0);
		assert_int_equal(xv_id_free(own, id), 0);
		assert_int_equal(xv_id_malloc(own, 100, &id), 0);
	}
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(xv_handle_table_check(own, XV_CHECK_DEEP, NULL), 0);
	xv_handle_table_destroy(own);
	provider_case_destroy(&provider_cases[0], provider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children_of_busy_threads_use_table_and_pool),
		cmocka_unit_test(test_a_pool_over_the_provider_may_be_locked_first),
		cmocka_unit_test(test_threads_take_turns_to_lock_all),
	};

	return cmocka_run_group_tests_name("handle_table_fork", tests, NULL, NULL);
}
