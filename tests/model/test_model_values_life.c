/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Lives of a cache of values (ramz/values.h), each with options that are drawn: codec, level,
 * longest value, limit, clock, and a provider of every kind, whose calls fail now and then. Keys
 * and values have every length that is allowed. At the end of a life all counters must tell what is
 * in a table beside it, and everything must have come back.
 *
 * XV_SEED and XV_OPS (lives) in the environment choose another run; the seed of a life that fails
 * is printed. May call: public headers. One thread.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "../support/fault_provider.h"
#include "../support/providers.h"
#include "../unit/test_values_support.h"

enum {
	LIVES_DEFAULT = 16,
	STEPS = 1500,
	KEYS = 300,
	VALUE_MOST = 64 << 10,
	GUARD = 16, /* bytes behind a buffer that a read must leave */
	UNTOUCHED = 0xA5,
};

struct shadow {
	bool is_set;
	uint32_t version;
	uint64_t expires_ms; /* 0 = never */
};

static struct life {
	struct ramz_values *cache;
	struct ramz_values_options options;
	size_t value_most;
	const struct provider_case *kind; /* NULL = the cache's own */
	struct xv_provider *inner;
	struct fault_provider fault;
	bool refuses; /* the provider's calls fail at times */
	uint64_t limit_bytes;
	bool had_limit;
	uint64_t now_ms;
	uint64_t random;
	uint64_t hits, misses;
	struct shadow shadow[KEYS];
} life;

static unsigned char want[VALUE_MOST], got[VALUE_MOST + GUARD];

/* ---- keys and values, made of their numbers ---- */

static size_t life_key(unsigned char key[RAMZ_VALUES_KEY_MAX], uint64_t number)
{
	uint64_t random = number;
	size_t bytes = 2 + random_below(&random, RAMZ_VALUES_KEY_MAX - 1);

	switch (number % 4) {
	case 0: /* short: the number alone */
		bytes = 2;
		break;
	case 1: /* the longest, alike but for their ends */
		memset(key, 'k', RAMZ_VALUES_KEY_MAX);
		memcpy(key + RAMZ_VALUES_KEY_MAX - 2, &(uint16_t){(uint16_t)number}, 2);
		return RAMZ_VALUES_KEY_MAX;
	case 2:
		return key_make((char *)key, number);
	default:
		for (size_t i = 2; i < bytes; i++)
			key[i] = (unsigned char)random_next(&random);
	}
	memcpy(key, &(uint16_t){(uint16_t)number}, 2);
	return bytes;
}

static size_t life_value(uint64_t number, uint32_t version)
{
	uint64_t random = number << 32 | version;
	size_t most = life.value_most, bytes;
	uint64_t kind = random_below(&random, 4);
	char text[VALUE_ROOM];

	switch (random_below(&random, 8)) {
	case 0:
		bytes = random_below(&random, 2);
		break;
	case 1:
		bytes = most - random_below(&random, 2);
		break;
	case 2:
		bytes = random_below(&random, most + 1);
		break;
	default:
		bytes = random_below(&random, (most < 400 ? most : 400) + 1);
	}
	if (kind == 0)
		memset(want, (int)version, bytes);
	else if (kind == 1)
		for (size_t i = 0; i < bytes; i++)
			want[i] = (unsigned char)random_next(&random);
	else
		for (size_t i = 0, n; i < bytes; i += n) {
			n = value_make(text, number, version);
			n = n < bytes - i ? n : bytes - i;
			memcpy(want + i, text, n);
		}
	return bytes;
}

/* ---- what is expected ---- */

static bool lives(uint64_t number)
{
	const struct shadow *s = &life.shadow[number];

	return s->is_set && (s->expires_ms == 0 || s->expires_ms > life.now_ms);
}

static bool has_evicted(void)
{
	return values_stats(life.cache).evicted != 0;
}

/* A call may fail so: no page, or no room under the limit. */
static bool may_fail(int err)
{
	return (err == -XV_ENOMEM && life.kind != NULL) || (err == -XV_ENOSPC && life.had_limit);
}

/* What a call found. True: go on. */
static bool found_as_expected(uint64_t number, int found)
{
	if (found < 0) {
		assert_true(may_fail(found));
		return false;
	}
	if (found == 0 && lives(number))
		assert_true(has_evicted());
	if (found == 1)
		assert_true(lives(number));
	life.shadow[number].is_set = found == 1;
	return found == 1;
}

static void expect_untouched(size_t from)
{
	for (size_t i = from; i < from + GUARD; i++)
		assert_int_equal(got[i], UNTOUCHED);
}

/* ---- calls ---- */

static uint64_t draw_ttl(void)
{
	return random_below(&life.random, 3) == 0 ? 1 + random_below(&life.random, 4000) : 0;
}

