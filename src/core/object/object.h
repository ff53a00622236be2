/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * object.h: objects with handles on one heap. Read this first; object_fast.h has the common malloc
 * and free, inline.
 *
 * The layer knows no lock: one caller at a time. Of the heap that caller may call only
 * xvi_heap_give_back, xvi_heap_shrink_records and calls that read.
 *
 * Words
 *   object    what the caller asked for: one piece, or a chain of pieces
 *   piece     one block of the heap
 *   handle    page, offset and tag of an object's first piece (xvmalloc/base.h)
 *   link      page and unit of another piece of the same object
 *   pinned    a page that a caller reads or writes without the lock: its pieces do not move, and
 *             its memory stays
 *   canary    4 bytes behind the payload of each piece, made from its place and the heap's key;
 * only in hardened objects quarantine freed blocks that are kept for a while, full of zeros, as
 * REST pieces in no chain; only in hardened objects
 *
 * Kinds of a block, and their content (heap/block.h) in words of 4 bytes; only pools with owners
 * have the owner:
 *
 *   WHOLE  [owner]                                                        payload
 *   FIXED  [owner]                                                        payload
 *   FIRST  [owner][next page][next unit][size of the object]              payload
 *   REST          [next page][next unit][previous page][previous unit]    payload
 *
 *   WHOLE  an object of one piece
 *   FIXED  the same with a larger alignment than the pool's: only realloc moves it, and keeps
 *          the alignment that its offset has, up to 256
 *   FIRST  the first piece of several; alone (no next piece) after an object in a pinned
 *          page was made shorter
 *   REST   a later piece; the next one of the last is piece_none
 *
 * Hardened objects have a canary behind the payload of every piece, zeros in what was freed, and a
 * quarantine.
 *
 * Handles. The tag has 16 bits; 0 means a handle without a tag:
 *
 *   15        14     12 11          0
 *   [ TAGGED ][ key    ][ stamp     ]
 *
 * stamp is the stamp of the block's header (heap/block.h), a count of the blocks made in its page;
 * key tells pools apart. A handle is good when the page is the heap's, the proof holds, the kind is
 * WHOLE, FIXED or FIRST, and the tag, if any, is equal.
 *
 * The proof (start.h), if the heap keeps it: a used block begins exactly at that place. A stale
 * handle passes only if a block begins at its place and its page has made a multiple of 4,096
 * blocks since.
 *
 * Otherwise, the keyed check: the header fits its page; behind the block begins a used block with
 * the keyed bits of its place and no hole before it, or a hole, as its record or words say; and a
 * hole ends before the block, if the header says so. At most one random payload in 16 million
 * passes for a header with the tag. A stale handle passes if its page has made a multiple of 128
 * blocks. A walk over the page proves a handle without a tag.
 *
 * Invariants (xvi_objects_check names them by number; 1 to 13 are the heap's):
 *  21  a block's content holds what its kind says, and at least one byte of payload
 *  22  FIRST and REST occur only if objects may have several pieces
 *  23  a link leads to a REST piece of this heap, whose previous link leads back; each REST
 *      piece is in the chain of one FIRST
 *  24  the payloads of a chain add up to the size in its first piece
 *  25  requested_bytes, split_objects and rest_pieces are the sums over the blocks
 *  26  the canary of each piece is right, in hardened objects
 *
 * Objects with a piece in a closed page (heap.h) still count as live; 23 and 25 do not hold for
 * them.
 *
 * Errors. -XV_EINVAL is a bad handle, which counts in bad_handles. -XV_EBADMSG: words of the object
 * were overwritten, and their page is closed, now or before; pieces in other pages are lost. On
 * error nothing else has changed and outputs are untouched. At most two pages of the heap are
 * mapped at a time.
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
	PIECE_MIN_BYTES = 48, /* least content of a piece in a hole */

	CANARY_BYTES = 4,

	QUARANTINE_OBJECTS = 64,      /* blocks in the quarantine, ... */
	QUARANTINE_BYTES_MOST = 4096, /* ... each of an object of at most this size */

	OBJECT_ALIGNMENT_MAX = 256, /* largest alignment of a call, bytes */
	OBJECT_SIZE_MAX = 1 << 30,  /* bytes, if objects may have several pieces */

	TAG_SHIFT = 48, /* of a handle */
	TAG_TAGGED = 1 << 15,
	TAG_KEY_SHIFT = 12,
	TAG_KEY_MASK = 7,

	COMPACT_BUCKETS = 32, /* fullness of a page: 0 .. 31 for grains up to half full, 31 above */
};

