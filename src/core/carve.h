/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Cutting free space into blocks and joining it again: the only place that writes
 * headers, boundary tags and owner words. Inline, since malloc and free are little
 * else. Calls the free lists and the hole table. Under the pool's lock, with the page
 * mapped. O(1).
 */
#ifndef XVI_CARVE_H
#define XVI_CARVE_H

#include "composite.h"
#include "free_list.h"
#include "table.h"

/* Write a free block's word at both of its ends; the block behind learns of it. */
static inline void free_words_put(const struct xv_pool *pool, uint32_t *words, uint32_t first,
				  uint32_t units, uint32_t word)
{
	uint32_t end = first + units;

	words[first] = word;
	if (end < pool->end_unit) {
		words[end - 1] = word;
		words[end] |= BLOCK_PREV_FREE;
	}
}

/*
 * Make [first, first + units) a free block, under record `index` or (0) another, list it
 * and write its words. The block behind learns of it. Dust, and what no record is to be
 * had for, is not listed: its words say how long it is.
 */
static inline void free_block_put(struct xv_pool *pool, uint32_t *words, uint32_t page,
				  uint32_t first, uint32_t units, uint32_t index)
{
	uint32_t word;

	if (units < pool->dust_units) {
		if (index != 0)
			hole_give(pool, index);
		index = 0;
	} else if (index == 0) {
		index = hole_take(pool);
		if (XVI_UNLIKELY(index == 0))
			pool->relist_pages = UINT32_MAX;
	}
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
	free_words_put(pool, words, first, units, word);
}

/* Take a free block, known by its word, out of the lists. Returns its record, which
 * is then the caller's, or 0; *units is its length. */
static inline uint32_t free_block_take(struct xv_pool *pool, uint32_t word, uint32_t *units)
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

/* What a new block is to be. */
struct xvi_new_block {
	uint32_t kind;
	uint32_t content; /* bytes: owner word, link and payload */
	uint32_t units;
	uint32_t owner;
	bool zero; /* fill the content with zeros */
};

/* Units of a block for so many bytes of content, rounded to the alignment. */
static inline uint32_t units_for_content(const struct xv_pool *pool, uint32_t content)
{
	uint32_t mask = pool->alignment - 1U;
	uint32_t units = ((content + BLOCK_HEADER_BYTES + mask) & ~mask) >> UNIT_SHIFT;

	return units < pool->block_min_units ? pool->block_min_units : units;
}

/* A request for a block of so many units: free blocks of that length are no dust. */
static inline void note_request(struct xv_pool *pool, uint32_t units)
{
	if (XVI_UNLIKELY(units < pool->dust_units)) {
		pool->dust_units = units;
		pool->relist_pages = UINT32_MAX;
	}
}

static inline struct xvi_new_block new_block(const struct xv_pool *pool, uint32_t kind,
					     uint32_t payload, uint32_t owner)
{
	struct xvi_new_block block = {.kind = kind, .owner = owner};

	block.content = payload + pool->owner_bytes + xvi_kind_link_bytes(pool, kind);
	block.units = units_for_content(pool, block.content);
	return block;
}

/* Write the header of a used block and count it. Returns its handle. */
XVI_ALWAYS_INLINE xv_handle used_block_put(struct xv_pool *pool, uint32_t *words, uint32_t page,
					   uint32_t first, uint32_t units,
					   const struct xvi_new_block *block)
{
	struct xvi_page *record = &pool->pages.records[page];
	uint32_t pad = units * UNIT_BYTES - BLOCK_HEADER_BYTES - block->content;
	uint32_t generation = ++record->generation & pool->generation_mask;
	uint32_t hash = xvi_place_hash(pool, page, first);

	XVI_ASSERT(pad <= BLOCK_PAD_MAX);
	words[first] = block_used_word(pool->unit_bits, block->kind, units, pad, hash, generation);
	if (XVI_UNLIKELY(block->zero))
		memset(&words[first + 1], 0, block->content);
	if (pool->owner_bytes != 0)
		words[first + 1] = block->owner;
	pool->empty_pages -= record->used_units == 0;
	record->used_units = (uint16_t)(record->used_units + units);
	pool->block_count++;
	pool->pad_bytes += pad;
	if (XVI_UNLIKELY(block->kind != BLOCK_WHOLE)) {
		pool->linkage_bytes += xvi_link_cost(pool, words[first]);
		pool->fragment_count += block_kind_is_fragment(block->kind);
	}
	return xvi_handle_pack(pool, page, first * UNIT_BYTES + pool->prefix_bytes, hash,
			       generation);
}

/*
 * Carve a block from the front of the free space [first, first + avail), which record
 * `index` (0: none, a fresh page) describes and which is in none of these lists any more.
 * What is left over stays free under the same record, whose number its last word holds
 * already.
 *
 *   [ free: avail            ]  =>  [ used: units ][ free: avail - units ]
 */
XVI_ALWAYS_INLINE xv_handle carve_front_of(struct xv_pool *pool, struct xvi_free_lists *lists,
					   uint32_t *words, uint32_t page, uint32_t first,
					   uint32_t avail, uint32_t index,
					   const struct xvi_new_block *block)
{
	uint32_t units = block->units;
	uint32_t rest = avail - units;
	uint32_t end = first + avail;

	if (XVI_LIKELY(index != 0 && rest >= pool->dust_units && rest >= BLOCK_SPLIT_MIN_UNITS)) {
		struct xvi_hole *hole = &pool->holes.records[index];

		hole->first_unit = (uint16_t)(first + units);
		hole->units = (uint16_t)rest;
		words[first + units] = block_free_word(FREE_LISTED, index);
		free_list_push(pool, lists, index);
	} else if (rest < BLOCK_SPLIT_MIN_UNITS) {
		units = avail;
		if (index != 0)
			hole_give(pool, index);
		if (end < pool->end_unit)
			words[end] &= ~(uint32_t)BLOCK_PREV_FREE;
	} else {
		free_block_put(pool, words, page, first + units, rest, index);
	}
	return used_block_put(pool, words, page, first, units, block);
}

static inline xv_handle carve_front(struct xv_pool *pool, uint32_t *words, uint32_t page,
				    uint32_t first, uint32_t avail, uint32_t index,
				    const struct xvi_new_block *block)
{
	return carve_front_of(pool, free_lists_of(pool, page), words, page, first, avail, index,
			      block);
}

#endif
