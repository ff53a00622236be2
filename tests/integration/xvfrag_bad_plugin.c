/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A plugin over malloc for xvfrag_cli.sh, with one fault chosen by the build:
 * BAD_NONE has none and counts compactions, BAD_THREADS has none and says that it takes
 * threads, BAD_SPOIL spoils an object when it compacts, BAD_CRASH writes through a null
 * pointer in its 5000th alloc, BAD_HANG stops there, BAD_OVERLAP gives an early object's memory
 * twice, BAD_CHATTY prints to both streams, and BAD_REFUSE has no memory. Each refuses what it was
 * not told to expect, and ends when an object is freed with another size.
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
	uint64_t first;  /* object 0 */
	unsigned steps;
	struct xvfrag_plugin_config told;
	int (*moved)(void *context, uint32_t index, uint64_t from, uint64_t to);
	void *context;
};

static void *bad_create(const struct xvfrag_plugin_config *config)
{
	struct bad_heap *heap = calloc(1, sizeof(*heap));

	if (config->settings != NULL) {
		errno = EINVAL;
		free(heap);
		return NULL;
	}
	if (heap != NULL) {
		heap->told = *config;
		heap->moved = config->moved;
		heap->context = config->context;
	}
	return heap;
}

static void bad_destroy(void *heap)
{
	free(heap);
}

static int bad_fault(struct bad_heap *heap, uint64_t *token)
{
#ifdef BAD_CRASH
	*(volatile int *)(uintptr_t)heap->steps = 1;
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

/* Behind an object lies its size. */
static size_t *size_of(uint64_t token, size_t size)
{
	return (size_t *)(uintptr_t)((token + size + 15) & ~(uint64_t)15);
}

static int bad_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	struct bad_heap *h = heap;

	if (size > h->told.max_size || index >= h->told.max_objects)
		return -ERANGE;
	if (atomic_fetch_add(&h->allocs, 1) + 1 == FAULT_AT) {
		int result = bad_fault(h, token);

		if (result != 0)
			return result < 0 ? result : 0;
	}
	*token = (uintptr_t)malloc(size +
				   8192); /* room for the object that BAD_OVERLAP puts over it */
	if (*token != 0)
		*size_of(*token, size) = size;
	h->last = *token;
	h->held_bytes += size + 8;
	if (h->told.total_bytes != 0 &&
	    h->held_bytes > h->told.total_bytes + 8 * h->told.max_objects)
		return -ERANGE;
	if (index == 0)
		h->first = *token;
	return *token != 0 ? 0 : -ENOMEM;
}

static int bad_free(void *heap, uint64_t token, size_t size)
{
	struct bad_heap *h = heap;

	h->held_bytes -= size + 8;
#ifndef BAD_OVERLAP
	if (*size_of(token, size) != size)
		abort();
#endif
	if (token != h->shared)
		free((void *)(uintptr_t)token);
	return 0;
}

static uint64_t bad_held_bytes(void *heap)
{
	return ((const struct bad_heap *)heap)->held_bytes;
}

#if defined(BAD_NONE) || defined(BAD_SPOIL)
#define BAD_COMPACTS 1
#else
#define BAD_COMPACTS 0
#endif

#if BAD_COMPACTS
/* Three steps, which "move" object 0 to where it is, while there is one. */
static int bad_compact_step(void *heap, uint64_t *moved_bytes)
{
	struct bad_heap *h = heap;

	if (h->moved(h->context, 0, h->first, h->first) == 0)
		*moved_bytes += 1000;
#ifdef BAD_SPOIL
	*(unsigned char *)(uintptr_t)h->first ^= 1;
#endif
	return ++h->steps % 3 != 0;
}

static uint64_t bad_split_objects(void *heap)
{
	(void)heap;
	return 1000;
}
#endif

#ifdef BAD_THREADS
#define BAD_FLAGS (XVFRAG_PLUGIN_ADDRESSES | XVFRAG_PLUGIN_THREADS)
#else
#define BAD_FLAGS XVFRAG_PLUGIN_ADDRESSES
#endif

extern const struct xvfrag_plugin XVFRAG_PLUGIN_SYMBOL;

__attribute__((visibility("default"))) const struct xvfrag_plugin XVFRAG_PLUGIN_SYMBOL = {
	.abi = XVFRAG_PLUGIN_ABI,
	.flags = BAD_FLAGS,
	.name = "bad",
	.summary = "a plugin for tests",
	.create = bad_create,
	.destroy = bad_destroy,
	.alloc = bad_alloc,
	.free = bad_free,
	.held_bytes = bad_held_bytes,
#if BAD_COMPACTS
	.compact_step = bad_compact_step,
	.split_objects = bad_split_objects,
#endif
};