#define LINK_NONE UINT32_MAX     /* page of a link that leads nowhere */
#define LINK_NO_UNIT 0x9E3779B9U /* its unit: none, and seldom written by mistake */

_Static_assert((int)TAG_KEY_SHIFT == (int)BLOCK_STAMP_WIDTH, "key lies above the check");
_Static_assert(PIECE_MIN_BYTES > OWNER_BYTES + REST_LINK_BYTES + CANARY_BYTES, "all have payload");

/* A proved place: the first piece of a live object, or another piece of one. */
struct xvi_location {
	uint32_t page;
	uint32_t unit;
	uint32_t header; /* its header when it was proved */
};

enum xvi_compact_phase {
	COMPACT_IDLE,  /* no cycle is running */
	COMPACT_SCAN,  /* count pages by fullness */
	COMPACT_SWEEP, /* empty the sparse ones */
	COMPACT_DOWN   /* move the highest ones to new ones */
};

struct xvi_compaction {
	uint32_t phase;
	uint32_t cursor;                  /* next page */
	uint32_t grains[COMPACT_BUCKETS]; /* hot grains of pages, by fullness */
	uint32_t threshold;               /* empty pages of the buckets below this one, ... */
	uint64_t quota; /* ... and this many grains of this bucket, from the highest page down */
	uint64_t free_units;    /* in hot grains, from the scan */
	uint32_t victim_grains; /* grains of the victim in the quota */
	uint64_t round_grains;  /* committed at the start of the round */
	uint64_t left_units;   /* free units in used pages that the last cycle could not gain ... */
	uint64_t left_of_used; /* ... with this many used units */
};

/* Freed blocks, the oldest at `next`; header 0 is no block. */
struct xvi_quarantine {
	uint32_t next;
	uint32_t count;
	struct xvi_location blocks[QUARANTINE_OBJECTS];
};

struct xvi_objects_config {
	struct xvi_heap_config heap;          /* this layer sets prefix_bytes */
	bool split;                           /* objects may have several pieces */
	bool owners;                          /* every object has an owner */
	const struct xv_owner_ops *owner_ops; /* or NULL: no compaction */
	void *owner_context;
	uint32_t tag_key; /* low three bits count; the same for all heaps of a pool */
	struct xvi_quarantine *quarantine; /* zero; hardened objects have one, others NULL */
	bool watched; /* tools are told of each object; pages are addressable and hidden */
};

struct xvi_objects {
	struct xvi_heap heap;

	/* xvi_object_malloc with the pool's alignment, and xvi_object_free; for a heap of a usual
	 * shape their forms in object_fast.h. */
	int (*make)(struct xvi_objects *objects, size_t size, uint32_t owner, xv_handle *handle);
	int (*free)(struct xvi_objects *objects, xv_handle handle);

