/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * objects.c: making the layer over a heap, ending it, and owners; see object.h.
 */
#include "fast.h"
#include "object.h"

/* Is it the usual heap of this shape, but for what fast.h knows beside? */
static bool heap_is(const struct xvi_heap *heap, const struct xvi_shape *usual)
{
	const struct xvi_shape *shape = &heap->shape;

	return shape->page_shift == usual->page_shift && shape->grain_shift == usual->grain_shift &&
	       shape->align_mask == usual->align_mask && shape->prove == usual->prove &&
	       heap->base != NULL && !heap->holes.bounded;
}

static void objects_set_calls(struct xvi_objects *objects)
{
	objects->make = xvi_object_malloc_any;
	objects->free = xvi_object_free;
	if (heap_is(&objects->heap, &shape_proved)) {
		objects->make = xvi_object_malloc_proved;
		objects->free = xvi_object_free_proved;
	} else if (heap_is(&objects->heap, &shape_keyed)) {
		objects->make = xvi_object_malloc_keyed;
		objects->free = xvi_object_free_keyed;
	}
}

void xvi_objects_init(struct xvi_objects *objects, const struct xvi_objects_config *config)
{
	struct xvi_heap_config heap = config->heap;

	memset(objects, 0, sizeof(*objects));
	heap.prefix_bytes = config->owners ? OWNER_BYTES : 0;
	xvi_heap_init(&objects->heap, &heap);
	objects_set_calls(objects);
	objects->prefix_bytes = heap.prefix_bytes;
	objects->tag = TAG_TAGGED | (config->tag_key & TAG_KEY_MASK) << TAG_KEY_SHIFT;
	objects->handle_base =
		(xv_handle)objects->tag << TAG_SHIFT | xv_handle_at(0, objects->heap.payload_at);
	objects->whole_max = heap_content_max(&objects->heap) - heap.prefix_bytes;
	if (objects->whole_max > BLOCK_CONTENT_MASK - heap.prefix_bytes)
		objects->whole_max = BLOCK_CONTENT_MASK - heap.prefix_bytes;
	objects->split = config->split;
	objects->max_size = config->split ? OBJECT_SIZE_MAX : objects->whole_max;
	XVI_ASSERT(!config->owners || config->owner_ops == NULL ||
		   config->owner_ops->relocated != NULL);
	objects->owner_ops = config->owners ? config->owner_ops : NULL;
	objects->owner_context = config->owner_context;
}

void xvi_objects_clear(struct xvi_objects *objects)
{
	xvi_heap_clear(&objects->heap);
	objects->requested_bytes = 0;
	objects->split_objects = 0;
	objects->rest_pieces = 0;
	memset(&objects->compaction, 0, sizeof(objects->compaction));
	XVI_ASSERT(heap_block_count(&objects->heap) == 0 && objects_count(objects) == 0);
}

uint32_t xvi_object_owner(const struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	uint32_t owner = words[at->unit + 1];

	XVI_ASSERT(objects->prefix_bytes == OWNER_BYTES);
	XVI_ASSERT(block_kind(at->header) != KIND_REST);
	heap_unmap(&objects->heap, at->page, words);
	return owner;
}

void xvi_object_set_owner(struct xvi_objects *objects, const struct xvi_location *at,
			  uint32_t owner)
{
	uint32_t *words = heap_map(&objects->heap, at->page);

	XVI_ASSERT(objects->prefix_bytes == OWNER_BYTES);
	XVI_ASSERT(block_kind(at->header) != KIND_REST && words[at->unit] == at->header);
	words[at->unit + 1] = owner;
	heap_unmap(&objects->heap, at->page, words);
}
