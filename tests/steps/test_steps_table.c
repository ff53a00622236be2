/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_steps_table.c: what handle_table.h promises of the cost of its calls, by steps. May call:
 * public headers. One thread.
 */
#include "steps.h"
#include "test_random.h"

#include <xvmalloc/handle_table.h>
#include <xvmalloc/provider_mmap.h>

enum {
	SMALL_COUNT = 3000,
	TIMES = 16,
	FEW_TIMES = 4,
	TRIES = 1000,
};

struct state {
	struct xv_provider *provider;
	struct xv_handle_table *table;
	xv_id *ids;
	size_t count;
	uint64_t random;
};

static void state_open(struct state *s, uint32_t max_ids)
{
	struct xv_handle_table_options options;

	*s = (struct state){.random = 15};
	assert_int_equal(xv_provider_mmap_create(&s->provider, NULL), 0);
	xv_handle_table_options_init(&options);
	options.max_ids = max_ids;
	options.pool.shards = 1;
	assert_int_equal(xv_handle_table_create(&s->table, s->provider, &options), 0);
}

static void state_close(struct state *s)
{
	xv_handle_table_destroy(s->table);
	xv_provider_mmap_destroy(s->provider);
	free(s->ids);
}

/* Every other object is freed: as many rows wait. */
static void state_make(struct state *s, size_t count)
{
	state_open(s, 0);
	s->ids = calloc(2 * count, sizeof(s->ids[0]));
	assert_non_null(s->ids);
	for (size_t i = 0; i < 2 * count; i++)
		assert_int_equal(
			xv_id_malloc(s->table, 1 + random_below(&s->random, 900), &s->ids[i]), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(xv_id_free(s->table, s->ids[2 * i]), 0);
		s->ids[i] = s->ids[2 * i + 1];
	}
	s->count = count;
}

/* ---- O(1) ---- */

static void count_calls(struct costs *costs, size_t count)
{
	struct xv_handle_table_stats stats;
	struct xv_id_mapping mapping;
	struct state s;
	static unsigned char whole[1000];
	char byte = 0;
	int err;

	state_make(&s, count);
	for (size_t i = 0; i < TRIES; i++) {
		size_t size = 1 + random_below(&s.random, 900);
		xv_id id = s.ids[random_below(&s.random, count)], made = 0;

		COUNT(costs, "xv_id_malloc",
		      assert_int_equal(xv_id_malloc(s.table, size, &made), 0));
		COUNT(costs, "xv_id_realloc",
		      assert_int_equal(xv_id_realloc(s.table, made, size + 50), 0));
		COUNT(costs, "xv_id_free", assert_int_equal(xv_id_free(s.table, made), 0));
		COUNT(costs, "xv_id_free, twice",
		      assert_int_equal(xv_id_free(s.table, made), -XV_EINVAL));
		COUNT(costs, "xv_id_size", assert_true(xv_id_size(s.table, id) > 0));
		COUNT(costs, "xv_id_read",
		      assert_int_equal(xv_id_read(s.table, id, 0, &byte, 1), 0));
		COUNT(costs, "xv_id_read_whole",
		      assert_true(xv_id_read_whole(s.table, id, whole, sizeof(whole)) > 0));
		COUNT(costs, "xv_id_write",
		      assert_int_equal(xv_id_write(s.table, id, 0, &byte, 1), 0));
		COUNT(costs, "xv_id_map", err = xv_id_map(s.table, id, &mapping));
		if (err == 0)
			COUNT(costs, "xv_id_unmap", err = xv_id_unmap(s.table, &mapping));
		assert_true(err == 0 || err == -XV_ESPLIT);
	}
	COUNT(costs, "xv_handle_table_get_stats", xv_handle_table_get_stats(s.table, &stats));
	COUNT(costs, "xv_handle_table_pool", assert_non_null(xv_handle_table_pool(s.table)));
	state_close(&s);
}

static void each_call_takes_as_many_steps_in_any_table(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_calls(&small, SMALL_COUNT);
	count_calls(&large, TIMES * SMALL_COUNT);
	costs_are_constant(&small, &large);
}

static void a_table_is_made_in_as_many_steps_for_any_size(void **unused)
{
	struct costs small = {0}, large = {0};
	struct state s;

	(void)unused;
	COUNT(&small, "xv_handle_table_create", state_open(&s, 1000));
	state_close(&s);
	COUNT(&large, "xv_handle_table_create", state_open(&s, XV_IDS_MAX));
	state_close(&s);
	costs_are_constant(&small, &large);
}

/* ---- O(pages + rows) ---- */

static void count_whole(struct costs *costs, size_t count)
{
	struct state s;

	state_make(&s, count);
	for (size_t i = count / 2; i < count; i++)
		assert_int_equal(xv_id_free(s.table, s.ids[i]), 0);
	COUNT(costs, "xv_handle_table_lock_all", xv_handle_table_lock_all(s.table));
	COUNT(costs, "xv_handle_table_unlock_all", xv_handle_table_unlock_all(s.table));
	COUNT(costs, "xv_handle_table_trim", (void)xv_handle_table_trim(s.table));
	COUNT(costs, "xv_handle_table_destroy", xv_handle_table_destroy(s.table));
	s.table = NULL;
	state_close(&s);
}

static void a_table_ends_in_steps_for_each_page(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_whole(&small, SMALL_COUNT);
	count_whole(&large, FEW_TIMES * SMALL_COUNT);
	costs_are_linear(&small, &large, FEW_TIMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_takes_as_many_steps_in_any_table),
		cmocka_unit_test(a_table_is_made_in_as_many_steps_for_any_size),
		cmocka_unit_test(a_table_ends_in_steps_for_each_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
