/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free_list.h: lists of holes by length, found through two levels of bitmaps, and the records they
 * link. Owns list heads, bits and records. Calls the source when a record is first used. Touches no
 * page. O(1).
 *
 * Each length up to LIST_EXACT_UNITS has a list. Above, each doubling has 64 lists, so the lengths
 * in a list are within a 64th of each other. The last list is that of empty pages alone, whatever
 * their edges take: a block goes into an empty page only when no other hole is long enough.
 * Otherwise compaction would fill one page while it empties another.
 */
#ifndef XVI_HEAP_FREE_LIST_H
#define XVI_HEAP_FREE_LIST_H

#include "heap.h"

/* The list for holes of this length in pages without edges. */
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

/* The list for holes of this length in pages of this shape: as if the page had no edges. */
static inline uint32_t list_for(const struct xvi_shape *shape, uint32_t units)
{
	uint32_t page_units = 1U << (shape->page_shift - UNIT_SHIFT);

	if (XVI_LIKELY(units < LIST_EXACT_UNITS))
		return units;
	return list_of(units + page_units - (shape->end_unit - shape->first_unit));
}

/* Lowest list from `list` on that is not empty, or UINT32_MAX. */
static inline uint32_t list_next(const struct xvi_free_lists *lists, uint32_t list)
{
	uint32_t word = list >> 6;
	uint64_t bits = lists->bits[word] >> (list & 63U);

	XVI_ASSERT(word < LIST_WORDS);
	if (XVI_LIKELY(bits != 0))
		return list + xvi_ctz64(bits);
	bits = lists->words >> word >> 1;
	if (XVI_UNLIKELY(bits == 0))
		return UINT32_MAX;
	word += 1 + xvi_ctz64(bits);
	return (word << 6) + xvi_ctz64(lists->bits[word]);
}

/* Put the record of a hole of this length into its list. */
static inline void list_push(struct xvi_heap *heap, const struct xvi_shape *shape, uint32_t index,
			     uint32_t units)
{
	uint32_t list = list_for(shape, units);
	struct xvi_free_lists *lists = &heap->lists;
	struct xvi_hole *records = heap->holes.records;
	struct xvi_hole *hole = &records[index];
	uint32_t head = lists->heads[list];

	XVI_ASSERT(index != 0 && index < heap->holes.high && hole->units == units);
	XVI_ASSERT(head == 0 || records[head].prev == 0); /* 7 */
	hole->prev = 0;
	hole->next = head;
	records[head].prev = index; /* writes record 0 if the list is empty */
	lists->heads[list] = index;
	lists->bits[list >> 6] |= (uint64_t)1 << (list & 63U);
	lists->words |= (uint64_t)1 << (list >> 6);
}

/* Clear the bits of a list whose last hole is gone. */
static inline void list_is_empty(struct xvi_free_lists *lists, uint32_t list)
{
	uint64_t left = lists->bits[list >> 6] ^ (uint64_t)1 << (list & 63U);

	XVI_ASSERT(lists->heads[list] == 0 && (left & (uint64_t)1 << (list & 63U)) == 0); /* 7 */
	lists->bits[list >> 6] = left;
	if (left == 0)
		lists->words ^= (uint64_t)1 << (list >> 6);
}

/* Remove `hole`, the first hole of a list. */
static inline void list_pop(struct xvi_heap *heap, uint32_t list, const struct xvi_hole *hole)
{
	uint32_t next = hole->next;

	XVI_ASSERT(heap->lists.heads[list] != 0 && hole->prev == 0);
	XVI_ASSERT(hole == &heap->holes.records[heap->lists.heads[list]]);
	heap->lists.heads[list] = next;
	if (next != 0)
		heap->holes.records[next].prev = 0;
	else
		list_is_empty(&heap->lists, list);
}

static inline void list_unlink(struct xvi_heap *heap, const struct xvi_shape *shape, uint32_t index)
{
	struct xvi_hole *records = heap->holes.records;
	struct xvi_hole *hole = &records[index];

	XVI_ASSERT(index != 0 && index < heap->holes.high && hole->units != 0);
	if (hole->prev == 0) {
		XVI_ASSERT(heap->lists.heads[list_for(shape, hole->units)] == index);
		list_pop(heap, list_for(shape, hole->units), hole);
	} else {
		XVI_ASSERT(records[hole->prev].next == index); /* 7 */
		XVI_ASSERT(hole->next == 0 || records[hole->next].prev == index);
		records[hole->prev].next = hole->next;
		records[hole->next].prev = hole->prev; /* writes record 0 if it was the last */
	}
}

/* An unused record, or 0: only if the table is bounded, or words of a page were overwritten. */
static inline uint32_t hole_take(struct xvi_heap *heap)
{
	struct xvi_hole_table *holes = &heap->holes;
	uint32_t index = holes->free_head;

	if (XVI_LIKELY(index != 0)) {
		XVI_ASSERT(index < holes->high && holes->records[index].units == 0);
		holes->free_head = holes->records[index].next;
	} else {
		if (XVI_UNLIKELY(holes->high >= holes->ready))
			return 0;
		index = holes->high++;
		if (XVI_UNLIKELY(index % RECORD_STEP == 0))
			heap->source->records_used(heap->context, holes->high);
	}
	holes->live++;
	XVI_ASSERT(holes->live < holes->high); /* record 0 is not in use */
	return index;
}

static inline void hole_give(struct xvi_heap *heap, uint32_t index)
{
	struct xvi_hole_table *holes = &heap->holes;

	XVI_ASSERT(index != 0 && holes->live != 0);
	XVI_ASSERT(index < holes->high && holes->records[index].units != 0);
	holes->records[index].units = 0;
	holes->records[index].next = holes->free_head;
	holes->free_head = index;
	holes->live--;
}

#endif
