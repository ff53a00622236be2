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

/* What another thread would do: once, after that many unlocks. */
static void (*meanwhile)(void);
static unsigned long meanwhile_at;

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int err = __real_pthread_mutex_unlock(mutex);

	if (++unlocks == meanwhile_at && meanwhile != NULL) {
		meanwhile_at = 0;
		meanwhile();
	}
	return err;
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

/* ---- what others do meanwhile ---- */

static xv_handle copied;

static void free_it(void)
{
	assert_int_equal(xv_free(pool, copied), 0);
}

static void shorten_it(void)
{
	assert_int_equal(xv_realloc(pool, &copied, 100), 0);
}

static void reset_it(void)
{
	assert_int_equal(xv_pool_reset(pool), -XV_EBUSY);
}

static void set_meanwhile(void (*call)(void))
{
	meanwhile = call;
	unlocks = 0;
	meanwhile_at = 5;
}

static void a_long_copy_of_an_object_that_ends_says_so(void **state)
{
	static void (*const ends[])(void) = {free_it, shorten_it};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		open_pool(65536);
		assert_int_equal(xv_malloc(pool, BYTES, &copied), 0);
		memset(bytes, 1, BYTES);
		set_meanwhile(ends[i / 2]);
		if (i % 2 == 0)
			assert_int_equal(xv_read(pool, copied, 0, bytes, BYTES), -XV_EINVAL);
		else
			assert_int_equal(xv_write(pool, copied, 0, bytes, BYTES), -XV_EINVAL);
		assert_int_equal(meanwhile_at, 0);
		close_pool();
	}
}

static xv_handle other;

/* What was freed is another object's at once. */
static void free_it_and_take_its_place(void)
{
	free_it();
	assert_int_equal(xv_calloc(pool, 1, 59000, &other), 0);
}

static void shorten_it_and_take_its_end(void)
{
	assert_int_equal(xv_realloc(pool, &copied, 40000), 0);
	assert_int_equal(xv_calloc(pool, 1, 16000, &other), 0);
}

/* Two turns under the lock for one piece: nothing is written where it no longer is. */
static void a_long_copy_stays_within_its_object(void **state)
{
	static void (*const ends[])(void) = {free_it_and_take_its_place,
					     shorten_it_and_take_its_end};
	enum { LONG = 60000 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const void *seen;
		int bytes_of_other;

		open_pool(65536);
		assert_int_equal(xv_malloc_aligned(pool, LONG, 16, &copied), 0);
		memset(bytes, 0x5A, LONG);
		set_meanwhile(ends[i / 2]);
		meanwhile_at = 1;
		if (i % 2 == 0)
			assert_int_equal(xv_read(pool, copied, 0, bytes, LONG), -XV_EINVAL);
		else
			assert_int_equal(xv_write(pool, copied, 0, bytes, LONG), -XV_EINVAL);
		bytes_of_other = xv_peek(pool, other, bytes, BYTES, &seen);
		assert_true(bytes_of_other >= 16000);
		for (int at = 0; at < bytes_of_other; at++)
			assert_int_equal(((const unsigned char *)seen)[at], 0);
		close_pool();
	}
}

static void a_reset_is_refused_beside_a_long_copy(void **state)
{
	(void)state;
	open_pool(65536);
	assert_int_equal(xv_malloc(pool, BYTES, &copied), 0);
	set_meanwhile(reset_it);
	assert_int_equal(xv_read(pool, copied, 0, bytes, BYTES), 0);
	assert_int_equal(meanwhile_at, 0);
	assert_int_equal(xv_object_size(pool, copied), BYTES);
	assert_int_equal(xv_pool_reset(pool), 0);
	close_pool();
}

/* Only a copy that lets the lock go needs a map of the page. */
static void a_long_copy_needs_a_map_and_a_short_one_none(void **state)
{
	enum { MAPS_MOST = 65535, LONG = 40000, SHORT = 32768 };
	void *ptr = NULL;

	(void)state;
	open_pool(65536);
	assert_int_equal(xv_malloc_aligned(pool, LONG, 16, &copied), 0);
	for (unsigned i = 0; i < MAPS_MOST; i++)
		assert_int_equal(xv_map(pool, copied, &ptr), 0);
	assert_int_equal(xv_map(pool, copied, &ptr), -XV_EAGAIN);
	assert_int_equal(xv_read(pool, copied, 0, bytes, LONG), -XV_EAGAIN);
	assert_int_equal(xv_write(pool, copied, 0, bytes, LONG), -XV_EAGAIN);
	assert_int_equal(xv_read(pool, copied, 0, bytes, SHORT), 0);
	assert_int_equal(xv_unmap(pool, copied, ptr), 0);
	assert_int_equal(xv_read(pool, copied, 0, bytes, LONG), 0);
	for (unsigned i = 1; i < MAPS_MOST; i++)
		assert_int_equal(xv_unmap(pool, copied, ptr), 0);
	close_pool();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lock_is_let_go_between_the_parts_of_a_copy),
		cmocka_unit_test(a_long_copy_of_an_object_that_ends_says_so),
		cmocka_unit_test(a_long_copy_stays_within_its_object),
		cmocka_unit_test(a_reset_is_refused_beside_a_long_copy),
		cmocka_unit_test(a_long_copy_needs_a_map_and_a_short_one_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
