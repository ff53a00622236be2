/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * prove.h: does a used block begin at a place? By start.h, or by the keyed check if the heap keeps
 * no proof; object.h says what passes falsely. Reads words of hot grains and records; O(1).
 */
#ifndef XVI_OBJECT_PROVE_H
#define XVI_OBJECT_PROVE_H

#include "fast.h"
#include "object.h"

static inline bool unit_is_hot(const struct xvi_shape *shape, struct xvi_page *record,
			       uint32_t unit)
{
	return ((uint32_t)record->hot >> (unit >> shape->grain_shift) & 1U) != 0;
}

/* The record that the word of a listed hole names, if it is one of this page, or NULL. Record 0
 * is of no page: its place is 0. */
XVI_ALWAYS_INLINE const struct xvi_hole *word_record(const struct xvi_heap *heap, uint32_t page,
						     uint32_t word)
{
	const struct xvi_hole *hole = &heap->holes.records[hole_value(word)];

	return hole_value(word) < heap->holes.high && hole->page == page && hole->units != 0 ? hole
											     : NULL;
}

/* Is this word, at around->end, the first of a hole? If so, adds the hole. */
XVI_ALWAYS_INLINE bool keyed_hole_begins(const struct xvi_heap *heap, const struct xvi_shape *shape,
					 struct xvi_page *record, uint32_t page,
					 const uint32_t *words, struct xvi_around *around)
{
	uint32_t unit = around->end;
	uint32_t word = words[unit];
	uint32_t end = unit + hole_value(word);

	if (block_prev_is_free(word))
		return false;
	if (hole_is_listed(word)) {
		const struct xvi_hole *hole = word_record(heap, page, word);

		if (hole == NULL || hole->first != unit)
			return false;
		around->behind = hole_value(word);
		around->end += hole->units;
		return true;
	}
	around->end = end;
	return unit < end && end <= shape->end_unit &&
	       (end == shape->end_unit ||
		(unit_is_hot(shape, record, end - 1) && words[end - 1] == word));
}

/* Does a hole end before this unit, whose own grain is hot? If so, adds the hole. */
XVI_ALWAYS_INLINE bool keyed_hole_ends(const struct xvi_heap *heap, const struct xvi_shape *shape,
				       struct xvi_page *record, uint32_t page,
				       const uint32_t *words, uint32_t unit,
				       struct xvi_around *around)
{
	uint32_t in_grain = unit & ((1U << shape->grain_shift) - 1U);
	uint32_t word, units;

	if (XVI_UNLIKELY(in_grain <= shape->first_unit) &&
	    (unit == shape->first_unit || !unit_is_hot(shape, record, unit - 1)))
		return false;
	word = words[unit - 1];
	if ((word & (BLOCK_FREE | BLOCK_PREV_FREE)) != BLOCK_FREE)
		return false;
	if (hole_is_listed(word)) {
		const struct xvi_hole *hole = word_record(heap, page, word);

		if (hole == NULL || (uint32_t)hole->first + hole->units != unit)
			return false;
		around->before = hole_value(word);
		around->first = hole->first;
		return true;
	}
	units = hole_value(word);
	if (units == 0 || units > unit - shape->first_unit)
		return false;
	around->first = unit - units;
	if (around->first == shape->first_unit)
		return record->lead_units == units;
	return unit_is_hot(shape, record, around->first) && words[around->first] == word;
}

/* Does a used block or a hole begin at around->end, below end_unit, as a block that ends there
 * needs? */
XVI_ALWAYS_INLINE bool keyed_behind(const struct xvi_heap *heap, const struct xvi_shape *shape,
				    struct xvi_page *record, uint32_t page, const uint32_t *words,
				    struct xvi_around *around)
{
	uint32_t end = around->end;
	uint32_t behind;

	if (XVI_UNLIKELY(!unit_is_hot(shape, record, end)))
		return false;
	behind = words[end];
	if (block_is_free(behind))
		return keyed_hole_begins(heap, shape, record, page, words, around);
	return ((behind ^ heap_place_hash(heap, page, end)) & BLOCK_KEYED_BITS) == 0 &&
	       !block_prev_is_free(behind) &&
	       end + shape_block_units(shape, behind) <= shape->end_unit;
}

/* The keyed check of the header at unit, below end_unit, and of what is around it, without the
 * tag. In the usual shape the caller compares the tag, which has the keyed bits of the header. */
XVI_ALWAYS_INLINE bool keyed_is(const struct xvi_heap *heap, const struct xvi_shape *shape,
				struct xvi_page *record, uint32_t page, const uint32_t *words,
				uint32_t unit, struct xvi_around *around)
{
	uint32_t header;

	if (((unit - shape->first_unit) & (shape->align_mask >> UNIT_SHIFT)) != 0 ||
	    XVI_UNLIKELY(!unit_is_hot(shape, record, unit)))
		return false;
	header = words[unit];
	*around = (struct xvi_around){unit, unit + shape_block_units(shape, header), 0, 0};
	if ((!shape->usual && block_is_free(header)) ||
	    (!shape->usual && !heap_stamp_is_keyed(heap, page, unit, header)) ||
	    (around->end < shape->end_unit ? !keyed_behind(heap, shape, record, page, words, around)
					   : around->end != shape->end_unit))
		return false;
	return !block_prev_is_free(header) ||
	       keyed_hole_ends(heap, shape, record, page, words, unit, around);
}

/* Does a used block begin at unit, below end_unit, as far as the proof or the keyed check tells?
 * (handle.c) */
bool xvi_unit_is_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
		      uint32_t unit);

#endif
