/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Allocation: choosing a hole, carving a block from it, and merging a freed block
 * with its neighbours. Owns the contents of headers and boundary tags; calls the
 * free lists, the tables and page mapping. Everything here runs under the pool's
 * lock and is O(1) apart from the provider, except xvi_relist.
 */
#include "free_list.h"
#include "table.h"

enum { RELIST_PAGES_PER_GROWTH = 8 };

/* Units of a block for size bytes: header added, rounded to the alignment. */
static inline uint32_t units_for(const struct xv_pool *pool, size_t size)
{
	uint32_t mask = pool->alignment - 1U;
	uint32_t units = (((uint32_t)size + BLOCK_HEADER_BYTES + mask) & ~mask) >> UNIT_SHIFT;

	return units < pool->block_min_units ? pool->block_min_units : units;
}

static inline void page_unmap(struct xv_pool *pool, uint32_t page, uint32_t *words)
{
	xvi_page_unmap(pool, page, words);
}

/* ---- free blocks ---- */

/*
 * Make [first, first + units) the free block of record `index` (0: of none), list it
 * and write its words. The block behind learns of it.
 */
static void free_block_put(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t first,
			   uint32_t units, uint32_t index)
{
	uint32_t end = first + units;
	uint32_t word;

	if (XVI_LIKELY(index != 0)) {
		struct xvi_hole *hole = &pool->holes.records[index];

		hole->page = page;
		hole->first_unit = (uint16_t)first;
		hole->units = (uint16_t)units;
		free_list_insert(pool, index);
		word = block_free_word(FREE_LISTED, index);
	} else {
		pool->unlisted_bytes += units * UNIT_BYTES;
		word = block_free_word(FREE_UNLISTED, units);
	}
	words[first] = word;
	if (end < pool->end_unit) {
		words[end - 1] = word;
		words[end] |= BLOCK_PREV_FREE;
	}
}

/* Take a free block, known by its word, out of the lists. Returns its record, which
 * is then the caller's, or 0; *units is its length. */
static uint32_t free_block_take(struct xv_pool *pool, uint32_t word, uint32_t *units)
{
	uint32_t value = block_free_value(word);

	if (XVI_UNLIKELY(block_kind(word) != FREE_LISTED)) {
		*units = value;
		pool->unlisted_bytes -= value * UNIT_BYTES;
		return 0;
	}
	*units = pool->holes.records[value].units;
	free_list_remove(pool, value);
	return value;
}

void xvi_release_units(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t first,
		       uint32_t units, bool prev_is_free)
{
	uint32_t end = first + units;
	uint32_t index = 0;
	uint32_t length;

	/* Inside the merged block the old header must not pass for one. */
	words[first] = block_free_word(FREE_UNLISTED, 0);
	if (prev_is_free) {
		index = free_block_take(pool, words[first - 1], &length);
		first -= length;
	}
	if (end < pool->end_unit && block_is_free(words[end])) {
		uint32_t other = free_block_take(pool, words[end], &length);

		end += length;
		if (index == 0)
			index = other;
		else if (other != 0)
			hole_give(pool, other);
	}
	if (pool->pages.records[page].used_units == 0) {
		if (index != 0)
			hole_give(pool, index);
		xvi_page_emptied(pool, page);
		return;
	}
	if (index == 0)
		index = hole_take(pool);
	free_block_put(pool, words, page, first, end - first, index);
}

/* ---- pages ---- */

