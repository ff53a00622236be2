/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * sound.h: the check of a proved block against its neighbours, before its words are used: its
 * length, the block or hole on each side, and the proof must agree. It sees what a write beyond an
 * object does to the words around it, with two exceptions: a header that leads to another block of
 * its KiB, or to a word that looks like one (zero does not), and one that denies the hole before
 * it, whose last word would have to be told from a payload. Both are found when the page is checked
 * as a whole. Owns nothing, reads words of hot grains, O(KiB of the block).
 */
#ifndef XVI_HEAP_SOUND_H
#define XVI_HEAP_SOUND_H

#include "start.h"

/* Is what begins at around->end, below end_unit, what must follow a block at unit, by the proof, or
 * by the keyed bits if there is none? Adds a hole. */
XVI_ALWAYS_INLINE bool sound_behind(const struct xvi_heap *heap, const struct xvi_shape *shape,
				    struct xvi_page *record, uint32_t page, const uint32_t *words,
				    uint32_t unit, struct xvi_around *around)
{
	uint32_t end = around->end;
	uint32_t behind;

	if (XVI_UNLIKELY(!unit_is_hot(shape, record, end)))
		return false;
	behind = words[end];
	if (block_is_free(behind))
		return look_hole_behind(heap, shape, record, page, words, around);
	return !block_prev_is_free(behind) && block_content(behind) != 0 &&
	       shape_block_units(shape, behind) <= shape->end_unit - end &&
	       (shape->prove ? start_may_follow(shape, record, unit, end)
			     : heap_stamp_is_keyed(heap, page, end, behind));
}

/* Are the proved block at unit and what lies around it as they must be? Fills *around. */
XVI_ALWAYS_INLINE bool block_is_sound(const struct xvi_heap *heap, const struct xvi_shape *shape,
				      struct xvi_page *record, uint32_t page, const uint32_t *words,
				      uint32_t unit, struct xvi_around *around)
{
	uint32_t header = words[unit];
	uint32_t units = shape_block_units(shape, header);
	uint32_t end = unit + units;

	XVI_ASSERT(shape->prove && unit < shape->end_unit);
	*around = (struct xvi_around){unit, end, 0, 0};
	if (XVI_UNLIKELY(block_is_free(header) || block_content(header) == 0 ||
			 end > shape->end_unit || units > record->used_units ||
			 heap->blocks_left >= heap->block_limit) ||
	    !start_none_between(shape, record, unit, end) ||
	    (XVI_LIKELY(end < shape->end_unit) &&
	     !sound_behind(heap, shape, record, page, words, unit, around)))
		return false;
	return !block_prev_is_free(header) ||
	       look_hole_before(heap, shape, record, page, words, unit, around);
}

#endif
