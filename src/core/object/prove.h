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
	    (around->end < shape->end_unit
		     ? !sound_behind(heap, shape, record, page, words, unit, around)
		     : around->end != shape->end_unit))
		return false;
	return !block_prev_is_free(header) ||
	       look_hole_before(heap, shape, record, page, words, unit, around);
}

/* Does a used block begin at unit, below end_unit, as far as the proof or the keyed check tells?
 * With the proof: and is it sound (sound.h)? (handle.c) */
bool xvi_unit_is_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
		      uint32_t unit);

#endif
