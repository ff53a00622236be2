/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * object.c: the object of one page in the pool: make, read and free it.
 *
 *   [ form: compressed bytes, or the page itself ][ XXH3 of the page, 8 bytes, little-endian ]
 *                                                   if the store has checksums
 *
 * Owns the layout of objects and the list of objects to be freed later. May call: the pool,
 * codecs.c. Locking: none; an object is read while it is protected (store_impl.h), and made and
 * freed while no table names it. O(page).
 */
#include "dedup.h"
#include "store_impl.h"

void rzi_put_checksum(unsigned char *at, uint64_t checksum)
{
	for (uint32_t i = 0; i < CHECKSUM_BYTES; i++)
		at[i] = (unsigned char)(checksum >> (8 * i));
}

static uint64_t object_get_checksum(const unsigned char *at)
{
	uint64_t checksum = 0;

	for (uint32_t i = 0; i < CHECKSUM_BYTES; i++)
		checksum |= (uint64_t)at[i] << (8 * i);
	return checksum;
}

/* ---- make ---- */

/* Fill the object. No slot names it, so compaction will not move it. But compaction may look at
 * it before the refusal, and must not see it half written: xv_write keeps the pages pinned. */
static int object_fill(struct rzi_context *context, xv_handle handle, const struct rzi_form *form,
		       const unsigned char *tail, size_t tail_bytes)
{
	struct xv_pool *pool = context->store->pool;
	size_t bytes = form->bytes;
	int err;

	/* Our own buffer has room for the tail behind a form. */
	if (form->data == context->packed && tail_bytes != 0) {
		memcpy(context->packed + bytes, tail, tail_bytes);
		bytes += tail_bytes;
		tail_bytes = 0;
	}
	err = xv_write(pool, handle, 0, form->data, bytes);
	if (err == 0 && tail_bytes != 0)
		err = xv_write(pool, handle, bytes, tail, tail_bytes);
	return err;
}

static int object_make(struct rzi_context *context, uint32_t owner, const struct rzi_form *form,
		       const unsigned char *tail, size_t tail_bytes, uint64_t *entry)
{
	const struct ramz *store = context->store;
	bool good = form->bytes <= store->page_bytes / 2;
	xv_handle handle;
	int err;

	RZI_ASSERT(form->bytes != 0 && form->bytes <= store->page_bytes); /* R3 */
	err = xv_malloc_owned(store->pool, form->bytes + tail_bytes, owner, &handle);
	if (err != 0)
		return err;
	/* The pool may have grown past what an entry can name. */
	if (!rzi_entry_of_object(handle, store->pool_page_shift, form->codec, good, entry)) {
		(void)xv_free(store->pool, handle);
		return -XV_ENOMEM;
	}
	err = object_fill(context, handle, form, tail, tail_bytes);
	if (err != 0)
		rzi_object_free(context, *entry, UINT32_MAX);
	return err;
}

int rzi_object_make(struct rzi_context *context, uint32_t owner, const struct rzi_form *form,
		    const void *page, uint64_t *entry)
{
	const struct ramz *store = context->store;
	unsigned char tail[CHECKSUM_BYTES] = {0};
	int err;

	if (store->tail_bytes != 0)
		rzi_put_checksum(tail, rzi_checksum(page, store->page_bytes));
	err = object_make(context, owner, form, tail, store->tail_bytes, entry);
	if (err == 0) {
		rzi_histogram_add(&context->counters, RAMZ_HISTOGRAM_SIZE, form->bytes);
		if (form->codec == 0)
			rzi_count(&context->counters, COUNT_RAW_WRITES, 1);
	}
	return err;
}

int rzi_object_make_packed(struct rzi_context *context, uint32_t owner, uint32_t codec,
			   const void *packed, size_t bytes, uint64_t *entry)
{
	size_t tail_bytes = context->store->tail_bytes;
	struct rzi_form form = {
		.data = packed, .bytes = (uint32_t)(bytes - tail_bytes), .codec = codec};
	const unsigned char *tail = (const unsigned char *)packed + form.bytes;

	RZI_ASSERT(bytes > tail_bytes);
	return object_make(context, owner, &form, tail, tail_bytes, entry);
}

/* ---- read ---- */

