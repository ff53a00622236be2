/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Values that expire (ramz/values.h), by a clock that the test moves.
 */
#include "test_values_support.h"

enum { MANY = 3000 };

static uint64_t ttl_of(struct ramz_values *cache, uint64_t number)
{
	char key[KEY_ROOM];
	uint64_t ttl_ms = 77;

	assert_int_equal(ramz_values_ttl(cache, key, key_make(key, number), &ttl_ms), 1);
	return ttl_ms;
}

static int expire(struct ramz_values *cache, uint64_t number, uint64_t ttl_ms)
{
	char key[KEY_ROOM];

	return ramz_values_expire(cache, key, key_make(key, number), ttl_ms);
}

static void a_value_expires_on_time(void **state)
{
	uint64_t now_ms = 1000000;
	struct ramz_values *cache = values_open(0, &now_ms);
	char key[KEY_ROOM];
	uint64_t ttl_ms = 77;

	(void)state;
	assert_int_equal(values_try(cache, 1, 0, 100), 0);
	values_put(cache, 2, 0);
	assert_int_equal(ttl_of(cache, 1), 100);
	assert_int_equal(ttl_of(cache, 2), RAMZ_VALUES_FOREVER);
	assert_int_equal(values_stats(cache).expiring, 1);
	assert_int_equal(values_stats(cache).hits, 0); /* to ask for a time is no read */
	now_ms += 99;
	assert_int_equal(ttl_of(cache, 1), 1);
	assert_true(values_has(cache, 1, 0));
	now_ms += 1;
	assert_int_equal(ramz_values_ttl(cache, key, key_make(key, 1), &ttl_ms), 0);
	assert_int_equal(ttl_ms, 77);
	assert_false(values_has(cache, 1, 0));
	assert_true(values_has(cache, 2, 0));
	assert_int_equal(values_delete(cache, 1), 0);
	assert_int_equal(values_stats(cache).expired, 1);
	assert_int_equal(values_stats(cache).expiring, 0);
	values_close(cache);
}

static void a_time_is_set_and_taken_away(void **state)
{
	uint64_t now_ms = 5;
	struct ramz_values *cache = values_open(0, &now_ms);

	(void)state;
	values_put(cache, 1, 0);
	assert_int_equal(expire(cache, 1, 50), 1);
	assert_int_equal(ttl_of(cache, 1), 50);
	assert_true(values_has(cache, 1, 0));
	assert_int_equal(expire(cache, 1, RAMZ_VALUES_FOREVER), 1);
	assert_int_equal(ttl_of(cache, 1), RAMZ_VALUES_FOREVER);
	now_ms += 1000;
	assert_true(values_has(cache, 1, 0));
	assert_int_equal(expire(cache, 1, 10), 1);
	values_put(cache, 1, 1); /* a set does away with it */
	now_ms += 1000;
	assert_true(values_has(cache, 1, 1));
	assert_int_equal(expire(cache, 9, 10), 0);
	values_close(cache);
}

static void times_too_far_away_are_refused(void **state)
{
	uint64_t now_ms = 0;
	struct ramz_values *cache = values_open(0, &now_ms);

	(void)state;
	assert_int_equal(values_try(cache, 1, 0, RAMZ_VALUES_TTL_MAX), 0);
	assert_int_equal(ttl_of(cache, 1), RAMZ_VALUES_TTL_MAX);
	assert_int_equal(values_try(cache, 1, 0, RAMZ_VALUES_TTL_MAX + 1), -XV_ERANGE);
	assert_int_equal(expire(cache, 1, RAMZ_VALUES_TTL_MAX + 1), -XV_ERANGE);
	now_ms = RAMZ_VALUES_TTL_MAX + 10;
	assert_int_equal(values_try(cache, 2, 0, RAMZ_VALUES_TTL_MAX), -XV_ERANGE);
	assert_int_equal(values_try(cache, 2, 0, 1), 0);
	values_put(cache, 3, 0);
	assert_int_equal(expire(cache, 3, RAMZ_VALUES_TTL_MAX), -XV_ERANGE);
	assert_int_equal(ttl_of(cache, 3), RAMZ_VALUES_FOREVER);
	values_close(cache);
}

/* A clock that stood at the making of the cache, or went back, makes nothing expire early. */
static void a_clock_that_goes_back_expires_nothing(void **state)
{
	uint64_t now_ms = 1000;
	struct ramz_values *cache = values_open(0, &now_ms);

	(void)state;
	now_ms = 100;
	assert_int_equal(values_try(cache, 1, 0, 10), 0);
	assert_true(values_has(cache, 1, 0));
	now_ms = 1009;
	assert_true(values_has(cache, 1, 0));
	now_ms = 1010;
	assert_false(values_has(cache, 1, 0));
	values_close(cache);
}

static void expired_values_give_memory_back(void **state)
{
	uint64_t now_ms = 1;
	struct ramz_values *cache = values_open(0, &now_ms);
	struct ramz_values_tend_report report = {.more = true};
	uint64_t expired = 0;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(values_try(cache, i, 0, i % 2 == 0 ? 1000 : 0), 0);
	now_ms += 1000;
	assert_int_equal(values_stats(cache).values, MANY);
	while (report.more) {
		assert_int_equal(ramz_values_tend(cache, 100, &report), 0);
		assert_in_range(report.looked_at, 0, 100 + 255); /* a step is bounded */
		expired += report.expired;
	}
	assert_int_equal(expired, MANY / 2);
	assert_int_equal(values_stats(cache).values, MANY / 2);
	assert_int_equal(values_stats(cache).expiring, 0);
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(values_has(cache, i, 0), i % 2);
	values_close(cache);
}

/* Writes alone find what has expired: nobody need call ramz_values_tend. */
static void writes_find_expired_values(void **state)
{
	uint64_t now_ms = 1;
	struct ramz_values *cache = values_open(0, &now_ms);

	(void)state;
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(values_try(cache, i, 0, 1000), 0);
	now_ms += 1000;
	for (uint64_t i = 0; i < 8 * MANY; i++)
		values_put(cache, MANY + i % 512, i);
	assert_in_range(values_stats(cache).values, 512, 512 + MANY / 16);
	values_close(cache);
}

static void the_default_clock_goes_on(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	unsigned rounds = 0;

	(void)state;
	assert_int_equal(values_try(cache, 1, 0, 1), 0);
	while (values_has(cache, 1, 0))
		rounds++;
	(void)rounds;
	values_close(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_expires_on_time),
		cmocka_unit_test(a_time_is_set_and_taken_away),
		cmocka_unit_test(times_too_far_away_are_refused),
		cmocka_unit_test(a_clock_that_goes_back_expires_nothing),
		cmocka_unit_test(expired_values_give_memory_back),
		cmocka_unit_test(writes_find_expired_values),
		cmocka_unit_test(the_default_clock_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
