/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * victim.c: the page that compaction empties. Its holes are in no list, so that nothing is put
 * into them; once it is empty it is a page like others (free.c).
 */
#include "hole.h"

static void hole_relist(struct xvi_heap *heap, uint32_t word, bool in)
{
	if (!block_is_free(word) || !hole_is_listed(word))
		return;
	if (in)
		list_push(heap, hole_value(word), heap_hole_units(heap, word));
	else
		list_unlink(heap, hole_value(word));
}

/* Put the holes of a page that has a block into their lists, or take them out. */
static void holes_relist(struct xvi_heap *heap, uint32_t page, bool in)
{
	uint32_t *words = heap_map(heap, page);
	uint32_t unit = heap_first_used(heap, page);

	if (unit != heap->shape.first_unit) /* the lead has no first word */
		hole_relist(heap, words[unit - 1], in);
	while (unit < heap->shape.end_unit) {
		hole_relist(heap, words[unit], in);
		unit += shape_units_at(heap, &heap->shape, words[unit]);
	}
	heap_unmap(heap, page, words);
}

void xvi_heap_victim_begin(struct xvi_heap *heap, uint32_t page)
{
	XVI_ASSERT(heap_owns(heap, page) && heap->victim == 0);
	XVI_ASSERT(heap_page(heap, page)->used_units != 0);
	holes_relist(heap, page, false);
	heap_page(heap, page)->state |= PAGE_VICTIM;
	heap->victim = page + 1;
}

void xvi_heap_victim_end(struct xvi_heap *heap)
{
	if (heap->victim == 0)
		return;
	heap_page(heap, heap->victim - 1)->state = PAGE_OURS;
	holes_relist(heap, heap->victim - 1, true);
	heap->victim = 0;
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