int xvi_page_take(struct xv_pool *pool, uint32_t *page)
{
	struct xvi_page *record;
	uint32_t number;
	int err;

	if (pool->limit_bytes != 0 && xvi_held_bytes(pool) + pool->page_bytes > pool->limit_bytes)
		return -XV_ENOSPC;
	err = pool->provider->ops->page_alloc(pool->provider, &number);
	if (err != 0)
		return err;
	/* The page counts before its record is made, so that the limit covers both. */
	pool->page_count++;
	err = xvi_page_table_cover(pool, number);
	if (err != 0) {
		pool->page_count--;
		pool->provider->ops->page_free(pool->provider, number);
		return err;
	}
	record = &pool->pages.records[number];
	record->state = PAGE_BLOCKS;
	record->used_units = 0;
	record->pins = 0;
	pool->page_allocs++;
	pool->empty_pages++;
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
	pool->provider->ops->page_free(pool->provider, page);
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

	record->state = PAGE_BLOCKS;
	pool->empty_pages++;
	if ((pinned || pool->empty_pages <= pool->reserve_pages) && page_list_empty(pool, page))
		return;
	/* A pinned page that no record was to be had for goes when it is unmapped. */
	if (!pinned)
		xvi_page_give_back(pool, page);
}

void xvi_page_unlist_empty(struct xv_pool *pool, uint32_t page)
{
	struct xvi_hole *records = pool->holes.records;
	uint32_t head = pool->lists.heads[free_list_index(pool->page_units)];
	uint32_t at = head;

	if (head == 0)
		return;
	do {
		if (records[at].page == page && records[at].units == pool->page_units) {
			free_list_remove(pool, at);
			hole_give(pool, at);
			return;
		}
		at = records[at].next;
	} while (at != head);
}

/* ---- carving ---- */

/* Write the header of a used block and count it. */
static xv_handle used_block_put(struct xv_pool *pool, uint32_t *words, uint32_t page,
				uint32_t first, uint32_t units, size_t size, uint32_t prev_flag)
{
	struct xvi_page *record = &pool->pages.records[page];
	uint32_t pad = units * UNIT_BYTES - BLOCK_HEADER_BYTES - (uint32_t)size;
	uint32_t generation = ++record->generation & pool->generation_mask;
	uint32_t check = xvi_place_hash(pool, page, first) & BLOCK_CHECK_MASK;

	XVI_ASSERT(pad <= BLOCK_PAD_MAX);
	words[first] = (generation << (BLOCK_UNITS_SHIFT + pool->unit_bits)) |
		       ((units - 1U) << BLOCK_UNITS_SHIFT) | (check << BLOCK_CHECK_SHIFT) |
		       (pad << BLOCK_PAD_SHIFT) | (BLOCK_WHOLE << BLOCK_KIND_SHIFT) | prev_flag;
	pool->empty_pages -= record->used_units == 0;
	record->used_units = (uint16_t)(record->used_units + units);
	pool->object_count++;
	pool->mallocs++;
	pool->requested_bytes += size;
	pool->pad_bytes += pad;
	return xvi_handle_make(pool, page, first, generation, false);
}

/*
 * Carve a block from the front of the free space [first, first + avail), which record
 * `index` (0: none, a fresh page) describes and which is in no list any more. What is
 * left over stays free under the same record.
 *
 *   [ free: avail            ]  =>  [ used: units ][ free: avail - units ]
 */
static xv_handle carve_front(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t first,
			     uint32_t avail, uint32_t index, uint32_t units, size_t size)
{
	uint32_t rest = avail - units;
	uint32_t end = first + avail;

	if (rest < BLOCK_SPLIT_MIN_UNITS) {
		units = avail;
		if (index != 0)
			hole_give(pool, index);
		if (end < pool->end_unit)
			words[end] &= ~(uint32_t)BLOCK_PREV_FREE;
	} else {
		if (index == 0)
			index = hole_take(pool);
		free_block_put(pool, words, page, first + units, rest, index);
	}
	return used_block_put(pool, words, page, first, units, size, 0);
}

/*
 * The same with `lead` units left free in front, for an aligned payload.
 *
 *   [ free: avail              ]  =>  [ free: lead ][ used: units ][ free: rest ]
 */
static xv_handle carve_aligned(struct xv_pool *pool, uint32_t *words, uint32_t page,
			       uint32_t first, uint32_t avail, uint32_t index, uint32_t lead,
			       uint32_t units, size_t size)
{
	xv_handle handle;

	if (lead == 0)
		return carve_front(pool, words, page, first, avail, index, units, size);
	handle = carve_front(pool, words, page, first + lead, avail - lead, index, units, size);
	/* The record went to the rest, or was given back: the lead takes another. The
	 * header just written learns of the lead from free_block_put. */
	free_block_put(pool, words, page, first, lead, hole_take(pool));
	return handle;
}

