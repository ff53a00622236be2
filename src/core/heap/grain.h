/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * grain.h: which grains of a page have memory, and the pages with spare grains. Owns hot, committed
 * and the list of pages with spare grains; calls the source. O(grains of a page).
 */
#ifndef XVI_HEAP_GRAIN_H
#define XVI_HEAP_GRAIN_H

#include "heap.h"

/* Bits of the grains of units [from, to); from < to. */
static inline uint32_t grain_mask(const struct xvi_shape *shape, uint32_t from, uint32_t to)
{
	XVI_ASSERT(from < to && to <= shape->end_unit);
	return (2U << ((to - 1) >> shape->grain_shift)) - (1U << (from >> shape->grain_shift));
}

static inline uint32_t grain_bits(uint32_t mask)
{
	XVI_ASSERT(mask <= UINT16_MAX);
	mask = mask - (mask >> 1 & 0x5555U);
	mask = (mask & 0x3333U) + (mask >> 2 & 0x3333U);
	mask = (mask + (mask >> 4)) & 0x0F0FU;
	return (mask + (mask >> 8)) & 0x1FU;
}

/* Grains that lie wholly inside a hole. The grain of its first word does not, unless the hole is
 * the lead, nor the grain of its last word, unless it ends the page. */
static inline uint32_t grain_mask_inside(const struct xvi_heap *heap, uint32_t first, uint32_t end)
{
	uint32_t grain = 1U << heap->shape.grain_shift;
	uint32_t low =
		first == heap->shape.first_unit ? 0 : (first + grain) >> heap->shape.grain_shift;
	uint32_t high = end == heap->shape.end_unit ? heap->shape.grain_count
						    : (end - 1) >> heap->shape.grain_shift;

	XVI_ASSERT(heap->shape.first_unit <= first && first < end && end <= heap->shape.end_unit);
	return low < high ? (1U << high) - (1U << low) : 0;
}

/* Do these units of a page lie in hot grains? */
static inline bool grain_is_hot(const struct xvi_shape *shape, const struct xvi_page *record,
				uint32_t from, uint32_t to)
{
	return (grain_mask(shape, from, to) & ~(uint32_t)record->hot) == 0;
}

/* Set the committed and hot grains of a page. */
void xvi_grains_set(struct xvi_heap *heap, uint32_t page, uint32_t committed, uint32_t hot);

/* Make the grains of these units hot. Returns 0, or an error of the source with nothing changed. */
int xvi_grains_heat(struct xvi_heap *heap, uint32_t page, uint32_t from, uint32_t to);

/* A hole now covers [first, end): make the grains inside it spare, and give back what is too
 * much. The page may be gone afterwards if it is empty. */
void xvi_grains_cool(struct xvi_heap *heap, uint32_t page, uint32_t first, uint32_t end);

/* A block was freed, and its hole [first, end), with this record, is long, or all of its page.
 * Ends the map, and updates grains. The page may be gone afterwards. (free.c) */
void xvi_free_end(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t first,
		  uint32_t end, uint32_t index);

/* Take a page: it is one hole, its lead, without hot grains. Makes records ready. Returns 0, or an
 * error of the source with nothing changed. (heap.c) */
int xvi_page_take(struct xvi_heap *heap, uint32_t *page);

/* Give an empty page back, with its hole. (heap.c) */
void xvi_page_release(struct xvi_heap *heap, uint32_t page);

#endif
