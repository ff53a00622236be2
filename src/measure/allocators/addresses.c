/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * addresses.c: the malloc of the process, and the ideal.
 *
 *   glibc, jemalloc, mimalloc, tcmalloc   whatever malloc the process has: the last three
 *                                         run where their library was preloaded
 *   ideal                                 the line to measure against: holds what was
 *                                         requested, and has no memory to write to
 *
 * Owns a counter; the process's heap belongs to nobody. Locking: malloc's own; ideal is for one
 * thread. O(1) for ideal.
 */
#include "registry.h"

#include <errno.h>
#include <stdlib.h>

/* ---- malloc --------------------------------------------------------------- */

static void *process_create(const struct xvfrag_plugin_config *config)
{
	static char heap; /* create must not return NULL; nothing is stored here */

	(void)config;
	return &heap;
}

static void process_destroy(void *heap)
{
	(void)heap;
}

static int process_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	void *memory = malloc(size);

	(void)heap;
	(void)index;
	*token = (uintptr_t)memory;
	return memory != NULL ? 0 : -ENOMEM;
}

static int process_free(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)size;
	free((void *)(uintptr_t)token);
	return 0;
}

static int process_resize(void *heap, uint64_t *token, size_t old_size, size_t new_size)
{
	void *moved = realloc((void *)(uintptr_t)*token, new_size);

	(void)heap;
	(void)old_size;
	if (moved == NULL)
		return -ENOMEM;
	*token = (uintptr_t)moved;
	return 0;
}

#define PROCESS_CALLS                                                                              \
	.abi = XVFRAG_PLUGIN_ABI, .flags = XVFRAG_PLUGIN_THREADS | XVFRAG_PLUGIN_ADDRESSES,        \
	.create = process_create, .destroy = process_destroy, .alloc = process_alloc,              \
	.free = process_free, .resize = process_resize

const struct xvfrag_plugin xvm_allocator_glibc = {
	PROCESS_CALLS,
	.name = "glibc",
	.summary = "the C library's malloc; held bytes from the resident set",
};

const struct xvfrag_plugin xvm_allocator_jemalloc = {
	PROCESS_CALLS,
	.name = "jemalloc",
	.summary = "jemalloc, preloaded; held bytes from the resident set",
};

const struct xvfrag_plugin xvm_allocator_mimalloc = {
	PROCESS_CALLS,
	.name = "mimalloc",
	.summary = "mimalloc, preloaded; held bytes from the resident set",
};

const struct xvfrag_plugin xvm_allocator_tcmalloc = {
	PROCESS_CALLS,
	.name = "tcmalloc",
	.summary = "gperftools tcmalloc, preloaded; held bytes from the resident set",
};

/* ---- ideal ---------------------------------------------------------------- */

static void *ideal_create(const struct xvfrag_plugin_config *config)
{
	(void)config;
	return calloc(1, sizeof(uint64_t));
}

static int ideal_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	(void)index;
	*(uint64_t *)heap += size;
	*token = 0;
	return 0;
}

static int ideal_free(void *heap, uint64_t token, size_t size)
{
	(void)token;
	*(uint64_t *)heap -= size;
	return 0;
}

static uint64_t ideal_held_bytes(void *heap)
{
	return *(const uint64_t *)heap;
}

const struct xvfrag_plugin xvm_allocator_ideal = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "ideal",
	.summary = "exactly the bytes requested: the line to measure against",
	.create = ideal_create,
	.destroy = free,
	.alloc = ideal_alloc,
	.free = ideal_free,
	.held_bytes = ideal_held_bytes,
};
