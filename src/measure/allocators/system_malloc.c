/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * system_malloc.c: whatever malloc the process has. Serves glibc as it is, and
 * jemalloc, mimalloc and tcmalloc where their library was preloaded.
 *
 * Owns nothing: the heap is the process's. It has no held_bytes, so xvfrag takes
 * the growth of the resident set. No locking of its own. Cost is malloc's.
 */
#include "builtin.h"

#include <errno.h>
#include <stdlib.h>

static char process_heap; /* create must not return NULL; nothing is stored here */

static void *malloc_create(const struct xvfrag_plugin_config *config)
{
	(void)config;
	return &process_heap;
}

static void malloc_destroy(void *heap)
{
	(void)heap;
}

static int malloc_alloc(void *heap, size_t size, uint64_t *token)
{
	void *memory = malloc(size);

	(void)heap;
	if (memory == NULL)
		return -ENOMEM;
	*token = (uintptr_t)memory;
	return 0;
}

static void malloc_free(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)size;
	free((void *)(uintptr_t)token);
}

static void *malloc_map(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)size;
	return (void *)(uintptr_t)token;
}

static void malloc_unmap(void *heap, uint64_t token, void *ptr)
{
	(void)heap;
	(void)token;
	(void)ptr;
}

const struct xvfrag_plugin xvm_allocator_malloc = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "malloc",
	.summary = "the process's own malloc, held bytes from the resident set",
	.create = malloc_create,
	.destroy = malloc_destroy,
	.alloc = malloc_alloc,
	.free = malloc_free,
	.map = malloc_map,
	.unmap = malloc_unmap,
};
