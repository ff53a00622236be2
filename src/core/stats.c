/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Counting: held bytes and where they go. Owns nothing, reads the
 * pool's counters. The public calls take the lock. O(1) apart from the provider.
 */
#include "shard.h"

/* Tables of a shard. Of a pool of one shard the provider's overhead is among them. */
static uint64_t table_bytes(const struct xv_pool *pool)
{
	const struct xv_provider *provider = pool->provider;
	uint64_t bytes = pool->self_memory.committed_bytes;

	/* In the caller's memory the tables are part of what was given for the pool. */
	if (pool->self_memory.owned)
		bytes += pool->pages.memory.committed_bytes + pool->holes.memory.committed_bytes;
	if (pool->shared == NULL && provider->ops->overhead_bytes != NULL)
		bytes += provider->ops->overhead_bytes(pool->provider);
	return bytes;
}

uint64_t xvi_held_bytes(const struct xv_pool *pool)
{
	if (pool->shared != NULL)
		return xvi_shared_held(pool->shared, pool->provider);
	return (pool->page_count << pool->page_shift) + table_bytes(pool);
}

uint64_t xvi_spare_bytes(const struct xv_pool *pool)
{
	struct xv_provider *provider = pool->provider;

	return provider->ops->spare_bytes != NULL ? provider->ops->spare_bytes(provider) : 0;
}

void xvi_note_held(struct xv_pool *pool)
{
	uint64_t held;

	/* Of several shards the sum notes its peak itself. */
	if (pool->shared != NULL)
		return;
	held = xvi_held_bytes(pool);
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
	stats->table_bytes = table_bytes(pool);
	stats->held_bytes = (pool->page_count << pool->page_shift) + stats->table_bytes;
	stats->requested_bytes = pool->requested_bytes;
	stats->header_bytes = pool->block_count * BLOCK_HEADER_BYTES;
	stats->owner_bytes = pool->block_count * pool->owner_bytes;
	stats->link_bytes = pool->linkage_bytes;
	stats->rounding_bytes = pool->pad_bytes + block_pages * edge_bytes;
	stats->reserve_bytes = pool->empty_pages << pool->page_shift;
	stats->free_bytes = (full_pages << pool->page_shift) - stats->requested_bytes -
			    stats->header_bytes - stats->owner_bytes - stats->link_bytes -
			    stats->rounding_bytes - pool->stock.bytes;
	stats->objects = pool->object_count;
	stats->split_objects = pool->split_count;
	stats->pieces = pool->fragment_count;
	stats->large_objects = pool->large_count;
	stats->pages = pool->page_count;
	stats->free_blocks = pool->holes.live - pool->stock.count;
	stats->unlisted_bytes = pool->unlisted_bytes;
	stats->peak_held_bytes = pool->peak_held_bytes;
	stats->mallocs = pool->mallocs;
	stats->frees = pool->frees;
	stats->failures = pool->failures;
	stats->bad_handles = pool->bad_handles;
	stats->page_allocs = pool->page_allocs;
	stats->page_frees = pool->page_frees;
	stats->remote_frees = pool->remote_frees;
	for (uint32_t i = 0; pool->remote != NULL && i < REMOTE_SLOTS; i++)
		stats->remote_waiting += xvi_atomic64_is_set(&pool->remote->slot[i]);
	stats->shards = 1;
}

/* Every field but page_bytes is a sum over the shards. */
static void add_stats(struct xv_pool_stats *sum, const struct xv_pool_stats *stats)
{
	sum->held_bytes += stats->held_bytes;
	sum->requested_bytes += stats->requested_bytes;
	sum->header_bytes += stats->header_bytes;
	sum->owner_bytes += stats->owner_bytes;
	sum->link_bytes += stats->link_bytes;
	sum->rounding_bytes += stats->rounding_bytes;
	sum->free_bytes += stats->free_bytes;
	sum->reserve_bytes += stats->reserve_bytes;
	sum->table_bytes += stats->table_bytes;
	sum->objects += stats->objects;
	sum->split_objects += stats->split_objects;
	sum->pieces += stats->pieces;
	sum->large_objects += stats->large_objects;
	sum->pages += stats->pages;
	sum->free_blocks += stats->free_blocks;
	sum->unlisted_bytes += stats->unlisted_bytes;
	sum->mallocs += stats->mallocs;
	sum->frees += stats->frees;
	sum->failures += stats->failures;
	sum->bad_handles += stats->bad_handles;
	sum->page_allocs += stats->page_allocs;
	sum->page_frees += stats->page_frees;
	sum->remote_frees += stats->remote_frees;
	sum->remote_waiting += stats->remote_waiting;
	sum->shards += stats->shards;
}

/* What belongs to no shard: the page table, the map, the provider's overhead. */
static void add_shared(struct xv_pool *pool, struct xv_pool_stats *sum)
{
	struct xvi_shared *shared = pool->shared;
	uint64_t held = xvi_shared_held(shared, pool->provider);

	sum->table_bytes += held - sum->held_bytes;
	sum->held_bytes = held;
	sum->peak_held_bytes = xvi_shared_peak(shared, pool->provider);
}

void xv_pool_get_stats(struct xv_pool *pool, struct xv_pool_stats *stats)
{
	struct xv_pool_stats one;

	if (stats == NULL)
		return;
	memset(stats, 0, sizeof(*stats));
	if (pool == NULL)
		return;
	xvi_enter_all(pool);
	xvi_fill_stats(pool, stats);
	for (uint32_t i = 1; i < xvi_shard_count(pool); i++) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard == NULL)
			continue;
		xvi_fill_stats(shard, &one);
		add_stats(stats, &one);
	}
	if (pool->shared != NULL)
		add_shared(pool, stats);
	xvi_leave_all(pool);
}

void xv_pool_reset_peak(struct xv_pool *pool)
{
	if (pool == NULL)
		return;
	xvi_enter_all(pool);
	if (pool->shared != NULL)
		xvi_shared_reset_peak(pool->shared, pool->provider);
	else
		pool->peak_held_bytes = xvi_held_bytes(pool);
	xvi_leave_all(pool);
}

size_t xv_pool_max_size(const struct xv_pool *pool)
{
	return pool != NULL ? pool->max_size : 0;
}

void xv_pool_set_limit(struct xv_pool *pool, uint64_t limit_bytes)
{
	if (pool == NULL)
		return;
	if (pool->shared != NULL) {
		xvi_shared_set_limit(pool->shared, limit_bytes);
		return;
	}
	xvi_enter_all(pool);
	pool->limit_bytes = limit_bytes;
	xvi_leave_all(pool);
}
