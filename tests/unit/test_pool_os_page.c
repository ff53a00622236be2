/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A pool whose pages are smaller than the system's: the memory of a page that was given back stays
 * while others lie in the same OS page, and goes with the last of them. Whatever goes, every call
 * tells the same held bytes. One thread.
 */
#include "provider_support.h"

#include "mmap_internal.h"

#include <xvmalloc/pool.h>

enum { PAGE_BYTES = 4096, OS_PAGE_BYTES = 65536, OBJECTS = 800, OBJECT_BYTES = 1000 };

static struct xv_provider *provider;
static xv_handle objects[OBJECTS]; /* by owner */

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	(void)from;
	objects[owner] = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {relocated};

static int set_up(void **state)
{
	struct xv_provider_mmap_options on = {.page_bytes = PAGE_BYTES, .reserve_bytes = 16 * MIB};
	struct xv_pool_options options;
	struct xvi_os_facts facts;
	struct xv_pool *pool;

	xvi_os_facts_get(&facts);
	facts.page_bytes = OS_PAGE_BYTES;
	assert_int_equal(xvi_provider_mmap_create_on(&provider, &on, &facts), 0);
	xv_pool_options_init(&options);
	options.flags = XV_POOL_OWNERS;
	options.owner_ops = &owner_ops;
	options.shards = 1;
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
	for (uint32_t i = 0; i < OBJECTS; i++)
		assert_int_equal(xv_malloc_owned(pool, OBJECT_BYTES, i, &objects[i]), 0);
	*state = pool;
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(xv_pool_check(*state, XV_CHECK_DEEP, NULL), 0);
	xv_pool_destroy(*state);
	xv_provider_mmap_destroy(provider);
	return 0;
}

static struct xv_pool_stats stats_of(struct xv_pool *pool)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(pool, &stats);
	return stats;
}

/* Free all objects but one in `keep`. */
static void free_most(struct xv_pool *pool, uint32_t keep)
{
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % keep != 0)
			assert_int_equal(xv_free(pool, objects[i]), 0);
	}
}

static void memory_stays_until_its_os_page_is_free(void **state)
{
	struct xv_pool *pool = *state;

	/* An object in every sixteenth page: of each OS page, fifteen pages stay. */
	free_most(pool, OS_PAGE_BYTES / OBJECT_BYTES);
	(void)xv_pool_trim(pool);
	assert_true(stats_of(pool).spare_bytes > (uint64_t)stats_of(pool).pages * PAGE_BYTES * 8);
	for (uint32_t i = 0; i < OBJECTS; i += OS_PAGE_BYTES / OBJECT_BYTES)
		assert_int_equal(xv_free(pool, objects[i]), 0);
	(void)xv_pool_trim(pool);
	assert_int_equal(stats_of(pool).pages, 0);
	assert_int_equal(stats_of(pool).spare_bytes, 0);
}

static void trim_tells_what_went_with_an_os_page(void **state)
{
	struct xv_pool *pool = *state;
	uint64_t before;
	size_t given;

	free_most(pool, OBJECTS);
	before = stats_of(pool).held_bytes;
	given = xv_pool_trim(pool);
	assert_true(given > 0);
	assert_int_equal(given, before - stats_of(pool).held_bytes);
}

static void peak_after_a_reset_is_what_is_held(void **state)
{
	struct xv_pool *pool = *state;

	assert_int_equal(xv_pool_reset(pool), 0);
	assert_int_equal(stats_of(pool).peak_held_bytes, stats_of(pool).held_bytes);
}

static void peak_that_begins_anew_is_what_is_held(void **state)
{
	struct xv_pool *pool = *state;

	free_most(pool, OBJECTS);
	xv_pool_reset_peak(pool);
	assert_int_equal(stats_of(pool).peak_held_bytes, stats_of(pool).held_bytes);
}

static void compaction_tells_what_went_with_os_pages(void **state)
{
	struct xv_pool *pool = *state;
	struct xv_compact_report report;
	uint64_t before, freed = 0;

	free_most(pool, 40);
	before = stats_of(pool).held_bytes;
	do {
		assert_int_equal(xv_compact(pool, 0, &report), 0);
		freed += report.freed_bytes;
	} while (report.more);
	assert_true(freed > OS_PAGE_BYTES);
	assert_int_equal(freed, before - stats_of(pool).held_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_stays_until_its_os_page_is_free, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(trim_tells_what_went_with_an_os_page, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(peak_after_a_reset_is_what_is_held, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(peak_that_begins_anew_is_what_is_held, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(compaction_tells_what_went_with_os_pages, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
