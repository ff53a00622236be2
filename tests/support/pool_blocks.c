/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* pool_blocks.c: see pool_blocks.h for what this owns, may call and its cost. */
#include "pool_blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LAYOUT_BLOCKS_MAX = 64, PAGE_BLOCKS_MAX = 1 << (XV_PAGE_SHIFT_MAX - 2) };

static uint32_t *page_words(struct xv_pool *pool, uint32_t page)
{
	uint32_t *words = xvi_page_map(pool, page);

	assert_non_null(words);
	return words;
}

static struct block_view view_at(const struct xv_pool *pool, const uint32_t *words, uint32_t page,
				 uint32_t unit)
{
	return (struct block_view){
		.page = page,
		.unit = unit,
		.units = xvi_any_units(pool, words[unit]),
		.word = words[unit],
		.free = block_is_free(words[unit]),
	};
}

size_t page_blocks(struct xv_pool *pool, uint32_t page, struct block_view *blocks, size_t max)
{
	const struct xvi_page *record = &pool->pages.records[page];
	uint32_t unit = pool->first_unit;
	uint32_t *words;
	size_t count = 0;

	if (page >= pool->pages.capacity || xvi_page_state(record) != PAGE_BLOCKS || max == 0)
		return 0;
	if (record->used_units == 0) {
		blocks[0] = (struct block_view){page, unit, pool->page_units, 0, true};
		return 1;
	}
	words = page_words(pool, page);
	while (unit < pool->end_unit && count < max) {
		blocks[count] = view_at(pool, words, page, unit);
		assert_int_not_equal(blocks[count].units, 0);
		unit += blocks[count++].units;
	}
	xvi_page_unmap(pool, page, words);
	return count;
}

const char *page_layout(struct xv_pool *pool, uint32_t page)
{
	static char layout[LAYOUT_BLOCKS_MAX + 1];
	struct block_view blocks[LAYOUT_BLOCKS_MAX];
	uint32_t state;
	size_t count;

	state = page < pool->pages.capacity ? xvi_page_state(&pool->pages.records[page])
					    : PAGE_NONE;
	if (state != PAGE_BLOCKS)
		return state == PAGE_NONE ? "-" : state == PAGE_WHOLE ? "W" : "P";
	count = page_blocks(pool, page, blocks, LAYOUT_BLOCKS_MAX);
	for (size_t i = 0; i < count; i++)
		layout[i] = blocks[i].free ? 'f' : 'U';
	layout[count] = '\0';
	return layout;
}

/* The smallest, or the largest, free block of at least units. */
static uint32_t free_block_pick(struct xv_pool *pool, uint32_t units, bool largest)
{
	static struct block_view blocks[PAGE_BLOCKS_MAX];
	uint32_t best = 0;

	for (uint32_t page = 0; page < pool->pages.capacity; page++) {
		size_t count = page_blocks(pool, page, blocks, PAGE_BLOCKS_MAX);

		for (size_t i = 0; i < count; i++) {
			uint32_t have = blocks[i].units;

			if (blocks[i].free && have >= units &&
			    (best == 0 || (largest ? have > best : have < best)))
				best = have;
		}
	}
	return best;
}

uint32_t pool_largest_free(struct xv_pool *pool)
{
	return free_block_pick(pool, 0, true);
}

uint32_t pool_best_fit(struct xv_pool *pool, uint32_t units)
{
	return free_block_pick(pool, units, false);
}

uint32_t units_of_size(const struct xv_pool *pool, size_t size)
{
	size_t bytes = (size + BLOCK_HEADER_BYTES + pool->alignment - 1) / pool->alignment *
		       pool->alignment;

	/* The smallest block has 8 bytes. */
	return bytes < 8 ? 2 : (uint32_t)(bytes / UNIT_BYTES);
}

uint32_t page_word(struct xv_pool *pool, uint32_t page, uint32_t unit)
{
	uint32_t *words = page_words(pool, page);
	uint32_t word = words[unit];

	xvi_page_unmap(pool, page, words);
	return word;
}

uint32_t page_word_set(struct xv_pool *pool, uint32_t page, uint32_t unit, uint32_t word)
{
	uint32_t *words = page_words(pool, page);
	uint32_t old = words[unit];

	words[unit] = word;
	xvi_page_unmap(pool, page, words);
	return old;
}
