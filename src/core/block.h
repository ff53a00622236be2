/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The block header: one 32-bit word before each payload, and the same word again
 * (the boundary tag) at the end of a free block. This file owns the word's layout;
 * nobody else shifts its bits. Calls nothing. No locking. Everything is O(1).
 *
 * Positions and lengths in a page are counted in units of 4 bytes.
 *
 * Used block (U = page_shift - 2 bits say the length, the rest is generation):
 *
 *   31         14+U 13+U       14 13   10 9     5 4  2  1         0
 *   [ generation  ] [ units - 1 ] [check] [ pad ] [kind] PREV_FREE FREE=0
 *
 *   units       whole block, header included; 1 .. 2^U
 *   pad         unused bytes at its end: content = units*4 - 4 - pad
 *   check       hash of pool seed, page and offset: tells a header from payload
 *   generation  low bits of the page's allocation counter: tells a stale handle
 *
 * Free block (first word, and last word when another block follows):
 *
 *   31                                        5 4  2  1           0
 *   [ listed: hole record | else: units        ] [kind] PREV_FREE=0 FREE=1
 *
 * The content of a used block, by kind; [owner] only in pools made with owners:
 *
 *   WHOLE         [owner] object
 *   HEAD, MIDDLE  [owner] link (4 or 6 bytes: where the next fragment is), part of an object
 *   LAST          [owner] part of an object
 *   INDEX         [owner] link (8 bytes; all ones or the tail's first fragment), page count,
 *                 size, page numbers
 *   STOCK         nothing
 *
 * PREV_FREE of a free block is never set: two free blocks never touch.
 */
#ifndef XVI_BLOCK_H
#define XVI_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UNIT_SHIFT = 2,
	UNIT_BYTES = 1 << UNIT_SHIFT,
	BLOCK_HEADER_BYTES = 4,

	BLOCK_FREE = 1U << 0,
	BLOCK_PREV_FREE = 1U << 1,

	BLOCK_KIND_SHIFT = 2,
	BLOCK_KIND_MASK = 0x7,
	BLOCK_PAD_SHIFT = 5,
	BLOCK_PAD_BITS = 5,
	BLOCK_PAD_MAX = (1 << BLOCK_PAD_BITS) - 1,
	BLOCK_CHECK_SHIFT = 10,
	BLOCK_CHECK_BITS = 4,
	BLOCK_CHECK_MASK = (1 << BLOCK_CHECK_BITS) - 1,
	BLOCK_UNITS_SHIFT = 14,
	BLOCK_FREE_VALUE_SHIFT = 5,
	BLOCK_FREE_VALUE_BITS = 27,
	BLOCK_OWNER_BYTES = 4,
	BLOCK_INDEX_LINK_BYTES = 8, /* of other kinds: the pool's link_bytes */

	/* A rest of fewer units than this stays in the block as pad: a free block
	 * costs a 16-byte record, so that a smaller one gains nothing. */
	BLOCK_SPLIT_MIN_UNITS = 4,
};

/* Kinds of used block. */
enum {
	BLOCK_WHOLE = 0,  /* an object */
	BLOCK_HEAD = 1,   /* first fragment of a split object */
	BLOCK_MIDDLE = 2, /* fragment with one before and one behind it */
	BLOCK_LAST = 3,   /* last fragment */
	BLOCK_INDEX = 4,  /* head of an object larger than a page */
	BLOCK_STOCK = 5,  /* no object: freed, and kept for quick reuse */
	BLOCK_KINDS = 6,
};

/* Kinds of free block. */
enum {
	FREE_LISTED = 0,   /* the value is the number of its hole record */
	FREE_UNLISTED = 1, /* no record was to be had: the value is its units */
};

_Static_assert(BLOCK_CHECK_SHIFT == BLOCK_PAD_SHIFT + BLOCK_PAD_BITS, "fields do not overlap");
_Static_assert(BLOCK_UNITS_SHIFT == BLOCK_CHECK_SHIFT + BLOCK_CHECK_BITS, "nor leave gaps");
_Static_assert(BLOCK_UNITS_SHIFT + 14 < 32, "64 KiB pages leave generation bits");
/* Alignment 16 rounds by up to 15 bytes and keeps a rest of up to 12. */
_Static_assert(15 + (BLOCK_SPLIT_MIN_UNITS - 1) * UNIT_BYTES <= BLOCK_PAD_MAX, "pad fits");

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

