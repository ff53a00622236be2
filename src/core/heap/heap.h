/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.h: one heap without a lock: pages and grains, blocks, holes, free lists. Read this first;
 * the other headers of this folder are its parts.
 *
 * The heap cuts pages into blocks. It knows no lock, handle, owner or system call. What it needs
 * from outside comes through struct xvi_heap_source.
 *
 * Words
 *   page      what the source gives: 4 to 64 KiB of addresses, named by a number
 *   grain     the part of a page in which memory is obtained and given back
 *   hot       a grain with memory in which a block or a word of a hole lies, or that the source
 *             did not take back
 *   spare     a grain with memory that lies wholly inside a hole; it is kept for a while
 *   hole      a free block; it is listed when it has a record of 16 bytes in the hole table
 *   lead      the hole at the very beginning of a page: its length is in the page's record, so
 *             that none of its words needs memory
 *   victim    the page that compaction empties: its holes have records, but are in no list
 *   closed    a page in which a word was found overwritten: its words are not read again, it gets
 *             no block and stays until the heap is cleared; all its grains count as used
 *
 * A page:
 *
 *   0       first_unit                                                end_unit   page end
 *   [ edge ][header content pad][header content][word .. hole .. word][header ..][ edge ]
 *
 *   first_unit is the first unit at which payloads are aligned. No block begins at end_unit or
 *   behind it. With alignment 4 both edges are empty.
 *
 * The record of a page takes page_stride bytes in an array indexed by page number: struct xvi_page,
 * then the proof (start.h), if the heap keeps one.
 *
 * Invariants (xvi_heap_check names them by number):
 *   1  blocks and holes tile a page from first_unit to end_unit; no two holes touch
 *   2  PREV_FREE of a block says whether a hole lies before it; it is clear in the first block
 *   3  the words of a hole agree; the lead has no first word, and a hole that ends its page has
 *      no last word
 *   4  the record of a listed hole names its page, first unit and units; an empty page names
 *      the record of its hole
 *   5  the content of a used block fits it; without proof, its stamp has the keyed bits of its
 *      place
 *   6  used_units of a page is the sum over its used blocks
 *   7  a free list holds only holes of its lengths, linked both ways; a bit is set exactly when
 *      its list, or its word of lists, is not empty; no hole of the victim is in a list
 *   8  every listed hole of a page is in a list; as many records are in use as there are listed
 *      holes
 *   9  a grain with a byte of a used block or a word of a hole is hot; hot grains are committed;
 *      spare grains are committed, not hot, and counted
 *  10  pages, blocks, used units, committed and spare grains are the sums over the pages
 *  11  the proof, if the heap keeps one, names the used blocks (start.h)
 *  12  there are never more holes than ready records
 *  13  lead_units is the length of the hole at first_unit, 0 if a block is there
 *
 * Invariants 1 to 5, 11 and 13 do not hold in a closed page. It has no record of a hole, its grains
 * are hot, and used_units is all of them; its blocks are still counted.
 *
 * What may be overwritten. Anybody may write to a page between two calls, but not to a record: in a
 * heap that keeps the proof no call then reads or writes outside the heap's pages, or runs without
 * end. A caller proves a block and checks it (sound.h) before it passes it to a call below.
 *
 * Complexity: malloc and free of a block are O(1), plus the source. free calls the source only to
 * give memory back, and cannot fail.
 */
#ifndef XVI_HEAP_H
#define XVI_HEAP_H

#include "block.h"
#include "xvi_bits.h"
#include "xvi_mem.h"
#include "xvi_tools.h"

#include <xvmalloc/errors.h>

enum {
	PAGE_OURS = 1 << 0,
	PAGE_VICTIM = 1 << 1,
	PAGE_CLOSED = 1 << 2,

	LIST_EXACT_UNITS = 1024, /* up to 4 KiB each length has its own list */
	LIST_EXACT_SHIFT = 10,
	LIST_OCTAVE_SHIFT = 6, /* above 4 KiB each doubling has 64 lists */
	LIST_COUNT_MAX = LIST_EXACT_UNITS + (4 << LIST_OCTAVE_SHIFT) + 1,
	LIST_WORDS = (LIST_COUNT_MAX + 63) / 64,

