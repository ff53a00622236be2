/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * source.c: what the heap of a shard needs: pages, grains and hole records. Each is charged to the
 * budget, then taken from the provider; given back in the other order.
 */
#include "pool_impl.h"

#include "xvi_probe.h"

static int charge(struct xvi_shard *shard, int64_t held, int64_t promised, int64_t stayed)
{
	return budget_charge(&shard->pool->budget, held, promised, stayed, &shard->held);
}

uint64_t xvi_pool_settle(struct xv_pool *pool)
{
	const struct xv_provider_ops *ops = pool->provider->ops;
	struct xvi_budget *budget = &pool->budget;
	uint64_t spare, gone = 0;

	xvi_lock_acquire(&budget->lock);
	if (budget->stayed != 0) {
		spare = ops->stayed_bytes != NULL ? ops->stayed_bytes(pool->provider) : 0;
		gone = budget->stayed > spare ? budget->stayed - spare : 0;
		budget->stayed -= gone;
	}
	xvi_lock_release(&budget->lock);
	return gone;
}

/* Charge memory of pages, some of which may be stayed memory. */
static int pages_charge(struct xvi_shard *shard, int64_t bytes)
{
	int err = charge(shard, bytes, 0, -bytes);

	XVI_ASSERT(xvi_lock_is_taken(&shard->lock));
	if (err == 0)
		return 0;
	(void)xvi_pool_settle(shard->pool);
	return charge(shard, bytes, 0, -bytes);
}

static int64_t grain_bytes(const struct xv_pool *pool, uint64_t count)
{
	return (int64_t)(count << pool->grain_shift);
}

/* ---- pages and grains: hidden from the program while the pool has them ---- */

static unsigned char *page_address(const struct xv_pool *pool, uint32_t page)
{
	XVI_ASSERT(pool->provider->base != NULL && page < pool->pages.most);
	return (unsigned char *)pool->provider->base + ((size_t)page << pool->provider->page_shift);
}

/* The records may have moved in the page table, or the origin changed. */
static void records_follow(struct xvi_shard *shard)
{
	const struct xvi_page_table *table = &shard->pool->pages;

	XVI_ASSERT(table->origin == 0 || shard->pool->shard_most == 1 || shard->number == 0);
	shard->objects.heap.page_base = table->origin;
	shard->objects.heap.pages = (unsigned char *)((uintptr_t)table->records -
						      (uintptr_t)table->origin * table->stride);
}

int xvi_pool_widen(struct xv_pool *pool)
{
	int err;

	XVI_ASSERT(xvi_lock_is_taken(&pool->first->lock) && !pool_is_spread(pool));
	xvi_lock_acquire(&pool->budget.lock);
	err = xvi_page_table_widen(&pool->pages, &pool->first->held);
	if (err == 0)
		pool->pages.window = 0;
	xvi_lock_release(&pool->budget.lock);
	records_follow(pool->first);
	return err;
}

static int source_page_take(void *context, uint32_t *page)
{
	struct xvi_shard *shard = context;
	struct xv_pool *pool = shard->pool;
	uint32_t grains = xv_provider_page_grains(pool->provider) == 1;
	uint32_t taken;
	int err = pages_charge(shard, grain_bytes(pool, grains));

	if (err != 0)
		return err;
	err = pool->provider->ops->page_alloc(pool->provider, &taken);
	if (err == 0) {
		xvi_lock_acquire(&pool->budget.lock);
		err = xvi_page_table_add(&pool->pages, taken, shard->number, &shard->held);
		xvi_lock_release(&pool->budget.lock);
		records_follow(shard);
		if (err != 0)
			(void)pool->provider->ops->pages_free(pool->provider, taken, 1);
	}
	if (err != 0) {
		(void)charge(shard, -grain_bytes(pool, grains), 0, 0);
		return err;
	}
	if (objects_watched(&shard->objects))
		xvi_tools_hide(page_address(pool, taken), xv_provider_page_bytes(pool->provider));
	XVI_PROBE2(xvmalloc, grow, pool, taken);
	XVI_ASSERT(page_table_shard(&pool->pages, taken) == shard->number + 1); /* 32 */
	shard->pages_taken++;
	*page = taken;
	return 0;
}

static void source_pages_give(void *context, uint32_t page, uint32_t count, uint64_t grains)
{
	struct xvi_shard *shard = context;
	struct xv_pool *pool = shard->pool;
	size_t stayed;

	XVI_ASSERT(page_table_shard(&pool->pages, page) == shard->number + 1); /* 32 */
	XVI_PROBE3(xvmalloc, shrink, pool, page, count);
	/* Once the provider has them, another shard may get them. */
	xvi_lock_acquire(&pool->budget.lock);
	xvi_page_table_remove(&pool->pages, page, count, &shard->held);
	xvi_lock_release(&pool->budget.lock);
	if (objects_watched(&shard->objects))
		xvi_tools_show(page_address(pool, page),
			       (size_t)count << pool->provider->page_shift);
	stayed = pool->provider->ops->pages_free(pool->provider, page, count);
	(void)charge(shard, -grain_bytes(pool, grains), 0, (int64_t)stayed);
}

static void source_page_closed(void *context, uint32_t page, uint32_t unit, const char *message)
{
	const struct xvi_shard *shard = context;
	const struct xv_pool_options *options = &shard->pool->options;

	if (options->corrupted == NULL)
		return;
	if (objects_watched(&shard->objects))
		xvi_tools_loud();
	options->corrupted(options->corrupted_context, page, unit * UNIT_BYTES, message);
	if (objects_watched(&shard->objects))
		xvi_tools_quiet();
}

