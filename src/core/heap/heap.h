/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.h: one heap without a lock: pages and grains, blocks, holes, free lists. Read this
 * first; the other headers of this folder are its parts.
 *
 * The heap cuts pages into blocks. It knows no lock, no handle, no owner and no system call:
 * what it needs from outside comes through struct xvi_heap_source.
 *
 * Words
 *   page      what the source hands out: 4 to 64 KiB of addresses, named by a number
 *   grain     the part of a page in which memory is obtained and given back
 *   hot       a grain with memory that a block, or a word of a hole, lies in, or that the
 *             source would not take back
 *   spare     a grain with memory that lies wholly inside a hole: kept for a while
 *   hole      a free block; listed when it has a record of 16 bytes in the hole table
 *   lead      the hole at the very beginning of a page: its length is in the page's record,
 *             so that no word of it needs memory
 *   victim    the page that compaction empties: its holes have records, but are in no list
 *
 * A page:
 *
 *   0       first_unit                                                end_unit   page end
 *   [ edge ][header content pad][header content][word .. hole .. word][header ..][ edge ]
 *
 *   first_unit is the least unit for which payloads are aligned, and end_unit where no block
 *   begins any more; with alignment 4 both edges are empty.
 *
 * A page's record, page_stride bytes, in an array indexed by page number: struct xvi_page, then,
 * where blocks are proved, what start.h keeps.
 *
 * Invariants (xvi_heap_check names them by number):
 *   1  the blocks and holes of a page tile it from first_unit to end_unit; no two holes touch
 *   2  PREV_FREE of a block says whether a hole lies before it; the first block's is clear
 *   3  the words of a hole agree: the first unless the hole is its page's lead, the last
 *      unless it ends its page
 *   4  a listed hole's record names its page, first unit and units; an empty page names its
 *      hole's record
 *   5  a used block's content fits it; where blocks are not proved, its check field has the
 *      keyed bits of its place
 *   6  used_units of a page is the sum over its used blocks
 *   7  a free list holds holes of its lengths only, linked both ways; a bit is set exactly
 *      where its list, or its word of lists, is not empty; holes of the victim are in no list
 *   8  every listed hole of a page is in a list, and records in use are as many as holes
 *   9  a grain that holds a byte of a used block or a word of a hole is hot; hot grains are
 *      committed; spare grains are committed, not hot, and counted
 *  10  pages, blocks, used units, committed and spare grains are the sums over the pages
 *  11  where blocks are proved, the proof names the used blocks (start.h)
 *  12  holes never outnumber the records made sure of
 *  13  lead_units is the length of the hole at first_unit, 0 where a block is there
 *
 * Complexity: malloc and free of a block are O(1) apart from the source; free calls it only
 * to give memory back, and cannot fail.
 */
#ifndef XVI_HEAP_H
#define XVI_HEAP_H

#include "block.h"
#include "xvi_bits.h"
#include "xvi_mem.h"

#include <xvmalloc/errors.h>

enum {
	PAGE_OURS = 1 << 0,
	PAGE_VICTIM = 1 << 1,

	LIST_EXACT_UNITS = 1024, /* up to 4 KiB each length has a list of its own */
	LIST_EXACT_SHIFT = 10,
	LIST_OCTAVE_SHIFT = 6, /* above, 64 lists for each doubling */
	LIST_COUNT_MAX = LIST_EXACT_UNITS + (4 << LIST_OCTAVE_SHIFT) + 1,
	LIST_WORDS = (LIST_COUNT_MAX + 63) / 64,

	/* Holes shorter than the smallest block asked for so far are not listed, at most up
	 * to this length: a record costs 16 bytes. */
	LISTED_MIN_UNITS_MAX = 14,

	SPARE_MIN_GRAINS = 8,      /* that may be kept, ... */
	SPARE_PER_COMMITTED = 200, /* ... or one in so many committed, if that is more */
	RECORD_STEP = 256,         /* records by which the hole table grows: 4 KiB */

	GENERATION_SHIFT = 5, /* of the check field where blocks are not proved */
};

