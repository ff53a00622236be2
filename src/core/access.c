/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Reaching what is inside objects: mapping for the caller (pins) and for the pool's
 * own short use, and copying in and out. Owns the pins; calls the provider's map
 * operations. Takes the pool's lock. Over always addressable pages it does not hold
 * the lock while copying: the pages are pinned instead. O(bytes + fragments).
 */
#include "composite.h"

enum { SPANS_PER_TURN = 8 };

void *xvi_page_map_slow(struct xv_pool *pool, uint32_t page)
{
	return pool->provider->ops->page_map(pool->provider, page);
}

int xvi_page_unmap_slow(struct xv_pool *pool, uint32_t page, void *words)
{
	return pool->provider->ops->page_unmap(pool->provider, page, words);
}

/* ---- pins ---- */

/* May a caller have one more map? Two slots of a window stay the pool's own, so that
 * its calls do not fail for want of one; a window of two gives the caller one. */
static bool may_pin(const struct xv_pool *pool, uint32_t page)
{
	if (pool->pages.records[page].pins == PINS_MAX)
		return false;
	return pool->base != NULL || pool->pin_count == 0 ||
	       pool->pin_count + 2 < pool->provider->map_slots;
}

static void pin(struct xv_pool *pool, uint32_t page)
{
	pool->pages.records[page].pins++;
	pool->pin_count++;
}

static void unpin(struct xv_pool *pool, uint32_t page)
{
	struct xvi_page *record = &pool->pages.records[page];

	record->pins--;
	pool->pin_count--;
	if (record->pins != 0 || xvi_page_state(record) != PAGE_BLOCKS || record->used_units != 0)
		return;
	/* Emptied while it was mapped: decide again whether to keep it. */
	xvi_page_unlist_empty(pool, page);
	pool->empty_pages--;
	xvi_page_emptied(pool, page);
}

/* ---- one object, one address ---- */

/* Pin the simple object's page and hand out its address; the location ends. */
static int map_located(struct xv_pool *pool, const struct xvi_location *where, void **ptr)
{
	uint32_t *words = where->words;

	if (!may_pin(pool, where->page)) {
		xvi_locate_end(pool, where);
		return -XV_EAGAIN;
	}
	if (words == NULL)
		words = xvi_page_map(pool, where->page);
	if (words == NULL)
		return -XV_EAGAIN;
	pin(pool, where->page);
	*ptr = where->whole_page ? (void *)words
				 : (char *)(words + where->unit) + pool->prefix_bytes;
	return 0;
}

static int map_locked(struct xv_pool *pool, xv_handle handle, void **ptr)
{
	struct xvi_location where;
	int err = xvi_locate(pool, handle, TRUST_HANDLE, &where);

	if (err != 0)
		return err;
	if (!xvi_is_simple(&where)) {
		xvi_locate_end(pool, &where);
		return -XV_ESPLIT;
	}
	return map_located(pool, &where, ptr);
}

int xv_map(struct xv_pool *pool, xv_handle handle, void **ptr)
{
	int err;

	if (pool == NULL || ptr == NULL)
		return -XV_EINVAL;
	pool = xvi_enter(pool, handle);
	err = map_locked(pool, handle, ptr);
	xvi_leave(pool);
	return err;
}

/* Could ptr, at this offset of its page, be what a map of ours gave? */
static bool unmap_is_sane(const struct xv_pool *pool, uint32_t page, uint32_t offset,
			  const void *ptr)
{
	uintptr_t start = (uintptr_t)ptr - offset;

	if (ptr == NULL || !xvi_page_is_ours(pool, page) ||
	    xvi_page_state(&pool->pages.records[page]) == PAGE_NONE ||
	    pool->pages.records[page].pins == 0)
		return false;
	if (pool->base != NULL)
		return start == (uintptr_t)pool->base + ((uintptr_t)page << pool->page_shift);
	return start % 256 == 0;
}

