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
 * Owns one record per page, no memory for objects. Calls malloc for the records.
 * No locking: one thread. O(1).
 */
#include "builtin.h"
#include "model_list.h"

#include <errno.h>
#include <stdlib.h>

enum {
	CHUNKS_PER_PAGE = 64,
	HEADER_CHUNKS = 1,
	OBJECT_CHUNKS_MAX = CHUNKS_PER_PAGE - HEADER_CHUNKS - 1,
	FREE_CHUNKS_MAX = CHUNKS_PER_PAGE - HEADER_CHUNKS,
	POOL_BYTES = 1088, /* struct zbud_pool of a 64-bit kernel, about */
};

struct zbud_page {
	struct model_node node; /* in the list of its free chunks, or in buddied */
	uint32_t chunks[2];     /* of the first and the last object; 0 = no object */
};

struct zbud_heap {
	struct model_node unbuddied[FREE_CHUNKS_MAX + 1];
	struct model_node buddied; /* pages with two objects */
	size_t page_bytes;
	uint64_t held_bytes;
};

/* A token is the page's record, with this bit for the last object; 0 is a whole page. */
#define TOKEN_LAST ((uint64_t)1)

static void *zbud_create(const struct xvfrag_plugin_config *config)
{
	struct zbud_heap *heap = calloc(1, sizeof(*heap));
	unsigned i;

	if (heap == NULL)
		return NULL;
	heap->page_bytes = config->page_bytes;
	heap->held_bytes = POOL_BYTES;
	for (i = 0; i <= FREE_CHUNKS_MAX; i++)
		model_list_init(&heap->unbuddied[i]);
	model_list_init(&heap->buddied);
	return heap;
}

static void pages_destroy(struct model_node *list)
{
	while (!model_list_empty(list)) {
		struct model_node *node = list->next;

		model_list_remove(node);
		free(MODEL_RECORD(node, struct zbud_page, node));
	}
}

static void zbud_destroy(void *context)
{
	struct zbud_heap *heap = context;
	unsigned i;

	for (i = 0; i <= FREE_CHUNKS_MAX; i++)
		pages_destroy(&heap->unbuddied[i]);
	pages_destroy(&heap->buddied);
	free(heap);
}

static uint32_t zbud_chunks(const struct zbud_heap *heap, size_t size)
{
	size_t chunk_bytes = heap->page_bytes / CHUNKS_PER_PAGE;

	return (uint32_t)((size + chunk_bytes - 1) / chunk_bytes);
}

static struct zbud_page *page_find(struct zbud_heap *heap, uint32_t chunks)
{
	uint32_t i;

	for (i = chunks; i <= FREE_CHUNKS_MAX; i++) {
		if (!model_list_empty(&heap->unbuddied[i]))
			return MODEL_RECORD(heap->unbuddied[i].next, struct zbud_page, node);
	}
	return NULL;
}

static struct zbud_page *page_make(struct zbud_heap *heap)
{
	struct zbud_page *page = calloc(1, sizeof(*page));

	if (page != NULL) {
		model_list_init(&page->node);
		heap->held_bytes += heap->page_bytes;
	}
	return page;
}

/* Put the page, with one object or two, on the list where it belongs. */
static void page_list(struct zbud_heap *heap, struct zbud_page *page)
{
	struct model_node *list = &heap->buddied;

	if (page->chunks[0] == 0 || page->chunks[1] == 0)
		list = &heap->unbuddied[FREE_CHUNKS_MAX - page->chunks[0] - page->chunks[1]];
	model_list_remove(&page->node);
	model_list_push_front(list, &page->node);
}

static int zbud_alloc(void *context, size_t size, uint64_t *token)
{
	struct zbud_heap *heap = context;
	uint32_t chunks, last;
	struct zbud_page *page;

	if (size > heap->page_bytes)
		return -E2BIG;
	chunks = zbud_chunks(heap, size);
	if (chunks > OBJECT_CHUNKS_MAX) {
		heap->held_bytes += heap->page_bytes;
		*token = 0;
		return 0;
	}
	page = page_find(heap, chunks);
	if (page == NULL)
		page = page_make(heap);
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
	struct zbud_heap *heap = context;
	struct zbud_page *page = (void *)(uintptr_t)(token & ~TOKEN_LAST);

	(void)size;
	if (page == NULL) {
		heap->held_bytes -= heap->page_bytes;
		return;
	}
	page->chunks[token & TOKEN_LAST] = 0;
	if (page->chunks[0] != 0 || page->chunks[1] != 0) {
		page_list(heap, page);
		return;
	}
	model_list_remove(&page->node);
	heap->held_bytes -= heap->page_bytes;
	free(page);
}

static uint64_t zbud_held_bytes(void *context)
{
	const struct zbud_heap *heap = context;

	return heap->held_bytes;
}

const struct xvfrag_plugin xvf_allocator_zbud = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "zbud",
	.summary = "model of Linux zbud: at most two objects in a page",
	.create = zbud_create,
	.destroy = zbud_destroy,
	.alloc = zbud_alloc,
	.free = zbud_free,
	.held_bytes = zbud_held_bytes,
};
