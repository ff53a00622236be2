/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * start.h: the proof, in a page's record, that a used block begins at a place. Owns it; reads
 * headers.
 *
 *   alignment 16     a bit for each place where a block can begin. O(1)
 *   4 and 8          a byte for each KiB: the unit in it where the first used block begins, or
 *                    START_NONE. The search follows blocks from there to the place. O(blocks
 *                    that begin in a KiB)
 *
 * START_NONE is also the last unit of a KiB. If the only block of a KiB begins there, the byte
 * looks as if there were none: that place is proved from an earlier KiB, in O(blocks and KiB of a
 * page).
 *
 * The words of a page may have been overwritten: a search ends where one cannot be right (look.h).
 */
#ifndef XVI_HEAP_START_H
#define XVI_HEAP_START_H

#include "look.h"

enum {
	START_SHIFT = 8, /* units for each byte: a KiB */
	START_MASK = (1 << START_SHIFT) - 1,
	START_NONE = 255,

	START_BIT_SHIFT = 2, /* units for each bit */
	START_BIT_MASK = (1 << START_BIT_SHIFT) - 1,
};

_Static_assert(START_MASK <= UINT8_MAX && START_NONE >= START_MASK, "a byte names a unit, or none");

/* Bytes of the proof of a page of this size. */
static inline uint32_t start_bytes(uint32_t page_shift, bool bits)
{
	uint32_t shift = UNIT_SHIFT + (bits ? START_BIT_SHIFT + 3 : START_SHIFT);

	return page_shift > shift ? 1U << (page_shift - shift) : 1U;
}

/* The byte for a unit. */
static inline uint8_t *start_byte(const struct xvi_shape *shape, struct xvi_page *page,
				  uint32_t unit)
{
	return (uint8_t *)(page + 1) +
	       (unit >> (shape->start_bits ? START_BIT_SHIFT + 3 : START_SHIFT));
}

static inline uint8_t start_bit(uint32_t unit)
{
	return (uint8_t)(1U << (unit >> START_BIT_SHIFT & 7U));
}

/* A used block now begins at unit. */
static inline void start_add(const struct xvi_shape *shape, struct xvi_page *page, uint32_t unit)
{
	uint8_t *byte = start_byte(shape, page, unit);

	XVI_ASSERT(((unit - shape->first_unit) & (shape->align_mask >> UNIT_SHIFT)) == 0);
	XVI_ASSERT(!shape->start_bits || (*byte & start_bit(unit)) == 0);
	if (shape->start_bits)
		*byte |= start_bit(unit);
	else if (XVI_LIKELY((unit & START_MASK) < *byte))
		*byte = (uint8_t)(unit & START_MASK);
}

/* The used block at unit is gone; the next one in the page, if any, begins at `next`. */
static inline void start_remove(const struct xvi_shape *shape, struct xvi_page *page, uint32_t unit,
				uint32_t next)
{
	uint8_t *byte = start_byte(shape, page, unit);

	XVI_ASSERT(unit < next && next <= shape->end_unit);
	XVI_ASSERT(!shape->start_bits || (*byte & start_bit(unit)) != 0);
	if (shape->start_bits)
		*byte &= (uint8_t)~start_bit(unit);
	else if (*byte == (unit & START_MASK))
		*byte = (unit ^ next) >> START_SHIFT == 0 && next < shape->end_unit
				? (uint8_t)(next & START_MASK)
				: START_NONE;
}

/* Do blocks from the used block at `at` on lead to a used block at `unit`? A word that cannot be
 * right ends the search. */
static inline bool start_leads_to(const struct xvi_heap *heap, const struct xvi_shape *shape,
				  const struct xvi_page *record, uint32_t page,
				  const uint32_t *words, uint32_t at, uint32_t unit)
{
	while (at < unit) {
		uint32_t units = look_units(heap, shape, record, page, words, at);

		if (XVI_UNLIKELY(units == 0))
			return false;
		at += units;
	}
	return at == unit && unit_is_hot(shape, record, unit) && !block_is_free(words[unit]);
}

/* The same, from an earlier KiB of the page. (heap.c) */
bool xvi_start_is_from_before(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
			      uint32_t unit);

/* Does a used block begin at unit? The page is mapped, and is one of this heap. */
static inline bool start_is(const struct xvi_heap *heap, const struct xvi_shape *shape,
			    struct xvi_page *record, uint32_t page, const uint32_t *words,
			    uint32_t unit)
{
	uint32_t byte = *start_byte(shape, record, unit);

	XVI_ASSERT(unit < shape->end_unit);
	if (shape->start_bits)
		return (byte & start_bit(unit)) != 0 &&
		       ((unit ^ shape->first_unit) & START_BIT_MASK) == 0;
	if (XVI_UNLIKELY(byte == START_NONE))
		return (unit & START_MASK) == START_NONE &&
		       xvi_start_is_from_before(heap, page, words, unit);
	return byte == (unit & START_MASK) ||
	       start_leads_to(heap, shape, record, page, words,
			      (unit & ~(uint32_t)START_MASK) | byte, unit);
}

/* Does no block begin between the one at `from` and `to`, as far as the proof tells without a
 * search: in other places if blocks have bits, otherwise in other KiB? */
static inline bool start_none_between(const struct xvi_shape *shape, struct xvi_page *record,
				      uint32_t from, uint32_t to)
{
	const uint8_t *byte = start_byte(shape, record, from);
	const uint8_t *last;

	XVI_ASSERT(from < to && to <= shape->end_unit);
	if (shape->start_bits) {
		uint32_t place = (to >> START_BIT_SHIFT) - 1; /* the last one before `to` */
		uint32_t above = 0xFFU & ~((2U << (from >> START_BIT_SHIFT & 7U)) - 1U);
		uint32_t below = (2U << (place & 7U)) - 1U;

		last = start_byte(shape, record, place << START_BIT_SHIFT);
		if (byte == last)
			return (*byte & above & below) == 0;
		if ((*byte & above) != 0 || (*last & below) != 0)
			return false;
		while (++byte < last) {
			if (*byte != 0)
				return false;
		}
		return true;
	}
	last = start_byte(shape, record, to - 1);
	if (XVI_LIKELY(byte == last))
		return true;
	for (byte++; last - byte >= 8; byte += 8) {
		uint64_t eight;

		memcpy(&eight, byte, sizeof(eight));
		if (eight != UINT64_MAX) /* START_NONE in each */
			return false;
	}
	for (; byte < last; byte++) {
		if (*byte != START_NONE)
			return false;
	}
	return *last > ((to - 1) & START_MASK) || *last == START_NONE;
}

/* May a block begin at unit, behind the block at `from`? As above. */
static inline bool start_may_follow(const struct xvi_shape *shape, struct xvi_page *record,
				    uint32_t from, uint32_t unit)
{
	uint32_t byte = *start_byte(shape, record, unit);

	XVI_ASSERT(from < unit && unit < shape->end_unit);
	if (shape->start_bits)
		return (byte & start_bit(unit)) != 0;
	return (from ^ unit) >> START_SHIFT != 0 ? byte == (unit & START_MASK)
						 : byte < (unit & START_MASK);
}

/* No block begins in the page. */
static inline void start_clear(const struct xvi_shape *shape, struct xvi_page *page)
{
	memset((uint8_t *)(page + 1), shape->start_bits ? 0 : START_NONE,
	       start_bytes(shape->page_shift, shape->start_bits));
}

#endif
