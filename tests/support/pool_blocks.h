/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pool_blocks.h: the blocks of a pool as they lie in its pages, for white-box tests.
 *
 * Owns: nothing. May call: src/core. Locking: none; one thread. O(blocks).
 */
#ifndef POOL_BLOCKS_H
#define POOL_BLOCKS_H

#include "shard.h"

struct block_view {
	uint32_t page;
	uint32_t unit;
	uint32_t units;
	uint32_t word;
	bool free;
};

/* The blocks of a page in order; returns how many (at most max). An empty page is one
 * free block. */
size_t page_blocks(struct xv_pool *pool, uint32_t page, struct block_view *blocks, size_t max);

/* The layout of a page, a letter a block: U used, f free, W one object that has the
 * page to itself, P a part of a larger one, - not a page of the pool. Static storage. */
const char *page_layout(struct xv_pool *pool, uint32_t page);

/* Units of the largest free block of the pool, unlisted and empty pages included; of
 * the smallest of at least units, 0 where there is none. */
uint32_t pool_largest_free(struct xv_pool *pool);
uint32_t pool_best_fit(struct xv_pool *pool, uint32_t units);

/* Units of a block for an object of size bytes. */
uint32_t units_of_size(const struct xv_pool *pool, size_t size);

/* One word of a page: read it, or set it (returns what was there). */
uint32_t page_word(struct xv_pool *pool, uint32_t page, uint32_t unit);
uint32_t page_word_set(struct xv_pool *pool, uint32_t page, uint32_t unit, uint32_t word);

/* Unit of the header of a handle's block. */
static inline uint32_t handle_unit(xv_handle handle)
{
	return xv_handle_offset(handle) / UNIT_BYTES - 1U;
}

#endif
