/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free.c: a block becomes part of a hole. Joins it with the holes around it, and has the grains
 * that the hole then has to itself given back. Cannot fail: the record it may need was made
 * sure of when the block was made.
 */
#include "fast.h"

/* What lies around a block. */
struct merge {
	uint32_t first; /* of the hole to be */
	uint32_t end;
	uint32_t before; /* record of the hole before, in no list any more; 0 = none */
	uint32_t behind;
};

/*
 *   [ hole before ][ used ][ hole behind ]  =>  [ one hole ]
 *   [ used        ][ used ][ hole behind ]  =>  [ used     ][ one hole ]
 *   and so on
 */
static inline struct merge merge_around(struct xvi_heap *heap, const struct xvi_page *record,
					const uint32_t *words, uint32_t unit, uint32_t units)
{
	struct merge merge = {.first = unit, .end = unit + units};

	if (block_prev_is_free(words[unit])) {
		uint32_t word = words[unit - 1];

		XVI_ASSERT(block_is_free(word));
		merge.first -= heap_hole_units(heap, word);
		merge.before = hole_remove(heap, record, word);
	}
	if (merge.end < heap->end_unit && block_is_free(words[merge.end])) {
		uint32_t word = words[merge.end];

		merge.end += heap_hole_units(heap, word);
		merge.behind = hole_remove(heap, record, word);
	}
	return merge;
}

/* List the hole under one of the records, which is returned. */
static inline uint32_t merge_put(struct xvi_heap *heap, uint32_t page, uint32_t *words,
				 struct merge *merge)
{
	uint32_t index = merge->behind;

	if (merge->before != 0) {
		if (index != 0)
			hole_give(heap, index);
		index = merge->before;
	}
	if (merge->end < heap->end_unit)
		words[merge->end] |= BLOCK_PREV_FREE;
	return hole_put(heap, page, words, merge->first, merge->end - merge->first, index);
}

static void victim_forget(struct xvi_heap *heap, uint32_t page)
{
	for (uint32_t i = 0; i < heap->victim_count; i++) {
		if (heap->victim[i] == page)
			heap->victim[i] = heap->victim[--heap->victim_count];
	}
}

/* The page's last block is gone: it is one hole, to be listed like others. */
static XVI_NOINLINE void page_emptied(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_page *record = heap_page(heap, page);

	if (page_is_victim(record)) {
		record->state = (uint8_t)(record->state & ~PAGE_VICTIM);
		victim_forget(heap, page);
	}
}

void xvi_heap_free_slow(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t unit)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t units = heap_block_units(heap, words[unit]);
	struct merge merge;
	uint32_t index;

	XVI_ASSERT(heap_owns(heap, page) && !block_is_free(words[unit]));
	XVI_ASSERT(record->used_units >= units && heap->block_count != 0);
	merge = merge_around(heap, record, words, unit, units);
	record->used_units = (uint16_t)(record->used_units - units);
	heap->used_units -= units;
	heap->block_count--;
	words[unit] |= BLOCK_FREE; /* also where the hole begins before it */
	if (heap->prove)
		start_remove(heap, record, unit, merge.end);
	if (XVI_UNLIKELY(record->used_units == 0))
		page_emptied(heap, page);
	index = merge_put(heap, page, words, &merge);
	heap_unmap(heap, page, words); /* before the page, or another, is given back */
	if (heap->grain_count == 1) {
		if (XVI_UNLIKELY(record->used_units == 0))
			xvi_page_cool(heap, page, index);
	} else if (XVI_UNLIKELY(merge.end - merge.first >= 1U << heap->grain_shift)) {
		page_grains(record)->whole = index; /* of use once the page is empty */
		xvi_grains_cool(heap, page, merge.first, merge.end);
	}
}

void xvi_heap_free(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t unit)
{
	struct xvi_page *record = heap_page(heap, page);

	if (!heap_free_fast(heap, record, page, words, unit, words[unit]))
		xvi_heap_free_slow(heap, page, words, unit);
	xvi_heap_debug_check(heap);
}
