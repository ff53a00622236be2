/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_chunks.h: what the models of zbud and z3fold share: pages cut into 64 chunks,
 * the first of them the page's header, and pages in lists by the chunks that the next
 * object may have.
 *
 * List 0 is for pages that take no more objects, so every page with a record is on
 * some list. An object that leaves no room beside it has a page of its own, without
 * record; its token is 0. A model's page record begins with a struct model_node and
 * comes from calloc.
 *
 * No locking. All O(1), the lists being 64 at most.
 */
#ifndef XVFRAG_ALLOCATORS_MODEL_CHUNKS_H
#define XVFRAG_ALLOCATORS_MODEL_CHUNKS_H

#include <stdint.h>

#include <xvmalloc/xvfrag_plugin.h>

#include "model_list.h"

enum {
	MODEL_PAGE_CHUNKS = 64,
	MODEL_HEADER_CHUNKS = 1,
	MODEL_ROOM_CHUNKS = MODEL_PAGE_CHUNKS - MODEL_HEADER_CHUNKS,
};

struct model_chunk_heap {
	struct model_node lists[MODEL_ROOM_CHUNKS + 1];
	size_t page_bytes;
	uint64_t held_bytes;
};

/* A heap that holds fixed_bytes from the start, or NULL. destroy frees the records too. */
void *model_chunks_create(const struct xvfrag_plugin_config *config, uint64_t fixed_bytes);
void model_chunks_destroy(void *heap);

/* As held_bytes of a plugin. */
uint64_t model_chunks_held_bytes(void *heap);

/* Chunks that size bytes take, or 0 when they are more than a page. size > 0. */
unsigned model_chunks_of(const struct model_chunk_heap *heap, size_t size);

/* The first page of the first list with room for chunks, or NULL. */
struct model_node *model_chunks_find(struct model_chunk_heap *heap, unsigned chunks);

/* Put the page on the list of its room, wherever it was. */
void model_chunks_list(struct model_chunk_heap *heap, struct model_node *page, unsigned room);

/*
 * Count a page in, with side_bytes beside it, and make its zeroed record; or NULL.
 * model_chunks_end_page undoes it.
 */
void *model_chunks_make_page(struct model_chunk_heap *heap, size_t record_bytes, size_t side_bytes);
void model_chunks_end_page(struct model_chunk_heap *heap, struct model_node *page,
			   size_t side_bytes);

#endif
