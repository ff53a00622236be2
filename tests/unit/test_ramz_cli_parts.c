/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of parts of the command ramz: lists of codecs, and estimates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codecs.h"
#include "estimate.h"

static void codecs_have_a_level_each(void **state)
{
	struct xvm_codecs codecs;

	(void)state;
	assert_int_equal(xvm_codecs_parse(&codecs, "lz4:-7,lz4,lz4:9"), 0);
	assert_int_equal(codecs.count, 3);
	assert_int_equal(codecs.items[0].level, -7);
	assert_string_equal(codecs.items[0].label, "lz4:-7");
	assert_int_equal(codecs.items[1].level, ramz_codec_at(0)->level_default);
	assert_int_equal(codecs.items[2].level, 9);
	assert_string_equal(codecs.items[1].label, "lz4");
}

/* 100 pages of 1000 seen: 10 same-filled, 10 raw, 80 of 1000 bytes. */
static void estimate_scales_all_but_the_base(void **state)
{
	struct rzc_estimate e = {
		.density = {.pages = 100,
			    .same_filled = 10,
			    .raw = 10,
			    .base_bytes = 50000,
			    .stored_bytes = 120960,
			    .held_bytes = 180000},
	};
	const struct xvm_input input = {.available = 1000};

	(void)state;
	e.density.classes[3] = 80;
	rzc_estimate_make(&e, &input);
	assert_int_equal((uint64_t)e.original_bytes, 4096000);
	assert_int_equal((uint64_t)e.compressed_bytes, 1209600);
	assert_int_equal((uint64_t)e.held_bytes, 50000 + 1300000);
	assert_int_equal((uint64_t)(1000 * e.share[3] + 0.5), 800);
	assert_int_equal((uint64_t)(1000 * e.raw_share + 0.5), 100);
	assert_int_equal((uint64_t)(1000 * e.same_filled_share + 0.5), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codecs_have_a_level_each),
		cmocka_unit_test(estimate_scales_all_but_the_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
