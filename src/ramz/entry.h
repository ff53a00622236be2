/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * entry.h: the 64-bit slot entry. No other file shifts its bits.
 *
 * Owns nothing, calls nothing, no locking, O(1).
 *
 *   bit   63      48 47              10 9   8 7 6    5   3 2  1 0
 *   absent   [ 0                                          | 0  |L]
 *   same     [ value, 59 bits                       |form | 1  |L]   form: bits 3, 4
 *   object   [ tag  | unit, 38 bits   |tried|-|good| coding| 2  |L]   tried: bits 8, 9
 *   record   [ record number, 32 bits | -     |0|good|coding|3  |L]   see dedup.h
 *   side     [ low 56 bits of the word        |1| 0        | 3  |L]   bit 7
 *   backed   [ place, 38 bits | bytes, 17 |  1|0|good|coding|3  |L]   bit 8; see backing.h
 *
 *   L       a thread changes the entry, and others must leave it alone: see store_impl.h
 *   unit    place of the object in units of 4 bytes from page 0 of the pool: 1 TiB
 *   good    the compressed form takes at most half a page
 *   coding  index in the store's table, 0 = raw
 *   place   of a form on the device, in units of 8 bytes: 2 TiB; bytes 9 .. 25: its length, tail
 *           included
 *   tried   the highest tier that did not make the form clearly shorter; 0 = none
 */
#ifndef RZI_ENTRY_H
#define RZI_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include <xvmalloc/base.h>

#include "platform.h"

enum rzi_entry_kind {
	ENTRY_ABSENT = 0,
	ENTRY_SAME = 1,
	ENTRY_OBJECT = 2,
	ENTRY_OTHER = 3, /* record or side */
};

#define ENTRY_LOCK ((uint64_t)1)

enum {
	ENTRY_KIND_SHIFT = 1,
	ENTRY_CODEC_SHIFT = 3,
	ENTRY_GOOD_SHIFT = 6,
	ENTRY_SIDE_SHIFT = 7,
	ENTRY_TRIED_SHIFT = 8,
	ENTRY_TRIED_MASK = 3,
	ENTRY_UNIT_SHIFT = 10,
	ENTRY_UNIT_BITS = 38,
	ENTRY_TAG_SHIFT = 48,
	ENTRY_RECORD_SHIFT = 32,
	ENTRY_UNIT_BYTES_SHIFT = 2,
	ENTRY_CODEC_MASK = 7,
	SAME_FORM_SHIFT = 3,
	SAME_VALUE_SHIFT = 5,
	SIDE_VALUE_SHIFT = 8,
	BACKED_BYTES_SHIFT = 9,
	BACKED_BYTES_MASK = (1 << 17) - 1,
	BACKED_PLACE_SHIFT = 26,
	BACKED_UNIT_SHIFT = 3,
};

/* How 59 bits hold the word of a same-filled page. */
enum same_form {
	SAME_LOW = 0,    /* its low 59 bits, sign-extended */
	SAME_REPEAT = 1, /* its low 32 bits, repeated */
	SAME_HIGH = 2,   /* its high 59 bits; the others are 0 */
};

static inline bool rzi_entry_locked(uint64_t entry)
{
	return (entry & ENTRY_LOCK) != 0;
}

static inline enum rzi_entry_kind rzi_entry_kind(uint64_t entry)
{
	return (enum rzi_entry_kind)((entry >> ENTRY_KIND_SHIFT) & 3U);
}

static inline bool rzi_entry_is_side(uint64_t entry)
{
	return rzi_entry_kind(entry) == ENTRY_OTHER && ((entry >> ENTRY_SIDE_SHIFT) & 1U) != 0;
}

static inline bool rzi_entry_is_record(uint64_t entry)
{
	return rzi_entry_kind(entry) == ENTRY_OTHER && ((entry >> ENTRY_SIDE_SHIFT) & 3U) == 0;
}

