/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The cache of values (ramz/values.h): set, get and delete, what is refused, and what is counted.
 */
#include <xvmalloc/provider_highmem.h>

#include "test_values_support.h"

enum { MANY = 5000 };

static void a_value_reads_as_it_was_set(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);

	(void)state;
	for (uint64_t i = 0; i < MANY; i++)
		values_put(cache, i, 0);
	for (uint64_t i = 0; i < MANY; i++)
		assert_true(values_has(cache, i, 0));
	assert_false(values_has(cache, MANY, 0));
	assert_int_equal(values_stats(cache).values, MANY);
	values_close(cache);
}

static void a_set_replaces_the_value(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);

	(void)state;
	for (uint64_t version = 0; version < 3; version++) {
		for (uint64_t i = 0; i < MANY; i++)
			values_put(cache, i, version);
	}
	for (uint64_t i = 0; i < MANY; i++)
		assert_true(values_has(cache, i, 2));
	assert_int_equal(values_stats(cache).values, MANY);
	values_close(cache);
}

static void a_deleted_value_is_gone(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	uint64_t empty_bytes = values_stats(cache).held_bytes;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++)
		values_put(cache, i, 0);
	for (uint64_t i = 0; i < MANY; i += 2)
		assert_int_equal(values_delete(cache, i), 1);
	for (uint64_t i = 0; i < MANY; i++) {
		assert_int_equal(values_has(cache, i, 0), i % 2 == 1);
		assert_int_equal(values_delete(cache, i), i % 2);
	}
	assert_int_equal(values_stats(cache).values, 0);
	assert_int_equal(values_stats(cache).record_bytes, 0);
	values_tend(cache);
	/* The table keeps rows, and directories stay. */
	assert_in_range(values_stats(cache).held_bytes, 0, empty_bytes + (256 << 10));
	values_close(cache);
}

/* Keys and values are bytes. */
static void any_bytes_make_a_key_and_a_value(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	unsigned char key[300], value[VALUE_BOUND], got[VALUE_BOUND];
	uint64_t random = 3;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (unsigned char)random_next(&random);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)(i * 7);
	for (size_t n = 1; n <= sizeof(key); n++)
		assert_int_equal(ramz_values_set(cache, key, n, value, n * 13, 0), 0);
	for (size_t n = 1; n <= sizeof(key); n++) {
		assert_int_equal(ramz_values_get(cache, key, n, got, sizeof(got), &bytes), 1);
		assert_int_equal(bytes, n * 13);
		assert_memory_equal(got, value, bytes);
	}
	values_close(cache);
}

static void values_of_all_lengths_are_kept(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	static unsigned char key[RAMZ_VALUES_KEY_MAX + 1];
	unsigned char value[VALUE_BOUND + 1], got[VALUE_BOUND];
	size_t bytes;

	(void)state;
	memset(key, 'k', sizeof(key));
	memset(value, 'v', sizeof(value));
	for (size_t n = 0; n <= VALUE_BOUND; n += n < 600 ? 1 : 97) {
		size_t key_bytes = 1 + n % RAMZ_VALUES_KEY_MAX;

		assert_int_equal(ramz_values_set(cache, key, key_bytes, value, n, 0), 0);
		assert_int_equal(ramz_values_get(cache, key, key_bytes, got, sizeof(got), &bytes),
				 1);
		assert_int_equal(bytes, n);
		assert_memory_equal(got, value, n);
	}
	assert_int_equal(ramz_values_set(cache, key, RAMZ_VALUES_KEY_MAX, value, VALUE_BOUND, 0),
			 0);
	assert_int_equal(ramz_values_set(cache, key, sizeof(key), value, 1, 0), -XV_E2BIG);
	assert_int_equal(ramz_values_set(cache, key, 1, value, VALUE_BOUND + 1, 0), -XV_E2BIG);
	assert_int_equal(ramz_values_get(cache, key, sizeof(key), got, 1, &bytes), 0);
	assert_int_equal(ramz_values_delete(cache, key, sizeof(key)), 0);
	assert_int_equal(ramz_values_ttl(cache, key, sizeof(key), NULL), 0);
	assert_int_equal(ramz_values_expire(cache, key, sizeof(key), 5), 0);
	values_close(cache);
}

