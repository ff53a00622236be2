/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Allocation: choosing a hole, or a block of the stock, and carving the object from it.
 * Calls the free lists, the tables, pages, and split.c and large.c for what is no single
 * block. Everything here runs under the pool's lock and is O(1) apart from the provider.
 */
#include "carve.h"
#include "stock.h"

enum {
	RELIST_PAGES_PER_GROWTH = 8,

	/* Free units for a thousand used ones below which an object that fits nowhere whole
	 * takes a new page and is not split: where objects come and go, and where none was
	 * freed since the last time. See growth_is_better. */
	GROW_PERMILLE = 8,
	GROW_PERMILLE_FILL = 2,

	SERVED_ELSEWHERE = 1, /* not an error: another shard had room, and has counted it */
};

/* ---- choosing and carving ---- */

/*
 * Carve with `lead` units left free in front, for an aligned payload.
 *
 *   [ free: avail              ]  =>  [ free: lead ][ used: units ][ free: rest ]
 */
static xv_handle carve_aligned(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t first,
			       uint32_t avail, uint32_t index, uint32_t lead,
			       const struct xvi_new_block *block)
{
	xv_handle handle;

	if (lead == 0)
		return carve_front(pool, words, page, first, avail, index, block);
	handle = carve_front(pool, words, page, first + lead, avail - lead, index, block);
	/* The record went to the rest, or was given back: the lead takes another. The
	 * header just written learns of the lead from free_block_put. */
	free_block_put(pool, words, page, first, lead, 0);
	return handle;
}

/* Units to leave free at first, so that the payload is aligned: 0, or enough to be a
 * free block worth having. */
static uint32_t lead_units(const struct xv_pool *pool, uint32_t first, size_t alignment)
{
	uint32_t offset = first * UNIT_BYTES + pool->prefix_bytes;
	uint32_t mask = (uint32_t)alignment - 1U;
	uint32_t lead;

	if (XVI_LIKELY(alignment <= pool->alignment))
		return 0;
	lead = (((offset + mask) & ~mask) - offset) / UNIT_BYTES;
	while (lead != 0 && lead < BLOCK_SPLIT_MIN_UNITS)
		lead += (uint32_t)alignment / UNIT_BYTES;
	return lead;
}

/* Carve from a hole of the lists. */
static int malloc_from_hole(struct xv_pool *pool, uint32_t index, size_t alignment,
			    const struct xvi_new_block *block, xv_handle *handle)
{
	struct xvi_hole *hole = &pool->holes.records[index];
	uint32_t page = hole->page;
	uint32_t first = hole->first_unit;
	uint32_t avail = hole->units;
	uint32_t *words = xvi_page_map(pool, page);

	if (words == NULL)
		return -XV_EAGAIN;
	free_list_remove(pool, index);
	*handle = carve_aligned(pool, words, page, first, avail, index,
				lead_units(pool, first, alignment), block);
	xvi_page_unmap(pool, page, words);
	return 0;
}

static int malloc_from_new_page(struct xv_pool *pool, size_t alignment,
				const struct xvi_new_block *block, xv_handle *handle)
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
				lead_units(pool, pool->first_unit, alignment), block);
	xvi_page_unmap(pool, page, words);
	return 0;
}

/* A hole of these lists that the block fits in, at its alignment; 0 when there is none. */
static inline uint32_t find_in_lists(const struct xv_pool *pool, const struct xvi_free_lists *lists,
				     uint32_t units, size_t alignment)
{
	uint32_t index = free_list_find(lists, units);

	if (XVI_LIKELY(alignment <= pool->alignment) || index == 0 ||
	    lead_units(pool, pool->holes.records[index].first_unit, alignment) + units <=
		    pool->holes.records[index].units)
		return index;
	/* Large enough wherever it begins. */
	return free_list_find(lists,
			      units + (uint32_t)alignment / UNIT_BYTES + BLOCK_SPLIT_MIN_UNITS);
}