/* If the pool does not know the handle, its memory was overwritten. */
static int object_error(int err)
{
	return err == -XV_EAGAIN ? err : -XV_EBADMSG;
}

int rzi_object_bytes(struct ramz *store, uint64_t entry)
{
	int bytes = xv_object_size(store->pool, rzi_handle(store, entry));

	if (bytes < 0)
		return object_error(bytes);
	bytes -= (int)store->tail_bytes;
	return bytes > 0 && bytes <= (int)store->page_bytes ? bytes : -XV_EBADMSG;
}

static int object_verify(const struct ramz *store, const void *page, const unsigned char *tail)
{
	if (store->tail_bytes != 0 &&
	    object_get_checksum(tail) != rzi_checksum(page, store->page_bytes))
		return -XV_EBADMSG;
	return 0;
}

/* Decompress and verify a form with its tail. */
int rzi_object_unpack(struct rzi_context *context, uint32_t codec, const unsigned char *packed,
		      uint32_t bytes, void *dst)
{
	int err = rzi_decompress(context, codec, packed, bytes, dst);

	return err == 0 ? object_verify(context->store, dst, packed + bytes) : err;
}

int rzi_object_read(struct rzi_context *context, uint64_t entry, void *dst)
{
	const struct ramz *store = context->store;
	const void *at = NULL;
	int bytes = xv_peek(store->pool, rzi_handle(store, entry), context->packed,
			    store->page_bytes + store->tail_bytes, &at);

	if (bytes < 0)
		return object_error(bytes);
	bytes -= (int)store->tail_bytes;
	if (bytes <= 0 || bytes > (int)store->page_bytes)
		return -XV_EBADMSG;
	/* It stays in place while it is protected: relocated refuses to move it. */
	return rzi_object_unpack(context, rzi_entry_codec(entry), at, (uint32_t)bytes, dst);
}

int rzi_object_copy(struct rzi_context *context, uint64_t entry)
{
	struct ramz *store = context->store;
	int bytes = rzi_object_bytes(store, entry);
	int err;

	if (bytes < 0)
		return bytes;
	bytes += (int)store->tail_bytes;
	err = xv_read(store->pool, rzi_handle(store, entry), 0, context->packed, (size_t)bytes);
	return err == 0 ? bytes : object_error(err);
}

/* ---- free ---- */

/* Free it unless somebody reads it. */
static bool object_try_free(struct ramz *store, uint64_t entry, uint32_t record)
{
	xv_handle handle = rzi_handle(store, entry);

	if (rzi_is_protected(store, handle) || xv_free(store->pool, handle) == -XV_EAGAIN)
		return false;
	if (record != UINT32_MAX)
		rzi_dedup_release(store->dedup, record);
	return true;
}

void rzi_retired_free(struct rzi_context *context)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < context->retired_count; i++) {
		struct rzi_retired retired = context->retired[i];

		if (!object_try_free(context->store, retired.entry, retired.record))
			context->retired[left++] = retired;
	}
	context->retired_count = left;
}

/* Double the room; false without memory. */
static bool retired_grow(struct rzi_context *context)
{
	struct rzi_memory *memory = &context->store->memory;
	size_t bytes = context->retired_room * sizeof(*context->retired);
	struct rzi_retired *retired = rzi_memory_force(memory, bytes * 2);

	if (retired == NULL)
		return false;
	memcpy(retired, context->retired, bytes);
	rzi_memory_free(memory, context->retired, bytes);
	context->retired = retired;
	context->retired_room *= 2;
	return true;
}

void rzi_object_free(struct rzi_context *context, uint64_t entry, uint32_t record)
{
	unsigned turns = 0;

	RZI_ASSERT(rzi_entry_kind(entry) == ENTRY_OBJECT && !rzi_entry_locked(entry));
	if (object_try_free(context->store, entry, record))
		return;
	rzi_count(&context->counters, COUNT_DEFERRED_FREES, 1);
	rzi_retired_free(context);
	while (context->retired_count == context->retired_room && !retired_grow(context)) {
		rzi_pause(&turns);
		rzi_retired_free(context);
	}
	RZI_ASSERT(context->retired_count < context->retired_room);
	context->retired[context->retired_count++] =
		(struct rzi_retired){.entry = entry, .record = record};
}
