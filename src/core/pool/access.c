/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * access.c: map, read and write objects. A read or write copies at most COPY_BYTES under the lock;
 * in between, the piece stays pinned. O(bytes).
 */
#include "pool_impl.h"

enum { COPY_BYTES = 32768 };

/* ---- maps ---- */

/* NULL: only the pools' own window slots are left. */
static void *map_begin(struct xv_pool *pool, xv_handle handle)
{
	unsigned char *page;

	if (pool->provider->base != NULL)
		return pool_address(pool, handle);
	if (!window_slots_take(pool->provider, 1))
		return NULL;
	page = pool->provider->ops->page_map(pool->provider, xv_handle_page(handle));
	if (page != NULL)
		return page + xv_handle_offset(handle);
	window_slots_give(pool->provider, 1);
	return NULL;
}

/* Did a map of this handle give this pointer? Over a window the slot becomes free. */
static bool map_end(struct xv_pool *pool, xv_handle handle, void *ptr)
{
	unsigned char *page = (unsigned char *)ptr - xv_handle_offset(handle);

	if (pool->provider->base != NULL)
		return ptr == pool_address(pool, handle);
	if (pool->provider->ops->page_unmap(pool->provider, xv_handle_page(handle), page) != 0)
		return false;
	window_slots_give(pool->provider, 1);
	return true;
}

/* Map the first piece of an object; it is then pinned. */
static int shard_map(struct xvi_shard *shard, xv_handle handle, void **ptr)
{
	void *address = NULL;
	struct xvi_pin pin;
	int err = xvi_object_pin(&shard->objects, handle, 0, &pin);

	if (err != 0)
		return err;
	if (block_kind(pin.piece.header) == KIND_FIRST)
		err = -XV_ESPLIT;
	else if ((address = map_begin(shard->pool, handle)) == NULL)
		err = -XV_EAGAIN;
	if (err != 0) {
		(void)xvi_object_unpin(&shard->objects, pin.piece.page);
		return err;
	}
	XVI_ASSERT(pin.offset == xv_handle_offset(handle));
	shard->pins++;
	*ptr = address;
	return 0;
}

int xv_map(struct xv_pool *pool, xv_handle handle, void **ptr)
{
	struct xvi_shard *shard;
	int err;

	shard = pool != NULL && ptr != NULL ? enter_page(pool, xv_handle_page(handle)) : NULL;
	if (shard == NULL)
		return -XV_EINVAL;
	err = shard_map(shard, handle, ptr);
	shard_leave(shard);
	return err;
}

int xv_unmap(struct xv_pool *pool, xv_handle handle, void *ptr)
{
	uint32_t page = xv_handle_page(handle);
	struct xvi_shard *shard;
	bool ended;

	shard = pool != NULL && ptr != NULL ? enter_page(pool, page) : NULL;
	if (shard == NULL)
		return -XV_EINVAL;
	ended = heap_owns(&shard->objects.heap, page) &&
		heap_page(&shard->objects.heap, page)->pins != 0 && map_end(pool, handle, ptr) &&
		xvi_object_unpin(&shard->objects, page);
	XVI_ASSERT(!ended || shard->pins != 0); /* 34 */
	shard->pins -= ended;
	shard_leave(shard);
	return ended ? 0 : -XV_EINVAL;
}

/* ---- copies ---- */

struct copy {
	size_t offset;
	size_t length;
	unsigned char *to;         /* read into this, or NULL */
	const unsigned char *from; /* written from this */
};

/* Copy from a pinned part what one turn under the lock may. Returns bytes. */
static size_t copy_part(struct xvi_shard *shard, const struct xvi_pin *pin, const struct copy *copy)
{
	const struct xvi_heap *heap = &shard->objects.heap;
	size_t bytes = pin->bytes < copy->length ? pin->bytes : copy->length;
	unsigned char *page = (unsigned char *)heap_map(heap, pin->piece.page);

	if (bytes > COPY_BYTES)
		bytes = COPY_BYTES;
	XVI_ASSERT(bytes != 0 && pin->offset + bytes <= heap->shape.end_unit * UNIT_BYTES);
	XVI_ASSERT(heap_page(heap, pin->piece.page)->pins != 0);
	if (copy->to != NULL)
		memcpy(copy->to, page + pin->offset, bytes);
	else
		memcpy(page + pin->offset, copy->from, bytes);
	heap_unmap(heap, pin->piece.page, (uint32_t *)(void *)page);
	return bytes;
}

