/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of xvfrag's numbers, spreading and random draws.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base.h"

static void parse_u64_takes_whole_numbers_in_range_only(void **state)
{
	static const char *const bad[] = {"",    " 1", "1 ",  "-1",  "+1",
					  "0x1", "1k", "1.0", "101", "18446744073709551616"};
	uint64_t value = 77;

	(void)state;
	assert_true(xvm_parse_u64("0", 0, 100, &value));
	assert_true(value == 0);
	assert_true(xvm_parse_u64("100", 0, 100, &value));
	assert_true(value == 100);
	assert_true(xvm_parse_u64("18446744073709551615", 0, UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	value = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(xvm_parse_u64(bad[i], 0, 100, &value));
	assert_false(xvm_parse_u64("4", 5, 100, &value));
	assert_false(xvm_parse_u64("18446744073709551616", 0, UINT64_MAX, &value));
	assert_true(value == 77);
}

static void spread_takes_exactly_what_is_wanted(void **state)
{
	(void)state;
	for (uint64_t total = 1; total < 60; total++) {
		for (uint64_t want = 0; want < 70; want++) {
			uint64_t taken = 0;

			for (uint64_t i = 0; i < total; i++)
				taken += xvm_spread_takes(i, total, want);
			assert_true(taken == (want < total ? want : total));
		}
	}
}

static void spread_reaches_both_ends(void **state)
{
	uint64_t first_half = 0;

	(void)state;
	for (uint64_t i = 0; i < 500; i++)
		first_half += xvm_spread_takes(i, 1000, 100);
	assert_true(first_half == 50);
	assert_true(xvm_spread_takes(999, 1000, 100));
}

static void random_repeats_by_seed_and_stays_below(void **state)
{
	struct xvm_random a, b, c;
	unsigned same = 0;
	unsigned seen[10] = {0};

	(void)state;
	xvm_random_init(&a, 5);
	xvm_random_init(&b, 5);
	xvm_random_init(&c, 6);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = xvm_random_next(&a);

		assert_true(x == xvm_random_next(&b));
		same += x == xvm_random_next(&c);
	}
	assert_int_equal(same, 0);
	for (int i = 0; i < 10000; i++) {
		uint32_t x = xvm_random_below(&a, 10);

		assert_in_range(x, 0, 9);
		seen[x]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(seen[i], 800, 1200);
	assert_int_equal(xvm_random_below(&a, 1), 0);
}

static void grow_keeps_what_is_there(void **state)
{
	struct xvm_u32s list = {.items = NULL};

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		xvm_u32s_append(&list, i * 3);
	assert_int_equal(list.count, 10000);
	assert_true(list.capacity >= list.count);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(list.items[i], i * 3);
	free(list.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_u64_takes_whole_numbers_in_range_only),
		cmocka_unit_test(spread_takes_exactly_what_is_wanted),
		cmocka_unit_test(spread_reaches_both_ends),
		cmocka_unit_test(random_repeats_by_seed_and_stays_below),
		cmocka_unit_test(grow_keeps_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
