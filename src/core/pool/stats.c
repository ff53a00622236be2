/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats.c: what a pool holds and why: sums over the shards, all of them locked. O(shards).
 */
#include "pool_impl.h"

/* Handles left to a shard, count. */
static uint64_t mail_waiting(const struct xvi_shard *shard)
{
	uint64_t count = 0;

	for (uint32_t i = 0; shard->mailbox != NULL && i < MAIL_HANDLES; i++)
		count += xvi_atomic64_is_set(&shard->mailbox->handle[i]);
	return count;
}

static void add_shard(const struct xvi_shard *shard, struct xv_pool_stats *stats)
{
	const struct xvi_objects *objects = &shard->objects;
	const struct xvi_heap *heap = &objects->heap;

	stats->requested_bytes += objects->requested_bytes;
	stats->header_bytes += (uint64_t)heap_block_count(heap) * BLOCK_HEADER_BYTES;
	stats->owner_bytes += objects_count(objects) * objects->prefix_bytes;
	stats->link_bytes += objects_link_bytes(objects);
	stats->free_bytes += heap_free_units(heap) * UNIT_BYTES;
	stats->spare_bytes += heap->spare_grains << shard->pool->grain_shift;
	/* The other parts of used blocks are subtracted below. */
	stats->rounding_bytes += heap->used_units * UNIT_BYTES;
	stats->objects += objects_count(objects);
	stats->split_objects += objects->split_objects;
	stats->pieces += (uint64_t)objects->split_objects + objects->rest_pieces;
	stats->pages += heap->page_count;
	stats->holes += heap->holes.live;
	stats->mallocs += objects->mallocs;
	stats->frees += objects->mallocs - objects_count(objects);
	stats->failures += objects->failures;
	stats->bad_handles += objects->bad_handles;
	stats->closed_pages += heap->closed_pages;
	stats->page_allocs += shard->pages_taken;
	stats->page_frees += shard->pages_taken - heap->page_count;
	stats->remote_frees += shard->remote_frees;
	stats->remote_waiting += mail_waiting(shard);
	stats->shards++;
}

void xv_pool_get_stats(struct xv_pool *pool, struct xv_pool_stats *stats)
{
	struct xvi_shard *shard;

	if (stats == NULL)
		return;
	memset(stats, 0, sizeof(*stats));
	if (pool == NULL)
		return;
	xvi_enter_all(pool);
	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;)
		add_shard(shard, stats);
	(void)xvi_pool_settle(pool);
	stats->held_bytes = budget_all_held(&pool->budget);
	stats->spare_bytes += pool->budget.stayed;
	stats->peak_held_bytes = pool->budget.peak;
	xvi_leave_all(pool);
	stats->failures -= xvi_atomic_load(&pool->rescued);
	stats->bad_handles += xvi_atomic_load(&pool->strays);
	stats->table_bytes =
		stats->held_bytes - stats->rounding_bytes - stats->free_bytes - stats->spare_bytes;
	stats->rounding_bytes -= stats->requested_bytes + stats->header_bytes + stats->owner_bytes +
				 stats->link_bytes;
	stats->page_bytes = (size_t)1 << pool->provider->page_shift;
}
