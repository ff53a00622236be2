/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Free lists: what is not on the fast path. See free_list.h. */
#include "free_list.h"

static uint32_t list_count_of(uint32_t page_bytes)
{
	/* One list for every 4 bytes from 0 to the page size, both included. */
	return (page_bytes >> UNIT_SHIFT) + 1;
}

static uint32_t word_count_of(uint32_t list_count)
{
	return (list_count + 63U) >> WORD_LISTS_SHIFT;
}

/* Five first-level words: a 64 KiB page has 16385 lists, in 257 words. */
_Static_assert((((1U << XV_PAGE_SHIFT_MAX) >> UNIT_SHIFT) + 64U) >> WORD_LISTS_SHIFT <=
		       64U * XVI_FIRST_LEVEL_WORDS,
	       "the first level covers every word");

size_t xvi_free_lists_bytes(uint32_t page_bytes)
{
	uint32_t lists = list_count_of(page_bytes);

	return word_count_of(lists) * sizeof(uint64_t) + lists * sizeof(uint32_t);
}

void xvi_free_lists_init(struct xvi_free_lists *lists, uint32_t page_bytes, void *memory)
{
	lists->list_count = list_count_of(page_bytes);
	lists->list_bits = memory;
	lists->heads = (uint32_t *)(void *)(lists->list_bits + word_count_of(lists->list_count));
	for (uint32_t i = 0; i < XVI_FIRST_LEVEL_WORDS; i++)
		lists->word_bits[i] = 0;
}

void xvi_free_lists_clear(struct xvi_free_lists *lists)
{
	memset(lists->word_bits, 0, sizeof(lists->word_bits));
	if (lists->list_count == 0)
		return;
	memset(lists->list_bits, 0, word_count_of(lists->list_count) * sizeof(uint64_t));
	memset(lists->heads, 0, lists->list_count * sizeof(uint32_t));
}

uint32_t xvi_free_list_largest(const struct xvi_free_lists *lists)
{
	for (uint32_t top = XVI_FIRST_LEVEL_WORDS; top-- > 0;) {
		uint32_t word, list;

		if (lists->word_bits[top] == 0)
			continue;
		word = (top << 6) + 63U - xvi_clz64(lists->word_bits[top]);
		list = (word << WORD_LISTS_SHIFT) + 63U - xvi_clz64(lists->list_bits[word]);
		return lists->heads[list];
	}
	return 0;
}
