/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_bitmap.h: which pages of a provider are handed out, and which free page
 * has the lowest number.
 *
 * Owns: the bits, in memory the caller gives. May call: nothing but the bit scan
 * of the platform header, so that the buffer provider stays freestanding.
 * Locking: none; the provider holds its own lock around every call.
 * Complexity: O(levels) = O(log64 pages), at most 6, unless a call says otherwise.
 *
 * A tree of bits, 64 to the word:
 *
 *   top    [ bit w set: word w of the level below is full ]       one word
 *   ...
 *   leaves [ bit p set: page p is handed out ]                    pages / 64 words
 *
 * All-zero memory is the empty bitmap, so fresh memory of the system needs no
 * filling and stays untouched above the highest page ever handed out. Bits past
 * the last page stay clear for ever; a search that ends on one has found that
 * nothing is free, since it always takes the lowest clear bit.
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
	uint32_t leaf_words; /* words for 64 pages: 2 where kept pages are marked too, else 1 */
	uint32_t used;       /* leaf bits set, count */
	uint32_t kept;       /* pages marked as kept, count */
	uint32_t high_water; /* highest page ever set or marked + 1: what is above is untouched */
};

/* Bytes of memory for a bitmap of this many pages (at least 1). */
size_t xvi_page_bitmap_bytes(uint32_t pages);

/*
 * Make the empty bitmap in memory, which is 8-byte aligned, all zero, and
 * xvi_page_bitmap_bytes(pages) long. Writes nothing there.
 */
void xvi_page_bitmap_init(struct xvi_page_bitmap *map, void *memory, uint32_t pages);

/* Find the lowest free page; false when there is none. Changes nothing. */
bool xvi_page_bitmap_lowest_free(const struct xvi_page_bitmap *map, uint32_t *page);

/* Mark a free page (below pages) as handed out. */
void xvi_page_bitmap_set(struct xvi_page_bitmap *map, uint32_t page);

/* Mark a handed-out page as free. */
void xvi_page_bitmap_clear(struct xvi_page_bitmap *map, uint32_t page);

/*
 * The same two for a bitmap that also marks kept pages. That mark means what the provider
 * wants it to. It lies beside the page's own bit, and takes no memory of its own where that
 * has been written.
 */
size_t xvi_page_bitmap_bytes_kept(uint32_t pages);
void xvi_page_bitmap_init_kept(struct xvi_page_bitmap *map, void *memory, uint32_t pages);

/* Is this page (below pages) marked as kept? O(1). */
bool xvi_page_bitmap_is_kept(const struct xvi_page_bitmap *map, uint32_t page);
void xvi_page_bitmap_set_kept(struct xvi_page_bitmap *map, uint32_t page, bool kept);

/* Is this page handed out? false for a number past the last page. O(1). */
bool xvi_page_bitmap_is_set(const struct xvi_page_bitmap *map, uint32_t page);

/* Are pages [first, first + count) all free? Pages that do not exist are. O(count / 64). */
bool xvi_page_bitmap_range_is_clear(const struct xvi_page_bitmap *map, uint32_t first,
				    uint32_t count);

/* The leaves that have never been written, at the end of the bitmap's memory. */
void *xvi_page_bitmap_untouched(const struct xvi_page_bitmap *map, size_t *bytes);

/*
 * Bytes of an area that have been written, at most, in whole granules: its first
 * head_bytes, and the bitmap, which lies behind them in the same area. area is
 * granule-aligned; granule_bytes is a power of two.
 */
size_t xvi_page_bitmap_touched_bytes(const struct xvi_page_bitmap *map, const void *area,
				     size_t head_bytes, size_t granule_bytes);

#endif
