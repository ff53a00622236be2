/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * grain_map.c: see grain_map.h.
 *
 * Marks of a page: its low `grains` bits mean taken, those above mean stayed. A page of one grain
 * has only the latter.
 */
#include "grain_map.h"

#include <xvmalloc/provider.h>

_Static_assert(XVI_GRAINS_MAX == 1U << XV_PAGE_GRAINS_SHIFT_MAX, "as the contract says");

static uint32_t count_bits(uint32_t bits)
{
	uint32_t count = 0;

	for (; bits != 0; bits &= bits - 1)
		count++;
	return count;
}

static uint32_t mark_bits(uint32_t grains)
{
	return grains > 1 ? 2 * grains : 1;
}

size_t xvi_grain_map_bytes(uint32_t pages, uint32_t grains)
{
	return xvi_page_bitmap_bytes(pages, mark_bits(grains));
}

void xvi_grain_map_init(struct xvi_grain_map *map, void *memory, uint32_t pages, uint32_t grains,
			uint64_t most)
{
	*map = (struct xvi_grain_map){.grains = grains, .most = most};
	xvi_page_bitmap_init(&map->pages, memory, pages, mark_bits(grains));
}

static void set_whole_page(struct xvi_grain_map *map, uint32_t page, bool stayed)
{
	map->stayed -= xvi_page_bitmap_marks(&map->pages, page);
	map->stayed += stayed;
	xvi_page_bitmap_set_marks(&map->pages, page, stayed);
}

void xvi_grain_set(struct xvi_grain_map *map, uint32_t page, uint32_t bits,
		   enum xvi_grain_state state)
{
	uint32_t marks, taken, stayed;

	if (map->grains == 1) {
		set_whole_page(map, page, state == GRAIN_STAYED);
		return;
	}
	marks = xvi_page_bitmap_marks(&map->pages, page);
	taken = marks & xvi_grain_all(map);
	stayed = marks >> map->grains;
	map->taken -= count_bits(taken & bits);
	map->stayed -= count_bits(stayed & bits);
	taken = state == GRAIN_TAKEN ? taken | bits : taken & ~bits;
	stayed = state == GRAIN_STAYED ? stayed | bits : stayed & ~bits;
	map->taken += count_bits(taken & bits);
	map->stayed += count_bits(stayed & bits);
	xvi_page_bitmap_set_marks(&map->pages, page, taken | stayed << map->grains);
}

bool xvi_grain_range_is(const struct xvi_grain_map *map, uint32_t page, uint32_t first,
			uint32_t count, bool taken)
{
	uint32_t bits;

	if (!xvi_page_bitmap_is_set(&map->pages, page) || count == 0 || first >= map->grains ||
	    count > map->grains - first)
		return false;
	bits = xvi_grain_bits(first, count);
	return (xvi_grain_taken(map, page) & bits) == (taken ? bits : 0);
}

uint64_t xvi_grain_page_free(struct xvi_grain_map *map, uint32_t page, bool given)
{
	uint64_t before = map->stayed;

	if (given)
		xvi_grain_set(map, page, xvi_grain_all(map), GRAIN_ABSENT);
	else
		xvi_grain_set(map, page, xvi_grain_taken(map, page), GRAIN_STAYED);
	xvi_page_bitmap_clear(&map->pages, page);
	return map->stayed > before ? map->stayed - before : 0;
}

uint32_t xvi_grain_count_shift(size_t page_bytes, size_t unit_bytes)
{
	uint32_t shift = 0;

	while (shift < XV_PAGE_GRAINS_SHIFT_MAX && (unit_bytes << (shift + 1)) <= page_bytes)
		shift++;
	return shift;
}

void xvi_grain_ops_fit(struct xv_provider_ops *ops, bool has_grains, bool charges_commits)
{
	if (!has_grains) {
		ops->grains_take = NULL;
		ops->grains_give = NULL;
	}
	if (charges_commits)
		ops->meta_purge = NULL;
}
