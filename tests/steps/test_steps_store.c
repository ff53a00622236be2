/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_steps_store.c: what ramz.h, tiers.h, stats.h and policy.h promise of costs, by steps, in
 * stores of which every other page is discarded. The codec is lz4, which takes no steps: its
 * library is not counted. May call: public headers. One thread.
 */
#include "steps.h"
#include "test_ramz_memory_file.h"

#include <ramz/backing.h>
#include <ramz/policy.h>
#include <ramz/stats.h>
#include <ramz/tiers.h>

enum {
	SMALL_PAGES = 1024,
	TIMES = 8,
	LARGE_PAGES = TIMES * SMALL_PAGES,
	FEW_TIMES = 4,
	TRIES = 200,
};

static struct ramz *state_make(uint64_t pages)
{
	struct ramz *store = store_open(pages);

	for (uint64_t i = 0; i < pages; i++)
		store_put(store, i, i);
	for (uint64_t i = 0; i < pages; i += 2)
		assert_int_equal(ramz_discard(store, i * PAGE, PAGE), 0);
	return store;
}

/* ---- O(1) ---- */

static void count_pages(struct ramz *store, struct costs *costs, uint64_t pages)
{
	static unsigned char bytes[PAGE];
	struct ramz_page_info info;
	uint64_t random = 7;

	for (size_t i = 0; i < TRIES; i++) {
		uint64_t page = random_below(&random, (size_t)pages), word;

		page_fill(bytes, PAGE, pages + i);
		COUNT(costs, "ramz_page_is_same_filled",
		      (void)ramz_page_is_same_filled(bytes, PAGE, &word));
		COUNT(costs, "ramz_write_page",
		      assert_int_equal(ramz_write_page(store, page, bytes), 0));
		COUNT(costs, "ramz_read_page",
		      assert_int_equal(ramz_read_page(store, page, bytes), 0));
		COUNT(costs, "ramz_page_info",
		      assert_int_equal(ramz_page_info(store, page, &info), 0));
		COUNT(costs, "ramz_write",
		      assert_int_equal(ramz_write(store, page * PAGE + 9, bytes, 70, NULL), 0));
		COUNT(costs, "ramz_read",
		      assert_int_equal(ramz_read(store, page * PAGE + 9, bytes, 70), 0));
		COUNT(costs, "ramz_discard",
		      assert_int_equal(ramz_discard(store, page * PAGE, PAGE), 0));
	}
}

static void count_settings(struct ramz *store, struct costs *costs)
{
	const struct ramz_codec *lz4 = ramz_codec_by_name("lz4");
	struct ramz_backing_stats backing;
	struct ramz_histogram histogram;
	struct ramz_tier_info info;
	struct ramz_stats stats;

	COUNT(costs, "ramz_set_codec", assert_int_equal(ramz_set_codec(store, lz4, -3), 0));
	COUNT(costs, "ramz_get_codec", (void)ramz_get_codec(store, NULL));
	COUNT(costs, "ramz_set_tier", assert_int_equal(ramz_set_tier(store, 1, lz4, 9), 0));
	COUNT(costs, "ramz_get_tier", assert_int_equal(ramz_get_tier(store, 1, &info), 0));
	COUNT(costs, "ramz_set_limits", assert_int_equal(ramz_set_limits(store, 0, 0), 0));
	COUNT(costs, "ramz_flush", assert_int_equal(ramz_flush(store), 0));
	COUNT(costs, "ramz_size_bytes", (void)ramz_size_bytes(store));
	COUNT(costs, "ramz_page_bytes", (void)ramz_page_bytes(store));
	COUNT(costs, "ramz_get_stats", ramz_get_stats(store, &stats));
	COUNT(costs, "ramz_reset_peak", assert_int_equal(ramz_reset_peak(store), 0));
	COUNT(costs, "ramz_check, quick",
	      assert_int_equal(ramz_check(store, XV_CHECK_QUICK, NULL), 0));
	COUNT(costs, "ramz_get_histogram",
	      assert_int_equal(ramz_get_histogram(store, RAMZ_HISTOGRAM_SIZE, &histogram), 0));
	COUNT(costs, "ramz_histogram_quantile", (void)ramz_histogram_quantile(&histogram, 50000));
	COUNT(costs, "ramz_histogram_floor", (void)ramz_histogram_floor(100));
	COUNT(costs, "ramz_histogram_bucket", (void)ramz_histogram_bucket(UINT64_MAX / 3));
	COUNT(costs, "ramz_age_floor", (void)ramz_age_floor(5));
	COUNT(costs, "ramz_get_backing_stats",
	      assert_int_equal(ramz_get_backing_stats(store, &backing), 0));
}

