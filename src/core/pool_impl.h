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
 *   first_unit is the least for which payloads (behind the header and, in pools made
 *   with owners, the owner word) are aligned; end_unit is where no further block
 *   begins. With alignment 4 both edges are empty.
 *
 * A page record (8 bytes, array indexed by page number):
 *
 *   0                     2     4           5      6           8
 *   [used_units|owner low ][pins][generation][state][owner high ]
 *
 *   state: [ pad of PAGE_WHOLE, 5 bits ][ victim ][ PAGE_*, 2 bits ]
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
 *   7  a used block's check field is right, its kind known, and its pad leaves content
 *   8  used_units of a page is the sum of its used blocks
 *   9  a free list holds only records of its size, linked both ways; holes of victim
 *      pages are in lists of their own
 *  10  a bitmap bit is set exactly when its list, or its word, is not empty
 *  11  as many holes are in pages as in lists as counted; free records make up the rest
 *  12  the byte and object counters are the sums over the pages
 *  13  empty pages that nobody has mapped number at most xvi_reserve_most
 *  14  held bytes = requested + header + owner + fragment + rounding + free + reserve +
 *      reuse + table
 *  15  every fragment behind a head is reached from exactly one head, and leads on to a
 *      last fragment; the fragments of an object hold as many bytes as it has
 *  16  an orphan is a used block; no object's block, and counted as no object's
 *  17  every block of kind STOCK has a record in the bin of its length, and they are as
 *      many, and as long, as counted
 *  18  of several shards: the map names as many pages as the shards count, and held bytes
 *      are the sum over them
 *
 * Locking: pool->lock guards everything here but the constants.
 */
#ifndef XVI_POOL_IMPL_H
#define XVI_POOL_IMPL_H

#include "block.h"
#include "xvi_atomic.h"
#include "xvi_bits.h"
#include "xvi_lock.h"
#include "xvi_mem.h"

#include <xvmalloc/pool.h>

enum {
	PAGE_NONE = 0,   /* not ours */
	PAGE_BLOCKS = 1, /* cut into blocks, or empty */
	PAGE_WHOLE = 2,  /* one object of the page's size, without a header */
	PAGE_PART = 3,   /* one page of an object larger than a page, without a header */

	PAGE_STATE_MASK = 0x3,
	PAGE_VICTIM = 0x4,  /* compaction is emptying it: its holes are in lists of their own */
	PAGE_PAD_SHIFT = 3, /* PAGE_WHOLE: page bytes - object bytes, 0 .. 31 */
	PAGE_PAD_MAX = (1 << (8 - PAGE_PAD_SHIFT)) - 1,

	DUST_MAX_UNITS = 14,           /* 56 bytes: what the smallest fragment's block takes */
	FRAGMENTS_MAX = 4,             /* of a split object */
	FRAGMENT_MIN_BYTES = 48,       /* of an object in one fragment */
	CHAIN_MAX = FRAGMENTS_MAX + 1, /* an index block and its tail's fragments */
	ORPHANS_MAX = 16,              /* more than any one call can leave */
	PINS_MAX = 0xFFFF,
	WORD_LISTS_SHIFT = 6,
	XVI_FIRST_LEVEL_WORDS = 5,
};

struct xvi_page {
	uint16_t used_units; /* PAGE_BLOCKS: of used blocks, headers included; else the
			      * owner's low half */
	uint16_t pins;       /* maps by the caller that have not ended */
	uint8_t generation;  /* counts allocations in the page, modulo 256 */
	uint8_t state;       /* PAGE_*, victim, pad */
	uint16_t owner_high; /* PAGE_WHOLE, PAGE_PART: the owner's high half */
};

struct xvi_hole {
	uint32_t prev; /* in its list, 0 for the first; so too of a free record */
	uint32_t next; /* in its list, 0 for the last; of a free record the next free one */
	uint32_t page;
	uint16_t first_unit; /* where the free block begins */
	uint16_t units;      /* its length; 0 marks a free record */
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
	uint64_t word_bits[XVI_FIRST_LEVEL_WORDS]; /* first level: which words of list_bits are not
						      0 */
	uint64_t *list_bits;                       /* second level: which lists are not empty */
	uint32_t *heads;                           /* first record of each list, 0 when empty */
	uint32_t list_count;
};

