/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * object.h: objects with handles on one heap. Read this first; object_fast.h has the common
 * malloc and free, inline.
 *
 * The layer knows no lock: one caller at a time, who calls of the heap only xvi_heap_give_back,
 * xvi_heap_shrink_records and what reads.
 *
 * Words
 *   object    what the caller asked for: one piece, or a chain of pieces
 *   piece     one block of the heap
 *   handle    page, offset and tag of an object's first piece (xvmalloc/base.h)
 *   link      page and unit of another piece of the same object
 *   pinned    a page that somebody reads or writes while the lock is let go: its pieces do
 *             not move, and its memory stays
 *
 * Kinds of a block, and its content (heap/block.h), in words of 4 bytes; the owner is there only
 * in pools with owners:
 *
 *   WHOLE  [owner]                                                        payload
 *   FIXED  [owner]                                                        payload
 *   FIRST  [owner][next page][next unit][size of the object]              payload
 *   REST          [next page][next unit][previous page][previous unit]    payload
 *
 *   WHOLE  an object of one piece
 *   FIXED  one of a larger alignment than the pool's: only realloc moves it, and keeps the
 *          alignment that its offset has, up to 256
 *   FIRST  the first piece of several; alone (next page LINK_NONE) when an object in a pinned
 *          page was made shorter
 *   REST   a later piece; in the last one next page is LINK_NONE
 *
 * Handles. The tag, 16 bits; all 0 is a handle without one:
 *
 *   15        14     12 11          0
 *   [ TAGGED ][ key    ][ check     ]
 *
 * check is the check field of the block's header (heap/block.h), a count of the blocks made in its
 * page; key tells pools apart. A handle is good when the page is the heap's, the proof holds, the
 * kind is WHOLE, FIXED or FIRST, and the tag, if any, is equal.
 *
 * The proof, where the heap keeps it (start.h): a used block begins at that place, exactly. What
 * slips is the very same place, when its page has made a multiple of 4,096 blocks since.
 *
 * Elsewhere, the keyed check: the header fits its page; the block behind has the keyed bits of
 * its place and no hole before it, or is a hole whose record or words say that it begins there;
 * and so has the hole before, if the header says that there is one. At most one random payload
 * in 16 million passes for a header with the tag; the very same place repeats after 128 blocks.
 * A handle without a tag is proved by walking over the page.
 *
 * Invariants (xvi_objects_check names them by number; 1 to 13 are the heap's):
 *   21  a block's content holds what its kind says, and a byte of payload at least
 *   22  FIRST and REST are only where objects may be split
 *   23  a link leads to a REST piece of this heap, whose previous link leads back; each REST
 *       piece is in the chain of one FIRST
 *   24  the payloads of a chain sum up to the size in its first piece
 *   25  requested_bytes, split_objects and rest_pieces are the sums over the blocks
 *
 * Errors. -XV_EINVAL is a bad handle, which is counted in bad_handles. On an error nothing has
 * changed and outputs are untouched. At most two pages of the heap are mapped at a time.
 */
#ifndef XVI_OBJECT_H
#define XVI_OBJECT_H

#include "heap.h"

#include <xvmalloc/owner.h>

enum {
	KIND_WHOLE = 0,
	KIND_FIRST = 1,
	KIND_REST = 2,
	KIND_FIXED = 3,

	OWNER_BYTES = 4,
	FIRST_LINK_WORDS = 3,
	REST_LINK_WORDS = 4,
	FIRST_LINK_BYTES = FIRST_LINK_WORDS * UNIT_BYTES,
	REST_LINK_BYTES = REST_LINK_WORDS * UNIT_BYTES,
	PIECE_MIN_BYTES = 48, /* content of a piece that is laid into a hole */

	OBJECT_ALIGNMENT_MAX = 256, /* that can be asked for, bytes */
	OBJECT_SIZE_MAX = 1 << 30,  /* bytes, in pools that may split */

	TAG_SHIFT = 48, /* of a handle */
	TAG_TAGGED = 1 << 15,
	TAG_KEY_SHIFT = 12,
	TAG_KEY_MASK = 7,

	COMPACT_BUCKETS = 32, /* of pages: their grains are up to half full, and 31 above */
};

#define LINK_NONE UINT32_MAX /* page of a link that leads nowhere */

_Static_assert((int)TAG_KEY_SHIFT == (int)BLOCK_STAMP_WIDTH, "key lies above the check");

/* A proved place: a live object's first piece, or a piece of one. */
struct xvi_location {
	uint32_t page;
	uint32_t unit;
	uint32_t header; /* as it was */
};

enum xvi_compact_phase {
	COMPACT_IDLE,  /* no cycle is under way */
	COMPACT_SCAN,  /* counting pages by fullness */
	COMPACT_SWEEP, /* emptying the sparse ones */
	COMPACT_DOWN   /* moving the highest ones to new ones */
};

struct xvi_compaction {
	uint32_t phase;
	uint32_t cursor;                  /* next page to be looked at */
	uint32_t grains[COMPACT_BUCKETS]; /* hot grains of the pages of each fullness */
	uint32_t threshold;               /* pages of this bucket and below are emptied, ... */
	uint64_t quota;                   /* ... of the bucket itself so many grains, from
					   * the highest page down */
	uint64_t free_units;              /* in hot grains, as scanned */
	uint32_t victim_grains;           /* of the quota that the victim has */
	uint64_t round_grains;            /* committed when the round began */
	uint64_t left_units;   /* free in used pages when the last cycle ended: what it could not */
	uint64_t left_of_used; /* ... gain, while so many units were used */
};

struct xvi_objects_config {
	struct xvi_heap_config heap;          /* prefix_bytes is set by this layer */
	bool split;                           /* objects may be of several pieces */
	bool owners;                          /* every object has an owner */
	const struct xv_owner_ops *owner_ops; /* or NULL: then nothing is compacted */
	void *owner_context;
	uint32_t tag_key; /* the low three bits are used; one for all heaps of a pool */
};

struct xvi_objects {
	struct xvi_heap heap;

	/* xvi_object_malloc with the pool's alignment, and xvi_object_free, or where the heap is
	 * of a usual shape what object_fast.h makes of them. */
	int (*make)(struct xvi_objects *objects, size_t size, uint32_t owner, xv_handle *handle);
	int (*free)(struct xvi_objects *objects, xv_handle handle);

	/* Constants. */
	uint32_t prefix_bytes; /* OWNER_BYTES or 0 */
	uint32_t tag;          /* TAG_TAGGED and the key, in place: check is or-ed to it */
	uint64_t handle_base;  /* handle of a block with check 0 at unit 0 of page 0 */
	uint32_t max_size;     /* of an object, bytes */
	uint32_t whole_max;    /* of an object of one piece, bytes */
	bool split;
	const struct xv_owner_ops *owner_ops;
	void *owner_context;

	/* Counters. */
	uint64_t requested_bytes; /* sizes of live objects */
	uint64_t bad_handles;     /* calls refused for their handle */
	uint64_t mallocs;         /* objects ever made */
	uint64_t failures;        /* objects that found no memory */
	uint32_t split_objects;   /* live FIRST pieces */
	uint32_t rest_pieces;     /* live REST pieces */

	struct xvi_compaction compaction;
};

/* ---- the whole (objects.c) ---- */

void xvi_objects_init(struct xvi_objects *objects, const struct xvi_objects_config *config);

/* Free every object and give every page back. Counters of what ever happened stay.
 * No page may be pinned. O(pages). */
void xvi_objects_clear(struct xvi_objects *objects);

/* Live objects: the blocks that begin one. */
static inline uint64_t objects_count(const struct xvi_objects *objects)
{
	return heap_block_count(&objects->heap) - objects->rest_pieces;
}

/* Bytes of link words in all live objects. */
static inline uint64_t objects_link_bytes(const struct xvi_objects *objects)
{
	return (uint64_t)objects->split_objects * FIRST_LINK_BYTES +
	       (uint64_t)objects->rest_pieces * REST_LINK_BYTES;
}

/* ---- pieces ---- */

/* Bytes of content before the payload of a piece. */
static inline uint32_t piece_head_bytes(const struct xvi_objects *objects, uint32_t kind)
{
	if (XVI_LIKELY(kind == KIND_WHOLE || kind == KIND_FIXED))
		return objects->prefix_bytes;
	return kind == KIND_FIRST ? objects->prefix_bytes + FIRST_LINK_BYTES : REST_LINK_BYTES;
}

static inline uint32_t piece_payload_bytes(const struct xvi_objects *objects, uint32_t header)
{
	return block_content(header) - piece_head_bytes(objects, block_kind(header));
}

/* First link word of a FIRST or REST piece: next page, next unit, and then size, or previous
 * page and unit. */
static inline uint32_t piece_link_unit(const struct xvi_objects *objects, uint32_t unit,
				       uint32_t kind)
{
	return unit + 1 + (kind == KIND_FIRST ? objects->prefix_bytes / UNIT_BYTES : 0);
}

/* Payload's offset in the page, bytes. */
static inline uint32_t piece_payload_offset(const struct xvi_objects *objects, uint32_t unit,
					    uint32_t kind)
{
	return unit * UNIT_BYTES + BLOCK_HEADER_BYTES + piece_head_bytes(objects, kind);
}

/* Of the pages below page_limit, is it one of this heap with a used block? */
static inline bool page_has_blocks(const struct xvi_heap *heap, uint32_t page)
{
	return heap_holds(heap, page) && heap_page(heap, page)->used_units != 0;
}

/* The used block behind this one in a mapped page, or end_unit. */
static inline uint32_t page_next_used(const struct xvi_heap *heap, uint32_t page,
				      const uint32_t *words, uint32_t unit)
{
	return xvi_heap_next_used(heap, page, words, unit + heap_block_units(heap, words[unit]));
}

/* Bytes of a live object, > 0. O(1). */
static inline size_t object_size(const struct xvi_objects *objects, const struct xvi_location *at)
{
	if (XVI_LIKELY(block_kind(at->header) != KIND_FIRST))
		return piece_payload_bytes(objects, at->header);
	return heap_word(&objects->heap, at->page,
			 piece_link_unit(objects, at->unit, KIND_FIRST) + 2);
}

/* ---- handles (handle.c) ---- */

static inline uint32_t handle_tag(xv_handle handle)
{
	return (uint32_t)(handle >> TAG_SHIFT);
}

/* The handle of an object whose first piece has this place and header. */
static inline xv_handle objects_handle(const struct xvi_objects *objects, uint32_t page,
				       uint32_t unit, uint32_t header)
{
	return objects->handle_base +
	       ((xv_handle)(header & BLOCK_STAMP_BITS) << (TAG_SHIFT - BLOCK_STAMP_SHIFT)) +
	       ((xv_handle)page << 16) + unit * UNIT_BYTES;
}

/* Unit of a handle, or one beyond any page where it is none's. */
static inline uint32_t handle_unit(const struct xvi_objects *objects, xv_handle handle)
{
	uint32_t at = xv_handle_offset(handle) - objects->heap.payload_at;

	return at >> UNIT_SHIFT | at << (32 - UNIT_SHIFT);
}

/* Prove a handle: *at is the object's first piece. True when it is good; a bad one is counted.
 * O(1) but for a handle without a tag under the keyed check, O(blocks of its page). */
bool xvi_object_find(struct xvi_objects *objects, xv_handle handle, struct xvi_location *at);

/* The same, and nothing is counted. */
bool xvi_object_is(const struct xvi_objects *objects, xv_handle handle, struct xvi_location *at);

/* ---- objects ---- */

/*
 * Make an object of `size` bytes with this owner (which only pools with owners
 * keep). `alignment`, a power of two up to OBJECT_ALIGNMENT_MAX, of the payload's offset in
 * its page; above the pool's it makes the object FIXED, and 1 asks for the pool's. The bytes
 * are undefined. 0, -XV_EINVAL (size 0), -XV_E2BIG (size above max_size, or a FIXED one that fits
 * no page), or what the source said. O(1) apart from the source; O(size) above a page. (malloc.c)
 */
int xvi_object_malloc(struct xvi_objects *objects, size_t size, size_t alignment, uint32_t owner,
		      xv_handle *handle);

/* Free an object. 0 or -XV_EINVAL. Pins of its pages stay, and keep their memory. O(pieces)
 * apart from the source. (malloc.c) */
int xvi_object_free(struct xvi_objects *objects, xv_handle handle);

/* Set `make` and `free`. (malloc.c) */
void xvi_objects_set_calls(struct xvi_objects *objects);

/*
 * Give the object so many bytes, 1 at least; the first min(old, new) are kept. *handle is
 * renewed when the object moves; its owner is not told. Where it can, in place: an object of one
 * piece by what lies behind it, one of several by its last piece or by more pieces. 0,
 * -XV_EINVAL, -XV_E2BIG, -XV_EBUSY (a piece that would have to move is in a pinned page), or
 * what the source said. Copies a block at most. O(pieces). (realloc.c)
 */
int xvi_object_realloc(struct xvi_objects *objects, xv_handle *handle, size_t size);

/* Make the object of one page at most anew with this size, in its heap or another one; its page
 * is not pinned. *handle is renewed. As xvi_object_malloc. (realloc.c) */
int xvi_object_move(struct xvi_objects *to_objects, struct xvi_objects *objects,
		    const struct xvi_location *at, size_t size, xv_handle *handle);

/* Owner of a live object in a pool with owners. O(1). */
static inline uint32_t object_owner(const struct xvi_objects *objects,
				    const struct xvi_location *at)
{
	XVI_ASSERT(objects->prefix_bytes == OWNER_BYTES && block_kind(at->header) != KIND_REST);
	return heap_word(&objects->heap, at->page, at->unit + 1);
}

static inline void object_set_owner(struct xvi_objects *objects, const struct xvi_location *at,
				    uint32_t owner)
{
	XVI_ASSERT(objects->prefix_bytes == OWNER_BYTES && block_kind(at->header) != KIND_REST);
	heap_set_word(&objects->heap, at->page, at->unit + 1, owner);
}

/* ---- reading and writing (access.c) ---- */

/*
 * A pinned part of an object: [offset, offset + bytes) of the page, which the caller maps. To
 * copy with the lock let go: pin, let go, copy, lock, xvi_object_pin_next, and so on.
 */
struct xvi_pin {
	struct xvi_location piece;
	uint32_t offset; /* bytes */
	uint32_t bytes;  /* up to the end of the piece */
};

/*
 * Pin the piece that holds the byte `offset` of the object, from that byte on; offset is below
 * its size. 0, -XV_EINVAL, -XV_ERANGE (offset), or -XV_EAGAIN (the page is pinned 65,535
 * times). O(pieces before it).
 */
int xvi_object_pin(struct xvi_objects *objects, xv_handle handle, size_t offset,
		   struct xvi_pin *pin);

/*
 * Pin the piece behind, then unpin this one. 0; -XV_EINVAL (the object was freed meanwhile, or
 * ended here: it was made shorter) and -XV_EAGAIN leave the present pin as it is. O(1).
 */
int xvi_object_pin_next(struct xvi_objects *objects, struct xvi_pin *pin);

/* End a pin, by its page. What waited for it is given back. False: that page is not pinned.
 * O(1) apart from the source. */
bool xvi_object_unpin(struct xvi_objects *objects, uint32_t page);

/* Copy bytes out of an object, or into it: zeros where buffer is NULL. The range lies inside it.
 * O(pieces + bytes). */
void xvi_object_read(const struct xvi_objects *objects, const struct xvi_location *at,
		     size_t offset, void *buffer, size_t bytes);
void xvi_object_write(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		      const void *buffer, size_t bytes);

/* Copy the first bytes of one object to another, of this heap or of another one. A page of each
 * is mapped at a time. O(pieces of the one * pieces of the other + bytes). */
void xvi_object_copy(struct xvi_objects *to_objects, const struct xvi_location *to,
		     const struct xvi_objects *from_objects, const struct xvi_location *from,
		     size_t bytes);

/* ---- walking (objects.c) ---- */

struct xvi_object_seen {
	xv_handle handle; /* tagged */
	size_t size;
};

/*
 * The next live objects from this place on, in order, at most `most` and of one page at a time.
 * Returns their number, 0 when there are none any more, and sets *page and *unit to where to go
 * on. Begin with 0, 0. Objects made or freed between two calls are seen once or not at all.
 * O(pages passed over + blocks of a page).
 */
uint32_t xvi_objects_list(struct xvi_objects *objects, uint32_t *page, uint32_t *unit,
			  struct xvi_object_seen *seen, uint32_t most);

/* ---- compaction (compact.c) ---- */

/*
 * A step of compaction: moves about `step_bytes`, and looks at one page record for each 32
 * bytes of it that it does not move; at least one block is moved, or one page looked at. Adds
 * to *report: moved_bytes, moved_blocks, refused, pinned_pages; sets
 * more. Repeat it until more is false: the cycle is over then, and its last round gained
 * nothing worth while. Objects without owner, FIXED ones and those in pinned pages stay.
 * Pages with a number below `pages`, what the heaps of the pool have together, are low enough.
 * Precondition: owner_ops. O(budget + one page).
 */
void xvi_objects_compact(struct xvi_objects *objects, size_t step_bytes, uint32_t pages,
			 struct xv_compact_report *report);

/* End a cycle that is under way: its victim is a page like others. */
void xvi_objects_compact_end(struct xvi_objects *objects);

/* Estimate of the bytes of grains that compaction would give back. Objects that cannot move are
 * not known to it before a cycle has met them. O(1). */
uint64_t xvi_objects_compactable(const struct xvi_objects *objects);

/* ---- checking (check.c) ---- */

/* Prove the invariants of heap and objects. True when they hold. Follows no broken link
 * endlessly. O(pages + blocks + records), with chains O(pieces * blocks of a page) under the
 * keyed check. */
bool xvi_objects_check(struct xvi_objects *objects, struct xvi_heap_fault *fault);

#endif