static int unmap_locked(struct xv_pool *pool, uint32_t page, uint32_t offset, void *ptr)
{
	if (!unmap_is_sane(pool, page, offset, ptr))
		return -XV_EINVAL;
	if (pool->base == NULL && xvi_page_unmap_slow(pool, page, (char *)ptr - offset) != 0)
		return -XV_EINVAL;
	unpin(pool, page);
	return 0;
}

int xv_unmap(struct xv_pool *pool, xv_handle handle, void *ptr)
{
	int err;

	if (pool == NULL)
		return -XV_EINVAL;
	pool = xvi_enter(pool, handle);
	err = unmap_locked(pool, xv_handle_page(handle), xv_handle_offset(handle), ptr);
	xvi_leave(pool);
	return err;
}

/* ---- the pieces of any object ---- */

/* A stretch of an object within one page. */
struct span {
	uint32_t page;
	uint32_t offset; /* in the page, bytes */
	uint32_t bytes;
};

/* The spans that are wanted: [skip, skip + length) of what is offered in order. */
struct span_list {
	size_t skip;
	size_t length;
	struct span *span;
	unsigned count;
	unsigned max;
};

static void offer_span(struct span_list *list, uint32_t page, uint32_t offset, uint32_t bytes)
{
	struct span *span = &list->span[list->count];
	size_t skip = list->skip < bytes ? list->skip : bytes;
	size_t take = bytes - skip < list->length ? bytes - skip : list->length;

	list->skip -= skip;
	if (take == 0 || list->count == list->max)
		return;
	list->length -= take;
	span->page = page;
	span->offset = offset + (uint32_t)skip;
	span->bytes = (uint32_t)take;
	list->count++;
}

static void offer_pages(const struct xv_pool *pool, const struct xvi_location *head,
			struct span_list *list)
{
	const uint32_t *index = xvi_index(pool, head->words, head->unit);
	uint32_t first = (uint32_t)(list->skip >> pool->page_shift);

	if (first > index[INDEX_COUNT])
		first = index[INDEX_COUNT];
	list->skip -= (size_t)first << pool->page_shift;
	for (uint32_t i = first; i < index[INDEX_COUNT]; i++) {
		uint32_t page = index[INDEX_PAGES + i];

		if (list->count == list->max)
			break;
		offer_span(list, page, 0,
			   pool->page_bytes - xvi_page_pad(&pool->pages.records[page]));
	}
}

/* Spans of [offset, offset + length) of a located object, as many as fit the list. */
static int find_spans(struct xv_pool *pool, const struct xvi_location *where,
		      struct span_list *list)
{
	struct xvi_chain chain;
	size_t size;
	int err;

	if (xvi_is_simple(where)) {
		size = xvi_simple_bytes(pool, where);
		if (list->skip > size || list->length > size - list->skip)
			return -XV_ERANGE;
		offer_span(list, where->page,
			   where->whole_page ? 0 : where->unit * UNIT_BYTES + pool->prefix_bytes,
			   (uint32_t)size);
		return 0;
	}
	err = xvi_chain_read(pool, where, &chain);
	if (err != 0)
		return err;
	if (list->skip > chain.bytes || list->length > chain.bytes - list->skip)
		return -XV_ERANGE;
	if (block_kind(where->header) == BLOCK_INDEX)
		offer_pages(pool, where, list);
	for (uint32_t i = 0; i < chain.count; i++) {
		const struct xvi_fragment *fragment = &chain.fragment[i];
		uint32_t kind = block_kind(fragment->header);
		uint32_t link = xvi_kind_link_bytes(pool, kind);

		if (kind != BLOCK_INDEX)
			offer_span(list, fragment->page,
				   fragment->unit * UNIT_BYTES + pool->prefix_bytes + link,
				   xvi_payload_bytes(pool, fragment->header));
	}
	return 0;
}

