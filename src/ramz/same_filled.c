/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * same_filled.c: pages of one repeated word.
 *
 * May call the C library. Locking: none. O(bytes); most pages that are not same-filled differ
 * within a few bytes.
 */
#include <string.h>

#include <ramz/codec.h>

enum { STEP_WORDS = 8 };

/* Does one of these words differ from the first? Reads each once. */
static bool words_differ(const unsigned char *at, size_t words, uint64_t first)
{
	uint64_t differ = 0;

	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, at + i * sizeof(word), sizeof(word));
		differ |= word ^ first;
	}
	return differ != 0;
}

/* Compares each word with the value of the first, not with its neighbour: if the page changes
 * meanwhile, every word had the stored value at some moment. */
bool ramz_page_is_same_filled(const void *page, size_t bytes, uint64_t *word)
{
	const unsigned char *at = page;
	size_t words = bytes / sizeof(*word);
	uint64_t first;

	memcpy(&first, page, sizeof(first));
	for (; words >= STEP_WORDS; words -= STEP_WORDS, at += STEP_WORDS * sizeof(*word)) {
		if (words_differ(at, STEP_WORDS, first))
			return false;
	}
	if (words_differ(at, words, first))
		return false;
	if (word != NULL)
		*word = first;
	return true;
}