struct xvi_page {
	uint16_t used_units; /* of used blocks, headers included */
	uint16_t generation; /* counts blocks made in the page, from heap.generation on */
	uint16_t lead_units; /* of the hole at first_unit; 0 = a block is there */
	uint16_t pins;       /* maps of the page by others: the heap only asks for 0 */
	uint8_t state;       /* PAGE_* */
	uint8_t source;      /* the source's own: the heap leaves it alone */
	uint16_t hot;        /* bit i: grain i */
	uint16_t committed;  /* superset of hot; the others are spare */
	uint32_t older;      /* in the list of pages with spare grains: page + 1, 0 = none */
	uint32_t newer;
	uint32_t whole; /* of an empty page: its hole's record, or 0 */
};

struct xvi_hole {
	uint32_t prev; /* in its list, 0 for the first; of a record not in use undefined */
	uint32_t next; /* in its list, 0 for the last; of a record not in use the next such */
	uint32_t page;
	uint16_t first; /* unit */
	uint16_t units; /* 0 marks a record not in use */
};

_Static_assert(sizeof(struct xvi_page) == 28, "a page costs 28 bytes and its proof");
_Static_assert(sizeof(struct xvi_hole) == 16, "a hole costs 16 bytes");

struct xvi_free_lists {
	uint64_t words;            /* which words of bits are not 0 */
	uint64_t bits[LIST_WORDS]; /* which lists are not empty */
	uint32_t *heads;           /* first record of each list, 0 when empty; list_count */
};

struct xvi_hole_table {
	struct xvi_hole *records; /* record 0 is never used: 0 means none */
	uint32_t live;            /* in use, count */
	uint32_t sure;            /* records below this number can be used without asking */
	uint32_t most;            /* that there can be */
	uint32_t high;            /* records from this number on were never used */
	uint32_t free_head;       /* list of records not in use below high */
	bool bounded; /* the table does not grow with the blocks (caller's memory): a hole that
		       * finds no record is not listed */
};

/* What a heap needs from outside. Every call is made by the thread that called the heap, and
 * negative errnos are passed on to the heap's caller; calls without one cannot fail. */
struct xvi_heap_source {
	/* A page: its record is zero, and nothing of it is committed, or, of one grain, all. */
	int (*page_take)(void *context, uint32_t *page);

	/* `count` pages from this one on, with zero records, and their `grains` committed grains
	 * go back. */
	void (*pages_give)(void *context, uint32_t page, uint32_t count, uint64_t grains);

	/* Memory for `count` grains from `first` on; and back: false where that could not be. */
	int (*grains_take)(void *context, uint32_t page, uint32_t first, uint32_t count);
	bool (*grains_give)(void *context, uint32_t page, uint32_t first, uint32_t count);

	/* Is a page below page_limit this heap's, whose record may be another heap's at this
	 * moment? NULL: the records are this heap's alone. */
	bool (*page_is_ours)(void *context, uint32_t page);

	/* Of a table that grows: make hole records below `count` usable; those below `high` are
	 * used now; from `high` on are used no more, and from `sure` on are not wanted. */
	int (*records_take)(void *context, uint32_t count);
	void (*records_used)(void *context, uint32_t high);
	void (*records_give)(void *context, uint32_t high, uint32_t sure);

	/* Make a page addressable, two at a time at most, and end that; not where base is set. */
	uint32_t *(*page_map)(void *context, uint32_t page);
	void (*page_unmap)(void *context, uint32_t page, uint32_t *words);
};

struct xvi_heap_config {
	const struct xvi_heap_source *source;
	void *context;
	unsigned char *base;  /* page p is at base + (p << page_shift), or NULL */
	unsigned char *pages; /* the array of page records; it never moves */
	struct xvi_hole *records;
	uint32_t *heads;       /* xvi_heap_list_count() zeros */
	uint32_t page_shift;   /* 12 .. 16; smaller ones work too, down to 7 */
	uint32_t grain_shift;  /* page_shift, or less where grains are given back */
	uint32_t alignment;    /* of payloads: 4, 8 or 16 */
	uint32_t prefix_bytes; /* between a block's header and the payload */
	uint32_t key;
	uint32_t records_most;
	uint32_t records_sure; /* usable from the beginning */
	bool records_bounded;
	bool prove;          /* keep what proves that a place is a used block's (start.h) */
	uint16_t generation; /* apart for heaps that take each other's pages */
};

