/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_handle_table_figures.c: the numbers that handle_table.h promises, and the maps of
 * neighbours. May call: public headers. One thread.
 */
#include "handle_table_support.h"

#include <string.h>

#include <xvmalloc/provider_mmap.h>

static struct xv_handle_table_stats stats_of(struct xv_handle_table *table)
{
	struct xv_handle_table_stats stats;

	xv_handle_table_get_stats(table, &stats);
	return stats;
}

static void the_tables_defaults_are_those_of_the_header(void **unused)
{
	struct xv_handle_table_options options;
	struct xv_pool_options pool;

	(void)unused;
	memset(&options, 0xA5, sizeof(options));
	memset(&pool, 0xA5, sizeof(pool));
	xv_handle_table_options_init(&options);
	xv_pool_options_init(&pool);
	assert_int_equal(options.max_ids, 0);
	assert_int_equal(options.pool.flags, pool.flags | XV_POOL_SPLIT | XV_POOL_OWNERS);
	assert_true(options.pool.owner_ops == NULL && options.pool.owner_context == NULL &&
		    options.pool.memory == NULL);
	assert_true(options.pool.alignment == pool.alignment && options.pool.lock == pool.lock &&
		    options.pool.limit_bytes == 0 && options.pool.shards == pool.shards);
}

static void the_most_ids_follow_from_the_provider(void **unused)
{
	static const struct {
		uint64_t bytes;
		uint64_t ids;
	} cases[] = {{UINT64_C(1) << 16, 255},
		     {UINT64_C(1) << 17, 256},
		     {UINT64_C(1) << 20, 2048},
		     {UINT64_C(1) << 29, 1048576}};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xv_provider_mmap_options options;
		struct xv_provider *provider;
		struct xv_handle_table *table;

		xv_provider_mmap_options_init(&options);
		options.reserve_bytes = cases[i].bytes;
		assert_int_equal(xv_provider_mmap_create(&provider, &options), 0);
		assert_int_equal(xv_handle_table_create(&table, provider, NULL), 0);
		assert_int_equal(stats_of(table).max_ids, cases[i].ids);
		xv_handle_table_destroy(table);
		xv_provider_mmap_destroy(provider);
	}
}

static void a_row_costs_12_bytes_and_256_come_at_a_time(void **unused)
{
	struct xv_handle_table_stats before, now;
	struct xv_provider *provider;
	struct xv_handle_table *table;
	xv_id id;

	(void)unused;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	assert_int_equal(xv_handle_table_create(&table, provider, NULL), 0);
	before = stats_of(table);
	for (unsigned i = 0; i < 30000; i++) {
		assert_int_equal(xv_id_malloc(table, 4, &id), 0);
		assert_int_equal(stats_of(table).rows % 256, before.rows % 256);
	}
	now = stats_of(table);
	assert_in_range(now.rows, 30000, 30000 + XV_IDS_WAITING + 2 * 256);
	assert_in_range(now.table_bytes - before.table_bytes, 12 * (now.rows - before.rows) - 8192,
			12 * (now.rows - before.rows) + 8192);
	xv_handle_table_destroy(table);
	xv_provider_mmap_destroy(provider);
}

static void neighbours_map_makes_a_realloc_busy(struct table_fixture *f)
{
	struct xv_id_mapping mapping;
	xv_id mapped, other, behind;

	assert_int_equal(xv_id_malloc(f->table, 100, &mapped), 0);
	assert_int_equal(xv_id_malloc(f->table, 100, &other), 0);
	assert_int_equal(xv_id_malloc(f->table, 100, &behind), 0);
	assert_int_equal(xv_id_map(f->table, mapped, &mapping), 0);
	assert_int_equal(xv_id_realloc(f->table, other, 400), -XV_EBUSY);
	assert_int_equal(xv_id_size(f->table, other), 100);
	assert_int_equal(xv_id_unmap(f->table, &mapping), 0);
	assert_int_equal(xv_id_realloc(f->table, other, 400), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(xv_id_free(f->table, i == 0   ? mapped
						      : i == 1 ? other
							       : behind),
				 0);
}

static void a_neighbours_map_makes_a_realloc_busy(void **unused)
{
	(void)unused;
	each_provider(neighbours_map_makes_a_realloc_busy, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_defaults_are_those_of_the_header),
		cmocka_unit_test(the_most_ids_follow_from_the_provider),
		cmocka_unit_test(a_row_costs_12_bytes_and_256_come_at_a_time),
		cmocka_unit_test(a_neighbours_map_makes_a_realloc_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