/* Units to leave free at first, so that the payload is aligned: 0, or enough to be a
 * free block worth having. */
static uint32_t lead_units(uint32_t first, size_t alignment)
{
	uint32_t offset = first * UNIT_BYTES + BLOCK_HEADER_BYTES;
	uint32_t mask = (uint32_t)alignment - 1U;
	uint32_t lead = (((offset + mask) & ~mask) - offset) / UNIT_BYTES;

	while (lead != 0 && lead < BLOCK_SPLIT_MIN_UNITS)
		lead += (uint32_t)alignment / UNIT_BYTES;
	return lead;
}

/* Carve from a hole of the lists. */
static int malloc_from_hole(struct xv_pool *pool, uint32_t index, uint32_t units, size_t size,
			    size_t alignment, xv_handle *handle)
{
	struct xvi_hole *hole = &pool->holes.records[index];
	uint32_t page = hole->page;
	uint32_t first = hole->first_unit;
	uint32_t avail = hole->units;
	uint32_t *words = xvi_page_map(pool, page);

	if (words == NULL)
		return -XV_EAGAIN;
	free_list_remove(pool, index);
	if (XVI_LIKELY(alignment <= pool->alignment))
		*handle = carve_front(pool, words, page, first, avail, index, units, size);
	else
		*handle = carve_aligned(pool, words, page, first, avail, index,
					lead_units(first, alignment), units, size);
	page_unmap(pool, page, words);
	return 0;
}

static int malloc_from_new_page(struct xv_pool *pool, uint32_t units, size_t size,
				size_t alignment, xv_handle *handle)
{
	uint32_t *words;
	uint32_t page;
	int err = xvi_page_take(pool, &page);

	if (err != 0)
		return err;
	words = xvi_page_map(pool, page);
	if (words == NULL) {
		xvi_page_give_back(pool, page);
		return -XV_EAGAIN;
	}
	*handle = carve_aligned(pool, words, page, pool->first_unit, pool->page_units, 0,
				alignment <= pool->alignment ? 0
							     : lead_units(pool->first_unit, alignment),
				units, size);
	page_unmap(pool, page, words);
	return 0;
}

/* An object that leaves no room for a header has a page to itself. */
static int malloc_whole_page(struct xv_pool *pool, size_t size, xv_handle *handle)
{
	uint32_t index = free_list_find(pool, pool->page_units);
	struct xvi_page *record;
	uint32_t page;
	int err;

	if (index != 0) {
		page = pool->holes.records[index].page;
		free_list_remove(pool, index);
		hole_give(pool, index);
	} else {
		err = xvi_page_take(pool, &page);
		if (err != 0)
			return err;
	}
	record = &pool->pages.records[page];
	record->state = PAGE_WHOLE;
	record->whole_pad = (uint16_t)(pool->page_bytes - size);
	record->generation++;
	pool->empty_pages--;
	pool->object_count++;
	pool->whole_page_count++;
	pool->mallocs++;
	pool->requested_bytes += size;
	pool->pad_bytes += record->whole_pad;
	*handle = xvi_handle_make(pool, page, 0, record->generation, true);
	return 0;
}

/* A hole that the request fits in, at its alignment; 0 when there is none. */
static uint32_t find_hole(const struct xv_pool *pool, uint32_t units, size_t alignment)
{
	uint32_t index = free_list_find(pool, units);

	if (XVI_LIKELY(alignment <= pool->alignment) || index == 0 ||
	    lead_units(pool->holes.records[index].first_unit, alignment) + units <=
		    pool->holes.records[index].units)
		return index;
	/* Large enough wherever it begins. */
	return free_list_find(pool, units + (uint32_t)alignment / UNIT_BYTES +
					    BLOCK_SPLIT_MIN_UNITS);
}

