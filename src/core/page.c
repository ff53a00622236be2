/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Pages coming and going: from the provider, into the reserve, back; and pages that
 * are one object or part of one. Owns page records' states. Under the pool's lock.
 * O(1) apart from the provider, except where said.
 */
#include "carve.h"
#include "stock.h"

enum { GENERATION_STRIDE = 37 };

/*
 * Count a page that is to be taken. 0 or -XV_ENOSPC. A provider that holds memory of free
 * pages may hand out one of those, and no more is held then: page_record looks again.
 */
static int page_hold(struct xv_pool *pool)
{
	uint64_t more = pool->page_bytes;

	if (pool->shared != NULL) {
		if (xvi_shared_hold(pool->shared, pool->provider, more, true) == 0)
			return 0;
		if (xvi_spare_bytes(pool) < more ||
		    xvi_shared_hold(pool->shared, pool->provider, 0, true) != 0)
			return -XV_ENOSPC;
		return xvi_shared_hold(pool->shared, pool->provider, more, false);
	}
	if (pool->limit_bytes == 0 || xvi_held_bytes(pool) + more <= pool->limit_bytes)
		return 0;
	return xvi_spare_bytes(pool) >= more && xvi_held_bytes(pool) <= pool->limit_bytes
		       ? 0
		       : -XV_ENOSPC;
}

static void page_release(struct xv_pool *pool)
{
	if (pool->shared != NULL)
		xvi_shared_release(pool->shared, pool->page_bytes);
}

/* Give a page its record. The provider's own overhead may have grown too. */
static int page_record(struct xv_pool *pool, uint32_t number)
{
	int err;

	/* The page counts before its record is made, so that the limit covers both. */
	pool->page_count++;
	err = xvi_page_table_cover(pool, number);
	if (err == 0 && pool->shared != NULL &&
	    xvi_shared_hold(pool->shared, pool->provider, 0, true) != 0) {
		xvi_shared_forget(pool, number);
		err = -XV_ENOSPC;
	}
	if (err == 0 && pool->limit_bytes != 0 && xvi_held_bytes(pool) > pool->limit_bytes)
		err = -XV_ENOSPC;
	if (err != 0)
		pool->page_count--;
	return err;
}

/* A page with memory for all of its grains. */
static int page_with_memory(struct xv_provider *provider, uint32_t *number)
{
	uint32_t grains = xv_provider_page_grains(provider);
	int err = provider->ops->page_alloc(provider, number);

	if (err != 0 || grains == 1)
		return err;
	err = provider->ops->grains_take(provider, *number, 0, grains);
	if (err != 0)
		provider->ops->pages_free(provider, *number, 1);
	return err;
}

/* A page from the provider, counted and with a record. */
static int page_get(struct xv_pool *pool, uint32_t *number)
{
	int err = page_hold(pool);

	if (err != 0)
		return err;
	err = page_with_memory(pool->provider, number);
	if (err == 0) {
		err = page_record(pool, *number);
		if (err != 0)
			pool->provider->ops->pages_free(pool->provider, *number, 1);
	}
	if (err != 0) {
		page_release(pool);
		xvi_note_held(pool);
	}
	return err;
}

/*
 * A page is taken, and others were given back since the last one was: with a larger
 * reserve this one would have been there. It grows by a page each time, and shrinks again
 * when the pool is compacted or trimmed.
 */
static void note_cycling(struct xv_pool *pool)
{
	if (pool->page_frees != pool->cycled_at &&
	    pool->cycled_pages < xvi_cycled_most(pool, pool->page_count))
		pool->cycled_pages++;
	pool->cycled_at = pool->page_frees;
}

int xvi_page_take(struct xv_pool *pool, uint32_t *page)
{
	struct xvi_page *record;
	uint32_t number;
	int err = page_get(pool, &number);

	if (err != 0)
		return err;
	record = &pool->pages.records[number];
	record->state = PAGE_BLOCKS;
	record->used_units = 0;
	record->pins = 0;
	/* A record that is new, or was dropped with the table's end and is back, must not
	 * repeat the generations it gave out before. */
	if (record->generation == 0)
		record->generation = (uint8_t)(pool->page_allocs * GENERATION_STRIDE);
	pool->page_allocs++;
	pool->empty_pages++;
	note_cycling(pool);
	xvi_stock_set_limit(pool);
	xvi_note_held(pool);
	*page = number;
	return 0;
}

void xvi_page_give_back(struct xv_pool *pool, uint32_t page)
{
	pool->pages.records[page].state = PAGE_NONE;
	pool->page_count--;
	pool->empty_pages--;
	pool->page_frees++;
	xvi_stock_set_limit(pool);
	if (pool->shared != NULL)
		xvi_shared_forget(pool, page);
	pool->provider->ops->pages_free(pool->provider, page, 1);
	page_release(pool);
}

/* Make an empty page one hole. False when there is no record for it. */
static bool page_list_empty(struct xv_pool *pool, uint32_t page)
{
	uint32_t index = hole_take(pool);
	struct xvi_hole *hole = &pool->holes.records[index];

	if (index == 0)
		return false;
	hole->page = page;
	hole->first_unit = (uint16_t)pool->first_unit;
	hole->units = (uint16_t)pool->page_units;
	free_list_insert(pool, index);
	return true;
}

