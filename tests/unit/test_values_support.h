/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_values_support.h: what tests of the cache of values share: a cache with a clock that the
 * test moves, and values like those of real caches, made from a number.
 */
#ifndef TEST_VALUES_SUPPORT_H
#define TEST_VALUES_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <ramz/values.h>

#include "test_random.h"

enum {
	KEY_ROOM = 64,
	VALUE_ROOM = 2048,
	VALUE_BOUND = 4096, /* max_value_bytes of the tests' caches */
};

static inline uint64_t test_clock_now(void *context)
{
	return *(const uint64_t *)context;
}

static inline void values_options(struct ramz_values_options *options, uint64_t *now_ms)
{
	ramz_values_options_init(options);
	options->max_value_bytes = VALUE_BOUND;
	if (now_ms != NULL) {
		options->now_ms = test_clock_now;
		options->clock_context = now_ms;
	}
}

static inline struct ramz_values *values_open(uint64_t limit_bytes, uint64_t *now_ms)
{
	struct ramz_values_options options;
	struct ramz_values *cache;

	values_options(&options, now_ms);
	options.limit_bytes = limit_bytes;
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	return cache;
}

static inline void values_check(struct ramz_values *cache)
{
	const char *message;

	if (ramz_values_check(cache, &message) != 0)
		fail_msg("%s", message);
}

static inline void values_close(struct ramz_values *cache)
{
	values_check(cache);
	ramz_values_destroy(cache);
}

static inline struct ramz_values_stats values_stats(struct ramz_values *cache)
{
	struct ramz_values_stats stats;

	assert_int_equal(ramz_values_get_stats(cache, &stats), 0);
	return stats;
}

static inline size_t key_make(char key[KEY_ROOM], uint64_t number)
{
	return (size_t)snprintf(key, KEY_ROOM, "user:%llu:profile", (unsigned long long)number);
}

/* Words that all values of a thousand versions have in common, and no others: what a dictionary for
 * the thousand before does not have. */
static inline size_t shape_make(char *text, size_t room, uint64_t version)
{
	uint64_t random = version / 1000;
	size_t n = 0;

	for (int i = 0; i < 6 && version >= 1000; i++)
		n += (size_t)snprintf(text + n, room - n, " %016llx",
				      (unsigned long long)random_next(&random));
	return n;
}

/* JSON, HTML, and a session with a token that does not compress. Returns the length. */
static inline size_t value_text(char value[VALUE_ROOM], uint64_t number, uint64_t version)
{
	uint64_t random = number * 1000003 + version;
	unsigned long long id = (unsigned long long)number;
	unsigned long long a = random_next(&random);
	unsigned long long b = random_next(&random);

	switch (number % 3) {
	case 0:
		return (size_t)snprintf(
			value, VALUE_ROOM,
			"{\"user\":\"user:%llu:profile\",\"age\":%llu,\"mail\":\"m%llx@"
			"example.org\",\"active\":%s,\"roles\":[\"reader\",\"%s\"]}",
			id, a % 90, b % 65536, a % 2 ? "true" : "false",
			b % 3 ? "writer" : "admin");
	case 1:
		return (size_t)snprintf(
			value, VALUE_ROOM,
			"<div class=\"card\"><h2>Item %llu</h2><p class=\"price\">%llu.%02llu"
			" EUR</p><a href=\"/items/%llu\">more</a></div>",
			id, a % 1000, b % 100, id);
	default:
		return (size_t)snprintf(value, VALUE_ROOM,
					"uid=%llu;csrf=%016llx%016llx;lang=en;theme=%s", id, a, b,
					a % 2 ? "dark" : "light");
	}
}

static inline size_t value_make(char value[VALUE_ROOM], uint64_t number, uint64_t version)
{
	size_t bytes = value_text(value, number, version);

	return bytes + shape_make(value + bytes, VALUE_ROOM - bytes, version);
}

static inline int values_try(struct ramz_values *cache, uint64_t number, uint64_t version,
			     uint64_t ttl_ms)
{
	char key[KEY_ROOM], value[VALUE_ROOM];
	size_t key_bytes = key_make(key, number);
	size_t value_bytes = value_make(value, number, version);

	return ramz_values_set(cache, key, key_bytes, value, value_bytes, ttl_ms);
}

static inline void values_put(struct ramz_values *cache, uint64_t number, uint64_t version)
{
	assert_int_equal(values_try(cache, number, version, RAMZ_VALUES_FOREVER), 0);
}

/* Is it there? If it is, it must be this version. */
static inline bool values_has(struct ramz_values *cache, uint64_t number, uint64_t version)
{
	char key[KEY_ROOM], want[VALUE_ROOM], got[VALUE_ROOM];
	size_t key_bytes = key_make(key, number);
	size_t want_bytes = value_make(want, number, version);
	size_t got_bytes = 12345;
	int found = ramz_values_get(cache, key, key_bytes, got, sizeof(got), &got_bytes);

	assert_in_range(found, 0, 1);
	if (found == 0) {
		assert_int_equal(got_bytes, 12345);
		return false;
	}
	assert_int_equal(got_bytes, want_bytes);
	assert_memory_equal(got, want, want_bytes);
	return true;
}

static inline int values_delete(struct ramz_values *cache, uint64_t number)
{
	char key[KEY_ROOM];

	return ramz_values_delete(cache, key, key_make(key, number));
}

/* Tend until nothing is left to do. */
static inline void values_tend(struct ramz_values *cache)
{
	struct ramz_values_tend_report report = {.more = true};

	while (report.more)
		assert_int_equal(ramz_values_tend(cache, 1000, &report), 0);
}

/* Train a dictionary that must be used. False: this build cannot train. */
static inline bool values_train(struct ramz_values *cache, size_t dictionary_bytes)
{
	struct ramz_values_train_report report;
	int err = ramz_values_train(cache, dictionary_bytes, &report);

	if (err == -XV_ENOTSUP && ramz_codec_by_name("zstd") == NULL)
		return false;
	assert_int_equal(err, 0);
	assert_true(report.used);
	return true;
}

#endif
