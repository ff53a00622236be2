/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_copies.c: no call copies more than a page of a large object under the pool's lock. The
 * lock is a mutex here, whose ends are counted (the linker's --wrap): other threads can come in
 * between. One thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

enum { BYTES = 4 << 20, TURN_BYTES = 65536 };

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static unsigned long unlocks;

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	unlocks++;
	return __real_pthread_mutex_unlock(mutex);
}

static struct xv_provider *provider;
static struct xv_pool *pool;
static unsigned char *bytes;

static void open_pool(uint32_t page_bytes)
{
	struct xv_provider_mmap_options mmap_options;
	struct xv_pool_options options;

	xv_provider_mmap_options_init(&mmap_options);
	mmap_options.page_bytes = page_bytes;
	mmap_options.reserve_bytes = 8 * (size_t)BYTES;
	assert_int_equal(xv_provider_mmap_create(&provider, &mmap_options), 0);
	xv_pool_options_init(&options);
	options.flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
	options.lock = XV_LOCK_MUTEX;
	options.shards = 1;
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
	bytes = malloc(BYTES);
	assert_non_null(bytes);
	unlocks = 0;
}

static void close_pool(void)
{
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	free(bytes);
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

/* The lock was let go at least once a turn since the last call. */
static void lock_was_let_go(void)
{
	assert_true(unlocks >= BYTES / TURN_BYTES);
	unlocks = 0;
}

static void the_lock_is_let_go_between_the_parts_of_a_copy(void **state)
{
	(void)state;
	for (uint32_t page_bytes = 4096; page_bytes <= 65536; page_bytes *= 4) {
		unsigned long making;
		xv_handle handle;
		const void *seen;

		open_pool(page_bytes);
		assert_int_equal(xv_malloc(pool, BYTES, &handle), 0);
		making = unlocks;
		assert_int_equal(xv_free(pool, handle), 0);
		assert_int_equal(xv_pool_trim(pool) != 0, 1);
		unlocks = 0;
		assert_int_equal(xv_calloc(pool, 1, BYTES, &handle), 0);
		assert_true(unlocks > making);
		unlocks -= making;
		lock_was_let_go();
		memset(bytes, 0x5A, BYTES);
		assert_int_equal(xv_write(pool, handle, 0, bytes, BYTES), 0);
		lock_was_let_go();
		memset(bytes, 0, BYTES);
		assert_int_equal(xv_read(pool, handle, 0, bytes, BYTES), 0);
		lock_was_let_go();
		assert_int_equal(bytes[BYTES - 1], 0x5A);
		assert_int_equal(xv_peek(pool, handle, bytes, BYTES, &seen), BYTES);
		lock_was_let_go();
		close_pool();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lock_is_let_go_between_the_parts_of_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
