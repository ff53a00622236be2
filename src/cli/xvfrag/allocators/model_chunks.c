/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_chunks.c: pages in chunks; see model_chunks.h. Calls calloc and free.
 * Locking: none.
 */
#include "model_chunks.h"

#include <stdlib.h>

void *model_chunks_create(const struct xvfrag_plugin_config *config, uint64_t fixed_bytes)
{
	struct model_chunk_heap *heap = calloc(1, sizeof(*heap));

	if (heap == NULL)
		return NULL;
	heap->page_bytes = config->page_bytes;
	heap->held_bytes = fixed_bytes;
	for (unsigned i = 0; i <= MODEL_ROOM_CHUNKS; i++)
		model_list_init(&heap->lists[i]);
	return heap;
}

void model_chunks_destroy(void *context)
{
	struct model_chunk_heap *heap = context;

	for (unsigned i = 0; i <= MODEL_ROOM_CHUNKS; i++) {
		while (!model_list_empty(&heap->lists[i])) {
			struct model_node *page = heap->lists[i].next;

			model_list_remove(page);
			free(page);
		}
	}
	free(heap);
}

uint64_t model_chunks_held_bytes(void *context)
{
	const struct model_chunk_heap *heap = context;

	return heap->held_bytes;
}

unsigned model_chunks_of(const struct model_chunk_heap *heap, size_t size)
{
	size_t chunk_bytes = heap->page_bytes / MODEL_PAGE_CHUNKS;

	return size <= heap->page_bytes ? (unsigned)((size + chunk_bytes - 1) / chunk_bytes) : 0;
}

struct model_node *model_chunks_find(struct model_chunk_heap *heap, unsigned chunks)
{
	for (unsigned i = chunks; i <= MODEL_ROOM_CHUNKS; i++) {
		if (!model_list_empty(&heap->lists[i]))
			return heap->lists[i].next;
	}
	return NULL;
}

void model_chunks_list(struct model_chunk_heap *heap, struct model_node *page, unsigned room)
{
	model_list_remove(page);
	model_list_push_front(&heap->lists[room], page);
}

void *model_chunks_make_page(struct model_chunk_heap *heap, size_t record_bytes, size_t side_bytes)
{
	struct model_node *page = calloc(1, record_bytes);

	if (page != NULL) {
		model_list_init(page);
		heap->held_bytes += heap->page_bytes + side_bytes;
	}
	return page;
}

void model_chunks_end_page(struct model_chunk_heap *heap, struct model_node *page,
			   size_t side_bytes)
{
	model_list_remove(page);
	heap->held_bytes -= heap->page_bytes + side_bytes;
	free(page);
}
