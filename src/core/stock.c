/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Quick reuse, but for finding a block. See stock.h. */
#include "stock.h"

#include "carve.h"

enum {
	/* How much longer than asked a block may be: one part in 64, or, where the caller
	 * gives more for speed, one in 32. What a closer or a wider fit costs in memory and
	 * saves in time is in bench/README.md. */
	SLACK_SHIFT = 6,
	SLACK_SHIFT_WIDE = 5,
	WIDE_PERMILLE = 20,

	/* Of fewer blocks that could be kept, so few fit a request that keeping them costs
	 * more time than it saves. */
	STOCK_BLOCKS_MIN = 24,

	/* So many blocks are freed to make room before their number is compared with that
	 * of the blocks handed out again; and for so many frees the stock may rest. */
	JUDGE_EVICTIONS = 512,
	REST_FREES = 1 << 17,
};

static uint32_t bin_count_of(uint32_t page_bytes)
{
	return page_bytes >> (UNIT_SHIFT + STOCK_BIN_SHIFT);
}

static uint32_t bin_words_of(uint32_t bins)
{
	return (bins + 63U) / 64U;
}

_Static_assert((1U << XV_PAGE_SHIFT_MAX) >> (UNIT_SHIFT + STOCK_BIN_SHIFT) <= 64U * 64U,
	       "one word has a bit for each word of bits");

size_t xvi_stock_bytes(uint32_t page_bytes)
{
	uint32_t bins = bin_count_of(page_bytes);

	return bin_words_of(bins) * sizeof(uint64_t) + bins * sizeof(uint32_t);
}

void xvi_stock_init(struct xvi_stock *stock, uint32_t page_bytes, void *memory)
{
	stock->bin_count = bin_count_of(page_bytes);
	stock->bin_bits = memory;
	stock->heads = (uint32_t *)(void *)(stock->bin_bits + bin_words_of(stock->bin_count));
}

void xvi_stock_set_limit(struct xv_pool *pool)
{
	struct xvi_stock *stock = &pool->stock;
	uint64_t held = pool->page_count << pool->page_shift;

	stock->slack_shift = stock->permille < WIDE_PERMILLE ? SLACK_SHIFT : SLACK_SHIFT_WIDE;
	stock->limit_bytes = held / 1000 * stock->permille;
	/* A few blocks serve next to nobody. */
	if (stock->limit_bytes * (pool->object_count + 1) <
	    STOCK_BLOCKS_MIN * pool->requested_bytes)
		stock->limit_bytes = 0;
	/* While the pool is compacted blocks are not kept in the pages to be emptied. */
	if (pool->compaction.phase != COMPACT_IDLE || pool->frees < stock->rests_until)
		stock->limit_bytes = 0;
	stock->reserve_pages = xvi_reserve_of(pool, pool->page_count) + pool->cycled_pages;
	if (pool->page_count > pool->most_pages)
		pool->most_pages = pool->page_count;
}

/* ---- blocks out of the stock ---- */

/* Take the newest block of a bin, which is not empty; its record is given back. */
static struct xvi_hole bin_pop(struct xv_pool *pool, uint32_t bin)
{
	struct xvi_stock *stock = &pool->stock;
	uint32_t index = stock->heads[bin];
	struct xvi_hole block = pool->holes.records[index];

	stock_set_head(stock, bin, block.next);
	stock->count--;
	stock->bytes -= block.units * (uint64_t)UNIT_BYTES;
	hole_give(pool, index);
	return block;
}

/* The next bin behind the hand, around, that is not empty. There is one. */
static uint32_t bin_next(const struct xvi_stock *stock)
{
	uint32_t word = stock->hand >> 6;
	uint64_t bits = stock->bin_bits[word] & (~(uint64_t)1 << (stock->hand & 63U));
	uint64_t words = stock->word_bits & (~(uint64_t)1 << word);

	if (bits == 0) {
		word = xvi_ctz64(words != 0 ? words : stock->word_bits);
		bits = stock->bin_bits[word];
	}
	return (word << 6) + xvi_ctz64(bits);
}

