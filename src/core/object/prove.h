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

static inline bool unit_is_hot(const struct xvi_heap *heap, struct xvi_page *record, uint32_t unit)
{
	return grain_is_hot(heap, record, unit, unit + 1);
}

/* The record that a listed hole's word names, or NULL. */
static inline const struct xvi_hole *word_record(const struct xvi_heap *heap, uint32_t page,
						 uint32_t word)
{
	const struct xvi_hole *hole;

	if (hole_value(word) == 0 || hole_value(word) >= heap->holes.high)
		return NULL;
	hole = &heap->holes.records[hole_value(word)];
	return hole->units != 0 && hole->page == page ? hole : NULL;
}

/* Is this word, at this unit, the first of a hole? */
static inline bool keyed_hole_begins(const struct xvi_heap *heap, struct xvi_page *record,
				     uint32_t page, const uint32_t *words, uint32_t unit)
{
	uint32_t word = words[unit];
	uint32_t units = hole_value(word);

	if (block_prev_is_free(word))
		return false;
	if (hole_is_listed(word)) {
		const struct xvi_hole *hole = word_record(heap, page, word);

		return hole != NULL && hole->first == unit;
	}
	if (units == 0 || units > heap->end_unit - unit)
		return false;
	return unit + units == heap->end_unit ||
	       (unit_is_hot(heap, record, unit + units - 1) && words[unit + units - 1] == word);
}

/* Does a hole end before this unit? */
static inline bool keyed_hole_ends(const struct xvi_heap *heap, struct xvi_page *record,
				   uint32_t page, const uint32_t *words, uint32_t unit)
{
	uint32_t word, units;

	if (unit == heap->first_unit || !unit_is_hot(heap, record, unit - 1))
		return false;
	word = words[unit - 1];
	units = hole_value(word);
	if (!block_is_free(word) || block_prev_is_free(word))
		return false;
	if (hole_is_listed(word)) {
		const struct xvi_hole *hole = word_record(heap, page, word);

		return hole != NULL && (uint32_t)hole->first + hole->units == unit;
	}
	if (units == 0 || units > unit - heap->first_unit)
		return false;
	if (unit - units == heap->first_unit)
		return record->lead_units == units;
	return unit_is_hot(heap, record, unit - units) && words[unit - units] == word;
}

/* Is what lies at `end`, below end_unit, what a block that ends there has behind it? */
XVI_ALWAYS_INLINE bool keyed_behind(const struct xvi_heap *heap, struct xvi_page *record,
				    uint32_t page, const uint32_t *words, uint32_t end)
{
	uint32_t behind;

	if (!unit_is_hot(heap, record, end))
		return false;
	behind = words[end];
	if (block_is_free(behind))
		return keyed_hole_begins(heap, record, page, words, end);
	return !block_prev_is_free(behind) && heap_check_is_keyed(heap, page, end, behind) &&
	       heap_block_units(heap, behind) <= heap->end_unit - end;
}

/* The whole check of the header at unit, but for its tag. The unit is below end_unit. */
static inline bool keyed_is(const struct xvi_heap *heap, struct xvi_page *record, uint32_t page,
			    const uint32_t *words, uint32_t unit)
{
	uint32_t header, end;

	if (((unit - heap->first_unit) & (heap->align_mask >> UNIT_SHIFT)) != 0 ||
	    !unit_is_hot(heap, record, unit))
		return false;
	header = words[unit];
	if (block_is_free(header) || !heap_check_is_keyed(heap, page, unit, header))
		return false;
	if (block_prev_is_free(header) && !keyed_hole_ends(heap, record, page, words, unit))
		return false;
	end = unit + heap_block_units(heap, header);
	return end == heap->end_unit ||
	       (end < heap->end_unit && keyed_behind(heap, record, page, words, end));
}

/* Is unit, below end_unit, a used block's, as far as the heap's proof or its keys tell? */
static inline bool unit_is_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
				uint32_t unit)
{
	struct xvi_page *record = heap_page(heap, page);

	return heap->prove ? start_is(heap, record, words, unit)
			   : keyed_is(heap, record, page, words, unit);
}

#endif
