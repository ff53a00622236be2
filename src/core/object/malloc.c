/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * malloc.c: make an object: whole, aligned, or as a chain. Free one, which needs no memory and
 * fails only for a bad handle or a closed page; the quarantine. object_fast.h has the common paths.
 *
 * When no hole fits, an object takes a new page even if it may be split. Only objects of more than
 * an eighth of a page go over a few holes instead, while there are enough holes. When the heap
 * cannot grow, all do.
 */
#include "object_fast.h"
#include "piece.h"

enum {
	SPLIT_SHARE = 8, /* of a page: smaller objects are split only if the heap cannot grow */
	SPLIT_FREE_PERMILLE = 8 /* thousandths of the used units that must be free in used pages to
				 * split without need */
};

static int malloc_fixed(struct xvi_objects *objects, size_t size, size_t alignment,
			struct xvi_location *at)
{
	const struct xvi_heap *heap = &objects->heap;
	size_t offset = heap->shape.first_unit * UNIT_BYTES + heap->payload_at;

	XVI_ASSERT(alignment > heap->shape.align_mask + 1U);
	offset = (offset + alignment - 1) & ~(alignment - 1); /* in a page of its own */
	if (size > objects->whole_max ||
	    offset + size + objects->tail_bytes > heap->shape.end_unit * UNIT_BYTES)
		return -XV_E2BIG;
	return xvi_piece_malloc(objects, object_content(objects, size), KIND_FIXED,
				(uint32_t)alignment, HEAP_MAY_GROW, at);
}

/* Are there enough holes for it, and none that it fits whole? */
static bool should_split(const struct xvi_objects *objects, uint64_t units)
{
	const struct xvi_heap *heap = &objects->heap;
	uint64_t free_units = heap_free_units(heap);
	uint64_t page_units = heap->shape.end_unit - heap->shape.first_unit;

	return units > page_units / SPLIT_SHARE &&
	       free_units > heap->used_units / 1000 * SPLIT_FREE_PERMILLE && free_units > units &&
	       xvi_heap_largest(heap) < (units < page_units ? units : page_units);
}

/* In a heap whose objects may have several pieces. */
static int malloc_splittable(struct xvi_objects *objects, size_t size, struct xvi_location *at)
{
	uint32_t content = object_content(objects, size);
	int err;

	if (should_split(objects, heap_units_for(&objects->heap, content)) &&
	    xvi_chain_lay(objects, KIND_FIRST, size, LAY_PIECES_FEW, 0, at) == 0)
		return 0;
	if (size > objects->whole_max)
		return xvi_chain_lay(objects, KIND_FIRST, size, LAY_PIECES_MANY, HEAP_MAY_GROW, at);
	err = xvi_piece_malloc(objects, content, KIND_WHOLE, 1, HEAP_MAY_GROW, at);
	if (err != 0 && heap_free_units(&objects->heap) * UNIT_BYTES > size &&
	    xvi_chain_lay(objects, KIND_FIRST, size, LAY_PIECES_MANY, 0, at) == 0)
		err = 0;
	return err;
}

/* Make the pieces of a new object; its owner is undefined, and it is not counted. */
static int object_place(struct xvi_objects *objects, size_t size, size_t alignment,
			struct xvi_location *at)
{
	if (size > objects->max_size)
		return -XV_E2BIG;
	if (alignment > objects->heap.shape.align_mask + 1U)
		return malloc_fixed(objects, size, alignment, at);
	if (objects->split)
		return malloc_splittable(objects, size, at);
	return xvi_piece_malloc(objects, object_content(objects, size), KIND_WHOLE, 1,
				HEAP_MAY_GROW, at);
}

/* ---- the calls ---- */

int xvi_object_malloc(struct xvi_objects *objects, size_t size, size_t alignment, uint32_t owner,
		      xv_handle *handle)
{
	struct xvi_location at;
	int err;

	if (size == 0)
		return -XV_EINVAL;
	XVI_ASSERT(alignment != 0 && alignment <= OBJECT_ALIGNMENT_MAX);
	XVI_ASSERT((alignment & (alignment - 1)) == 0);
	err = object_place(objects, size, alignment, &at);
	if (err != 0 && err != -XV_E2BIG && xvi_objects_settle(objects))
		err = object_place(objects, size, alignment, &at);
	if (err != 0) {
		objects->failures += err != -XV_E2BIG;
		return err;
	}
	if (objects->prefix_bytes != 0)
		object_set_owner(objects, &at, owner);
	objects->mallocs++;
	objects->requested_bytes += size;
	*handle = objects_handle(objects, at.page, at.unit, at.header);
	XVI_PROBE3(xvmalloc, malloc, objects, size, *handle);
	XVI_ASSERT(object_size(objects, &at) == size);
	return 0;
}

/* ---- freeing ---- */

/* Is this what the quarantine keeps: the same block, and zeros? */
static bool kept_is_intact(const struct xvi_objects *objects, const struct xvi_location *at,
			   const uint32_t *words)
{
	const unsigned char *content = (const unsigned char *)(words + at->unit + 1);
	uint32_t bytes = block_content(at->header);

	XVI_ASSERT(block_kind(at->header) == KIND_REST);
	XVI_ASSERT(bytes <= object_content(objects, QUARANTINE_BYTES_MOST));
	if (!xvi_unit_is_used(&objects->heap, at->page, words, at->unit) ||
	    ((words[at->unit] ^ at->header) & ~(uint32_t)BLOCK_PREV_FREE) != 0)
		return false;
	while (bytes != 0 && content[bytes - 1] == 0)
		bytes--;
	return bytes == 0;
}

