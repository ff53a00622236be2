/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Emptying a pool, and giving back what it does not need: reset and trim. Calls the
 * tables, the stock and the provider. The public calls take the locks of all shards.
 * O(pages).
 */
#include "composite.h"
#include "free_list.h"
#include "stock.h"
#include "table.h"

/* Forget every hole: lists, bitmaps and records. */
static void forget_holes(struct xv_pool *pool)
{
	struct xvi_hole_table *holes = &pool->holes;

	xvi_free_lists_clear(&pool->lists);
	xvi_free_lists_clear(&pool->victim_lists);
	if (pool->shared != NULL)
		xvi_shared_release(pool->shared, holes->memory.committed_bytes);
	(void)xvi_table_commit(pool->provider, &holes->memory, 0);
	holes->capacity = 0;
	holes->free_head = 0;
	holes->live = 0;
	pool->unlisted_bytes = 0;
	pool->relist_pages = 0;
}

static void reset_shard(struct xv_pool *pool)
{
	xvi_release_pages(pool);
	forget_holes(pool);
	/* The headers of the objects that went are still in the pages' memory: let them not
	 * pass for headers of this pool any more. */
	pool->seed = pool->seed * 0x2C1B3C6DU + 1U;
	pool->frees += pool->object_count;
	pool->page_count = 0;
	pool->most_pages = 0;
	xvi_stock_forget(pool);
	pool->empty_pages = 0;
	pool->object_count = 0;
	pool->whole_page_count = 0;
	pool->part_page_count = 0;
	pool->block_count = 0;
	pool->split_count = 0;
	pool->fragment_count = 0;
	pool->large_count = 0;
	pool->linkage_bytes = 0;
	pool->orphan_count = 0;
	pool->doomed = XV_NULL_HANDLE;
	pool->doomed_bytes = 0;
	pool->compaction.phase = COMPACT_IDLE;
	pool->compaction.first_victim = UINT32_MAX;
	pool->requested_bytes = 0;
	pool->pad_bytes = 0;
}

/* All shards are locked. */
static int reset_locked(struct xv_pool *pool)
{
	uint64_t pins = 0;

	for (uint32_t i = 0; i < xvi_shard_count(pool); i++) {
		const struct xv_pool *shard = xvi_shard(pool, i);

		pins += shard != NULL ? shard->pin_count : 0;
	}
	if (pins != 0)
		return -XV_EBUSY;
	for (uint32_t i = 0; i < xvi_shard_count(pool); i++) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard != NULL)
			reset_shard(shard);
	}
	if (pool->shared != NULL)
		xvi_shared_reset(pool->shared, pool->provider);
	else
		pool->peak_held_bytes = xvi_held_bytes(pool);
	return 0;
}

int xv_pool_reset(struct xv_pool *pool)
{
	int err;

	if (pool == NULL)
		return -XV_EINVAL;
	xvi_enter_all(pool);
	err = reset_locked(pool);
	xvi_leave_all(pool);
	return err;
}

/* Empty pages that nobody has mapped go back. */
void xvi_reserve_trim(struct xv_pool *pool)
{
	for (uint32_t page = 0; page < pool->pages.capacity && pool->empty_pages != 0; page++) {
		struct xvi_page *record = &pool->pages.records[page];

		if (xvi_own_page_state(pool, page) != PAGE_BLOCKS || record->used_units != 0 ||
		    record->pins != 0)
			continue;
		xvi_page_unlist_empty(pool, page);
		xvi_page_give_back(pool, page);
	}
	pool->most_pages = pool->page_count;
	pool->cycled_pages = 0;
	pool->cycled_at = pool->page_frees;
	xvi_stock_set_limit(pool);
}

static void trim_shard(struct xv_pool *pool)
{
	(void)xvi_orphans_free(pool);
	(void)xvi_stock_drain(pool);
	xvi_reserve_trim(pool);
	while (xvi_hole_table_shrink(pool, 0) != 0)
		;
	(void)xvi_page_table_trim(pool);
}

size_t xv_pool_trim(struct xv_pool *pool)
{
	uint64_t before, after;

	if (pool == NULL)
		return 0;
	xvi_enter_all(pool);
	before = xvi_held_bytes(pool);
	for (uint32_t i = 0; i < xvi_shard_count(pool); i++) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard != NULL)
			trim_shard(shard);
	}
	if (pool->shared != NULL)
		(void)xvi_shared_trim(pool);
	after = xvi_held_bytes(pool);
	xvi_leave_all(pool);
	return before > after ? (size_t)(before - after) : 0;
}
