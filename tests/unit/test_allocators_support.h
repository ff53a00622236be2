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

/* The largest object of a test heap, and how many there are at most. */
#define TEST_SIZE_MAX 65536U
#define TEST_OBJECTS_MAX 4096U

/* A heap of the allocator. moved may be NULL. */
static inline void *test_heap_moved(const struct xvfrag_plugin *plugin, const char *settings,
				    int (*moved)(void *, uint32_t, uint64_t, uint64_t),
				    void *context)
{
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "";
	struct xvfrag_plugin_config config = {
		.max_size = TEST_SIZE_MAX,
		.max_objects = TEST_OBJECTS_MAX,
		.total_bytes = TEST_OBJECTS_MAX * (uint64_t)4096,
		.seed = 1,
		.settings = settings,
		.why = why,
		.moved = moved,
		.context = context,
	};
	void *heap = plugin->create(&config);

	if (heap == NULL)
		fail_msg("%s: %s", plugin->name, why);
	return heap;
}

static inline void *test_heap(const struct xvfrag_plugin *plugin, const char *settings)
{
	return test_heap_moved(plugin, settings, NULL, NULL);
}

static inline uint64_t test_alloc(const struct xvfrag_plugin *plugin, void *heap, size_t size)
{
	uint64_t token = 0;

	assert_int_equal(plugin->alloc(heap, size, 0, &token), 0);
	return token;
}

#endif
