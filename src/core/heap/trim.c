/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * trim.c: the hole table without the records that are not in use. A record that moves has its
 * number written into its hole's words.
 */
#include "hole.h"

static void record_move(struct xvi_heap *heap, uint32_t from, uint32_t to)
{
	struct xvi_hole *records = heap->holes.records;
	struct xvi_hole hole = records[from];
	struct xvi_page *record = heap_page(heap, hole.page);
	uint32_t *words = heap_map(heap, hole.page);

	if (!page_is_victim(record))
		list_unlink(heap, from);
	records[to] = hole;
	if (!page_is_victim(record))
		list_push(heap, to, hole.units);
	hole_write_words(&heap->shape, words, hole.first, (uint32_t)hole.first + hole.units,
			 hole_listed_word(to));
	if (heap->shape.grain_count > 1 && record->used_units == 0)
		page_grains(record)->whole = to;
	heap_unmap(heap, hole.page, words);
	records[from].units = 0;
}

bool xvi_heap_give_sure(struct xvi_heap *heap)
{
	const uint32_t step = RECORD_STEP_BYTES / sizeof(struct xvi_hole);
	struct xvi_hole_table *holes = &heap->holes;
	uint32_t need = heap_block_count(heap) + heap->page_count + 2;

	need = need > holes->high ? need : holes->high;
	need = (need + step - 1) / step * step;
	if (holes->bounded || holes->sure < need + step)
		return false;
	holes->sure = need;
	heap_set_block_limit(heap);
	heap->source->records_give(heap->context, holes->high, holes->sure);
	return true;
}

void xvi_heap_shrink_records(struct xvi_heap *heap)
{
	const uint32_t step = RECORD_STEP_BYTES / sizeof(struct xvi_hole);
	struct xvi_hole_table *holes = &heap->holes;
	uint32_t high = holes->live + 1;
	uint32_t low = 1;

	if (holes->bounded || holes->high < high + step) {
		(void)xvi_heap_give_sure(heap);
		return;
	}
	for (uint32_t i = holes->high; i-- > high;) {
		if (holes->records[i].units == 0)
			continue;
		while (holes->records[low].units != 0)
			low++;
		XVI_ASSERT(low < high);
		record_move(heap, i, low);
	}
	/* The live ones fill the table's beginning: none below `high` is free. */
	holes->free_head = 0;
	holes->high = high;
	if (!xvi_heap_give_sure(heap))
		heap->source->records_give(heap->context, high, holes->sure);
}
