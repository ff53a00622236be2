/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * object_fast.h: the common malloc and the common free, inline: an object of one piece in a heap of
 * a usual shape, by heap/fast.h. xvi_object_malloc and xvi_object_free do the rest. O(1).
 */
#ifndef XVI_OBJECT_FAST_H
#define XVI_OBJECT_FAST_H

#include "prove.h"
#include "xvi_probe.h"

XVI_ALWAYS_INLINE int object_malloc_fast(struct xvi_objects *objects, const struct xvi_shape *shape,
					 size_t size, uint32_t owner, xv_handle *handle)
{
	struct xvi_place place;

	XVI_ASSERT(objects->tail_bytes == 0 && !objects_watched(objects));
	/* Size 0 wraps. */
	if (XVI_UNLIKELY(size - 1 >= objects->whole_max ||
			 !heap_malloc_fast(&objects->heap, shape,
					   (uint32_t)size + objects->prefix_bytes, &place)))
		return xvi_object_malloc(objects, size, 1, owner, handle);
	place.words[place.unit + 1] = owner; /* without owners, undefined payload */
	objects->mallocs++;
	objects->requested_bytes += size;
	*handle = objects_handle(objects, place.page, place.unit, place.header);
	XVI_PROBE3(xvmalloc, malloc, objects, size, *handle);
	return 0;
}

/* Do kind and tag of the header belong to an object of one piece with this handle? A proved place
 * needs no tag. */
static inline bool header_is(const struct xvi_objects *objects, const struct xvi_shape *shape,
			     uint32_t header, xv_handle handle)
{
	uint32_t bits = BLOCK_FREE | BLOCK_KIND_MASK << BLOCK_KIND_SHIFT; /* 0 in a WHOLE one */
	uint32_t tag = handle_tag(handle);

	return (tag == (objects->tag | block_stamp(header)) || (shape->prove && tag == 0)) &&
	       (header & bits) == 0;
}

XVI_ALWAYS_INLINE int object_free_fast(struct xvi_objects *objects, const struct xvi_shape *shape,
				       xv_handle handle)
{
	struct xvi_heap *heap = &objects->heap;
	uint32_t page = xv_handle_page(handle);
	uint32_t unit = handle_unit(objects, handle);
	struct xvi_page *record = shape_page(heap, shape, page);
	uint32_t *words = (uint32_t *)(void *)(heap->base + ((size_t)page << shape->page_shift));
	struct xvi_around around;
	uint32_t header;

	XVI_ASSERT(objects->tail_bytes == 0 && !objects_watched(objects));
	if (XVI_UNLIKELY(page < heap->page_base || page >= heap->page_limit ||
			 unit >= shape->end_unit || record->state != PAGE_OURS) ||
	    !(shape->prove ? start_is(heap, shape, record, page, words, unit)
			   : keyed_is(heap, shape, record, page, words, unit, &around)))
		return xvi_object_free(objects, handle);
	header = words[unit];
	if (XVI_UNLIKELY(!header_is(objects, shape, header, handle)) ||
	    (shape->prove && !(block_is_sound(heap, shape, record, page, words, unit, &around) &&
			       XVI_LIKELY(block_content(header) > objects->prefix_bytes))))
		return xvi_object_free(objects, handle);
	XVI_ASSERT((record->state & (PAGE_VICTIM | PAGE_CLOSED)) == 0);
	XVI_PROBE2(xvmalloc, free, objects, handle);
	objects->requested_bytes -= block_content(header) - objects->prefix_bytes;
	heap_free_in(heap, shape, record, page, words, unit, header, &around);
	return 0;
}

#endif