	/* A record costs 16 bytes, so holes shorter than every block asked for so far are not
	 * listed. Holes of this length and more always are. */
	LISTED_MIN_UNITS_MAX = 14,

	SPARE_MIN_GRAINS = 8,      /* spare grains that may stay, ... */
	SPARE_PER_COMMITTED = 200, /* ... or one for each 200 committed, if that is more */
	RECORD_STEP = 256,         /* the hole table grows by 256 records: 4 KiB */

	GENERATION_SHIFT = 5, /* in the stamp, if blocks are not proved */
};

struct xvi_page {
	uint16_t used_units; /* of used blocks, headers included */
	uint16_t generation; /* counts the blocks made in the page, starting at heap.generation */
	uint16_t lead_units; /* units of the hole at first_unit; 0 = a block is there */
	uint16_t pins;       /* maps of the page by callers: the heap only compares with 0 */
	uint8_t state;       /* PAGE_* */
	uint8_t source;      /* belongs to the source: the heap does not touch it */
	uint16_t hot;        /* bit i: grain i */
	uint16_t committed;  /* superset of hot; the difference is spare */
	uint32_t older;      /* list of pages with spare grains: page + 1, 0 = none */
	uint32_t newer;
	uint32_t whole; /* record of the hole of an empty page, or 0 */
};

struct xvi_hole {
	uint32_t prev; /* in its list, 0 for the first; undefined in an unused record */
	uint32_t next; /* in its list, 0 for the last; in an unused record the next unused one */
	uint32_t page;
	uint16_t first; /* unit */
	uint16_t units; /* 0 = the record is unused */
};

_Static_assert(sizeof(struct xvi_page) == 28, "a page costs 28 bytes and its proof");
_Static_assert(sizeof(struct xvi_hole) == 16, "a hole costs 16 bytes");
_Static_assert(LIST_WORDS <= 64, "one word tells which words of lists are not 0");

struct xvi_free_lists {
	uint64_t words;            /* which words of bits are not 0 */
	uint64_t bits[LIST_WORDS]; /* which lists are not empty */
	uint32_t *heads;           /* first record of each list, 0 when empty; list_count */
};

struct xvi_hole_table {
	struct xvi_hole *records; /* record 0 is never used: 0 means none */
	uint32_t live;            /* records in use, count */
	uint32_t ready;     /* records below this number are ready: usable without a call to the
			     * source */
	uint32_t most;      /* most records */
	uint32_t high;      /* records from this number on were never used */
	uint32_t free_head; /* list of unused records below high */
	bool bounded; /* the table does not grow (memory of the caller): a hole that finds no record
		       * is not listed */
};

/* What a heap needs from outside. The thread that called the heap makes these calls. The heap
 * passes negative errnos on to its caller; calls without a result cannot fail. */
struct xvi_heap_source {
	/* Get a page. Its record is zero. None of its grains is committed, or all if it is one
	 * grain. */
	int (*page_take)(void *context, uint32_t *page);

	/* Give back `count` pages from `page` on, whose records are zero, and their `grains`
	 * committed grains. */
	void (*pages_give)(void *context, uint32_t page, uint32_t count, uint64_t grains);

	/* Get memory for `count` grains from `first` on; give it back. False: it could not be
	 * given back. */
	int (*grains_take)(void *context, uint32_t page, uint32_t first, uint32_t count);
	bool (*grains_give)(void *context, uint32_t page, uint32_t first, uint32_t count);

	/* Is this page, below page_limit, one of this heap? Its record may be another heap's.
	 * NULL: all records are this heap's. */
	bool (*page_is_ours)(void *context, uint32_t page);

	/* A page was closed for this reason, in static storage, found at this unit. */
	void (*page_closed)(void *context, uint32_t page, uint32_t unit, const char *message);