static inline bool rzi_entry_is_backed(uint64_t entry)
{
	return rzi_entry_kind(entry) == ENTRY_OTHER && ((entry >> ENTRY_SIDE_SHIFT) & 3U) == 2;
}

static inline bool rzi_entry_is_same(uint64_t entry)
{
	return rzi_entry_kind(entry) == ENTRY_SAME || rzi_entry_is_side(entry);
}

static inline uint32_t rzi_entry_codec(uint64_t entry)
{
	return (uint32_t)(entry >> ENTRY_CODEC_SHIFT) & ENTRY_CODEC_MASK;
}

static inline bool rzi_entry_good(uint64_t entry)
{
	return ((entry >> ENTRY_GOOD_SHIFT) & 1U) != 0;
}

/* ---- same-filled ---- */

/* The entry for a word, if 59 bits can hold it. */
static inline bool rzi_entry_of_word(uint64_t word, uint64_t *entry)
{
	uint64_t value, form;

	if (word < (uint64_t)1 << 58 || word >= ~(uint64_t)0 << 58) {
		form = SAME_LOW;
		value = word;
	} else if ((word >> 32) == (word & UINT32_MAX)) {
		form = SAME_REPEAT;
		value = word & UINT32_MAX;
	} else if ((word & 31U) == 0) {
		form = SAME_HIGH;
		value = word >> 5;
	} else {
		return false;
	}
	*entry = value << SAME_VALUE_SHIFT | form << SAME_FORM_SHIFT |
		 (uint64_t)ENTRY_SAME << ENTRY_KIND_SHIFT;
	return true;
}

/* The word of an ENTRY_SAME. */
static inline uint64_t rzi_entry_word(uint64_t entry)
{
	uint64_t value = entry >> SAME_VALUE_SHIFT;

	RZI_ASSERT(rzi_entry_kind(entry) == ENTRY_SAME);
	switch ((enum same_form)((entry >> SAME_FORM_SHIFT) & 3U)) {
	case SAME_REPEAT:
		return value << 32 | value;
	case SAME_HIGH:
		return value << 5;
	case SAME_LOW:
	default:
		return (value >> 58) != 0 ? value | ~(uint64_t)0 << 59 : value;
	}
}

/* The entry of a word in the side table. */
static inline uint64_t rzi_entry_of_side(uint64_t word)
{
	return word << SIDE_VALUE_SHIFT | (uint64_t)1 << ENTRY_SIDE_SHIFT |
	       (uint64_t)ENTRY_OTHER << ENTRY_KIND_SHIFT;
}

/* ---- objects ---- */

/* The entry of an object, if it lies in the first TiB at a multiple of 4. */
static inline bool rzi_entry_of_object(xv_handle handle, uint32_t pool_page_shift, uint32_t codec,
				       bool good, uint64_t *entry)
{
	uint64_t byte =
		((uint64_t)xv_handle_page(handle) << pool_page_shift) + xv_handle_offset(handle);
	uint64_t unit = byte >> ENTRY_UNIT_BYTES_SHIFT;

	RZI_ASSERT(codec <= ENTRY_CODEC_MASK);
	if ((byte & 3U) != 0 || (unit >> ENTRY_UNIT_BITS) != 0)
		return false;
	*entry = (handle >> ENTRY_TAG_SHIFT) << ENTRY_TAG_SHIFT | unit << ENTRY_UNIT_SHIFT |
		 (uint64_t)good << ENTRY_GOOD_SHIFT | (uint64_t)codec << ENTRY_CODEC_SHIFT |
		 (uint64_t)ENTRY_OBJECT << ENTRY_KIND_SHIFT;
	return true;
}

/* The entry of an object that moved, if an entry can name its new place. */
static inline bool rzi_entry_moved(uint64_t from, xv_handle handle, uint32_t pool_page_shift,
				   uint64_t *entry)
{
	const uint64_t kept = ((uint64_t)1 << ENTRY_UNIT_SHIFT) - 1;
	uint64_t to;

	if (!rzi_entry_of_object(handle, pool_page_shift, 0, false, &to))
		return false;
	*entry = (to & ~kept) | (from & kept);
	return true;
}

