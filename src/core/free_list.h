/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Free lists: rings of hole records, one list for every 8 bytes of size, found
 * through two levels of bitmaps. Owns the lists; calls the hole table's records
 * only. Under the pool's lock. Every operation is O(1).
 *
 * A list holds blocks of two lengths, 2i and 2i + 1 units. The longer ones are kept
 * in front, so that one look at the ring's first and last record tells whether the
 * list has a block that fits, and gives the best fit.
 */
#ifndef XVI_FREE_LIST_H
#define XVI_FREE_LIST_H

#include "pool_impl.h"

/* Bytes of list heads and bitmaps for a page of this size. */
size_t xvi_free_lists_bytes(uint32_t page_bytes);

/* Forget every hole. */
void xvi_free_lists_clear(struct xvi_free_lists *lists);

/* Place the lists in memory of that size, zeroed. */
void xvi_free_lists_init(struct xvi_free_lists *lists, uint32_t page_bytes, void *memory);

static inline uint32_t free_list_index(uint32_t units)
{
	return units >> (LIST_SHIFT - UNIT_SHIFT);
}

static inline void free_list_mark(struct xvi_free_lists *lists, uint32_t index)
{
	uint32_t word = index >> WORD_LISTS_SHIFT;

	lists->list_bits[word] |= (uint64_t)1 << (index & 63U);
	lists->word_bits[word >> 6] |= (uint64_t)1 << (word & 63U);
}

static inline void free_list_unmark(struct xvi_free_lists *lists, uint32_t index)
{
	uint32_t word = index >> WORD_LISTS_SHIFT;

	lists->list_bits[word] &= ~((uint64_t)1 << (index & 63U));
	if (lists->list_bits[word] == 0)
		lists->word_bits[word >> 6] &= ~((uint64_t)1 << (word & 63U));
}

/* The lists that holes of this page are in. */
static inline struct xvi_free_lists *free_lists_of(struct xv_pool *pool, uint32_t page)
{
	return XVI_UNLIKELY((pool->pages.records[page].state & PAGE_VICTIM) != 0)
		       ? &pool->victim_lists
		       : &pool->lists;
}

/* Put a record whose place and units are set into its list. */
static inline void free_list_insert(struct xv_pool *pool, uint32_t index)
{
	struct xvi_hole *records = pool->holes.records;
	struct xvi_hole *hole = &records[index];
	struct xvi_free_lists *lists = free_lists_of(pool, hole->page);
	uint32_t list = free_list_index(hole->units);
	uint32_t head = lists->heads[list];

	if (head == 0) {
		hole->prev = index;
		hole->next = index;
		lists->heads[list] = index;
		free_list_mark(lists, list);
		return;
	}
	hole->next = head;
	hole->prev = records[head].prev;
	records[hole->prev].next = index;
	records[head].prev = index;
	if ((hole->units & 1U) != 0 || (records[head].units & 1U) == 0)
		lists->heads[list] = index;
}

/* Take a record out of its list; units must still be what they were. */
static inline void free_list_remove(struct xv_pool *pool, uint32_t index)
{
	struct xvi_hole *records = pool->holes.records;
	struct xvi_hole *hole = &records[index];
	struct xvi_free_lists *lists = free_lists_of(pool, hole->page);
	uint32_t list = free_list_index(hole->units);

	if (hole->next == index) {
		lists->heads[list] = 0;
		free_list_unmark(lists, list);
		return;
	}
	records[hole->prev].next = hole->next;
	records[hole->next].prev = hole->prev;
	if (lists->heads[list] == index)
		lists->heads[list] = hole->next;
}

/* Lowest list >= list that is not empty, or UINT32_MAX. */
static inline uint32_t free_list_next(const struct xvi_free_lists *lists, uint32_t list)
{
	uint32_t word = list >> WORD_LISTS_SHIFT;
	uint32_t top;
	uint64_t bits;

	if (list >= lists->list_count)
		return UINT32_MAX;
	bits = lists->list_bits[word] & (~(uint64_t)0 << (list & 63U));
	if (bits != 0)
		return (word << WORD_LISTS_SHIFT) + xvi_ctz64(bits);
	word++;
	for (top = word >> 6; top < XVI_FIRST_LEVEL_WORDS; top++, word = top << 6) {
		bits = lists->word_bits[top] & (~(uint64_t)0 << (word & 63U));
		if (bits != 0) {
			word = (top << 6) + xvi_ctz64(bits);
			return (word << WORD_LISTS_SHIFT) + xvi_ctz64(lists->list_bits[word]);
		}
	}
	return UINT32_MAX;
}

/* The record of the smallest hole of at least units in these lists, or 0. */
static inline uint32_t free_list_find(const struct xv_pool *pool,
				      const struct xvi_free_lists *lists, uint32_t units)
{
	const struct xvi_hole *records = pool->holes.records;
	uint32_t list = free_list_index(units);
	uint32_t head;

	if ((units & 1U) != 0) {
		/* Of its own list only the longer ones will do: they are in front. */
		head = list < lists->list_count ? lists->heads[list] : 0;
		if (head != 0 && (records[head].units & 1U) != 0)
			return head;
		list++;
	}
	list = free_list_next(lists, list);
	if (list == UINT32_MAX)
		return 0;
	head = lists->heads[list];
	/* The shorter ones are at the back, and fit. */
	return (records[records[head].prev].units & 1U) == 0 ? records[head].prev : head;
}

/* The record of the largest hole in these lists, or 0. */
uint32_t xvi_free_list_largest(const struct xvi_free_lists *lists);

#endif