static void do_set(uint64_t number)
{
	struct shadow *s = &life.shadow[number];
	unsigned char key[RAMZ_VALUES_KEY_MAX];
	uint32_t version = (uint32_t)random_below(&life.random, 10000);
	size_t bytes = life_value(number, version);
	uint64_t ttl_ms = draw_ttl();
	int err = ramz_values_set(life.cache, key, life_key(key, number), bytes != 0 ? want : NULL,
				  bytes, ttl_ms);

	if (err == 0)
		*s = (struct shadow){true, version, ttl_ms != 0 ? life.now_ms + ttl_ms : 0};
	else
		assert_true(may_fail(err));
}

static void do_get(uint64_t number)
{
	unsigned char key[RAMZ_VALUES_KEY_MAX];
	size_t bytes = life_value(number, life.shadow[number].version), told = SIZE_MAX;
	size_t room = life.value_most;
	int found;

	if (random_below(&life.random, 4) == 0)
		room = bytes - (bytes != 0 && random_below(&life.random, 2) == 0);
	memset(got, UNTOUCHED, sizeof(got));
	found = ramz_values_get(life.cache, key, life_key(key, number), room != 0 ? got : NULL,
				room, &told);
	if (found == -XV_ERANGE) {
		assert_true(lives(number) && room < bytes && told == bytes);
		expect_untouched(0);
		life.hits++;
		return;
	}
	life.hits += found == 1;
	life.misses += found == 0;
	if (!found_as_expected(number, found)) {
		assert_true(told == SIZE_MAX);
		expect_untouched(0);
		return;
	}
	assert_int_equal(told, bytes);
	assert_memory_equal(got, want, bytes);
	expect_untouched(bytes);
}

static void do_delete(uint64_t number)
{
	unsigned char key[RAMZ_VALUES_KEY_MAX];
	int found = ramz_values_delete(life.cache, key, life_key(key, number));

	if (found_as_expected(number, found))
		life.shadow[number].is_set = false;
}

static void do_expire(uint64_t number)
{
	unsigned char key[RAMZ_VALUES_KEY_MAX];
	uint64_t ttl_ms = draw_ttl();
	int found = ramz_values_expire(life.cache, key, life_key(key, number), ttl_ms);

	if (found_as_expected(number, found))
		life.shadow[number].expires_ms = ttl_ms != 0 ? life.now_ms + ttl_ms : 0;
}

static void do_ttl(uint64_t number)
{
	unsigned char key[RAMZ_VALUES_KEY_MAX];
	uint64_t expires_ms = life.shadow[number].expires_ms, ttl_ms = UINT64_MAX;
	int found = ramz_values_ttl(life.cache, key, life_key(key, number), &ttl_ms);

	if (found_as_expected(number, found))
		assert_int_equal(ttl_ms, expires_ms != 0 ? expires_ms - life.now_ms : 0);
	else
		assert_true(ttl_ms == UINT64_MAX);
}

static void do_limit(void)
{
	uint64_t limit = ((uint64_t)1 << 20) + random_below(&life.random, 4 << 20);
	int err;

	if (!life.had_limit)
		return;
	if (random_below(&life.random, 4) == 0)
		limit = random_below(&life.random, 300 << 10); /* too little, perhaps */
	err = ramz_values_set_limit(life.cache, limit);
	if (err == 0) {
		assert_true(values_stats(life.cache).held_bytes <= limit);
	} else {
		assert_int_equal(err, -XV_ENOSPC);
		assert_true(values_stats(life.cache).held_bytes > limit);
		assert_true(life.kind != NULL || values_stats(life.cache).values == 0);
		limit = 0;
		assert_int_equal(ramz_values_set_limit(life.cache, 0), 0);
	}
	life.limit_bytes = limit;
}

static void do_whole(void)
{
	struct ramz_values_train_report report;
	int err = 0;

	switch (random_below(&life.random, 24)) {
	case 0:
		err = ramz_values_train(life.cache, 4 << 10, &report);
		if (err == -XV_EBUSY || err == -XV_ENOTSUP)
			err = 0;
		break;
	case 1:
		do_limit();
		break;
	case 2:
		values_check(life.cache);
		break;
	case 3:
	case 4:
		life.now_ms += random_below(&life.random, 60000);
		break;
	default:
		err = ramz_values_tend(life.cache, 1 + (uint32_t)random_below(&life.random, 200),
				       NULL);
	}
	assert_true(err == 0 || may_fail(err));
}

