/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_allocators_support.h: what the tests of xvfrag's allocators share: CMocka, a
 * seeded random source, and a heap under test.
 */
#ifndef TEST_ALLOCATORS_SUPPORT_H
#define TEST_ALLOCATORS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "builtin.h"
#include "registry.h"

/* xorshift64*, Vigna 2016. */
static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* The seed of this run: XV_SEED, or a fixed one. Printed, so that it can be given back. */
static inline uint64_t test_seed(void)
{
	const char *text = getenv("XV_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	static int printed;

	if (seed == 0)
		seed = 1; /* the generator cannot leave 0 */
	if (!printed++)
		print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* A heap of the allocator for pages of page_bytes. */
static inline void *test_heap(const struct xvfrag_plugin *plugin, size_t page_bytes,
			      const char *provider)
{
	struct xvfrag_plugin_config config = {
		.page_bytes = page_bytes,
		.max_size = page_bytes,
		.max_objects = 4096,
		.total_bytes = 4096 * (uint64_t)page_bytes,
		.seed = 1,
		.provider = provider,
	};
	void *heap = plugin->create(&config);

	assert_non_null(heap);
	return heap;
}

static inline uint64_t test_alloc(const struct xvfrag_plugin *plugin, void *heap, size_t size)
{
	uint64_t token = 0;

	assert_int_equal(plugin->alloc(heap, size, &token), 0);
	return token;
}

#endif