	/* For a hole table that grows. Make records below `count` usable. Records below `high`
	 * are now used. Records from `high` on are no longer used, and those from `ready` on are
	 * no longer needed. */
	int (*records_take)(void *context, uint32_t count);
	void (*records_used)(void *context, uint32_t high);
	void (*records_give)(void *context, uint32_t high, uint32_t ready);

	/* Make a page addressable, at most two at a time, and end that. Not called if base is
	 * set. */
	uint32_t *(*page_map)(void *context, uint32_t page);
	void (*page_unmap)(void *context, uint32_t page, uint32_t *words);
};

struct xvi_heap_config {
	const struct xvi_heap_source *source;
	void *context;
	unsigned char *base;  /* page p is at base + (p << page_shift), or NULL */
	unsigned char *pages; /* array of page records; it never moves */
	struct xvi_hole *records;
	uint32_t *heads;       /* xvi_heap_list_count() of them, all zero */
	uint32_t page_shift;   /* 12 .. 16; values down to 7 work too */
	uint32_t grain_shift;  /* page_shift, or less if grains are given back */
	uint32_t alignment;    /* of payloads: 4, 8 or 16 */
	uint32_t prefix_bytes; /* from a block's header to its payload */
	uint32_t key;
	uint32_t records_most;
	uint32_t records_ready; /* usable from the beginning */
	bool records_bounded;
	bool prove;          /* keep the proof (start.h) */
	bool scatter;        /* choose at random among holes of the same length */
	bool end_edge;       /* no block ends with its page */
	uint16_t generation; /* must differ between heaps that take each other's pages */
};

/* A used block; its page is mapped if pages have to be. */
struct xvi_place {
	uint32_t page;
	uint32_t unit;
	uint32_t *words;
	uint32_t header;
};

/* Sizes and bounds. The common calls are written for any shape, and compiled once more for the
 * usual shape, in which these are constants (fast.h). */
struct xvi_shape {
	uint32_t page_shift;
	uint32_t grain_shift; /* in units */
	uint32_t grain_count; /* in a page */
	uint32_t align_mask;  /* alignment - 1, bytes */
	uint32_t first_unit;
	uint32_t end_unit;
	uint32_t page_stride; /* bytes of a page record */
	bool prove;
	bool start_bits; /* the proof has a bit for each place (start.h) */
	bool usual; /* pages are always addressable, the hole table grows, and the caller knows that
		     * the page is no victim */
};

struct xvi_heap {
	/* Constants. */
	unsigned char *base;
	unsigned char *pages; /* the record of page 0, if it exists: see page_base */
	struct xvi_shape shape;
	uint32_t payload_at; /* bytes from a block to its payload: header and prefix */
	uint32_t key;

	uint16_t generation; /* for the next page: at least that of every page given back */
	struct xvi_free_lists lists;
	struct xvi_hole_table holes;
	uint32_t listed_min_units; /* shorter holes have no record */
	uint32_t page_base;        /* our pages have numbers from this on ... */
	uint32_t page_limit; /* ... and below this. The source may change `pages` and page_base when
			      * it gives a page */

	/* Counters. */
	uint32_t page_count;
	uint32_t block_limit; /* used blocks for which records are ready, ... */
	uint32_t blocks_left; /* ... less the present ones: see heap_block_count */
	uint64_t used_units;  /* of used blocks */
	uint64_t committed_grains;
	uint64_t spare_grains;
	uint32_t oldest_spare; /* list of pages with spare grains: page + 1, 0 = none */
	uint32_t newest_spare;