/* Free a block for good. */
static void block_release(struct xv_pool *pool, const struct xvi_hole *block)
{
	struct xvi_page *record = &pool->pages.records[block->page];
	uint32_t *words =
		(uint32_t *)(void *)(pool->base + ((size_t)block->page << pool->page_shift));

	record->used_units = (uint16_t)(record->used_units - block->units);
	xvi_release_units(pool, words, block->page, block->first_unit, block->units,
			  block_prev_is_free(words[block->first_unit]));
	if (record->used_units == 0)
		xvi_page_emptied(pool, block->page);
}

/* What freeing the next block will read. */
static void fetch_ahead(const struct xv_pool *pool, uint32_t index)
{
	const struct xvi_hole *block = &pool->holes.records[index];
	const uint32_t *words =
		(const uint32_t *)(const void *)(pool->base +
						 ((size_t)block->page << pool->page_shift));

	XVI_PREFETCH(words + block->first_unit);
	XVI_PREFETCH(words + block->first_unit + block->units);
}

/* Free one block, so that the stock holds a mix of what was freed lately. */
static void evict(struct xv_pool *pool)
{
	struct xvi_stock *stock = &pool->stock;
	struct xvi_hole block;

	stock->hand = bin_next(stock);
	block = bin_pop(pool, stock->hand);
	if (stock->count != 0)
		fetch_ahead(pool, stock->heads[bin_next(stock)]);
	block_release(pool, &block);
}

/* A block had to go to make room for another: does keeping them pay? */
static void note_eviction(struct xv_pool *pool)
{
	struct xvi_stock *stock = &pool->stock;

	if (XVI_LIKELY(++stock->evictions < JUDGE_EVICTIONS))
		return;
	if (stock->reuses - stock->judged_at < stock->evictions / 2) {
		stock->rests_until = pool->frees + REST_FREES;
		stock->limit_bytes = 0;
	}
	stock->evictions = 0;
	stock->judged_at = stock->reuses;
}

bool xvi_stock_put(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t unit)
{
	struct xvi_stock *stock = &pool->stock;
	uint32_t units = block_units(words[unit], pool->unit_bits);
	uint32_t index = hole_take(pool);
	struct xvi_hole *block = &pool->holes.records[index];
	uint32_t bin = stock_bin(units);

	if (index == 0)
		return false;
	words[unit] = block_stocked(words[unit]);
	block->next = stock->heads[bin];
	block->page = page;
	block->first_unit = (uint16_t)unit;
	block->units = (uint16_t)units;
	stock_set_head(stock, bin, index);
	stock->count++;
	stock->bytes += units * (uint64_t)UNIT_BYTES;
	while (stock->bytes > stock->limit_bytes && stock->count != 0) {
		evict(pool);
		note_eviction(pool);
	}
	return true;
}

uint32_t xvi_stock_drain(struct xv_pool *pool)
{
	uint32_t count;

	xvi_stock_settle(pool);
	count = pool->stock.count;
	while (pool->stock.count != 0)
		evict(pool);
	return count;
}

void xvi_stock_free_one(struct xv_pool *pool)
{
	evict(pool);
}

uint32_t xvi_stock_yield(struct xv_pool *pool)
{
	uint32_t count = 0;

	for (; count < STOCK_YIELD && pool->stock.count != 0; count++)
		evict(pool);
	return count;
}

void xvi_stock_forget(struct xv_pool *pool)
{
	struct xvi_stock *stock = &pool->stock;

	memset(stock->heads, 0, stock->bin_count * sizeof(uint32_t));
	memset(stock->bin_bits, 0, bin_words_of(stock->bin_count) * sizeof(uint64_t));
	stock->word_bits = 0;
	stock->count = 0;
	stock->bytes = 0;
	stock->pending_count = 0;
	xvi_stock_set_limit(pool);
}

/* ---- frees that wait ---- */

void xvi_stock_settle(struct xv_pool *pool)
{
	struct xvi_stock *stock = &pool->stock;

	while (stock->pending_count != 0) {
		uint32_t place = (stock->pending_at - stock->pending_count) % STOCK_PENDING;

		stock->pending_count--;
		(void)xvi_free_now(pool, stock->pending[place]);
	}
}
