/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * hole.h: making a hole, taking one away, and putting a block where one was. The only place
 * that writes the words of a page. The page is mapped, and the grains that are written are
 * hot. Calls free_list.h, start.h. O(1).
 */
#ifndef XVI_HEAP_HOLE_H
#define XVI_HEAP_HOLE_H

#include "free_list.h"
#include "grain.h"
#include "start.h"

/* Write a hole's words: see invariant 3 for those it has. */
static inline void hole_write_words(const struct xvi_heap *heap, uint32_t *words, uint32_t first,
				    uint32_t units, uint32_t word)
{
	uint32_t end = first + units;

	if (first != heap->first_unit)
		words[first] = word;
	if (end < heap->end_unit)
		words[end - 1] = word;
}

static inline bool page_is_victim(const struct xvi_page *record)
{
	return (record->state & PAGE_VICTIM) != 0;
}

/*
 * Make [first, first + units) a hole, under the record `index`, which is in no list, or, where
 * that is 0, a new one; list it unless it is too short or its page is a victim. What follows
 * must know of it already. Returns its record, or 0.
 */
static inline uint32_t hole_put(struct xvi_heap *heap, uint32_t page, uint32_t *words,
				uint32_t first, uint32_t units, uint32_t index)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t word = hole_unlisted_word(units);

	XVI_ASSERT(units != 0 && first + units <= heap->end_unit);
	if (units < heap->listed_min_units) {
		if (index != 0)
			hole_give(heap, index);
		index = 0;
	} else {
		if (index == 0)
			index = hole_take(heap);
		if (XVI_LIKELY(index != 0)) {
			struct xvi_hole *hole = &heap->holes.records[index];

			hole->page = page;
			hole->first = (uint16_t)first;
			hole->units = (uint16_t)units;
			if (XVI_LIKELY(!page_is_victim(record)))
				list_push(heap, index);
			word = hole_listed_word(index);
		}
	}
	hole_write_words(heap, words, first, units, word);
	if (first == heap->first_unit)
		record->lead_units = (uint16_t)units;
	return index;
}

/* Take a hole, known by one of its words, out of the lists. Returns its record, which is the
 * caller's then, or 0. */
static inline uint32_t hole_remove(struct xvi_heap *heap, const struct xvi_page *record,
				   uint32_t word)
{
	uint32_t index = hole_value(word);

	if (XVI_UNLIKELY(!hole_is_listed(word)))
		return 0;
	if (XVI_LIKELY(!page_is_victim(record)))
		list_unlink(heap, index);
	return index;
}

/* Write the header of a used block and count it. Nothing is free before it. */
static inline uint32_t block_put(struct xvi_heap *heap, struct xvi_page *record, uint32_t page,
				 uint32_t *words, uint32_t unit, uint32_t units, uint32_t content,
				 uint32_t kind)
{
	uint32_t generation = ++record->generation;
	uint32_t check = heap_place_hash(heap, page, unit) ^ generation << heap->generation_shift;
	uint32_t header = block_word(kind, content, check & BLOCK_CHECK_MASK);

	XVI_ASSERT(unit + units <= heap->end_unit && content != 0);
	words[unit] = header;
	record->used_units = (uint16_t)(record->used_units + units);
	heap->used_units += units;
	heap->block_count++;
	if (heap->prove)
		start_add(heap, record, unit);
	return header;
}

#endif