static void an_empty_value_may_be_null(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	size_t bytes = 7;

	(void)state;
	assert_int_equal(ramz_values_set(cache, "k", 1, NULL, 0, 0), 0);
	assert_int_equal(ramz_values_get(cache, "k", 1, NULL, 0, &bytes), 1);
	assert_int_equal(bytes, 0);
	values_close(cache);
}

static void a_short_buffer_is_told_the_room(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	char got[10] = "untouched";
	size_t bytes = 0;

	(void)state;
	assert_int_equal(ramz_values_set(cache, "k", 1, "0123456789", 10, 0), 0);
	assert_int_equal(ramz_values_get(cache, "k", 1, got, 9, &bytes), -XV_ERANGE);
	assert_int_equal(bytes, 10);
	assert_string_equal(got, "untouched");
	assert_int_equal(ramz_values_get(cache, "k", 1, NULL, 0, &bytes), -XV_ERANGE);
	assert_int_equal(ramz_values_get(cache, "k", 1, got, 10, &bytes), 1);
	assert_memory_equal(got, "0123456789", 10);
	values_close(cache);
}

static void bad_arguments_are_refused(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	struct ramz_values_stats stats;
	char got[8];
	size_t bytes;

	(void)state;
	assert_int_equal(ramz_values_set(NULL, "k", 1, "v", 1, 0), -XV_EINVAL);
	assert_int_equal(ramz_values_set(cache, NULL, 1, "v", 1, 0), -XV_EINVAL);
	assert_int_equal(ramz_values_set(cache, "k", 0, "v", 1, 0), -XV_EINVAL);
	assert_int_equal(ramz_values_set(cache, "k", 1, NULL, 1, 0), -XV_EINVAL);
	assert_int_equal(ramz_values_get(NULL, "k", 1, got, 8, &bytes), -XV_EINVAL);
	assert_int_equal(ramz_values_get(cache, NULL, 1, got, 8, &bytes), -XV_EINVAL);
	assert_int_equal(ramz_values_get(cache, "k", 0, got, 8, &bytes), -XV_EINVAL);
	assert_int_equal(ramz_values_get(cache, "k", 1, NULL, 8, &bytes), -XV_EINVAL);
	assert_int_equal(ramz_values_get(cache, "k", 1, got, 8, NULL), -XV_EINVAL);
	assert_int_equal(ramz_values_delete(NULL, "k", 1), -XV_EINVAL);
	assert_int_equal(ramz_values_delete(cache, "k", 0), -XV_EINVAL);
	assert_int_equal(ramz_values_expire(cache, NULL, 1, 0), -XV_EINVAL);
	assert_int_equal(ramz_values_ttl(cache, NULL, 1, NULL), -XV_EINVAL);
	assert_int_equal(ramz_values_tend(cache, 0, NULL), -XV_EINVAL);
	assert_int_equal(ramz_values_tend(NULL, 1, NULL), -XV_EINVAL);
	assert_int_equal(ramz_values_train(NULL, 0, NULL), -XV_EINVAL);
	assert_int_equal(ramz_values_train(cache, 1, NULL), -XV_EINVAL);
	assert_int_equal(ramz_values_train(cache, RAMZ_VALUES_DICTIONARY_MAX + 1, NULL),
			 -XV_EINVAL);
	assert_int_equal(ramz_values_set_limit(NULL, 0), -XV_EINVAL);
	assert_int_equal(ramz_values_get_stats(cache, NULL), -XV_EINVAL);
	assert_int_equal(ramz_values_get_stats(NULL, &stats), -XV_EINVAL);
	assert_int_equal(ramz_values_check(NULL, NULL), -XV_EINVAL);
	ramz_values_destroy(NULL);
	ramz_values_options_init(NULL);
	values_close(cache);
}