void xvi_page_emptied(struct xv_pool *pool, uint32_t page)
{
	struct xvi_page *record = &pool->pages.records[page];
	bool pinned = record->pins != 0;
	bool kept = pinned ||
		    (pool->empty_pages < pool->stock.reserve_pages &&
		     (record->state & PAGE_VICTIM) == 0 && page < pool->compaction.first_victim);

	record->state = PAGE_BLOCKS;
	record->used_units = 0;
	record->owner_high = 0;
	pool->empty_pages++;
	if (kept && page_list_empty(pool, page))
		return;
	/* A pinned page that no record was to be had for goes when it is unmapped. */
	if (!pinned)
		xvi_page_give_back(pool, page);
}

void xvi_page_unlist_empty(struct xv_pool *pool, uint32_t page)
{
	struct xvi_hole *records = pool->holes.records;
	uint32_t at = free_lists_of(pool, page)->heads[pool->page_units];

	for (; at != 0; at = records[at].next) {
		if (records[at].page == page) {
			free_list_remove(pool, at);
			hole_give(pool, at);
			return;
		}
	}
}

int xvi_page_take_whole(struct xv_pool *pool, uint32_t state, uint32_t pad, uint32_t owner,
			uint32_t *page)
{
	uint32_t index = free_list_find(&pool->lists, pool->page_units);
	struct xvi_page *record;
	uint32_t number;
	int err;

	if (index != 0) {
		number = pool->holes.records[index].page;
		free_list_remove(pool, index);
		hole_give(pool, index);
	} else {
		err = xvi_page_take(pool, &number);
		if (err != 0)
			return err;
	}
	record = &pool->pages.records[number];
	record->state = (uint8_t)(state | (pad << PAGE_PAD_SHIFT));
	record->generation++;
	xvi_page_set_owner(record, owner);
	pool->empty_pages--;
	pool->pad_bytes += pad;
	pool->whole_page_count += state == PAGE_WHOLE;
	pool->part_page_count += state == PAGE_PART;
	*page = number;
	return 0;
}

int xvi_page_zero_whole(struct xv_pool *pool, uint32_t page)
{
	uint32_t *words = xvi_page_map(pool, page);

	if (words == NULL) {
		xvi_page_free_whole(pool, page);
		return -XV_EAGAIN;
	}
	memset(words, 0, pool->page_bytes);
	xvi_page_unmap(pool, page, words);
	return 0;
}

void xvi_page_free_whole(struct xv_pool *pool, uint32_t page)
{
	struct xvi_page *record = &pool->pages.records[page];

	pool->whole_page_count -= xvi_page_state(record) == PAGE_WHOLE;
	pool->part_page_count -= xvi_page_state(record) == PAGE_PART;
	pool->pad_bytes -= xvi_page_pad(record);
	record->generation++;
	xvi_page_emptied(pool, page);
}

/* With the table full, the record of the smallest hole, if that is shorter than this: it
 * is a free block without a record then. 0 when there is none. */
static uint32_t hole_steal(struct xv_pool *pool, uint32_t units)
{
	uint32_t index = free_list_find(&pool->lists, 1);
	const struct xvi_hole *hole = &pool->holes.records[index];
	uint32_t *words;

	if (index == 0 || hole->units >= units || pool->pages.records[hole->page].used_units == 0)
		return 0;
	words = xvi_page_map(pool, hole->page);
	if (words == NULL)
		return 0;
	free_list_remove(pool, index);
	free_words_put(pool, words, hole->first_unit, hole->units,
		       block_free_word(FREE_UNLISTED, hole->units));
	pool->unlisted_bytes += hole->units * (uint64_t)UNIT_BYTES;
	xvi_page_unmap(pool, hole->page, words);
	return index;
}

/* List the unlisted free blocks of a page. False when records were short. */
static bool relist_page(struct xv_pool *pool, uint32_t page, uint32_t *words, size_t *listed)
{
	uint32_t at = pool->first_unit;
	bool complete = true;

	while (at < pool->end_unit) {
		uint32_t word = words[at];
		uint32_t units = xvi_any_units(pool, word);

		if (block_is_free(word) && block_kind(word) == FREE_UNLISTED &&
		    units >= pool->dust_units) {
			uint32_t index = hole_take(pool);

			if (index == 0) {
				index = hole_steal(pool, units);
				complete = false;
			}
			if (index != 0) {
				pool->unlisted_bytes -= units * UNIT_BYTES;
				*listed += units * UNIT_BYTES;
				free_block_put(pool, words, page, at, units, index);
			}
		}
		at += units;
	}
	return complete;
}

size_t xvi_relist(struct xv_pool *pool, uint32_t max_pages)
{
	size_t listed = 0;
	uint32_t visits = max_pages;
	bool short_of_records = false;

	if (pool->relist_pages > pool->pages.capacity)
		pool->relist_pages = pool->pages.capacity;
	while (pool->unlisted_bytes != 0 && pool->relist_pages != 0 && visits-- > 0) {
		uint32_t page =
			pool->relist_cursor < pool->pages.capacity ? pool->relist_cursor : 0;
		struct xvi_page *record = &pool->pages.records[page];
		uint32_t *words;
		bool more;

		pool->relist_cursor = page + 1;
		pool->relist_pages--;
		if (xvi_own_page_state(pool, page) != PAGE_BLOCKS || record->used_units == 0)
			continue;
		words = xvi_page_map(pool, page);
		if (words == NULL)
			break;
		more = relist_page(pool, page, words, &listed);
		xvi_page_unmap(pool, page, words);
		short_of_records |= !more;
	}
	if (short_of_records)
		pool->relist_pages = UINT32_MAX;
	return listed;
}
