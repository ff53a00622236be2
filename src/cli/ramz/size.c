/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * size.c: sizes and spans of time; see size.h. Locking: none.
 */
#include "size.h"

#include <inttypes.h>
#include <stdio.h>

/* A value below 1024, in three digits that count; whole ones without a point. */
static void size_digits(char *text, size_t room, double value, const char *unit)
{
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	if (value - (double)(uint64_t)value <= 0)
		decimals = 0;
	snprintf(text, room, "%.*f %s", decimals, value, unit);
}

const char *rzc_size_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	unsigned unit = 0;

	/* What would be rounded to 1024 is one of the next unit. */
	while (value >= 1023.5) {
		value /= 1024;
		unit++;
	}
	size_digits(text, RZC_SIZE_TEXT_BYTES, value, units[unit]);
	return text;
}

const char *rzc_nanoseconds_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned unit = 0;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	size_digits(text, RZC_SIZE_TEXT_BYTES, value, units[unit]);
	return text;
}

const char *rzc_seconds_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t seconds)
{
	static const struct {
		const char *unit;
		uint64_t seconds;
	} units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
	size_t u = 0;

	if (seconds > UINT32_MAX) /* 136 years: not a span that anybody has seen */
		seconds = UINT32_MAX;
	while (u < 3 && seconds < units[u].seconds)
		u++;
	if (u == 3)
		snprintf(text, RZC_SIZE_TEXT_BYTES, "%" PRIu64 " s", seconds);
	else
		snprintf(text, RZC_SIZE_TEXT_BYTES, "%" PRIu64 " %s %" PRIu64 " %s",
			 seconds / units[u].seconds, units[u].unit,
			 seconds % units[u].seconds / units[u + 1].seconds, units[u + 1].unit);
	return text;
}
