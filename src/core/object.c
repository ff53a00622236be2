/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The calls on one object by handle: malloc, free, realloc, size. Argument checks
 * and locking live here; the work is in alloc.c and handle.c. Takes the pool's lock.
 */
#include "composite.h"

enum { ALIGNMENT_MAX = 256 };

/* Did a shard find no room, where others may have some? */
static inline bool is_want(const struct xv_pool *pool, int err)
{
	return XVI_UNLIKELY(err != 0) && pool->shared != NULL &&
	       (err == -XV_ENOMEM || err == -XV_ENOSPC);
}

static int malloc_checked(struct xv_pool *pool, const struct xvi_request *request,
			  xv_handle *handle)
{
	struct xv_pool *shard;
	int err;

	if (pool == NULL || handle == NULL)
		return -XV_EINVAL;
	shard = xvi_enter_home(pool);
	err = 0;
	if (request->alignment > shard->alignment || request->zero ||
	    !xvi_malloc_quick(shard, request->size, request->owner, handle))
		err = xvi_malloc_locked(shard, request, handle);
	xvi_leave(shard);
	return is_want(pool, err) ? xvi_malloc_anywhere(pool, request, err, handle) : err;
}

static XVI_NOINLINE int malloc_anywhere(struct xv_pool *pool, size_t size, uint32_t owner, int err,
					xv_handle *handle)
{
	const struct xvi_request request = {.size = size, .alignment = 1, .owner = owner};

	return xvi_malloc_anywhere(pool, &request, err, handle);
}

static inline int malloc_simple(struct xv_pool *pool, size_t size, uint32_t owner,
				xv_handle *handle)
{
	struct xv_pool *shard;
	int err;

	if (XVI_UNLIKELY(pool == NULL || handle == NULL))
		return -XV_EINVAL;
	shard = xvi_enter_home(pool);
	err = xvi_malloc_simple(shard, size, owner, handle);
	xvi_leave(shard);
	return is_want(pool, err) ? malloc_anywhere(pool, size, owner, err, handle) : err;
}

int xv_malloc(struct xv_pool *pool, size_t size, xv_handle *handle)
{
	return malloc_simple(pool, size, XV_NO_OWNER, handle);
}

int xv_malloc_owned(struct xv_pool *pool, size_t size, uint32_t owner, xv_handle *handle)
{
	if (pool != NULL && pool->owner_bytes == 0)
		return -XV_ENOTSUP;
	return malloc_simple(pool, size, owner, handle);
}

