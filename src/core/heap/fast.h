/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fast.h: the common malloc and the common free, inline. They are compiled for the usual shape of a
 * heap, in which sizes are constants: pages of 64 KiB with grains of 4 KiB, always addressable, and
 * alignment 4, or 16 without owners. O(1), except when grains become spare.
 */
#ifndef XVI_HEAP_FAST_H
#define XVI_HEAP_FAST_H

#include "hole.h"
#include "sound.h"

/* The usual shapes. Their fields are constants in the code of the call. */
#define USUAL_SHAPE(prove_bytes, alignment, first)                                                 \
	{                                                                                          \
		.page_shift = 16, .grain_shift = 12 - UNIT_SHIFT, .grain_count = 16,               \
		.align_mask = (alignment)-1, .first_unit = (first),                                \
		.end_unit = (1 << (16 - UNIT_SHIFT)) - ((first) != 0),                             \
		.page_stride = sizeof(struct xvi_page) + (prove_bytes),                            \
		.prove = (prove_bytes) != 0, .start_bits = (alignment) == 16, .usual = true        \
	}

static const struct xvi_shape shape_proved = USUAL_SHAPE(64, 4, 0);
static const struct xvi_shape shape_keyed = USUAL_SHAPE(0, 4, 0);
static const struct xvi_shape shape_malloc = USUAL_SHAPE(512, 16, 3); /* the alignment of malloc */

/* Is there memory for a block of `units` at the front of a hole, and for the first word of the
 * rest? */
static inline bool hole_is_ready(const struct xvi_heap *heap, const struct xvi_shape *shape,
				 const struct xvi_hole *hole, uint32_t units)
{
	uint32_t end = hole->first + units;

	XVI_ASSERT(units != 0 && units <= hole->units);
	end += units < hole->units;
	return grain_is_hot(shape, shape_page(heap, shape, hole->page), hole->first, end);
}

/* The list whose first hole takes `units`, or UINT32_MAX for the slow path. Both words of a hole
 * are hot, and so is the only word of a lead. So a hole of less than a grain has its memory, and
 * only longer ones are asked. */
XVI_ALWAYS_INLINE uint32_t list_find_fast(const struct xvi_heap *heap,
					  const struct xvi_shape *shape, uint32_t units)
{
	uint32_t list;

	if (XVI_UNLIKELY(units < heap->listed_min_units || units >= LIST_EXACT_UNITS ||
			 heap->blocks_left == 0))
		return UINT32_MAX;
	list = list_next(&heap->lists, units);
	if (XVI_UNLIKELY(list >= LIST_EXACT_UNITS) && list != UINT32_MAX &&
	    !hole_is_ready(heap, shape, &heap->holes.records[heap->lists.heads[list]], units))
		return UINT32_MAX;
	return list;
}

/*
 * The front of a hole, which is in no list now, becomes a block; the rest keeps the record.
 *
 *   [ hole: avail                 ]  =>  [ used: units ][ hole: avail - units ]
 */
XVI_ALWAYS_INLINE void hole_cut_front(struct xvi_heap *heap, const struct xvi_shape *shape,
				      struct xvi_page *record, const struct xvi_place *place,
				      uint32_t units, uint32_t index)
{
	struct xvi_hole *hole = &heap->holes.records[index];
	uint32_t first = place->unit + units;
	uint32_t end = place->unit + hole->units;

	XVI_ASSERT(hole->page == place->page && hole->first == place->unit);
	XVI_ASSERT(units <= hole->units);
	if (XVI_UNLIKELY(place->unit == shape->first_unit))
		record->lead_units = 0;
	if (end - first >= heap->listed_min_units) {
		/* The last word, far away, has the number of the record already. */
		place->words[first] = hole_listed_word(index);
		hole->first = (uint16_t)first;
		hole->units = (uint16_t)(end - first);
		list_push(heap, shape, index, end - first);
		return;
	}
	hole_give(heap, index);
	if (first != end)
		hole_write_words(shape, place->words, first, end, hole_unlisted_word(end - first));
	else if (XVI_LIKELY(end < shape->end_unit))
		place->words[end] &= ~(uint32_t)BLOCK_PREV_FREE;
}

/* Is the first word of a listed hole, whose memory is there, as it was written? The lead has
 * none. */
