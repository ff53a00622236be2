/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * grain.c: grains that become hot, spare, and given back; see grain.h.
 *
 * The one rule of what is kept: spare grains up to a 200th of the committed ones, or eight if
 * that is more; what is too much goes from the page that has had spare grains the longest, all
 * of that page's at once.
 */
#include "grain.h"

#include "free_list.h"

enum { PINNED_LOOKS = 4 }; /* pinned pages that giving back passes over in one free */

/* ---- the list of pages with spare grains ---- */

static void spare_link(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_grains *grains = page_grains(heap_page(heap, page));

	grains->older = heap->newest_spare;
	grains->newer = 0;
	if (heap->newest_spare != 0)
		page_grains(heap_page(heap, heap->newest_spare - 1))->newer = page + 1;
	else
		heap->oldest_spare = page + 1;
	heap->newest_spare = page + 1;
}

static void spare_unlink(struct xvi_heap *heap, uint32_t page)
{
	const struct xvi_grains *grains = page_grains(heap_page(heap, page));

	if (grains->older != 0)
		page_grains(heap_page(heap, grains->older - 1))->newer = grains->newer;
	else
		heap->oldest_spare = grains->newer;
	if (grains->newer != 0)
		page_grains(heap_page(heap, grains->newer - 1))->older = grains->older;
	else
		heap->newest_spare = grains->older;
}

static uint32_t grains_spare(const struct xvi_grains *grains)
{
	return (uint32_t)grains->committed & ~(uint32_t)grains->hot;
}

/* ---- becoming hot ---- */

/* Have the source take each run of grains in mask, up to an error, or give each back. Returns
 * those that it did. */
static uint32_t each_run(struct xvi_heap *heap, uint32_t page, uint32_t mask, bool take, int *err)
{
	const struct xvi_heap_source *source = heap->source;
	uint32_t done = 0;

	while (mask != 0 && *err == 0) {
		uint32_t first = xvi_ctz64(mask);
		uint32_t count = xvi_ctz64(~(uint64_t)(mask >> first));
		uint32_t run = ((1U << count) - 1U) << first;

		if (take)
			*err = source->grains_take(heap->context, page, first, count);
		if (take ? *err == 0 : source->grains_give(heap->context, page, first, count))
			done |= run;
		mask &= ~run;
	}
	return done;
}

int xvi_grains_heat(struct xvi_heap *heap, uint32_t page, uint32_t from, uint32_t to)
{
	struct xvi_page *record = heap_page(heap, page);
	struct xvi_grains *grains = page_grains(record);
	uint32_t cold, absent, taken;
	int err = 0, none = 0;

	if (heap->shape.grain_count == 1) {
		XVI_ASSERT(record->used_units != 0 || heap->spare_grains != 0);
		heap->spare_grains -= record->used_units == 0;
		return 0;
	}
	cold = grain_mask(&heap->shape, from, to) & ~(uint32_t)grains->hot;
	absent = cold & ~(uint32_t)grains->committed;
	taken = each_run(heap, page, absent, true, &err);
	if (err != 0)
		taken &= ~each_run(heap, page, taken, false, &none); /* what stays is spare */
	if (taken != 0 && err != 0 && grains_spare(grains) == 0)
		spare_link(heap, page);
	heap->committed_grains += grain_bits(taken);
	grains->committed = (uint16_t)(grains->committed | taken);
	if (err != 0) {
		heap->spare_grains += grain_bits(taken);
		return err;
	}
	/* The taken ones were never spare. */
	if ((cold & ~absent) != 0) {
		heap->spare_grains -= grain_bits(cold & ~absent);
		if ((grains_spare(grains) & ~cold) == 0 && (record->state & PAGE_STUCK) == 0)
			spare_unlink(heap, page);
	}
	grains->hot = (uint16_t)(grains->hot | cold);
	if (grains_spare(grains) == 0)
		record->state = (uint8_t)(record->state & ~PAGE_STUCK);
	return 0;
}

/* ---- becoming spare, and given back ---- */

/* Give back all spare grains of a page that is not pinned. Returns their number. */
static uint32_t page_give_back(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_page *record = heap_page(heap, page);
	struct xvi_grains *grains = page_grains(record);
	uint32_t gone = grains_spare(grains);
	int none = 0;

	spare_unlink(heap, page);
	/* An empty page goes as a whole, which cannot fail. */
	if (record->used_units == 0) {
		heap->spare_grains -= grain_bits(gone);
		xvi_page_release(heap, page, grains->whole);
		return grain_bits(gone);
	}
	gone = each_run(heap, page, gone, false, &none);
	grains->committed = (uint16_t)(grains->committed & ~gone);
	heap->committed_grains -= grain_bits(gone);
	heap->spare_grains -= grain_bits(gone);
	if (grains_spare(grains) != 0)
		record->state |= PAGE_STUCK;
	return grain_bits(gone);
}

/* Give back from the oldest until `keep` are left; passes over `looks` pinned pages at most. */
static uint64_t give_back_grains(struct xvi_heap *heap, uint64_t keep, uint32_t looks)
{
	uint64_t gone = 0;

	while (heap->spare_grains > keep && heap->oldest_spare != 0) {
		uint32_t page = heap->oldest_spare - 1;

		if (heap_page(heap, page)->pins == 0) {
			gone += page_give_back(heap, page);
		} else if (looks-- != 0) {
			spare_unlink(heap, page);
			spare_link(heap, page);
		} else {
			break;
		}
	}
	return gone;
}

/* Pages of one grain: the empty ones are holes of the longest list. */
static uint64_t give_back_pages(struct xvi_heap *heap, uint64_t keep)
{
	uint32_t index = heap->lists.heads[list_of(heap->shape.end_unit - heap->shape.first_unit)];
	uint64_t gone = 0;

	while (heap->spare_grains > keep && index != 0) {
		uint32_t page = heap->holes.records[index].page;
		uint32_t next = heap->holes.records[index].next;
		const struct xvi_page *record = heap_page(heap, page);

		if (record->used_units == 0 && record->pins == 0) {
			heap->spare_grains--;
			xvi_page_release(heap, page, index);
			gone++;
		}
		index = next;
	}
	return gone;
}

uint64_t xvi_heap_give_back(struct xvi_heap *heap, uint64_t keep)
{
	if (heap->shape.grain_count == 1)
		return give_back_pages(heap, keep);
	return give_back_grains(heap, keep, heap->page_count);
}

void xvi_grains_cool(struct xvi_heap *heap, uint32_t page, uint32_t first, uint32_t end)
{
	struct xvi_page *record = heap_page(heap, page);
	struct xvi_grains *grains = page_grains(record);
	uint32_t newly = grain_mask_inside(heap, first, end) & grains->hot;

	if (newly == 0)
		return;
	if (grains_spare(grains) == 0 || (record->state & PAGE_STUCK) != 0)
		spare_link(heap, page);
	record->state = (uint8_t)(record->state & ~PAGE_STUCK);
	grains->hot = (uint16_t)(grains->hot & ~newly);
	heap->spare_grains += grain_bits(newly);
	if (heap->spare_grains > heap_spare_most(heap))
		(void)give_back_grains(heap, heap_spare_most(heap), PINNED_LOOKS);
}

void xvi_page_cool(struct xvi_heap *heap, uint32_t page, uint32_t index)
{
	XVI_ASSERT(heap_page(heap, page)->used_units == 0);
	if (heap->spare_grains >= heap_spare_most(heap) && heap_page(heap, page)->pins == 0)
		xvi_page_release(heap, page, index);
	else
		heap->spare_grains++;
}
