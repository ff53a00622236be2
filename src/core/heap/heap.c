/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.c: make a heap; its pages, the end of its hole table, its victim, and walks over the blocks
 * of a page; see heap.h.
 */
#include "hole.h"

uint32_t xvi_heap_list_count(uint32_t page_shift)
{
	uint32_t count = list_of(1U << (page_shift - UNIT_SHIFT)) + 1;

	XVI_ASSERT(page_shift > UNIT_SHIFT && count <= LIST_COUNT_MAX);
	return count;
}

/* Is the proof a bit for each place? */
static bool has_start_bits(uint32_t alignment)
{
	return alignment == UNIT_BYTES << START_BIT_SHIFT;
}

uint32_t xvi_heap_page_stride(uint32_t page_shift, uint32_t alignment, bool prove)
{
	uint32_t proof = prove ? start_bytes(page_shift, has_start_bits(alignment)) : 0;

	return (uint32_t)sizeof(struct xvi_page) + ((proof + 3U) & ~3U);
}

static struct xvi_shape shape_make(const struct xvi_heap_config *config)
{
	uint32_t payload_at = BLOCK_HEADER_BYTES + config->prefix_bytes;
	uint32_t align_units = config->alignment / UNIT_BYTES;
	uint32_t first = ((0U - payload_at) & (config->alignment - 1)) / UNIT_BYTES;
	uint32_t most = (1U << (config->page_shift - UNIT_SHIFT)) - first - config->end_edge;

	XVI_ASSERT(align_units != 0 && (config->alignment & (config->alignment - 1)) == 0);
	XVI_ASSERT(most >= align_units);
	return (struct xvi_shape){
		.page_shift = config->page_shift,
		.grain_shift = config->grain_shift - UNIT_SHIFT,
		.grain_count = 1U << (config->page_shift - config->grain_shift),
		.align_mask = config->alignment - 1,
		.first_unit = first,
		.end_unit = first + most / align_units * align_units,
		.page_stride =
			xvi_heap_page_stride(config->page_shift, config->alignment, config->prove),
		.prove = config->prove,
		.start_bits = has_start_bits(config->alignment),
	};
}

/* No page is left: lists, counters and the hole table begin anew. */
static void heap_reset(struct xvi_heap *heap)
{
	size_t heads = xvi_heap_list_count(heap->shape.page_shift);

	memset(heap->lists.heads, 0, heads * sizeof(heap->lists.heads[0]));
	memset(heap->lists.bits, 0, sizeof(heap->lists.bits));
	heap->lists.words = 0;
	heap->listed_min_units = LISTED_MIN_UNITS_MAX;
	heap->holes.live = 0;
	heap->holes.free_head = 0;
	heap->holes.high = 1;
	heap->page_limit = 0;
	heap->page_count = 0;
	heap->blocks_left = heap->block_limit;
	heap->used_units = 0;
	heap->committed_grains = 0;
	heap->spare_grains = 0;
	heap->oldest_spare = 0;
	heap->newest_spare = 0;
	heap->victim = 0;
	heap->closed_pages = 0;
	heap_set_block_limit(heap);
}

void xvi_heap_init(struct xvi_heap *heap, const struct xvi_heap_config *config)
{
	XVI_ASSERT(config->page_shift - config->grain_shift <= 4);
	XVI_ASSERT(config->records_ready <= config->records_most);
	memset(heap, 0, sizeof(*heap));
	heap->shape = shape_make(config);
	heap->payload_at = BLOCK_HEADER_BYTES + config->prefix_bytes;
	heap->base = config->base;
	heap->pages = config->pages;
	heap->key = config->key;
	heap->random = config->scatter ? config->key | 1U : 0;
	/* Handles of other pools have other stamps, even if the pools do the same. */
	heap->generation = (uint16_t)(config->generation + config->key);
	heap->lists.heads = config->heads;
	heap->holes.records = config->records;
	heap->holes.ready = config->records_ready;
	heap->holes.most = config->records_most;
	heap->holes.bounded = config->records_bounded;
	heap->source = config->source;
	heap->context = config->context;
	heap_reset(heap);
}

/* Give back the end of the hole table that is neither used nor needed, if that is a step or
 * more. */
static bool give_unneeded(struct xvi_heap *heap)
{
	struct xvi_hole_table *holes = &heap->holes;
	uint32_t need = heap_block_count(heap) + heap->page_count + 2;

	XVI_ASSERT(holes->live < holes->high);
	need = need > holes->high ? need : holes->high;
	need = (need + RECORD_STEP - 1) / RECORD_STEP * RECORD_STEP;
	if (holes->bounded || holes->ready < need + RECORD_STEP)
		return false;
	holes->ready = need;
	heap_set_block_limit(heap);
	heap->source->records_give(heap->context, holes->high, holes->ready);
	return true;
}

