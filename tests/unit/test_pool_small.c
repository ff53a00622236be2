/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What small pools hold, reported and resident, whichever pages of a shared provider are theirs,
 * and what is left of a large one. May call: public headers. One thread.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

#include "address_space.h"
#include "provider_support.h"
#include "test_flags.h"

enum {
	POOLS = 1000,
	SMALL = 100, /* bytes of an object */
	LARGE = 4000,
	LARGE_COUNT = 1 << 18, /* 1 GiB of them */
	LEFT = 100,
	HIGH_PAGES = 500, /* that another pool has, more than fit a pool's head */
};

static const uint32_t page_sizes[] = {4096, 8192, 16384, 32768, 65536};
static const uint32_t flags_of[] = {0, TEST_KEYED, XV_POOL_SPLIT | XV_POOL_OWNERS};

enum {
	PAGE_SIZES = sizeof(page_sizes) / sizeof(page_sizes[0]),
	FLAGS = sizeof(flags_of) / sizeof(flags_of[0])
};

static struct xv_pool *pools[POOLS];
static xv_handle handles[LARGE_COUNT];

static struct xv_provider *provider_new(uint32_t page_bytes)
{
	struct xv_provider_mmap_options options;
	struct xv_provider *provider;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	/* A thousand page tables fit a small address space, too. */
	options.reserve_bytes = address_space_is_small() || under_valgrind() ? 128 * MIB : 0;
	assert_int_equal(xv_provider_mmap_create(&provider, &options), 0);
	return provider;
}

static struct xv_pool *pool_new(struct xv_provider *provider, uint32_t flags)
{
	struct xv_pool_options options;
	struct xv_pool *pool;

	xv_pool_options_init(&options);
	options_set_flags(&options, flags);
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
	return pool;
}

static xv_handle object_new(struct xv_pool *pool, size_t size)
{
	xv_handle handle;

	assert_int_equal(xv_malloc(pool, size, &handle), 0);
	return handle;
}

static struct xv_pool_stats stats_of(struct xv_pool *pool)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(pool, &stats);
	return stats;
}

static void check(struct xv_pool *pool)
{
	struct xv_check_report report;

	if (xv_pool_check(pool, XV_CHECK_DEEP, &report) != 0)
		fail_msg("invariant %u: %s", (unsigned)report.invariant, report.message);
}

/* The marks are for OS pages of 4 KiB. */
static void skip_on_larger_os_pages(void)
{
	if (sysconf(_SC_PAGESIZE) != 4096)
		skip();
}

/* What is held by a pool with so many small objects. */
static uint64_t held_by_few(uint32_t page_bytes, uint32_t flags, uint32_t objects)
{
	struct xv_provider *provider = provider_new(page_bytes);
	struct xv_pool *pool = pool_new(provider, flags);
	uint64_t held;

	for (uint32_t i = 0; i < objects; i++)
		(void)object_new(pool, SMALL);
	held = stats_of(pool).held_bytes;
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
	return held;
}

static void one_small_object_holds_12_kib_at_most(void **state)
{
	(void)state;
	skip_on_larger_os_pages();
	for (size_t i = 0; i < PAGE_SIZES; i++) {
		for (size_t k = 0; k < FLAGS; k++)
			assert_true(held_by_few(page_sizes[i], flags_of[k], 1) <= 12 * KIB);
	}
}

static void ten_small_objects_hold_16_kib_at_most(void **state)
{
	(void)state;
	skip_on_larger_os_pages();
	for (size_t i = 0; i < PAGE_SIZES; i++) {
		for (size_t k = 0; k < FLAGS; k++)
			assert_true(held_by_few(page_sizes[i], flags_of[k], 10) <= 16 * KIB);
	}
}

static void pools_hold_12_kib_each(uint32_t page_bytes, uint32_t flags)
{
	struct xv_provider *provider = provider_new(page_bytes);
	size_t before = resident_bytes();
	size_t grown;

	for (size_t i = 0; i < POOLS; i++) {
		pools[i] = pool_new(provider, flags);
		(void)object_new(pools[i], SMALL);
	}
	grown = resident_bytes() - before;
	for (size_t i = 0; i < POOLS; i++)
		assert_true(stats_of(pools[i]).held_bytes <= 12 * KIB);
	/* And a sixteenth for what the program itself touches meanwhile. */
	if (!UNDER_SANITIZER && !under_valgrind() && !under_emulator())
		assert_true(grown <= POOLS * 12 * KIB / 16 * 17);
	for (size_t i = 0; i < POOLS; i++)
		xv_pool_destroy(pools[i]);
	xv_provider_mmap_destroy(provider);
}

static void a_thousand_pools_of_one_provider_hold_12_kib_each(void **state)
{
	(void)state;
	skip_on_larger_os_pages();
	for (size_t i = 0; i < PAGE_SIZES; i++)
		pools_hold_12_kib_each(page_sizes[i], flags_of[i % FLAGS]);
}