struct xvi_hole_table {
	struct xvi_table memory;
	struct xvi_hole *records;
	uint32_t capacity; /* records committed, record 0 included */
	uint32_t capacity_max;
	uint32_t free_head; /* list of free records */
	uint32_t live;      /* records in the lists */
};

struct xvi_page_table {
	struct xvi_table memory;
	struct xvi_page *records;
	uint32_t capacity; /* page numbers below this have a record */
	uint32_t capacity_max;
};

/* A used block of an object that is gone: its page could not be mapped to free it. */
struct xvi_orphan {
	uint32_t page;
	uint32_t unit;
};

enum { COMPACT_BUCKETS = 64 };

enum xvi_compact_phase {
	COMPACT_IDLE,
	COMPACT_DRAIN,  /* free what quick reuse keeps */
	COMPACT_SCAN,   /* count pages by how full they are */
	COMPACT_MARK,   /* make victims of the sparsest, or of the last */
	COMPACT_MOVE,   /* move what the victims hold */
	COMPACT_UNMARK, /* victims that could not be emptied are pages like others again */
	COMPACT_SHRINK, /* drop what the tables no longer need */
};

/* A cycle of compaction, between two of its steps. See compact.c. */
struct xvi_compaction {
	enum xvi_compact_phase phase;
	uint32_t cursor;       /* next page of the phase's sweep */
	uint32_t threshold;    /* bucket: sparser pages are victims ... */
	uint32_t quota;        /* ... and so many pages of this bucket */
	uint32_t first_victim; /* every page from this number on is a victim too */
	uint32_t span;         /* pages of ours are below this number */
	uint32_t unit;         /* next block within the page being emptied */
	uint64_t gain;         /* pages that this round may give back */
	uint64_t page_count;   /* of the pool when the round began */
	uint32_t rounds;       /* that this cycle has begun anew */
	bool sparse;           /* the pool was sparse when the cycle began */
	uint64_t first_pages;  /* of the pool when the cycle began */
	uint64_t moved_bytes;  /* in this cycle */
	uint32_t no_room;      /* moves in a row that found no room */
	uint32_t pages[COMPACT_BUCKETS];
	uint64_t used_units;
};

enum { STOCK_PENDING = 16 };

/* Freed blocks kept for quick reuse, and frees that wait. See stock.h. */
struct xvi_stock {
	uint32_t permille;      /* of the held bytes that may be kept; 0 = off */
	uint32_t slack_shift;   /* a block may be longer than asked by one part in 2^this */
	uint32_t count;         /* blocks kept */
	uint32_t bin_count;     /* constant */
	uint32_t hand;          /* bin that the last block was freed from */
	uint64_t word_bits;     /* which words of bin_bits are not 0 */
	uint64_t *bin_bits;     /* which bins are not empty */
	uint32_t *heads;        /* of each bin the newest block's record, or 0 */
	uint64_t bytes;         /* of the blocks, headers included */
	uint64_t limit_bytes;   /* that they may have */
	uint64_t reserve_pages; /* empty pages that the shard may keep: xvi_reserve_of */
	uint64_t reuses;        /* blocks handed out again */
	uint64_t evictions;     /* blocks freed after all, to make room ... */
	uint64_t judged_at;     /* ... and reuses, when the two were last compared */
	uint64_t rests_until;   /* nothing is kept until so many frees have been made */
	uint32_t pending_at;    /* where the next free goes, modulo STOCK_PENDING */
	uint32_t pending_count; /* frees that wait */
	xv_handle pending[STOCK_PENDING];
};

/* Nobody's page, in the shard map. */
#define SHARD_NONE 0xFFU

enum { REMOTE_SLOTS = 128, CACHE_LINE_BYTES = 64 };

/*
 * Frees that other threads left to a shard: one word for each, 0 where there is none. Who
 * frees fills the first empty one from `next` on; the owner takes them in the same order,
 * so that eight frees cost the two CPUs the way of one cache line there and back.
 */
