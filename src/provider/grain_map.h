/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * grain_map.h: which pages of a provider are handed out, and the state of each of their grains.
 *
 * Owns: the page bitmap, with marks for each grain in it, and their counts. May call:
 * page_bitmap.h. Locking: none; the provider holds its lock around every call. Complexity: O(1),
 * plus the bitmap.
 *
 * A grain is absent (it has no memory), taken (its memory is the caller's) or stayed (nobody has
 * taken it, but the system did not take its memory back). Grains of free pages are never taken. A
 * page of one grain is taken while it is handed out. If memory goes back in units of several pages,
 * the mark of the first page of a unit says stayed for the whole unit.
 */
#ifndef XVI_GRAIN_MAP_H
#define XVI_GRAIN_MAP_H

#include "page_bitmap.h"

#include <xvmalloc/provider.h>

#define XVI_GRAINS_MAX 16U /* in a page */

enum xvi_grain_state { GRAIN_ABSENT, GRAIN_TAKEN, GRAIN_STAYED };

struct xvi_grain_map {
	struct xvi_page_bitmap pages;
	uint32_t grains; /* in a page, a power of two 1 .. XVI_GRAINS_MAX */
	uint64_t taken;  /* grains, count; unused if a page is one grain */
	uint64_t stayed; /* grains, or units of several pages, count */
	uint64_t most;   /* most grains taken at once */
};

/* Bytes of memory for the map of this many pages. */
size_t xvi_grain_map_bytes(uint32_t pages, uint32_t grains);

/* Make the empty map in memory, as xvi_page_bitmap_init. */
void xvi_grain_map_init(struct xvi_grain_map *map, void *memory, uint32_t pages, uint32_t grains,
			uint64_t most);

/* Grains [first, first + count) as bits. The page must have them. */
static inline uint32_t xvi_grain_bits(uint32_t first, uint32_t count)
{
	return ((1U << count) - 1U) << first;
}

/* All grains of a page as bits. */
static inline uint32_t xvi_grain_all(const struct xvi_grain_map *map)
{
	return xvi_grain_bits(0, map->grains);
}

/* The taken grains of an existing page, as bits. */
static inline uint32_t xvi_grain_taken(const struct xvi_grain_map *map, uint32_t page)
{
	if (map->grains == 1)
		return xvi_page_bitmap_is_set(&map->pages, page);
	return xvi_page_bitmap_marks(&map->pages, page) & xvi_grain_all(map);
}

/* Set the state of grains, given as bits, of an existing page. A page of one grain is taken when
 * it is handed out: for it, taken only means not stayed. */
void xvi_grain_set(struct xvi_grain_map *map, uint32_t page, uint32_t bits,
		   enum xvi_grain_state state);

/* Was this page handed out, and are these grains all taken, or none of them? */
bool xvi_grain_range_is(const struct xvi_grain_map *map, uint32_t page, uint32_t first,
			uint32_t count, bool taken);

/* A page is no longer handed out. Its memory went back (given), or stayed. Returns how many more
 * grains or units have stayed now. */
uint64_t xvi_grain_page_free(struct xvi_grain_map *map, uint32_t page, bool given);

/* log2 of the grains in a page of page_bytes, if memory comes in units of unit_bytes. */
uint32_t xvi_grain_count_shift(size_t page_bytes, size_t unit_bytes);

/* Leave out of a provider's operations what it does not have: grains, where a page is one; and
 * purges of meta memory, where commits are charged: pools then give back the ends of tables. */
void xvi_grain_ops_fit(struct xv_provider_ops *ops, bool has_grains, bool charges_commits);

#endif
