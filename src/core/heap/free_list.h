/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free_list.h: lists of holes by length, found through two levels of bitmaps, and the
 * records they link. Owns list heads, bits and records; calls the source when a record is
 * used for the first time. No page is touched. O(1).
 *
 * Lists: one for each length up to LIST_EXACT_UNITS; above, 64 for each doubling, so that a
 * list there holds lengths within a 64th of each other.
 */
#ifndef XVI_HEAP_FREE_LIST_H
#define XVI_HEAP_FREE_LIST_H

#include "heap.h"

/* The list that holes of this length are in. */
static inline uint32_t list_of(uint32_t units)
{
	uint32_t octave;

	if (XVI_LIKELY(units < LIST_EXACT_UNITS))
		return units;
	octave = 63U - xvi_clz64(units) - LIST_EXACT_SHIFT;
	return LIST_EXACT_UNITS + (octave << LIST_OCTAVE_SHIFT) +
	       ((units >> (octave + LIST_EXACT_SHIFT - LIST_OCTAVE_SHIFT)) &
		((1U << LIST_OCTAVE_SHIFT) - 1U));
}

/* Lowest list from `list` on that is not empty, or UINT32_MAX. */
static inline uint32_t list_next(const struct xvi_free_lists *lists, uint32_t list)
{
	uint32_t word = list >> 6;
	uint64_t bits = lists->bits[word] & (~(uint64_t)0 << (list & 63U));

	if (bits == 0) {
		uint64_t words = lists->words & (~(uint64_t)1 << word);

		if (XVI_UNLIKELY(words == 0))
			return UINT32_MAX;
		word = xvi_ctz64(words);
		bits = lists->bits[word];
	}
	return (word << 6) + xvi_ctz64(bits);
}

/* Put a record into this list, its length's. */
static inline void list_push_of(struct xvi_heap *heap, uint32_t index, uint32_t list)
{
	struct xvi_free_lists *lists = &heap->lists;
	struct xvi_hole *records = heap->holes.records;
	struct xvi_hole *hole = &records[index];
	uint32_t head = lists->heads[list];

	hole->prev = 0;
	hole->next = head;
	records[head].prev = index; /* record 0 takes it where the list is empty */
	lists->heads[list] = index;
	lists->bits[list >> 6] |= (uint64_t)1 << (list & 63U);
	lists->words |= (uint64_t)1 << (list >> 6);
}

static inline void list_push(struct xvi_heap *heap, uint32_t index)
{
	list_push_of(heap, index, list_of(heap->holes.records[index].units));
}

static inline void list_unlink(struct xvi_heap *heap, uint32_t index)
{
	struct xvi_free_lists *lists = &heap->lists;
	struct xvi_hole *records = heap->holes.records;
	uint32_t prev = records[index].prev;
	uint32_t next = records[index].next;

	records[next].prev = prev;
	if (prev != 0) {
		records[prev].next = next;
	} else {
		uint32_t list = list_of(records[index].units);

		XVI_ASSERT(lists->heads[list] == index);
		lists->heads[list] = next;
		if (next == 0) {
			uint64_t bits = lists->bits[list >> 6] & ~((uint64_t)1 << (list & 63U));

			lists->bits[list >> 6] = bits;
			lists->words &= ~((uint64_t)(bits == 0) << (list >> 6));
		}
	}
}

/* A record that is not in use, or 0 (only where the table is bounded). */
static inline uint32_t hole_take(struct xvi_heap *heap)
{
	struct xvi_hole_table *holes = &heap->holes;
	uint32_t index = holes->free_head;

	if (XVI_LIKELY(index != 0)) {
		holes->free_head = holes->records[index].next;
	} else {
		if (XVI_UNLIKELY(holes->high >= holes->sure)) {
			XVI_ASSERT(holes->bounded); /* invariant 12 */
			return 0;
		}
		index = holes->high++;
		if (XVI_UNLIKELY(index % (RECORD_STEP_BYTES / sizeof(struct xvi_hole)) == 0))
			heap->source->records_used(heap->context, holes->high);
	}
	holes->live++;
	return index;
}

static inline void hole_give(struct xvi_heap *heap, uint32_t index)
{
	struct xvi_hole_table *holes = &heap->holes;

	XVI_ASSERT(index != 0 && holes->live != 0);
	holes->records[index].units = 0;
	holes->records[index].next = holes->free_head;
	holes->free_head = index;
	holes->live--;
}

#endif
