/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Freeing an object, keeping its block for quick reuse or joining it with its neighbours,
 * and resizing one where it is. Calls the free lists, the tables, pages, the stock, and
 * split.c and large.c for what is no single block. Everything here runs under the pool's
 * lock and is O(fragments) apart from the provider.
 */
#include "carve.h"
#include "stock.h"

/*
 * List [first, first + units), just merged, under a record of one of its parts: of the
 * first, whose words are right but for the last one; or of the last, whose last word is.
 */
XVI_ALWAYS_INLINE void merged_put(struct xv_pool *pool, struct xvi_free_lists *lists,
				  uint32_t *words, uint32_t first, uint32_t units, uint32_t index,
				  bool has_first)
{
	struct xvi_hole *hole = &pool->holes.records[index];
	uint32_t word = block_free_word(FREE_LISTED, index);
	uint32_t end = first + units;

	hole->first_unit = (uint16_t)first;
	hole->units = (uint16_t)units;
	free_list_push(pool, lists, index);
	if (!has_first) {
		words[first] = word;
	} else if (end < pool->end_unit) {
		words[end - 1] = word;
		words[end] |= BLOCK_PREV_FREE;
	}
}

/*
 * The free neighbours of a block that goes, by their words; 0 where there is none. Both
 * out of the lists, which is why the caller tells which lists.
 *
 *   [prev: free ][ used: first .. end ][next: free ]  =>  [ first                  end ]
 */
struct merge {
	uint32_t first;
	uint32_t end;
	uint32_t prev_index;
	uint32_t next_index;
};

XVI_ALWAYS_INLINE void merge_prev(struct xv_pool *pool, struct xvi_free_lists *lists,
				  uint32_t *words, struct merge *merge)
{
	uint32_t word = words[merge->first - 1];
	uint32_t units = block_free_value(word);

	/* Inside the merged block the old header must not pass for one. */
	words[merge->first] = block_free_word(FREE_UNLISTED, 0);
	if (XVI_LIKELY(block_kind(word) == FREE_LISTED)) {
		merge->prev_index = units;
		units = pool->holes.records[merge->prev_index].units;
		free_list_unlink(pool, lists, merge->prev_index);
	} else {
		pool->unlisted_bytes -= units * UNIT_BYTES;
	}
	merge->first -= units;
}

XVI_ALWAYS_INLINE void merge_next(struct xv_pool *pool, struct xvi_free_lists *lists, uint32_t word,
				  struct merge *merge)
{
	uint32_t units = block_free_value(word);

	if (XVI_LIKELY(block_kind(word) == FREE_LISTED)) {
		merge->next_index = units;
		units = pool->holes.records[merge->next_index].units;
		free_list_unlink(pool, lists, merge->next_index);
	} else {
		pool->unlisted_bytes -= units * UNIT_BYTES;
	}
	merge->end += units;
}

/* Give the records of merged neighbours back. */
static void merge_forget(struct xv_pool *pool, const struct merge *merge)
{
	if (merge->prev_index != 0)
		hole_give(pool, merge->prev_index);
	if (merge->next_index != 0)
		hole_give(pool, merge->next_index);
}

/* List what a merge made. A neighbour's record is kept where there is one, so that the
 * words that name it need not be written again. */
XVI_ALWAYS_INLINE void merge_put(struct xv_pool *pool, struct xvi_free_lists *lists,
				 uint32_t *words, uint32_t page, const struct merge *merge)
{
	uint32_t units = merge->end - merge->first;

	if (merge->prev_index != 0) {
		if (merge->next_index != 0)
			hole_give(pool, merge->next_index);
		merged_put(pool, lists, words, merge->first, units, merge->prev_index, true);
	} else if (merge->next_index != 0) {
		merged_put(pool, lists, words, merge->first, units, merge->next_index, false);
	} else {
		free_block_put(pool, words, page, merge->first, units, 0);
	}
}

