/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A cache of values whose provider or memory fails. One scenario, which makes every kind of call,
 * is run again and again: the n-th call of a kind fails, once or from then on, for n = 1, 2, 3 ...
 * until the scenario ends without a failure. A call that fails returns a documented error; a read
 * finds the last value that was set, or nothing; the invariants hold; and when nothing fails any
 * more, the cache is as usable as ever. May call: public headers. One thread.
 */
#include <stdlib.h>

#include <xvmalloc/provider_mmap.h>

#include "../unit/test_values_support.h"
#include "fault_plan.h"
#include "fault_provider.h"

enum { KEYS = 800, RUNS_MAX = 3000, DICTIONARY = 1 << 10 };

/* ---- the scenario ---- */

struct scene {
	struct fault_provider fault;
	struct xv_provider *inner;
	struct ramz_values *cache;
	uint64_t now_ms;
	uint64_t limit_bytes;
	bool is_set[KEYS];
	uint64_t version[KEYS];
};

static bool scene_open(struct scene *s)
{
	struct ramz_values_options options;
	int err;

	values_options(&options, &s->now_ms);
	options.provider = &s->fault.provider;
	options.limit_bytes = s->limit_bytes;
	options.max_value_bytes = 1000;
	options.codec = ramz_codec_by_name("lz4");
	err = ramz_values_create(&s->cache, &options);
	assert_true(err == 0 || err == -XV_ENOMEM || err == -XV_ENOSPC);
	return err == 0;
}

static void expect_error(int err)
{
	assert_true(err >= 0 || err == -XV_ENOMEM || err == -XV_ENOSPC);
}

static void scene_set(struct scene *s, uint64_t number, uint64_t version, uint64_t ttl_ms)
{
	int err = values_try(s->cache, number, version, ttl_ms);

	expect_error(err);
	if (err == 0) {
		s->is_set[number] = true;
		s->version[number] = version;
	}
}

/* Values may have been evicted, but none is wrong. */
static void scene_read_all(struct scene *s)
{
	for (uint64_t i = 0; i < KEYS; i++) {
		if (!values_has(s->cache, i, s->version[i]))
			s->is_set[i] = false;
		else
			assert_true(s->is_set[i]);
	}
	values_check(s->cache);
}

static void scene_delete(struct scene *s, uint64_t number)
{
	assert_in_range(values_delete(s->cache, number), 0, 1);
	s->is_set[number] = false;
}

static void scene_run(struct scene *s)
{
	char key[KEY_ROOM];
	int err;

	for (uint64_t i = 0; i < KEYS; i++)
		scene_set(s, i, 0, i % 5 == 0 ? 100 : 0);
	scene_read_all(s);
	for (uint64_t i = 0; i < KEYS; i += 3)
		scene_set(s, i, 1, 0);
	for (uint64_t i = 0; i < KEYS; i += 7)
		scene_delete(s, i);
	err = ramz_values_train(s->cache, DICTIONARY, NULL);
	assert_true(err == -XV_ENOTSUP || err == 0 || err == -XV_ENOMEM || err == -XV_ENOSPC);
	for (uint64_t i = 1; i < KEYS; i += 4)
		scene_set(s, i, 2, 0);
	for (uint64_t i = 0; i < KEYS; i += 9)
		expect_error(ramz_values_expire(s->cache, key, key_make(key, i), 50));
	scene_read_all(s);
	s->now_ms += 60;
	for (uint64_t i = 0; i < 20; i++)
		expect_error(ramz_values_tend(s->cache, 40, NULL));
	expect_error(ramz_values_set_limit(s->cache, s->limit_bytes));
	scene_read_all(s);
}

/* Nothing fails any more. */
static void scene_prove(struct scene *s)
{
	fault_provider_heal(&s->fault);
	memory_plan.armed = false;
	for (uint64_t i = 0; i < KEYS; i++) {
		values_put(s->cache, i, 3);
		assert_true(values_has(s->cache, i, 3));
	}
	values_tend(s->cache);
	values_close(s->cache);
}

/* Returns how often something failed. kind: a call of the provider, or FAULT_OPS for memory. */
static uint64_t run(enum fault_op kind, uint64_t n, bool forever, uint64_t limit_bytes)
{
	static struct scene scene;
	struct scene *s = &scene;
	uint64_t injected;

	memset(s, 0, sizeof(*s));
	s->now_ms = 1;
	s->limit_bytes = limit_bytes;
	assert_int_equal(xv_provider_mmap_create(&s->inner, NULL), 0);
	fault_provider_init(&s->fault, s->inner, 0);
	if (kind == FAULT_OPS)
		memory_plan = (struct plan){.calls_left = n - 1, .armed = true, .forever = forever};
	else
		fault_provider_fail(&s->fault, kind, n, forever ? FAULT_FOREVER : FAULT_ONCE);
	if (scene_open(s)) {
		scene_run(s);
		injected = s->fault.injected + memory_plan.injected;
		if (injected == 0 && limit_bytes == 0 && ramz_codec_by_name("zstd") != NULL)
			assert_int_equal(values_stats(s->cache).generation, 1);
		scene_prove(s);
	} else {
		injected = s->fault.injected + memory_plan.injected;
	}
	memory_plan = (struct plan){.armed = false};
	assert_int_equal(s->fault.pages_now, 0);
	assert_int_equal(s->fault.meta_reservations_now, 0);
	xv_provider_mmap_destroy(s->inner);
	return injected;
}

static void run_all(enum fault_op kind, uint64_t limit_bytes)
{
	for (int forever = 0; forever < 2; forever++) {
		uint64_t n = 1;

		while (n < RUNS_MAX && run(kind, n, forever != 0, limit_bytes) != 0)
			n += 1 + n / 6;
		assert_true(n > 1 && n < RUNS_MAX);
	}
}

/* The call that gives memory: a page that is one grain comes with its own. */
static enum fault_op call_for_memory(void)
{
	struct xv_provider *provider;
	uint32_t grains;

	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	grains = xv_provider_page_grains(provider);
	xv_provider_mmap_destroy(provider);
	return grains > 1 ? FAULT_GRAINS_TAKE : FAULT_PAGE_ALLOC;
}

static void a_provider_that_refuses_pages_loses_no_value_silently(void **state)
{
	(void)state;
	run_all(FAULT_PAGE_ALLOC, 0);
}

static void a_provider_that_refuses_grains_loses_no_value_silently(void **state)
{
	(void)state;
	if (call_for_memory() != FAULT_GRAINS_TAKE)
		skip();
	run_all(FAULT_GRAINS_TAKE, 0);
}

static void a_provider_that_refuses_tables_loses_no_value_silently(void **state)
{
	(void)state;
	run_all(FAULT_META_COMMIT, 0);
}

static void a_limit_and_a_provider_that_refuses(void **state)
{
	(void)state;
	run_all(call_for_memory(), 640 << 10);
}

#ifdef WRAP_MEMORY
static void memory_that_runs_out_loses_no_value_silently(void **state)
{
	(void)state;
	run_all(FAULT_OPS, 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_provider_that_refuses_pages_loses_no_value_silently),
		cmocka_unit_test(a_provider_that_refuses_grains_loses_no_value_silently),
		cmocka_unit_test(a_provider_that_refuses_tables_loses_no_value_silently),
		cmocka_unit_test(a_limit_and_a_provider_that_refuses),
#ifdef WRAP_MEMORY
		cmocka_unit_test(memory_that_runs_out_loses_no_value_silently),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