/* Free the block of a place in the quarantine, if there is one. */
static void kept_free(struct xvi_objects *objects, struct xvi_location *kept)
{
	struct xvi_location at = *kept;
	uint32_t *words;
	bool intact;

	if (at.header == 0)
		return;
	XVI_ASSERT(objects->quarantine->count != 0);
	kept->header = 0;
	objects->quarantine->count--;
	if (heap_is_closed(&objects->heap, at.page))
		return;
	words = heap_map(&objects->heap, at.page);
	intact = kept_is_intact(objects, &at, words);
	if (intact) {
		xvi_heap_free(&objects->heap, at.page, words, at.unit);
		return;
	}
	heap_unmap(&objects->heap, at.page, words);
	xvi_heap_close(&objects->heap, at.page, at.unit, "a freed object was written");
}

/* Keep the block of an object of one piece that is freed, in place of the oldest one. */
static void quarantine_put(struct xvi_objects *objects, const struct xvi_location *at)
{
	struct xvi_quarantine *quarantine = objects->quarantine;
	struct xvi_location *kept = &quarantine->blocks[quarantine->next];
	uint32_t *words = heap_map(&objects->heap, at->page);

	XVI_ASSERT(quarantine->next < QUARANTINE_OBJECTS);
	XVI_ASSERT(block_kind(at->header) == KIND_WHOLE || block_kind(at->header) == KIND_FIXED);
	piece_tell_freed(objects, words, at->unit);
	piece_zero(objects, words, at->unit, 0);
	words[at->unit] = block_with_kind(at->header, KIND_REST);
	quarantine->next = (quarantine->next + 1) % QUARANTINE_OBJECTS;
	heap_unmap(&objects->heap, at->page, words);
	kept_free(objects, kept);
	*kept = *at;
	kept->header = block_with_kind(at->header, KIND_REST);
	quarantine->count++;
	XVI_ASSERT(quarantine->count <= QUARANTINE_OBJECTS);
}

bool xvi_objects_settle(struct xvi_objects *objects)
{
	struct xvi_quarantine *quarantine = objects->quarantine;

	if (quarantine == NULL || quarantine->count == 0)
		return false;
	for (uint32_t i = 0; i < QUARANTINE_OBJECTS; i++)
		kept_free(objects, &quarantine->blocks[i]);
	XVI_ASSERT(quarantine->count == 0);
	return true;
}

int xvi_object_free(struct xvi_objects *objects, xv_handle handle)
{
	struct xvi_location at;
	size_t size;
	int err = xvi_object_find(objects, handle, &at);

	if (err == 0)
		err = xvi_piece_check(objects, &at);
	if (err != 0)
		return err;
	size = object_size(objects, &at);
	if (size > objects->requested_bytes) {
		xvi_heap_close(&objects->heap, at.page, at.unit,
			       "a block is longer than all objects");
		return -XV_EBADMSG;
	}
	XVI_PROBE2(xvmalloc, free, objects, handle);
	objects->requested_bytes -= size;
	if (objects->quarantine != NULL && block_kind(at.header) != KIND_FIRST &&
	    size <= QUARANTINE_BYTES_MOST)
		quarantine_put(objects, &at);
	else
		xvi_chain_free(objects, &at);
	return 0;
}

/* ---- the common calls ---- */

static int object_malloc(struct xvi_objects *objects, size_t size, uint32_t owner,
			 xv_handle *handle)
{
	return xvi_object_malloc(objects, size, 1, owner, handle);
}

static int object_malloc_proved(struct xvi_objects *objects, size_t size, uint32_t owner,
				xv_handle *handle)
{
	return object_malloc_fast(objects, &shape_proved, size, owner, handle);
}

static int object_malloc_keyed(struct xvi_objects *objects, size_t size, uint32_t owner,
			       xv_handle *handle)
{
	return object_malloc_fast(objects, &shape_keyed, size, owner, handle);
}

static int object_malloc_malloc(struct xvi_objects *objects, size_t size, uint32_t owner,
				xv_handle *handle)
{
	return object_malloc_fast(objects, &shape_malloc, size, owner, handle);
}

static int object_free_malloc(struct xvi_objects *objects, xv_handle handle)
{
	return object_free_fast(objects, &shape_malloc, handle);
}

static int object_free_proved(struct xvi_objects *objects, xv_handle handle)
{
	return object_free_fast(objects, &shape_proved, handle);
}

static int object_free_keyed(struct xvi_objects *objects, xv_handle handle)
{
	return object_free_fast(objects, &shape_keyed, handle);
}

/* Is it a heap of this usual shape, apart from what fast.h knows besides? */
static bool heap_is(const struct xvi_heap *heap, const struct xvi_shape *usual)
{
	const struct xvi_shape *shape = &heap->shape;

	return shape->page_shift == usual->page_shift && shape->grain_shift == usual->grain_shift &&
	       shape->align_mask == usual->align_mask && shape->first_unit == usual->first_unit &&
	       shape->end_unit == usual->end_unit && shape->prove == usual->prove &&
	       shape->page_stride == usual->page_stride && heap->base != NULL &&
	       !heap->holes.bounded;
}

void xvi_objects_set_calls(struct xvi_objects *objects)
{
	objects->make = object_malloc;
	objects->free = xvi_object_free;
	if (objects->quarantine != NULL || objects_watched(objects))
		return; /* only the others tell tools */
	if (heap_is(&objects->heap, &shape_proved)) {
		objects->make = object_malloc_proved;
		objects->free = object_free_proved;
	} else if (heap_is(&objects->heap, &shape_malloc)) {
		objects->make = object_malloc_malloc;
		objects->free = object_free_malloc;
	} else if (heap_is(&objects->heap, &shape_keyed)) {
		objects->make = object_malloc_keyed;
		objects->free = object_free_keyed;
	}
}
