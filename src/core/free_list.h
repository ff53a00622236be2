/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Free lists: doubly linked lists of hole records, one list for each length in units,
 * found through two levels of bitmaps. Owns the lists; calls the hole table's records
 * only. Under the pool's lock. Every operation is O(1).
 *
 * A list has its newest hole in front, whose memory is the likeliest to be in a cache.
 * Whether a hole is the first, the last or the only one of its list nobody can foresee, so
 * that nothing here branches on it: record 0, which is no hole, takes the writes to "the hole
 * before the first" and "behind the last", and bits are cleared by masks that may be 0.
 */
#ifndef XVI_FREE_LIST_H
#define XVI_FREE_LIST_H

#include "shard.h"

/* Bytes of list heads and bitmaps for a page of this size. */
size_t xvi_free_lists_bytes(uint32_t page_bytes);

/* Forget every hole. */
void xvi_free_lists_clear(struct xvi_free_lists *lists);

/* Place the lists in memory of that size, zeroed. */
void xvi_free_lists_init(struct xvi_free_lists *lists, uint32_t page_bytes, void *memory);

static inline void free_list_mark(struct xvi_free_lists *lists, uint32_t index)
{
	uint32_t word = index >> WORD_LISTS_SHIFT;

	lists->list_bits[word] |= (uint64_t)1 << (index & 63U);
	lists->word_bits[word >> 6] |= (uint64_t)1 << (word & 63U);
}

/* Clear the list's bit if it is empty, and its word's if that is then 0. */
static inline void free_list_unmark(struct xvi_free_lists *lists, uint32_t index, bool empty)
{
	uint32_t word = index >> WORD_LISTS_SHIFT;
	uint64_t bits = lists->list_bits[word] & ~((uint64_t)empty << (index & 63U));

	lists->list_bits[word] = bits;
	lists->word_bits[word >> 6] &= ~((uint64_t)(bits == 0) << (word & 63U));
}

/* The lists that holes of this page are in. */
static inline struct xvi_free_lists *free_lists_of(struct xv_pool *pool, uint32_t page)
{
	return XVI_UNLIKELY((pool->pages.records[page].state & PAGE_VICTIM) != 0)
		       ? &pool->victim_lists
		       : &pool->lists;
}

/* Put a record whose place and units are set into its list of these. */
static inline void free_list_push(struct xv_pool *pool, struct xvi_free_lists *lists,
				  uint32_t index)
{
	struct xvi_hole *records = pool->holes.records;
	struct xvi_hole *hole = &records[index];
	uint32_t *head = &lists->heads[hole->units];

	hole->prev = 0;
	hole->next = *head;
	records[*head].prev = index;
	*head = index;
	free_list_mark(lists, hole->units);
}

/* Take a record out of its list of these; units must still be what they were. */
static inline void free_list_unlink(struct xv_pool *pool, struct xvi_free_lists *lists,
				    uint32_t index)
{
	struct xvi_hole *records = pool->holes.records;
	const struct xvi_hole *hole = &records[index];
	uint32_t *head = &lists->heads[hole->units];
	uint32_t prev = hole->prev;
	uint32_t next = hole->next;

	records[next].prev = prev;
	records[prev].next = next;
	*head = prev == 0 ? next : *head;
	free_list_unmark(lists, hole->units, (prev | next) == 0);
}

/* Take the first record of a list that is not empty. */
static inline uint32_t free_list_pop(struct xv_pool *pool, struct xvi_free_lists *lists,
				     uint32_t list)
{
	uint32_t index = lists->heads[list];
	uint32_t next = pool->holes.records[index].next;

	lists->heads[list] = next;
	pool->holes.records[next].prev = 0;
	free_list_unmark(lists, list, next == 0);
	return index;
}

static inline void free_list_insert(struct xv_pool *pool, uint32_t index)
{
	free_list_push(pool, free_lists_of(pool, pool->holes.records[index].page), index);
}

static inline void free_list_remove(struct xv_pool *pool, uint32_t index)
{
	free_list_unlink(pool, free_lists_of(pool, pool->holes.records[index].page), index);
}

/* Lowest list >= list that is not empty, or UINT32_MAX. */
static inline uint32_t free_list_next(const struct xvi_free_lists *lists, uint32_t list)
{
	uint32_t word = list >> WORD_LISTS_SHIFT;
	uint32_t top = word >> 6;
	uint64_t bits, words;

	if (XVI_UNLIKELY(list >= lists->list_count))
		return UINT32_MAX;
	/* The rest of the list's own word, or the next word that is not 0: without a branch. */
	bits = lists->list_bits[word] & (~(uint64_t)0 << (list & 63U));
	words = lists->word_bits[top] & (~(uint64_t)1 << (word & 63U));
	words |= (uint64_t)(bits != 0) << (word & 63U);
	while (XVI_UNLIKELY(words == 0)) {
		if (++top == XVI_FIRST_LEVEL_WORDS)
			return UINT32_MAX;
		words = lists->word_bits[top];
	}
	word = (top << 6) + xvi_ctz64(words);
	bits = bits != 0 ? bits : lists->list_bits[word];
	return (word << WORD_LISTS_SHIFT) + xvi_ctz64(bits);
}

/* The record of the smallest hole of at least units in these lists, or 0. */
static inline uint32_t free_list_find(const struct xvi_free_lists *lists, uint32_t units)
{
	uint32_t list = free_list_next(lists, units);

	return list != UINT32_MAX ? lists->heads[list] : 0;
}

/* The record of the largest hole in these lists, or 0. */
uint32_t xvi_free_list_largest(const struct xvi_free_lists *lists);

#endif
