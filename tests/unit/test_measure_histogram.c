/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of the latency histogram, against sorted values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "histogram.h"
#include "test_random.h"

static struct xvm_histogram histogram;

static void histogram_small_values_are_exact(void **state)
{
	(void)state;
	histogram = (struct xvm_histogram){.total = 0};
	for (uint64_t i = 1; i <= 50; i++)
		xvm_histogram_record(&histogram, i);
	assert_true(xvm_histogram_percentile(&histogram, 5000) == 25);
	assert_true(xvm_histogram_percentile(&histogram, 1000) == 5);
	assert_true(xvm_histogram_percentile(&histogram, 9900) == 50);
	assert_true(xvm_histogram_percentile(&histogram, 10000) == 50);
	assert_true(histogram.sum == 50 * 51 / 2);
}

static void histogram_of_nothing_is_zero(void **state)
{
	(void)state;
	histogram = (struct xvm_histogram){.total = 0};
	assert_true(xvm_histogram_percentile(&histogram, 5000) == 0);
	xvm_histogram_record(&histogram, 1000);
	assert_true(xvm_histogram_percentile(&histogram, 0) == 1000);
	assert_true(xvm_histogram_percentile(&histogram, 9999) == 1000);
}

static int compare_values(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Values over many orders of magnitude: within 1/32 above the true percentile. */
static void histogram_percentiles_are_within_3_percent(void **state)
{
	static const unsigned percentiles[] = {1, 100, 2500, 5000, 9000, 9900, 9999, 10000};
	uint64_t seed = environment_number("XV_SEED", 20261121);
	enum { COUNT = 50000 };
	uint64_t *values = calloc(COUNT, sizeof(*values));

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	histogram = (struct xvm_histogram){.total = 0};
	for (size_t i = 0; i < COUNT; i++) {
		values[i] = random_next(&seed) >> (20 + random_below(&seed, 40));
		xvm_histogram_record(&histogram, values[i]);
	}
	qsort(values, COUNT, sizeof(*values), compare_values);
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
		uint64_t exact = values[((uint64_t)COUNT * percentiles[i] + 9999) / 10000 - 1];
		uint64_t got = xvm_histogram_percentile(&histogram, percentiles[i]);

		assert_true(got >= exact);
		assert_true(got <= exact + exact / 32 + 1);
	}
	assert_true(histogram.max == values[COUNT - 1]);
	free(values);
}

/* The tail of a run is what it is for: one slow operation in 100,000. */
static void histogram_keeps_the_largest_value_exactly(void **state)
{
	(void)state;
	histogram = (struct xvm_histogram){.total = 0};
	for (int i = 0; i < 99999; i++)
		xvm_histogram_record(&histogram, 100);
	xvm_histogram_record(&histogram, 123456789);
	assert_true(histogram.max == 123456789);
	assert_in_range(xvm_histogram_percentile(&histogram, 9999), 100, 104);
	assert_true(xvm_histogram_percentile(&histogram, 10000) == 123456789);
}

/* As if all had been recorded in one. */
static void histogram_merges_with_tails_of_both(void **state)
{
	static struct xvm_histogram other;

	(void)state;
	histogram = (struct xvm_histogram){.total = 0};
	other = (struct xvm_histogram){.total = 0};
	for (int i = 0; i < 9900; i++)
		xvm_histogram_record(&histogram, 10);
	for (int i = 0; i < 9900; i++)
		xvm_histogram_record(&other, 20);
	for (int i = 0; i < 150; i++)
		xvm_histogram_record(&histogram, 1000);
	for (int i = 0; i < 50; i++)
		xvm_histogram_record(&other, 500000);
	xvm_histogram_merge(&histogram, &other);
	assert_true(histogram.total == 20000);
	assert_true(histogram.sum == 9900 * 30 + 150 * 1000 + 50 * UINT64_C(500000));
	assert_true(histogram.max == 500000);
	assert_true(xvm_histogram_percentile(&histogram, 4950) == 10);
	assert_true(xvm_histogram_percentile(&histogram, 4951) == 20);
	assert_true(xvm_histogram_percentile(&histogram, 9900) == 20);
	assert_in_range(xvm_histogram_percentile(&histogram, 9975), 1000, 1032);
	assert_true(xvm_histogram_percentile(&histogram, 9976) == 500000);
	/* A smaller one changes no maximum. */
	other = (struct xvm_histogram){.total = 0};
	xvm_histogram_merge(&histogram, &other);
	assert_true(histogram.max == 500000 && histogram.total == 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_small_values_are_exact),
		cmocka_unit_test(histogram_of_nothing_is_zero),
		cmocka_unit_test(histogram_percentiles_are_within_3_percent),
		cmocka_unit_test(histogram_keeps_the_largest_value_exactly),
		cmocka_unit_test(histogram_merges_with_tails_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