struct xvi_remote {
	struct xvi_atomic32 busy; /* frees to be left here without trying the lock */
	struct xvi_atomic32 next; /* where to look for an empty slot first */
	_Alignas(CACHE_LINE_BYTES) struct xvi_atomic64 slot[REMOTE_SLOTS];
};

/*
 * What the shards of a pool have in common. Its lock comes after a shard's, and guards
 * everything here but what is atomic and what is constant. Only pools of several shards
 * have one.
 */
struct xvi_shared {
	struct xvi_lock lock;
	uint32_t count;                             /* shards, at most; constant */
	struct xvi_atomic32 homes;                  /* the first so many are allocated from */
	struct xvi_atomic_ptr shard[XV_SHARDS_MAX]; /* made when first used; [0] is the pool */
	struct xvi_page_table pages;                /* of all shards */
	struct xvi_table map_memory;                /* of map; never shrinks */
	struct xvi_atomic8 *map;       /* shard of each page, SHARD_NONE; once there are
					* several */
	struct xvi_atomic32 map_count; /* pages that the map covers */
	/* What is above is read by every call, what follows is written as pages come and go. */
	_Alignas(CACHE_LINE_BYTES) uint64_t limit_bytes; /* on held bytes; 0 = none */
	uint64_t held_bytes;                             /* but for the provider's overhead */
	uint64_t peak_held_bytes;
	uint32_t compact_shard;         /* whose turn it is */
	bool compact_on;                /* a cycle of all shards has begun */
	uint32_t compact_pass;          /* of it */
	uint64_t compact_pages;         /* that all shards need, once compacted */
	struct xv_pool_options options; /* to make shards with */
};

/* A pool, or one of the shards of a pool: the caller's struct xv_pool is the first. */
struct xv_pool {
	/* Constants after creation. */
	struct xvi_shared *shared; /* NULL in a pool of one shard */
	uint32_t number;           /* of the shard */
	struct xv_provider *provider;
	unsigned char *base; /* of the provider, or NULL */
	uint32_t page_shift;
	uint32_t page_bytes;
	uint32_t unit_bits; /* U of block.h */
	uint32_t generation_mask;
	uint32_t alignment; /* bytes */
	uint32_t align_units;
	uint32_t first_unit;
	uint32_t end_unit;
	uint32_t page_units;   /* end_unit - first_unit: what blocks can use of a page */
	uint32_t owner_bytes;  /* 4 in pools made with owners, else 0 */
	uint32_t link_bytes;   /* of HEAD and MIDDLE: 4 or 6 */
	uint32_t prefix_bytes; /* header and owner word: what lies before a payload */
	uint32_t flags;        /* XV_POOL_* */
	size_t max_size;       /* largest object, bytes */
	const struct xv_owner_ops *owner_ops;
	void *owner_context;
	uint32_t block_min_units;
	uint32_t seed;
	uint32_t reserve_pages;
	struct xvi_table self_memory; /* this structure, list heads and bitmaps */

	/* What is above is read by every CPU, what follows is written by one at a time. */
	_Alignas(CACHE_LINE_BYTES) struct xvi_lock lock;
	uint64_t limit_bytes;

	struct xvi_stock stock;
	struct xvi_free_lists lists;        /* of pages in general use */
	struct xvi_free_lists victim_lists; /* of pages that compaction is emptying */
	struct xvi_hole_table holes;
	struct xvi_page_table pages;