static void bad_options_are_refused(void **state)
{
	struct ramz_values_options options;
	struct ramz_values *cache = NULL;

	(void)state;
	values_options(&options, NULL);
	assert_int_equal(ramz_values_create(NULL, &options), -XV_EINVAL);
	options.max_value_bytes = RAMZ_VALUES_VALUE_MAX + 1;
	assert_int_equal(ramz_values_create(&cache, &options), -XV_EINVAL);
	values_options(&options, NULL);
	options.limit_bytes = 64 << 10;
	assert_int_equal(ramz_values_create(&cache, &options), -XV_ENOSPC);
	assert_null(cache);
	assert_int_equal(ramz_values_create(&cache, NULL), 0);
	values_close(cache);
}

static uint64_t contexts_of(const struct ramz_values_options *options)
{
	struct ramz_values *cache;
	uint64_t bytes;

	assert_int_equal(ramz_values_create(&cache, options), 0);
	bytes = values_stats(cache).context_bytes;
	values_close(cache);
	return bytes;
}

static void the_defaults_are_those_of_the_header(void **state)
{
	struct ramz_values_options options;
	static char value[RAMZ_VALUES_VALUE_DEFAULT + 1];
	const struct ramz_codec *zstd = ramz_codec_by_name("zstd");
	struct ramz_values *cache;

	(void)state;
	memset(&options, 0xAA, sizeof(options));
	ramz_values_options_init(&options);
	assert_int_equal(options.limit_bytes, 0);
	assert_int_equal(options.max_value_bytes, 0);
	assert_null(options.codec);
	assert_int_equal(options.level, RAMZ_LEVEL_DEFAULT);
	assert_null(options.provider);
	assert_null(options.now_ms);
	options.codec = zstd != NULL ? zstd : ramz_codec_by_name("lz4");
	options.level = zstd != NULL ? zstd->level_default : 9;
	assert_int_equal(contexts_of(&options), contexts_of(NULL));
	options.codec = ramz_codec_by_name("none");
	assert_true(contexts_of(&options) < contexts_of(NULL));
	assert_int_equal(ramz_values_create(&cache, NULL), 0);
	assert_int_equal(ramz_values_set(cache, "k", 1, value, sizeof(value) - 1, 0), 0);
	assert_int_equal(ramz_values_set(cache, "k", 1, value, sizeof(value), 0), -XV_E2BIG);
	values_close(cache);
}

/* The longest value of all that a cache can be made for. */
static void a_value_of_the_longest_is_kept(void **state)
{
	struct ramz_values_options options;
	struct ramz_values *cache;
	unsigned char *value = malloc(2 * RAMZ_VALUES_VALUE_MAX);
	uint64_t random = 9;
	size_t bytes;

	(void)state;
	assert_non_null(value);
	values_options(&options, NULL);
	options.max_value_bytes = RAMZ_VALUES_VALUE_MAX;
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	for (int compressible = 0; compressible < 2; compressible++) {
		for (size_t i = 0; i < RAMZ_VALUES_VALUE_MAX; i++)
			value[i] = compressible != 0 ? (unsigned char)(i / 1000)
						     : (unsigned char)random_next(&random);
		assert_int_equal(ramz_values_set(cache, "k", 1, value, RAMZ_VALUES_VALUE_MAX, 0),
				 0);
		assert_int_equal(ramz_values_get(cache, "k", 1, value + RAMZ_VALUES_VALUE_MAX,
						 RAMZ_VALUES_VALUE_MAX, &bytes),
				 1);
		assert_int_equal(bytes, RAMZ_VALUES_VALUE_MAX);
		assert_memory_equal(value, value + RAMZ_VALUES_VALUE_MAX, bytes);
		assert_int_equal(values_stats(cache).raw, compressible == 0);
	}
	values_close(cache);
	free(value);
}