/* A used block, its page mapped where pages have to be. */
struct xvi_place {
	uint32_t page;
	uint32_t unit;
	uint32_t *words;
	uint32_t header;
};

/*
 * Sizes and bounds. What a call does most often is written for any shape, and is compiled once
 * more for the usual one, where they are constants (fast.h).
 */
struct xvi_shape {
	uint32_t page_shift;
	uint32_t grain_shift; /* in units */
	uint32_t grain_count; /* in a page */
	uint32_t align_mask;  /* alignment - 1, bytes */
	uint32_t first_unit;
	uint32_t end_unit;
	uint32_t page_stride; /* bytes of a page record */
	bool prove;
	bool start_bits; /* the proof is a bit for each place (start.h) */
	bool usual; /* always addressable, the table of records grows, and the caller has seen that
		     * the page is no victim */
};

struct xvi_heap {
	/* Constants. */
	unsigned char *base;
	unsigned char *pages; /* where the record of page 0 is, or would be: see page_base */
	struct xvi_shape shape;
	uint32_t payload_at; /* header and prefix, bytes: from a block to its payload */
	uint32_t key;

	uint16_t generation; /* that the next page begins with: no page that went was ahead */
	struct xvi_free_lists lists;
	struct xvi_hole_table holes;
	uint32_t listed_min_units; /* shorter holes have no record */
	uint32_t page_base;        /* pages of ours have numbers from this on, there are records, */
	uint32_t page_limit; /* ... and below this. The source may change `pages` and page_base
			      * when it gives a page */

	/* Counters. */
	uint32_t page_count;
	uint32_t block_limit; /* used blocks that there are records for, ... */
	uint32_t blocks_left; /* ... less those that there are: see heap_block_count */
	uint64_t used_units;  /* of used blocks */
	uint64_t committed_grains;
	uint64_t spare_grains;
	uint32_t oldest_spare; /* list of pages with spare grains: page + 1, 0 = none */
	uint32_t newest_spare;

	uint32_t victim; /* page + 1, 0 = none */

	const struct xvi_heap_source *source;
	void *context;
#if XV_DEBUG >= 2
	uint32_t debug_countdown;
#endif
};

/* ---- places ---- */

static inline struct xvi_page *shape_page(const struct xvi_heap *heap,
					  const struct xvi_shape *shape, uint32_t page)
{
	return (struct xvi_page *)(void *)(heap->pages + (size_t)page * shape->page_stride);
}

static inline struct xvi_page *heap_page(const struct xvi_heap *heap, uint32_t page)
{
	return shape_page(heap, &heap->shape, page);
}

static inline uint32_t *heap_map(const struct xvi_heap *heap, uint32_t page)
{
	if (XVI_LIKELY(heap->base != NULL))
		return (uint32_t *)(void *)(heap->base + ((size_t)page << heap->shape.page_shift));
	return heap->source->page_map(heap->context, page);
}

static inline void heap_unmap(const struct xvi_heap *heap, uint32_t page, uint32_t *words)
{
	if (XVI_UNLIKELY(heap->base == NULL))
		heap->source->page_unmap(heap->context, page, words);
}

/* A word of a page. */
static inline uint32_t heap_word(const struct xvi_heap *heap, uint32_t page, uint32_t unit)
{
	uint32_t *words = heap_map(heap, page);
	uint32_t word = words[unit];

	heap_unmap(heap, page, words);
	return word;
}

static inline void heap_set_word(const struct xvi_heap *heap, uint32_t page, uint32_t unit,
				 uint32_t word)
{
	uint32_t *words = heap_map(heap, page);

	words[unit] = word;
	heap_unmap(heap, page, words);
}

/* Is it this heap's? */
static inline bool heap_owns(const struct xvi_heap *heap, uint32_t page)
{
	return page >= heap->page_base && page < heap->page_limit &&
	       (heap_page(heap, page)->state & PAGE_OURS) != 0;
}

