/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * hole.h: make a hole, remove one, and put a block in the place of one. No other file writes the
 * words of a page. The page is mapped, and the grains that are written are hot. Calls free_list.h,
 * start.h. O(1).
 */
#ifndef XVI_HEAP_HOLE_H
#define XVI_HEAP_HOLE_H

#include "free_list.h"
#include "grain.h"
#include "start.h"

/* Write the words of a hole: see invariant 3 for those it has. */
static inline void hole_write_words(const struct xvi_shape *shape, uint32_t *words, uint32_t first,
				    uint32_t end, uint32_t word)
{
	XVI_ASSERT(first < end && end <= shape->end_unit);
	if (XVI_LIKELY(first != shape->first_unit))
		words[first] = word;
	if (XVI_LIKELY(end < shape->end_unit))
		words[end - 1] = word;
}

static inline bool page_is_victim(const struct xvi_page *record)
{
	return (record->state & PAGE_VICTIM) != 0;
}

/* Give the hole [first, end), which is not short, this record, which is in no list. Lists it
 * unless its page is the victim. */
XVI_ALWAYS_INLINE void hole_set(struct xvi_heap *heap, const struct xvi_shape *shape,
				const struct xvi_page *record, uint32_t page, uint32_t first,
				uint32_t end, uint32_t index)
{
	struct xvi_hole *hole = &heap->holes.records[index];

	XVI_ASSERT(end - first >= heap->listed_min_units);
	hole->page = page;
	hole->first = (uint16_t)first;
	hole->units = (uint16_t)(end - first);
	if (shape->usual || XVI_LIKELY(!page_is_victim(record)))
		list_push(heap, shape, index, end - first);
}

/* Make [first, end) a hole with record `index`, which is in no list, or a new record if that is
 * 0. Lists it unless it is too short or its page is the victim. What follows must know of it
 * already. Returns its record, or 0. */
XVI_ALWAYS_INLINE uint32_t hole_put_in(struct xvi_heap *heap, const struct xvi_shape *shape,
				       struct xvi_page *record, uint32_t page, uint32_t *words,
				       uint32_t first, uint32_t end, uint32_t index)
{
	uint32_t word;

	XVI_ASSERT(shape->first_unit <= first && first < end && end <= shape->end_unit);
	XVI_ASSERT((record->state & PAGE_CLOSED) == 0);
	if (XVI_LIKELY(end - first >= heap->listed_min_units)) {
		if (index == 0)
			index = hole_take(heap);
	} else if (index != 0) {
		hole_give(heap, index);
		index = 0;
	}
	word = hole_listed_word(index);
	if (XVI_LIKELY(index != 0))
		hole_set(heap, shape, record, page, first, end, index);
	else
		word = hole_unlisted_word(end - first);
	hole_write_words(shape, words, first, end, word);
	if (XVI_UNLIKELY(first == shape->first_unit))
		record->lead_units = (uint16_t)(end - first);
	return index;
}

static inline uint32_t hole_put(struct xvi_heap *heap, uint32_t page, uint32_t *words,
				uint32_t first, uint32_t units, uint32_t index)
{
	return hole_put_in(heap, &heap->shape, heap_page(heap, page), page, words, first,
			   first + units, index);
}

/* Take a hole out of its list, if it is in one. Its record then belongs to the caller. */
XVI_ALWAYS_INLINE void hole_unlist(struct xvi_heap *heap, const struct xvi_shape *shape,
				   const struct xvi_page *record, uint32_t index)
{
	if (shape->usual || XVI_LIKELY(!page_is_victim(record)))
		list_unlink(heap, shape, index);
}

/* Make units [first, end) behind a block a hole with record `index`, as above. If there are none,
 * free the record. */
static inline void hole_put_rest(struct xvi_heap *heap, uint32_t page, uint32_t *words,
				 uint32_t first, uint32_t end, uint32_t index)
{
	uint32_t prev_free = first != end ? BLOCK_PREV_FREE : 0;

	XVI_ASSERT(first <= end && end <= heap->shape.end_unit);
	if (first != end)
		(void)hole_put(heap, page, words, first, end - first, index);
	else if (index != 0)
		hole_give(heap, index);
	if (end < heap->shape.end_unit)
		words[end] = (words[end] & ~(uint32_t)BLOCK_PREV_FREE) | prev_free;
}

/* Write the header of a used block and count it. No hole is before it. */
XVI_ALWAYS_INLINE uint32_t block_put(struct xvi_heap *heap, const struct xvi_shape *shape,
				     struct xvi_page *record, const struct xvi_place *place,
				     uint32_t units, uint32_t content, uint32_t kind)
{
	uint32_t generation = ++record->generation;
	uint32_t stamp = generation << BLOCK_STAMP_SHIFT;
	uint32_t header;

	XVI_ASSERT(place->unit + units <= shape->end_unit && content != 0);
	XVI_ASSERT(place->unit >= shape->first_unit && units == shape_units_for(shape, content));
	XVI_ASSERT(heap->blocks_left != 0); /* 12 */
	if (!shape->prove)
		stamp = (heap_place_hash(heap, place->page, place->unit) & BLOCK_STAMP_BITS) ^
			stamp << GENERATION_SHIFT;
	header = block_word(kind, content, stamp);
	place->words[place->unit] = header;
	record->used_units = (uint16_t)(record->used_units + units);
	heap->used_units += units;
	heap->blocks_left--;
	if (shape->prove)
		start_add(shape, record, place->unit);
	return header;
}

#endif
