/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The pool from inside: its structures, and the invariants that the checker proves
 * and the tests cite by number.
 *
 * Words: a *hole* is a free block that is in the free lists; its *hole record* is
 * the 16-byte entry of the hole table that says where it is and links it. The
 * record, not the block, is the authority on a hole's place and size, so that the
 * lists are searched and kept without touching (or mapping) a page.
 *
 * A page of blocks:
 *
 *   0       first_unit                                            end_unit  page end
 *   [ edge ][hdr payload pad][hdr payload][free .......... tag][hdr payload][ edge ]
 *
 *   first_unit * 4 = alignment - 4, so that payloads are aligned; end_unit is where
 *   no further block begins. With alignment 4 both edges are empty.
 *
 * A page record (8 bytes, array indexed by page number):
 *
 *   0          2     4           5      6        8
 *   [used_units][pins][generation][state][whole_pad]
 *
 * A hole record (16 bytes; record 0 is never used, so 0 means none):
 *
 *   0          4     8     12          14     16
 *   [prev      ][next][page][first_unit][units]
 *
 * Invariants (xv_pool_check names them by number):
 *   1  every page record's state is known, and as many pages are ours as we count
 *   2  the blocks of a page tile it from first_unit to end_unit
 *   3  no two free blocks touch
 *   4  a used block's PREV_FREE says whether the block before it is free; the first
 *      block's is clear
 *   5  a free block's first word and (where a block follows) last word are equal
 *   6  a listed free block's record names its page, first unit and units
 *   7  a used block's check field is right and its pad leaves a size > 0
 *   8  used_units of a page is the sum of its used blocks
 *   9  a free list holds only records of its size, linked both ways in a ring, the
 *      larger before the smaller
 *  10  a bitmap bit is set exactly when its list, or its word, is not empty
 *  11  as many holes are in pages as in lists as counted; free records make up the rest
 *  12  the byte and object counters are the sums over the pages
 *  13  empty pages that nobody has mapped number at most reserve_pages
 *  14  held bytes = requested + header + rounding + free + reserve + table
 *
 * Locking: pool->lock guards everything here but the constants.
 */
#ifndef XVI_POOL_IMPL_H
#define XVI_POOL_IMPL_H

#include "block.h"
#include "xvi_bits.h"
#include "xvi_lock.h"
#include "xvi_mem.h"

#include <xvmalloc/pool.h>

enum {
	PAGE_NONE = 0,	 /* not ours */
	PAGE_BLOCKS = 1, /* cut into blocks, or empty */
	PAGE_WHOLE = 2,	 /* one object of the page's size, without a header */

	PINS_MAX = 0xFFFF,
	LIST_SHIFT = 3, /* lists are 8 bytes apart */
	WORD_LISTS_SHIFT = 6,
	XVI_FIRST_LEVEL_WORDS = 3,
};

struct xvi_page {
	uint16_t used_units; /* of used blocks, headers included */
	uint16_t pins;	     /* maps by the caller that have not ended */
	uint8_t generation;  /* counts allocations in the page, modulo 256 */
	uint8_t state;	     /* PAGE_* */
	uint16_t whole_pad;  /* PAGE_WHOLE: page bytes - object bytes */
};

struct xvi_hole {
	uint32_t prev;	     /* ring of the list; of a free record undefined */
	uint32_t next;	     /* ring of the list; of a free record the next free one */
	uint32_t page;
	uint16_t first_unit; /* where the free block begins */
	uint16_t units;	     /* its length; 0 marks a free record */
};

_Static_assert(sizeof(struct xvi_page) == 8, "the page table costs 8 bytes a page");
_Static_assert(sizeof(struct xvi_hole) == 16, "a hole costs 16 bytes");

/* A table that grows at its end inside one reservation of meta memory. */
struct xvi_table {
	void *base;
	size_t reserved_bytes;
	size_t committed_bytes;
	bool owned; /* from the provider, not from the caller's memory */
};

