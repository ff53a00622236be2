/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_bitmap.h: which pages of a provider are handed out, and which free page has the lowest
 * number.
 *
 * Owns: the bits, in memory that the caller gives. May call: only the bit scan of the platform
 * header, so that the buffer provider stays freestanding. Locking: none; the provider holds its
 * lock around every call. Complexity: O(levels) = O(log64 pages), at most 6, unless a call says
 * otherwise.
 *
 * A tree of bits, 64 to the word:
 *
 *   top    [ bit w set: word w of the level below is full ]       one word
 *   ...
 *   leaves [ bit p set: page p is handed out ]                    pages / 64 words
 *
 * A bitmap may have marks: some bits for each page whose meaning the provider chooses. They lie
 * beside the page's bit, and need no memory of their own once that has been written.
 *
 * All-zero memory is the empty bitmap: fresh memory of the system needs no filling, and is
 * untouched above the highest page ever handed out. Bits past the last page are always clear. A
 * search takes the lowest clear bit, so one that ends there has found that nothing is free.
 */
#ifndef XVI_PAGE_BITMAP_H
#define XVI_PAGE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 64^6 > 2^32 pages. */
#define XVI_PAGE_BITMAP_LEVELS_MAX 6U

struct xvi_page_bitmap {
	uint64_t *level[XVI_PAGE_BITMAP_LEVELS_MAX]; /* [0] = leaves, [levels - 1] = top */
	uint32_t levels;                             /* 1 .. XVI_PAGE_BITMAP_LEVELS_MAX */
	uint32_t pages;                              /* pages that exist, count */
	uint32_t mark_bits;  /* bits for each page: 0, or a power of two 1 .. 32 */
	uint32_t used;       /* leaf bits set, count */
	uint32_t high_water; /* highest page ever set or marked, plus 1: untouched above */
};

/* Bytes of memory for a bitmap of this many pages (at least 1). */
size_t xvi_page_bitmap_bytes(uint32_t pages, uint32_t mark_bits);

/* Make the empty bitmap in memory, which is 8-byte aligned, all zero, and
 * xvi_page_bitmap_bytes(pages, mark_bits) long. Writes nothing there. */
void xvi_page_bitmap_init(struct xvi_page_bitmap *map, void *memory, uint32_t pages,
			  uint32_t mark_bits);

/* Find the lowest free page; false when there is none. Changes nothing. */
bool xvi_page_bitmap_lowest_free(const struct xvi_page_bitmap *map, uint32_t *page);

/* Mark a free page (below pages) as handed out. */
void xvi_page_bitmap_set(struct xvi_page_bitmap *map, uint32_t page);

/* Mark a handed-out page as free. */
void xvi_page_bitmap_clear(struct xvi_page_bitmap *map, uint32_t page);

/* The marks of a page (below pages); mark_bits is not 0. O(1). */
uint32_t xvi_page_bitmap_marks(const struct xvi_page_bitmap *map, uint32_t page);
void xvi_page_bitmap_set_marks(struct xvi_page_bitmap *map, uint32_t page, uint32_t marks);

/* End of pages [first, first + count), as far as they exist. */
static inline uint32_t xvi_page_bitmap_end(const struct xvi_page_bitmap *map, uint32_t first,
					   uint32_t count)
{
	return first < map->pages && count < map->pages - first ? first + count : map->pages;
}

/* The first run of handed-out pages in [*first, end): *first becomes its first page. Returns its
 * length, 0 when there is none. end is at most `pages`. O(pages looked at). */
uint32_t xvi_page_bitmap_run(const struct xvi_page_bitmap *map, uint32_t *first, uint32_t end);

/* Is this page handed out? False for a number past the last page. O(1). */
bool xvi_page_bitmap_is_set(const struct xvi_page_bitmap *map, uint32_t page);

/* Are pages [first, first + count) all free? Pages that do not exist count as free. O(count /
 * 64). */
bool xvi_page_bitmap_range_is_clear(const struct xvi_page_bitmap *map, uint32_t first,
				    uint32_t count);

/* The leaves that were never written, at the end of the bitmap's memory. */
void *xvi_page_bitmap_untouched(const struct xvi_page_bitmap *map, size_t *bytes);

/* Most bytes of an area that may have been written, in whole granules: its first head_bytes, and
 * the bitmap behind them in the same area. area is granule-aligned; granule_bytes is a power of
 * two. */
size_t xvi_page_bitmap_touched_bytes(const struct xvi_page_bitmap *map, const void *area,
				     size_t head_bytes, size_t granule_bytes);

#endif
