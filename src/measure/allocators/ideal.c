/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ideal.c: the line to measure against. It holds what was requested and nothing
 * else, and has no memory to write to.
 *
 * Owns one counter. Calls malloc once. No locking: one thread. O(1).
 */
#include "builtin.h"

#include <stdlib.h>

struct ideal_heap {
	uint64_t requested_bytes;
};

static void *ideal_create(const struct xvfrag_plugin_config *config)
{
	(void)config;
	return calloc(1, sizeof(struct ideal_heap));
}

static int ideal_alloc(void *heap, size_t size, uint64_t *token)
{
	struct ideal_heap *ideal = heap;

	ideal->requested_bytes += size;
	*token = 0;
	return 0;
}

static void ideal_free(void *heap, uint64_t token, size_t size)
{
	struct ideal_heap *ideal = heap;

	(void)token;
	ideal->requested_bytes -= size;
}

static uint64_t ideal_held_bytes(void *heap)
{
	const struct ideal_heap *ideal = heap;

	return ideal->requested_bytes;
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