/* Every codec of the build, and its extremes. */
static void all_codecs_keep_values(void **state)
{
	(void)state;
	for (size_t i = 0; ramz_codec_at(i) != NULL; i++) {
		for (int extreme = 0; extreme < 2; extreme++) {
			struct ramz_values_options options;
			struct ramz_values *cache;

			values_options(&options, NULL);
			options.codec = ramz_codec_at(i);
			options.level = extreme != 0 ? options.codec->level_max : 1;
			assert_int_equal(ramz_values_create(&cache, &options), 0);
			for (uint64_t j = 0; j < 300; j++)
				values_put(cache, j, 0);
			for (uint64_t j = 0; j < 300; j++)
				assert_true(values_has(cache, j, 0));
			values_close(cache);
		}
	}
}

static void a_value_that_does_not_compress_is_kept_raw(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	struct ramz_values_stats stats;
	unsigned char value[1000];
	uint64_t random = 4;

	(void)state;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (unsigned char)random_next(&random);
	assert_int_equal(ramz_values_set(cache, "key", 3, value, sizeof(value), 0), 0);
	stats = values_stats(cache);
	assert_int_equal(stats.raw, 1);
	assert_int_equal(stats.plain_bytes, 1003);
	assert_int_equal(stats.record_bytes, 1003 + 2);
	memset(value, 0, sizeof(value));
	assert_int_equal(ramz_values_set(cache, "key", 3, value, sizeof(value), 0), 0);
	stats = values_stats(cache);
	assert_int_equal(stats.raw, 0);
	assert_true(stats.record_bytes < 50);
	values_close(cache);
}

static void everything_is_counted(void **state)
{
	struct ramz_values *cache = values_open(0, NULL);
	struct ramz_values_stats stats;
	char key[KEY_ROOM], value[VALUE_ROOM];
	uint64_t plain = 0;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		values_put(cache, i, 0);
		plain += key_make(key, i) + value_make(value, i, 0);
	}
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(values_has(cache, i * MANY, 0), i == 0);
	stats = values_stats(cache);
	assert_int_equal(stats.plain_bytes, plain);
	assert_true(stats.record_bytes < plain);
	assert_int_equal(stats.hits, 1);
	assert_int_equal(stats.misses, 9);
	assert_int_equal(stats.held_bytes, stats.own_bytes + stats.table.held_bytes);
	assert_true(stats.own_bytes > stats.context_bytes);
	assert_true(stats.context_bytes > 3 * VALUE_BOUND);
	assert_true(stats.table.held_bytes > stats.record_bytes + stats.values * 7);
	assert_int_equal(stats.contexts, 1);
	assert_int_equal(stats.evicted + stats.expired + stats.recompressed, 0);
	values_close(cache);
}

/* A provider whose pages are not addressable, and one without tables. */
static void a_provider_of_the_caller_is_used(void **state)
{
	struct ramz_values_options options;
	struct xv_provider *provider;
	struct ramz_values *cache;

	(void)state;
	assert_int_equal(xv_provider_highmem_create(&provider, NULL), 0);
	values_options(&options, NULL);
	options.provider = provider;
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	for (uint64_t i = 0; i < 1000; i++)
		values_put(cache, i, 0);
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(values_has(cache, i, 0));
	values_close(cache);
	xv_provider_highmem_destroy(provider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_reads_as_it_was_set),
		cmocka_unit_test(a_set_replaces_the_value),
		cmocka_unit_test(a_deleted_value_is_gone),
		cmocka_unit_test(any_bytes_make_a_key_and_a_value),
		cmocka_unit_test(values_of_all_lengths_are_kept),
		cmocka_unit_test(an_empty_value_may_be_null),
		cmocka_unit_test(a_short_buffer_is_told_the_room),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(the_defaults_are_those_of_the_header),
		cmocka_unit_test(a_value_of_the_longest_is_kept),
		cmocka_unit_test(all_codecs_keep_values),
		cmocka_unit_test(a_value_that_does_not_compress_is_kept_raw),
		cmocka_unit_test(everything_is_counted),
		cmocka_unit_test(a_provider_of_the_caller_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