	/* Counters. */
	uint64_t page_count;  /* pages held */
	uint64_t empty_pages; /* of them without a used block */
	uint64_t object_count;
	uint64_t whole_page_count; /* objects that have a page without a header */
	uint64_t part_page_count;  /* pages of objects larger than a page */
	uint64_t block_count;      /* used blocks */
	uint64_t split_count;      /* objects of several fragments */
	uint64_t fragment_count;   /* blocks of kind HEAD, MIDDLE and LAST */
	uint64_t large_count;      /* objects larger than a page */
	uint64_t linkage_bytes;    /* links, page counts and page numbers in used blocks */
	uint64_t requested_bytes;
	uint64_t unlisted_bytes; /* free blocks without a record */
	uint32_t dust_units;     /* shorter free blocks are not listed: no request so far
				  * was as small, and no fragment is */
	uint32_t relist_pages;   /* pages still to be looked through for free blocks that
				  * could be listed by now */
	uint64_t peak_held_bytes;
	uint64_t pad_bytes; /* behind objects, in blocks and whole pages */
	uint64_t pin_count; /* sum of pins */
	uint64_t mallocs;
	uint64_t frees_at_growth; /* frees when an object last fitted nowhere whole */
	uint64_t frees;
	uint64_t failures;
	uint64_t bad_handles;
	uint64_t page_allocs;
	uint64_t page_frees;
	uint32_t relist_cursor; /* page where the search for unlisted blocks goes on */
	struct xvi_compaction compaction;
	uint32_t orphan_count;
	struct xvi_orphan orphan[ORPHANS_MAX]; /* to be freed before there can be more */
	xv_handle doomed;      /* an object that nobody knows, to be freed too ... */
	uint64_t doomed_bytes; /* ... and its size; not counted as an object */
	uint32_t debug_countdown;
	uint64_t visited;       /* mallocs and frees when another shard last looked for room here */
	uint64_t remote_frees;  /* that other threads left to this shard, and that are done */
	uint64_t most_pages;    /* held since the last trim */
	uint32_t polls;         /* allocations since the last look at all that was left here */
	uint32_t remote_at;     /* slot of remote that is to be filled next */
	uint32_t crowded;       /* times that a thread found the lock taken ... */
	uint64_t crowded_since; /* ... since so many allocations */
	uint32_t cycled_pages;  /* that the reserve has grown by: see note_cycling */
	uint64_t cycled_at;     /* page_frees when a page was last taken */

	struct xvi_remote *remote; /* what other CPUs write; NULL in a pool of one shard */
};

/* Where a live object is. Filled by xvi_locate; valid while the lock is held. */
struct xvi_location {
	uint32_t page;
	uint32_t unit;   /* of its header; 0 for a whole-page object */
	uint32_t *words; /* the page, mapped; NULL for a whole-page object */
	uint32_t header; /* copy of its header; 0 for a whole-page object */
	bool whole_page;
};

/* The blocks of an object that has several, in order. */
struct xvi_chain {
	uint32_t count;
	struct xvi_fragment {
		uint32_t page;
		uint32_t unit;
		uint32_t header;
	} fragment[CHAIN_MAX];
	uint32_t large_pages; /* of an INDEX block: its page numbers, count */
	size_t bytes;         /* of the object */
};

enum xvi_trust {
	TRUST_HANDLE,  /* a tag proves it; without a tag the page's blocks are walked */
	TRUST_POINTER, /* by check field and neighbour only: O(1); objects of one block */
	TRUST_LINK,    /* a link of ours: a fragment that is not the first */
};

/* ---- page mapping (access.c) ---- */

void *xvi_page_map_slow(struct xv_pool *pool, uint32_t page);
int xvi_page_unmap_slow(struct xv_pool *pool, uint32_t page, void *words);

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
		(void)xvi_page_unmap_slow(pool, page, words);
}

/* Copy the first bytes of one object to another, whatever pieces they are in. */
int xvi_copy_object(struct xv_pool *pool, xv_handle from, xv_handle to, size_t bytes);

/* xv_resize, by untagged handle: the object is one block, and stays one. (object.c) */
int xvi_resize(struct xv_pool *pool, xv_handle *handle, size_t size);

/* Owner of a located object; XV_NO_OWNER in a pool without owners. (object.c) */
uint32_t xvi_owner_of(const struct xv_pool *pool, const struct xvi_location *where);

/* ---- allocation and freeing (alloc.c, free.c), all under the lock ---- */

struct xvi_request {
	size_t size;
	size_t alignment; /* of the payload's offset; 1 = the pool's */
	uint32_t owner;
	bool one_block; /* do not split */
	bool zero;      /* fill with zeros */
	bool here;      /* in this shard and no other */
};

