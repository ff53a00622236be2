/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What compaction has to gain, and which pages it empties for it: decided once in each round of a
 * cycle, from what the sweep of compact.c has counted. Owns nothing, reads the counters of the
 * shard and of its cycle. Under the shard's lock. O(1).
 */
#include "compact.h"

enum {
	SPARSE_PERCENT = 20,       /* of the pages to be had: a sparse pool */
	RENUMBER_PERCENT = 85,     /* the same, to be moved by page number */
	MOVE_PERCENT = 75,         /* of what is to be had, to be moved: of a sparse pool */
	DENSE_SHARE = 4,           /* of a dense pool one page in so many, in a round */
	TABLE_WASTE_SHARE = 100,   /* of the pages, which needless page records may take */
	FILL_PERMILLE_WHOLE = 850, /* how full pages get without splitting ... */
	FILL_PERMILLE_SPLIT = 998, /* ... and with it */
};

/* Pages that so many units of blocks need, once compacted. */
static uint64_t pages_needed(const struct xv_pool *pool, uint64_t used_units)
{
	uint64_t permille =
		(pool->flags & XV_POOL_SPLIT) != 0 ? FILL_PERMILLE_SPLIT : FILL_PERMILLE_WHOLE;
	uint64_t units_of_page = pool->page_units * permille / 1000;

	return (used_units + units_of_page - 1) / units_of_page;
}

/* Units that the blocks would take, were every object in one block, but for those that
 * lie across the end of a page. */
static uint64_t ideal_units(const struct xv_pool *pool)
{
	uint64_t fragment_cost = pool->prefix_bytes + pool->link_bytes;
	uint64_t surplus = (pool->fragment_count - pool->split_count) * fragment_cost;
	uint64_t used = xvi_used_units(pool) - surplus / UNIT_BYTES;

	return used + used / pool->page_units * fragment_cost / UNIT_BYTES;
}

/* Pages that compaction would give back, as far as the counters tell. */
uint64_t xvi_compactable_pages(const struct xv_pool *pool)
{
	uint64_t whole = pool->whole_page_count + pool->part_page_count;
	uint64_t pages = pool->page_count - pool->empty_pages - whole;
	uint64_t needed = pages_needed(pool, ideal_units(pool));

	return pages > needed ? pages - needed : 0;
}

/* The sparsest pages: so many, or (if that is more) as many as hold so many units. */
static void choose_sparsest(const struct xv_pool *pool, struct xvi_compaction *cycle,
			    uint64_t victims, uint64_t units)
{
	uint32_t bucket = 0;

	for (; bucket < COMPACT_BUCKETS - 1; bucket++) {
		uint64_t pages = cycle->pages[bucket];
		uint64_t held = pages * (2 * bucket + 1) * pool->page_units / (2 * COMPACT_BUCKETS);

		if (pages > victims && held > units)
			break;
		victims -= pages < victims ? pages : victims;
		units -= held < units ? held : units;
	}
	units = units * 2 * COMPACT_BUCKETS / ((2 * bucket + 1) * pool->page_units);
	cycle->threshold = bucket;
	cycle->quota = (uint32_t)(victims > units ? victims : units);
}

/* Units that may be moved out of victims for so many pages: moving one fragment moves
 * the whole object, so that with split objects more moves than the victims hold. */
static uint64_t units_to_move(const struct xv_pool *pool, uint64_t pages)
{
	uint64_t units = pages * pool->page_units * MOVE_PERCENT / 100;
	uint64_t objects = pool->object_count + 1;

	return units * objects / (objects + pool->fragment_count - pool->split_count);
}

