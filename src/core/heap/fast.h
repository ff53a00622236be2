/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fast.h: the common malloc and the common free, inline, for pages of 64 KiB with grains of
 * 4 KiB, always addressable, and alignment 4: a hole is at hand whose memory is there, and no
 * grain becomes spare. All else is xvi_heap_malloc's and xvi_heap_free's, which do the same in
 * general. O(1).
 */
#ifndef XVI_HEAP_FAST_H
#define XVI_HEAP_FAST_H

#include "hole.h"

/* Take the first hole of a list off it; next is the one behind it. */
static inline void list_pop(struct xvi_heap *heap, uint32_t list, uint32_t next)
{
	struct xvi_free_lists *lists = &heap->lists;

	lists->heads[list] = next;
	heap->holes.records[next].prev = 0;
	if (next == 0) {
		uint64_t bits = lists->bits[list >> 6] & ~((uint64_t)1 << (list & 63U));

		lists->bits[list >> 6] = bits;
		if (bits == 0)
			lists->words &= ~((uint64_t)1 << (list >> 6));
	}
}

enum { FAST_PAGE_SHIFT = 16, FAST_GRAIN_SHIFT = 12 - UNIT_SHIFT };

static inline uint32_t fast_units(uint32_t content)
{
	return (content + BLOCK_HEADER_BYTES + UNIT_BYTES - 1U) >> UNIT_SHIFT;
}

/* A block of the smallest hole that fits. False, with nothing changed, where it is not so
 * easy. */
XVI_ALWAYS_INLINE bool heap_malloc_fast(struct xvi_heap *heap, uint32_t content, uint32_t kind,
					struct xvi_place *place)
{
	uint32_t units = fast_units(content);
	struct xvi_page *record;
	struct xvi_hole *hole;
	uint32_t list, index, page, first, end, rest;
	uint32_t *words;

	/* From listed_min_units up to the last exact list. */
	if (XVI_UNLIKELY(units - heap->listed_min_units >= heap->fast_span ||
			 heap->block_count >= heap->block_limit))
		return false;
	list = list_next(&heap->lists, units);
	if (XVI_UNLIKELY(list == UINT32_MAX))
		return false;
	index = heap->lists.heads[list];
	hole = &heap->holes.records[index];
	page = hole->page;
	first = hole->first;
	end = first + units;
	record = heap_page(heap, page);
	rest = hole->units - units;
	/* Both words of a hole are hot, and one of less than two grains has no others: only a
	 * longer one, or one at an edge of its page, may need memory. */
	if (XVI_UNLIKELY(list >= LIST_EXACT_UNITS || first == 0 || end + rest >= heap->fast_end)) {
		/* The first word of the rest is touched too; at a page's end there is no such
		 * grain, nor is it hot. */
		uint32_t touched =
			(2U << (end >> FAST_GRAIN_SHIFT)) - (1U << (first >> FAST_GRAIN_SHIFT));

		if (XVI_UNLIKELY((touched & ~(uint32_t)page_grains(record)->hot) != 0))
			return false;
	}
	words = (uint32_t *)(void *)(heap->base + ((size_t)page << FAST_PAGE_SHIFT));
	list_pop(heap, list, hole->next);
	if (XVI_LIKELY(rest >= heap->listed_min_units)) {
		/* The last word, far away, has the record's number already. */
		hole->first = (uint16_t)end;
		hole->units = (uint16_t)rest;
		words[end] = hole_listed_word(index);
		list_push_of(heap, index, list_of(rest));
	} else {
		hole_give(heap, index);
		if (rest != 0)
			hole_write_words(heap, words, end, rest, hole_unlisted_word(rest));
		else
			words[end] &= ~(uint32_t)BLOCK_PREV_FREE;
	}
	if (first == 0)
		record->lead_units = 0;
	place->page = page;
	place->unit = first;
	place->words = words;
	place->header = block_put(heap, record, page, words, first, units, content, kind);
	return true;
}

/*
 * Free a block that is not short, not the last of its page, and does not end it, in a page that
 * is no victim, where no grain becomes spare. False, with nothing changed, elsewhere.
 */
XVI_ALWAYS_INLINE bool heap_free_fast(struct xvi_heap *heap, struct xvi_page *record, uint32_t page,
				      uint32_t *words, uint32_t unit, uint32_t header)
{
	uint32_t units = fast_units(block_content(header));
	uint32_t end = unit + units;
	uint32_t first = unit, last = end;
	uint32_t before = 0, behind, index;

	if (XVI_UNLIKELY(end >= heap->fast_end || units < heap->listed_min_units ||
			 record->used_units == units || record->state != PAGE_OURS))
		return false;
	behind = words[end];
	if (block_is_free(behind))
		last += heap_hole_units(heap, behind);
	if (block_prev_is_free(header)) {
		before = words[unit - 1];
		first -= heap_hole_units(heap, before);
	}
	if (XVI_UNLIKELY(last - first >= 1U << FAST_GRAIN_SHIFT))
		return false;
	record->used_units = (uint16_t)(record->used_units - units);
	heap->used_units -= units;
	heap->block_count--;
	words[unit] = header | BLOCK_FREE; /* also where the hole begins before it */
	if (heap->prove)
		start_remove(heap, record, unit, last);
	index = 0;
	if (block_is_free(behind)) {
		if (XVI_LIKELY(hole_is_listed(behind))) {
			index = hole_value(behind);
			list_unlink(heap, index);
		}
	} else {
		words[end] = behind | BLOCK_PREV_FREE;
	}
	if (before != 0 && XVI_LIKELY(hole_is_listed(before))) {
		if (index != 0)
			hole_give(heap, index);
		index = hole_value(before);
		list_unlink(heap, index);
	}
	if (index == 0)
		index = hole_take(heap);
	heap->holes.records[index].page = page;
	heap->holes.records[index].first = (uint16_t)first;
	heap->holes.records[index].units = (uint16_t)(last - first);
	list_push_of(heap, index, last - first);
	words[first] = hole_listed_word(index);
	if (last < heap->fast_end)
		words[last - 1] = hole_listed_word(index);
	if (first == 0)
		record->lead_units = (uint16_t)last;
	return true;
}

#endif
