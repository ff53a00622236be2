/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * block.h: the 32-bit header before each payload, and the words at both ends of a hole. No other
 * file shifts their bits. Calls nothing, no locking, all O(1).
 *
 * Places and lengths in a page are counted in units of 4 bytes.
 *
 * Used block:
 *
 *   31        20 19              4 3  2 1         0
 *   [  stamp   ] [ content bytes ] [kind] PREV_FREE FREE=0
 *
 *   content     bytes behind the header that are in use, exactly; the block is header and
 *               content, rounded up to the heap's alignment
 *   kind        belongs to the caller: the heap only keeps it
 *   stamp       the generation of the page when the block was made. If blocks are not proved
 *               (heap.h), a hash of key, page and unit, with the generation in its upper seven
 *               bits
 *   PREV_FREE   the block before is a hole; its last word is the word before this one
 *
 * Hole: its first word, and its last word if a block follows:
 *
 *   31                                      3 2        1           0
 *   [ listed: number of its record | units  ] UNLISTED PREV_FREE=0 FREE=1
 */
#ifndef XVI_HEAP_BLOCK_H
#define XVI_HEAP_BLOCK_H

#include "xvi_bits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UNIT_SHIFT = 2,
	UNIT_BYTES = 1 << UNIT_SHIFT,
	BLOCK_HEADER_BYTES = 4,

	BLOCK_FREE = 1 << 0,
	BLOCK_PREV_FREE = 1 << 1,
	BLOCK_KIND_SHIFT = 2,
	BLOCK_KIND_MASK = 0x3,
	BLOCK_CONTENT_SHIFT = 4,
	BLOCK_CONTENT_MASK = 0xFFFF,
	BLOCK_STAMP_SHIFT = 20,
	BLOCK_STAMP_WIDTH = 12,

	HOLE_UNLISTED = 1 << 2,
	HOLE_VALUE_SHIFT = 3,
};

#define BLOCK_STAMP_BITS (~0U << BLOCK_STAMP_SHIFT)

_Static_assert(BLOCK_CONTENT_SHIFT == BLOCK_KIND_SHIFT + 2, "fields do not overlap");
_Static_assert(BLOCK_STAMP_SHIFT == BLOCK_CONTENT_SHIFT + 16, "nor leave gaps");
_Static_assert(BLOCK_STAMP_SHIFT + BLOCK_STAMP_WIDTH == 32, "and fill the word");

static inline bool block_is_free(uint32_t word)
{
	return (word & BLOCK_FREE) != 0;
}

static inline bool block_prev_is_free(uint32_t word)
{
	return (word & BLOCK_PREV_FREE) != 0;
}

static inline uint32_t block_kind(uint32_t word)
{
	return (word >> BLOCK_KIND_SHIFT) & BLOCK_KIND_MASK;
}

static inline uint32_t block_content(uint32_t word)
{
	return (word >> BLOCK_CONTENT_SHIFT) & BLOCK_CONTENT_MASK;
}

static inline uint32_t block_stamp(uint32_t word)
{
	return word >> BLOCK_STAMP_SHIFT;
}

/* stamp: shifted to its place, the other bits 0. */
static inline uint32_t block_word(uint32_t kind, uint32_t content, uint32_t stamp)
{
	XVI_ASSERT((stamp & ~BLOCK_STAMP_BITS) == 0);
	XVI_ASSERT(content <= BLOCK_CONTENT_MASK && kind <= BLOCK_KIND_MASK);
	return stamp | content << BLOCK_CONTENT_SHIFT | kind << BLOCK_KIND_SHIFT;
}

static inline uint32_t block_with_content(uint32_t word, uint32_t content)
{
	XVI_ASSERT(content <= BLOCK_CONTENT_MASK);
	return (word & ~((uint32_t)BLOCK_CONTENT_MASK << BLOCK_CONTENT_SHIFT)) |
	       content << BLOCK_CONTENT_SHIFT;
}

static inline uint32_t block_with_kind(uint32_t word, uint32_t kind)
{
	XVI_ASSERT(kind <= BLOCK_KIND_MASK);
	return (word & ~((uint32_t)BLOCK_KIND_MASK << BLOCK_KIND_SHIFT)) | kind << BLOCK_KIND_SHIFT;
}

static inline uint32_t hole_listed_word(uint32_t record)
{
	XVI_ASSERT(record <= UINT32_MAX >> HOLE_VALUE_SHIFT);
	return record << HOLE_VALUE_SHIFT | BLOCK_FREE;
}

static inline uint32_t hole_unlisted_word(uint32_t units)
{
	XVI_ASSERT(units <= UINT32_MAX >> HOLE_VALUE_SHIFT);
	return units << HOLE_VALUE_SHIFT | HOLE_UNLISTED | BLOCK_FREE;
}

static inline bool hole_is_listed(uint32_t word)
{
	return (word & HOLE_UNLISTED) == 0;
}

static inline uint32_t hole_value(uint32_t word)
{
	return word >> HOLE_VALUE_SHIFT;
}

#endif
