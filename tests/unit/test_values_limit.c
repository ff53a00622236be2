/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The cache of values at its limit: what is held stays below it to the byte, who is evicted, and
 * what happens when the limit changes.
 */
#include <xvmalloc/provider_mmap.h>

#include "test_values_support.h"

enum { LIMIT = 2 << 20, MANY = 30000 };

static void expect_within(struct ramz_values *cache, uint64_t limit_bytes)
{
	assert_in_range(values_stats(cache).held_bytes, 1, limit_bytes);
}

static void held_bytes_stay_within_the_limit(void **state)
{
	struct ramz_values *cache = values_open(LIMIT, NULL);
	struct ramz_values_stats stats;
	uint64_t kept = 0;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		values_put(cache, i, 0);
		if (i % 16 == 0)
			expect_within(cache, LIMIT);
	}
	stats = values_stats(cache);
	assert_true(stats.evicted > 0);
	assert_int_equal(stats.values + stats.evicted, MANY);
	assert_true(stats.held_bytes > LIMIT - LIMIT / 8); /* the rest is promised to holes */
	for (uint64_t i = 0; i < MANY; i++)
		kept += values_has(cache, i, 0);
	assert_int_equal(kept, stats.values);
	values_close(cache);
}

/* The same when values have all lengths, are deleted and get dictionaries. */
static void the_limit_holds_when_everything_changes(void **state)
{
	struct ramz_values *cache = values_open(LIMIT, NULL);
	unsigned char value[VALUE_BOUND];
	uint64_t random = 11;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t number = random_below(&random, MANY);
		char key[KEY_ROOM];

		if (i % 64 == 0) {
			size_t bytes = random_below(&random, sizeof(value));

			for (size_t j = 0; j < bytes; j++)
				value[j] = (unsigned char)random_next(&random);
			assert_int_equal(ramz_values_set(cache, key, key_make(key, MANY + number),
							 value, bytes, 0),
					 0);
		} else if (i % 8 == 0) {
			(void)values_delete(cache, number);
		} else {
			values_put(cache, number, 0);
		}
		if (i % 1024 == 0)
			assert_int_equal(ramz_values_tend(cache, 100, NULL), 0);
		if (i % (MANY / 4) == MANY / 8) {
			int err = ramz_values_train(cache, 16 << 10, NULL);

			assert_true(err == 0 || err == -XV_EBUSY || err == -XV_ENOTSUP);
		}
		expect_within(cache, LIMIT);
	}
	values_close(cache);
}

static void a_value_that_was_read_gets_a_second_chance(void **state)
{
	struct ramz_values *cache = values_open(LIMIT, NULL);
	uint64_t hot = 0, cold = 0;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		values_put(cache, i, 0);
	for (uint64_t i = 2000; i < MANY; i++) {
		values_put(cache, i, 0);
		if (i % 4 == 0) /* the even ones of the first 2000 are read again and again */
			(void)values_has(cache, i / 4 * 2 % 2000, 0);
	}
	assert_true(values_stats(cache).evicted > MANY / 4);
	for (uint64_t i = 0; i < 2000; i += 2) {
		hot += values_has(cache, i, 0);
		cold += values_has(cache, i + 1, 0);
	}
	assert_true(hot > 900);
	assert_true(cold < 500);
	values_close(cache);
}

/* When all values were read, one of them goes. */
static void a_cache_of_hot_values_takes_new_ones(void **state)
{
	struct ramz_values *cache = values_open(2 << 20, NULL);
	uint64_t i = 0;

	(void)state;
	for (; values_stats(cache).evicted == 0; i++) {
		values_put(cache, i, 0);
		assert_true(values_has(cache, i, 0));
	}
	for (uint64_t j = 0; j < 5000; j++) {
		for (uint64_t k = 0; k < 4; k++)
			(void)values_has(cache, (j * 4 + k) % i, 0);
		values_put(cache, i + j, 0);
		assert_true(values_has(cache, i + j, 0));
	}
	values_close(cache);
}

