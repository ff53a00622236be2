/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The cache of values (ramz/values.h) against a table of what it should hold: random calls, a clock
 * that the test moves, generations, and limits that change. Without a limit every value must be
 * there; with one, each that is there must be right.
 *
 * XV_SEED and XV_OPS in the environment choose another run; the seed is printed.
 */
#include "../unit/test_values_support.h"

enum { KEYS = 3000, OPS_DEFAULT = 60000, OPS_PER_CHECK = 8192, SHAPES = 6 };

struct shadow {
	bool is_set;
	uint64_t version;
	uint64_t expires_ms; /* 0 = never */
};

struct model {
	struct ramz_values *cache;
	struct shadow shadow[KEYS];
	uint64_t now_ms;
	uint64_t random;
	uint64_t limit_bytes;
	uint64_t shape; /* of new values */
	bool may_evict; /* there are limits: a value may be gone */
};

static bool shadow_lives(const struct model *m, uint64_t number)
{
	const struct shadow *s = &m->shadow[number];

	return s->is_set && (s->expires_ms == 0 || s->expires_ms > m->now_ms);
}

/* What a call found; evicted values are known from now on. */
static void expect_found(struct model *m, uint64_t number, int found)
{
	bool lives = shadow_lives(m, number);

	assert_in_range(found, 0, 1);
	if (m->may_evict && lives && found == 0) {
		m->shadow[number].is_set = false;
		return;
	}
	assert_int_equal(found, lives);
}

static uint64_t random_ttl(struct model *m)
{
	return random_below(&m->random, 4) == 0 ? 1 + random_below(&m->random, 3000) : 0;
}

static void do_set(struct model *m, uint64_t number)
{
	uint64_t version = m->shape * 1000 + random_below(&m->random, 1000);
	uint64_t ttl_ms = random_ttl(m);

	assert_int_equal(values_try(m->cache, number, version, ttl_ms), 0);
	m->shadow[number] = (struct shadow){.is_set = true,
					    .version = version,
					    .expires_ms = ttl_ms != 0 ? m->now_ms + ttl_ms : 0};
}

static void do_get(struct model *m, uint64_t number)
{
	expect_found(m, number, values_has(m->cache, number, m->shadow[number].version));
}

static void do_delete(struct model *m, uint64_t number)
{
	expect_found(m, number, values_delete(m->cache, number));
	m->shadow[number].is_set = false;
}

static void do_expire(struct model *m, uint64_t number)
{
	uint64_t ttl_ms = random_ttl(m);
	char key[KEY_ROOM];
	int found = ramz_values_expire(m->cache, key, key_make(key, number), ttl_ms);

	expect_found(m, number, found);
	if (found == 1)
		m->shadow[number].expires_ms = ttl_ms != 0 ? m->now_ms + ttl_ms : 0;
}

static void do_ttl(struct model *m, uint64_t number)
{
	const struct shadow *s = &m->shadow[number];
	char key[KEY_ROOM];
	uint64_t ttl_ms;
	int found = ramz_values_ttl(m->cache, key, key_make(key, number), &ttl_ms);

	expect_found(m, number, found);
	if (found == 1)
		assert_int_equal(ttl_ms, s->expires_ms != 0 ? s->expires_ms - m->now_ms : 0);
}

static void do_whole(struct model *m)
{
	int err;

	switch (random_below(&m->random, 6)) {
	case 0:
		err = ramz_values_train(m->cache, 4 << 10, NULL);
		assert_true(err == 0 || err == -XV_EBUSY || err == -XV_ENOTSUP ||
			    (err == -XV_ENOSPC && m->limit_bytes != 0));
		break;
	case 1:
		values_tend(m->cache);
		break;
	case 2:
		m->now_ms += random_below(&m->random, 2000);
		break;
	case 3:
		if (!m->may_evict)
			break;
		m->limit_bytes = values_stats(m->cache).own_bytes + (128 << 10) +
				 random_below(&m->random, 512 << 10);
		err = ramz_values_set_limit(m->cache, m->limit_bytes);
		assert_int_equal(err, 0);
		break;
	default:
		assert_int_equal(ramz_values_tend(m->cache, 50, NULL), 0);
	}
}

static void step(struct model *m)
{
	uint64_t number = random_below(&m->random, KEYS);

	m->now_ms += random_below(&m->random, 3);
	switch (random_below(&m->random, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		do_set(m, number);
		break;
	case 5:
		do_delete(m, number);
		break;
	case 6:
		do_expire(m, number);
		break;
	case 7:
		do_ttl(m, number);
		break;
	case 8:
		if (random_below(&m->random, 64) == 0)
			do_whole(m);
		break;
	default:
		do_get(m, number);
	}
	if (m->limit_bytes != 0)
		assert_in_range(values_stats(m->cache).held_bytes, 1, m->limit_bytes);
}

static void check_all(struct model *m)
{
	uint64_t expiring = 0, living = 0;
	struct ramz_values_stats stats;

	for (uint64_t i = 0; i < KEYS; i++) {
		do_get(m, i);
		living += shadow_lives(m, i);
		expiring += shadow_lives(m, i) && m->shadow[i].expires_ms != 0;
	}
	stats = values_stats(m->cache);
	assert_true(stats.values >= living);
	assert_true(stats.expiring >= expiring);
	assert_int_equal(stats.values - living, stats.expiring - expiring);
	values_check(m->cache);
}

/* lz4's contexts are small: a dictionary for a few values pays. */
static struct ramz_values *model_open(struct model *m)
{
	struct ramz_values_options options;
	struct ramz_values *cache;

	values_options(&options, &m->now_ms);
	options.limit_bytes = m->limit_bytes;
	options.codec = ramz_codec_by_name("lz4");
	assert_int_equal(ramz_values_create(&cache, &options), 0);
	return cache;
}

static void run(bool limits)
{
	uint64_t ops = test_repeats("XV_OPS", OPS_DEFAULT);
	static struct model model;
	struct model *m = &model;

	memset(m, 0, sizeof(*m));
	m->random = environment_number("XV_SEED", 41);
	print_message("XV_SEED=%llu\n", (unsigned long long)m->random);
	m->now_ms = 1000;
	m->limit_bytes = limits ? 1 << 20 : 0;
	m->may_evict = limits;
	m->cache = model_open(m);
	for (uint64_t i = 1; i <= ops; i++) {
		m->shape = i * SHAPES / ops;
		step(m);
		if (i % OPS_PER_CHECK == 0)
			check_all(m);
	}
	check_all(m);
	if (ramz_codec_by_name("zstd") != NULL && ops >= OPS_DEFAULT)
		assert_true(values_stats(m->cache).generation > 1);
	values_close(m->cache);
}

static void a_cache_without_a_limit_keeps_everything(void **state)
{
	(void)state;
	run(false);
}

static void a_cache_with_limits_never_tells_a_wrong_value(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cache_without_a_limit_keeps_everything),
		cmocka_unit_test(a_cache_with_limits_never_tells_a_wrong_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