XVI_ALWAYS_INLINE void release_units(struct xv_pool *pool, struct xvi_page *record, uint32_t *words,
				     uint32_t page, uint32_t first, uint32_t units,
				     bool prev_is_free)
{
	struct merge merge = {.first = first, .end = first + units};
	struct xvi_free_lists *lists = free_lists_of(pool, page);
	uint32_t word = merge.end < pool->end_unit ? words[merge.end] : 0;

	if (prev_is_free)
		merge_prev(pool, lists, words, &merge);
	if (block_is_free(word))
		merge_next(pool, lists, word, &merge);
	if (XVI_UNLIKELY(record->used_units == 0)) {
		words[first] = block_free_word(FREE_UNLISTED, 0);
		merge_forget(pool, &merge);
	} else {
		merge_put(pool, lists, words, page, &merge);
	}
}

void xvi_release_units(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t first,
		       uint32_t units, bool prev_is_free)
{
	release_units(pool, &pool->pages.records[page], words, page, first, units, prev_is_free);
}

void xvi_free_block(struct xv_pool *pool, const struct xvi_location *where)
{
	struct xvi_page *record = &pool->pages.records[where->page];
	uint32_t units = block_units(where->header, pool->unit_bits);

	pool->pad_bytes -= block_pad(where->header);
	pool->block_count--;
	pool->linkage_bytes -= xvi_link_cost(pool, where->header);
	pool->fragment_count -= block_kind_is_fragment(block_kind(where->header));
	record->used_units = (uint16_t)(record->used_units - units);
	xvi_release_units(pool, where->words, where->page, where->unit, units,
			  block_prev_is_free(where->header));
	/* Not before it is unmapped may the page go. */
	xvi_page_unmap(pool, where->page, where->words);
	if (record->used_units == 0)
		xvi_page_emptied(pool, where->page);
}

static bool free_mapped(struct xv_pool *pool, uint32_t page, uint32_t unit)
{
	struct xvi_location where = {.page = page, .unit = unit};

	where.words = xvi_page_map(pool, page);
	if (where.words == NULL)
		return false;
	where.header = where.words[unit];
	xvi_free_block(pool, &where);
	return true;
}

void xvi_free_block_at(struct xv_pool *pool, uint32_t page, uint32_t unit)
{
	if (XVI_LIKELY(free_mapped(pool, page, unit)))
		return;
	/* The pool keeps slots of the window for itself, but others may share it. */
	XVI_ASSERT(pool->orphan_count < ORPHANS_MAX);
	pool->orphan[pool->orphan_count++] = (struct xvi_orphan){page, unit};
}

/* Not counted as an object any more: so count it again before freeing it. */
static bool doomed_free(struct xv_pool *pool)
{
	xv_handle handle = pool->doomed;
	uint64_t bytes = pool->doomed_bytes;
	struct xvi_location where;

	if (xvi_locate(pool, handle, TRUST_HANDLE, &where) != 0)
		return false;
	pool->doomed = XV_NULL_HANDLE;
	pool->doomed_bytes = 0;
	pool->object_count++;
	pool->requested_bytes += bytes;
	if (xvi_free_located(pool, &where) == 0) {
		pool->frees--;
		return true;
	}
	pool->object_count--;
	pool->requested_bytes -= bytes;
	pool->doomed = handle;
	pool->doomed_bytes = bytes;
	return false;
}

void xvi_discard(struct xv_pool *pool, xv_handle handle, size_t size)
{
	XVI_ASSERT(pool->doomed == XV_NULL_HANDLE);
	pool->object_count--;
	pool->mallocs--;
	pool->requested_bytes -= size;
	pool->doomed = handle;
	pool->doomed_bytes = size;
	(void)doomed_free(pool);
}

bool xvi_orphans_free(struct xv_pool *pool)
{
	while (XVI_UNLIKELY(pool->orphan_count != 0)) {
		struct xvi_orphan orphan = pool->orphan[pool->orphan_count - 1];

		if (!free_mapped(pool, orphan.page, orphan.unit))
			return false;
		pool->orphan_count--;
	}
	return XVI_LIKELY(pool->doomed == XV_NULL_HANDLE) || doomed_free(pool);
}

