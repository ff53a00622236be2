/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.c: making a heap, its pages and records given back; see heap.h.
 */
#include "hole.h"

uint32_t xvi_heap_list_count(uint32_t page_shift)
{
	return list_of(1U << (page_shift - UNIT_SHIFT)) + 1;
}

uint32_t xvi_heap_page_stride(uint32_t page_shift, bool prove)
{
	uint32_t proof = prove ? start_count(page_shift) : 0;

	return (uint32_t)sizeof(struct xvi_page) + ((proof + 3U) & ~3U);
}

static void heap_set_shape(struct xvi_heap *heap, const struct xvi_heap_config *config)
{
	uint32_t payload_at = BLOCK_HEADER_BYTES + config->prefix_bytes;
	uint32_t align_units = config->alignment / UNIT_BYTES;
	uint32_t page_units = 1U << (config->page_shift - UNIT_SHIFT);

	heap->shape.page_shift = config->page_shift;
	heap->shape.grain_shift = config->grain_shift - UNIT_SHIFT;
	heap->shape.grain_count = 1U << (config->page_shift - config->grain_shift);
	heap->shape.align_mask = config->alignment - 1;
	heap->payload_at = payload_at;
	heap->shape.first_unit = ((0U - payload_at) & heap->shape.align_mask) / UNIT_BYTES;
	heap->shape.end_unit = heap->shape.first_unit +
			       (page_units - heap->shape.first_unit) / align_units * align_units;
	heap->shape.page_stride = xvi_heap_page_stride(config->page_shift, config->prove);
	heap->shape.starts_at = sizeof(struct xvi_page);
	heap->shape.prove = config->prove;
}

void xvi_heap_init(struct xvi_heap *heap, const struct xvi_heap_config *config)
{
	XVI_ASSERT(config->page_shift - config->grain_shift <= 4);
	memset(heap, 0, sizeof(*heap));
	heap_set_shape(heap, config);
	heap->base = config->base;
	heap->pages = config->pages;
	heap->key = config->key;
	/* A handle of another pool has another check field, though they are used alike. */
	heap->generation = (uint16_t)(config->generation + config->key);
	heap->lists.heads = config->heads;
	heap->holes.records = config->records;
	heap->holes.sure = config->records_sure;
	heap->holes.most = config->records_most;
	heap->holes.bounded = config->records_bounded;
	heap->holes.high = 1;
	heap->listed_min_units = LISTED_MIN_UNITS_MAX;
	heap->source = config->source;
	heap->context = config->context;
	heap_set_block_limit(heap);
	memset(heap->lists.heads, 0,
	       xvi_heap_list_count(config->page_shift) * sizeof(heap->lists.heads[0]));
}

/* Nothing is left: the hole table begins anew. */
static void heap_is_empty(struct xvi_heap *heap)
{
	XVI_ASSERT(heap->holes.live == 0 && heap_block_count(heap) == 0);
	heap->page_limit = 0;
	heap->holes.free_head = 0;
	heap->holes.high = 1;
	if (!heap->holes.bounded &&
	    heap->holes.sure > RECORD_STEP_BYTES / sizeof(struct xvi_hole)) {
		heap->holes.sure = RECORD_STEP_BYTES / sizeof(struct xvi_hole);
		heap->source->records_give(heap->context, heap->holes.high, heap->holes.sure);
	}
	heap_set_block_limit(heap);
}

/* All of a page's record but what is the source's. The next page goes on counting where this one
 * was: a page that comes again is not taken for what it was. */
static void record_clear(struct xvi_heap *heap, struct xvi_page *record)
{
	if ((uint16_t)(record->generation - heap->generation) < 0x8000U)
		heap->generation = record->generation;
	memset(record, 0, offsetof(struct xvi_page, source));
	memset(&record->hot, 0, heap->shape.page_stride - offsetof(struct xvi_page, hot));
}

