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

/* Is a place below end_unit, of an addressable page of ours, proved for the header there? */
XVI_ALWAYS_INLINE bool place_is_proved(const struct xvi_heap *heap, struct xvi_page *record,
				       uint32_t page, const uint32_t *words, uint32_t unit)
{
	uint32_t header, end;

	if (heap->prove)
		return start_is(heap, record, words, unit);
	if (!unit_is_hot(heap, record, unit))
		return false;
	header = words[unit];
	end = unit + heap_block_units(heap, header);
	/* What ends its page, or has a hole before it, is for the slow path. */
	return !block_prev_is_free(header) && end < heap->end_unit &&
	       keyed_behind(heap, record, page, words, end);
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

	if (XVI_UNLIKELY(page >= heap->page_limit || unit >= heap->fast_end))
		return xvi_object_free_slow(objects, handle);
	record = heap_page(heap, page);
	words = (uint32_t *)(void *)(heap->base + ((size_t)page << FAST_PAGE_SHIFT));
	if (XVI_UNLIKELY(record->state != PAGE_OURS ||
			 !place_is_proved(heap, record, page, words, unit)))
		return xvi_object_free_slow(objects, handle);
	header = words[unit];
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