/* The same for who goes over all pages below page_limit, of several heaps perhaps. */
static inline bool heap_holds(const struct xvi_heap *heap, uint32_t page)
{
	if (heap->source->page_is_ours != NULL && !heap->source->page_is_ours(heap->context, page))
		return false;
	return heap_owns(heap, page);
}

/* Used blocks. */
static inline uint32_t heap_block_count(const struct xvi_heap *heap)
{
	return heap->block_limit - heap->blocks_left;
}

/* Units of a block with so many bytes of content. */
static inline uint32_t shape_units_for(const struct xvi_shape *shape, uint32_t content)
{
	uint32_t units = (content + BLOCK_HEADER_BYTES + shape->align_mask) >> UNIT_SHIFT;

	return units & ~(shape->align_mask >> UNIT_SHIFT);
}

static inline uint32_t heap_units_for(const struct xvi_heap *heap, uint32_t content)
{
	return shape_units_for(&heap->shape, content);
}

/* Units of the used block with this header. */
static inline uint32_t shape_block_units(const struct xvi_shape *shape, uint32_t word)
{
	return shape_units_for(shape, block_content(word));
}

static inline uint32_t heap_block_units(const struct xvi_heap *heap, uint32_t word)
{
	return shape_block_units(&heap->shape, word);
}

/* Most bytes of content that a block can have. */
static inline uint32_t heap_content_max(const struct xvi_heap *heap)
{
	return (heap->shape.end_unit - heap->shape.first_unit) * UNIT_BYTES - BLOCK_HEADER_BYTES;
}

/* Length of a hole from its first or last word. */
static inline uint32_t heap_hole_units(const struct xvi_heap *heap, uint32_t word)
{
	return hole_is_listed(word) ? heap->holes.records[hole_value(word)].units
				    : hole_value(word);
}

/* Units of the block or hole that begins with this word. */
static inline uint32_t shape_units_at(const struct xvi_heap *heap, const struct xvi_shape *shape,
				      uint32_t word)
{
	return block_is_free(word) ? heap_hole_units(heap, word) : shape_block_units(shape, word);
}

/* A hash of a place, in the bits of the check field of a header; below, others. */
static inline uint32_t heap_place_hash(const struct xvi_heap *heap, uint32_t page, uint32_t unit)
{
	return page * 0x9E3779B1U + unit * 0x85EBCA77U + heap->key;
}

/* Bits of a header in which it has the hash of its place, where blocks are not proved. */
#define BLOCK_KEYED_BITS (((1U << GENERATION_SHIFT) - 1U) << BLOCK_STAMP_SHIFT)

/* Has the header of a used block the keyed bits of its place? */
static inline bool heap_stamp_is_keyed(const struct xvi_heap *heap, uint32_t page, uint32_t unit,
				       uint32_t word)
{
	return ((word ^ heap_place_hash(heap, page, unit)) & BLOCK_KEYED_BITS) == 0;
}

/* Records made sure of, record 0 left out, are for one hole a block and page: call after a
 * change. */
static inline void heap_set_block_limit(struct xvi_heap *heap)
{
	uint32_t blocks = heap_block_count(heap);
	uint32_t others = heap->page_count + 1;

	heap->block_limit = heap->holes.bounded         ? INT32_MAX
			    : heap->holes.sure > others ? heap->holes.sure - others
							: 0;
	heap->blocks_left = heap->block_limit - blocks;
	XVI_ASSERT(heap->blocks_left <= heap->block_limit);
}

/* ---- the heap as a whole (heap.c) ---- */

/* Free lists of a heap with such pages, and bytes of a page's record. */
uint32_t xvi_heap_list_count(uint32_t page_shift);
uint32_t xvi_heap_page_stride(uint32_t page_shift, uint32_t alignment, bool prove);

void xvi_heap_init(struct xvi_heap *heap, const struct xvi_heap_config *config);

/* Give every page back, with everything in it; the heap is as new. O(pages). */
void xvi_heap_clear(struct xvi_heap *heap);

/* ---- blocks: O(1) apart from the source ---- */

enum {
	HEAP_MAY_GROW = 1,
	HEAP_KEEP_VICTIMS = 2, /* the victim stays one when nothing else fits */
};