static void a_long_value_evicts_many(void **state)
{
	struct ramz_values *cache = values_open(2 << 20, NULL);
	unsigned char value[VALUE_BOUND], got[VALUE_BOUND];
	uint64_t random = 5;
	size_t bytes;

	(void)state;
	for (uint64_t i = 0; values_stats(cache).evicted == 0; i++)
		values_put(cache, i, 0);
	for (uint32_t i = 0; i < 2000; i++) {
		for (size_t j = 0; j < sizeof(value); j++)
			value[j] = (unsigned char)random_next(&random);
		assert_int_equal(ramz_values_set(cache, &i, sizeof(i), value, sizeof(value), 0), 0);
		assert_int_equal(ramz_values_get(cache, &i, sizeof(i), got, sizeof(got), &bytes),
				 1);
		assert_memory_equal(got, value, sizeof(value));
		expect_within(cache, 2 << 20);
	}
	values_close(cache);
}

static void a_lower_limit_evicts(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	uint64_t held;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++)
		values_put(cache, i, 0);
	held = values_stats(cache).held_bytes;
	assert_int_equal(ramz_values_set_limit(cache, held / 2), 0);
	expect_within(cache, held / 2);
	assert_int_equal(values_stats(cache).limit_bytes, held / 2);
	/* And no more than that. */
	assert_true(values_stats(cache).held_bytes > held / 2 - held / 16);
	assert_true(values_stats(cache).values > MANY / 4);
	for (uint64_t i = 0; i < 1000; i++)
		values_put(cache, i, 1);
	expect_within(cache, held / 2 + 16 * values_stats(cache).values);
	assert_int_equal(ramz_values_set_limit(cache, 100), -XV_ENOSPC);
	assert_int_equal(values_stats(cache).values, 0);
	assert_int_equal(values_try(cache, 1, 0, 0), -XV_ENOSPC);
	assert_int_equal(ramz_values_set_limit(cache, 0), 0);
	values_put(cache, 1, 0);
	assert_true(values_has(cache, 1, 0));
	values_close(cache);
}

/* The least limit that an empty cache accepts is what it holds then. */
static void a_cache_is_made_to_the_byte(void **state)
{
	struct ramz_values_options options;
	struct ramz_values *cache = values_open(0, NULL);
	uint64_t held = values_stats(cache).held_bytes;

	(void)state;
	values_close(cache);
	values_options(&options, NULL);
	options.limit_bytes = held - 1;
	assert_int_equal(ramz_values_create(&cache, &options), -XV_ENOSPC);
	options.limit_bytes = held;
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	assert_int_equal(values_stats(cache).held_bytes, held);
	values_close(cache);
}

/* A provider without pages left is a limit, too. */
static void a_full_provider_evicts(void **state)
{
	struct xv_provider_mmap_options mmap_options;
	struct ramz_values_options options;
	struct xv_provider *provider;
	struct ramz_values *cache;

	(void)state;
	xv_provider_mmap_options_init(&mmap_options);
	mmap_options.cap_bytes = 1 << 20;
	assert_int_equal(xv_provider_mmap_create(&provider, &mmap_options), 0);
	values_options(&options, NULL);
	options.provider = provider;
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		values_put(cache, i, 0);
		assert_true(values_has(cache, i, 0));
	}
	assert_true(values_stats(cache).evicted > 0);
	values_close(cache);
	xv_provider_mmap_destroy(provider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_bytes_stay_within_the_limit),
		cmocka_unit_test(the_limit_holds_when_everything_changes),
		cmocka_unit_test(a_value_that_was_read_gets_a_second_chance),
		cmocka_unit_test(a_cache_of_hot_values_takes_new_ones),
		cmocka_unit_test(a_long_value_evicts_many),
		cmocka_unit_test(a_lower_limit_evicts),
		cmocka_unit_test(a_cache_is_made_to_the_byte),
		cmocka_unit_test(a_full_provider_evicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