int xvi_malloc_locked(struct xv_pool *pool, const struct xvi_request *request, xv_handle *handle);

/* As xvi_malloc_locked, but only from holes: from one that takes the object whole, or over
 * several where there is much free. -XV_ENOMEM when there are none. */
int xvi_malloc_from_holes(struct xv_pool *pool, const struct xvi_request *request,
			  xv_handle *handle);

/* An object that is neither aligned nor zeroed, where a block for it is at hand, of one
 * block then; else false, with nothing changed. */
bool xvi_malloc_quick(struct xv_pool *pool, size_t size, uint32_t owner, xv_handle *handle);

/* The same, and where no block is at hand as xvi_malloc_locked. */
int xvi_malloc_simple(struct xv_pool *pool, size_t size, uint32_t owner, xv_handle *handle);

/* Free the object that a handle names. 0, -XV_EINVAL or -XV_EAGAIN. */
int xvi_free_locked(struct xv_pool *pool, xv_handle handle);

/* Free the object at an address, given as an untagged handle: TRUST_POINTER. */
int xvi_release_locked(struct xv_pool *pool, xv_handle handle);

/* As xvi_free_locked, without waiting for others that are to be freed first. */
int xvi_free_now(struct xv_pool *pool, xv_handle handle);

/* Free a located object and end its location. 0 or -XV_EAGAIN (nothing freed). */
int xvi_free_located(struct xv_pool *pool, const struct xvi_location *where);

/* Free one located block of an object and end its location; the object's counters are
 * the caller's. An emptied page is kept or given back. */
void xvi_free_block(struct xv_pool *pool, const struct xvi_location *where);

/* The same for a block by its place. Cannot fail: where its page cannot be mapped, the
 * block is an orphan. (free.c) */
void xvi_free_block_at(struct xv_pool *pool, uint32_t page, uint32_t unit);

/* Free the blocks of a chain, the last one first, as xvi_free_block_at. (free.c) */
void xvi_free_chain(struct xv_pool *pool, const struct xvi_chain *chain);

/*
 * Free an object of so many bytes that was just made, as if it had never been. Cannot
 * fail: where it cannot be mapped it is doomed. Only where there were no orphans before
 * it was made. (alloc.c)
 */
void xvi_discard(struct xv_pool *pool, xv_handle handle, size_t size);

/* Free the orphans and the doomed object. False: there still are some, and no call may
 * make more. (free.c) */
bool xvi_orphans_free(struct xv_pool *pool);

static inline bool xvi_is_orphan(const struct xv_pool *pool, uint32_t page, uint32_t unit)
{
	for (uint32_t i = 0; i < pool->orphan_count; i++) {
		if (pool->orphan[i].page == page && pool->orphan[i].unit == unit)
			return true;
	}
	return false;
}

/* Change a located simple object's size where it is. False when it would have to
 * move: nothing has changed then. The location stays good. */
bool xvi_resize_in_place(struct xv_pool *pool, struct xvi_location *where, size_t size);

/*
 * Turn [first, first + units) of a mapped page into one free block, merged with its
 * free neighbours, and list it. The page's used_units are the caller's to keep: where
 * they are 0 nothing is listed, and the page is the caller's to dispose of, unmapped.
 */
void xvi_release_units(struct xv_pool *pool, uint32_t *words, uint32_t page, uint32_t first,
		       uint32_t units, bool prev_is_free);

/* ---- pages (page.c) ---- */

/*
 * A page of ours has no used block and no hole any more: keep it as one hole for the
 * reserve (or because it is pinned), or give it back.
 */
void xvi_page_emptied(struct xv_pool *pool, uint32_t page);

/* Give every page of a shard back. (pool.c) */
void xvi_release_pages(struct xv_pool *pool);

/* Give an empty page that has no hole back to the provider. */
void xvi_page_give_back(struct xv_pool *pool, uint32_t page);

