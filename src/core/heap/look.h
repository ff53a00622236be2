/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * look.h: what lies around a block, read from words that anybody may have overwritten. Owns
 * nothing. Reads words of hot grains only, and trusts records: a word counts only if the record
 * that it names, or the word at the other end of its hole, says the same. O(1).
 */
#ifndef XVI_HEAP_LOOK_H
#define XVI_HEAP_LOOK_H

#include "grain.h"

/* What a block becomes part of when it is freed. */
struct xvi_around {
	uint32_t first; /* units [first, end) */
	uint32_t end;
	uint32_t before; /* records of the holes around it; 0 = no hole, or not listed */
	uint32_t behind;
};

static inline bool unit_is_hot(const struct xvi_shape *shape, const struct xvi_page *record,
			       uint32_t unit)
{
	XVI_ASSERT(unit < shape->end_unit);
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
XVI_ALWAYS_INLINE bool look_hole_behind(const struct xvi_heap *heap, const struct xvi_shape *shape,
					const struct xvi_page *record, uint32_t page,
					const uint32_t *words, struct xvi_around *around)
{
	uint32_t unit = around->end;
	uint32_t word = words[unit];
	uint32_t end = unit + hole_value(word);

	XVI_ASSERT(unit_is_hot(shape, record, unit));
	if (block_prev_is_free(word))
		return false;
	if (hole_is_listed(word)) {
		const struct xvi_hole *hole = word_record(heap, page, word);

		if (hole == NULL || hole->first != unit)
			return false;
		around->behind = hole_value(word);
		around->end += hole->units;
		XVI_ASSERT(around->end <= shape->end_unit); /* 4 */
		return true;
	}
	around->end = end;
	return unit < end && end <= shape->end_unit &&
	       (end == shape->end_unit ||
		(unit_is_hot(shape, record, end - 1) && words[end - 1] == word));
}

/* Does a hole end before this unit, whose own grain is hot? If so, adds the hole. */
XVI_ALWAYS_INLINE bool look_hole_before(const struct xvi_heap *heap, const struct xvi_shape *shape,
					const struct xvi_page *record, uint32_t page,
					const uint32_t *words, uint32_t unit,
					struct xvi_around *around)
{
	uint32_t in_grain = unit & ((1U << shape->grain_shift) - 1U);
	uint32_t word, units;

	XVI_ASSERT(unit_is_hot(shape, record, unit));
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
		XVI_ASSERT(around->first >= shape->first_unit); /* 4 */
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

/* Units from a place at which a block or a hole, not the lead, must begin to the next one; 0 if
 * its word cannot be right. Memory may be missing there. */
XVI_ALWAYS_INLINE uint32_t look_units(const struct xvi_heap *heap, const struct xvi_shape *shape,
				      const struct xvi_page *record, uint32_t page,
				      const uint32_t *words, uint32_t unit)
{
	struct xvi_around around = {unit, unit, 0, 0};
	uint32_t units;

	if (XVI_UNLIKELY(!unit_is_hot(shape, record, unit)))
		return 0;
	if (XVI_UNLIKELY(block_is_free(words[unit])))
		return look_hole_behind(heap, shape, record, page, words, &around)
			       ? around.end - unit
			       : 0;
	units = shape_block_units(shape, words[unit]);
	return XVI_LIKELY(units <= shape->end_unit - unit) ? units : 0;
}

#endif