static void little_is_left_of_a_gibibyte(void **state)
{
	struct xv_provider *provider;
	struct xv_pool *pool;

	(void)state;
	skip_on_larger_os_pages();
	if (address_space_is_small() || under_valgrind())
		skip(); /* no address space for it */
	provider = provider_new(0);
	pool = pool_new(provider, XV_POOL_SPLIT | XV_POOL_OWNERS);
	for (size_t i = 0; i < LARGE_COUNT; i++)
		handles[i] = object_new(pool, LARGE);
	assert_true(stats_of(pool).held_bytes > (uint64_t)LARGE_COUNT * LARGE);
	for (size_t i = 0; i < LARGE_COUNT; i++) {
		if (i % (LARGE_COUNT / LEFT + 1) != 0)
			assert_int_equal(xv_free(pool, handles[i]), 0);
	}
	(void)xv_pool_trim(pool);
	assert_int_equal(stats_of(pool).objects, LEFT);
	assert_true(stats_of(pool).held_bytes < 2 * MIB);
	for (size_t i = 0; i < LARGE_COUNT; i += LARGE_COUNT / LEFT + 1)
		assert_int_equal(xv_free(pool, handles[i]), 0);
	assert_true(stats_of(pool).held_bytes < 1 * MIB);
	check(pool);
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

/* ---- pages of any number ---- */

struct high {
	struct xv_provider *provider;
	struct xv_pool *low; /* has the pages before */
	struct xv_pool *pool;
	xv_handle of_low[HIGH_PAGES];
};

static void high_make(struct high *high, uint32_t page_bytes, uint32_t flags)
{
	high->provider = provider_new(page_bytes);
	high->low = pool_new(high->provider, flags);
	for (size_t i = 0; i < HIGH_PAGES; i++)
		high->of_low[i] = object_new(high->low, page_bytes - 64);
	high->pool = pool_new(high->provider, flags);
}

static void high_end(struct high *high)
{
	xv_pool_destroy(high->pool);
	xv_pool_destroy(high->low);
	xv_provider_mmap_destroy(high->provider);
}

static int count_object(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	*(size_t *)context += size != 0;
	return 0;
}

static void expect_objects(struct xv_pool *pool, size_t expected)
{
	size_t count = 0;

	check(pool);
	assert_int_equal(xv_pool_walk(pool, count_object, &count), 0);
	assert_int_equal(count, expected);
	assert_int_equal(stats_of(pool).objects, expected);
}

/* Up to many pages and back, all objects are found and are what they were. */
static void high_pages_grow_and_shrink(uint32_t page_bytes, uint32_t flags)
{
	enum { OBJECTS = 3 * HIGH_PAGES };
	struct high high;
	size_t size = page_bytes / 2 - 64;

	high_make(&high, page_bytes, flags);
	for (size_t i = 0; i < OBJECTS; i++) {
		handles[i] = object_new(high.pool, size);
		assert_int_equal(xv_write(high.pool, handles[i], 0, &i, sizeof(i)), 0);
		if (i < 8 || i % 128 == 0)
			expect_objects(high.pool, i + 1);
	}
	for (size_t i = 0; i < OBJECTS; i++) {
		size_t found;

		assert_int_equal(xv_read(high.pool, handles[i], 0, &found, sizeof(found)), 0);
		assert_int_equal(found, i);
		assert_int_equal(xv_free(high.pool, handles[i]), 0);
		assert_int_equal(xv_free(high.pool, handles[i]), -XV_EINVAL);
	}
	expect_objects(high.pool, 0);
	(void)object_new(high.pool, SMALL);
	expect_objects(high.pool, 1);
	high_end(&high);
}

static void a_pool_grows_and_shrinks_on_high_pages(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGE_SIZES; i++) {
		for (size_t k = 0; k < FLAGS; k++)
			high_pages_grow_and_shrink(page_sizes[i], flags_of[k]);
	}
}

/* The first page has a high number, and then the other pool gives back lower ones. */
static void pages_below_the_first_are_used(void **state)
{
	struct high high;
	xv_handle first;

	(void)state;
	high_make(&high, 4096, 0);
	first = object_new(high.pool, SMALL);
	for (size_t i = 0; i < HIGH_PAGES; i++) {
		xv_handle second;

		/* One that this pool never had names nothing. */
		assert_int_equal(xv_free(high.pool, high.of_low[i]), -XV_EINVAL);
		assert_int_equal(xv_free(high.low, high.of_low[i]), 0);
		(void)xv_pool_trim(high.low);
		second = object_new(high.pool, 4096 - 64);
		assert_int_equal(xv_handle_page(second), xv_handle_page(high.of_low[i]));
		expect_objects(high.pool, i + 2);
		assert_int_equal(xv_object_size(high.pool, first), SMALL);
	}
	high_end(&high);
}

/* Each limit from none to enough: the move of the records is charged like all else. */
static void a_limit_holds_while_the_page_table_widens(void **state)
{
	enum { OBJECTS = 300 };
	struct high high;

	(void)state;
	high_make(&high, 4096, 0);
	(void)object_new(high.pool, SMALL);
	for (size_t count = 1; count < OBJECTS;) {
		uint64_t limit = stats_of(high.pool).held_bytes;
		xv_handle handle;
		int err;

		do {
			xv_pool_set_limit(high.pool, limit);
			err = xv_malloc(high.pool, 4096 - 64, &handle);
			assert_true(err == 0 || err == -XV_ENOSPC);
			assert_true(stats_of(high.pool).held_bytes <= limit);
			limit += 512;
		} while (err != 0);
		count++;
		expect_objects(high.pool, count);
	}
	expect_objects(high.pool, OBJECTS);
	high_end(&high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_small_object_holds_12_kib_at_most),
		cmocka_unit_test(ten_small_objects_hold_16_kib_at_most),
		cmocka_unit_test(a_thousand_pools_of_one_provider_hold_12_kib_each),
		cmocka_unit_test(little_is_left_of_a_gibibyte),
		cmocka_unit_test(a_pool_grows_and_shrinks_on_high_pages),
		cmocka_unit_test(pages_below_the_first_are_used),
		cmocka_unit_test(a_limit_holds_while_the_page_table_widens),
	};

	return cmocka_run_group_tests_name("pool_small", tests, NULL, NULL);
}
