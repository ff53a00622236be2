/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * size.c: sizes and times as text; see size.h. Locking: none.
 */
#include "size.h"

#include <inttypes.h>
#include <stdio.h>

/* Three digits that count, whole ones without a point, and a unit: each is `step` of the one
 * before. What would be rounded to a step is one of the next unit. */
static const char *size_scaled(char text[RZC_SIZE_TEXT_BYTES], uint64_t number, double step,
			       const char *const *units)
{
	double value = (double)number;
	int decimals;

	for (; value >= step - 0.5 && units[1] != NULL; units++)
		value /= step;
	decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	if (value - (double)(uint64_t)value <= 0)
		decimals = 0;
	snprintf(text, RZC_SIZE_TEXT_BYTES, "%.*f %s", decimals, value, *units);
	return text;
}

const char *rzc_size_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL};

	return size_scaled(text, bytes, 1024, units);
}

const char *rzc_nanoseconds_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s", NULL};

	return size_scaled(text, ns, 1000, units);
}
