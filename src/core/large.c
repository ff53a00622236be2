/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Objects larger than a page: an INDEX block that lists whole pages, and the tail, laid
 * over holes like a split object's fragments behind the INDEX block's link. Owns the
 * index; calls split.c and pages. Under the pool's lock, with at most two pages mapped.
 * O(pages of the object).
 */
#include "carve.h"

/* Whole pages of an object, and what is left for the tail. */
struct parts {
	uint32_t pages;
	uint32_t last_pad; /* unused at the end of the last page, bytes */
	uint32_t tail;     /* bytes */
};

static struct parts parts_of(const struct xv_pool *pool, size_t size)
{
	struct parts parts = {.pages = (uint32_t)(size >> pool->page_shift),
			      .tail = (uint32_t)(size & (pool->page_bytes - 1U))};
	struct xvi_new_block block = new_block(pool, BLOCK_MIDDLE, parts.tail, 0);

	/* A tail that leaves no room for a block's header and link is a page of its own;
	 * what a page record can say of unused bytes is enough for that. */
	if (parts.tail != 0 && block.units > pool->page_units &&
	    pool->page_bytes - parts.tail <= PAGE_PAD_MAX) {
		parts.pages++;
		parts.last_pad = pool->page_bytes - parts.tail;
		parts.tail = 0;
	}
	return parts;
}

/* Take the whole pages and list them in the mapped index. */
static int take_pages(struct xv_pool *pool, uint32_t *index, const struct parts *parts,
		      const struct xvi_request *request)
{
	for (index[INDEX_COUNT] = 0; index[INDEX_COUNT] < parts->pages; index[INDEX_COUNT]++) {
		bool last = index[INDEX_COUNT] + 1 == parts->pages;
		int err = xvi_page_take_whole(pool, PAGE_PART, last ? parts->last_pad : 0,
					      request->owner,
					      &index[INDEX_PAGES + index[INDEX_COUNT]]);

		if (err == 0 && request->zero)
			err = xvi_page_zero_whole(pool, index[INDEX_PAGES + index[INDEX_COUNT]]);
		if (err != 0)
			return err;
	}
	return 0;
}

static void give_pages(struct xv_pool *pool, const uint32_t *index)
{
	for (uint32_t i = 0; i < index[INDEX_COUNT]; i++)
		xvi_page_free_whole(pool, index[INDEX_PAGES + i]);
}

/* Lay the tail; *link is its first fragment. */
static int lay_tail(struct xv_pool *pool, uint32_t bytes, const struct xvi_request *request,
		    xv_handle *link)
{
	struct xvi_relay relay = {.kind = BLOCK_LAST,
				  .owner = request->owner,
				  .zero = request->zero,
				  .bytes = bytes,
				  .max_fragments = FRAGMENTS_MAX,
				  .page_below = UINT32_MAX,
				  .may_grow = true,
				  .use_victims = true};
	xv_handle fragment[FRAGMENTS_MAX];
	uint32_t count;
	int err;

	*link = XV_NULL_HANDLE;
	if (bytes == 0)
		return 0;
	err = xvi_relay(pool, &relay, fragment, &count);
	if (err == 0)
		*link = fragment[0];
	return err;
}

/* Fill a fresh INDEX block, located at where. */
static int fill_index(struct xv_pool *pool, const struct xvi_location *where,
		      const struct xvi_request *request)
{
	struct parts parts = parts_of(pool, request->size);
	uint32_t *index = xvi_index(pool, where->words, where->unit);
	xv_handle link;
	int err;

	index[INDEX_SIZE] = (uint32_t)request->size;
	err = take_pages(pool, index, &parts, request);
	if (err == 0)
		err = lay_tail(pool, parts.tail, request, &link);
	if (err == 0)
		xvi_link_write(pool, where->words, where->unit, link);
	else
		give_pages(pool, index);
	return err;
}

int xvi_malloc_large(struct xv_pool *pool, const struct xvi_request *request, xv_handle *handle)
{
	struct xvi_relay relay = {.kind = BLOCK_INDEX,
				  .owner = request->owner,
				  .bytes = INDEX_FIXED_BYTES + parts_of(pool, request->size).pages *
								       (uint32_t)sizeof(uint32_t),
				  .max_fragments = 1,
				  .page_below = UINT32_MAX,
				  .may_grow = true,
				  .use_victims = true};
	xv_handle fragment[FRAGMENTS_MAX];
	struct xvi_location where;
	uint32_t count;
	int err = xvi_relay(pool, &relay, fragment, &count);

	if (err != 0)
		return err;
	err = xvi_locate(pool, fragment[0], TRUST_HANDLE, &where);
	if (err == 0) {
		err = fill_index(pool, &where, request);
		xvi_locate_end(pool, &where);
	}
	if (err != 0) {
		xvi_relay_undo(pool, fragment, 1);
		return err;
	}
	pool->large_count++;
	*handle = fragment[0];
	return 0;
}

int xvi_free_large(struct xv_pool *pool, const struct xvi_chain *chain)
{
	const struct xvi_fragment *head = &chain->fragment[0];
	uint32_t *words = xvi_page_map(pool, head->page);

	if (words == NULL)
		return -XV_EAGAIN;
	give_pages(pool, xvi_index(pool, words, head->unit));
	xvi_page_unmap(pool, head->page, words);
	return 0;
}
