/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * object_fast.h: the common malloc and the common free, inline: an object of one piece, by the
 * fast paths of heap/fast.h. All else is xvi_object_malloc_slow's and xvi_object_free_slow's.
 * O(1).
 */
#ifndef XVI_OBJECT_FAST_H
#define XVI_OBJECT_FAST_H

#include "fast.h"
#include "prove.h"

/* As xvi_object_malloc, with the pool's alignment. */
XVI_ALWAYS_INLINE int object_malloc(struct xvi_objects *objects, size_t size, uint32_t owner,
				    xv_handle *handle)
{
	struct xvi_place place;

	if (XVI_UNLIKELY(size - 1 >= objects->whole_max ||
			 !heap_malloc_fast(&objects->heap, (uint32_t)size + objects->prefix_bytes,
					   KIND_WHOLE, &place)))
		return xvi_object_malloc_slow(objects, size, 1, owner, handle);
	if (objects->prefix_bytes != 0)
		place.words[place.unit + 1] = owner;
	objects->mallocs++;
	objects->requested_bytes += size;
	*handle = objects_handle(objects, place.page, place.unit, place.header);
	return 0;
}

/* Unit of a handle, or one beyond any page where it is none's. */
static inline uint32_t handle_unit(const struct xvi_objects *objects, xv_handle handle)
{
	uint32_t at = xv_handle_offset(handle) - objects->heap.payload_at;

	return at >> UNIT_SHIFT | at << (32 - UNIT_SHIFT);
}

/* The keyed check of keyed_is, for the pages that fast.h is for; but for the header's own keyed
 * bits, which the tag has. False also for what ends its page. */
XVI_ALWAYS_INLINE bool keyed_fast(const struct xvi_heap *heap, struct xvi_page *record,
				  uint32_t page, const uint32_t *words, uint32_t unit)
{
	uint32_t hot = page_grains(record)->hot;
	uint32_t header, behind, end;

	if (XVI_UNLIKELY((hot >> (unit >> FAST_GRAIN_SHIFT) & 1U) == 0))
		return false;
	header = words[unit];
	end = unit + fast_units(block_content(header));
	if (XVI_UNLIKELY(end >= heap->fast_end || (hot >> (end >> FAST_GRAIN_SHIFT) & 1U) == 0))
		return false;
	if (block_prev_is_free(header) && !keyed_hole_ends(heap, record, page, words, unit))
		return false;
	behind = words[end];
	if (block_is_free(behind))
		return keyed_hole_begins(heap, record, page, words, end);
	return !block_prev_is_free(behind) && heap_check_is_keyed(heap, page, end, behind) &&
	       fast_units(block_content(behind)) <= heap->fast_end - end;
}

/* Is a place below end_unit, of a page of ours, proved for the header there? */
XVI_ALWAYS_INLINE bool place_is_proved(const struct xvi_heap *heap, struct xvi_page *record,
				       uint32_t page, const uint32_t *words, uint32_t unit)
{
	if (heap->prove)
		return start_is(heap, record, words, unit);
	return keyed_fast(heap, record, page, words, unit);
}

/* As xvi_object_free. */
XVI_ALWAYS_INLINE int object_free(struct xvi_objects *objects, xv_handle handle)
{
	struct xvi_heap *heap = &objects->heap;
	uint32_t page = xv_handle_page(handle);
	uint32_t unit = handle_unit(objects, handle);
	struct xvi_page *record;
	uint32_t *words;
	uint32_t header;

	if (XVI_UNLIKELY(page < heap->page_base || page >= heap->page_limit ||
			 unit >= heap->fast_end))
		return xvi_object_free_slow(objects, handle);
	record = heap_page(heap, page);
	words = (uint32_t *)(void *)(heap->base + ((size_t)page << FAST_PAGE_SHIFT));
	if (XVI_UNLIKELY(record->state != PAGE_OURS ||
			 !place_is_proved(heap, record, page, words, unit)))
		return xvi_object_free_slow(objects, handle);
	header = words[unit]; /* proved: a used block's */
	/* Kind and FREE are 0 in the word of a WHOLE block. */
	if (XVI_UNLIKELY((objects->tag | block_check(header)) != handle_tag(handle) ||
			 (header & (BLOCK_FREE | BLOCK_KIND_MASK << BLOCK_KIND_SHIFT)) != 0 ||
			 !heap_free_fast(heap, record, page, words, unit, header)))
		return xvi_object_free_slow(objects, handle);
	objects->frees++;
	objects->requested_bytes -= block_content(header) - objects->prefix_bytes;
	return 0;
}

#endif
