/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * grain_map.h: which pages of a provider are handed out, and what each of their grains is.
 *
 * Owns: the page bitmap, with marks for each grain in it, and their counts. May call:
 * page_bitmap.h. Locking: none; the provider holds its own lock around every call.
 * Complexity: O(1) beside the bitmap.
 *
 * A grain is absent (no memory), taken (its memory is the caller's) or kept (nobody has
 * taken it, and the system did not take its memory back). Grains of free pages are never
 * taken. A page that is one grain is taken while it is handed out. Where memory goes back in
 * units of several pages, the mark of a unit's first page says kept for the whole unit.
 */
#ifndef XVI_GRAIN_MAP_H
#define XVI_GRAIN_MAP_H

#include "page_bitmap.h"

#define XVI_GRAINS_MAX 16U /* in a page */

enum xvi_grain_state { GRAIN_ABSENT, GRAIN_TAKEN, GRAIN_KEPT };

struct xvi_grain_map {
	struct xvi_page_bitmap pages;
	uint32_t grains; /* in a page, a power of two 1 .. XVI_GRAINS_MAX */
	uint64_t taken;  /* grains, count; not used where a page is one grain */
	uint64_t kept;   /* grains, or units of several pages, count */
	uint64_t most;   /* grains that may be taken */
};

/* Bytes of memory for the map of this many pages. */
size_t xvi_grain_map_bytes(uint32_t pages, uint32_t grains);

/* Make the empty map in memory, as xvi_page_bitmap_init. */
void xvi_grain_map_init(struct xvi_grain_map *map, void *memory, uint32_t pages, uint32_t grains,
			uint64_t most);

/* Grains [first, first + count) as bits. The caller knows that the page has them. */
static inline uint32_t xvi_grain_bits(uint32_t first, uint32_t count)
{
	return ((1U << count) - 1U) << first;
}

/* All grains of a page as bits. */
static inline uint32_t xvi_grain_all(const struct xvi_grain_map *map)
{
	return xvi_grain_bits(0, map->grains);
}

/* The taken grains of a page that exists, as bits. */
static inline uint32_t xvi_grain_taken(const struct xvi_grain_map *map, uint32_t page)
{
	if (map->grains == 1)
		return xvi_page_bitmap_is_set(&map->pages, page);
	return xvi_page_bitmap_marks(&map->pages, page) & xvi_grain_all(map);
}

/*
 * Change the state of grains, given as bits, of a page that exists. A page of one grain is
 * taken by being handed out; this only says that it is not kept then.
 */
void xvi_grain_set(struct xvi_grain_map *map, uint32_t page, uint32_t bits,
		   enum xvi_grain_state state);

/* Are these grains of a page that is handed out, and all taken, or none of them? */
bool xvi_grain_range_is(const struct xvi_grain_map *map, uint32_t page, uint32_t first,
			uint32_t count, bool taken);

/*
 * A page is not handed out any more. Its memory went back (given), or what there is of it is
 * kept. Returns by how many grains or units more are kept now.
 */
uint64_t xvi_grain_page_free(struct xvi_grain_map *map, uint32_t page, bool given);

/* log2 of the grains in a page of page_bytes, where memory comes by unit_bytes. */
uint32_t xvi_grain_count_shift(size_t page_bytes, size_t unit_bytes);

#endif