/* Copy everything, without the lock in between. The first part is pinned. */
static int copy_parts(struct xvi_shard *shard, struct xvi_pin *pin, struct copy *copy)
{
	int err = 0;

	shard->pins++;
	for (;;) {
		size_t bytes = copy_part(shard, pin, copy);

		copy->length -= bytes;
		if (copy->to != NULL)
			copy->to += bytes;
		else
			copy->from += bytes;
		pin->offset += (uint32_t)bytes;
		pin->bytes -= (uint32_t)bytes;
		if (copy->length == 0)
			break;
		shard_leave(shard);
		shard_enter(shard);
		err = xvi_object_pin_again(&shard->objects, pin);
		if (err == 0 && pin->bytes == 0)
			err = xvi_object_pin_next(&shard->objects, pin);
		if (err != 0)
			break;
	}
	XVI_ASSERT(shard->pins != 0); /* 34 */
	shard->pins--;
	(void)xvi_object_unpin(&shard->objects, pin->piece.page);
	return err;
}

/* The object is good, and has these bytes. */
static int copy_locked(struct xvi_shard *shard, xv_handle handle, const struct xvi_location *at,
		       struct copy *copy)
{
	struct xvi_pin pin;
	int err;

	XVI_ASSERT(xvi_lock_is_taken(&shard->lock) && copy->length != 0);
	if (copy->length <= COPY_BYTES)
		return copy->to != NULL ? xvi_object_read(&shard->objects, at, copy->offset,
							  copy->to, copy->length)
					: xvi_object_write(&shard->objects, at, copy->offset,
							   copy->from, copy->length);
	err = xvi_object_pin(&shard->objects, handle, copy->offset, &pin);
	return err != 0 ? err : copy_parts(shard, &pin, copy);
}

static int copy_object(struct xv_pool *pool, xv_handle handle, struct copy *copy)
{
	struct xvi_location at;
	struct xvi_shard *shard;
	size_t size;
	int err;

	if (copy->length != 0 && copy->to == NULL && copy->from == NULL)
		return -XV_EINVAL;
	if (pool != NULL && pool_is_watched(pool))
		xvi_tools_check(copy->to != NULL ? copy->to : copy->from, copy->length);
	shard = enter_object(pool, handle, &at, &err);
	if (shard == NULL)
		return err;
	size = object_size(&shard->objects, &at);
	if (copy->offset > size || copy->length > size - copy->offset)
		err = -XV_ERANGE;
	else if (copy->length != 0)
		err = copy_locked(shard, handle, &at, copy);
	shard_leave(shard);
	return err;
}

int xv_read(struct xv_pool *pool, xv_handle handle, size_t offset, void *buffer, size_t length)
{
	struct copy copy = {.offset = offset, .length = length, .to = buffer};

	return copy_object(pool, handle, &copy);
}

int xv_write(struct xv_pool *pool, xv_handle handle, size_t offset, const void *buffer,
	     size_t length)
{
	struct copy copy = {.offset = offset, .length = length, .from = buffer};

	return copy_object(pool, handle, &copy);
}

int xv_peek(struct xv_pool *pool, xv_handle handle, void *buffer, size_t buffer_bytes,
	    const void **ptr)
{
	struct copy copy = {.to = buffer};
	struct xvi_location at;
	struct xvi_shard *shard;
	size_t size;
	int err;

	if (buffer == NULL || ptr == NULL)
		return -XV_EINVAL;
	shard = enter_object(pool, handle, &at, &err);
	if (shard == NULL)
		return err;
	size = object_size(&shard->objects, &at);
	if (pool->provider->base != NULL && block_kind(at.header) != KIND_FIRST) {
		*ptr = pool_address(pool, handle);
	} else if (size > buffer_bytes) {
		err = -XV_ERANGE;
	} else {
		copy.length = size;
		err = copy_locked(shard, handle, &at, &copy);
		if (err == 0)
			*ptr = buffer;
	}
	shard_leave(shard);
	return err != 0 ? err : (int)size;
}
