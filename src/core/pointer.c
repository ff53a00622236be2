/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The pointer calls: a pool over always addressable pages used as a heap. Turns an
 * address into page and offset and goes the way of the handles. Takes the pool's
 * lock. O(1), but xv_handle_of, which walks a page.
 */
#include "shard.h"

/* The untagged handle of an address, or XV_NULL_HANDLE when it is in no page. */
static xv_handle handle_at_address(const struct xv_pool *pool, const void *ptr)
{
	uintptr_t distance = (uintptr_t)ptr - (uintptr_t)pool->base;

	if ((uintptr_t)ptr < (uintptr_t)pool->base ||
	    (distance >> pool->page_shift) >= pool->provider->max_pages)
		return XV_NULL_HANDLE;
	return xv_handle_at((uint32_t)(distance >> pool->page_shift),
			    (uint32_t)(distance & (pool->page_bytes - 1U)));
}

static void *address_at(const struct xv_pool *pool, xv_handle handle)
{
	return pool->base + ((size_t)xv_handle_page(handle) << pool->page_shift) +
	       xv_handle_offset(handle);
}

void *xv_alloc(struct xv_pool *pool, size_t size)
{
	/* The same as alignment 1, which never splits. */
	return xv_alloc_aligned(pool, size, 1);
}

void *xv_alloc_aligned(struct xv_pool *pool, size_t size, size_t alignment)
{
	xv_handle handle;

	if (pool == NULL || pool->base == NULL ||
	    xv_malloc_aligned(pool, size, alignment, &handle) != 0)
		return NULL;
	return address_at(pool, handle);
}

int xv_release(struct xv_pool *pool, void *ptr)
{
	xv_handle handle;
	int err;

	if (pool == NULL)
		return -XV_EINVAL;
	if (pool->base == NULL)
		return -XV_ENOTSUP;
	if (ptr == NULL)
		return 0;
	handle = handle_at_address(pool, ptr);
	pool = xvi_enter(pool, handle);
	err = xvi_release_locked(pool, handle);
	xvi_leave(pool);
	return err;
}

/* A split object has no address. Always false. */
static bool skip_composite(struct xv_pool *pool, const struct xvi_location *where)
{
	xvi_locate_end(pool, where);
	return false;
}

/* Locate by address, under the lock; the tagged handle, or XV_NULL_HANDLE. */
static xv_handle tagged_handle(struct xv_pool *pool, const void *ptr, enum xvi_trust trust,
			       size_t *usable)
{
	struct xvi_location where;
	xv_handle handle = XV_NULL_HANDLE, plain;

	if (pool == NULL || pool->base == NULL || ptr == NULL)
		return handle;
	plain = handle_at_address(pool, ptr);
	pool = xvi_enter(pool, plain);
	if (xvi_locate(pool, plain, trust, &where) == 0 &&
	    (xvi_is_simple(&where) || skip_composite(pool, &where))) {
		handle = xvi_location_handle(pool, &where);
		*usable = xvi_simple_bytes(pool, &where) + block_pad(where.header);
		if (where.whole_page)
			*usable = pool->page_bytes;
		xvi_locate_end(pool, &where);
	}
	xvi_leave(pool);
	return handle;
}

void *xv_resize(struct xv_pool *pool, void *ptr, size_t size)
{
	xv_handle handle;

	if (ptr == NULL)
		return xv_alloc(pool, size);
	if (pool == NULL || pool->base == NULL)
		return NULL;
	handle = handle_at_address(pool, ptr);
	return xvi_resize(pool, &handle, size) == 0 ? address_at(pool, handle) : NULL;
}

size_t xv_usable_size(struct xv_pool *pool, const void *ptr)
{
	size_t usable = 0;

	return tagged_handle(pool, ptr, TRUST_POINTER, &usable) == XV_NULL_HANDLE ? 0 : usable;
}

xv_handle xv_handle_of(struct xv_pool *pool, const void *ptr)
{
	size_t usable;

	return tagged_handle(pool, ptr, TRUST_HANDLE, &usable);
}

void *xv_address_of(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location where;
	void *ptr = NULL;

	if (pool == NULL || pool->base == NULL)
		return NULL;
	pool = xvi_enter(pool, handle);
	if (xvi_locate(pool, handle, TRUST_HANDLE, &where) == 0) {
		if (xvi_is_simple(&where))
			ptr = address_at(pool, handle);
		xvi_locate_end(pool, &where);
	}
	xvi_leave(pool);
	return ptr;
}