static void step(void)
{
	static void (*const calls[])(uint64_t) = {do_set, do_set,    do_set,    do_get, do_get,
						  do_get, do_delete, do_expire, do_ttl};
	uint64_t number = random_below(&life.random, KEYS);
	struct ramz_values_stats stats;

	if (life.refuses && random_below(&life.random, 40) == 0)
		fault_provider_fail(&life.fault, FAULT_ANY_BUT_MAPS,
				    1 + random_below(&life.random, 8), FAULT_ONCE);
	if (random_below(&life.random, 10) == 0)
		do_whole();
	else
		calls[random_below(&life.random, sizeof(calls) / sizeof(calls[0]))](number);
	life.now_ms += random_below(&life.random, 40);
	stats = values_stats(life.cache);
	assert_int_equal(stats.hits, life.hits);
	assert_int_equal(stats.misses, life.misses);
	assert_int_equal(stats.held_bytes, stats.table.held_bytes + stats.own_bytes);
	if (life.limit_bytes != 0)
		assert_in_range(stats.held_bytes, 1, life.limit_bytes);
}

/* ---- a life ---- */

static void draw_options(void)
{
	static const size_t most[] = {1, 64, 1000, 4096, VALUE_MOST};
	static const uint64_t starts[] = {0, 1, UINT64_MAX / 2, UINT64_MAX - ((uint64_t)1 << 41)};
	static const int32_t levels[] = {RAMZ_LEVEL_DEFAULT, 1, 3, -100};
	size_t codec = random_below(&life.random, 5);

	life.now_ms = starts[random_below(&life.random, 4)];
	values_options(&life.options, &life.now_ms);
	life.options.codec = ramz_codec_at(codec); /* NULL behind the last */
	life.options.level = levels[random_below(&life.random, 4)];
	life.value_most = most[random_below(&life.random, 5)];
	life.options.max_value_bytes = life.value_most;
	life.had_limit = random_below(&life.random, 2) == 0;
	if (life.had_limit)
		life.limit_bytes = ((uint64_t)3 << 20) + random_below(&life.random, 4 << 20);
	life.options.limit_bytes = life.limit_bytes;
}

/* False: this system has no such provider. */
static bool draw_provider(void)
{
	size_t n = random_below(&life.random, PROVIDER_CASES + 2);

	if (n >= PROVIDER_CASES)
		return true;
	life.kind = &provider_cases[n];
	if (provider_case_create(life.kind, 12 << 20, &life.inner) != 0)
		return false;
	fault_provider_init(&life.fault, life.inner, 0);
	life.options.provider = &life.fault.provider;
	life.refuses = random_below(&life.random, 2) == 0;
	return true;
}

/* The counters tell what is there; it is all that the table says, without evictions. */
static void expect_counters(void)
{
	unsigned char key[RAMZ_VALUES_KEY_MAX];
	uint64_t values = 0, expiring = 0, plain_bytes = 0;
	struct ramz_values_stats stats;

	values_tend(life.cache);
	values_tend(life.cache);
	for (uint64_t i = 0; i < KEYS; i++) {
		do_get(i);
		if (!lives(i))
			continue;
		values++;
		expiring += life.shadow[i].expires_ms != 0;
		plain_bytes += life_key(key, i) + life_value(i, life.shadow[i].version);
	}
	stats = values_stats(life.cache);
	assert_int_equal(stats.values, values);
	assert_int_equal(stats.expiring, expiring);
	assert_int_equal(stats.plain_bytes, plain_bytes);
	assert_int_equal(stats.old_values, 0);
	values_check(life.cache);
}

static void expect_empty(void)
{
	struct ramz_values_stats stats;

	for (uint64_t i = 0; i < KEYS; i++)
		do_delete(i);
	stats = values_stats(life.cache);
	assert_int_equal(stats.values, 0);
	assert_int_equal(stats.raw, 0);
	assert_int_equal(stats.plain_bytes, 0);
	assert_int_equal(stats.record_bytes, 0);
	assert_int_equal(stats.table.ids, 0);
}

static void live(uint64_t seed)
{
	memset(&life, 0, sizeof(life));
	life.random = seed;
	draw_options();
	if (!draw_provider())
		return;
	assert_int_equal(ramz_values_create(&life.cache, &life.options), 0);
	for (int i = 0; i < STEPS; i++)
		step();
	if (life.kind != NULL)
		fault_provider_heal(&life.fault);
	expect_counters();
	expect_empty();
	values_close(life.cache);
	if (life.kind == NULL)
		return;
	assert_int_equal(life.fault.pages_now, 0);
	assert_int_equal(life.fault.mapped_now, 0);
	assert_int_equal(life.fault.meta_reservations_now, 0);
	assert_int_equal(life.fault.misuse, 0);
	provider_case_destroy(life.kind, life.inner);
}

static void a_cache_is_right_for_life(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 1);
	uint64_t lives_left = test_repeats("XV_OPS", LIVES_DEFAULT);

	(void)state;
	for (; lives_left > 0; lives_left--, seed++) {
		print_message("XV_SEED=%" PRIu64 "\n", seed);
		live(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_cache_is_right_for_life)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
