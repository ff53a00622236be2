/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * prove.h: is a place a used block's? By start.h, or by the keyed check where the heap keeps no
 * proof; object.h says what that lets slip. Reads words of hot grains and records; O(1).
 */
#ifndef XVI_OBJECT_PROVE_H
#define XVI_OBJECT_PROVE_H

#include "grain.h"
#include "object.h"
#include "start.h"

static inline bool unit_is_hot(const struct xvi_shape *shape, struct xvi_page *record,
			       uint32_t unit)
{
	if (shape->grain_count == 1)
		return record->used_units != 0;
	return ((uint32_t)page_grains(record)->hot >> (unit >> shape->grain_shift) & 1U) != 0;
}

/* The record that a listed hole's word names, or NULL. Record 0 is no page's: its place is 0. */
static inline const struct xvi_hole *word_record(const struct xvi_heap *heap, uint32_t page,
						 uint32_t word)
{
	const struct xvi_hole *hole = &heap->holes.records[hole_value(word)];

	return hole_value(word) < heap->holes.high && hole->page == page ? hole : NULL;
}

/* Is this word, at this unit, the first of a hole? */
XVI_ALWAYS_INLINE bool keyed_hole_begins(const struct xvi_heap *heap,
					 const struct xvi_shape *shape, struct xvi_page *record,
					 uint32_t page, const uint32_t *words, uint32_t unit)
{
	uint32_t word = words[unit];
	uint32_t units = hole_value(word);
	uint32_t end = unit + units;

	if (block_prev_is_free(word))
		return false;
	if (hole_is_listed(word)) {
		const struct xvi_hole *hole = word_record(heap, page, word);

		return hole != NULL && hole->first == unit && hole->units != 0;
	}
	if (units == 0 || units > shape->end_unit - unit)
		return false;
	return end == shape->end_unit ||
	       (unit_is_hot(shape, record, end - 1) && words[end - 1] == word);
}

/* Does a hole end before this unit, whose own grain is hot? */
XVI_ALWAYS_INLINE bool keyed_hole_ends(const struct xvi_heap *heap, const struct xvi_shape *shape,
				       struct xvi_page *record, uint32_t page,
				       const uint32_t *words, uint32_t unit)
{
	uint32_t in_grain = unit & ((1U << shape->grain_shift) - 1U);
	uint32_t word, units;

	if (XVI_UNLIKELY(in_grain <= shape->first_unit) &&
	    (unit == shape->first_unit || !unit_is_hot(shape, record, unit - 1)))
		return false;
	word = words[unit - 1];
	units = hole_value(word);
	if ((word & (BLOCK_FREE | BLOCK_PREV_FREE)) != BLOCK_FREE)
		return false;
	if (hole_is_listed(word)) {
		const struct xvi_hole *hole = word_record(heap, page, word);

		return hole != NULL && (uint32_t)hole->first + hole->units == unit &&
		       hole->units != 0;
	}
	if (units == 0 || units > unit - shape->first_unit)
		return false;
	if (unit - units == shape->first_unit)
		return record->lead_units == units;
	return unit_is_hot(shape, record, unit - units) && words[unit - units] == word;
}

/* The whole check of the header at unit, below end_unit, but for its tag; where that was
 * compared with a handle's, the header's own keyed bits are right. */
XVI_ALWAYS_INLINE bool keyed_is(const struct xvi_heap *heap, const struct xvi_shape *shape,
				struct xvi_page *record, uint32_t page, const uint32_t *words,
				uint32_t unit)
{
	uint32_t header, behind, end;

	if (((unit - shape->first_unit) & (shape->align_mask >> UNIT_SHIFT)) != 0 ||
	    !unit_is_hot(shape, record, unit))
		return false;
	header = words[unit];
	end = unit + shape_block_units(shape, header);
	if (block_is_free(header) ||
	    (!shape->usual && !heap_check_is_keyed(heap, page, unit, header)))
		return false;
	if (end >= shape->end_unit || !unit_is_hot(shape, record, end))
		return end == shape->end_unit &&
		       (!block_prev_is_free(header) ||
			keyed_hole_ends(heap, shape, record, page, words, unit));
	behind = words[end];
	if (block_is_free(behind)) {
		if (!keyed_hole_begins(heap, shape, record, page, words, end))
			return false;
	} else if (block_prev_is_free(behind) ||
		   !heap_check_is_keyed(heap, page, end, behind) ||
		   end + shape_block_units(shape, behind) > shape->end_unit) {
		return false;
	}
	return !block_prev_is_free(header) ||
	       keyed_hole_ends(heap, shape, record, page, words, unit);
}

/* Is unit, below end_unit, a used block's, as far as the heap's proof or its keys tell? In the
 * usual shape the caller compares the tag. */
XVI_ALWAYS_INLINE bool unit_is_used_in(const struct xvi_heap *heap, const struct xvi_shape *shape,
				       struct xvi_page *record, uint32_t page,
				       const uint32_t *words, uint32_t unit)
{
	return shape->prove ? start_is(heap, shape, record, words, unit)
			    : keyed_is(heap, shape, record, page, words, unit);
}

/* The same in any heap. (handle.c) */
bool xvi_unit_is_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
		      uint32_t unit);

#endif
