/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * subject_peer.c: who xvmalloc is compared with.
 *
 *   tlsf      the project's own TLSF (src/measure/allocators/tlsf.h); no lock
 *   malloc    the malloc of this process: the C library's, or one that was preloaded
 *   nothing   no allocator: the loop, the calls through pointers and the slot table
 *
 * Owns a table of pointers per heap, from mmap, so that the table of a malloc heap is not
 * in that heap. Locking: none; malloc has its own. O(1).
 */
#include "subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tlsf.h"

struct peer_heap {
	struct xvm_tlsf *tlsf; /* or NULL */
	uint32_t slots;
	void *object[]; /* by slot; NULL where empty */
};

static size_t heap_bytes(uint32_t slots)
{
	return sizeof(struct peer_heap) + slots * sizeof(void *);
}

static void *heap_create(const void *recipe, const struct subject_config *config)
{
	struct peer_heap *heap = mmap(NULL, heap_bytes(config->slots), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)recipe;
	if (heap == MAP_FAILED)
		return NULL;
	heap->slots = config->slots;
	return heap;
}

static void heap_destroy(void *context)
{
	struct peer_heap *heap = context;

	munmap(heap, heap_bytes(heap->slots));
}

static int heap_write(void *context, uint32_t slot, const void *data, size_t size)
{
	struct peer_heap *heap = context;

	memcpy(heap->object[slot], data, size);
	return 0;
}

static int heap_read(void *context, uint32_t slot, void *data, size_t size)
{
	struct peer_heap *heap = context;

	memcpy(data, heap->object[slot], size);
	return 0;
}

/* ---- tlsf ---- */

static void *tlsf_create(const void *recipe, const struct subject_config *config)
{
	struct peer_heap *heap = heap_create(recipe, config);

	if (heap == NULL)
		return NULL;
	heap->tlsf = xvm_tlsf_create();
	if (heap->tlsf != NULL)
		return heap;
	heap_destroy(heap);
	return NULL;
}

static void tlsf_destroy(void *context)
{
	struct peer_heap *heap = context;

	xvm_tlsf_destroy(heap->tlsf);
	heap_destroy(heap);
}

static int tlsf_make(void *context, uint32_t slot, size_t size)
{
	struct peer_heap *heap = context;

	heap->object[slot] = xvm_tlsf_alloc(heap->tlsf, size);
	return heap->object[slot] == NULL ? -ENOMEM : 0;
}

static int tlsf_free(void *context, uint32_t slot)
{
	struct peer_heap *heap = context;

	xvm_tlsf_free(heap->tlsf, heap->object[slot]);
	heap->object[slot] = NULL;
	return 0;
}

/* It has no realloc: a new object and a copy, of what the old one surely holds. */
static int tlsf_resize(void *context, uint32_t slot, size_t size)
{
	struct peer_heap *heap = context;
	size_t *old = heap->object[slot];
	void *moved = xvm_tlsf_alloc(heap->tlsf, size);
	size_t old_bytes;

	if (moved == NULL)
		return -ENOMEM;
	old_bytes = old[-1] & ~(size_t)7;
	memcpy(moved, old, old_bytes < size ? old_bytes : size);
	xvm_tlsf_free(heap->tlsf, old);
	heap->object[slot] = moved;
	return 0;
}

static uint64_t tlsf_held_bytes(void *context)
{
	struct peer_heap *heap = context;

	return xvm_tlsf_held_bytes(heap->tlsf);
}

/* ---- malloc ---- */

static void malloc_destroy(void *context)
{
	struct peer_heap *heap = context;

	for (uint32_t slot = 0; slot < heap->slots; slot++)
		free(heap->object[slot]);
	heap_destroy(heap);
}

static int malloc_make(void *context, uint32_t slot, size_t size)
{
	struct peer_heap *heap = context;

	heap->object[slot] = malloc(size);
	return heap->object[slot] == NULL ? -ENOMEM : 0;
}

static int malloc_free(void *context, uint32_t slot)
{
	struct peer_heap *heap = context;

	free(heap->object[slot]);
	heap->object[slot] = NULL;
	return 0;
}

static int malloc_resize(void *context, uint32_t slot, size_t size)
{
	struct peer_heap *heap = context;
	void *moved = realloc(heap->object[slot], size);

	if (moved == NULL)
		return -ENOMEM;
	heap->object[slot] = moved;
	return 0;
}

/* ---- nothing ---- */

static int nothing_make(void *context, uint32_t slot, size_t size)
{
	struct peer_heap *heap = context;

	heap->object[slot] = (void *)(uintptr_t)size;
	return 0;
}

static int nothing_free(void *context, uint32_t slot)
{
	struct peer_heap *heap = context;

	heap->object[slot] = NULL;
	return 0;
}

/* ---- the list ---- */

const struct bench_subject subject_peers[] = {
	{
		.name = "tlsf",
		.groups = GROUP_MAIN | GROUP_POINTER,
		.create = tlsf_create,
		.destroy = tlsf_destroy,
		.make = tlsf_make,
		.free = tlsf_free,
		.resize = tlsf_resize,
		.write = heap_write,
		.read = heap_read,
		.held_bytes = tlsf_held_bytes,
	},
	{
		.name = "malloc",
		.groups = GROUP_MAIN | GROUP_POINTER,
		.threads = true,
		.create = heap_create,
		.destroy = malloc_destroy,
		.make = malloc_make,
		.free = malloc_free,
		.resize = malloc_resize,
		.write = heap_write,
		.read = heap_read,
	},
	{
		.name = "nothing",
		.groups = GROUP_BASELINE,
		.threads = true,
		.create = heap_create,
		.destroy = heap_destroy,
		.make = nothing_make,
		.free = nothing_free,
	},
};

const size_t subject_peer_count = sizeof(subject_peers) / sizeof(subject_peers[0]);

const struct bench_subject *subject_at(size_t index)
{
	if (index < subject_pool_count)
		return &subject_pools[index];
	index -= subject_pool_count;
	return index < subject_peer_count ? &subject_peers[index] : NULL;
}
