/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Objects of several blocks: what split.c and large.c offer the rest of the core, and
 * the links and lists of pages that hold such objects together. Under the pool's lock.
 */
#ifndef XVI_COMPOSITE_H
#define XVI_COMPOSITE_H

#include "shard.h"

/* ---- split objects (split.c) ---- */

/* Lay an object over the largest holes. may_grow: the last part may take a new page.
 * 0, -XV_ENOMEM when there is no room (nothing has changed), or the provider's error. */
int xvi_malloc_split(struct xv_pool *pool, const struct xvi_request *request, bool may_grow,
		     xv_handle *handle);

/* The blocks of a located object that is not simple. 0 or -XV_EAGAIN; -XV_EINVAL when
 * the chain is broken. */
int xvi_chain_read(struct xv_pool *pool, const struct xvi_location *head, struct xvi_chain *chain);

/*
 * Lay `bytes` of payload, of a block of this kind, anew over at most max_fragments
 * holes. next is the link that the last of them is to have, where the kind has one.
 */
struct xvi_relay {
	uint32_t kind;
	uint32_t owner;
	uint32_t bytes;
	uint32_t max_fragments;
	uint32_t page_below; /* a new page must have a lower number */
	bool may_grow;       /* the last part may take a new page */
	bool zero;           /* fill with zeros */
	bool use_victims;    /* holes of pages that compaction is emptying will do */
	xv_handle next;
};

/* The new blocks' handles in order, in fragment[0 .. *count). As xvi_malloc_split. */
int xvi_relay(struct xv_pool *pool, const struct xvi_relay *relay,
	      xv_handle fragment[FRAGMENTS_MAX], uint32_t *count);

/* Undo: free blocks that xvi_relay made. */
void xvi_relay_undo(struct xv_pool *pool, const xv_handle *fragment, uint32_t count);

/* Bytes of a used block that are neither header, owner word nor payload. */
static inline uint32_t xvi_link_cost(const struct xv_pool *pool, uint32_t header)
{
	if (block_kind(header) == BLOCK_INDEX)
		return (uint32_t)block_content_bytes(header, pool->unit_bits) - pool->owner_bytes;
	return xvi_kind_link_bytes(pool, block_kind(header));
}

/*
 * The link in a mapped block, as a handle without a tag; XV_NULL_HANDLE for none. In
 * memory it is page * units of a page + unit, little end first; all ones for none, which
 * is no block's place, since the last unit of a page begins no block.
 */
static inline xv_handle xvi_link_read(const struct xv_pool *pool, const uint32_t *words,
				      uint32_t unit)
{
	const unsigned char *at = (const unsigned char *)(words + unit) + pool->prefix_bytes;
	uint64_t none = ((uint64_t)1 << (8 * pool->link_bytes)) - 1;
	uint64_t place = 0;

	for (uint32_t i = 0; i < pool->link_bytes; i++)
		place |= (uint64_t)at[i] << (8 * i);
	if (place == none)
		return XV_NULL_HANDLE;
	unit = (uint32_t)(place & ((1U << pool->unit_bits) - 1U));
	return xv_handle_at((uint32_t)(place >> pool->unit_bits),
			    unit * UNIT_BYTES + pool->prefix_bytes);
}

static inline void xvi_link_write(const struct xv_pool *pool, uint32_t *words, uint32_t unit,
				  xv_handle link)
{
	unsigned char *at = (unsigned char *)(words + unit) + pool->prefix_bytes;
	uint64_t place = ~(uint64_t)0;

	if (link != XV_NULL_HANDLE)
		place = ((uint64_t)xv_handle_page(link) << pool->unit_bits) |
			((xv_handle_offset(link) - pool->prefix_bytes) / UNIT_BYTES);
	for (uint32_t i = 0; i < pool->link_bytes; i++)
		at[i] = (unsigned char)(place >> (8 * i));
}

/* ---- objects larger than a page (large.c) ---- */

int xvi_malloc_large(struct xv_pool *pool, const struct xvi_request *request, xv_handle *handle);

/* Free the pages of a large object; its chain's blocks are the caller's. 0 or -XV_EAGAIN. */
int xvi_free_large(struct xv_pool *pool, const struct xvi_chain *chain);

/*
 * A mapped INDEX block from behind its link: the number of pages, the object's size in
 * bytes, then the page numbers.
 */
enum { INDEX_COUNT = 0, INDEX_SIZE = 1, INDEX_PAGES = 2, INDEX_FIXED_BYTES = 8 };

static inline uint32_t *xvi_index(const struct xv_pool *pool, uint32_t *words, uint32_t unit)
{
	return words + unit + (pool->prefix_bytes + BLOCK_INDEX_LINK_BYTES) / UNIT_BYTES;
}

#endif