/* No hole is listed: look among the unlisted, then grow. */
static int malloc_slow(struct xv_pool *pool, uint32_t units, size_t size, size_t alignment,
		       xv_handle *handle)
{
	uint32_t index;
	int err;

	if (xvi_relist(pool, RELIST_PAGES_PER_GROWTH) != 0) {
		index = find_hole(pool, units, alignment);
		if (index != 0)
			return malloc_from_hole(pool, index, units, size, alignment, handle);
	}
	err = malloc_from_new_page(pool, units, size, alignment, handle);
	if (err == 0 || xvi_relist(pool, UINT32_MAX) == 0)
		return err;
	index = find_hole(pool, units, alignment);
	return index != 0 ? malloc_from_hole(pool, index, units, size, alignment, handle) : err;
}

int xvi_malloc_locked(struct xv_pool *pool, size_t size, size_t alignment, xv_handle *handle)
{
	uint32_t index, units, lead = 0;
	int err;

	if (XVI_UNLIKELY(size == 0))
		return -XV_EINVAL;
	if (XVI_UNLIKELY(size > pool->page_bytes))
		return -XV_E2BIG;
	units = units_for(pool, size);
	if (XVI_UNLIKELY(alignment > pool->alignment))
		lead = lead_units(pool->first_unit, alignment);
	if (XVI_UNLIKELY(units + lead > pool->page_units)) {
		err = malloc_whole_page(pool, size, handle);
	} else {
		index = find_hole(pool, units, alignment);
		err = index != 0 ? malloc_from_hole(pool, index, units, size, alignment, handle)
				 : malloc_slow(pool, units, size, alignment, handle);
	}
	if (XVI_UNLIKELY(err != 0))
		pool->failures++;
	xvi_debug_check(pool);
	return err;
}

/* ---- freeing and resizing ---- */

static void free_whole_page(struct xv_pool *pool, uint32_t page)
{
	struct xvi_page *record = &pool->pages.records[page];

	pool->whole_page_count--;
	pool->pad_bytes -= record->whole_pad;
	record->whole_pad = 0;
	record->used_units = 0;
	record->generation++;
	xvi_page_emptied(pool, page);
}

void xvi_free_located(struct xv_pool *pool, const struct xvi_location *where)
{
	struct xvi_page *record = &pool->pages.records[where->page];
	size_t size = xvi_object_bytes(pool, where);

	pool->object_count--;
	pool->frees++;
	pool->requested_bytes -= size;
	if (XVI_UNLIKELY(where->whole_page)) {
		free_whole_page(pool, where->page);
	} else {
		uint32_t units = block_units(where->header, pool->unit_bits);
		uint32_t *words = where->words;

		pool->pad_bytes -= block_pad(where->header);
		record->used_units = (uint16_t)(record->used_units - units);
		xvi_release_units(pool, words, where->page, where->unit, units,
				  block_prev_is_free(where->header));
		page_unmap(pool, where->page, words);
	}
	xvi_debug_check(pool);
}

/* Let the located block be `units` long and hold size bytes; counters follow. */
static void block_retag(struct xv_pool *pool, struct xvi_location *where, uint32_t units,
			size_t size)
{
	struct xvi_page *record = &pool->pages.records[where->page];
	uint32_t old_units = block_units(where->header, pool->unit_bits);
	uint32_t pad = units * UNIT_BYTES - BLOCK_HEADER_BYTES - (uint32_t)size;

	XVI_ASSERT(pad <= BLOCK_PAD_MAX);
	pool->requested_bytes += size - xvi_object_bytes(pool, where);
	pool->pad_bytes += (uint64_t)pad - block_pad(where->header);
	record->used_units = (uint16_t)(record->used_units + units - old_units);
	where->header = block_resized(where->header, pool->unit_bits, units, pad);
	where->words[where->unit] = where->header;
}