/*
 * Empty pages that a shard of so many pages may keep: the reserve, one in 256 of them,
 * since taking and giving back a page costs as much as 50 objects do (bench/README.md), and
 * a quarter of what quick reuse may keep.
 */
static inline uint64_t xvi_reserve_of(const struct xv_pool *pool, uint64_t pages)
{
	return pool->reserve_pages + (pool->reserve_pages != 0 ? pages / 256 : 0) +
	       pages * pool->stock.permille / 4000;
}

/* By how much the reserve may grow where pages keep coming and going. */
static inline uint64_t xvi_cycled_most(const struct xv_pool *pool, uint64_t pages)
{
	return pool->reserve_pages * 7U + (pool->reserve_pages != 0 ? pages / 512 : 0);
}

/* The most there can be: when pages go, the reserve is not looked through. */
static inline uint64_t xvi_reserve_most(const struct xv_pool *pool)
{
	return xvi_reserve_of(pool, pool->most_pages) + xvi_cycled_most(pool, pool->most_pages);
}

/* Give back the empty pages that nobody has mapped. O(pages). (reset.c) */
void xvi_reserve_trim(struct xv_pool *pool);

/* Take the hole of an empty page out of the lists, if it has one. O(empty pages). */
void xvi_page_unlist_empty(struct xv_pool *pool, uint32_t page);

/* Take one page from the provider: PAGE_BLOCKS, empty, without a hole. */
int xvi_page_take(struct xv_pool *pool, uint32_t *page);

/* Take a page for an object or part without a header: one of the reserve, or new. */
int xvi_page_take_whole(struct xv_pool *pool, uint32_t state, uint32_t pad, uint32_t owner,
			uint32_t *page);

/* Fill such a page with zeros; without a map it is freed again. 0 or -XV_EAGAIN. */
int xvi_page_zero_whole(struct xv_pool *pool, uint32_t page);

/* The page of a whole-page object or of a part is free. */
void xvi_page_free_whole(struct xv_pool *pool, uint32_t page);

/* List unlisted free blocks of up to max_pages pages. Returns bytes listed. */
size_t xvi_relist(struct xv_pool *pool, uint32_t max_pages);

/* ---- compaction (compact.c) ---- */

/*
 * Move a used block of a victim page, and with a fragment the object it is of; *bytes is
 * what was moved. 0; -XV_ENOMEM: no room for it; -XV_EBUSY: its owner refused, or was
 * not found; -XV_EAGAIN. On error it is where it was. (move.c)
 */
int xvi_move_block(struct xv_pool *pool, uint32_t page, uint32_t unit, uint32_t *bytes);

/* Move a whole-page object, or a part, to a page with a number below first_victim. As
 * xvi_move_block. (move.c) */
int xvi_move_page(struct xv_pool *pool, uint32_t from);

/* Units of used blocks in all pages. O(1). */
static inline uint64_t xvi_used_units(const struct xv_pool *pool)
{
	uint64_t whole = (pool->whole_page_count + pool->part_page_count) << pool->page_shift;
	uint64_t blocks = pool->block_count * pool->prefix_bytes + pool->linkage_bytes;

	return (blocks + pool->requested_bytes + pool->pad_bytes - whole) / UNIT_BYTES;
}

/* ---- counters ---- */

/* Held bytes and tables of the pool, of all shards; peak is kept. */
uint64_t xvi_held_bytes(const struct xv_pool *pool);
void xvi_note_held(struct xv_pool *pool);

/* The part of held bytes that is memory of free pages: the provider may hand such a page
 * out without holding more. */
uint64_t xvi_spare_bytes(const struct xv_pool *pool);

/* What one shard holds; with one shard, the pool. */
void xvi_fill_stats(const struct xv_pool *pool, struct xv_pool_stats *stats);

int xvi_check_locked(struct xv_pool *pool, enum xv_check_level level,
		     struct xv_check_report *report);

#if XV_DEBUG >= 2
enum { XVI_DEBUG_CHECK_INTERVAL = 4096 };
void xvi_debug_check(struct xv_pool *pool);
#else
#define xvi_debug_check(pool) ((void)(pool))
#endif

#endif
