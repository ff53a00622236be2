/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Quick reuse: a stock of freed blocks that are kept as they are, by length, for a
 * request that one of them fits closely. Owns struct xvi_stock and
 * the blocks of kind BLOCK_STOCK, each of which has a hole record that is in a bin and in
 * no free list. Under the shard's lock. O(1), but for draining, which is O(blocks kept).
 *
 * A bin holds blocks of four lengths, the newest first, since its header is the likeliest
 * to be in a cache. When the stock is full a block of another bin is freed for each that
 * comes. Where that happens more than twice as often as a block is handed out again, keeping
 * costs more than it saves (bench/README.md): the stock then rests for a while.
 *
 * Pools keep nothing: the share is 0.
 */
#ifndef XVI_STOCK_H
#define XVI_STOCK_H

#include "pool_impl.h"

enum {
	STOCK_BIN_SHIFT = 2, /* units of a bin's range, log2 */
	STOCK_YIELD = 16,    /* blocks freed for who finds no hole */
};

/* The bin of blocks of so many units, 1 and more. */
static inline uint32_t stock_bin(uint32_t units)
{
	return (units - 1U) >> STOCK_BIN_SHIFT;
}

/* The newest block of a bin goes, or comes. */
static inline void stock_set_head(struct xvi_stock *stock, uint32_t bin, uint32_t index)
{
	uint64_t *word = &stock->bin_bits[bin >> 6];

	stock->heads[bin] = index;
	*word = (*word & ~((uint64_t)1 << (bin & 63U))) | (uint64_t)(index != 0) << (bin & 63U);
	stock->word_bits = (stock->word_bits & ~((uint64_t)1 << (bin >> 6))) |
			   (uint64_t)(*word != 0) << (bin >> 6);
}

/* Bytes of the bins for a page of this size. */
size_t xvi_stock_bytes(uint32_t page_bytes);

/* Place the bins in memory of that size, zeroed. */
void xvi_stock_init(struct xvi_stock *stock, uint32_t page_bytes, void *memory);

/* How much may be kept: after a change of the share, or of the pages. O(1). */
void xvi_stock_set_limit(struct xv_pool *pool);

/* Do the frees that wait. */
void xvi_stock_settle(struct xv_pool *pool);

/* Do them, and free all that is kept. Returns blocks. */
uint32_t xvi_stock_drain(struct xv_pool *pool);

/* Free one of the blocks that are kept; there is one. O(1). */
void xvi_stock_free_one(struct xv_pool *pool);

/* Free a few of the blocks that are kept: for who finds no hole. Returns blocks. O(1). */
uint32_t xvi_stock_yield(struct xv_pool *pool);

/* Forget everything, without touching a page: the pages are gone. */
void xvi_stock_forget(struct xv_pool *pool);

/* Keep a used block that was just freed, if there is a record for it. The object's
 * counters are the caller's. */
bool xvi_stock_put(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t unit);

/* The record of a kept block for so many units, or 0: it stays in its bin. */
static inline uint32_t xvi_stock_find(const struct xv_pool *pool, uint32_t units)
{
	const struct xvi_stock *stock = &pool->stock;
	uint32_t bin = stock_bin(units);
	uint32_t index;

	/* Of what has a page to itself a block would not fit one. */
	if (XVI_UNLIKELY(bin >= stock->bin_count))
		return 0;
	index = stock->heads[bin];
	/* Of its own bin the newest may be too short; all of the next one's fit. */
	if (index != 0 && pool->holes.records[index].units >= units)
		return index;
	return bin + 1 < stock->bin_count ? stock->heads[bin + 1] : 0;
}

#endif