static int source_grains_take(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	struct xvi_shard *shard = context;
	struct xv_pool *pool = shard->pool;
	int err = pages_charge(shard, grain_bytes(pool, count));

	if (err != 0)
		return err;
	err = pool->provider->ops->grains_take(pool->provider, page, first, count);
	if (err != 0)
		(void)charge(shard, -grain_bytes(pool, count), 0, 0);
	else if (objects_watched(&shard->objects))
		xvi_tools_hide(page_address(pool, page) + grain_bytes(pool, first),
			       (size_t)grain_bytes(pool, count));
	return err;
}

static bool source_grains_give(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	struct xvi_shard *shard = context;
	struct xv_pool *pool = shard->pool;

	if (!pool->provider->ops->grains_give(pool->provider, page, first, count))
		return false;
	(void)charge(shard, -grain_bytes(pool, count), 0, 0);
	return true;
}

static bool source_page_is_ours(void *context, uint32_t page)
{
	const struct xvi_shard *shard = context;

	return page_table_shard(&shard->pool->pages, page) == shard->number + 1;
}

/* ---- hole records: the first ones behind the shard, then all in their own stretch ---- */

static size_t records_bytes(uint32_t count)
{
	return meta_round((size_t)count * sizeof(struct xvi_hole), META_CHUNK_BYTES);
}

static bool records_are_first(const struct xvi_shard *shard)
{
	return (void *)shard->objects.heap.holes.records != shard->records.base;
}

/* This much of the usable bytes is held from now on; the rest is promised. */
static void records_touch(struct xvi_shard *shard, size_t bytes)
{
	int64_t more = (int64_t)bytes - (int64_t)shard->records_touched;

	XVI_ASSERT(bytes <= shard->records.committed);
	(void)charge(shard, more, -more, 0);
	shard->records_touched = bytes;
}

static void source_records_used(void *context, uint32_t high)
{
	struct xvi_shard *shard = context;
	size_t bytes = shard->pool->pages.sparse ? records_bytes(high) : shard->records.committed;

	if (!records_are_first(shard) && bytes > shard->records_touched)
		records_touch(shard, bytes);
}

/* Reserve address space for all records that the heap may want, or as many as a small address
 * space permits. */
static int records_reserve(struct xvi_shard *shard)
{
	size_t least = records_bytes(FIRST_RECORDS) + META_CHUNK_BYTES;
	size_t bytes = records_bytes(shard->objects.heap.holes.most);

	XVI_ASSERT(shard->records.base == NULL);
	while (bytes > least && meta_reserve(shard->pool->provider, &shard->records, bytes, 0) != 0)
		bytes = meta_round(bytes / 2, META_CHUNK_BYTES);
	return shard->records.base != NULL ? 0 : -XV_ENOMEM;
}

static int source_records_take(void *context, uint32_t count)
{
	struct xvi_shard *shard = context;
	struct xvi_hole_table *holes = &shard->objects.heap.holes;
	size_t bytes = records_bytes(count);
	int64_t more;
	int err = shard->records.base == NULL ? records_reserve(shard) : 0;

	XVI_ASSERT(count > holes->high && count <= holes->most && !holes->bounded);
	if (err != 0)
		return err;
	if (bytes > shard->records.reserved)
		return -XV_ENOMEM;
	if (bytes > shard->records.committed) {
		more = (int64_t)(bytes - shard->records.committed);
		err = charge(shard, 0, more, 0);
		if (err != 0)
			return err;
		err = meta_commit(shard->pool->provider, &shard->records, bytes);
		if (err != 0) {
			(void)charge(shard, 0, -more, 0);
			return err;
		}
	}
	if (records_are_first(shard)) {
		XVI_ASSERT(holes->high <= FIRST_RECORDS);
		memcpy(shard->records.base, holes->records, holes->high * sizeof(struct xvi_hole));
		holes->records = (struct xvi_hole *)(void *)shard->records.base;
	}
	source_records_used(shard, holes->high);
	return 0;
}

static void source_records_give(void *context, uint32_t high, uint32_t ready)
{
	struct xvi_shard *shard = context;
	struct xv_provider *provider = shard->pool->provider;
	size_t used = records_bytes(high);
	size_t bytes = records_bytes(ready > high ? ready : high);
	size_t less = shard->records_touched - used;

	if (records_are_first(shard))
		return;
	/* What is not purged (parts of OS pages; locked memory) may go with the space. */
	if (shard->pool->pages.sparse && used < shard->records_touched &&
	    provider->ops->meta_purge(provider, shard->records.base, used, less) >= less)
		records_touch(shard, used);
	if (bytes >= shard->records.committed)
		return;
	if (bytes < shard->records_touched)
		records_touch(shard, bytes);
	less = shard->records.committed - bytes;
	(void)meta_commit(provider, &shard->records, bytes);
	(void)charge(shard, 0, -(int64_t)less, 0);
	XVI_ASSERT(shard->records_touched <= shard->records.committed); /* 33 */
}

/* ---- a window ---- */

/* Cannot fail: each shard has two slots. */
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
	.page_closed = source_page_closed,
	.grains_give = source_grains_give,
	.page_is_ours = source_page_is_ours,
	.records_take = source_records_take,
	.records_used = source_records_used,
	.records_give = source_records_give,
	.page_map = source_page_map,
	.page_unmap = source_page_unmap,
};