struct xvi_free_lists {
	uint64_t word_bits[XVI_FIRST_LEVEL_WORDS]; /* first level: which words of list_bits are not 0 */
	uint64_t *list_bits;   /* second level: which lists are not empty */
	uint32_t *heads;       /* first record of each list's ring; 0 when empty */
	uint32_t list_count;
};

struct xvi_hole_table {
	struct xvi_table memory;
	struct xvi_hole *records;
	uint32_t capacity;   /* records committed, record 0 included */
	uint32_t capacity_max;
	uint32_t free_head;  /* list of free records */
	uint32_t live;	     /* records in the lists */
};

struct xvi_page_table {
	struct xvi_table memory;
	struct xvi_page *records;
	uint32_t capacity; /* page numbers below this have a record */
	uint32_t capacity_max;
};

struct xv_pool {
	/* Constants after creation. */
	struct xv_provider *provider;
	unsigned char *base;	/* of the provider, or NULL */
	uint32_t page_shift;
	uint32_t page_bytes;
	uint32_t unit_bits;	/* U of block.h */
	uint32_t generation_mask;
	uint32_t alignment;	/* bytes */
	uint32_t align_units;
	uint32_t first_unit;
	uint32_t end_unit;
	uint32_t page_units;	/* end_unit - first_unit: what blocks can use of a page */
	uint32_t block_min_units;
	uint32_t seed;
	uint32_t reserve_pages;
	struct xvi_table self_memory; /* this structure, list heads and bitmaps */

	struct xvi_lock lock;
	uint64_t limit_bytes;

	struct xvi_free_lists lists;
	struct xvi_hole_table holes;
	struct xvi_page_table pages;

	/* Counters. */
	uint64_t page_count;	   /* pages held */
	uint64_t empty_pages;	   /* of them without a used block */
	uint64_t object_count;
	uint64_t whole_page_count; /* objects that have a page without a header */
	uint64_t requested_bytes;
	uint64_t pad_bytes;	   /* behind objects, in blocks and whole pages */
	uint64_t unlisted_bytes;   /* free blocks without a record */
	uint64_t peak_held_bytes;
	uint64_t pin_count;	   /* sum of pins */
	uint64_t mallocs;
	uint64_t frees;
	uint64_t failures;
	uint64_t bad_handles;
	uint64_t page_allocs;
	uint64_t page_frees;
	uint32_t relist_cursor;	   /* page where the search for unlisted blocks goes on */
	uint32_t debug_countdown;
};

/* Where a live object is. Filled by xvi_locate; valid while the lock is held. */
struct xvi_location {
	uint32_t page;
	uint32_t unit;	     /* of its header; 0 for a whole-page object */
	uint32_t *words;     /* the page, mapped; NULL for a whole-page object */
	uint32_t header;     /* copy of its header; 0 for a whole-page object */
	bool whole_page;
};

enum xvi_trust {
	TRUST_HANDLE,  /* a tag proves it; without a tag the page's blocks are walked */
	TRUST_POINTER, /* by check field and neighbour only: O(1) */
};

/* ---- page mapping (access.c) ---- */

void *xvi_page_map_slow(struct xv_pool *pool, uint32_t page);
void xvi_page_unmap_slow(struct xv_pool *pool, uint32_t page, void *words);

/* Map a page for the pool's own use; NULL when no window slot is free. */
static inline uint32_t *xvi_page_map(struct xv_pool *pool, uint32_t page)
{
	if (XVI_LIKELY(pool->base != NULL))
		return (uint32_t *)(void *)(pool->base + ((size_t)page << pool->page_shift));
	return xvi_page_map_slow(pool, page);
}

static inline void xvi_page_unmap(struct xv_pool *pool, uint32_t page, uint32_t *words)
{
	if (XVI_UNLIKELY(pool->base == NULL))
		xvi_page_unmap_slow(pool, page, words);
}

/* ---- handles and tags (handle.c) ---- */

/* Hash of pool, page and header position: check field and epoch come from it. */
static inline uint32_t xvi_place_hash(const struct xv_pool *pool, uint32_t page, uint32_t unit)
{
	uint32_t h = (page * 0x9E3779B1U) ^ (unit * 0x85EBCA77U) ^ pool->seed;

	h ^= h >> 15;
	h *= 0x2C1B3C6DU;
	return h ^ (h >> 13);
}