static inline uint32_t rzi_entry_tried(uint64_t entry)
{
	return (uint32_t)(entry >> ENTRY_TRIED_SHIFT) & ENTRY_TRIED_MASK;
}

static inline uint64_t rzi_entry_with_tried(uint64_t entry, uint32_t tier)
{
	RZI_ASSERT(tier <= ENTRY_TRIED_MASK && rzi_entry_kind(entry) == ENTRY_OBJECT);
	return (entry & ~((uint64_t)ENTRY_TRIED_MASK << ENTRY_TRIED_SHIFT)) |
	       (uint64_t)tier << ENTRY_TRIED_SHIFT;
}

/* Its place, from page 0 of the pool on. */
static inline uint64_t rzi_entry_byte(uint64_t entry)
{
	uint64_t unit = (entry >> ENTRY_UNIT_SHIFT) & (((uint64_t)1 << ENTRY_UNIT_BITS) - 1);

	return unit << ENTRY_UNIT_BYTES_SHIFT;
}

static inline xv_handle rzi_entry_handle(uint64_t entry, uint32_t pool_page_shift)
{
	uint64_t byte = rzi_entry_byte(entry);
	uint32_t page = (uint32_t)(byte >> pool_page_shift);
	uint32_t offset = (uint32_t)(byte & (((uint64_t)1 << pool_page_shift) - 1));

	return xv_handle_at(page, offset) | (entry >> ENTRY_TAG_SHIFT) << ENTRY_TAG_SHIFT;
}

/* ---- records ---- */

/* The slot entry for a record whose object has this entry. */
static inline uint64_t rzi_entry_of_record(uint32_t record, uint64_t object_entry)
{
	RZI_ASSERT(rzi_entry_kind(object_entry) == ENTRY_OBJECT);
	return (uint64_t)record << ENTRY_RECORD_SHIFT |
	       (uint64_t)rzi_entry_good(object_entry) << ENTRY_GOOD_SHIFT |
	       (uint64_t)rzi_entry_codec(object_entry) << ENTRY_CODEC_SHIFT |
	       (uint64_t)ENTRY_OTHER << ENTRY_KIND_SHIFT;
}

static inline uint32_t rzi_entry_record(uint64_t entry)
{
	RZI_ASSERT(rzi_entry_is_record(entry));
	return (uint32_t)(entry >> ENTRY_RECORD_SHIFT);
}

/* ---- on the device ---- */

/* offset is a multiple of 8 below 2 TiB; bytes is the length of the form with its tail. */
static inline uint64_t rzi_entry_of_backed(uint64_t offset, uint32_t bytes, uint32_t coding,
					   bool good)
{
	RZI_ASSERT(offset % (1U << BACKED_UNIT_SHIFT) == 0);
	RZI_ASSERT(offset >> BACKED_UNIT_SHIFT <= UINT64_MAX >> BACKED_PLACE_SHIFT);
	RZI_ASSERT(bytes <= BACKED_BYTES_MASK && coding <= ENTRY_CODEC_MASK);
	return (offset >> BACKED_UNIT_SHIFT) << BACKED_PLACE_SHIFT |
	       (uint64_t)bytes << BACKED_BYTES_SHIFT | (uint64_t)2 << ENTRY_SIDE_SHIFT |
	       (uint64_t)good << ENTRY_GOOD_SHIFT | (uint64_t)coding << ENTRY_CODEC_SHIFT |
	       (uint64_t)ENTRY_OTHER << ENTRY_KIND_SHIFT;
}

static inline uint64_t rzi_entry_backed_offset(uint64_t entry)
{
	return (entry >> BACKED_PLACE_SHIFT) << BACKED_UNIT_SHIFT;
}

static inline uint32_t rzi_entry_backed_bytes(uint64_t entry)
{
	return (uint32_t)(entry >> BACKED_BYTES_SHIFT) & BACKED_BYTES_MASK;
}

#endif