/*
 * Make a block of `content` bytes, 1 .. heap_content_max, with the payload's offset in its
 * page a multiple of `alignment`, a power of two (1: the heap's own). Fills *place; end it
 * with heap_unmap. Without HEAP_MAY_GROW only holes are used. 0, -XV_ENOMEM (nothing fits, and
 * the heap may not grow, or has no record for what it would leave), or what the source said. On
 * error nothing has changed. (malloc.c)
 */
int xvi_heap_malloc(struct xvi_heap *heap, uint32_t content, uint32_t kind, uint32_t alignment,
		    unsigned flags, struct xvi_place *place);

/*
 * Make a block for a part of `content` bytes, of at least `least` bytes, in the hole that
 * suits best: the smallest that takes seven tenths of it, else the largest. 0 or
 * -XV_ENOMEM. place->header says how much it took. (malloc.c)
 */
int xvi_heap_malloc_part(struct xvi_heap *heap, uint32_t content, uint32_t least, uint32_t kind,
			 unsigned flags, struct xvi_place *place);

/* Free a used block, and end the map of its page. Cannot fail. (free.c) */
void xvi_heap_free(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t unit);

/* Give a used block so many bytes of content, where it is. False, with nothing changed, when
 * neither its end nor the hole behind it has room, or memory for it cannot be had. (free.c) */
bool xvi_heap_resize(struct xvi_heap *heap, struct xvi_place *place, uint32_t content);

/* Units of the largest listed hole; 0 = none. In its own list at most eight are looked at. */
uint32_t xvi_heap_largest(const struct xvi_heap *heap);

/* Units of holes in pages that hold a block: what splitting or compaction could use. O(1). */
static inline uint64_t heap_free_units(const struct xvi_heap *heap)
{
	uint64_t all = (heap->committed_grains - heap->spare_grains) << heap->shape.grain_shift;

	return all > heap->used_units ? all - heap->used_units : 0;
}

/* ---- grains (grain.c), records, the victim (heap.c) ---- */

/* Most spare grains that are kept. */
static inline uint64_t heap_spare_most(const struct xvi_heap *heap)
{
	uint64_t share = heap->committed_grains / SPARE_PER_COMMITTED;

	return share > SPARE_MIN_GRAINS ? share : SPARE_MIN_GRAINS;
}

/* Give back spare grains, those of the page that has had them longest first, until at most
 * `keep` are left, pages that are pinned left out. Returns and is O(grains given back). */
uint64_t xvi_heap_give_back(struct xvi_heap *heap, uint64_t keep);

/* Give back all spare grains, and what the hole table has beyond what is used and must be sure,
 * where that is a step or more; no record moves. All of it counts for the limit. False: there
 * was nothing. O(grains given back). */
bool xvi_heap_give_all(struct xvi_heap *heap);

/* Move the records of the hole table to its beginning, and give back the rest, where that is
 * a step or more. O(records). */
void xvi_heap_shrink_records(struct xvi_heap *heap);

/* Make a page with a block the victim, where there is none: its holes leave the lists. And the
 * reverse, if it still is one. O(blocks of the page). */
void xvi_heap_victim_begin(struct xvi_heap *heap, uint32_t page);
void xvi_heap_victim_end(struct xvi_heap *heap);

/* First used block of a mapped page from `unit` on, which must be where a block or hole
 * begins; end_unit when there is none. */
uint32_t xvi_heap_next_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
			    uint32_t unit);

/* ---- checking (check.c) ---- */

struct xvi_heap_fault {
	uint32_t invariant; /* of the list above; 0 = none */
	uint32_t page;      /* UINT32_MAX: a list's, or a sum's */
	uint32_t unit;      /* or number of the list */
	const char *message;
};

/* Prove the invariants. True when they hold. O(pages + blocks + records). */
bool xvi_heap_check(struct xvi_heap *heap, struct xvi_heap_fault *fault);

#if XV_DEBUG >= 2
enum { HEAP_DEBUG_INTERVAL = 4096 };
void xvi_heap_debug_check(struct xvi_heap *heap);
#else
#define xvi_heap_debug_check(heap) ((void)(heap))
#endif

#endif
