/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * steps_pool.h: a pool in a bad state of any size: objects of all lengths, every other one freed,
 * so that holes of all lengths lie between them, and many holes a little too short for a request.
 * Owns: the pool, its provider, the handles. May call: public headers. Locking: none.
 */
#ifndef TEST_STEPS_POOL_H
#define TEST_STEPS_POOL_H

#include "steps.h"
#include "test_random.h"

#include <stdlib.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

enum {
	SMALL_COUNT = 3000, /* objects of the states that are compared */
	TIMES = 16,
	LARGE_COUNT = TIMES * SMALL_COUNT,
	PAGE_BYTES = 65536,
	TRIES = 2000,

	/* Holes of this length hold no request of the second one, and are in its list. */
	TOO_SHORT_BYTES = 5000,
	A_LITTLE_MORE_BYTES = 5040,
};

/* Of the tests: hardening 0 in place of the default. */
#define KEYED (1U << 31)

struct state {
	struct xv_provider *provider;
	struct xv_pool *pool;
	xv_handle *handles;
	size_t count;
	uint64_t random;
};

static inline xv_handle state_malloc(struct state *s, size_t size)
{
	xv_handle handle = XV_NULL_HANDLE;

	assert_int_equal(xv_malloc(s->pool, size, &handle), 0);
	return handle;
}

/* The owner of an object is its place among the handles. */
static inline int state_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct state *s = context;

	if (owner >= s->count || s->handles[owner] != from)
		return 1;
	s->handles[owner] = to;
	return 0;
}

static const struct xv_owner_ops state_owner_ops = {.relocated = state_relocated};

static inline void state_open(struct state *s, uint32_t flags)
{
	struct xv_pool_options options;

	*s = (struct state){.random = 15};
	assert_int_equal(xv_provider_mmap_create(&s->provider, NULL), 0);
	xv_pool_options_init(&options);
	options.flags = flags & ~KEYED;
	if ((flags & KEYED) != 0)
		options.hardening = 0;
	options.seed = 1;
	options.shards = 1;
	if ((flags & XV_POOL_OWNERS) != 0) {
		options.owner_ops = &state_owner_ops;
		options.owner_context = s;
	}
	assert_int_equal(xv_pool_create(&s->pool, s->provider, &options), 0);
}

static inline void state_close(struct state *s)
{
	xv_pool_destroy(s->pool);
	xv_provider_mmap_destroy(s->provider);
	free(s->handles);
}

static inline size_t state_size(struct state *s, size_t index)
{
	return index % 4 == 0   ? TOO_SHORT_BYTES
	       : index % 4 == 2 ? 8 + random_below(&s->random, 6000)
				: 8 + random_below(&s->random, 400);
}

/* `count` objects stay, as many holes lie between them. */
static inline void state_fill(struct state *s, size_t count)
{
	s->handles = calloc(2 * count, sizeof(s->handles[0]));
	assert_non_null(s->handles);
	for (size_t i = 0; i < 2 * count; i++)
		s->handles[i] = state_malloc(s, state_size(s, i));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(xv_free(s->pool, s->handles[2 * i]), 0);
		s->handles[i] = s->handles[2 * i + 1];
	}
	s->count = count;
}

static inline void state_make(struct state *s, uint32_t flags, size_t count)
{
	state_open(s, flags);
	state_fill(s, count);
}

#endif
