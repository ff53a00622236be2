/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * objects.c: calls that make, free, resize and name objects. Each enters a shard.
 */
#include "pool_impl.h"

enum { ZERO_BYTES = 4096 }; /* filled under the lock at a time */

int xv_malloc_aligned(struct xv_pool *pool, size_t size, size_t alignment, xv_handle *handle)
{
	struct xvi_shard *shard;
	int err;

	if (pool == NULL || handle == NULL || size == 0 || alignment == 0 ||
	    (alignment & (alignment - 1)) != 0 || alignment > OBJECT_ALIGNMENT_MAX)
		return -XV_EINVAL;
	/* A larger alignment than the pool's is never split. */
	if ((pool->options.flags & XV_POOL_SPLIT) != 0 && alignment <= pool->options.alignment)
		alignment = 2 * pool->options.alignment;
	shard = enter_home(pool);
	if (alignment <= pool->options.alignment)
		err = shard->objects.make(&shard->objects, size, XV_NO_OWNER, handle);
	else
		err = xvi_object_malloc(&shard->objects, size, alignment, XV_NO_OWNER, handle);
	shard_leave(shard);
	return xvi_malloc_anywhere(shard, size, alignment, XV_NO_OWNER, handle, err);
}

static bool pool_has_owners(const struct xv_pool *pool)
{
	return (pool->options.flags & XV_POOL_OWNERS) != 0;
}

static XVI_NOINLINE int malloc_locked(struct xv_pool *pool, size_t size, uint32_t owner,
				      xv_handle *handle)
{
	struct xvi_shard *shard = enter_home(pool);
	int err = shard->objects.make(&shard->objects, size, owner, handle);

	shard_leave(shard);
	return XVI_LIKELY(err == 0) ? 0 : xvi_malloc_anywhere(shard, size, 1, owner, handle, err);
}

XVI_ALWAYS_INLINE int malloc_any(struct xv_pool *pool, size_t size, uint32_t owner,
				 xv_handle *handle)
{
	if (XVI_UNLIKELY(handle == NULL))
		return -XV_EINVAL;
	if (pool->alone != NULL)
		return pool->alone->make(pool->alone, size, owner, handle);
	return malloc_locked(pool, size, owner, handle);
}

int xv_malloc(struct xv_pool *pool, size_t size, xv_handle *handle)
{
	return XVI_LIKELY(pool != NULL) ? malloc_any(pool, size, XV_NO_OWNER, handle) : -XV_EINVAL;
}

int xv_malloc_owned(struct xv_pool *pool, size_t size, uint32_t owner, xv_handle *handle)
{
	if (XVI_UNLIKELY(pool == NULL))
		return -XV_EINVAL;
	if (XVI_UNLIKELY(!pool_has_owners(pool)))
		return -XV_ENOTSUP;
	return malloc_any(pool, size, owner, handle);
}

int xv_calloc(struct xv_pool *pool, size_t count, size_t size, xv_handle *handle)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	xv_handle made;
	int err;

	if (size != 0 && count > SIZE_MAX / size)
		return pool != NULL && handle != NULL ? -XV_E2BIG : -XV_EINVAL;
	if (handle == NULL)
		return -XV_EINVAL;
	err = xv_malloc(pool, count * size, &made);
	if (err != 0)
		return err;
	/* No other thread knows the handle. */
	for (size_t done = 0; done < count * size; done += ZERO_BYTES) {
		size_t left = count * size - done;

		shard = enter_object(pool, made, &at, &err);
		if (shard != NULL) {
			err = xvi_object_write(&shard->objects, &at, done, NULL,
					       left < ZERO_BYTES ? left : ZERO_BYTES);
			shard_leave(shard);
		}
		if (err == -XV_EBADMSG) /* its page was overwritten before: lost with it */
			return xv_calloc(pool, count, size, handle);
		if (err != 0)
			return err;
	}
	*handle = made;
	return 0;
}

int xv_free(struct xv_pool *pool, xv_handle handle)
{
	if (XVI_UNLIKELY(pool == NULL))
		return -XV_EINVAL;
	if (pool->alone != NULL)
		return pool->alone->free(pool->alone, handle);
	return xvi_free_locked(pool, handle);
}

int xv_realloc(struct xv_pool *pool, xv_handle *handle, size_t size)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	int err;

	if (handle == NULL || size == 0)
		return -XV_EINVAL;
	shard = enter_object(pool, *handle, &at, &err);
	if (shard == NULL)
		return err;
	err = xvi_object_realloc(&shard->objects, handle, size);
	shard_leave(shard);
	return XVI_LIKELY(err == 0) ? 0 : xvi_realloc_anywhere(shard, handle, size, err);
}

int xv_object_size(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location at;
	int size;
	struct xvi_shard *shard = enter_object(pool, handle, &at, &size);

	if (shard == NULL)
		return size;
	size = (int)object_size(&shard->objects, &at);
	shard_leave(shard);
	return size;
}

int xv_set_owner(struct xv_pool *pool, xv_handle handle, uint32_t owner)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	int err;

	if (pool != NULL && !pool_has_owners(pool))
		return -XV_ENOTSUP;
	shard = enter_object(pool, handle, &at, &err);
	if (shard == NULL)
		return err;
	object_set_owner(&shard->objects, &at, owner);
	shard_leave(shard);
	return 0;
}

int xv_get_owner(struct xv_pool *pool, xv_handle handle, uint32_t *owner)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	int err;

	if (pool != NULL && !pool_has_owners(pool))
		return -XV_ENOTSUP;
	if (owner == NULL)
		return -XV_EINVAL;
	shard = enter_object(pool, handle, &at, &err);
	if (shard == NULL)
		return err;
	*owner = object_owner(&shard->objects, &at);
	shard_leave(shard);
	return 0;
}

size_t xv_pool_max_size(const struct xv_pool *pool)
{
	return pool != NULL ? pool->first->objects.max_size : 0;
}
