/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A plugin over malloc for xvfrag_cli.sh, with one fault chosen by the build:
 * BAD_NONE has none and counts compactions, BAD_THREADS has none and says that it takes
 * threads, BAD_INDEXED is the same but is told the index
 * with the size, BAD_SPOIL spoils an object when it compacts, BAD_CRASH writes through a null
 * pointer in its 5000th alloc, BAD_HANG stops there, BAD_OVERLAP gives an early object's memory
 * twice, BAD_CHATTY prints to both streams, and BAD_REFUSE has no memory.
 */
#include <xvmalloc/xvfrag_plugin.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef BAD_OVERLAP
#define FAULT_AT 100
#else
#define FAULT_AT 5000
#endif

struct bad_heap {
	atomic_uint allocs;
	_Atomic uint64_t held_bytes;
	_Atomic uint64_t last;
	uint64_t shared; /* given twice: never freed */
	unsigned indexes_told;
};

static void *bad_create(const struct xvfrag_plugin_config *config)
{
	(void)config;
	return calloc(1, sizeof(struct bad_heap));
}

static void bad_destroy(void *heap)
{
	free(heap);
}

static int bad_fault(struct bad_heap *heap, uint64_t *token)
{
#ifdef BAD_CRASH
	*(volatile int *)(uintptr_t)heap->indexes_told = 1;
#endif
#ifdef BAD_HANG
	for (;;)
		heap->last ^= *(volatile uint64_t *)token;
#endif
#ifdef BAD_OVERLAP
	*token = heap->last;
	heap->shared = heap->last;
	return 1;
#endif
#ifdef BAD_REFUSE
	return -ENOMEM;
#endif
#ifdef BAD_CHATTY
	printf("{\"not\": \"json\"}\n");
	fprintf(stderr, "chatter\n");
#endif
	(void)heap;
	(void)token;
	return 0;
}

static int bad_alloc(void *heap, size_t size, uint64_t *token)
{
	struct bad_heap *h = heap;

	if (atomic_fetch_add(&h->allocs, 1) + 1 == FAULT_AT) {
		int result = bad_fault(h, token);

		if (result != 0)
			return result < 0 ? result : 0;
	}
	*token = (uintptr_t)malloc(size +
				   8192); /* room for the object that BAD_OVERLAP puts over it */
	h->last = *token;
	h->held_bytes += size + 8;
	return *token != 0 ? 0 : -ENOMEM;
}

static void bad_free(void *heap, uint64_t token, size_t size)
{
	struct bad_heap *h = heap;

	h->held_bytes -= size + 8;
	if (token != h->shared)
		free((void *)(uintptr_t)token);
}

static void *bad_map(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)size;
	return (void *)(uintptr_t)token;
}

static void bad_unmap(void *heap, uint64_t token, void *memory)
{
	(void)heap;
	(void)token;
	(void)memory;
}

static uint64_t bad_held_bytes(void *heap)
{
	return ((const struct bad_heap *)heap)->held_bytes;
}

#if defined(BAD_NONE) || defined(BAD_INDEXED) || defined(BAD_SPOIL)
#define BAD_COMPACTS 1
#else
#define BAD_COMPACTS 0
#endif

#ifdef BAD_INDEXED
static int bad_alloc_indexed(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	(void)index;
	((struct bad_heap *)heap)->indexes_told++;
	return bad_alloc(heap, size, token);
}
#elif BAD_COMPACTS
static void bad_set_index(void *heap, uint64_t token, uint32_t index)
{
	(void)token;
	(void)index;
	((struct bad_heap *)heap)->indexes_told++;
}
#endif

#if BAD_COMPACTS
/* "Moves" object 0 to where it is. */
static int bad_compact(void *heap, void (*renamed)(void *context, uint32_t index, uint64_t token),
		       uint64_t (*locate)(void *context, uint32_t index), void *context,
		       struct xvfrag_plugin_compaction *result)
{
	struct bad_heap *h = heap;

	renamed(context, 0, locate(context, 0));
#ifdef BAD_SPOIL
	*(unsigned char *)(uintptr_t)locate(context, 0) ^= 1;
#endif
	result->moved_bytes = 4000;
	result->freed_bytes = h->indexes_told;
	result->longest_step_ns = 77;
	result->p99_step_ns = 66;
	result->steps = 3;
	return 0;
}

static uint64_t bad_split_objects(void *heap)
{
	(void)heap;
	return 1000;
}
#endif

#ifdef BAD_THREADS
extern const uint32_t XVFRAG_PLUGIN_FLAGS_SYMBOL;

__attribute__((visibility("default"))) const uint32_t XVFRAG_PLUGIN_FLAGS_SYMBOL =
	XVFRAG_PLUGIN_THREADS;
#endif

extern const struct xvfrag_plugin XVFRAG_PLUGIN_SYMBOL;

__attribute__((visibility("default"))) const struct xvfrag_plugin XVFRAG_PLUGIN_SYMBOL = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "bad",
	.summary = "a plugin for tests",
	.create = bad_create,
	.destroy = bad_destroy,
	.alloc = bad_alloc,
	.free = bad_free,
	.map = bad_map,
	.unmap = bad_unmap,
	.held_bytes = bad_held_bytes,
#if BAD_COMPACTS
	.compact = bad_compact,
	.split_objects = bad_split_objects,
#endif
#ifdef BAD_INDEXED
	.alloc_indexed = bad_alloc_indexed,
#elif BAD_COMPACTS
	.set_index = bad_set_index,
#endif
};
