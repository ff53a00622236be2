/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Dictionaries of the cache of values: they are trained on live values, and live as long as a
 * value uses them.
 */
#include "test_values_support.h"

enum { MANY = 6000 };

static struct ramz_values *filled(uint64_t *now_ms)
{
	struct ramz_values *cache = values_open(0, now_ms);

	for (uint64_t i = 0; i < MANY; i++)
		values_put(cache, i, 0);
	return cache;
}

static void expect_all(struct ramz_values *cache, uint64_t version)
{
	for (uint64_t i = 0; i < MANY; i++)
		assert_true(values_has(cache, i, version));
}

static void a_dictionary_makes_values_smaller(void **state)
{
	struct ramz_values *cache = filled(NULL);
	struct ramz_values_stats before = values_stats(cache), after;
	struct ramz_values_train_report report;
	int err = ramz_values_train(cache, 8 << 10, &report);

	(void)state;
	if (err == -XV_ENOTSUP) {
		values_close(cache);
		skip();
	}
	assert_int_equal(err, 0);
	assert_true(report.used);
	assert_in_range(report.dictionary_bytes, 1, 8 << 10);
	assert_true(report.samples >= 7 * report.tested && report.tested > 0);
	assert_true(report.with_bytes < report.without_bytes * 9 / 10);
	expect_all(cache, 0); /* of the generation before */
	values_tend(cache);
	after = values_stats(cache);
	assert_true(after.record_bytes < before.record_bytes * 8 / 10);
	assert_int_equal(after.recompressed, MANY);
	assert_int_equal(after.generation, 1);
	assert_int_equal(after.old_values, 0);
	assert_true(after.dictionary_bytes > 8 << 10);
	expect_all(cache, 0);
	values_close(cache);
}

/* Values written after the training have the new form at once. */
static void new_values_use_the_dictionary(void **state)
{
	struct ramz_values *cache = filled(NULL);

	(void)state;
	if (!values_train(cache, 8 << 10)) {
		values_close(cache);
		skip();
	}
	assert_int_equal(values_stats(cache).old_values, MANY);
	for (uint64_t i = 0; i < MANY; i++)
		values_put(cache, i, 1);
	assert_int_equal(values_stats(cache).old_values, 0);
	expect_all(cache, 1);
	values_close(cache);
}

static void a_generation_lives_while_a_value_uses_it(void **state)
{
	uint64_t now_ms = 1;
	struct ramz_values *cache = filled(&now_ms);
	uint64_t one, two;

	(void)state;
	if (!values_train(cache, 8 << 10)) {
		values_close(cache);
		skip();
	}
	values_tend(cache);
	one = values_stats(cache).dictionary_bytes;
	/* Other values, of which the first dictionary knows nothing. */
	for (uint64_t i = 0; i < MANY; i++) {
		char value[VALUE_ROOM];
		int n = snprintf(value, sizeof(value),
				 "<order id='%llu'><state>delivered</state><carrier>post</carrier>"
				 "<weight unit='g'>%llu</weight></order>",
				 (unsigned long long)i, (unsigned long long)(i * 7919 % 5000));

		assert_int_equal(ramz_values_set(cache, &i, sizeof(i), value, (size_t)n, 0), 0);
	}
	assert_true(values_train(cache, 8 << 10));
	two = values_stats(cache).dictionary_bytes;
	assert_true(two > one);
	/* Both places are taken. */
	assert_int_equal(ramz_values_train(cache, 8 << 10, NULL), -XV_EBUSY);
	expect_all(cache, 0);
	values_tend(cache);
	assert_in_range(values_stats(cache).dictionary_bytes, 1, two - 1);
	expect_all(cache, 0);
	assert_int_equal(values_stats(cache).generation, 2);
	assert_int_equal(ramz_values_train(cache, 8 << 10, NULL), 0);
	values_close(cache);
}

