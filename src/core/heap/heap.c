/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.c: making a heap, its pages given back; see heap.h.
 */
#include "hole.h"

enum { PAGE_RECORD_BYTES = 10, GRAINS_AT = 12, GRAINS_RECORD_BYTES = 16 };

_Static_assert(sizeof(struct xvi_page) == PAGE_RECORD_BYTES, "what the heap clears ends there");
_Static_assert(sizeof(struct xvi_grains) == GRAINS_RECORD_BYTES, "16 bytes");

uint32_t xvi_heap_list_count(uint32_t page_shift)
{
	return list_of(1U << (page_shift - UNIT_SHIFT)) + 1;
}

/* Where the proof begins in a page record. */
static uint32_t starts_at(uint32_t page_shift, uint32_t grain_shift)
{
	return grain_shift < page_shift ? GRAINS_AT + GRAINS_RECORD_BYTES : PAGE_RECORD_BYTES;
}

uint32_t xvi_heap_page_stride(uint32_t page_shift, uint32_t grain_shift, bool prove)
{
	uint32_t bytes = starts_at(page_shift, grain_shift);

	if (prove)
		bytes += start_count(page_shift);
	return (bytes + 3U) & ~3U;
}

static void heap_set_shape(struct xvi_heap *heap, const struct xvi_heap_config *config)
{
	uint32_t payload_at = BLOCK_HEADER_BYTES + config->prefix_bytes;
	uint32_t align_units = config->alignment / UNIT_BYTES;
	uint32_t page_units = 1U << (config->page_shift - UNIT_SHIFT);

	heap->page_shift = config->page_shift;
	heap->grain_shift = config->grain_shift - UNIT_SHIFT;
	heap->grain_count = 1U << (config->page_shift - config->grain_shift);
	heap->align_mask = config->alignment - 1;
	heap->payload_at = payload_at;
	heap->first_unit = ((0U - payload_at) & heap->align_mask) / UNIT_BYTES;
	heap->end_unit =
		heap->first_unit + (page_units - heap->first_unit) / align_units * align_units;
	heap->page_stride =
		xvi_heap_page_stride(config->page_shift, config->grain_shift, config->prove);
	heap->starts_at = starts_at(config->page_shift, config->grain_shift);
	heap->prove = config->prove;
	/* Without the proof the low bits must be the place's alone: see heap_check_is_keyed. */
	heap->generation_shift = config->prove ? 0 : 5;
}

void xvi_heap_init(struct xvi_heap *heap, const struct xvi_heap_config *config)
{
	XVI_ASSERT(config->page_shift - config->grain_shift <= 4);
	memset(heap, 0, sizeof(*heap));
	heap_set_shape(heap, config);
	heap->base = config->base;
	heap->pages = config->pages;
	heap->key = config->key;
	heap->generation = config->generation;
	heap->lists.heads = config->heads;
	heap->holes.records = config->records;
	heap->holes.sure = config->records_sure;
	heap->holes.most = config->records_most;
	heap->holes.bounded = config->records_bounded;
	heap->holes.high = 1;
	heap->listed_min_units = LISTED_MIN_UNITS_MAX;
	heap_set_fast(heap);
	heap->source = config->source;
	heap->context = config->context;
	heap_set_block_limit(heap);
	memset(heap->lists.heads, 0,
	       xvi_heap_list_count(config->page_shift) * sizeof(heap->lists.heads[0]));
}

/* Nothing is left: the hole table begins anew. */
static void heap_is_empty(struct xvi_heap *heap)
{
	XVI_ASSERT(heap->holes.live == 0 && heap->block_count == 0);
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
	memset((unsigned char *)record + PAGE_RECORD_BYTES, 0,
	       heap->page_stride - PAGE_RECORD_BYTES);
}

/* Committed grains of a page of ours. */
static uint32_t page_committed(const struct xvi_heap *heap, struct xvi_page *record)
{
	return heap->grain_count == 1 ? 1 : grain_bits(page_grains(record)->committed);
}

void xvi_page_release(struct xvi_heap *heap, uint32_t page, uint32_t index)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t grains = page_committed(heap, record);

	XVI_ASSERT(record->used_units == 0 && record->pins == 0);
	if (index != 0) {
		XVI_ASSERT(heap->holes.records[index].page == page);
		list_unlink(heap, index);
		hole_give(heap, index);
	}
	record_clear(heap, record);
	heap->page_count--;
	heap_set_block_limit(heap);
	heap->committed_grains -= grains;
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
			grains += page_committed(heap, heap_page(heap, page));
			record_clear(heap, heap_page(heap, page));
		}
		if (page != first)
			heap->source->pages_give(heap->context, first, page - first, grains);
		page += page == first;
	}
	memset(heap->lists.heads, 0,
	       xvi_heap_list_count(heap->page_shift) * sizeof(heap->lists.heads[0]));
	memset(heap->lists.bits, 0, sizeof(heap->lists.bits));
	heap->lists.words = 0;
	heap->holes.live = 0;
	heap->block_count = 0;
	heap->page_count = 0;
	heap->used_units = 0;
	heap->committed_grains = 0;
	heap->spare_grains = 0;
	heap->oldest_spare = 0;
	heap->newest_spare = 0;
	heap->victim_count = 0;
	heap->listed_min_units = LISTED_MIN_UNITS_MAX;
	heap_set_fast(heap);
	heap_is_empty(heap);
}

bool xvi_start_is_from_before(const struct xvi_heap *heap, struct xvi_page *page,
			      const uint32_t *words, uint32_t unit)
{
	size_t record = (size_t)((unsigned char *)page - heap->pages);
	uint32_t kib = unit >> START_SHIFT;

	while (kib-- != 0) {
		uint32_t low = start_bytes(heap, page)[kib];

		if (low != START_NONE)
			return start_leads_to(heap, words, kib << START_SHIFT | low, unit);
	}
	/* No byte names a block before: the page's first block is this one, or begins at such
	 * a place too. */
	return start_leads_to(heap, words,
			      heap_first_used(heap, (uint32_t)(record / heap->page_stride)), unit);
}