/* Spans of an object, with the handle checked; nothing stays mapped. */
static int spans_of_handle(struct xv_pool *pool, xv_handle handle, struct span_list *list)
{
	struct xvi_location where;
	int err = xvi_locate(pool, handle, TRUST_HANDLE, &where);

	if (err != 0)
		return err;
	err = find_spans(pool, &where, list);
	xvi_locate_end(pool, &where);
	return err;
}

/* ---- copying ---- */

/* One of the two is set: where bytes come from, or where they go. */
struct copy {
	unsigned char *to;
	const unsigned char *from;
};

static void copy_span(const struct span *span, unsigned char *words, struct copy *copy)
{
	if (copy->to != NULL) {
		memcpy(copy->to, words + span->offset, span->bytes);
		copy->to += span->bytes;
	} else {
		memcpy(words + span->offset, copy->from, span->bytes);
		copy->from += span->bytes;
	}
}

/* Under the lock, since the window's slots are then the pool's own. */
static int copy_mapped(struct xv_pool *pool, const struct span_list *list, struct copy *copy)
{
	for (unsigned i = 0; i < list->count; i++) {
		uint32_t *words = xvi_page_map(pool, list->span[i].page);

		if (words == NULL)
			return -XV_EAGAIN;
		copy_span(&list->span[i], (unsigned char *)words, copy);
		xvi_page_unmap(pool, list->span[i].page, words);
	}
	return 0;
}

/* With the lock let go: pins keep the pages where they are. */
static int copy_pinned(struct xv_pool *pool, const struct span_list *list, struct copy *copy)
{
	unsigned pinned = 0;

	while (pinned < list->count && may_pin(pool, list->span[pinned].page))
		pin(pool, list->span[pinned++].page);
	if (pinned == list->count) {
		xvi_leave(pool);
		for (unsigned i = 0; i < list->count; i++)
			copy_span(&list->span[i],
				  pool->base + ((size_t)list->span[i].page << pool->page_shift),
				  copy);
		xvi_relock(pool);
	}
	for (unsigned i = 0; i < pinned; i++)
		unpin(pool, list->span[i].page);
	return pinned == list->count ? 0 : -XV_EAGAIN;
}

/* Can a copy do without the pool's lock? Not where there is none, and not for more
 * spans than one turn takes: the object must not move between turns. */
static bool copy_unlocked(const struct xv_pool *pool, const struct span_list *list)
{
	return pool->base != NULL && pool->lock.kind != XV_LOCK_NONE && list->length == 0;
}

static int transfer_locked(struct xv_pool *pool, xv_handle handle, size_t offset, size_t length,
			   struct copy *copy)
{
	struct span span[SPANS_PER_TURN];
	int err;

	do {
		struct span_list list = {
			.skip = offset, .length = length, .span = span, .max = SPANS_PER_TURN};

		err = spans_of_handle(pool, handle, &list);
		if (err != 0)
			break;
		err = copy_unlocked(pool, &list) ? copy_pinned(pool, &list, copy)
						 : copy_mapped(pool, &list, copy);
		offset += length - list.length;
		length = list.length;
	} while (err == 0 && length != 0);
	return err;
}

static int transfer(struct xv_pool *pool, xv_handle handle, size_t offset, size_t length,
		    struct copy *copy)
{
	int err;

	pool = xvi_enter(pool, handle);
	err = transfer_locked(pool, handle, offset, length, copy);
	xvi_leave(pool);
	return err;
}

/* Copy what two spans have in common, at most two pages mapped; both shrink by it. */
static int copy_between(struct xv_pool *pool, struct span *from, struct span *to)
{
	uint32_t bytes = from->bytes < to->bytes ? from->bytes : to->bytes;
	uint32_t *src = xvi_page_map(pool, from->page);
	uint32_t *dst = src != NULL ? xvi_page_map(pool, to->page) : NULL;

	if (dst != NULL) {
		memcpy((char *)dst + to->offset, (const char *)src + from->offset, bytes);
		xvi_page_unmap(pool, to->page, dst);
	}
	if (src != NULL)
		xvi_page_unmap(pool, from->page, src);
	from->offset += bytes;
	from->bytes -= bytes;
	to->offset += bytes;
	to->bytes -= bytes;
	return dst != NULL ? 0 : -XV_EAGAIN;
}

