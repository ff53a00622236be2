/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * same_filled.c: pages of one repeated word.
 *
 * May call the C library. Locking: none. O(bytes), and a few bytes for most pages
 * that are not same-filled: they differ early.
 */
#include <string.h>

#include <ramz/codec.h>

bool ramz_page_is_same_filled(const void *page, size_t bytes, uint64_t *word)
{
	const unsigned char *bytes_at = page;

	/* All words are equal when the page equals itself one word on. */
	if (memcmp(bytes_at, bytes_at + sizeof(*word), bytes - sizeof(*word)) != 0)
		return false;
	if (word != NULL)
		memcpy(word, page, sizeof(*word));
	return true;
}
