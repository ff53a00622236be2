/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * size_text.c: a number of bytes as people type it. See size_text.h.
 */
#include "size_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char size_form[] =
	"a size is a number with K, M, G, T, P or E behind it, such as 4096, 512M or 1.5G";

/* Digits, a point, digits. */
struct decimal {
	uint64_t whole;
	const char *part; /* digits behind the point */
	size_t part_digits;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Returns the first character behind the number; NULL if the whole part is above 2^64 - 1. */
static const char *decimal_read(const char *text, struct decimal *number)
{
	*number = (struct decimal){.part = text};
	for (; is_digit(*text); text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (number->whole > (UINT64_MAX - digit) / 10)
			return NULL;
		number->whole = number->whole * 10 + digit;
	}
	if (*text != '.')
		return text;
	number->part = ++text;
	while (is_digit(*text))
		text++;
	number->part_digits = (size_t)(text - number->part);
	return text;
}

/* The part behind the point times 2^shift (shift <= 60), rounded down; each step is below 10 *
 * 2^60. */
static uint64_t decimal_part(const struct decimal *number, unsigned shift)
{
	uint64_t value = 0;

	for (size_t i = number->part_digits; i-- > 0;)
		value = (((uint64_t)(number->part[i] - '0') << shift) + value) / 10;
	return value;
}

/* The shift of a unit, and the text behind it; 0 for no unit. */
static unsigned unit_read(const char **text)
{
	static const char units[] = "KMGTPEkmgtpe";
	const char *unit = **text != '\0' ? strchr(units, **text) : NULL;

	if (unit == NULL)
		return 0;
	++*text;
	if ((*text)[0] == 'i' && (*text)[1] == 'B')
		*text += 2;
	return 10U * (unsigned)((unit - units) % 6 + 1);
}

static const char *size_of_units(const struct decimal *number, const char *end, uint64_t *bytes)
{
	unsigned shift = unit_read(&end);

	if (shift != 0 && (*end == 'B' || *end == 'b') && end[1] == '\0')
		return "KB, MB, GB mean powers of 1000 to some and of 1024 to others: write K, M, "
		       "G "
		       "(or KiB, MiB, GiB), which are powers of 1024";
	if (shift == 0 && (*end == 'B' || *end == 'b'))
		end++;
	if (*end != '\0')
		return size_form;
	if (shift == 0 && number->part_digits != 0)
		return "there are no parts of a byte: a point needs a unit, as in 1.5G";
	if (number->whole > UINT64_MAX >> shift)
		return "the size is above 16 EiB: make it less";
	*bytes = (number->whole << shift) + decimal_part(number, shift);
	return NULL;
}

/* memory * percent / 100, the percentage in millionths. */
static uint64_t memory_share(uint64_t memory_bytes, uint64_t millionths)
{
	const uint64_t all = 100000000;

	return memory_bytes / all * millionths + memory_bytes % all * millionths / all;
}

static const char *size_of_memory(const struct decimal *number, uint64_t memory_bytes,
				  uint64_t *bytes)
{
	struct decimal part = *number;
	uint64_t millionths = 0;

	if (memory_bytes == 0)
		return "no percentage is taken here (or the system does not tell how much memory "
		       "it "
		       "has): give bytes, such as 512M or 1.5G";
	for (size_t i = 0; i < 6; i++)
		millionths = millionths * 10 +
			     (i < part.part_digits ? (uint64_t)(part.part[i] - '0') : 0);
	if (part.whole > 100 || (part.whole == 100 && millionths != 0))
		return "there is no more memory than 100%: make it less, or give bytes";
	*bytes = memory_share(memory_bytes, part.whole * 1000000 + millionths);
	return NULL;
}

const char *xvt_size_parse(const char *text, uint64_t memory_bytes, uint64_t *bytes)
{
	struct decimal number;
	const char *end;

	if (*text == '\0')
		return "it is empty: give a size, such as 512M or 1.5G";
	if (*text == '-')
		return "a size is not negative: give one such as 512M or 1.5G";
	if (!is_digit(*text))
		return size_form;
	end = decimal_read(text, &number);
	if (end == NULL)
		return "the size is above 16 EiB: make it less";
	if (end[-1] == '.')
		return size_form;
	if (end[0] == '%' && end[1] == '\0')
		return size_of_memory(&number, memory_bytes, bytes);
	return size_of_units(&number, end, bytes);
}
