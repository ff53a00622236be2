/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * objects.c: make the layer over a heap, end it, and walk over it; see object.h.
 */
#include "object.h"
#include "prove.h"

void xvi_objects_init(struct xvi_objects *objects, const struct xvi_objects_config *config)
{
	struct xvi_heap_config heap = config->heap;

	XVI_ASSERT(!config->watched || config->heap.base != NULL);
	XVI_ASSERT(config->quarantine == NULL || config->quarantine->count == 0);
	memset(objects, 0, sizeof(*objects));
	heap.prefix_bytes = config->owners ? OWNER_BYTES : 0;
	heap.end_edge = config->watched;
	objects->watched = config->watched;
	xvi_heap_init(&objects->heap, &heap);
	objects->quarantine = config->quarantine;
	objects->tail_bytes = config->quarantine != NULL ? CANARY_BYTES : 0;
	xvi_objects_set_calls(objects);
	if (objects_watched(objects))
		xvi_tools_heap_begin(objects);
	objects->prefix_bytes = heap.prefix_bytes;
	objects->tag = TAG_TAGGED | (config->tag_key & TAG_KEY_MASK) << TAG_KEY_SHIFT;
	objects->handle_base =
		(xv_handle)objects->tag << TAG_SHIFT | xv_handle_at(0, objects->heap.payload_at);
	objects->whole_max = heap_content_max(&objects->heap);
	if (objects->whole_max > BLOCK_CONTENT_MASK)
		objects->whole_max = BLOCK_CONTENT_MASK;
	objects->whole_max -= heap.prefix_bytes + objects->tail_bytes;
	XVI_ASSERT(objects->whole_max != 0 && objects->whole_max <= BLOCK_CONTENT_MASK);
	objects->split = config->split;
	objects->max_size = config->split ? OBJECT_SIZE_MAX : objects->whole_max;
	XVI_ASSERT(!config->owners || config->owner_ops == NULL ||
		   config->owner_ops->relocated != NULL);
	objects->owner_ops = config->owners ? config->owner_ops : NULL;
	objects->owner_context = config->owner_context;
}

void xvi_objects_clear(struct xvi_objects *objects)
{
	if (objects_watched(objects))
		xvi_tools_heap_begin(objects);
	xvi_heap_clear(&objects->heap);
	objects->requested_bytes = 0;
	objects->split_objects = 0;
	objects->rest_pieces = 0;
	memset(&objects->compaction, 0, sizeof(objects->compaction));
	if (objects->quarantine != NULL)
		memset(objects->quarantine, 0, sizeof(*objects->quarantine));
	XVI_ASSERT(heap_block_count(&objects->heap) == 0 && objects_count(objects) == 0);
}

/* ---- walking ---- */

/* List the objects of a page from *unit on; *unit is then the place to go on from, or end_unit. A
 * page with a word that cannot be right is closed. */
static uint32_t page_list(struct xvi_objects *objects, uint32_t page, uint32_t *unit,
			  struct xvi_object_seen *seen, uint32_t most)
{
	struct xvi_heap *heap = &objects->heap;
	uint32_t *words = heap_map(heap, page);
	/* The object at this place may be gone by now. */
	bool known = heap->shape.prove && xvi_unit_is_used(heap, page, words, *unit);
	uint32_t at = xvi_heap_next_used(heap, page, words, known ? *unit : heap->shape.first_unit);
	uint32_t count = 0;

	XVI_ASSERT(page_has_blocks(heap, page));
	while (at < heap->shape.end_unit && count < most) {
		uint32_t header = words[at];
		struct xvi_location piece = {page, at, header};

		XVI_ASSERT(!block_is_free(header));
		if (at >= *unit && block_kind(header) != KIND_REST &&
		    piece_has_payload(objects, header)) {
			seen[count].handle = objects_handle(objects, page, at, header);
			seen[count].size = object_size(objects, &piece);
			count++;
		}
		at = page_next_used(heap, page, words, at);
	}
	*unit = at < heap->shape.end_unit ? at : heap->shape.end_unit;
	heap_unmap(heap, page, words);
	if (at == UINT32_MAX)
		(void)xvi_heap_close_unsound(heap, page);
	return count;
}

uint32_t xvi_objects_list(struct xvi_objects *objects, uint32_t *page, uint32_t *unit,
			  struct xvi_object_seen *seen, uint32_t most)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t count = 0;

	XVI_ASSERT(most != 0 && *unit < heap->shape.end_unit);
	while (count == 0 && *page < heap->page_limit) {
		bool used = page_has_blocks(heap, *page);

		if (used)
			count = page_list(objects, *page, unit, seen, most);
		if (!used || *unit >= heap->shape.end_unit) {
			*page += 1;
			*unit = 0;
		}
	}
	return count;
}
