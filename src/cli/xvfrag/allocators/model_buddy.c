/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_buddy.c: counts what the page allocator would hold if every object were
 * given pages of its own, in powers of two.
 *
 * Source: Knowlton 1965; mm/page_alloc.c of Linux for the page as the smallest
 * block. Blocks that are free belong to the system and are not counted, so no
 * splitting or merging need be played.
 *
 * Owns one counter. Calls malloc once. No locking: one thread. O(log size).
 */
#include "builtin.h"

#include <stdlib.h>

struct buddy_heap {
	size_t page_bytes;
	uint64_t held_bytes;
};

static void *buddy_create(const struct xvfrag_plugin_config *config)
{
	struct buddy_heap *heap = calloc(1, sizeof(*heap));

	if (heap != NULL)
		heap->page_bytes = config->page_bytes;
	return heap;
}

static uint64_t buddy_block_bytes(const struct buddy_heap *heap, size_t size)
{
	uint64_t bytes = heap->page_bytes;

	while (bytes < size)
		bytes <<= 1;
	return bytes;
}

static int buddy_alloc(void *context, size_t size, uint64_t *token)
{
	struct buddy_heap *heap = context;

	heap->held_bytes += buddy_block_bytes(heap, size);
	*token = 0;
	return 0;
}

static void buddy_free(void *context, uint64_t token, size_t size)
{
	struct buddy_heap *heap = context;

	(void)token;
	heap->held_bytes -= buddy_block_bytes(heap, size);
}

static uint64_t buddy_held_bytes(void *context)
{
	const struct buddy_heap *heap = context;

	return heap->held_bytes;
}

const struct xvfrag_plugin xvf_allocator_buddy = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "buddy",
	.summary = "model of the page allocator: every object in a power of two of pages",
	.create = buddy_create,
	.destroy = free,
	.alloc = buddy_alloc,
	.free = buddy_free,
	.held_bytes = buddy_held_bytes,
};
