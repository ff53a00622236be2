/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tlsf_allocator.c: TLSF (tlsf.h) as a row of the comparison.
 *
 * Owns one TLSF heap. No locking: one thread. O(1) apart from growth. held_bytes
 * counts whole regions, so it is up to one region above the resident set.
 */
#include "builtin.h"
#include "tlsf.h"

#include <errno.h>

static void *tlsf_heap_create(const struct xvfrag_plugin_config *config)
{
	struct xvm_tlsf *tlsf = xvm_tlsf_create();

	(void)config;
	if (tlsf == NULL)
		errno = ENOMEM;
	return tlsf;
}

static void tlsf_heap_destroy(void *heap)
{
	xvm_tlsf_destroy(heap);
}

static int tlsf_heap_alloc(void *heap, size_t size, uint64_t *token)
{
	void *object = xvm_tlsf_alloc(heap, size);

	if (object == NULL)
		return -ENOMEM;
	*token = (uintptr_t)object;
	return 0;
}

static void tlsf_heap_free(void *heap, uint64_t token, size_t size)
{
	(void)size;
	xvm_tlsf_free(heap, (void *)(uintptr_t)token);
}

static void *tlsf_heap_map(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)size;
	return (void *)(uintptr_t)token;
}

static void tlsf_heap_unmap(void *heap, uint64_t token, void *ptr)
{
	(void)heap;
	(void)token;
	(void)ptr;
}

static uint64_t tlsf_heap_held_bytes(void *heap)
{
	return xvm_tlsf_held_bytes(heap);
}

const struct xvfrag_plugin xvm_allocator_tlsf = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "tlsf",
	.summary = "TLSF from its 2004 paper: word headers, 32 lists a level, 1 MiB regions",
	.create = tlsf_heap_create,
	.destroy = tlsf_heap_destroy,
	.alloc = tlsf_heap_alloc,
	.free = tlsf_heap_free,
	.map = tlsf_heap_map,
	.unmap = tlsf_heap_unmap,
	.held_bytes = tlsf_heap_held_bytes,
};
