/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free.c: a block becomes part of a hole (fast.h), in a heap of any shape, and what follows where
 * the hole is of a grain or more: that cannot fail, for the record it may need was made sure of
 * when the block was made. And a block becomes shorter or longer where it is: what it loses joins
 * the hole behind it, and what it gains comes from there.
 */
#include "fast.h"

void xvi_free_end(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t first,
		  uint32_t end, uint32_t index)
{
	struct xvi_page *record = heap_page(heap, page);

	if (record->used_units == 0 && page_is_victim(record)) {
		record->state = PAGE_OURS;
		heap->victim = 0;
		if (index != 0)
			list_push(heap, index, end - first);
	}
	heap_unmap(heap, page, words); /* before the page, or another, is given back */
	record->whole = index;         /* of use once the page is empty */
	xvi_grains_cool(heap, page, first, end);
}

void xvi_heap_free(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t unit)
{
	struct xvi_around around = around_look(heap, &heap->shape, words, unit, words[unit]);

	XVI_ASSERT(heap_owns(heap, page));
	heap_free_in(heap, &heap->shape, heap_page(heap, page), page, words, unit, words[unit],
		     &around);
	xvi_heap_debug_check(heap);
}

/* ---- resizing ---- */

/* The block at place gets `units`, of the `all` units up to the end of the hole behind it. */
static void resize_units(struct xvi_heap *heap, const struct xvi_place *place, uint32_t old_units,
			 uint32_t units, uint32_t all, uint32_t index)
{
	struct xvi_page *record = heap_page(heap, place->page);
	uint32_t end = place->unit + units;
	uint32_t all_end = place->unit + all;

	record->used_units = (uint16_t)(record->used_units - old_units + units);
	heap->used_units = heap->used_units - old_units + units;
	if (all_end < heap->shape.end_unit) {
		if (units != all)
			place->words[all_end] |= BLOCK_PREV_FREE;
		else
			place->words[all_end] &= ~(uint32_t)BLOCK_PREV_FREE;
	}
	if (units != all)
		(void)hole_put(heap, place->page, place->words, end, all - units, index);
	else if (index != 0)
		hole_give(heap, index);
	if (units < old_units)
		xvi_grains_cool(heap, place->page, end, all_end);
}

bool xvi_heap_resize(struct xvi_heap *heap, struct xvi_place *place, uint32_t content)
{
	struct xvi_page *record = heap_page(heap, place->page);
	uint32_t old_units = heap_block_units(heap, place->header);
	uint32_t units = heap_units_for(heap, content);
	uint32_t all = old_units;
	uint32_t end = place->unit + old_units;
	uint32_t index = 0;
	bool has_hole = end < heap->shape.end_unit && block_is_free(place->words[end]);

	XVI_ASSERT(heap_owns(heap, place->page) && !block_is_free(place->words[place->unit]));
	XVI_ASSERT(content != 0);
	if (has_hole) {
		uint32_t word = place->words[end];

		index = hole_is_listed(word) ? hole_value(word) : 0;
		all += heap_hole_units(heap, word);
	}
	if (units > all || content > BLOCK_CONTENT_MASK)
		return false;
	/* Longer, it takes memory; shorter, it leaves a hole where it had memory. */
	if (units > old_units && xvi_grains_heat(heap, place->page, place->unit,
						 place->unit + units + (units < all)) != 0)
		return false;
	if (units != old_units) {
		if (index != 0)
			hole_unlist(heap, &heap->shape, record, index);
		resize_units(heap, place, old_units, units, all, index);
	}
	place->header = block_with_content(place->words[place->unit], content);
	place->words[place->unit] = place->header;
	xvi_heap_debug_check(heap);
	return true;
}
