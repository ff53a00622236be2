/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * victim.c: pages that compaction empties. Their holes are in no list, so that nothing is put
 * into them; a victim that is emptied is one no more (free.c).
 */
#include "hole.h"

/* Put the holes of a mapped page into their lists, or take them out. */
static void holes_relist(struct xvi_heap *heap, uint32_t page, const uint32_t *words, bool in)
{
	uint32_t unit = heap->shape.first_unit;
	uint32_t lead = heap_page(heap, page)->lead_units;

	while (unit < heap->shape.end_unit) {
		/* The lead has no first word; its last one, before the first block, tells. */
		bool is_lead = unit == heap->shape.first_unit && lead != 0;
		uint32_t word = words[is_lead ? unit + lead - 1 : unit];

		if (!block_is_free(word)) {
			unit += heap_block_units(heap, word);
			continue;
		}
		unit += heap_hole_units(heap, word);
		if (!hole_is_listed(word))
			continue;
		if (in)
			list_push(heap, hole_value(word), heap_hole_units(heap, word));
		else
			list_unlink(heap, hole_value(word));
	}
}

void xvi_victim_forget(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_page *record = heap_page(heap, page);

	XVI_ASSERT(page_is_victim(record));
	record->state = (uint8_t)(record->state & ~PAGE_VICTIM);
	for (uint32_t i = 0; i < heap->victim_count; i++) {
		if (heap->victim[i] == page)
			heap->victim[i] = heap->victim[--heap->victim_count];
	}
}

bool xvi_heap_victim_add(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t *words;

	XVI_ASSERT(heap_owns(heap, page));
	if (heap->victim_count == VICTIMS_MAX || record->used_units == 0 || page_is_victim(record))
		return false;
	words = heap_map(heap, page);
	holes_relist(heap, page, words, false);
	heap_unmap(heap, page, words);
	record->state |= PAGE_VICTIM;
	heap->victim[heap->victim_count++] = page;
	return true;
}

void xvi_heap_victim_end(struct xvi_heap *heap, uint32_t page)
{
	uint32_t *words;

	if (page >= heap->page_limit || !page_is_victim(heap_page(heap, page)))
		return;
	xvi_victim_forget(heap, page);
	words = heap_map(heap, page);
	holes_relist(heap, page, words, true);
	heap_unmap(heap, page, words);
}

void xvi_heap_victims_end(struct xvi_heap *heap)
{
	while (heap->victim_count != 0)
		xvi_heap_victim_end(heap, heap->victim[heap->victim_count - 1]);
}

uint32_t xvi_heap_next_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
			    uint32_t unit)
{
	if (unit == heap->shape.first_unit)
		unit = heap_first_used(heap, page);
	while (unit < heap->shape.end_unit && block_is_free(words[unit]))
		unit += heap_hole_units(heap, words[unit]);
	return unit;
}
