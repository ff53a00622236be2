/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pointer.c: calls by address, over a provider with a base. An object with an address has one
 * piece. O(1), except xv_handle_of under the keyed check.
 */
#include "grain.h"
#include "pool_impl.h"

/* The handle, without tag, of an object at this address. The page may be any. */
static xv_handle plain_handle(const struct xv_pool *pool, const void *ptr)
{
	uintptr_t at = (uintptr_t)ptr - (uintptr_t)pool->provider->base;
	uintptr_t page = at >> pool->provider->page_shift;

	if ((uintptr_t)ptr < (uintptr_t)pool->provider->base || page >= pool->pages.most)
		return XV_NULL_HANDLE;
	return xv_handle_at((uint32_t)page,
			    (uint32_t)(at & (((uintptr_t)1 << pool->provider->page_shift) - 1)));
}

/* The same with the tag of the header there: under the keyed check a handle without a tag needs a
 * walk, and one with a tag only what lies around it. A place without memory has no header. The
 * shard is locked. */
XVI_READS_HEADERS static xv_handle quick_handle(const struct xvi_shard *shard, xv_handle plain)
{
	const struct xvi_heap *heap = &shard->objects.heap;
	uint32_t page = xv_handle_page(plain);
	uint32_t unit = handle_unit(&shard->objects, plain);

	XVI_ASSERT(xvi_lock_is_taken(&shard->lock));
	if (heap->shape.prove || !heap_owns(heap, page) || unit >= heap->shape.end_unit)
		return plain;
	if (!grain_is_hot(&heap->shape, heap_page(heap, page), unit, unit + 1))
		return XV_NULL_HANDLE;
	return objects_handle(&shard->objects, page, unit, heap_map(heap, page)[unit]);
}

/* Lock the shard that has the object at this address, and find the object. NULL: *err says why. */
static struct xvi_shard *enter_address(struct xv_pool *pool, const void *ptr, bool quick,
				       struct xvi_location *at, int *err)
{
	xv_handle handle;
	struct xvi_shard *shard;

	*err = -XV_EINVAL;
	if (pool == NULL || pool->provider->base == NULL || ptr == NULL)
		return NULL;
	handle = plain_handle(pool, ptr);
	shard = enter_page(pool, xv_handle_page(handle));
	if (shard == NULL)
		return NULL;
	if (quick)
		handle = quick_handle(shard, handle);
	*err = xvi_object_find(&shard->objects, handle, at);
	if (*err == 0) {
		if (block_kind(at->header) != KIND_FIRST)
			return shard;
		shard->objects.bad_handles++;
		*err = -XV_EINVAL;
	}
	shard_leave(shard);
	return NULL;
}

static xv_handle location_handle(const struct xvi_shard *shard, const struct xvi_location *at)
{
	XVI_ASSERT(block_kind(at->header) == KIND_WHOLE || block_kind(at->header) == KIND_FIXED);
	return objects_handle(&shard->objects, at->page, at->unit, at->header);
}

void *xv_alloc(struct xv_pool *pool, size_t size)
{
	xv_handle handle;

	if (pool == NULL || pool->provider->base == NULL ||
	    (pool->options.flags & XV_POOL_SPLIT) != 0)
		return xv_alloc_aligned(pool, size, 1);
	return xv_malloc(pool, size, &handle) == 0 ? pool_address(pool, handle) : NULL;
}

void *xv_alloc_aligned(struct xv_pool *pool, size_t size, size_t alignment)
{
	xv_handle handle;

	if (pool == NULL || pool->provider->base == NULL ||
	    xv_malloc_aligned(pool, size, alignment, &handle) != 0)
		return NULL;
	return pool_address(pool, handle);
}

int xv_release(struct xv_pool *pool, void *ptr)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	int err;

	if (pool == NULL)
		return -XV_EINVAL;
	if (pool->provider->base == NULL)
		return -XV_ENOTSUP;
	if (ptr == NULL)
		return 0;
	/* The place alone proves an object, and every object has one piece. */
	if (pool->options.hardening != 0 && (pool->options.flags & XV_POOL_SPLIT) == 0)
		return xv_free(pool, plain_handle(pool, ptr));
	shard = enter_address(pool, ptr, true, &at, &err);
	if (shard == NULL)
		return err;
	err = shard->objects.free(&shard->objects, location_handle(shard, &at));
	shard_leave(shard);
	return err;
}

void *xv_resize(struct xv_pool *pool, void *ptr, size_t size)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	xv_handle handle;
	int err;

	if (ptr == NULL)
		return xv_alloc(pool, size);
	shard = size != 0 ? enter_address(pool, ptr, true, &at, &err) : NULL;
	if (shard == NULL)
		return NULL;
	handle = location_handle(shard, &at);
	/* An object that may become several pieces would lose its address. */
	err = shard->objects.split && block_kind(at.header) == KIND_WHOLE
		      ? -XV_EINVAL
		      : xvi_object_realloc(&shard->objects, &handle, size);
	shard_leave(shard);
	err = xvi_realloc_anywhere(shard, &handle, size, err);
	return err == 0 ? pool_address(pool, handle) : NULL;
}

size_t xv_usable_size(struct xv_pool *pool, const void *ptr)
{
	struct xvi_location at;
	int err;
	struct xvi_shard *shard = enter_address(pool, ptr, true, &at, &err);
	size_t usable;

	if (shard == NULL)
		return 0;
	/* Behind a canary, or memory that is hidden while tools watch, nothing is usable. */
	usable = shard->objects.tail_bytes != 0 || objects_watched(&shard->objects)
			 ? object_size(&shard->objects, &at)
			 : heap_block_units(&shard->objects.heap, at.header) * UNIT_BYTES -
				   shard->objects.heap.payload_at;
	shard_leave(shard);
	return usable;
}

xv_handle xv_handle_of(struct xv_pool *pool, const void *ptr)
{
	struct xvi_location at;
	int err;
	struct xvi_shard *shard = enter_address(pool, ptr, false, &at, &err);
	xv_handle handle;

	if (shard == NULL)
		return XV_NULL_HANDLE;
	handle = location_handle(shard, &at);
	shard_leave(shard);
	return handle;
}

void *xv_address_of(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	bool one_piece;
	int err;

	shard = pool != NULL && pool->provider->base != NULL ? enter_object(pool, handle, &at, &err)
							     : NULL;
	if (shard == NULL)
		return NULL;
	one_piece = block_kind(at.header) != KIND_FIRST;
	shard_leave(shard);
	return one_piece ? pool_address(pool, handle) : NULL;
}
