/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * range.c: ranges of bytes, cut into pages and parts of pages; discard.
 *
 * Owns the cutting. May call: page_io.c, slot.c. Locking: see store_impl.h. O(length).
 */
#include "store_impl.h"

/* Begin a call on a range. NULL: it is not in the store; counted. */
static struct rzi_context *range_enter(struct ramz *store, uint64_t offset, uint64_t length)
{
	struct rzi_context *context = rzi_enter(store);
	uint64_t size = rzi_pages(store) << store->page_shift;

	if (offset <= size && length <= size - offset)
		return context;
	rzi_count(&context->counters, COUNT_INVALID_IO, 1);
	rzi_leave(context);
	return NULL;
}

/* The part of the range in its first page. */
struct range_part {
	uint64_t slot;
	size_t from;
	size_t bytes;
	bool whole;
};

static struct range_part range_first(const struct ramz *store, uint64_t offset, uint64_t length)
{
	struct range_part part = {.slot = offset >> store->page_shift,
				  .from = (size_t)(offset & (store->page_bytes - 1U))};

	part.bytes = store->page_bytes - part.from;
	if (part.bytes > length)
		part.bytes = (size_t)length;
	part.whole = part.bytes == store->page_bytes;
	RZI_ASSERT(part.from + part.bytes <= store->page_bytes);
	return part;
}

int ramz_read(struct ramz *store, uint64_t offset, void *dst, size_t length)
{
	struct rzi_context *context;
	char *at = dst;
	int err = 0;

	if (store == NULL || (dst == NULL && length != 0))
		return -XV_EINVAL;
	context = range_enter(store, offset, length);
	if (context == NULL)
		return -XV_ERANGE;
	while (length != 0 && err == 0) {
		struct range_part part = range_first(store, offset, length);

		if (length > part.bytes)
			rzi_slot_expect_read(store, part.slot + 1);
		err = part.whole
			      ? rzi_page_read(context, part.slot, at)
			      : rzi_page_read_part(context, part.slot, part.from, part.bytes, at);
		at += part.bytes;
		offset += part.bytes;
		length -= part.bytes;
	}
	rzi_leave(context);
	return err;
}

int ramz_write(struct ramz *store, uint64_t offset, const void *src, size_t length, size_t *done)
{
	struct rzi_context *context;
	const char *at = src;
	int err = 0;

	if (store == NULL || (src == NULL && length != 0))
		return -XV_EINVAL;
	context = range_enter(store, offset, length);
	if (context == NULL)
		return -XV_ERANGE;
	while (length != 0) {
		struct range_part part = range_first(store, offset, length);

		err = part.whole
			      ? rzi_page_write(context, part.slot, at)
			      : rzi_page_write_part(context, part.slot, part.from, part.bytes, at);
		if (err != 0)
			break;
		at += part.bytes;
		offset += part.bytes;
		length -= part.bytes;
	}
	if (done != NULL)
		*done = (size_t)(at - (const char *)src);
	rzi_leave(context);
	return err;
}

/* ---- discarding ---- */

/* Write zeros over a part of a page, unless the page holds nothing. */
static int range_zero_part(struct rzi_context *context, const struct range_part *part)
{
	const _Atomic uint64_t *place = rzi_slot(context->store, part->slot);

	if (part->bytes == 0 || place == NULL || atomic_load(place) == 0)
		return 0;
	return rzi_page_write_part(context, part->slot, part->from, part->bytes, NULL);
}

/* Drop pages [first, end). All are counted, as zram does; only existing parts of the table are
 * looked at. */
static void range_drop(struct rzi_context *context, uint64_t first, uint64_t end)
{
	uint64_t slot = first < end ? rzi_sparse_next(&context->store->slots, first) : end;

	if (first < end)
		rzi_count(&context->counters, COUNT_NOTIFY_FREE, end - first);
	while (slot < end) {
		(void)rzi_slot_clear(context, slot);
		slot = rzi_sparse_after(&context->store->slots, slot);
	}
}

static int range_discard(struct rzi_context *context, uint64_t offset, uint64_t length)
{
	const struct ramz *store = context->store;
	struct range_part head = range_first(store, offset, length);
	struct range_part tail = {.bytes = 0};
	uint64_t first = head.slot;
	uint64_t end = (offset + length) >> store->page_shift;
	int err = 0, tail_err;

	if (!head.whole) {
		err = range_zero_part(context, &head);
		first++;
		length -= head.bytes;
		offset += head.bytes;
	}
	range_drop(context, first, end);
	if (length != 0)
		tail = range_first(store, end << store->page_shift,
				   (offset + length) & (store->page_bytes - 1U));
	tail_err = range_zero_part(context, &tail);
	return err != 0 ? err : tail_err;
}

int ramz_discard(struct ramz *store, uint64_t offset, uint64_t length)
{
	struct rzi_context *context;
	int err = 0;

	if (store == NULL)
		return -XV_EINVAL;
	context = range_enter(store, offset, length);
	if (context == NULL)
		return -XV_ERANGE;
	if (length != 0)
		err = range_discard(context, offset, length);
	rzi_leave(context);
	return err;
}
