/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_steps_whole.c: what pool.h promises of the cost of calls on a whole pool, by steps. May
 * call: public headers. One thread.
 */
#include "steps_pool.h"

enum {
	FEW_TIMES = 4,
	STEPS_OF_A_PAGE = 150, /* to forget one, at most */
	STEP_BYTES = 8192,     /* of a step of compaction */
	OUTLIERS = 6,          /* steps that may do more: see xv_compact */
};

/* ---- making ---- */

static void count_making(struct costs *costs, uint64_t reserve_bytes)
{
	struct xv_provider_mmap_options options;
	struct xv_provider *provider;
	struct xv_pool *pool;

	xv_provider_mmap_options_init(&options);
	options.reserve_bytes = reserve_bytes;
	if (xv_provider_mmap_create(&provider, &options) == -XV_ENOMEM)
		skip(); /* no address space, under valgrind */
	COUNT(costs, "xv_pool_memory_bytes", assert_true(xv_pool_memory_bytes(provider, NULL) > 0));
	COUNT(costs, "xv_pool_create", assert_int_equal(xv_pool_create(&pool, provider, NULL), 0));
	COUNT(costs, "xv_pool_destroy", xv_pool_destroy(pool));
	xv_provider_mmap_destroy(provider);
}

static void create_takes_as_many_steps_for_any_provider(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_making(&small, UINT64_C(1) << 24);
	count_making(&large, UINT64_C(1) << (sizeof(void *) > 4 ? 36 : 29));
	costs_are_constant(&small, &large);
}

/* ---- everything ---- */

static int visit(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	*(size_t *)context += size;
	return 0;
}

static uint32_t pages_of(const struct state *s)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(s->pool, &stats);
	return (uint32_t)stats.pages;
}

/* Reset and destroy look at pages, however many objects lie in them. */
static void count_everything(struct state *s, struct costs *costs, uint32_t flags, size_t count)
{
	size_t bytes = 0;
	uint32_t pages;

	state_make(s, flags, count);
	COUNT(costs, "xv_pool_walk", assert_int_equal(xv_pool_walk(s->pool, visit, &bytes), 0));
	COUNT(costs, "xv_pool_check, deep",
	      assert_int_equal(xv_pool_check(s->pool, XV_CHECK_DEEP, NULL), 0));
	COUNT(costs, "xv_pool_trim", (void)xv_pool_trim(s->pool));
	pages = pages_of(s);
	COUNT(costs, "xv_pool_reset", assert_int_equal(xv_pool_reset(s->pool), 0));
	assert_true(costs_of(costs, "xv_pool_reset")->most < STEPS_OF_A_PAGE * (pages + 20));
	free(s->handles);
	state_fill(s, count);
	pages = pages_of(s);
	COUNT(costs, "xv_pool_destroy", xv_pool_destroy(s->pool));
	assert_true(costs_of(costs, "xv_pool_destroy")->most < STEPS_OF_A_PAGE * (pages + 20));
	s->pool = NULL;
	state_close(s);
}

static void what_looks_at_everything_takes_steps_for_each(void **unused)
{
	static const uint32_t kinds[] = {0, XV_POOL_SPLIT | XV_POOL_OWNERS, KEYED};

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		struct costs small = {0}, large = {0};
		struct state s;

		count_everything(&s, &small, kinds[i], SMALL_COUNT);
		count_everything(&s, &large, kinds[i], FEW_TIMES * SMALL_COUNT);
		costs_are_linear(&small, &large, FEW_TIMES);
	}
}

/* ---- shards ---- */

static void count_shards(struct costs *costs, size_t count)
{
	struct xv_pool_stats stats;
	struct state s;

	state_make(&s, XV_POOL_OWNERS, count);
	COUNT(costs, "xv_pool_get_stats", xv_pool_get_stats(s.pool, &stats));
	COUNT(costs, "xv_compactable", (void)xv_compactable(s.pool));
	COUNT(costs, "xv_pool_lock_all", xv_pool_lock_all(s.pool));
	COUNT(costs, "xv_pool_unlock_all", xv_pool_unlock_all(s.pool));
	COUNT(costs, "xv_pool_check, quick",
	      assert_int_equal(xv_pool_check(s.pool, XV_CHECK_QUICK, NULL), 0));
	state_close(&s);
}

/* A pool of one shard: what is in it costs nothing. */
static void what_looks_at_all_shards_takes_steps_for_each(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_shards(&small, SMALL_COUNT);
	count_shards(&large, LARGE_COUNT);
	costs_are_constant(&small, &large);
}

/* ---- compaction ---- */

static void count_compaction(struct costs *costs, uint32_t flags, size_t count)
{
	struct xv_compact_report report = {0};
	uint64_t most[OUTLIERS + 1] = {0}; /* the largest ones, in order */
	size_t steps = 0;
	struct state s;

	state_make(&s, flags, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(xv_set_owner(s.pool, s.handles[i], (uint32_t)i), 0);
	do {
		uint64_t before = steps_taken, now;

		assert_int_equal(xv_compact(s.pool, STEP_BYTES, &report), 0);
		now = steps_taken - before;
		for (size_t i = 0; i <= OUTLIERS; i++) {
			uint64_t larger = now > most[i] ? now : most[i];

			now = now > most[i] ? most[i] : now;
			most[i] = larger;
		}
		steps++;
	} while (report.more);
	assert_true(steps > 20 * OUTLIERS);
	costs_note(costs, "xv_compact", most[OUTLIERS]);
	state_close(&s);
}

static void a_step_of_compaction_is_bounded(void **unused)
{
	static const uint32_t kinds[] = {XV_POOL_OWNERS, XV_POOL_SPLIT | XV_POOL_OWNERS};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct costs small = {0}, large = {0};

		count_compaction(&small, kinds[i], SMALL_COUNT);
		count_compaction(&large, kinds[i], LARGE_COUNT);
		/* The worst of more steps is worse; a step that looked at all would be 16 times so.
		 */
		costs_are_linear(&small, &large, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_takes_as_many_steps_for_any_provider),
		cmocka_unit_test(what_looks_at_everything_takes_steps_for_each),
		cmocka_unit_test(what_looks_at_all_shards_takes_steps_for_each),
		cmocka_unit_test(a_step_of_compaction_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
