/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * grain.c: grains that become hot, become spare, and are given back; see grain.h.
 *
 * At most heap_spare_most grains stay spare. Beyond that, the page that has had spare grains
 * longest gives back all of them.
 */
#include "grain.h"

enum { PINNED_LOOKS = 4 }; /* pinned pages that one free passes over */

/* ---- the list of pages with spare grains ---- */

/* The neighbours of a page in the list; at the ends, the heap's fields. */
static uint32_t *newer_of(struct xvi_heap *heap, uint32_t link)
{
	return link != 0 ? &heap_page(heap, link - 1)->newer : &heap->oldest_spare;
}

static uint32_t *older_of(struct xvi_heap *heap, uint32_t link)
{
	return link != 0 ? &heap_page(heap, link - 1)->older : &heap->newest_spare;
}

static void spare_link(struct xvi_heap *heap, uint32_t page)
{
	struct xvi_page *record = heap_page(heap, page);

	XVI_ASSERT((heap->newest_spare == 0) == (heap->oldest_spare == 0));
	record->older = heap->newest_spare;
	record->newer = 0;
	*newer_of(heap, record->older) = page + 1;
	heap->newest_spare = page + 1;
}

static void spare_unlink(struct xvi_heap *heap, uint32_t page)
{
	const struct xvi_page *record = heap_page(heap, page);

	XVI_ASSERT(*newer_of(heap, record->older) == page + 1);
	XVI_ASSERT(*older_of(heap, record->newer) == page + 1);
	*newer_of(heap, record->older) = record->newer;
	*older_of(heap, record->newer) = record->older;
}

static uint32_t page_spare(const struct xvi_page *record)
{
	return (uint32_t)record->committed & ~(uint32_t)record->hot;
}

void xvi_grains_set(struct xvi_heap *heap, uint32_t page, uint32_t committed, uint32_t hot)
{
	struct xvi_page *record = heap_page(heap, page);
	uint32_t spare = page_spare(record);

	XVI_ASSERT(heap->committed_grains >= grain_bits(record->committed));
	XVI_ASSERT(heap->spare_grains >= grain_bits(spare));
	heap->committed_grains -= grain_bits(record->committed);
	heap->spare_grains -= grain_bits(spare);
	record->committed = (uint16_t)committed;
	record->hot = (uint16_t)hot;
	heap->committed_grains += grain_bits(committed);
	heap->spare_grains += grain_bits(page_spare(record));
	XVI_ASSERT((hot & ~committed) == 0 && committed >> heap->shape.grain_count == 0); /* 9 */
	if (spare == 0 && page_spare(record) != 0)
		spare_link(heap, page);
	else if (spare != 0 && page_spare(record) == 0)
		spare_unlink(heap, page);
}

/* ---- becoming hot ---- */

/* Have the source take back each run of grains in mask; or, if err is not NULL, give each until
 * an error. Returns the grains that succeeded. */
static uint32_t each_run(struct xvi_heap *heap, uint32_t page, uint32_t mask, int *err)
{
	const struct xvi_heap_source *source = heap->source;
	uint32_t done = 0;

	while (mask != 0) {
		uint32_t first = xvi_ctz64(mask);
		uint32_t count = xvi_ctz64(~(uint64_t)(mask >> first));
		uint32_t run = ((1U << count) - 1U) << first;

		XVI_ASSERT(first + count <= heap->shape.grain_count);
		if (err != NULL) {
			*err = source->grains_take(heap->context, page, first, count);
			if (*err != 0)
				break;
			done |= run;
		} else if (source->grains_give(heap->context, page, first, count)) {
			done |= run;
		}
		mask &= ~run;
	}
	return done;
}

int xvi_grains_heat(struct xvi_heap *heap, uint32_t page, uint32_t from, uint32_t to)
{
	const struct xvi_page *record = heap_page(heap, page);
	uint32_t cold = grain_mask(&heap->shape, from, to) & ~(uint32_t)record->hot;
	uint32_t taken;
	int err = 0;

	XVI_ASSERT(heap_owns(heap, page));
	if (cold == 0)
		return 0;
	taken = each_run(heap, page, cold & ~(uint32_t)record->committed, &err);
	if (err != 0) {
		cold = 0;
		taken &= ~each_run(heap, page, taken, NULL); /* those that stay are spare */
	}
	xvi_grains_set(heap, page, record->committed | taken, record->hot | cold);
	XVI_ASSERT(err != 0 || grain_is_hot(&heap->shape, record, from, to));
	return err;
}

/* ---- becoming spare, and given back ---- */

/* Give back all spare grains of a page that is not pinned. An empty page goes as a whole, which
 * cannot fail. Returns their number. */
static uint32_t page_give_back(struct xvi_heap *heap, uint32_t page)
{
	const struct xvi_page *record = heap_page(heap, page);
	uint32_t spare = page_spare(record);
	uint32_t gone = spare;

	XVI_ASSERT(spare != 0 && record->pins == 0);
	if (XVI_UNLIKELY(record->used_units == 0 && record->hot != 0)) {
		xvi_heap_close(heap, page, heap->shape.first_unit,
			       "used_units is not the blocks' sum");
		return 0;
	}
	if (record->used_units == 0) {
		xvi_page_release(heap, page);
	} else {
		/* Grains that the source did not take count as hot until a hole covers them anew.
		 * Only then it is asked again. */
		gone = each_run(heap, page, spare, NULL);
		xvi_grains_set(heap, page, record->committed & ~gone,
			       record->hot | (spare & ~gone));
	}
	return grain_bits(gone);
}

/* Give back from the oldest page on until `keep` are left. Passes over at most `looks` pinned
 * pages. */
static uint64_t give_back(struct xvi_heap *heap, uint64_t keep, uint32_t looks)
{
	uint64_t gone = 0;

	while (heap->spare_grains > keep) {
		uint32_t page = heap->oldest_spare - 1;

		XVI_ASSERT(heap->oldest_spare != 0);
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

uint64_t xvi_heap_give_back(struct xvi_heap *heap, uint64_t keep)
{
	return give_back(heap, keep, heap->page_count);
}

void xvi_grains_cool(struct xvi_heap *heap, uint32_t page, uint32_t first, uint32_t end)
{
	const struct xvi_page *record = heap_page(heap, page);
	uint32_t cool = grain_mask_inside(heap, first, end) & record->hot;

	if (cool == 0)
		return;
	xvi_grains_set(heap, page, record->committed, record->hot & ~cool);
	if (heap->spare_grains > heap_spare_most(heap))
		(void)give_back(heap, heap_spare_most(heap), PINNED_LOOKS);
}