	/* Constants. */
	uint32_t prefix_bytes; /* OWNER_BYTES or 0 */
	uint32_t tag;          /* TAG_TAGGED and the key, in place: or in the stamp */
	uint64_t handle_base;  /* handle of a block with stamp 0 at unit 0 of page 0 */
	uint32_t max_size;     /* of an object */
	uint32_t whole_max;    /* of an object of one piece */
	uint32_t tail_bytes;   /* CANARY_BYTES or 0 */
	bool split;
	bool watched;
	struct xvi_quarantine *quarantine; /* NULL: not hardened */
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

/* Free every object and give every page back. Counters of past events stay. No page may be
 * pinned. O(pages). */
void xvi_objects_clear(struct xvi_objects *objects);

/* Do tools watch the objects? */
static inline bool objects_watched(const struct xvi_objects *objects)
{
	return (XVI_TOOLS_ASAN || XVI_TOOLS_VALGRIND) && objects->watched;
}

/* Live objects: blocks that begin one. */
static inline uint64_t objects_count(const struct xvi_objects *objects)
{
	uint32_t kept = objects->quarantine != NULL ? objects->quarantine->count : 0;

	return heap_block_count(&objects->heap) - objects->rest_pieces - kept;
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
	return block_content(header) - piece_head_bytes(objects, block_kind(header)) -
	       objects->tail_bytes;
}

/* Has the piece at least one byte of payload, and so all words that its kind says? */
static inline bool piece_has_payload(const struct xvi_objects *objects, uint32_t header)
{
	return block_content(header) >
	       piece_head_bytes(objects, block_kind(header)) + objects->tail_bytes;
}

/* First link word of a FIRST or REST piece: next page and next unit; then the size, or previous
 * page and unit. */
static inline uint32_t piece_link_unit(const struct xvi_objects *objects, uint32_t unit,
				       uint32_t kind)
{
	return unit + 1 + (kind == KIND_FIRST ? objects->prefix_bytes / UNIT_BYTES : 0);
}

/* Content of the block of an object of one piece. */
static inline uint32_t object_content(const struct xvi_objects *objects, size_t size)
{
	return (uint32_t)size + objects->prefix_bytes + objects->tail_bytes;
}

/* Payload's offset in the page, bytes. */
static inline uint32_t piece_payload_offset(const struct xvi_objects *objects, uint32_t unit,
					    uint32_t kind)
{
	return unit * UNIT_BYTES + BLOCK_HEADER_BYTES + piece_head_bytes(objects, kind);
}

/* Is this page, below page_limit, one of this heap with a used block, and not closed? */
static inline bool page_has_blocks(const struct xvi_heap *heap, uint32_t page)
{
	return heap_holds(heap, page) && heap_page(heap, page)->used_units != 0 &&
	       !heap_is_closed(heap, page);
}

/* The next used block behind this one in a mapped page, or end_unit; UINT32_MAX when a word cannot
 * be right. */
static inline uint32_t page_next_used(const struct xvi_heap *heap, uint32_t page,
				      const uint32_t *words, uint32_t unit)
{
	return xvi_heap_next_used(heap, page, words, unit + heap_block_units(heap, words[unit]));
}

/* Size of a live object in bytes, > 0. O(1). */
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
	XVI_ASSERT(unit < objects->heap.shape.end_unit);
	return objects->handle_base +
	       ((xv_handle)(header & BLOCK_STAMP_BITS) << (TAG_SHIFT - BLOCK_STAMP_SHIFT)) +
	       ((xv_handle)page << 16) + unit * UNIT_BYTES;
}

/* Unit of a handle; for a handle of no block one beyond any page. */
static inline uint32_t handle_unit(const struct xvi_objects *objects, xv_handle handle)
{
	uint32_t at = xv_handle_offset(handle) - objects->heap.payload_at;

	return at >> UNIT_SHIFT | at << (32 - UNIT_SHIFT);
}

/* Prove a handle: *at is then the first piece of the object, and sound. Returns 0, -XV_EINVAL or
 * -XV_EBADMSG. O(1), except a handle without a tag under the keyed check, and a bad one if blocks
 * are proved: O(blocks of its page). */
int xvi_object_find(struct xvi_objects *objects, xv_handle handle, struct xvi_location *at);

/* Is the handle good? Counts and closes nothing. */
bool xvi_object_is(const struct xvi_objects *objects, xv_handle handle, struct xvi_location *at);

/* ---- objects ---- */

/*
 * Make an object of `size` bytes with this owner (kept only in pools with owners). `alignment` is
 * of the payload's offset in its page, a power of two up to OBJECT_ALIGNMENT_MAX; above the pool's
 * it makes the object FIXED, and 1 asks for the pool's. The bytes are undefined. Returns 0,
 * -XV_EINVAL (size 0), -XV_E2BIG (size above max_size, or a FIXED one that fits no page), or an
 * error of the source. O(1), plus the source; O(size) above a page. (malloc.c)
 */
int xvi_object_malloc(struct xvi_objects *objects, size_t size, size_t alignment, uint32_t owner,
		      xv_handle *handle);

/* Free an object. Returns 0, -XV_EINVAL or -XV_EBADMSG. Pins of its pages stay, and keep their
 * memory. O(pieces), plus the source; O(size) if hardened. (malloc.c) */
int xvi_object_free(struct xvi_objects *objects, xv_handle handle);

/* Free what is in the quarantine, if there is one. True: there was something. (malloc.c) */
bool xvi_objects_settle(struct xvi_objects *objects);

/* Set `make` and `free`. (malloc.c) */
void xvi_objects_set_calls(struct xvi_objects *objects);

/*
 * Change the size of an object to `size` bytes, at least 1; the first min(old, new) are kept.
 * *handle is renewed when the object moves; its owner is not told. In place if possible: one piece
 * takes from the hole behind it; a chain changes its last piece or gets more pieces. Returns 0,
 * -XV_EINVAL, -XV_EBADMSG, -XV_E2BIG, -XV_EBUSY (a piece that has to move is in a pinned page), or
 * an error of the source. Copies at most a block. O(pieces). (realloc.c)
 */