/* ---- pages ---- */

/* Clear the record of a page, except the source's byte. The next page goes on counting from its
 * generation, so a page that comes back does not accept its old handles. */
static void record_clear(struct xvi_heap *heap, struct xvi_page *record)
{
	XVI_ASSERT((record->state & PAGE_OURS) != 0);
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
	XVI_ASSERT(*page >= heap->page_base && record->state == 0 && record->used_units == 0);
	XVI_ASSERT(record->hot == 0 && record->committed == 0 && record->pins == 0);
	record->state = PAGE_OURS;
	record->generation = heap->generation;
	if (heap->shape.prove)
		start_clear(&heap->shape, record);
	heap->page_count++;
	heap_set_block_limit(heap);
	if (*page >= heap->page_limit)
		heap->page_limit = *page + 1;
	xvi_grains_set(heap, *page, heap->shape.grain_count == 1, 0);
	/* A lead that ends its page has no words: no map. */
	record->whole = hole_put(heap, *page, NULL, heap->shape.first_unit,
				 heap->shape.end_unit - heap->shape.first_unit, 0);
	return 0;
}

void xvi_page_release(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t grains = grain_bits(record->committed);

	XVI_ASSERT(record->used_units == 0 && record->pins == 0 && record->hot == 0);
	XVI_ASSERT(heap->page_count != 0 && heap->victim != page + 1);
	if (record->whole != 0) {
		XVI_ASSERT(heap->holes.records[record->whole].page == page);
		list_unlink(heap, &heap->shape, record->whole);
		hole_give(heap, record->whole);
	}
	xvi_grains_set(heap, page, 0, 0);
	record_clear(heap, record);
	heap->page_count--;
	heap_set_block_limit(heap);
	heap->source->pages_give(heap->context, page, 1, grains);
	if (heap->page_count == 0) {
		XVI_ASSERT(heap->holes.live == 0 && heap_block_count(heap) == 0);
		heap_reset(heap);
		(void)give_unneeded(heap);
	}
}

void xvi_heap_clear(struct xvi_heap *heap)
{
	uint32_t page = heap->page_base;

	while (page < heap->page_limit) {
		uint32_t first = page;
		uint64_t grains = 0;

		/* Adjacent pages go in one call. */
		for (; page < heap->page_limit && heap_holds(heap, page); page++) {
			grains += grain_bits(heap_page(heap, page)->committed);
			record_clear(heap, heap_page(heap, page));
		}
		if (page != first)
			heap->source->pages_give(heap->context, first, page - first, grains);
		page += page == first;
	}
	heap_reset(heap);
	(void)give_unneeded(heap);
}

/* ---- the hole table ---- */

/* Move a record, and write its new number into the words of its hole. */
static void record_move(struct xvi_heap *heap, uint32_t from, uint32_t to)
{
	struct xvi_hole *records = heap->holes.records;
	struct xvi_hole hole = records[from];
	uint32_t end = (uint32_t)hole.first + hole.units;
	struct xvi_page *record = heap_page(heap, hole.page);
	uint32_t *words = heap_map(heap, hole.page);

	XVI_ASSERT(to < from && records[to].units == 0 && hole.units != 0);
	hole_unlist(heap, &heap->shape, record, from);
	hole_set(heap, &heap->shape, record, hole.page, hole.first, end, to);
	hole_write_words(&heap->shape, words, hole.first, end, hole_listed_word(to));
	if (record->used_units == 0)
		record->whole = to;
	heap_unmap(heap, hole.page, words);
	records[from].units = 0;
}

bool xvi_heap_give_all(struct xvi_heap *heap)
{
	bool grains = xvi_heap_give_back(heap, 0) != 0;

	return give_unneeded(heap) || grains;
}