int xv_malloc_aligned(struct xv_pool *pool, size_t size, size_t alignment, xv_handle *handle)
{
	struct xvi_request request = {
		.size = size, .alignment = alignment, .owner = XV_NO_OWNER, .one_block = true};

	if (alignment == 0 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
		return -XV_EINVAL;
	return malloc_checked(pool, &request, handle);
}

int xv_free(struct xv_pool *pool, xv_handle handle)
{
	int err;

	if (XVI_UNLIKELY(pool == NULL))
		return -XV_EINVAL;
	if (XVI_UNLIKELY(pool->shared != NULL))
		return xvi_free_sharded(pool, handle);
	xvi_lock_acquire(&pool->lock);
	err = xvi_free_locked(pool, handle);
	xvi_leave(pool);
	return err;
}

int xv_object_size(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location where;
	size_t bytes = 0;
	int err;

	if (pool == NULL)
		return -XV_EINVAL;
	pool = xvi_enter(pool, handle);
	err = xvi_locate(pool, handle, TRUST_HANDLE, &where);
	if (err == 0) {
		err = xvi_object_bytes(pool, &where, &bytes);
		xvi_locate_end(pool, &where);
	}
	xvi_leave(pool);
	return err == 0 ? (int)bytes : err;
}

int xv_calloc(struct xv_pool *pool, size_t count, size_t size, xv_handle *handle)
{
	struct xvi_request request = {.alignment = 1, .owner = XV_NO_OWNER, .zero = true};

	if (size != 0 && count > SIZE_MAX / size)
		return -XV_E2BIG;
	request.size = count * size;
	return malloc_checked(pool, &request, handle);
}

/* ---- realloc ---- */

static bool page_is_pinned(const struct xv_pool *pool, uint32_t page)
{
	return pool->pages.records[page].pins != 0;
}

/* -XV_EBUSY when a page of the located object is mapped; 0 or -XV_EAGAIN. */
static int check_pins(struct xv_pool *pool, const struct xvi_location *where)
{
	struct xvi_chain chain;
	bool pinned = page_is_pinned(pool, where->page);
	int err = 0;

	if (!xvi_is_simple(where) && !pinned && pool->pin_count != 0) {
		err = xvi_chain_read(pool, where, &chain);
		if (err != 0)
			return err;
		for (uint32_t i = 1; i < chain.count; i++)
			pinned |= page_is_pinned(pool, chain.fragment[i].page);
		for (uint32_t i = 0; i < chain.large_pages; i++)
			pinned |= page_is_pinned(
				pool, xvi_index(pool, where->words, where->unit)[INDEX_PAGES + i]);
	}
	return pinned ? -XV_EBUSY : 0;
}

static int realloc_by_moving(struct xv_pool *pool, xv_handle *handle, size_t size, size_t old_size,
			     const struct xvi_request *request)
{
	struct xvi_location where;
	xv_handle fresh;
	int err;

	if (!xvi_orphans_free(pool))
		return -XV_EAGAIN;
	if (!xvi_malloc_quick(pool, size, request->owner, &fresh)) {
		err = xvi_malloc_locked(pool, request, &fresh);
		if (err != 0)
			return err;
	}
	err = xvi_copy_object(pool, *handle, fresh, old_size < size ? old_size : size);
	if (err == 0)
		err = xvi_locate(pool, *handle, TRUST_HANDLE, &where);
	if (err == 0)
		err = xvi_free_located(pool, &where);
	if (err != 0) {
		xvi_discard(pool, fresh, size);
		return err;
	}
	/* The object moved: it was neither freed nor allocated by the caller. */
	pool->mallocs--;
	pool->frees--;
	*handle = fresh;
	return 0;
}

/* By pointer the handle has no tag, and the object must be one block, and stay one. */
static int realloc_locked(struct xv_pool *pool, xv_handle *handle, size_t size,
			  enum xvi_trust trust)
{
	struct xvi_request request = {
		.size = size, .alignment = 1, .one_block = trust == TRUST_POINTER, .here = true};
	struct xvi_location where;
	size_t old_size = 0;
	bool done;
	int err = xvi_locate(pool, *handle, trust, &where);

	if (err != 0)
		return err;
	if (trust == TRUST_POINTER) {
		if (!xvi_is_simple(&where)) {
			xvi_locate_end(pool, &where);
			return -XV_EINVAL;
		}
		*handle = xvi_location_handle(pool, &where);
	}
	done = xvi_is_simple(&where) && xvi_resize_in_place(pool, &where, size);
	request.owner = xvi_owner_of(pool, &where);
	err = done ? 0 : check_pins(pool, &where);
	if (!done && err == 0)
		err = xvi_object_bytes(pool, &where, &old_size);
	xvi_locate_end(pool, &where);
	if (!done && err == 0)
		err = realloc_by_moving(pool, handle, size, old_size, &request);
	xvi_debug_check(pool);
	return err;
}

static int realloc_trusting(struct xv_pool *pool, xv_handle *handle, size_t size, size_t max_size,
			    enum xvi_trust trust)
{
	int err;

	if (size == 0)
		return -XV_EINVAL;
	if (size > max_size)
		return -XV_E2BIG;
	pool = xvi_enter(pool, *handle);
	err = realloc_locked(pool, handle, size, trust);
	xvi_leave(pool);
	return err;
}

int xv_realloc(struct xv_pool *pool, xv_handle *handle, size_t size)
{
	if (pool == NULL || handle == NULL)
		return -XV_EINVAL;
	return realloc_trusting(pool, handle, size, pool->max_size, TRUST_HANDLE);
}

int xvi_resize(struct xv_pool *pool, xv_handle *handle, size_t size)
{
	return realloc_trusting(pool, handle, size, pool->page_bytes, TRUST_POINTER);
}

/* ---- owners ---- */

uint32_t xvi_owner_of(const struct xv_pool *pool, const struct xvi_location *where)
{
	if (pool->owner_bytes == 0)
		return XV_NO_OWNER;
	return where->whole_page ? xvi_page_owner(&pool->pages.records[where->page])
				 : where->words[where->unit + 1];
}

int xv_get_owner(struct xv_pool *pool, xv_handle handle, uint32_t *owner)
{
	struct xvi_location where;
	int err;

	if (pool == NULL || owner == NULL)
		return -XV_EINVAL;
	if (pool->owner_bytes == 0)
		return -XV_ENOTSUP;
	pool = xvi_enter(pool, handle);
	err = xvi_locate(pool, handle, TRUST_HANDLE, &where);
	if (err == 0) {
		*owner = xvi_owner_of(pool, &where);
		xvi_locate_end(pool, &where);
	}
	xvi_leave(pool);
	return err;
}

/* The owner words of a chain's blocks behind the head, and of a large object's pages. */
static int set_chain_owner(struct xv_pool *pool, const struct xvi_location *head, uint32_t owner)
{
	struct xvi_chain chain;
	int err = xvi_chain_read(pool, head, &chain);

	if (err != 0)
		return err;
	for (uint32_t i = 0; i < chain.large_pages; i++) {
		const uint32_t *index = xvi_index(pool, head->words, head->unit);

		xvi_page_set_owner(&pool->pages.records[index[INDEX_PAGES + i]], owner);
	}
	for (uint32_t i = 1; i < chain.count; i++) {
		uint32_t *words = xvi_page_map(pool, chain.fragment[i].page);

		if (words == NULL)
			return -XV_EAGAIN;
		words[chain.fragment[i].unit + 1] = owner;
		xvi_page_unmap(pool, chain.fragment[i].page, words);
	}
	return 0;
}

static int set_owner_located(struct xv_pool *pool, const struct xvi_location *where, uint32_t owner)
{
	int err = 0;

	if (where->whole_page) {
		xvi_page_set_owner(&pool->pages.records[where->page], owner);
		return 0;
	}
	if (!xvi_is_simple(where))
		err = set_chain_owner(pool, where, owner);
	if (err == 0)
		where->words[where->unit + 1] = owner;
	return err;
}

int xv_set_owner(struct xv_pool *pool, xv_handle handle, uint32_t owner)
{
	struct xvi_location where;
	int err;

	if (pool == NULL)
		return -XV_EINVAL;
	if (pool->owner_bytes == 0)
		return -XV_ENOTSUP;
	pool = xvi_enter(pool, handle);
	err = xvi_locate(pool, handle, TRUST_HANDLE, &where);
	if (err == 0) {
		err = set_owner_located(pool, &where, owner);
		xvi_locate_end(pool, &where);
	}
	xvi_leave(pool);
	return err;
}