/* Grow into the free block behind, of which a part may stay free. */
static bool resize_into_next(struct xv_pool *pool, struct xvi_location *where, uint32_t want,
			     size_t size)
{
	uint32_t have = block_units(where->header, pool->unit_bits);
	uint32_t next = where->unit + have;
	uint32_t index, length, end;

	if (next >= pool->end_unit || !block_is_free(where->words[next]) ||
	    have + xvi_free_units(pool, where->words[next]) < want)
		return false;
	index = free_block_take(pool, where->words[next], &length);
	end = next + length;
	if (have + length - want < BLOCK_SPLIT_MIN_UNITS) {
		want = have + length;
		if (index != 0)
			hole_give(pool, index);
		if (end < pool->end_unit)
			where->words[end] &= ~(uint32_t)BLOCK_PREV_FREE;
	} else {
		free_block_put(pool, where->words, where->page, where->unit + want,
			       have + length - want, index);
	}
	block_retag(pool, where, want, size);
	return true;
}

static void resize_shrink(struct xv_pool *pool, struct xvi_location *where, uint32_t want,
			  size_t size)
{
	uint32_t have = block_units(where->header, pool->unit_bits);
	uint32_t next = where->unit + have;
	bool joins = next < pool->end_unit && block_is_free(where->words[next]);

	if (have - want < BLOCK_SPLIT_MIN_UNITS && !(joins && have > want))
		want = have;
	block_retag(pool, where, want, size);
	if (want < have)
		xvi_release_units(pool, where->words, where->page, where->unit + want, have - want,
				  false);
}

static bool resize_whole_page(struct xv_pool *pool, const struct xvi_location *where, size_t size)
{
	struct xvi_page *record = &pool->pages.records[where->page];

	if (units_for(pool, size) <= pool->page_units)
		return false;
	pool->requested_bytes += size - xvi_object_bytes(pool, where);
	pool->pad_bytes += pool->page_bytes - size - record->whole_pad;
	record->whole_pad = (uint16_t)(pool->page_bytes - size);
	return true;
}

bool xvi_resize_in_place(struct xv_pool *pool, struct xvi_location *where, size_t size)
{
	uint32_t want = units_for(pool, size);

	if (where->whole_page)
		return resize_whole_page(pool, where, size);
	if (want > block_units(where->header, pool->unit_bits))
		return resize_into_next(pool, where, want, size);
	resize_shrink(pool, where, want, size);
	return true;
}

/* ---- unlisted free blocks ---- */

/* List the unlisted free blocks of a page. False when records have run out. */
static bool relist_page(struct xv_pool *pool, uint32_t page, uint32_t *words, size_t *listed)
{
	uint32_t at = pool->first_unit;

	while (at < pool->end_unit) {
		uint32_t word = words[at];
		uint32_t units = xvi_any_units(pool, word);

		if (block_is_free(word) && block_kind(word) == FREE_UNLISTED) {
			uint32_t index = hole_take(pool);

			if (index == 0)
				return false;
			pool->unlisted_bytes -= units * UNIT_BYTES;
			*listed += units * UNIT_BYTES;
			free_block_put(pool, words, page, at, units, index);
		}
		at += units;
	}
	return true;
}

size_t xvi_relist(struct xv_pool *pool, uint32_t max_pages)
{
	size_t listed = 0;
	uint32_t visits = max_pages < pool->pages.capacity ? max_pages : pool->pages.capacity;

	while (pool->unlisted_bytes != 0 && visits-- > 0) {
		uint32_t page = pool->relist_cursor < pool->pages.capacity ? pool->relist_cursor : 0;
		struct xvi_page *record = &pool->pages.records[page];
		uint32_t *words;
		bool more;

		pool->relist_cursor = page + 1;
		if (record->state != PAGE_BLOCKS || record->used_units == 0)
			continue;
		words = xvi_page_map(pool, page);
		if (words == NULL)
			break;
		more = relist_page(pool, page, words, &listed);
		page_unmap(pool, page, words);
		if (!more)
			break;
	}
	return listed;
}
