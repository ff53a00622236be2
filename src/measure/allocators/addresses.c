/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * addresses.c: the allocators whose tokens are addresses, and the ideal.
 *
 *   glibc, jemalloc, mimalloc, tcmalloc   whatever malloc the process has: the last three
 *                                         run where their library was preloaded
 *   tlsf                                  the project's own TLSF (tlsf.h)
 *   ideal                                 the line to measure against: holds what was
 *                                         requested, and has no memory to write to
 *
 * Owns a TLSF heap, or a counter; the process's heap belongs to nobody. Locking: malloc's own;
 * the others are for one thread. O(1) apart from growth. TLSF counts whole regions, so that it
 * holds up to one region more than is resident.
 */
#include "registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tlsf.h"

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

/* ---- tlsf ----------------------------------------------------------------- */

static void *tlsf_create(const struct xvfrag_plugin_config *config)
{
	(void)config;
	return xvm_tlsf_create();
}

static void tlsf_destroy(void *heap)
{
	xvm_tlsf_destroy(heap);
}

static int tlsf_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	void *object = xvm_tlsf_alloc(heap, size);

	(void)index;
	*token = (uintptr_t)object;
	return object != NULL ? 0 : -ENOMEM;
}

static int tlsf_free(void *heap, uint64_t token, size_t size)
{
	(void)size;
	xvm_tlsf_free(heap, (void *)(uintptr_t)token);
	return 0;
}

/* It has no realloc: a new object and a copy. */
static int tlsf_resize(void *heap, uint64_t *token, size_t old_size, size_t new_size)
{
	void *old = (void *)(uintptr_t)*token;
	void *moved = xvm_tlsf_alloc(heap, new_size);

	if (moved == NULL)
		return -ENOMEM;
	memcpy(moved, old, old_size < new_size ? old_size : new_size);
	xvm_tlsf_free(heap, old);
	*token = (uintptr_t)moved;
	return 0;
}

static uint64_t tlsf_held_bytes(void *heap)
{
	return xvm_tlsf_held_bytes(heap);
}

const struct xvfrag_plugin xvm_allocator_tlsf = {
	.abi = XVFRAG_PLUGIN_ABI,
	.flags = XVFRAG_PLUGIN_ADDRESSES,
	.name = "tlsf",
	.summary = "TLSF from its 2004 paper: word headers, 32 lists a level, 1 MiB regions",
	.create = tlsf_create,
	.destroy = tlsf_destroy,
	.alloc = tlsf_alloc,
	.free = tlsf_free,
	.resize = tlsf_resize,
	.held_bytes = tlsf_held_bytes,
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