	uint32_t victim; /* page + 1, 0 = none */
	uint32_t closed_pages;
	uint32_t random; /* state of the generator; 0 = the first hole is taken */

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

/* Read or write a word of a page. */
XVI_READS_HEADERS static inline uint32_t heap_word(const struct xvi_heap *heap, uint32_t page,
						   uint32_t unit)
{
	uint32_t *words = heap_map(heap, page);
	uint32_t word = words[unit];

	XVI_ASSERT(unit < heap->shape.end_unit);
	heap_unmap(heap, page, words);
	return word;
}

XVI_READS_HEADERS static inline void heap_set_word(const struct xvi_heap *heap, uint32_t page,
						   uint32_t unit, uint32_t word)
{
	uint32_t *words = heap_map(heap, page);

	XVI_ASSERT(unit < heap->shape.end_unit);
	words[unit] = word;
	heap_unmap(heap, page, words);
}

/* Is it a page of this heap? */
static inline bool heap_owns(const struct xvi_heap *heap, uint32_t page)
{
	return page >= heap->page_base && page < heap->page_limit &&
	       (heap_page(heap, page)->state & PAGE_OURS) != 0;
}

static inline bool heap_is_closed(const struct xvi_heap *heap, uint32_t page)
{
	return (heap_page(heap, page)->state & PAGE_CLOSED) != 0;
}

/* The same for a caller that visits all pages below page_limit, which may include those of other
 * heaps. */
static inline bool heap_holds(const struct xvi_heap *heap, uint32_t page)
{
	if (heap->source->page_is_ours != NULL && !heap->source->page_is_ours(heap->context, page))
		return false;
	return heap_owns(heap, page);
}

/* Used blocks, count. */
static inline uint32_t heap_block_count(const struct xvi_heap *heap)
{
	return heap->block_limit - heap->blocks_left;
}

/* Units of a block with `content` bytes of content. */
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

/* A hash of a place, at the bits of a header's stamp; the lower bits hold others. */
static inline uint32_t heap_place_hash(const struct xvi_heap *heap, uint32_t page, uint32_t unit)
{
	return page * 0x9E3779B1U + unit * 0x85EBCA77U + heap->key;
}

/* Bits of a header that hold the hash of its place, if blocks are not proved. */
#define BLOCK_KEYED_BITS (((1U << GENERATION_SHIFT) - 1U) << BLOCK_STAMP_SHIFT)

/* Does the header of a used block have the keyed bits of its place? */
static inline bool heap_stamp_is_keyed(const struct xvi_heap *heap, uint32_t page, uint32_t unit,
				       uint32_t word)
{
	return ((word ^ heap_place_hash(heap, page, unit)) & BLOCK_KEYED_BITS) == 0;
}

/* Ready records, except record 0, are for one hole a block and a page. Call this after a
 * change. */
static inline void heap_set_block_limit(struct xvi_heap *heap)
{
	uint32_t blocks = heap_block_count(heap);
	uint32_t others = heap->page_count + 1;

	heap->block_limit = heap->holes.bounded          ? INT32_MAX
			    : heap->holes.ready > others ? heap->holes.ready - others
							 : 0;
	heap->blocks_left = heap->block_limit - blocks;
	XVI_ASSERT(heap->blocks_left <= heap->block_limit);
}

/* ---- the heap as a whole (heap.c) ---- */

/* Free lists of a heap with pages of this size; bytes of a page record. */
uint32_t xvi_heap_list_count(uint32_t page_shift);
uint32_t xvi_heap_page_stride(uint32_t page_shift, uint32_t alignment, bool prove);

void xvi_heap_init(struct xvi_heap *heap, const struct xvi_heap_config *config);

/* Give every page back, with all blocks. The heap is then as new. O(pages). */
void xvi_heap_clear(struct xvi_heap *heap);

/* ---- blocks: O(1), plus the source ---- */

enum {
	HEAP_MAY_GROW = 1,
	HEAP_KEEP_VICTIMS = 2, /* the victim stays the victim even if nothing else fits */
};

/*
 * Make a block of `content` bytes, 1 .. heap_content_max, with the payload's offset in its page a
 * multiple of `alignment`, a power of two (1: the heap's alignment). Fills *place; end it with
 * heap_unmap. Without HEAP_MAY_GROW only holes are used. Returns 0, -XV_ENOMEM (no hole fits, and
 * the heap may not grow, or it has no record for the rest), or an error of the source. On error
 * nothing has changed. (malloc.c)
 */
int xvi_heap_malloc(struct xvi_heap *heap, uint32_t content, uint32_t kind, uint32_t alignment,
		    unsigned flags, struct xvi_place *place);

/* Make a block for a part of `content` bytes, at least `least` of them, in the best hole: the
 * smallest that takes seven tenths of it, else the largest. Returns 0 or -XV_ENOMEM.
 * place->header tells the length. (malloc.c) */
int xvi_heap_malloc_part(struct xvi_heap *heap, uint32_t content, uint32_t least, uint32_t kind,
			 unsigned flags, struct xvi_place *place);

/* Free a used block, and end the map of its page. Cannot fail. (free.c) */
void xvi_heap_free(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t unit);

/* Change the content of a used block in place to `content` bytes. Returns false, with nothing
 * changed, when neither its end nor the hole behind it has room, or there is no memory. (free.c) */
bool xvi_heap_resize(struct xvi_heap *heap, struct xvi_place *place, uint32_t content);

/* Units of the largest listed hole; 0 = none. Looks at eight holes of the last list. */
uint32_t xvi_heap_largest(const struct xvi_heap *heap);

/* Units of holes in pages that hold a block: splitting and compaction could use them. O(1). */
static inline uint64_t heap_free_units(const struct xvi_heap *heap)
{
	uint64_t all = (heap->committed_grains - heap->spare_grains) << heap->shape.grain_shift;

	XVI_ASSERT(heap->spare_grains <= heap->committed_grains);
	return all > heap->used_units ? all - heap->used_units : 0;
}

/* ---- grains (grain.c), records, the victim (heap.c) ---- */

/* Most spare grains that stay. */
static inline uint64_t heap_spare_most(const struct xvi_heap *heap)
{
	uint64_t share = heap->committed_grains / SPARE_PER_COMMITTED;

	return share > SPARE_MIN_GRAINS ? share : SPARE_MIN_GRAINS;
}

/* Give back spare grains until at most `keep` are left, those of the page that has had some
 * longest first. Pinned pages keep theirs. Returns the grains given back. O(that). */
uint64_t xvi_heap_give_back(struct xvi_heap *heap, uint64_t keep);

/* Give back all spare grains, and the end of the hole table that is neither used nor needed, if
 * that is a step or more; no record moves. False: there was nothing. O(grains given back). */
bool xvi_heap_give_all(struct xvi_heap *heap);

/* Move the records of the hole table to its beginning, and give back the rest, if that is a step
 * or more. O(records). */
void xvi_heap_shrink_records(struct xvi_heap *heap);

/* Make a page with a block the victim, if there is none: its holes leave the lists. End that, if
 * it is still the victim. A page that is not sound is closed instead. O(blocks of the page). */
void xvi_heap_victim_begin(struct xvi_heap *heap, uint32_t page);
void xvi_heap_victim_end(struct xvi_heap *heap);

/* Close a page. O(records of holes). Does nothing to a closed one. */
void xvi_heap_close(struct xvi_heap *heap, uint32_t page, uint32_t unit, const char *message);

/* First used block of a mapped page from `unit` on, at which a block or hole must begin; end_unit
 * when there is none, and UINT32_MAX when a word cannot be right. */
uint32_t xvi_heap_next_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
			    uint32_t unit);

/* ---- checking (check.c) ---- */

struct xvi_heap_fault {
	uint32_t invariant; /* number in the list above; 0 = none */
	uint32_t page;      /* UINT32_MAX: it is about a list or a sum */
	uint32_t unit;      /* or the number of the list */
	const char *message;
};

/* Prove the invariants. True when they hold. O(pages + blocks + records). */
bool xvi_heap_check(struct xvi_heap *heap, struct xvi_heap_fault *fault);

/* Do the invariants of a page of this heap hold that is not closed? *unit and *message are set if
 * not. O(blocks of the page). */
bool xvi_heap_page_check(struct xvi_heap *heap, uint32_t page, uint32_t *unit,
			 const char **message);

/* Close a page of this heap if they do not hold. True: it is closed. */
bool xvi_heap_close_unsound(struct xvi_heap *heap, uint32_t page);

#if XV_DEBUG >= 2
enum { HEAP_DEBUG_INTERVAL = 4096 };
void xvi_heap_debug_check(struct xvi_heap *heap);
#else
#define xvi_heap_debug_check(heap) ((void)(heap))
#endif

#endif