/* Times are kept when a value moves, and a record of an old generation can get one. */
static void times_outlive_a_generation(void **state)
{
	uint64_t now_ms = 1, ttl_ms;
	struct ramz_values *cache = filled(&now_ms);
	char key[KEY_ROOM];

	(void)state;
	assert_int_equal(values_try(cache, 1, 0, 500), 0);
	if (!values_train(cache, 8 << 10)) {
		values_close(cache);
		skip();
	}
	assert_int_equal(ramz_values_expire(cache, key, key_make(key, 2), 700), 1);
	values_tend(cache);
	expect_all(cache, 0);
	assert_int_equal(ramz_values_ttl(cache, key, key_make(key, 1), &ttl_ms), 1);
	assert_int_equal(ttl_ms, 500);
	now_ms += 500;
	assert_false(values_has(cache, 1, 0));
	assert_true(values_has(cache, 2, 0));
	now_ms += 200;
	assert_false(values_has(cache, 2, 0));
	values_close(cache);
}

static void a_dictionary_that_does_not_pay_is_not_used(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	struct ramz_values_train_report report;
	uint64_t random = 2, held;

	(void)state;
	assert_int_equal(ramz_values_train(cache, 0, &report), 0);
	assert_false(report.used); /* too few */
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t value[8];

		for (size_t j = 0; j < 8; j++)
			value[j] = random_next(&random);
		assert_int_equal(ramz_values_set(cache, &i, sizeof(i), value, sizeof(value), 0), 0);
	}
	held = values_stats(cache).held_bytes;
	if (ramz_values_train(cache, 0, &report) == -XV_ENOTSUP) {
		values_close(cache);
		skip();
	}
	assert_false(report.used);
	assert_int_equal(values_stats(cache).held_bytes, held);
	assert_int_equal(values_stats(cache).generation, 0);
	values_close(cache);
}

static void codecs_without_dictionaries_cannot_train(void **state)
{
	struct ramz_values_options options;
	struct ramz_values *cache;

	(void)state;
	values_options(&options, NULL);
	options.codec = ramz_codec_by_name("none");
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	values_put(cache, 1, 0);
	assert_int_equal(values_stats(cache).raw, 1);
	assert_int_equal(ramz_values_train(cache, 0, NULL), -XV_ENOTSUP);
	values_tend(cache);
	values_close(cache);
}

/* lz4 has dictionaries, too; the trainer is zstd's. */
static void each_codec_uses_its_dictionary(void **state)
{
	(void)state;
	for (size_t i = 0; ramz_codec_at(i) != NULL; i++) {
		struct ramz_values_options options;
		struct ramz_values *cache;

		values_options(&options, NULL);
		options.codec = ramz_codec_at(i);
		if (options.codec->digest_create == NULL)
			continue;
		assert_int_equal(ramz_values_create(&cache, &options), 0);
		for (uint64_t j = 0; j < MANY; j++)
			values_put(cache, j, 0);
		if (values_train(cache, 8 << 10)) {
			values_tend(cache);
			assert_int_equal(values_stats(cache).recompressed, MANY);
		}
		expect_all(cache, 0);
		values_close(cache);
	}
}

/* At a limit the dictionary displaces values, and is not used if it finds no room. */
static void a_dictionary_keeps_within_the_limit(void **state)
{
	struct ramz_values *cache = values_open(2 << 20, NULL);
	int err;

	(void)state;
	for (uint64_t i = 0; i < 4 * MANY; i++)
		values_put(cache, i, 0);
	err = ramz_values_train(cache, 8 << 10, NULL);
	if (err != -XV_ENOTSUP)
		assert_int_equal(err, 0);
	assert_in_range(values_stats(cache).held_bytes, 1, 2 << 20);
	values_tend(cache);
	assert_in_range(values_stats(cache).held_bytes, 1, 2 << 20);
	for (uint64_t i = 0; i < 4 * MANY; i++)
		(void)values_has(cache, i, 0);
	values_close(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dictionary_makes_values_smaller),
		cmocka_unit_test(new_values_use_the_dictionary),
		cmocka_unit_test(a_generation_lives_while_a_value_uses_it),
		cmocka_unit_test(times_outlive_a_generation),
		cmocka_unit_test(a_dictionary_that_does_not_pay_is_not_used),
		cmocka_unit_test(codecs_without_dictionaries_cannot_train),
		cmocka_unit_test(each_codec_uses_its_dictionary),
		cmocka_unit_test(a_dictionary_keeps_within_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
