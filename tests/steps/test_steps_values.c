/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_steps_values.c: what values.h promises of costs, by steps, in caches of which every fourth
 * value was deleted, and in full ones. The codec is lz4, whose library is not counted. May call:
 * public headers. One thread.
 */
#include "steps.h"
#include "test_values_support.h"

enum {
	SMALL = 2000,
	TIMES = 8,
	LARGE = TIMES * SMALL,
	TRIES = 300,
	SMALL_LIMIT = 2 << 20, /* stripes have more buckets than the hand looks at */
	TEND = 100,
};

static struct ramz_values *state_open(uint64_t limit_bytes)
{
	struct ramz_values_options options;
	struct ramz_values *cache;

	values_options(&options, NULL);
	options.codec = ramz_codec_by_name("lz4");
	options.limit_bytes = limit_bytes;
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	return cache;
}

static struct ramz_values *state_make(uint64_t values)
{
	struct ramz_values *cache = state_open(0);

	for (uint64_t i = 0; i < values; i++)
		values_put(cache, i, 0);
	for (uint64_t i = 0; i < values; i += 4)
		assert_int_equal(values_delete(cache, i), 1);
	return cache;
}

static void count_values(struct ramz_values *cache, struct costs *costs, uint64_t values)
{
	struct ramz_values_stats stats;
	uint64_t random = 7;

	for (size_t i = 0; i < TRIES; i++) {
		uint64_t number = random_below(&random, (size_t)(values / 4)) * 4 + 1;
		char key[KEY_ROOM];
		size_t key_bytes = key_make(key, number);

		COUNT(costs, "ramz_values_get", assert_true(values_has(cache, number, 0)));
		COUNT(costs, "ramz_values_ttl",
		      assert_int_equal(ramz_values_ttl(cache, key, key_bytes, NULL), 1));
		COUNT(costs, "ramz_values_expire",
		      assert_int_equal(ramz_values_expire(cache, key, key_bytes, 60000), 1));
		COUNT(costs, "ramz_values_set, again", values_put(cache, number, 0));
		COUNT(costs, "ramz_values_set, new", values_put(cache, values + i, 0));
		COUNT(costs, "ramz_values_delete",
		      assert_int_equal(values_delete(cache, values + i), 1));
		COUNT(costs, "ramz_values_get_stats",
		      assert_int_equal(ramz_values_get_stats(cache, &stats), 0));
	}
}

static void count_tend(struct ramz_values *cache, struct costs *costs, uint64_t values)
{
	for (uint64_t i = 0; i < values; i += 2)
		(void)values_try(cache, i, 0, 60000);
	for (size_t i = 0; i < TRIES; i++)
		COUNT(costs, "ramz_values_tend",
		      assert_int_equal(ramz_values_tend(cache, TEND, NULL), 0));
}

static void each_call_takes_as_many_steps_in_any_cache(void **unused)
{
	struct costs small = {0}, large = {0};
	struct ramz_values *cache;

	(void)unused;
	cache = state_make(SMALL);
	count_values(cache, &small, SMALL);
	values_close(cache);
	cache = state_make(LARGE);
	count_values(cache, &large, LARGE);
	values_close(cache);
	costs_are_constant(&small, &large);
}

/* The last step of a cycle of compaction is as long as what it gives back. */
static void a_step_of_upkeep_is_at_most_linear(void **unused)
{
	struct costs small = {0}, large = {0};
	struct ramz_values *cache;

	(void)unused;
	cache = state_make(SMALL);
	count_tend(cache, &small, SMALL);
	values_close(cache);
	cache = state_make(LARGE);
	count_tend(cache, &large, LARGE);
	values_close(cache);
	costs_are_linear(&small, &large, TIMES);
	/* Most steps end no cycle. */
	assert_true(large.of[0].sum / large.of[0].times < 2 * small.of[0].sum / small.of[0].times);
}

/* All values were read, so the hand finds none to evict at once. */
static void count_full(struct costs *costs, uint64_t limit_bytes)
{
	struct ramz_values *cache = state_open(limit_bytes);
	uint64_t values = 0;

	while (values_stats(cache).evicted == 0)
		values_put(cache, values++, 0);
	for (size_t i = 0; i < 8 * TRIES; i++) {
		if (i % 64 == 0) {
			for (uint64_t j = 0; j < values; j++)
				(void)values_has(cache, j, 0);
		}
		COUNT(costs, "ramz_values_set, full", values_put(cache, values + i, 0));
	}
	values_close(cache);
}

static void an_eviction_takes_as_many_steps_on_average_in_any_cache(void **unused)
{
	struct costs small = {0}, large = {0};

	(void)unused;
	count_full(&small, SMALL_LIMIT);
	count_full(&large, 3 * SMALL_LIMIT);
	/* The longest ends a cycle of compaction. */
	costs_are_linear(&small, &large, 3);
	print_message("%llu steps on average, %llu in the large cache\n",
		      (unsigned long long)(small.of[0].sum / small.of[0].times),
		      (unsigned long long)(large.of[0].sum / large.of[0].times));
	assert_true(large.of[0].sum / large.of[0].times <
		    2 * (small.of[0].sum / small.of[0].times));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_takes_as_many_steps_in_any_cache),
		cmocka_unit_test(a_step_of_upkeep_is_at_most_linear),
		cmocka_unit_test(an_eviction_takes_as_many_steps_on_average_in_any_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