int xvi_object_realloc(struct xvi_objects *objects, xv_handle *handle, size_t size);

/* Make the object, which has at most a page, anew with this size, in its heap or another one. Its
 * page must not be pinned. *handle is renewed. As xvi_object_malloc. (realloc.c) */
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

/* A pinned part of an object: [offset, offset + bytes) of the page, which the caller maps. To
 * copy without the lock: pin, unlock, copy, lock, xvi_object_pin_again or _next, and so on. */
struct xvi_pin {
	struct xvi_location piece;
	uint32_t offset; /* bytes */
	uint32_t bytes;  /* up to the end of the piece */
};

/* Pin the piece with byte `offset` of the object, from that byte on; offset is below its size.
 * Returns 0, -XV_EINVAL, -XV_EBADMSG, -XV_ERANGE (offset), or -XV_EAGAIN (the page is pinned 65,535
 * times).
 * O(pieces before it). */
int xvi_object_pin(struct xvi_objects *objects, xv_handle handle, size_t offset,
		   struct xvi_pin *pin);

/* Is the pinned piece still the object's? It may have become shorter: bytes follows. Returns 0,
 * -XV_EINVAL (it was freed) or -XV_EBADMSG; an error leaves the pin. O(1). */
int xvi_object_pin_again(struct xvi_objects *objects, struct xvi_pin *pin);

/* Pin the next piece, then unpin this one. Returns 0, -XV_EINVAL (the object was freed, or was
 * made shorter and ends here), -XV_EBADMSG or -XV_EAGAIN; an error leaves the present pin. O(1). */
int xvi_object_pin_next(struct xvi_objects *objects, struct xvi_pin *pin);

/* End a pin, by its page, and give back memory that waited for it. False: that page is not
 * pinned. O(1), plus the source. */
bool xvi_object_unpin(struct xvi_objects *objects, uint32_t page);

/* Copy bytes out of or into an object; zeros if buffer is NULL. The range lies inside it.
 * Returns 0 or -XV_EBADMSG: a part may be copied then. O(pieces + bytes). */
int xvi_object_read(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		    void *buffer, size_t bytes);
int xvi_object_write(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		     const void *buffer, size_t bytes);

/* Copy the first bytes of one object to another, of this heap or another one. Maps one page of
 * each at a time. Returns as above. O(pieces of one * pieces of the other + bytes). */
int xvi_object_copy(struct xvi_objects *to_objects, const struct xvi_location *to,
		    struct xvi_objects *from_objects, const struct xvi_location *from,
		    size_t bytes);

/* ---- walking (objects.c) ---- */

struct xvi_object_seen {
	xv_handle handle; /* tagged */
	size_t size;
};

/*
 * List the next live objects of one page from this place on, in order, at most `most`. Returns
 * their number, 0 at the end, and sets *page and *unit to the place to go on from. Begin with 0, 0.
 * Objects made or freed between two calls are seen once or not at all. O(pages passed over + blocks
 * of a page).
 */
uint32_t xvi_objects_list(struct xvi_objects *objects, uint32_t *page, uint32_t *unit,
			  struct xvi_object_seen *seen, uint32_t most);

/* ---- compaction (compact.c) ---- */

/*
 * One step of compaction: moves about `step_bytes`. Looking at a page record counts as 32 bytes.
 * Moves at least one block, or looks at one page. Adds to moved_bytes, moved_blocks, refused and
 * pinned_pages of *report, and sets more. Repeat it until more is false: the cycle is then over,
 * and its last round gained too little for another. Objects without owner, FIXED ones and those in
 * pinned pages stay. Pages below number `pages`, the count of all pages of the pool's heaps, are
 * low enough. Needs owner_ops. O(step_bytes + one page).
 */
void xvi_objects_compact(struct xvi_objects *objects, size_t step_bytes, uint32_t pages,
			 struct xv_compact_report *report);

/* End a running cycle: its victim becomes a normal page. */
void xvi_objects_compact_end(struct xvi_objects *objects);

/* Estimate of the bytes that compaction would give back. It does not know about objects that
 * cannot move before a cycle has met them. O(1). */
uint64_t xvi_objects_compactable(const struct xvi_objects *objects);

/* ---- checking (check.c) ---- */

/* Prove the invariants of heap and objects. True when they hold. Never follows a broken link
 * forever. O(pages + blocks + records); with chains under the keyed check O(pieces * blocks of a
 * page). */
bool xvi_objects_check(struct xvi_objects *objects, struct xvi_heap_fault *fault);

#endif