static inline uint32_t find_hole(const struct xv_pool *pool, uint32_t units, size_t alignment)
{
	uint32_t index = find_in_lists(pool, &pool->lists, units, alignment);

	/* Pages that compaction is emptying are used before the pool grows. */
	if (XVI_UNLIKELY(index == 0))
		index = find_in_lists(pool, &pool->victim_lists, units, alignment);
	return index;
}

/*
 * Splitting packs a pool to the last byte, but the small holes that fragments leave when
 * they are freed fit nothing whole, so that ever more objects are split: a pool that has
 * little free settles at more free space, and slower, than one that first takes a few
 * pages more. Below 1% free it grows; above, holes are plenty, and what still fits
 * nowhere is split. A pool that is only being filled needs no such room (bench/README.md
 * has the figures).
 */
static bool growth_is_better(struct xv_pool *pool)
{
	uint64_t whole = pool->whole_page_count + pool->part_page_count;
	uint64_t pages = pool->page_count - pool->empty_pages - whole;
	uint64_t used = xvi_used_units(pool) + pool->stock.bytes / UNIT_BYTES;
	uint64_t all = pages * pool->page_units;
	uint64_t unused = all > used ? all - used : 0;
	uint64_t permille = pool->frees != pool->frees_at_growth
				    ? GROW_PERMILLE + pool->stock.permille
				    : GROW_PERMILLE_FILL;

	pool->frees_at_growth = pool->frees;
	return unused * 1000 < used * permille;
}

/* Try the lists once more, after something was put into them. -XV_ENOMEM: still nothing. */
static int malloc_again(struct xv_pool *pool, const struct xvi_request *request,
			const struct xvi_new_block *block, xv_handle *handle)
{
	uint32_t index = find_hole(pool, block->units, request->alignment);

	return index != 0 ? malloc_from_hole(pool, index, request->alignment, block, handle)
			  : -XV_ENOMEM;
}

/* No hole is listed: look among the unlisted, and at what quick reuse keeps; split; grow. */
static XVI_NOINLINE int malloc_slow(struct xv_pool *pool, const struct xvi_request *request,
				    const struct xvi_new_block *block, xv_handle *handle)
{
	bool may_split = (pool->flags & XV_POOL_SPLIT) != 0 && !request->one_block;
	bool grow = !may_split || growth_is_better(pool);
	int err = -XV_ENOMEM;

	if (xvi_relist(pool, RELIST_PAGES_PER_GROWTH) != 0)
		err = malloc_again(pool, request, block, handle);
	if (err == -XV_ENOMEM && !grow)
		err = xvi_malloc_split(pool, request, false, handle);
	if (err == -XV_ENOMEM && !may_split && xvi_stock_yield(pool) != 0)
		err = malloc_again(pool, request, block, handle);
	if (err == -XV_ENOMEM && pool->shared != NULL && !request->here &&
	    xvi_malloc_elsewhere(pool, request, handle) == 0)
		return SERVED_ELSEWHERE;
	if (err == -XV_ENOMEM && grow)
		err = malloc_from_new_page(pool, request->alignment, block, handle);
	if (err != 0 && err != -XV_EAGAIN && may_split)
		err = xvi_malloc_split(pool, request, true, handle);
	if (err == 0 || (xvi_stock_drain(pool) == 0 && xvi_relist(pool, UINT32_MAX) == 0))
		return err;
	return malloc_again(pool, request, block, handle) == 0 ? 0 : err;
}