/* Is emptying every page above the number that suffices worth its cost? */
static bool renumbering_pays(const struct xv_pool *pool, const struct xvi_compaction *cycle,
			     uint64_t last, uint64_t gain)
{
	uint64_t whole = pool->whole_page_count + pool->part_page_count;
	uint64_t objects = pool->object_count + 1;
	uint64_t blocks = objects + pool->fragment_count - pool->split_count;
	uint64_t share, units;

	if (last * 2 >= cycle->span)
		return false;
	/* Of the objects more move than their share of the pages, but not more than all. */
	share = (cycle->span - last) * blocks / objects;
	if (share > cycle->span)
		share = cycle->span;
	units = cycle->used_units * share / cycle->span +
		whole * pool->page_units * (cycle->span - last) / cycle->span;
	return units * 100 <= gain * pool->page_units * RENUMBER_PERCENT;
}

/*
 * Where a cycle begins and no page can be had, but what the page table holds for page numbers that
 * are not needed weighs as much as a hundredth of the pages: the numbers are worth having.
 */
static bool table_is_waste(const struct xv_pool *pool, const struct xvi_compaction *cycle,
			   uint64_t last)
{
	uint64_t records = cycle->span > last * 2 ? cycle->span - last : 0;

	return records * (sizeof(struct xvi_page) + 1) * TABLE_WASTE_SHARE >=
	       pool->page_count << pool->page_shift;
}

/*
 * Victims of a dense pool: what is left to gain is little, and had by laying objects anew
 * rather than by filling pages. Where the cycle began sparse, it stays within the share
 * of what it gave back that it may move.
 */
static void choose_in_dense(const struct xv_pool *pool, struct xvi_compaction *cycle,
			    uint64_t pages)
{
	uint64_t victims = pages / DENSE_SHARE + 1;
	uint64_t freed =
		cycle->first_pages > pool->page_count ? cycle->first_pages - pool->page_count : 0;
	uint64_t may_move = (freed << pool->page_shift) * MOVE_PERCENT / 100;

	if (cycle->sparse) {
		/* A victim's objects have fragments elsewhere too: two pages' worth. */
		may_move = may_move > cycle->moved_bytes ? may_move - cycle->moved_bytes : 0;
		may_move = may_move / 2 >> pool->page_shift;
		victims = victims < may_move ? victims : may_move;
	}
	if (victims < cycle->gain / 2 || victims == 0)
		cycle->phase = COMPACT_SHRINK;
	else
		choose_sparsest(pool, cycle, victims, 0);
}

/* Pages that this shard's objects need, once compacted. */
uint64_t xvi_compacted_pages(const struct xv_pool *pool)
{
	return pages_needed(pool, ideal_units(pool)) + pool->whole_page_count +
	       pool->part_page_count;
}

/* The same of all shards, as it was when their cycle began: the page numbers that
 * suffice. */
static uint64_t pages_of_all(const struct xv_pool *pool)
{
	return pool->shared != NULL ? pool->shared->compact_pages : xvi_compacted_pages(pool);
}

void xvi_compact_choose(struct xv_pool *pool)
{
	struct xvi_compaction *cycle = &pool->compaction;
	uint64_t needed = pages_needed(pool, ideal_units(pool));
	uint64_t last = pages_of_all(pool) + 1;
	uint64_t pages = 0;
	uint64_t gain;

	for (uint32_t i = 0; i < COMPACT_BUCKETS; i++)
		pages += cycle->pages[i];
	gain = pages > needed ? pages - needed : 0;
	cycle->gain = gain;
	cycle->page_count = pool->page_count;
	cycle->cursor = 0;
	cycle->phase = COMPACT_MARK;
	if (cycle->rounds == 0)
		cycle->sparse = gain * 100 > pages * SPARSE_PERCENT;
	if (gain * 1000 < pages * ROUND_PERMILLE || gain == 0) {
		if (cycle->rounds == 0 && table_is_waste(pool, cycle, last))
			cycle->first_victim = (uint32_t)last;
		else
			cycle->phase = COMPACT_SHRINK;
	} else if (renumbering_pays(pool, cycle, last, gain))
		cycle->first_victim = (uint32_t)last;
	else if (gain * 100 > pages * SPARSE_PERCENT)
		choose_sparsest(pool, cycle, gain, units_to_move(pool, gain));
	else
		choose_in_dense(pool, cycle, pages);
}
