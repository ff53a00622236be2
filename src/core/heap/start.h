/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * start.h: the proof that a place is where a used block begins. For each KiB of a page its
 * record has a byte: the unit in that KiB where the first used block begins, or START_NONE.
 * From there blocks are followed to the place. Owns these bytes; reads headers.
 *
 * START_NONE is also the KiB's last unit. Where a block that begins there is the first of its
 * KiB, the byte does not tell it from none: that one place is proved from an earlier KiB.
 *
 * O(blocks that begin in a KiB); for that one place O(blocks and KiB of a page).
 */
#ifndef XVI_HEAP_START_H
#define XVI_HEAP_START_H

#include "heap.h"

enum { START_SHIFT = 8, START_NONE = 255 }; /* units in a KiB */

/* Bytes of a page of this size. */
static inline uint32_t start_count(uint32_t page_shift)
{
	return page_shift > START_SHIFT + UNIT_SHIFT ? 1U << (page_shift - START_SHIFT - UNIT_SHIFT)
						     : 1U;
}

static inline uint8_t *start_bytes(const struct xvi_shape *shape, struct xvi_page *page)
{
	return (uint8_t *)page + shape->starts_at;
}

/* A used block now begins at unit. */
static inline void start_add(const struct xvi_shape *shape, struct xvi_page *page, uint32_t unit)
{
	uint8_t *first = start_bytes(shape, page) + (unit >> START_SHIFT);

	if (XVI_LIKELY((uint8_t)unit < *first))
		*first = (uint8_t)unit;
}

/* The used block at unit is gone; the next one in the page, if any, begins at `next`. */
static inline void start_remove(const struct xvi_shape *shape, struct xvi_page *page, uint32_t unit,
				uint32_t next)
{
	uint8_t *first = start_bytes(shape, page) + (unit >> START_SHIFT);

	if (*first == (uint8_t)unit)
		*first = (unit ^ next) >> START_SHIFT == 0 && next < shape->end_unit ? (uint8_t)next
										     : START_NONE;
}

/* Is `unit` a used block's, on the way from the block or hole at `at`? */
static inline bool start_leads_to(const struct xvi_heap *heap, const struct xvi_shape *shape,
				  const uint32_t *words, uint32_t at, uint32_t unit)
{
	while (at < unit)
		at += shape_units_at(heap, shape, words[at]);
	return at == unit && !block_is_free(words[unit]);
}

/* The same from an earlier KiB of the page. (heap.c) */
bool xvi_start_is_from_before(const struct xvi_heap *heap, struct xvi_page *page,
			      const uint32_t *words, uint32_t unit);

/* Does a used block begin at unit? The page is mapped, and ours. */
static inline bool start_is(const struct xvi_heap *heap, const struct xvi_shape *shape,
			    struct xvi_page *page, const uint32_t *words, uint32_t unit)
{
	uint32_t low = start_bytes(shape, page)[unit >> START_SHIFT];

	XVI_ASSERT(unit < shape->end_unit);
	if (XVI_UNLIKELY(low == START_NONE))
		return (uint8_t)unit == START_NONE &&
		       xvi_start_is_from_before(heap, page, words, unit);
	return low == (uint8_t)unit ||
	       start_leads_to(heap, shape, words, (unit & ~(uint32_t)START_NONE) | low, unit);
}

/* No block begins anywhere in the page. */
static inline void start_clear(const struct xvi_heap *heap, struct xvi_page *page)
{
	memset(start_bytes(&heap->shape, page), START_NONE, start_count(heap->shape.page_shift));
}

#endif