/* An object that leaves no room for a header has a page to itself. */
static int malloc_whole_page(struct xv_pool *pool, const struct xvi_request *request,
			     xv_handle *handle)
{
	size_t pad = pool->page_bytes - request->size;
	uint32_t page;
	int err;

	/* What aligning leaves no room for, and is too small for a page record to tell. */
	if (pad > PAGE_PAD_MAX)
		return -XV_E2BIG;
	if ((pool->flags & XV_POOL_SPLIT) != 0 && !request->one_block &&
	    free_list_find(&pool->lists, pool->page_units) == 0 &&
	    xvi_malloc_split(pool, request, false, handle) == 0)
		return 0;
	err = xvi_page_take_whole(pool, PAGE_WHOLE, (uint32_t)pad, request->owner, &page);
	if (err == 0 && request->zero)
		err = xvi_page_zero_whole(pool, page);
	if (err == 0)
		*handle =
			xvi_handle_make(pool, page, 0, pool->pages.records[page].generation, true);
	return err;
}

static XVI_NOINLINE int malloc_unusual(struct xv_pool *pool, const struct xvi_request *request,
				       xv_handle *handle)
{
	if (request->size == 0)
		return -XV_EINVAL;
	if (request->size <= pool->page_bytes)
		return malloc_whole_page(pool, request, handle);
	if (request->size > pool->max_size || request->one_block)
		return -XV_E2BIG;
	return xvi_malloc_large(pool, request, handle);
}

static inline void note_malloc(struct xv_pool *pool, size_t size)
{
	pool->object_count++;
	pool->mallocs++;
	pool->requested_bytes += size;
}

static int malloc_uncounted(struct xv_pool *pool, const struct xvi_request *request,
			    xv_handle *handle)
{
	struct xvi_new_block block;
	uint32_t index;

	if (XVI_UNLIKELY(request->size - 1 >= pool->page_bytes))
		return malloc_unusual(pool, request, handle);
	block = new_block(pool, BLOCK_WHOLE, (uint32_t)request->size, request->owner);
	block.zero = request->zero;
	note_request(pool, block.units);
	if (XVI_UNLIKELY(block.units + lead_units(pool, pool->first_unit, request->alignment) >
			 pool->page_units))
		return malloc_unusual(pool, request, handle);
	index = find_hole(pool, block.units, request->alignment);
	return index != 0 ? malloc_from_hole(pool, index, request->alignment, &block, handle)
			  : malloc_slow(pool, request, &block, handle);
}

int xvi_malloc_locked(struct xv_pool *pool, const struct xvi_request *request, xv_handle *handle)
{
	uint32_t kept = pool->stock.count + pool->stock.pending_count;
	int err = malloc_uncounted(pool, request, handle);

	/* What quick reuse keeps, and the frees that wait, may be whole pages. */
	if (XVI_UNLIKELY(kept != 0 && (err == -XV_ENOMEM || err == -XV_ENOSPC))) {
		(void)xvi_stock_drain(pool);
		err = malloc_uncounted(pool, request, handle);
	}
	if (XVI_LIKELY(err == 0))
		note_malloc(pool, request->size);
	else if (err != SERVED_ELSEWHERE)
		pool->failures++;
	xvi_debug_check(pool);
	return err == SERVED_ELSEWHERE ? 0 : err;
}

int xvi_malloc_from_holes(struct xv_pool *pool, const struct xvi_request *request,
			  xv_handle *handle)
{
	struct xvi_new_block block;
	uint32_t index;
	int err = -XV_ENOMEM;

	if (request->size - 1 >= pool->page_bytes)
		return -XV_ENOMEM;
	block = new_block(pool, BLOCK_WHOLE, (uint32_t)request->size, request->owner);
	block.zero = request->zero;
	index = find_hole(pool, block.units, request->alignment);
	if (index != 0)
		err = malloc_from_hole(pool, index, request->alignment, &block, handle);
	else if ((pool->flags & XV_POOL_SPLIT) != 0 && !request->one_block &&
		 !growth_is_better(pool))
		err = xvi_malloc_split(pool, request, false, handle);
	if (err == 0)
		note_malloc(pool, request->size);
	return err;
}