static inline bool hole_is_sound(const struct xvi_shape *shape, const uint32_t *words,
				 const struct xvi_hole *hole, uint32_t index)
{
	return XVI_UNLIKELY(hole->first == shape->first_unit) ||
	       words[hole->first] == hole_listed_word(index);
}

/* Make a block of kind 0 in the smallest hole that fits. False, with nothing changed: take the
 * slow path. */
XVI_ALWAYS_INLINE bool heap_malloc_fast(struct xvi_heap *heap, const struct xvi_shape *shape,
					uint32_t content, struct xvi_place *place)
{
	uint32_t units = shape_units_for(shape, content);
	uint32_t list = list_find_fast(heap, shape, units);
	const struct xvi_hole *hole;
	struct xvi_page *record;
	uint32_t index;

	if (XVI_UNLIKELY(list == UINT32_MAX))
		return false;
	index = heap->lists.heads[list];
	hole = &heap->holes.records[index];
	XVI_ASSERT(index != 0 && hole->units >= units); /* 7 */
	place->page = hole->page;
	place->unit = hole->first;
	record = shape_page(heap, shape, place->page);
	place->words =
		(uint32_t *)(void *)(heap->base + ((size_t)place->page << shape->page_shift));
	if (shape->prove && !hole_is_sound(shape, place->words, hole, index))
		return false;
	list_pop(heap, list, hole);
	hole_cut_front(heap, shape, record, place, units, index);
	place->header = block_put(heap, shape, record, place, units, content, 0);
	return true;
}

/*
 *   [ hole before ][ used ][ hole behind ]  =>  [ one hole ]
 *   [ used        ][ used ][ hole behind ]  =>  [ used     ][ one hole ]
 *   and so on
 */
XVI_ALWAYS_INLINE struct xvi_around around_look(const struct xvi_heap *heap,
						const struct xvi_shape *shape,
						const uint32_t *words, uint32_t unit,
						uint32_t header)
{
	struct xvi_around around = {unit, unit + shape_block_units(shape, header), 0, 0};

	if (XVI_LIKELY(around.end < shape->end_unit) && block_is_free(words[around.end])) {
		uint32_t word = words[around.end];

		around.behind = hole_is_listed(word) ? hole_value(word) : 0;
		around.end += heap_hole_units(heap, word);
	}
	if (block_prev_is_free(header)) {
		uint32_t word = words[unit - 1];

		XVI_ASSERT(block_is_free(word));
		around.before = hole_is_listed(word) ? hole_value(word) : 0;
		around.first -= heap_hole_units(heap, word);
	}
	return around;
}

/* Make a used block with this header part of a hole. Gives back spare grains that are too many:
 * the page may be gone then. */
XVI_ALWAYS_INLINE void heap_free_in(struct xvi_heap *heap, const struct xvi_shape *shape,
				    struct xvi_page *record, uint32_t page, uint32_t *words,
				    uint32_t unit, uint32_t header, const struct xvi_around *around)
{
	uint32_t units = shape_block_units(shape, header);
	uint32_t first = around->first, end = around->end;
	uint32_t index = around->behind;

	XVI_ASSERT(record->used_units >= units && heap_block_count(heap) != 0);
	XVI_ASSERT(words[unit] == header && !block_is_free(header));
	XVI_ASSERT(first <= unit && unit + units <= end && (record->state & PAGE_CLOSED) == 0);
	record->used_units = (uint16_t)(record->used_units - units);
	heap->used_units -= units;
	heap->blocks_left++;
	if (!shape->prove) /* a stale handle is also refused if the hole begins before it */
		words[unit] = header | BLOCK_FREE;
	if (end == unit + units && XVI_LIKELY(end < shape->end_unit))
		words[end] |= BLOCK_PREV_FREE;
	if (index != 0)
		hole_unlist(heap, shape, record, index);
	if (around->before != 0) {
		hole_unlist(heap, shape, record, around->before);
		if (index != 0)
			hole_give(heap, index);
		index = around->before;
	}
	if (shape->prove)
		start_remove(shape, record, unit, end);
	index = hole_put_in(heap, shape, record, page, words, first, end, index);
	/* A page without a block is a hole of a grain and more, except for its edges. */
	if (XVI_UNLIKELY(end - first >= 1U << shape->grain_shift ||
			 (!shape->usual && record->used_units == 0)))
		xvi_free_end(heap, page, words, first, end, index);
	else if (!shape->usual)
		heap_unmap(heap, page, words);
}

#endif
