/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * walk.c: the live objects of a heap, in order, a batch at a time. Reads only.
 */
#include "object.h"
#include "start.h"

/* Where a walk over the page's blocks may begin that is to see all from unit on: the first used
 * block of unit's KiB, where there is a proof, or of the page. */
static uint32_t walk_from(const struct xvi_heap *heap, uint32_t page, uint32_t unit)
{
	struct xvi_page *record = heap_page(heap, page);

	if (heap->shape.prove && unit < heap->shape.end_unit) {
		uint32_t kib = unit >> START_SHIFT;
		uint32_t low = start_bytes(&heap->shape, record)[kib];

		if (low != START_NONE && (kib << START_SHIFT | low) <= unit)
			return kib << START_SHIFT | low;
	}
	return heap->shape.first_unit;
}

/* The objects of a page from *unit on; *unit is then where to go on, end_unit at its end. */
static uint32_t page_list(const struct xvi_objects *objects, uint32_t page, uint32_t *unit,
			  struct xvi_object_seen *seen, uint32_t most)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words = heap_map(heap, page);
	uint32_t at = xvi_heap_next_used(heap, page, words, walk_from(heap, page, *unit));
	uint32_t count = 0;

	while (at < heap->shape.end_unit && count < most) {
		uint32_t header = words[at];

		XVI_ASSERT(!block_is_free(header));
		if (at >= *unit && block_kind(header) != KIND_REST) {
			seen[count].handle = objects_handle(objects, page, at, header);
			seen[count].size =
				block_kind(header) == KIND_FIRST
					? words[piece_link_unit(objects, at, KIND_FIRST) + 2]
					: piece_payload_bytes(objects, header);
			count++;
		}
		at = xvi_heap_next_used(heap, page, words, at + heap_block_units(heap, header));
	}
	*unit = at;
	heap_unmap(heap, page, words);
	return count;
}

uint32_t xvi_objects_list(struct xvi_objects *objects, uint32_t *page, uint32_t *unit,
			  struct xvi_object_seen *seen, uint32_t most)
{
	const struct xvi_heap *heap = &objects->heap;

	XVI_ASSERT(most != 0);
	while (*page < heap->page_limit) {
		uint32_t count = 0;

		if (heap_holds(heap, *page) && heap_page(heap, *page)->used_units != 0 &&
		    *unit < heap->shape.end_unit)
			count = page_list(objects, *page, unit, seen, most);
		else
			*unit = heap->shape.end_unit;
		if (*unit >= heap->shape.end_unit) {
			*page += 1;
			*unit = 0;
		}
		if (count != 0)
			return count;
	}
	return 0;
}
