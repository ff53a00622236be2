/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_text.h: pages of words that many pages have in common, for tests of tiers and
 * dictionaries.
 *
 * Owns nothing. May call: public headers, CMocka. Locking: none. O(page).
 */
#ifndef TEST_RAMZ_TEXT_H
#define TEST_RAMZ_TEXT_H

#include <ramz/tiers.h>

#include "test_ramz_support.h"

enum { TEXT_WORDS = 1500 };

static inline void word_of(uint64_t number, char *word, size_t *length)
{
	uint64_t seed = number * 0x9E3779B97F4A7C15U + 11;

	*length = 4 + random_below(&seed, 12);
	for (size_t i = 0; i < *length; i++)
		word[i] = (char)('a' + random_below(&seed, 26));
}

static inline void text_fill(unsigned char *page, uint64_t number)
{
	uint64_t seed = number + 77;
	size_t at = 0;

	while (at < PAGE) {
		char word[32];
		size_t length;

		word_of(random_below(&seed, TEXT_WORDS), word, &length);
		for (size_t i = 0; i < length && at < PAGE; i++)
			page[at++] = (unsigned char)word[i];
		if (at < PAGE)
			page[at++] = ' ';
	}
}

static inline void put_text(struct ramz *store, uint64_t slot, uint64_t number)
{
	unsigned char page[PAGE];

	text_fill(page, number);
	assert_int_equal(ramz_write_page(store, slot, page), 0);
}

static inline void expect_text(struct ramz *store, uint64_t slot, uint64_t number)
{
	unsigned char page[PAGE], wanted[PAGE];

	text_fill(wanted, number);
	assert_int_equal(ramz_read_page(store, slot, page), 0);
	assert_memory_equal(page, wanted, PAGE);
}

/* Skips the test in a build without it: called before the test has anything to give back. */
static inline const struct ramz_codec *strong_codec(void)
{
	const struct ramz_codec *zstd = ramz_codec_by_name("zstd");

	if (zstd == NULL)
		skip();
	return zstd;
}

/* The same, or in a build without it the other codec that is stronger at a higher level. */
static inline const struct ramz_codec *stronger_codec(void)
{
	const struct ramz_codec *zstd = ramz_codec_by_name("zstd");

	return zstd != NULL ? zstd : ramz_codec_by_name("lz4");
}

static inline struct ramz_tier_info tier_info(struct ramz *store, uint32_t tier)
{
	struct ramz_tier_info info;

	assert_int_equal(ramz_get_tier(store, tier, &info), 0);
	return info;
}

#endif
