/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * source.c: what a shard's heap needs: pages, grains and hole records. Each is charged to the
 * budget, then taken from the provider; given back in the other order.
 */
#include "pool_impl.h"

static uint32_t page_grains_whole(const struct xv_pool *pool)
{
	return pool->provider->grain_shift == 0 ||
	       pool->provider->grain_shift == pool->provider->page_shift;
}

/* What stayed of the pool's pages may be another pool's by now. */
void xvi_pool_settle(struct xv_pool *pool)
{
	struct xv_provider *provider = pool->provider;

	if (xvi_budget_read(&pool->budget).stayed != 0)
		xvi_budget_settle(&pool->budget, provider->ops->spare_bytes != NULL
							 ? provider->ops->spare_bytes(provider)
							 : 0);
}

static int pages_charge(struct xv_pool *pool, uint64_t bytes)
{
	int err = xvi_budget_take_pages(&pool->budget, bytes);

	if (err == 0)
		return 0;
	xvi_pool_settle(pool);
	return xvi_budget_take_pages(&pool->budget, bytes);
}

static int source_page_take(void *context, uint32_t *page)
{
	struct xvi_shard *shard = context;
	struct xv_pool *pool = shard->pool;
	uint64_t bytes = page_grains_whole(pool) ? pool->grain_bytes : 0;
	uint32_t taken;
	int err = bytes != 0 ? pages_charge(pool, bytes) : 0;

	if (err != 0)
		return err;
	err = pool->provider->ops->page_alloc(pool->provider, &taken);
	if (err == 0) {
		err = xvi_page_table_add(&pool->pages, taken, shard->number);
		if (err != 0)
			(void)pool->provider->ops->pages_free(pool->provider, taken, 1);
	}
	if (err != 0) {
		if (bytes != 0)
			xvi_budget_give(&pool->budget, bytes);
		return err;
	}
	shard->pages_taken++;
	*page = taken;
	return 0;
}

static void source_pages_give(void *context, uint32_t page, uint32_t count, uint64_t grains)
{
	struct xvi_shard *shard = context;
	struct xv_pool *pool = shard->pool;
	size_t stayed;

	/* Once the provider has them they may be another shard's. */
	xvi_page_table_remove(&pool->pages, page, count);
	stayed = pool->provider->ops->pages_free(pool->provider, page, count);
	shard->pages_given += count;
	if (grains != 0 || stayed != 0)
		xvi_budget_give_pages(&pool->budget, grains * pool->grain_bytes, stayed);
}

static int source_grains_take(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	struct xv_pool *pool = ((struct xvi_shard *)context)->pool;
	uint64_t bytes = (uint64_t)count * pool->grain_bytes;
	int err = pages_charge(pool, bytes);

	if (err != 0)
		return err;
	err = pool->provider->ops->grains_take(pool->provider, page, first, count);
	if (err != 0)
		xvi_budget_give(&pool->budget, bytes);
	return err;
}

static bool source_grains_give(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	struct xv_pool *pool = ((struct xvi_shard *)context)->pool;

	if (!pool->provider->ops->grains_give(pool->provider, page, first, count))
		return false;
	xvi_budget_give(&pool->budget, (uint64_t)count * pool->grain_bytes);
	return true;
}

static bool source_page_is_ours(void *context, uint32_t page)
{
	const struct xvi_shard *shard = context;

	return page_table_owner(&shard->pool->pages, page) == shard->number + 1;
}

/* ---- hole records ---- */

static size_t records_bytes(uint32_t count)
{
	return meta_round((size_t)count * sizeof(struct xvi_hole), META_CHUNK_BYTES);
}

/* Reserve address space for all the records that the heap may want, or, in a small address
 * space, for as many as can be had. */
static int records_reserve(struct xvi_shard *shard)
{
	size_t least = records_bytes(FIRST_RECORDS) + META_CHUNK_BYTES;
	size_t bytes = records_bytes(shard->objects.heap.holes.most);

	while (bytes > least && meta_reserve(shard->pool->provider, &shard->records, bytes) != 0)
		bytes = meta_round(bytes / 2, META_CHUNK_BYTES);
	return shard->records.base != NULL ? 0 : -XV_ENOMEM;
}

