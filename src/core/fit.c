/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What would fit: the truth about the next allocation, without making it where that can
 * be told, and by making and undoing it where it cannot (objects larger than a page).
 * Owns nothing. The public calls take the lock. O(1) for objects up to a page.
 */
#include "carve.h"
#include "stock.h"

/* Pages that the pool could take now, at most, as far as limit and provider tell. */
static uint64_t pages_to_be_had(struct xv_pool *pool)
{
	struct xv_provider *provider = pool->provider;
	uint64_t held = xvi_held_bytes(pool);
	uint64_t limit = pool->shared != NULL ? xvi_shared_limit(pool->shared) : pool->limit_bytes;
	uint64_t pages = provider->ops->pages_available != NULL
				 ? provider->ops->pages_available(provider)
				 : 0;

	if (limit == 0)
		return pages;
	if (held > limit)
		return 0;
	held = (limit - held + xvi_spare_bytes(pool)) >> pool->page_shift;
	return pages < held ? pages : held;
}

/*
 * Can the pool take one more page now? That depends on the number the provider would
 * give it (the page table may have to grow), so one is taken and given back.
 */
static bool can_grow(struct xv_pool *pool)
{
	uint64_t peak = pool->peak_held_bytes;
	uint32_t page;

	if (pages_to_be_had(pool) == 0 || xvi_page_take(pool, &page) != 0)
		return false;
	xvi_page_give_back(pool, page);
	/* The page was not held, but what its number made a table grow by is. */
	pool->peak_held_bytes = peak;
	xvi_note_held(pool);
	return true;
}

/* Payload bytes of the largest object that takes one block of a hole. */
static size_t largest_in_hole(const struct xv_pool *pool)
{
	uint32_t index = xvi_free_list_largest(&pool->lists);
	uint32_t victim = xvi_free_list_largest(&pool->victim_lists);
	uint32_t units = index != 0 ? pool->holes.records[index].units : 0;
	size_t bytes;

	if (units == pool->page_units)
		return pool->page_bytes;
	if (victim != 0 && pool->holes.records[victim].units > units)
		units = pool->holes.records[victim].units;
	units = units / pool->align_units * pool->align_units;
	bytes = (size_t)units * UNIT_BYTES;
	return bytes > pool->prefix_bytes ? bytes - pool->prefix_bytes : 0;
}

/* Try it: allocate and free again. The counters that a caller can see stay. */
static bool trial(struct xv_pool *pool, size_t size)
{
	struct xvi_request request = {
		.size = size, .alignment = 1, .owner = XV_NO_OWNER, .here = true};
	uint64_t failures = pool->failures;
	xv_handle handle;
	bool fits;

	if (!xvi_orphans_free(pool))
		return false;
	fits = xvi_malloc_locked(pool, &request, &handle) == 0;
	if (fits)
		xvi_discard(pool, handle, size);
	/* Another shard may be asked next. */
	if (pool->shared != NULL)
		(void)xvi_shard_yield(pool);
	pool->failures = failures;
	return fits;
}

/* Would an object of up to a page fit? In a hole, over holes, or in a new page. */
static bool fits_small(struct xv_pool *pool, size_t size)
{
	if (size <= largest_in_hole(pool) || can_grow(pool))
		return true;
	return (pool->flags & XV_POOL_SPLIT) != 0 && xvi_split_would_fit(pool, size);
}

static bool fits_locked(struct xv_pool *pool, size_t size)
{
	if (size == 0 || size > pool->max_size)
		return false;
	/* What an allocation would do as a last resort comes first, so that the answer is
	 * the whole truth: orphans are freed, free blocks without a record found. */
	(void)xvi_orphans_free(pool);
	(void)xvi_stock_drain(pool);
	if (size <= pool->page_bytes)
		note_request(pool, new_block(pool, BLOCK_WHOLE, (uint32_t)size, 0).units);
	(void)xvi_relist(pool, UINT32_MAX);
	if (size <= pool->page_bytes)
		return fits_small(pool, size);
	return trial(pool, size);
}

static bool fits_in_any(struct xv_pool *pool, size_t size)
{
	bool fits = false;

	for (uint32_t i = 0; i < xvi_shard_count(pool) && !fits; i++) {
		struct xv_pool *shard = xvi_shard(pool, i);

		fits = shard != NULL && fits_locked(shard, size);
	}
	return fits;
}

/* Of several shards each may keep what another lacks. All are locked. */
static void shards_yield(struct xv_pool *pool)
{
	for (uint32_t i = 0; i < xvi_shard_count(pool) && pool->shared != NULL; i++) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard != NULL)
			(void)xvi_shard_yield(shard);
	}
}

bool xv_pool_can_fit(struct xv_pool *pool, size_t size)
{
	bool fits;

	if (pool == NULL)
		return false;
	xvi_enter_all(pool);
	fits = fits_in_any(pool, size);
	if (!fits && pool->shared != NULL) {
		shards_yield(pool);
		fits = fits_in_any(pool, size);
	}
	xvi_leave_all(pool);
	return fits;
}

/* A size in [fits, above) that fits while the next does not; fits does, above does not. */
static size_t search(struct xv_pool *pool, size_t fits, size_t above)
{
	while (above - fits > 1) {
		size_t middle = fits + (above - fits) / 2;

		if (fits_locked(pool, middle))
			fits = middle;
		else
			above = middle;
	}
	return fits;
}

/*
 * A larger size that fits although some between do not: what is left of those, when the
 * holes' parts are taken off, is too large for a hole and too small to be split. The gap
 * is no wider than that. 0 when there is none.
 */
static size_t fits_beyond_gap(struct xv_pool *pool, size_t size)
{
	size_t end = size + 2 * FRAGMENT_MIN_BYTES;

	while (++size <= end && size <= pool->page_bytes) {
		if (fits_locked(pool, size))
			return size;
	}
	return 0;
}

static size_t search_all(struct xv_pool *pool, size_t above)
{
	size_t next = largest_in_hole(pool);
	size_t largest;

	do {
		largest = search(pool, next, above);
		next = fits_beyond_gap(pool, largest);
	} while (next != 0);
	return largest;
}

static size_t largest_locked(struct xv_pool *pool)
{
	uint64_t pages;

	(void)xvi_stock_drain(pool);
	(void)xvi_relist(pool, UINT32_MAX);
	if (largest_in_hole(pool) == 0) {
		/* Nothing but dust, if anything. */
		note_request(pool, pool->block_min_units);
		(void)xvi_relist(pool, UINT32_MAX);
	}
	if ((pool->flags & XV_POOL_SPLIT) == 0)
		return can_grow(pool) ? pool->page_bytes : largest_in_hole(pool);
	if (fits_locked(pool, pool->max_size))
		return pool->max_size;
	/* Beyond a page each size needs its pages: bound the search by what there is. */
	pages = pages_to_be_had(pool) + pool->empty_pages + 2;
	if (pages > pool->max_size >> pool->page_shift)
		return search_all(pool, pool->max_size);
	return search_all(pool, (size_t)pages << pool->page_shift);
}

size_t xv_pool_largest_allocatable(struct xv_pool *pool)
{
	size_t largest = 0;

	if (pool == NULL)
		return 0;
	xvi_enter_all(pool);
	shards_yield(pool);
	for (uint32_t i = 0; i < xvi_shard_count(pool); i++) {
		struct xv_pool *shard = xvi_shard(pool, i);
		size_t one = shard != NULL ? largest_locked(shard) : 0;

		largest = one > largest ? one : largest;
	}
	xvi_leave_all(pool);
	return largest;
}