/* Copy as much as both lists hold. */
static int copy_lists(struct xv_pool *pool, struct span_list *from, struct span_list *to)
{
	unsigned i = 0, j = 0;

	while (i < from->count && j < to->count) {
		int err = copy_between(pool, &from->span[i], &to->span[j]);

		if (err != 0)
			return err;
		i += from->span[i].bytes == 0;
		j += to->span[j].bytes == 0;
	}
	return 0;
}

int xvi_copy_object(struct xv_pool *pool, xv_handle from, xv_handle to, size_t bytes)
{
	struct span from_span[SPANS_PER_TURN], to_span[SPANS_PER_TURN];
	size_t done = 0;

	while (done < bytes) {
		/* So much is in the spans of one turn, on both sides. */
		size_t turn = pool->page_bytes / 2;
		size_t part = bytes - done < turn ? bytes - done : turn;
		struct span_list src = {
			.skip = done, .length = part, .span = from_span, .max = SPANS_PER_TURN};
		struct span_list dst = {
			.skip = done, .length = part, .span = to_span, .max = SPANS_PER_TURN};
		int err = spans_of_handle(pool, from, &src);

		if (err == 0)
			err = spans_of_handle(pool, to, &dst);
		if (err == 0)
			err = copy_lists(pool, &src, &dst);
		if (err != 0)
			return err;
		done += part;
	}
	return 0;
}

int xv_read(struct xv_pool *pool, xv_handle handle, size_t offset, void *buffer, size_t length)
{
	unsigned char nothing;
	struct copy copy = {.to = buffer != NULL ? buffer : &nothing};

	if (pool == NULL || (buffer == NULL && length != 0))
		return -XV_EINVAL;
	return transfer(pool, handle, offset, length, &copy);
}

int xv_write(struct xv_pool *pool, xv_handle handle, size_t offset, const void *buffer,
	     size_t length)
{
	struct copy copy = {.from = buffer};

	if (pool == NULL || (buffer == NULL && length != 0))
		return -XV_EINVAL;
	return transfer(pool, handle, offset, length, &copy);
}

/* ---- looking ---- */

/* Size of the object; *ptr is where it lies, or a copy of it. */
static int peek_locked(struct xv_pool *pool, xv_handle handle, struct copy *copy, size_t room,
		       const void **ptr)
{
	struct xvi_location where;
	const void *buffer;
	size_t bytes = 0;
	int err = xvi_locate(pool, handle, TRUST_HANDLE, &where);

	if (XVI_UNLIKELY(err != 0))
		return err;
	err = xvi_object_bytes(pool, &where, &bytes);
	xvi_locate_end(pool, &where);
	if (err != 0)
		return err;
	if (XVI_LIKELY(xvi_is_simple(&where)) && pool->base != NULL) {
		*ptr = pool->base + ((size_t)where.page << pool->page_shift) +
		       xv_handle_offset(handle);
		return (int)bytes;
	}
	if (bytes > room)
		return -XV_ERANGE;
	buffer = copy->to;
	err = transfer_locked(pool, handle, 0, bytes, copy);
	if (err != 0)
		return err;
	*ptr = buffer;
	return (int)bytes;
}

int xv_peek(struct xv_pool *pool, xv_handle handle, void *buffer, size_t buffer_bytes,
	    const void **ptr)
{
	struct copy copy = {.to = buffer};
	int result;

	if (pool == NULL || buffer == NULL || ptr == NULL)
		return -XV_EINVAL;
	pool = xvi_enter(pool, handle);
	result = peek_locked(pool, handle, &copy, buffer_bytes, ptr);
	xvi_leave(pool);
	return result;
}