xv_handle xvi_handle_make(const struct xv_pool *pool, uint32_t page, uint32_t unit,
			  uint32_t generation, bool whole_page);

/*
 * Find the live object that a handle names and map its page (not for a whole-page
 * object). Returns 0, or -XV_EINVAL / -XV_EAGAIN with nothing mapped.
 */
int xvi_locate(struct xv_pool *pool, xv_handle handle, enum xvi_trust trust,
	       struct xvi_location *where);
void xvi_locate_end(struct xv_pool *pool, const struct xvi_location *where);

/* Exact size of a located object, bytes. */
size_t xvi_object_bytes(const struct xv_pool *pool, const struct xvi_location *where);

/* Handle of a located object. */
xv_handle xvi_location_handle(const struct xv_pool *pool, const struct xvi_location *where);

/* Units of the free block whose first word this is. */
static inline uint32_t xvi_free_units(const struct xv_pool *pool, uint32_t word)
{
	uint32_t value = block_free_value(word);

	if (block_kind(word) != FREE_LISTED)
		return value;
	return value < pool->holes.capacity ? pool->holes.records[value].units : 0;
}

/* Units of the block at this word, 0 when it is not a block. */
static inline uint32_t xvi_any_units(const struct xv_pool *pool, uint32_t word)
{
	return block_is_free(word) ? xvi_free_units(pool, word)
				   : block_units(word, pool->unit_bits);
}

/* ---- carving blocks (alloc.c), all under the lock ---- */

int xvi_malloc_locked(struct xv_pool *pool, size_t size, size_t alignment, xv_handle *handle);

/* Free a located object and end its location. */
void xvi_free_located(struct xv_pool *pool, const struct xvi_location *where);

/* Change a located object's size where it is. False when it would have to move:
 * nothing has changed then. The location stays good. */
bool xvi_resize_in_place(struct xv_pool *pool, struct xvi_location *where, size_t size);

/*
 * Turn [first, first + units) of a mapped page into one free block, merged with its
 * free neighbours, and list it. The page's used_units are the caller's to keep.
 */
void xvi_release_units(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t first,
		       uint32_t units, bool prev_is_free);

/*
 * A page of ours has no used block and no hole any more: keep it as one hole for the
 * reserve (or because it is pinned), or give it back.
 */
void xvi_page_emptied(struct xv_pool *pool, uint32_t page);

/* Give an empty page that has no hole back to the provider. */
void xvi_page_give_back(struct xv_pool *pool, uint32_t page);

/* Take the hole of an empty page out of the lists, if it has one. O(empty pages). */
void xvi_page_unlist_empty(struct xv_pool *pool, uint32_t page);

/* Take one page from the provider: PAGE_BLOCKS, empty, without a hole. */
int xvi_page_take(struct xv_pool *pool, uint32_t *page);

/* List unlisted free blocks of up to max_pages pages. Returns bytes listed. */
size_t xvi_relist(struct xv_pool *pool, uint32_t max_pages);

/* ---- counters ---- */

uint64_t xvi_table_bytes(const struct xv_pool *pool);
uint64_t xvi_held_bytes(const struct xv_pool *pool);
void xvi_note_held(struct xv_pool *pool);
void xvi_fill_stats(const struct xv_pool *pool, struct xv_pool_stats *stats);

int xvi_check_locked(struct xv_pool *pool, enum xv_check_level level,
		     struct xv_check_report *report);

#if XV_DEBUG >= 2
enum { XVI_DEBUG_CHECK_INTERVAL = 4096 };
void xvi_debug_check(struct xv_pool *pool);
#else
#define xvi_debug_check(pool) ((void)(pool))
#endif

static inline void xvi_pool_lock(struct xv_pool *pool)
{
	xvi_lock_acquire(&pool->lock);
}

static inline void xvi_pool_unlock(struct xv_pool *pool)
{
	xvi_lock_release(&pool->lock);
}

#endif
