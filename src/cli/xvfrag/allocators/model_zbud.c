/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_zbud.c: counts what zbud would hold: at most two objects in a page, one at
 * each end.
 *
 * Source: mm/zbud.c of Linux 3.11 to 6.14. Kept of it: sizes in chunks of 1/64
 * page, one chunk for the page's header, pages with one object in lists by their
 * free chunks, first page of the first list with enough. zbud refuses an object
 * above 62 chunks (zswap then keeps the page uncompressed elsewhere): here such an
 * object holds a page of its own. The pool's list heads are counted.
 *
 * Owns one record per page (model_chunks.h), no memory for objects. No locking: one
 * thread. O(1).
 */
#include "builtin.h"
#include "model_chunks.h"

#include <errno.h>

enum {
	OBJECT_CHUNKS_MAX = MODEL_ROOM_CHUNKS - 1,
	POOL_BYTES = 1088, /* struct zbud_pool of a 64-bit kernel, about */
};

struct zbud_page {
	struct model_node node; /* on list 0 with two objects */
	uint32_t chunks[2];     /* of the first and the last object; 0 = no object */
};

/* A token is the page's record, with this bit for the last object; 0 is a whole page. */
#define TOKEN_LAST ((uint64_t)1)

static void *zbud_create(const struct xvfrag_plugin_config *config)
{
	return model_chunks_create(config, POOL_BYTES);
}

/* Put the page, with one object or two, on the list where it belongs. */
static void page_list(struct model_chunk_heap *heap, struct zbud_page *page)
{
	unsigned room = 0;

	if (page->chunks[0] == 0 || page->chunks[1] == 0)
		room = (unsigned)MODEL_ROOM_CHUNKS - page->chunks[0] - page->chunks[1];
	model_chunks_list(heap, &page->node, room);
}

static int zbud_alloc(void *context, size_t size, uint64_t *token)
{
	struct model_chunk_heap *heap = context;
	unsigned chunks = model_chunks_of(heap, size);
	struct zbud_page *page;
	uint32_t last;

	if (chunks == 0)
		return -E2BIG;
	if (chunks > OBJECT_CHUNKS_MAX) {
		heap->held_bytes += heap->page_bytes;
		*token = 0;
		return 0;
	}
	page = (void *)model_chunks_find(heap, chunks);
	if (page == NULL)
		page = model_chunks_make_page(heap, sizeof(*page), 0);
	if (page == NULL)
		return -ENOMEM;
	last = page->chunks[0] != 0;
	page->chunks[last] = chunks;
	page_list(heap, page);
	*token = (uintptr_t)page | (last ? TOKEN_LAST : 0);
	return 0;
}

static void zbud_free(void *context, uint64_t token, size_t size)
{
	struct model_chunk_heap *heap = context;
	struct zbud_page *page = (void *)(uintptr_t)(token & ~TOKEN_LAST);

	(void)size;
	if (page == NULL) {
		heap->held_bytes -= heap->page_bytes;
		return;
	}
	page->chunks[token & TOKEN_LAST] = 0;
	if (page->chunks[0] != 0 || page->chunks[1] != 0)
		page_list(heap, page);
	else
		model_chunks_end_page(heap, &page->node, 0);
}

const struct xvfrag_plugin xvf_allocator_zbud = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "zbud",
	.summary = "model of Linux zbud: at most two objects in a page",
	.create = zbud_create,
	.destroy = model_chunks_destroy,
	.alloc = zbud_alloc,
	.free = zbud_free,
	.held_bytes = model_chunks_held_bytes,
};