/* From now on the records are in a stretch of their own. */
static void records_move(struct xvi_shard *shard)
{
	struct xvi_hole_table *holes = &shard->objects.heap.holes;

	memcpy(shard->records.base, holes->records, holes->high * sizeof(struct xvi_hole));
	holes->records = (struct xvi_hole *)(void *)shard->records.base;
}

static bool records_are_first(const struct xvi_shard *shard)
{
	return shard->objects.heap.holes.records == shard->first_records;
}

/* Charge what the hole table grows by: as promised where untouched memory is not held. */
static int records_charge(struct xv_pool *pool, size_t bytes)
{
	return pool->purges ? xvi_budget_promise(&pool->budget, bytes)
			    : xvi_budget_take(&pool->budget, bytes);
}

static void records_discharge(struct xv_pool *pool, size_t bytes)
{
	if (pool->purges)
		xvi_budget_forgo(&pool->budget, bytes);
	else
		xvi_budget_give(&pool->budget, bytes);
}

static int source_records_take(void *context, uint32_t count)
{
	struct xvi_shard *shard = context;
	struct xv_pool *pool = shard->pool;
	size_t bytes = records_bytes(count);
	size_t more;
	int err = shard->records.base == NULL ? records_reserve(shard) : 0;

	if (err != 0)
		return err;
	if (bytes > shard->records.reserved)
		return -XV_ENOMEM;
	if (bytes > shard->records.committed) {
		more = bytes - shard->records.committed;
		err = records_charge(pool, more);
		if (err != 0)
			return err;
		err = meta_commit(pool->provider, &shard->records, bytes);
		if (err != 0) {
			records_discharge(pool, more);
			return err;
		}
	}
	if (records_are_first(shard)) {
		records_move(shard);
		xvi_pool_source.records_used(shard, shard->objects.heap.holes.high);
	}
	return 0;
}

static void source_records_used(void *context, uint32_t high)
{
	struct xvi_shard *shard = context;
	size_t bytes = records_bytes(high);

	if (!shard->pool->purges || records_are_first(shard) || bytes <= shard->records_touched)
		return;
	XVI_ASSERT(bytes <= shard->records.committed);
	xvi_budget_touch(&shard->pool->budget, bytes - shard->records_touched);
	shard->records_touched = bytes;
}

/* What is committed beyond these bytes has no memory any more. False: it could not be purged. */
static bool records_purge(struct xvi_shard *shard, size_t bytes)
{
	struct xv_pool *pool = shard->pool;

	if (!pool->purges || bytes >= shard->records_touched)
		return true;
	if (pool->provider->ops->meta_purge(pool->provider, shard->records.base, bytes,
					    shard->records_touched - bytes) <
	    shard->records_touched - bytes)
		return false;
	xvi_budget_untouch(&pool->budget, shard->records_touched - bytes);
	shard->records_touched = bytes;
	return true;
}

static void source_records_give(void *context, uint32_t high, uint32_t sure)
{
	struct xvi_shard *shard = context;
	size_t bytes = records_bytes(sure > high ? sure : high);
	size_t less;

	if (records_are_first(shard) || !records_purge(shard, records_bytes(high)) ||
	    bytes >= shard->records.committed)
		return;
	less = shard->records.committed - bytes;
	(void)meta_commit(shard->pool->provider, &shard->records, bytes);
	records_discharge(shard->pool, less);
}

/* ---- a window ---- */

/* Two slots are each shard's own: it cannot fail. */
static uint32_t *source_page_map(void *context, uint32_t page)
{
	struct xv_provider *provider = ((struct xvi_shard *)context)->pool->provider;
	uint32_t *words = provider->ops->page_map(provider, page);

	XVI_ASSERT(words != NULL);
	return words;
}

static void source_page_unmap(void *context, uint32_t page, uint32_t *words)
{
	struct xv_provider *provider = ((struct xvi_shard *)context)->pool->provider;

	(void)provider->ops->page_unmap(provider, page, words);
}

const struct xvi_heap_source xvi_pool_source = {
	.page_take = source_page_take,
	.pages_give = source_pages_give,
	.grains_take = source_grains_take,
	.grains_give = source_grains_give,
	.page_is_ours = source_page_is_ours,
	.records_take = source_records_take,
	.records_used = source_records_used,
	.records_give = source_records_give,
	.page_map = source_page_map,
	.page_unmap = source_page_unmap,
};
