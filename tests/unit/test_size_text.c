/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Sizes as people type them: what is read, and what is refused with which reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "size_text.h"

#define KIB UINT64_C(1024)
#define MEMORY (UINT64_C(8) << 30)

static void sizes_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0", 0},
		{"1", 1},
		{"4096", 4096},
		{"4096B", 4096},
		{"64k", 64 * KIB},
		{"64K", 64 * KIB},
		{"64KiB", 64 * KIB},
		{"512M", 512 * KIB * KIB},
		{"1.5G", 3 * KIB * KIB * KIB / 2},
		{"2GiB", 2 * KIB * KIB * KIB},
		{"1T", KIB * KIB * KIB * KIB},
		{"0.5k", 512},
		{"1.0001k", 1024},
		{"1.9999999999999999999999999999k", 2047},
		{"0.1G", 107374182},
		{"15E", UINT64_C(15) << 60},
		{"15.999999999999999999E", UINT64_MAX - 1},
		{"18446744073709551615", UINT64_MAX},
		{"007M", 7 * KIB * KIB},
		{"25%", MEMORY / 4},
		{"100%", MEMORY},
		{"100.0%", MEMORY},
		{"12.5%", MEMORY / 8},
		{"0%", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 77;

		assert_null(xvt_size_parse(cases[i].text, MEMORY, &bytes));
		if (cases[i].bytes == UINT64_MAX - 1)
			assert_in_range(bytes, UINT64_MAX - 64, UINT64_MAX);
		else
			assert_true(bytes == cases[i].bytes);
	}
}

static void others_are_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "empty"},
		{"-1", "not negative"},
		{"-0", "not negative"},
		{"--", "not negative"},
		{"+1", "a size is a number"},
		{" 1", "a size is a number"},
		{"1 ", "a size is a number"},
		{"1 K", "a size is a number"},
		{"1K ", "a size is a number"},
		{"nan", "a size is a number"},
		{"inf", "a size is a number"},
		{"1e3", "a size is a number"},
		{"0x10", "a size is a number"},
		{"K", "a size is a number"},
		{".5G", "a size is a number"},
		{"1.G", "a size is a number"},
		{"1.", "a size is a number"},
		{"1..5G", "a size is a number"},
		{"1,5G", "a size is a number"},
		{"1X", "a size is a number"},
		{"1Ki", "a size is a number"},
		{"1KiBs", "a size is a number"},
		{"1GG", "a size is a number"},
		{"1Mb/s", "a size is a number"},
		{"512MB", "powers of 1000"},
		{"512kb", "powers of 1000"},
		{"1.5", "parts of a byte"},
		{"1.5B", "parts of a byte"},
		{"16E", "16 EiB"},
		{"16777216T", "16 EiB"},
		{"18446744073709551616", "16 EiB"},
		{"99999999999999999999999G", "16 EiB"},
		{"101%", "more memory"},
		{"100.01%", "more memory"},
		{"25%%", "a size is a number"},
		{"25% ", "a size is a number"},
		{"%", "a size is a number"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 77;
		const char *fault = xvt_size_parse(cases[i].text, MEMORY, &bytes);

		if (fault == NULL || strstr(fault, cases[i].why) == NULL)
			fail_msg("'%s': %s", cases[i].text, fault);
		assert_true(bytes == 77);
	}
}

static void a_percentage_needs_memory_to_be_of(void **state)
{
	uint64_t bytes = 77;

	(void)state;
	assert_non_null(strstr(xvt_size_parse("25%", 0, &bytes), "no percentage"));
	assert_true(bytes == 77);
	assert_null(xvt_size_parse("100%", UINT64_MAX, &bytes));
	assert_true(bytes == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(others_are_refused_with_the_reason),
		cmocka_unit_test(a_percentage_needs_memory_to_be_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