/* A block of the stock for so many units is an object again; XV_NULL_HANDLE: none fits. */
XVI_ALWAYS_INLINE xv_handle malloc_from_stock(struct xv_pool *pool,
					      const struct xvi_new_block *block)
{
	uint32_t index = xvi_stock_find(pool, block->units);
	struct xvi_hole hole;
	struct xvi_page *record;
	uint32_t *words, generation, hash, pad;

	if (index == 0)
		return XV_NULL_HANDLE;
	hole = pool->holes.records[index];
	pad = hole.units * (uint32_t)UNIT_BYTES - BLOCK_HEADER_BYTES - block->content;
	if (pad > BLOCK_PAD_MAX ||
	    hole.units - block->units > block->units >> pool->stock.slack_shift)
		return XV_NULL_HANDLE;
	stock_set_head(&pool->stock, stock_bin(hole.units), hole.next);
	pool->stock.count--;
	pool->stock.bytes -= hole.units * UNIT_BYTES;
	pool->stock.reuses++;
	hole_give(pool, index);
	record = &pool->pages.records[hole.page];
	words = (uint32_t *)(void *)(pool->base + ((size_t)hole.page << pool->page_shift));
	generation = ++record->generation & pool->generation_mask;
	hash = xvi_place_hash(pool, hole.page, hole.first_unit);
	words[hole.first_unit] =
		block_used_word(pool->unit_bits, BLOCK_WHOLE, hole.units, pad, hash, generation) |
		(words[hole.first_unit] & BLOCK_PREV_FREE);
	if (pool->owner_bytes != 0)
		words[hole.first_unit + 1] = block->owner;
	pool->block_count++;
	pool->pad_bytes += pad;
	return xvi_handle_pack(pool, hole.page, hole.first_unit * UNIT_BYTES + pool->prefix_bytes,
			       hash, generation);
}

/*
 * The common malloc: of less than a page, where pages are always addressable and a hole
 * that fits is listed. False when it is not that, with nothing changed.
 */
XVI_ALWAYS_INLINE bool malloc_plain(struct xv_pool *pool, size_t size, uint32_t owner,
				    xv_handle *handle)
{
	struct xvi_new_block block = {.kind = BLOCK_WHOLE, .owner = owner};
	uint32_t index, list, page;

	if (XVI_UNLIKELY(size - 1 >= pool->page_bytes || pool->base == NULL))
		return false;
	block.content = (uint32_t)size + pool->owner_bytes;
	block.units = units_for_content(pool, block.content);
	if (XVI_UNLIKELY(block.units < pool->dust_units))
		return false;
	if (pool->stock.count != 0) {
		*handle = malloc_from_stock(pool, &block);
		if (*handle != XV_NULL_HANDLE) {
			note_malloc(pool, size);
			return true;
		}
	}
	list = free_list_next(&pool->lists, block.units);
	if (XVI_UNLIKELY(list == UINT32_MAX))
		return false;
	index = free_list_pop(pool, &pool->lists, list);
	page = pool->holes.records[index].page;
	*handle = carve_front_of(
		pool, &pool->lists,
		(uint32_t *)(void *)(pool->base + ((size_t)page << pool->page_shift)), page,
		pool->holes.records[index].first_unit, list, index, &block);
	note_malloc(pool, size);
	return true;
}

bool xvi_malloc_quick(struct xv_pool *pool, size_t size, uint32_t owner, xv_handle *handle)
{
	bool done = malloc_plain(pool, size, owner, handle);

	xvi_debug_check(pool);
	return done;
}

static XVI_NOINLINE int malloc_not_plain(struct xv_pool *pool, size_t size, uint32_t owner,
					 xv_handle *handle)
{
	const struct xvi_request request = {.size = size, .alignment = 1, .owner = owner};

	return xvi_malloc_locked(pool, &request, handle);
}

int xvi_malloc_simple(struct xv_pool *pool, size_t size, uint32_t owner, xv_handle *handle)
{
	if (XVI_UNLIKELY(!malloc_plain(pool, size, owner, handle)))
		return malloc_not_plain(pool, size, owner, handle);
	xvi_debug_check(pool);
	return 0;
}