void xvi_free_chain(struct xv_pool *pool, const struct xvi_chain *chain)
{
	for (uint32_t i = chain->count; i-- > 0;)
		xvi_free_block_at(pool, chain->fragment[i].page, chain->fragment[i].unit);
}

/* Free an object of several blocks, whose location has been ended. */
static int free_composite(struct xv_pool *pool, const struct xvi_chain *chain)
{
	int err;

	if (!xvi_orphans_free(pool))
		return -XV_EAGAIN;
	if (block_kind(chain->fragment[0].header) == BLOCK_INDEX) {
		err = xvi_free_large(pool, chain);
		if (err != 0)
			return err;
		pool->large_count--;
	} else {
		pool->split_count--;
	}
	pool->object_count--;
	pool->frees++;
	pool->requested_bytes -= chain->bytes;
	xvi_free_chain(pool, chain);
	return 0;
}

/* Free the block of an object of one block, or keep it for quick reuse. */
static void free_or_keep(struct xv_pool *pool, const struct xvi_location *where)
{
	const struct xvi_page *record = &pool->pages.records[where->page];

	if (pool->stock.limit_bytes == 0 || (record->state & PAGE_VICTIM) != 0) {
		xvi_free_block(pool, where);
		return;
	}
	pool->pad_bytes -= block_pad(where->header);
	pool->block_count--;
	if (!xvi_stock_put(pool, where->words, where->page, where->unit)) {
		pool->pad_bytes += block_pad(where->header);
		pool->block_count++;
		xvi_free_block(pool, where);
	}
}

int xvi_free_located(struct xv_pool *pool, const struct xvi_location *where)
{
	struct xvi_chain chain;
	int err;

	if (XVI_UNLIKELY(!xvi_is_simple(where))) {
		err = xvi_chain_read(pool, where, &chain);
		xvi_locate_end(pool, where);
		return err == 0 ? free_composite(pool, &chain) : err;
	}
	pool->object_count--;
	pool->frees++;
	pool->requested_bytes -= xvi_simple_bytes(pool, where);
	if (XVI_UNLIKELY(where->whole_page)) {
		xvi_page_free_whole(pool, where->page);
	} else {
		free_or_keep(pool, where);
	}
	/* Only where pages are mapped one by one can a block have been left behind. */
	if (XVI_UNLIKELY(pool->base == NULL))
		(void)xvi_orphans_free(pool);
	xvi_debug_check(pool);
	return 0;
}

/*
 * The common free: a tagged handle of an object of one block, in a page that is always
 * addressable. False when it is none of that, with nothing changed: xvi_locate then says
 * what it is. The tag proves the handle (handle.c); what is left out here is what only a
 * walk of the page, or another kind of object, needs.
 */
