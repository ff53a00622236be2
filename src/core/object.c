/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The calls on one object by handle: malloc, free, realloc, size. Argument checks
 * and locking live here; the work is in alloc.c and handle.c. Takes the pool's lock.
 */
#include "pool_impl.h"

enum { ALIGNMENT_MAX = 256 };

static int malloc_checked(struct xv_pool *pool, size_t size, size_t alignment, xv_handle *handle)
{
	int err;

	if (pool == NULL || handle == NULL)
		return -XV_EINVAL;
	xvi_pool_lock(pool);
	err = xvi_malloc_locked(pool, size, alignment, handle);
	xvi_pool_unlock(pool);
	return err;
}

int xv_malloc(struct xv_pool *pool, size_t size, xv_handle *handle)
{
	return malloc_checked(pool, size, 1, handle);
}

int xv_malloc_aligned(struct xv_pool *pool, size_t size, size_t alignment, xv_handle *handle)
{
	if (alignment == 0 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
		return -XV_EINVAL;
	return malloc_checked(pool, size, alignment, handle);
}

int xv_free(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location where;
	int err;

	if (pool == NULL)
		return -XV_EINVAL;
	xvi_pool_lock(pool);
	err = xvi_locate(pool, handle, TRUST_HANDLE, &where);
	if (err == 0)
		xvi_free_located(pool, &where);
	xvi_pool_unlock(pool);
	return err;
}

int xv_object_size(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location where;
	int result;

	if (pool == NULL)
		return -XV_EINVAL;
	xvi_pool_lock(pool);
	result = xvi_locate(pool, handle, TRUST_HANDLE, &where);
	if (result == 0) {
		result = (int)xvi_object_bytes(pool, &where);
		xvi_locate_end(pool, &where);
	}
	xvi_pool_unlock(pool);
	return result;
}

int xv_calloc(struct xv_pool *pool, size_t count, size_t size, xv_handle *handle)
{
	xv_handle fresh = XV_NULL_HANDLE;
	void *ptr;
	int err;

	if (size != 0 && count > SIZE_MAX / size)
		return -XV_E2BIG;
	if (handle == NULL)
		return -XV_EINVAL;
	err = malloc_checked(pool, count * size, 1, &fresh);
	if (err != 0)
		return err;
	err = xv_map(pool, fresh, &ptr);
	if (err != 0) {
		(void)xv_free(pool, fresh);
		return err;
	}
	memset(ptr, 0, count * size);
	(void)xv_unmap(pool, fresh, ptr);
	*handle = fresh;
	return 0;
}

/* Copy between two located objects' pages, at most two of them mapped. */
static int copy_object(struct xv_pool *pool, const struct xvi_location *from, xv_handle to,
		       size_t bytes)
{
	uint32_t to_page = xv_handle_page(to);
	uint32_t *src = from->words;
	uint32_t *dst;

	if (src == NULL)
		src = xvi_page_map(pool, from->page);
	if (src == NULL)
		return -XV_EAGAIN;
	dst = xvi_page_map(pool, to_page);
	if (dst != NULL)
		memcpy((char *)dst + xv_handle_offset(to),
		       from->whole_page ? src : src + from->unit + 1, bytes);
	if (dst != NULL)
		xvi_page_unmap(pool, to_page, dst);
	if (from->words == NULL)
		xvi_page_unmap(pool, from->page, src);
	return dst != NULL ? 0 : -XV_EAGAIN;
}

/* Free what xvi_malloc_locked just gave. */
static void free_fresh(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location where;

	if (xvi_locate(pool, handle, TRUST_HANDLE, &where) == 0)
		xvi_free_located(pool, &where);
}

static int realloc_by_moving(struct xv_pool *pool, xv_handle *handle, size_t size, size_t old_size)
{
	struct xvi_location where;
	xv_handle fresh;
	int err;

	if (pool->pages.records[xv_handle_page(*handle)].pins != 0)
		return -XV_EBUSY;
	err = xvi_malloc_locked(pool, size, 1, &fresh);
	if (err != 0)
		return err;
	/* Located anew: the allocation may have changed the page. */
	err = xvi_locate(pool, *handle, TRUST_HANDLE, &where);
	if (err != 0)
		goto undo;
	err = copy_object(pool, &where, fresh, old_size < size ? old_size : size);
	if (err != 0) {
		xvi_locate_end(pool, &where);
		goto undo;
	}
	xvi_free_located(pool, &where);
	/* The object moved: it was neither freed nor allocated by the caller. */
	pool->mallocs--;
	pool->frees--;
	*handle = fresh;
	return 0;
undo:
	free_fresh(pool, fresh);
	return err;
}

static int realloc_locked(struct xv_pool *pool, xv_handle *handle, size_t size)
{
	struct xvi_location where;
	size_t old_size;
	bool done;
	int err = xvi_locate(pool, *handle, TRUST_HANDLE, &where);

	if (err != 0)
		return err;
	done = xvi_resize_in_place(pool, &where, size);
	old_size = xvi_object_bytes(pool, &where);
	xvi_locate_end(pool, &where);
	if (!done)
		err = realloc_by_moving(pool, handle, size, old_size);
	xvi_debug_check(pool);
	return err;
}

int xv_realloc(struct xv_pool *pool, xv_handle *handle, size_t size)
{
	int err;

	if (pool == NULL || handle == NULL || size == 0)
		return -XV_EINVAL;
	if (size > pool->page_bytes)
		return -XV_E2BIG;
	xvi_pool_lock(pool);
	err = realloc_locked(pool, handle, size);
	xvi_pool_unlock(pool);
	return err;
}
