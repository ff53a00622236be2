/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * reuse_support.h: for tests of quick reuse: a pool that keeps blocks and puts frees
 * off, and objects of which some were freed. Owns nothing, no locking.
 */
#ifndef REUSE_SUPPORT_H
#define REUSE_SUPPORT_H

#include "pool_fixture.h"

enum { REUSE_PAGES = 256, PERMILLE = 200, OBJECTS = 600 };

static inline void open_reuse(struct pool_fixture *f, uint32_t flags, uint32_t permille)
{
	struct xv_pool_options options;

	fixture_options(f, &options);
	options.flags = flags | XV_POOL_LAZY_FREE;
	options.shards = 1;
	options.reuse_permille = permille;
	fixture_remake(f, REUSE_PAGES, &options, 0);
}

/* Objects, of which every third is freed again. */
static inline void some_live_some_freed(struct pool_fixture *f, xv_handle *handle, size_t size)
{
	for (uint32_t i = 0; i < OBJECTS; i++)
		handle[i] = fixture_malloc(f, size);
	for (uint32_t i = 0; i < OBJECTS; i += 3) {
		fixture_free(f, handle[i]);
		handle[i] = XV_NULL_HANDLE;
	}
}

#endif
