/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Reaching what is inside objects: mapping for the caller (pins) and for the pool's
 * own short use, and copying in and out. Owns the pins; calls the provider's map
 * operations. Takes the pool's lock, but does not hold it while copying: the page is
 * pinned instead.
 */
#include "pool_impl.h"

void *xvi_page_map_slow(struct xv_pool *pool, uint32_t page)
{
	return pool->provider->ops->page_map(pool->provider, page);
}

void xvi_page_unmap_slow(struct xv_pool *pool, uint32_t page, void *words)
{
	pool->provider->ops->page_unmap(pool->provider, page, words);
}

/* Pin the object's page and hand out its address. On error the location has ended. */
static int map_located(struct xv_pool *pool, const struct xvi_location *where, void **ptr)
{
	struct xvi_page *record = &pool->pages.records[where->page];
	uint32_t *words = where->words;

	if (record->pins == PINS_MAX) {
		xvi_locate_end(pool, where);
		return -XV_EAGAIN;
	}
	if (words == NULL)
		words = xvi_page_map(pool, where->page);
	if (words == NULL)
		return -XV_EAGAIN;
	record->pins++;
	pool->pin_count++;
	*ptr = where->whole_page ? words : words + where->unit + 1;
	return 0;
}

static int map_locked(struct xv_pool *pool, xv_handle handle, void **ptr, size_t *size)
{
	struct xvi_location where;
	int err = xvi_locate(pool, handle, TRUST_HANDLE, &where);

	if (err != 0)
		return err;
	*size = xvi_object_bytes(pool, &where);
	return map_located(pool, &where, ptr);
}

int xv_map(struct xv_pool *pool, xv_handle handle, void **ptr)
{
	size_t size;
	int err;

	if (pool == NULL || ptr == NULL)
		return -XV_EINVAL;
	xvi_pool_lock(pool);
	err = map_locked(pool, handle, ptr, &size);
	xvi_pool_unlock(pool);
	return err;
}

/* Could ptr be what xv_map gave for this handle? */
static bool unmap_is_sane(const struct xv_pool *pool, xv_handle handle, const void *ptr)
{
	uint32_t page = xv_handle_page(handle);
	uintptr_t start = (uintptr_t)ptr - xv_handle_offset(handle);

	if (ptr == NULL || page >= pool->pages.capacity ||
	    pool->pages.records[page].state == PAGE_NONE || pool->pages.records[page].pins == 0)
		return false;
	if (pool->base != NULL)
		return start == (uintptr_t)pool->base + ((uintptr_t)page << pool->page_shift);
	return start % 256 == 0;
}

static void unpin(struct xv_pool *pool, uint32_t page)
{
	struct xvi_page *record = &pool->pages.records[page];

	record->pins--;
	pool->pin_count--;
	if (record->pins != 0 || record->state != PAGE_BLOCKS || record->used_units != 0)
		return;
	/* Emptied while it was mapped: decide again whether to keep it. */
	xvi_page_unlist_empty(pool, page);
	pool->empty_pages--;
	xvi_page_emptied(pool, page);
}

static void unmap_locked(struct xv_pool *pool, xv_handle handle, void *ptr)
{
	uint32_t page = xv_handle_page(handle);

	xvi_page_unmap(pool, page, (uint32_t *)(void *)((char *)ptr - xv_handle_offset(handle)));
	unpin(pool, page);
}

int xv_unmap(struct xv_pool *pool, xv_handle handle, void *ptr)
{
	int err = -XV_EINVAL;

	if (pool == NULL)
		return err;
	xvi_pool_lock(pool);
	if (unmap_is_sane(pool, handle, ptr)) {
		unmap_locked(pool, handle, ptr);
		err = 0;
	}
	xvi_pool_unlock(pool);
	return err;
}

/* Map an object of which [offset, offset + length) must exist. */
static int map_range(struct xv_pool *pool, xv_handle handle, size_t offset, size_t length,
		     void **ptr)
{
	size_t size;
	int err;

	xvi_pool_lock(pool);
	err = map_locked(pool, handle, ptr, &size);
	if (err == 0 && (offset > size || length > size - offset)) {
		unmap_locked(pool, handle, *ptr);
		err = -XV_ERANGE;
	}
	xvi_pool_unlock(pool);
	return err;
}

int xv_read(struct xv_pool *pool, xv_handle handle, size_t offset, void *buffer, size_t length)
{
	void *ptr;
	int err;

	if (pool == NULL || (buffer == NULL && length != 0))
		return -XV_EINVAL;
	err = map_range(pool, handle, offset, length, &ptr);
	if (err != 0)
		return err;
	if (length != 0)
		memcpy(buffer, (const char *)ptr + offset, length);
	return xv_unmap(pool, handle, ptr);
}

int xv_write(struct xv_pool *pool, xv_handle handle, size_t offset, const void *buffer,
	     size_t length)
{
	void *ptr;
	int err;

	if (pool == NULL || (buffer == NULL && length != 0))
		return -XV_EINVAL;
	err = map_range(pool, handle, offset, length, &ptr);
	if (err != 0)
		return err;
	if (length != 0)
		memcpy((char *)ptr + offset, buffer, length);
	return xv_unmap(pool, handle, ptr);
}