void xvi_heap_shrink_records(struct xvi_heap *heap)
{
	struct xvi_hole_table *holes = &heap->holes;
	uint32_t high = holes->live + 1;
	uint32_t low = 1;

	if (holes->bounded || holes->high < high + RECORD_STEP) {
		(void)give_unneeded(heap);
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
	/* The live records fill the beginning of the table: none below `high` is unused. */
	holes->free_head = 0;
	holes->high = high;
	if (!give_unneeded(heap))
		heap->source->records_give(heap->context, high, holes->ready);
}

/* ---- the victim, and walks over a page's blocks ---- */

/* The first used block of the page: behind the lead, if there is one. */
static uint32_t page_first_used(const struct xvi_heap *heap, const struct xvi_page *record)
{
	XVI_ASSERT(heap->shape.first_unit + record->lead_units <= heap->shape.end_unit); /* 13 */
	return record->used_units == 0 ? heap->shape.end_unit
				       : heap->shape.first_unit + record->lead_units;
}

static void hole_relist(struct xvi_heap *heap, uint32_t word, bool in)
{
	if (!block_is_free(word) || !hole_is_listed(word))
		return;
	if (in)
		list_push(heap, &heap->shape, hole_value(word), heap_hole_units(heap, word));
	else
		list_unlink(heap, &heap->shape, hole_value(word));
}

/* Put the holes of a sound page that has a block into their lists, or take them out. */
static void holes_list_all(struct xvi_heap *heap, uint32_t page, bool in)
{
	uint32_t *words = heap_map(heap, page);
	uint32_t unit = page_first_used(heap, heap_page(heap, page));

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
	if (xvi_heap_close_unsound(heap, page))
		return;
	holes_list_all(heap, page, false);
	heap_page(heap, page)->state |= PAGE_VICTIM;
	heap->victim = page + 1;
}

void xvi_heap_victim_end(struct xvi_heap *heap)
{
	if (heap->victim == 0 || xvi_heap_close_unsound(heap, heap->victim - 1))
		return;
	XVI_ASSERT(page_is_victim(heap_page(heap, heap->victim - 1)));
	heap_page(heap, heap->victim - 1)->state = PAGE_OURS;
	holes_list_all(heap, heap->victim - 1, true);
	heap->victim = 0;
}

uint32_t xvi_heap_next_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
			    uint32_t unit)
{
	const struct xvi_page *record = heap_page(heap, page);
	const struct xvi_shape *shape = &heap->shape;

	XVI_ASSERT(unit >= shape->first_unit && !heap_is_closed(heap, page));
	if (unit == shape->first_unit)
		unit = page_first_used(heap, record);
	while (unit < shape->end_unit) {
		uint32_t units = look_units(heap, shape, record, page, words, unit);

		if (units == 0)
			return UINT32_MAX;
		if (!block_is_free(words[unit]))
			return unit;
		unit += units;
	}
	return unit;
}

bool xvi_start_is_from_before(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
			      uint32_t unit)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t kib = unit >> START_SHIFT;
	uint32_t from = page_first_used(heap, record);

	XVI_ASSERT(heap->shape.prove && !heap->shape.start_bits);
	XVI_ASSERT((unit & START_MASK) == START_NONE);
	/* If no byte names an earlier block, this block is the first of the page, or the first also
	 * begins at such a place. */
	while (kib-- != 0) {
		uint32_t low = *start_byte(&heap->shape, record, kib << START_SHIFT);

		if (low != START_NONE) {
			from = kib << START_SHIFT | low;
			break;
		}
	}
	return start_leads_to(heap, &heap->shape, record, page, words, from, unit);
}

/* ---- closing a page ---- */

/* Take back the records of all holes of a page. Its words tell no more which those are. */
static void holes_forget(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_hole *records = heap->holes.records;

	for (uint32_t index = 1; index < heap->holes.high; index++) {
		if (records[index].units == 0 || records[index].page != page)
			continue;
		hole_unlist(heap, &heap->shape, heap_page(heap, page), index);
		hole_give(heap, index);
	}
}

void xvi_heap_close(struct xvi_heap *heap, uint32_t page, uint32_t unit, const char *message)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t units;

	XVI_ASSERT(heap_owns(heap, page));
	if (heap_is_closed(heap, page))
		return;
	holes_forget(heap, page);
	if (heap->victim == page + 1)
		heap->victim = 0;
	xvi_grains_set(heap, page, record->committed, record->committed);
	units = grain_bits(record->committed) << heap->shape.grain_shift;
	XVI_ASSERT(heap->used_units >= record->used_units); /* 10 */
	heap->used_units = heap->used_units - record->used_units + units;
	record->used_units = (uint16_t)units;
	record->whole = 0;
	record->state = PAGE_OURS | PAGE_CLOSED;
	heap->closed_pages++;
	/* What a walk finds at the end of a page is told of its last unit. */
	heap->source->page_closed(heap->context, page,
				  unit < heap->shape.end_unit ? unit : heap->shape.end_unit - 1,
				  message);
}

bool xvi_heap_close_unsound(struct xvi_heap *heap, uint32_t page)
{
	const char *message;
	uint32_t unit;

	if (!xvi_heap_page_check(heap, page, &unit, &message))
		xvi_heap_close(heap, page, unit, message);
	return heap_is_closed(heap, page);
}