static void each_call_takes_as_many_steps_in_any_store(void **unused)
{
	struct costs small = {0}, large = {0};
	struct ramz *store;

	(void)unused;
	store = state_make(SMALL_PAGES);
	count_pages(store, &small, SMALL_PAGES);
	count_settings(store, &small);
	store_close(store);
	store = state_make(LARGE_PAGES);
	count_pages(store, &large, LARGE_PAGES);
	count_settings(store, &large);
	store_close(store);
	costs_are_constant(&small, &large);
}

static void count_options(struct costs *costs, uint64_t bytes, bool limited)
{
	struct ramz_options options;
	struct ramz *store;

	COUNT(costs, "ramz_options_init", ramz_options_init(&options));
	options.size_bytes = bytes;
	if (limited)
		COUNT(costs, "ramz_least_limit",
		      options.hard_limit_bytes = ramz_least_limit(&options));
	COUNT(costs, "ramz_options_check", assert_int_equal(ramz_options_check(&options, NULL), 0));
	COUNT(costs, "ramz_create", assert_int_equal(ramz_create(&store, &options), 0));
	ramz_destroy(store);
}

static void a_stores_options_take_constant_steps(void **unused)
{
	struct costs small = {0}, large = {0};
	uint64_t most = UINT64_C(1) << (sizeof(void *) > 4 ? 40 : 31);

	(void)unused;
	count_options(&small, UINT64_C(1) << 22, false);
	count_options(&large, most, false);
	costs_are_constant(&small, &large);
	small = large = (struct costs){0};
	count_options(&small, UINT64_C(1) << 22, true);
	count_options(&large, most, true);
	for (size_t i = 0; i < large.count; i++)
		assert_in_range(large.of[i].most, 1,
				small.of[i].most + 20 * (most / PAGE >> 18) + 500);
}

static void count_policy(struct costs *costs, uint64_t pages)
{
	struct ramz *store = state_make(pages);
	struct ramz_policy_stats stats;
	struct ramz_policy policy;

	COUNT(costs, "ramz_policy_init", ramz_policy_init(&policy));
	COUNT(costs, "ramz_set_policy", assert_int_equal(ramz_set_policy(store, &policy), 0));
	COUNT(costs, "ramz_get_policy_stats",
	      assert_int_equal(ramz_get_policy_stats(store, &stats), 0));
	store_close(store);
}

static void a_policy_takes_constant_steps(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_policy(&small, SMALL_PAGES);
	count_policy(&large, LARGE_PAGES);
	costs_are_constant(&small, &large);
}

/* ---- O(pages) ---- */

static void count_end(struct costs *costs, uint64_t pages)
{
	struct ramz *store = state_make(pages);

	COUNT(costs, "ramz_check, deep",
	      assert_int_equal(ramz_check(store, XV_CHECK_DEEP, NULL), 0));
	COUNT(costs, "ramz_trim", (void)ramz_trim(store));
	COUNT(costs, "ramz_resize", assert_int_equal(ramz_resize(store, pages / 2 * PAGE), 0));
	COUNT(costs, "ramz_reset", assert_int_equal(ramz_reset(store), 0));
	ramz_destroy(store);
	store = state_make(pages);
	COUNT(costs, "ramz_destroy", ramz_destroy(store));
}

static void a_store_ends_in_steps_for_its_pages(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_end(&small, SMALL_PAGES);
	count_end(&large, FEW_TIMES * SMALL_PAGES);
	costs_are_linear(&small, &large, FEW_TIMES);
}

static int visit(void *context, uint64_t page, const struct ramz_page_info *info)
{
	(void)page;
	(void)info;
	++*(size_t *)context;
	return 0;
}

/* Sparse: what holds nothing costs nothing. */
static void count_sparse(struct costs *costs, uint64_t pages)
{
	struct ramz *store = store_open(pages);
	size_t visited = 0;

	for (uint64_t i = 0; i < 4; i++)
		store_put(store, pages / 4 * i + 3, 8 * i + 2);
	COUNT(costs, "ramz_walk", assert_int_equal(ramz_walk(store, 0, visit, &visited), 0));
	assert_int_equal(visited, 4);
	COUNT(costs, "ramz_discard, all",
	      assert_int_equal(ramz_discard(store, 0, pages * PAGE), 0));
	store_close(store);
}