static inline uint32_t block_pad(uint32_t word)
{
	return (word >> BLOCK_PAD_SHIFT) & BLOCK_PAD_MAX;
}

static inline uint32_t block_check(uint32_t word)
{
	return (word >> BLOCK_CHECK_SHIFT) & BLOCK_CHECK_MASK;
}

/* Units of a used block. unit_bits is U above. */
static inline uint32_t block_units(uint32_t word, unsigned unit_bits)
{
	return ((word >> BLOCK_UNITS_SHIFT) & ((1U << unit_bits) - 1U)) + 1U;
}

static inline uint32_t block_generation(uint32_t word, unsigned unit_bits)
{
	return word >> (BLOCK_UNITS_SHIFT + unit_bits);
}

/* Does the content begin with a link (behind the owner word)? */
static inline bool block_kind_has_link(uint32_t kind)
{
	return kind == BLOCK_HEAD || kind == BLOCK_MIDDLE || kind == BLOCK_INDEX;
}

/* Is it one of several fragments of an object? */
static inline bool block_kind_is_fragment(uint32_t kind)
{
	return kind == BLOCK_HEAD || kind == BLOCK_MIDDLE || kind == BLOCK_LAST;
}

/* Is it the block that an object's handle names? */
static inline bool block_kind_is_head(uint32_t kind)
{
	return kind == BLOCK_WHOLE || kind == BLOCK_HEAD || kind == BLOCK_INDEX;
}

/* Content bytes. Negative only when the word is not a header of ours. */
static inline int32_t block_content_bytes(uint32_t word, unsigned unit_bits)
{
	return (int32_t)(block_units(word, unit_bits) * UNIT_BYTES) - BLOCK_HEADER_BYTES -
	       (int32_t)block_pad(word);
}

/* The free-block word: header and boundary tag. */
static inline uint32_t block_free_word(uint32_t kind, uint32_t value)
{
	return (value << BLOCK_FREE_VALUE_SHIFT) | (kind << BLOCK_KIND_SHIFT) | BLOCK_FREE;
}

static inline uint32_t block_free_value(uint32_t word)
{
	return word >> BLOCK_FREE_VALUE_SHIFT;
}

/* The header of a used block, in front of which nothing is free. */
static inline uint32_t block_used_word(unsigned unit_bits, uint32_t kind, uint32_t units,
				       uint32_t pad, uint32_t check, uint32_t generation)
{
	return (generation << (BLOCK_UNITS_SHIFT + unit_bits)) |
	       ((units - 1U) << BLOCK_UNITS_SHIFT) |
	       ((check & BLOCK_CHECK_MASK) << BLOCK_CHECK_SHIFT) | (pad << BLOCK_PAD_SHIFT) |
	       (kind << BLOCK_KIND_SHIFT);
}

/* Is it the header of a used block of this kind, with this check field? */
static inline bool block_is_used_as(uint32_t word, uint32_t kind, uint32_t check)
{
	uint32_t mask = BLOCK_FREE | (BLOCK_KIND_MASK << BLOCK_KIND_SHIFT) |
			((uint32_t)BLOCK_CHECK_MASK << BLOCK_CHECK_SHIFT);

	return (word & mask) ==
	       ((kind << BLOCK_KIND_SHIFT) | ((check & BLOCK_CHECK_MASK) << BLOCK_CHECK_SHIFT));
}

/* The header of the same block, kept for quick reuse. */
static inline uint32_t block_stocked(uint32_t word)
{
	uint32_t mask = (BLOCK_KIND_MASK << BLOCK_KIND_SHIFT) |
			((uint32_t)BLOCK_PAD_MAX << BLOCK_PAD_SHIFT);

	return (word & ~mask) | ((uint32_t)BLOCK_STOCK << BLOCK_KIND_SHIFT);
}

/* The same header with another length and pad; flags and tag stay. */
static inline uint32_t block_resized(uint32_t word, unsigned unit_bits, uint32_t units,
				     uint32_t pad)
{
	uint32_t mask = (((1U << unit_bits) - 1U) << BLOCK_UNITS_SHIFT) |
			((uint32_t)BLOCK_PAD_MAX << BLOCK_PAD_SHIFT);

	return (word & ~mask) | ((units - 1U) << BLOCK_UNITS_SHIFT) | (pad << BLOCK_PAD_SHIFT);
}

#endif
