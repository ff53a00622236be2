/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Counting: held bytes and where they go. Owns nothing, reads the
 * pool's counters. The public calls take the lock. O(1) apart from the provider.
 */
#include "pool_impl.h"

uint64_t xvi_table_bytes(const struct xv_pool *pool)
{
	const struct xv_provider *provider = pool->provider;
	uint64_t bytes = pool->self_memory.committed_bytes;

	/* In the caller's memory the tables are part of what was given for the pool. */
	if (pool->self_memory.owned)
		bytes += pool->pages.memory.committed_bytes + pool->holes.memory.committed_bytes;
	if (provider->ops->overhead_bytes != NULL)
		bytes += provider->ops->overhead_bytes(pool->provider);
	return bytes;
}

uint64_t xvi_held_bytes(const struct xv_pool *pool)
{
	return (pool->page_count << pool->page_shift) + xvi_table_bytes(pool);
}

void xvi_note_held(struct xv_pool *pool)
{
	uint64_t held = xvi_held_bytes(pool);

	if (held > pool->peak_held_bytes)
		pool->peak_held_bytes = held;
}

void xvi_fill_stats(const struct xv_pool *pool, struct xv_pool_stats *stats)
{
	uint64_t full_pages = pool->page_count - pool->empty_pages;
	uint64_t block_pages = full_pages - pool->whole_page_count - pool->part_page_count;
	uint64_t edge_bytes = pool->page_bytes - pool->page_units * UNIT_BYTES;

	memset(stats, 0, sizeof(*stats));
	stats->page_bytes = pool->page_bytes;
	stats->table_bytes = xvi_table_bytes(pool);
	stats->held_bytes = (pool->page_count << pool->page_shift) + stats->table_bytes;
	stats->requested_bytes = pool->requested_bytes;
	stats->header_bytes = pool->block_count * BLOCK_HEADER_BYTES;
	stats->owner_bytes = pool->block_count * pool->owner_bytes;
	stats->fragment_bytes = pool->linkage_bytes;
	stats->rounding_bytes = pool->pad_bytes + block_pages * edge_bytes;
	stats->reserve_bytes = pool->empty_pages << pool->page_shift;
	stats->free_bytes = (full_pages << pool->page_shift) - stats->requested_bytes -
			    stats->header_bytes - stats->owner_bytes - stats->fragment_bytes -
			    stats->rounding_bytes;
	stats->objects = pool->object_count;
	stats->split_objects = pool->split_count;
	stats->fragments = pool->fragment_count;
	stats->large_objects = pool->large_count;
	stats->pages = pool->page_count;
	stats->free_blocks = pool->holes.live;
	stats->unlisted_bytes = pool->unlisted_bytes;
	stats->peak_held_bytes = pool->peak_held_bytes;
	stats->mallocs = pool->mallocs;
	stats->frees = pool->frees;
	stats->failures = pool->failures;
	stats->bad_handles = pool->bad_handles;
	stats->page_allocs = pool->page_allocs;
	stats->page_frees = pool->page_frees;
}

void xv_pool_get_stats(struct xv_pool *pool, struct xv_pool_stats *stats)
{
	if (stats == NULL)
		return;
	memset(stats, 0, sizeof(*stats));
	if (pool == NULL)
		return;
	xvi_pool_lock(pool);
	xvi_fill_stats(pool, stats);
	xvi_pool_unlock(pool);
}

size_t xv_pool_max_size(const struct xv_pool *pool)
{
	return pool != NULL ? pool->max_size : 0;
}

void xv_pool_set_limit(struct xv_pool *pool, uint64_t limit_bytes)
{
	if (pool == NULL)
		return;
	xvi_pool_lock(pool);
	pool->limit_bytes = limit_bytes;
	xvi_pool_unlock(pool);
}