int xvi_page_take(struct xvi_heap *heap, uint32_t *page)
{
	struct xvi_page *record;
	int err = heap->source->page_take(heap->context, page);

	if (err != 0)
		return err;
	record = heap_page(heap, *page);
	record->state = PAGE_OURS;
	record->generation = heap->generation;
	if (heap->shape.prove)
		start_clear(heap, record);
	heap->page_count++;
	heap_set_block_limit(heap);
	if (*page >= heap->page_limit)
		heap->page_limit = *page + 1;
	xvi_grains_set(heap, *page, heap->shape.grain_count == 1, 0);
	/* A lead that ends its page has no words: the page need not be mapped. */
	record->whole = hole_put(heap, *page, NULL, heap->shape.first_unit,
				 heap->shape.end_unit - heap->shape.first_unit, 0);
	return 0;
}

void xvi_page_release(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t grains = grain_bits(record->committed);

	XVI_ASSERT(record->used_units == 0 && record->pins == 0 && record->hot == 0);
	if (record->whole != 0) {
		XVI_ASSERT(heap->holes.records[record->whole].page == page);
		list_unlink(heap, record->whole);
		hole_give(heap, record->whole);
	}
	xvi_grains_set(heap, page, 0, 0);
	record_clear(heap, record);
	heap->page_count--;
	heap_set_block_limit(heap);
	heap->source->pages_give(heap->context, page, 1, grains);
	if (heap->page_count == 0)
		heap_is_empty(heap);
}

void xvi_heap_clear(struct xvi_heap *heap)
{
	uint32_t page = heap->page_base;

	while (page < heap->page_limit) {
		uint32_t first = page;
		uint64_t grains = 0;

		/* A run of pages that follow each other goes in one call. */
		for (; page < heap->page_limit && heap_holds(heap, page); page++) {
			grains += grain_bits(heap_page(heap, page)->committed);
			record_clear(heap, heap_page(heap, page));
		}
		if (page != first)
			heap->source->pages_give(heap->context, first, page - first, grains);
		page += page == first;
	}
	memset(heap->lists.heads, 0,
	       xvi_heap_list_count(heap->shape.page_shift) * sizeof(heap->lists.heads[0]));
	memset(heap->lists.bits, 0, sizeof(heap->lists.bits));
	heap->lists.words = 0;
	heap->holes.live = 0;
	heap->blocks_left = heap->block_limit;
	heap->page_count = 0;
	heap->used_units = 0;
	heap->committed_grains = 0;
	heap->spare_grains = 0;
	heap->oldest_spare = 0;
	heap->newest_spare = 0;
	heap->victim = 0;
	heap->listed_min_units = LISTED_MIN_UNITS_MAX;
	heap_is_empty(heap);
}

bool xvi_start_is_from_before(const struct xvi_heap *heap, struct xvi_page *page,
			      const uint32_t *words, uint32_t unit)
{
	size_t record = (size_t)((unsigned char *)page - heap->pages);
	uint32_t kib = unit >> START_SHIFT;

	while (kib-- != 0) {
		uint32_t low = start_bytes(&heap->shape, page)[kib];

		if (low != START_NONE)
			return start_leads_to(heap, &heap->shape, words, kib << START_SHIFT | low,
					      unit);
	}
	/* No byte names a block before: the page's first block is this one, or begins at such
	 * a place too. */
	return start_leads_to(heap, &heap->shape, words,
			      heap_first_used(heap, (uint32_t)(record / heap->shape.page_stride)),
			      unit);
}

/* ---- the hole table ---- */

/* A record that moves has its number written into its hole's words. */
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
	if (record->used_units == 0)
		record->whole = to;
	heap_unmap(heap, hole.page, words);
	records[from].units = 0;
}

static bool give_sure(struct xvi_heap *heap)
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

bool xvi_heap_give_all(struct xvi_heap *heap)
{
	bool grains = xvi_heap_give_back(heap, 0) != 0;

	return give_sure(heap) || grains;
}

void xvi_heap_shrink_records(struct xvi_heap *heap)
{
	const uint32_t step = RECORD_STEP_BYTES / sizeof(struct xvi_hole);
	struct xvi_hole_table *holes = &heap->holes;
	uint32_t high = holes->live + 1;
	uint32_t low = 1;

	if (holes->bounded || holes->high < high + step) {
		(void)give_sure(heap);
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
	if (!give_sure(heap))
		heap->source->records_give(heap->context, high, holes->sure);
}