XVI_ALWAYS_INLINE bool free_plain(struct xv_pool *pool, xv_handle handle, bool by_pointer)
{
	uint32_t page = xv_handle_page(handle);
	uint32_t offset = xv_handle_offset(handle);
	uint32_t tag = (uint32_t)(handle >> HANDLE_TAG_SHIFT);
	uint32_t unit = (offset - pool->prefix_bytes) / UNIT_BYTES;
	struct xvi_page *record = &pool->pages.records[page];
	uint32_t hash = xvi_place_hash(pool, page, unit);
	uint32_t *words, header, units;

	if (XVI_UNLIKELY(!xvi_page_is_ours(pool, page) || unit >= pool->end_unit ||
			 (offset & (pool->alignment - 1U)) != 0 || pool->base == NULL ||
			 (!by_pointer && (tag & TAG_TAGGED) == 0) ||
			 xvi_page_state(record) != PAGE_BLOCKS || record->used_units == 0))
		return false;
	words = (uint32_t *)(void *)(pool->base + ((size_t)page << pool->page_shift));
	/* A wild handle leads to payload, which may never have been written. */
	if (XV_DEBUG >= 1 && !xvi_walk_reaches(pool, words, unit))
		return false;
	header = words[unit];
	units = block_units(header, pool->unit_bits);
	XVI_PREFETCH(words + unit + units);
	if (XVI_UNLIKELY(!block_is_used_as(header, BLOCK_WHOLE, hash) ||
			 units > pool->end_unit - unit))
		return false;
	if (XVI_UNLIKELY(by_pointer ? !xvi_neighbour_is_plausible(pool, words, page, unit)
				    : tag != xvi_tag(pool, hash,
						     block_generation(header, pool->unit_bits))))
		return false;
	pool->object_count--;
	pool->frees++;
	pool->block_count--;
	pool->requested_bytes -= units * UNIT_BYTES - pool->prefix_bytes - block_pad(header);
	pool->pad_bytes -= block_pad(header);
	if (pool->stock.limit_bytes != 0 && (record->state & PAGE_VICTIM) == 0 &&
	    xvi_stock_put(pool, words, page, unit))
		return true;
	record->used_units = (uint16_t)(record->used_units - units);
	release_units(pool, record, words, page, unit, units, block_prev_is_free(header));
	if (XVI_UNLIKELY(record->used_units == 0))
		xvi_page_emptied(pool, page);
	/* The stock rests: what is still in it goes, a block with each free. */
	if (XVI_UNLIKELY(pool->stock.count != 0 && pool->stock.limit_bytes == 0))
		xvi_stock_free_one(pool);
	return true;
}

int xvi_free_locked(struct xv_pool *pool, xv_handle handle)
{
	return xvi_free_now(pool, handle);
}

int xvi_free_now(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location where;
	int err;

	if (XVI_LIKELY(free_plain(pool, handle, false)))
		return 0;
	err = xvi_locate(pool, handle, TRUST_HANDLE, &where);
	return err == 0 ? xvi_free_located(pool, &where) : err;
}

int xvi_release_locked(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_location where;
	int err;

	if (XVI_LIKELY(XV_DEBUG == 0 && free_plain(pool, handle, true)))
		return 0;
	err = xvi_locate(pool, handle, TRUST_POINTER, &where);
	return err == 0 ? xvi_free_located(pool, &where) : err;
}

/* Let the located block be `units` long and hold size bytes; counters follow. */
static void block_retag(struct xv_pool *pool, struct xvi_location *where, uint32_t units,
			size_t size)
{
	struct xvi_page *record = &pool->pages.records[where->page];
	uint32_t old_units = block_units(where->header, pool->unit_bits);
	uint32_t pad = units * UNIT_BYTES - BLOCK_HEADER_BYTES - pool->owner_bytes - (uint32_t)size;

	XVI_ASSERT(pad <= BLOCK_PAD_MAX);
	pool->requested_bytes += (uint64_t)size - xvi_simple_bytes(pool, where);
	pool->pad_bytes += (uint64_t)pad - block_pad(where->header);
	record->used_units = (uint16_t)(record->used_units + units - old_units);
	where->header = block_resized(where->words[where->unit], pool->unit_bits, units, pad);
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
	uint32_t pad = (uint32_t)(pool->page_bytes - size);

	if (new_block(pool, BLOCK_WHOLE, (uint32_t)size, 0).units <= pool->page_units)
		return false;
	pool->requested_bytes += (uint64_t)size - xvi_simple_bytes(pool, where);
	pool->pad_bytes += (uint64_t)pad - xvi_page_pad(record);
	record->state = (uint8_t)((record->state & ((1U << PAGE_PAD_SHIFT) - 1U)) |
				  (pad << PAGE_PAD_SHIFT));
	return true;
}

bool xvi_resize_in_place(struct xv_pool *pool, struct xvi_location *where, size_t size)
{
	uint32_t want;

	if (size > pool->page_bytes)
		return false;
	if (where->whole_page)
		return resize_whole_page(pool, where, size);
	want = new_block(pool, BLOCK_WHOLE, (uint32_t)size, 0).units;
	if (want > block_units(where->header, pool->unit_bits))
		return resize_into_next(pool, where, want, size);
	resize_shrink(pool, where, want, size);
	return true;
}
