/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Damaged values of a cache: a codec of the test's refuses to decompress those that have a mark.
 */
#include "test_values_support.h"

#define MARK "this value is damaged"

enum { MANY = 500 };

static bool marks_are_damage;

static bool has_mark(const char *plain, size_t bytes)
{
	size_t mark = sizeof(MARK) - 1;

	for (size_t i = 0; i + mark <= bytes; i++) {
		if (memcmp(plain + i, MARK, mark) == 0)
			return true;
	}
	return false;
}

static int damaged_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			      size_t dst_bytes)
{
	int err = ramz_codec_at(0)->decompress(context, src, src_bytes, dst, dst_bytes);

	if (err == 0 && marks_are_damage && has_mark(dst, dst_bytes))
		return -XV_EBADMSG;
	return err;
}

static struct ramz_values *damaged_open(void)
{
	static struct ramz_codec codec;
	struct ramz_values_options options;
	struct ramz_values *cache;
	char value[200];

	codec = *ramz_codec_at(0);
	codec.decompress = damaged_decompress;
	marks_are_damage = false;
	values_options(&options, NULL);
	options.codec = &codec;
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	for (uint64_t i = 0; i < MANY; i++)
		values_put(cache, i, 0);
	memset(value, ' ', sizeof(value));
	memcpy(value + 50, MARK, sizeof(MARK) - 1);
	assert_int_equal(ramz_values_set(cache, "bad", 3, value, sizeof(value), 0), 0);
	values_check(cache);
	marks_are_damage = true;
	return cache;
}

static void damaged_close(struct ramz_values *cache)
{
	marks_are_damage = false;
	values_close(cache);
}

static void a_damaged_value_is_told(void **state)
{
	struct ramz_values *cache = damaged_open();
	size_t bytes = 7;
	char got[200];

	(void)state;
	assert_int_equal(ramz_values_get(cache, "bad", 3, got, sizeof(got), &bytes), -XV_EBADMSG);
	assert_int_equal(bytes, 7);
	assert_int_equal(ramz_values_ttl(cache, "bad", 3, NULL), -XV_EBADMSG);
	assert_int_equal(ramz_values_expire(cache, "bad", 3, 100), -XV_EBADMSG);
	assert_int_equal(ramz_values_delete(cache, "bad", 3), -XV_EBADMSG);
	assert_int_equal(ramz_values_set(cache, "bad", 3, "v", 1, 0), -XV_EBADMSG);
	for (uint64_t i = 0; i < MANY; i++)
		assert_true(values_has(cache, i, 0));
	damaged_close(cache);
}

static void a_check_finds_a_damaged_value_and_repairs_nothing(void **state)
{
	struct ramz_values *cache = damaged_open();
	const char *message = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ramz_values_check(cache, &message), -XV_EBADMSG);
		assert_string_equal(message, "a value cannot be decompressed");
		assert_int_equal(values_stats(cache).values, MANY + 1);
	}
	assert_int_equal(ramz_values_check(cache, NULL), -XV_EBADMSG);
	marks_are_damage = false;
	assert_int_equal(ramz_values_check(cache, &message), 0);
	assert_string_equal(message, "");
	damaged_close(cache);
}

static void a_damaged_value_leaves_by_eviction(void **state)
{
	struct ramz_values *cache = damaged_open();
	size_t bytes;
	char got[200];

	(void)state;
	assert_int_equal(ramz_values_set_limit(cache, 1), -XV_ENOSPC);
	assert_int_equal(values_stats(cache).values, 0);
	assert_int_equal(ramz_values_get(cache, "bad", 3, got, sizeof(got), &bytes), 0);
	assert_int_equal(ramz_values_set_limit(cache, 0), 0);
	assert_int_equal(ramz_values_set(cache, "bad", 3, "v", 1, 0), 0);
	damaged_close(cache);
}

/* A generation must end, although one of its values cannot move. */
static void upkeep_drops_a_damaged_value(void **state)
{
	struct ramz_values *cache = damaged_open();
	struct ramz_values_tend_report report = {.more = true};
	int errors = 0;

	(void)state;
	for (uint64_t i = MANY; i < 8 * MANY; i++)
		values_put(cache, i, 0);
	if (!values_train(cache, 4 << 10)) {
		damaged_close(cache);
		skip();
	}
	for (int i = 0; i < 1000 && report.more; i++) {
		int err = ramz_values_tend(cache, 100, &report);

		assert_true(err == 0 || err == -XV_EBADMSG);
		errors += err != 0;
	}
	assert_int_equal(errors, 1);
	assert_int_equal(values_stats(cache).old_values, 0);
	assert_int_equal(values_stats(cache).values, 8 * MANY);
	damaged_close(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_value_is_told),
		cmocka_unit_test(a_check_finds_a_damaged_value_and_repairs_nothing),
		cmocka_unit_test(a_damaged_value_leaves_by_eviction),
		cmocka_unit_test(upkeep_drops_a_damaged_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