static void ranges_take_steps_for_their_pages(void **unused)
{
	enum { RANGE = 16 };
	unsigned char *bytes = calloc(FEW_TIMES * RANGE, PAGE);
	struct costs small = {0}, large = {0};
	struct ramz *store;

	(void)unused;
	assert_non_null(bytes);
	for (uint64_t i = 0; i < FEW_TIMES * RANGE; i++)
		page_fill(bytes + i * PAGE, PAGE, i);
	store = state_make(SMALL_PAGES);
	for (size_t times = 1; times <= FEW_TIMES; times += FEW_TIMES - 1) {
		struct costs *costs = times == 1 ? &small : &large;
		size_t length = times * RANGE * PAGE;

		COUNT(costs, "ramz_write",
		      assert_int_equal(ramz_write(store, 99, bytes, length, NULL), 0));
		COUNT(costs, "ramz_read", assert_int_equal(ramz_read(store, 99, bytes, length), 0));
		COUNT(costs, "ramz_discard", assert_int_equal(ramz_discard(store, 99, length), 0));
	}
	costs_are_linear(&small, &large, FEW_TIMES);
	store_close(store);
	free(bytes);
	small = large = (struct costs){0};
	count_sparse(&small, UINT64_C(1) << 20);
	count_sparse(&large, UINT64_C(1) << (sizeof(void *) > 4 ? 28 : 22));
	costs_are_constant(&small, &large);
}

static void count_save(struct costs *costs, uint64_t pages)
{
	struct ramz *store = state_make(pages), *loaded;
	struct memory_file file;

	COUNT(costs, "ramz_save", save(store, &file));
	COUNT(costs, "ramz_load", assert_int_equal(load(&file, NULL, &loaded, NULL), 0));
	store_close(loaded);
	store_close(store);
	free(file.bytes);
}

static void a_save_takes_steps_for_what_is_stored(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_save(&small, SMALL_PAGES);
	count_save(&large, FEW_TIMES * SMALL_PAGES);
	costs_are_linear(&small, &large, FEW_TIMES);
}

/* ---- tiers ---- */

static void count_tiers(struct costs *costs, uint64_t pages)
{
	struct ramz_recompress_options options = {.tier = 1};
	struct ramz *store = state_make(pages);
	struct ramz_ages ages;

	COUNT(costs, "ramz_mark_idle", assert_int_equal(ramz_mark_idle(store), 0));
	COUNT(costs, "ramz_get_ages", assert_int_equal(ramz_get_ages(store, &ages), 0));
	assert_int_equal(ramz_set_tier(store, 1, ramz_codec_by_name("lz4"), 9), 0);
	COUNT(costs, "ramz_recompress",
	      assert_int_equal(ramz_recompress(store, &options, NULL), 0));
	store_close(store);
}

static void tiers_take_steps_for_the_table(void **unused)
{
	struct ramz_recompress_options options = {.tier = 1, .count = SMALL_PAGES / 2};
	struct costs small = {0}, large = {0};
	struct ramz *store;
	uint64_t before;

	(void)unused;
	count_tiers(&small, SMALL_PAGES);
	count_tiers(&large, FEW_TIMES * SMALL_PAGES);
	costs_are_linear(&small, &large, FEW_TIMES);
	/* Only what is asked for is looked at; an age is a few steps for 64 pages. */
	store = state_make(LARGE_PAGES);
	assert_int_equal(ramz_set_tier(store, 1, ramz_codec_by_name("lz4"), 9), 0);
	before = steps_taken;
	assert_int_equal(ramz_recompress(store, &options, NULL), 0);
	assert_in_range(steps_taken - before, 1, costs_of(&small, "ramz_recompress")->most);
	before = steps_taken;
	assert_int_equal(ramz_mark_idle(store), 0);
	assert_in_range(steps_taken - before, 1, 20 * LARGE_PAGES / 64 + 500);
	store_close(store);
}

/* ---- compaction ---- */

static void count_compaction(struct costs *costs, uint64_t pages)
{
	struct ramz_options options;
	struct ramz *store = NULL;

	store_options(&options, pages);
	options.no_auto_compact = true;
	assert_int_equal(ramz_create(&store, &options), 0);
	for (uint64_t i = 0; i < pages; i++)
		store_put(store, i, i);
	for (uint64_t i = 0; i < pages; i++) {
		if (i % 16 > 3)
			assert_int_equal(ramz_discard(store, i * PAGE, PAGE), 0);
	}
	COUNT(costs, "ramz_compact, a part", assert_int_equal(ramz_compact(store, 8192, NULL), 0));
	store_close(store);
}

static void a_compaction_of_a_store_is_bounded(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_compaction(&small, 4 * SMALL_PAGES);
	count_compaction(&large, 8 * 4 * SMALL_PAGES);
	costs_are_linear(&small, &large, 2); /* it looks for the emptiest of all pages first */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_takes_as_many_steps_in_any_store),
		cmocka_unit_test(a_stores_options_take_constant_steps),
		cmocka_unit_test(a_policy_takes_constant_steps),
		cmocka_unit_test(a_store_ends_in_steps_for_its_pages),
		cmocka_unit_test(ranges_take_steps_for_their_pages),
		cmocka_unit_test(a_save_takes_steps_for_what_is_stored),
		cmocka_unit_test(tiers_take_steps_for_the_table),
		cmocka_unit_test(a_compaction_of_a_store_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
