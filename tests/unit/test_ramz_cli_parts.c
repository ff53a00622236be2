/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of parts of the command ramz: lists of codecs, targets, estimates, and threads
 * in step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codecs.h"
#include "density.h"
#include "estimate.h"
#include "targets.h"
#include "team.h"

static void codecs_have_a_level_each(void **state)
{
	struct rzc_codecs codecs;

	(void)state;
	assert_int_equal(rzc_codecs_parse(&codecs, "lz4:-7,lz4,lz4:9", 3), 0);
	assert_int_equal(codecs.count, 3);
	assert_int_equal(codecs.items[0].level, -7);
	assert_string_equal(codecs.items[0].label, "lz4:-7");
	assert_int_equal(codecs.items[1].level, 3);
	assert_int_equal(codecs.items[2].level, 9);
	assert_int_equal(rzc_codecs_parse(&codecs, "lz4", RAMZ_LEVEL_DEFAULT), 0);
	assert_int_equal(codecs.items[0].level, ramz_codec_at(0)->level_default);
	assert_string_equal(codecs.items[0].label, "lz4");
}

static void all_codecs_are_those_of_the_build_but_none(void **state)
{
	struct rzc_codecs codecs;
	size_t there = 0;

	(void)state;
	while (ramz_codec_at(there) != NULL)
		there++;
	assert_int_equal(rzc_codecs_parse(&codecs, NULL, RAMZ_LEVEL_DEFAULT), 0);
	assert_int_equal(codecs.count, there - 1);
	for (size_t i = 0; i < codecs.count; i++)
		assert_string_not_equal(codecs.items[i].label, "none");
}

static const struct rzc_target *target_named(const char *name)
{
	const struct rzc_target *target;

	for (size_t i = 0; (target = rzc_target_at(i)) != NULL; i++) {
		if (strcmp(target->name, name) == 0)
			return target;
	}
	return NULL;
}

static double limit_of(const char *name, const char *codec, unsigned threads)
{
	struct rzc_codec item = {.codec = ramz_codec_by_name(codec)};

	return rzc_target_limit(target_named(name), &item, threads);
}

static void targets_are_for_codecs_and_threads(void **state)
{
	(void)state;
	assert_true(limit_of("fill_by_raw", "lz4", 1) > 1.1);
	assert_true(limit_of("fill_by_raw", "none", 1) <= 0);
	assert_true(limit_of("fill_threads", "lz4", 2) > 1.8);
	assert_true(limit_of("fill_threads", "lz4", 4) <= 0);
	assert_true(rzc_target_met(target_named("fill_threads"), 1.95, 1.9));
	assert_false(rzc_target_met(target_named("fill_threads"), 1.85, 1.9));
	assert_true(rzc_target_met(target_named("fill_by_raw"), 1.15, 1.15));
	assert_false(rzc_target_met(target_named("fill_by_raw"), 1.16, 1.15));
}

/* 100 pages of 1000 seen: 10 same-filled, 10 raw, 80 of 1000 bytes. */
static void estimate_scales_all_but_the_base(void **state)
{
	struct rzc_estimate e = {
		.density = {.pages = 100,
			    .same_filled = 10,
			    .raw = 10,
			    .base_bytes = 50000,
			    .full = {.stored_bytes = 120960, .held_bytes = 180000}},
	};
	const struct rzc_input input = {.available = 1000};

	(void)state;
	e.density.sizes.bucket[ramz_histogram_bucket(1000)] = 80;
	e.density.sizes.bucket[ramz_histogram_bucket(4096)] = 10;
	rzc_estimate_make(&e, &input);
	assert_int_equal((uint64_t)e.original_bytes, 4096000);
	assert_int_equal((uint64_t)e.compressed_bytes, 1209600);
	assert_int_equal((uint64_t)e.held_bytes, 50000 + 1300000);
	assert_int_equal((uint64_t)(1000 * e.share[3] + 0.5), 800);
	assert_int_equal((uint64_t)(1000 * e.raw_share + 0.5), 100);
	assert_int_equal((uint64_t)(1000 * e.same_filled_share + 0.5), 100);
}

static void shuffle_keeps_every_number(void **state)
{
	uint32_t numbers[257];
	bool seen[257] = {false};
	struct xvf_random random;
	size_t moved = 0;

	(void)state;
	for (uint32_t i = 0; i < 257; i++)
		numbers[i] = i;
	xvf_random_init(&random, 1);
	rzc_shuffle(numbers, 257, &random);
	for (uint32_t i = 0; i < 257; i++) {
		assert_false(seen[numbers[i]]);
		seen[numbers[i]] = true;
		moved += numbers[i] != i;
	}
	assert_true(moved > 200);
}

#define TEAM_THREADS 4U
#define TEAM_JOBS 200U

struct team_count {
	atomic_uint calls[TEAM_THREADS];
	atomic_uint all;
};

static void count_call(void *context, unsigned thread)
{
	struct team_count *count = context;

	atomic_fetch_add(&count->calls[thread], 1);
	atomic_fetch_add(&count->all, 1);
}

static void team_runs_each_job_once_on_each_thread(void **state)
{
	struct rzc_team *team = rzc_team_make(TEAM_THREADS);
	struct team_count count = {.all = 0};

	(void)state;
	assert_non_null(team);
	for (unsigned job = 1; job <= TEAM_JOBS; job++) {
		rzc_team_run(team, count_call, &count);
		assert_int_equal(atomic_load(&count.all), job * TEAM_THREADS);
	}
	for (unsigned t = 0; t < TEAM_THREADS; t++)
		assert_int_equal(atomic_load(&count.calls[t]), TEAM_JOBS);
	rzc_team_end(team);
}

static void team_of_one_needs_no_thread(void **state)
{
	struct rzc_team *team = rzc_team_make(1);
	struct team_count count = {.all = 0};

	(void)state;
	assert_non_null(team);
	rzc_team_run(team, count_call, &count);
	assert_int_equal(atomic_load(&count.all), 1);
	rzc_team_end(team);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codecs_have_a_level_each),
		cmocka_unit_test(all_codecs_are_those_of_the_build_but_none),
		cmocka_unit_test(targets_are_for_codecs_and_threads),
		cmocka_unit_test(estimate_scales_all_but_the_base),
		cmocka_unit_test(shuffle_keeps_every_number),
		cmocka_unit_test(team_runs_each_job_once_on_each_thread),
		cmocka_unit_test(team_of_one_needs_no_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
