/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free.c: free a block (fast.h) in a heap of any shape; the record that its hole may need was made
 * ready with the block. Make a block shorter or longer in place: the hole behind takes what it
 * loses and gives what it gains.
 */
#include "fast.h"

void xvi_free_end(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t first,
		  uint32_t end, uint32_t index)
{
	struct xvi_page *record = heap_page(heap, page);
	bool is_whole = first == heap->shape.first_unit && end == heap->shape.end_unit;

	XVI_ASSERT(index == 0 || heap->holes.records[index].page == page);
	if (XVI_UNLIKELY((record->used_units == 0) != is_whole)) {
		/* A header of another length was freed. */
		heap_unmap(heap, page, words);
		xvi_heap_close(heap, page, first, "used_units is not the blocks' sum");
		return;
	}
	if (record->used_units == 0 && page_is_victim(record)) {
		XVI_ASSERT(heap->victim == page + 1);
		record->state = PAGE_OURS;
		heap->victim = 0;
		if (index != 0)
			list_push(heap, &heap->shape, index, end - first);
	}
	heap_unmap(heap, page, words); /* before this page or another is given back */
	record->whole = index;         /* for when the page is empty */
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

bool xvi_heap_resize(struct xvi_heap *heap, struct xvi_place *place, uint32_t content)
{
	struct xvi_page *record = heap_page(heap, place->page);
	uint32_t header = place->words[place->unit];
	uint32_t old_units = heap_block_units(heap, header);
	uint32_t units = heap_units_for(heap, content);
	uint32_t end = place->unit + units;
	struct xvi_around around =
		around_look(heap, &heap->shape, place->words, place->unit, header);

	XVI_ASSERT(heap_owns(heap, place->page) && !block_is_free(header) && content != 0);
	XVI_ASSERT(record->used_units >= old_units && heap->used_units >= old_units);
	if (end > around.end || content > BLOCK_CONTENT_MASK)
		return false;
	/* A longer block takes memory; a shorter one leaves a hole where it had memory. */
	if (units > old_units &&
	    xvi_grains_heat(heap, place->page, place->unit, end + (end < around.end)) != 0)
		return false;
	if (units != old_units) {
		record->used_units = (uint16_t)(record->used_units - old_units + units);
		heap->used_units = heap->used_units - old_units + units;
		if (around.behind != 0)
			hole_unlist(heap, &heap->shape, record, around.behind);
		hole_put_rest(heap, place->page, place->words, end, around.end, around.behind);
		if (units < old_units)
			xvi_grains_cool(heap, place->page, end, around.end);
	}
	place->header = block_with_content(header, content);
	place->words[place->unit] = place->header;
	xvi_heap_debug_check(heap);
	return true;
}
