/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * piece.h: pieces and chains of them. Each call maps what it touches, one or two pages at a time.
 * Counts FIRST and REST pieces; does not count objects.
 */
#ifndef XVI_OBJECT_PIECE_H
#define XVI_OBJECT_PIECE_H

#include "object.h"

static const struct xvi_location piece_none = {LINK_NONE, LINK_NO_UNIT, 0};

/* ---- words of a mapped piece ---- */

/* Place of the next piece, without its header, or piece_none. */
static inline struct xvi_location words_next(const struct xvi_objects *objects,
					     const uint32_t *words, uint32_t unit)
{
	uint32_t kind = block_kind(words[unit]);
	const uint32_t *link = words + piece_link_unit(objects, unit, kind);

	if (kind != KIND_FIRST && kind != KIND_REST)
		return piece_none;
	return (struct xvi_location){link[0], link[1], 0};
}

static inline unsigned char *words_payload(const struct xvi_objects *objects, uint32_t *words,
					   uint32_t unit)
{
	return (unsigned char *)words +
	       piece_payload_offset(objects, unit, block_kind(words[unit]));
}

/* ---- what tools are told: the first piece of an object has its name ---- */

/* A new mapped piece: its payload is shown. */
static inline void piece_tell_made(const struct xvi_objects *objects, uint32_t *words,
				   uint32_t unit)
{
	const unsigned char *payload = words_payload(objects, words, unit);
	uint32_t bytes = piece_payload_bytes(objects, words[unit]);

	if (!objects_watched(objects))
		return;
	if (block_kind(words[unit]) == KIND_REST)
		xvi_tools_show(payload, bytes);
	else
		xvi_tools_made(objects, payload, bytes);
}

/* A mapped piece that is freed next. */
static inline void piece_tell_freed(const struct xvi_objects *objects, uint32_t *words,
				    uint32_t unit)
{
	const unsigned char *payload = words_payload(objects, words, unit);
	uint32_t bytes = piece_payload_bytes(objects, words[unit]);

	if (!objects_watched(objects))
		return;
	if (block_kind(words[unit]) == KIND_REST)
		xvi_tools_hide(payload, bytes);
	else
		xvi_tools_freed(objects, payload, bytes);
}

/* A mapped piece that was resized from `old` bytes of payload. */
static inline void piece_tell_resized(const struct xvi_objects *objects, uint32_t *words,
				      uint32_t unit, uint32_t old)
{
	const unsigned char *payload = words_payload(objects, words, unit);
	uint32_t bytes = piece_payload_bytes(objects, words[unit]);

	if (!objects_watched(objects))
		return;
	if (bytes > old)
		xvi_tools_show(payload + old, bytes - old);
	else
		xvi_tools_hide(payload + bytes, old - bytes);
	if (block_kind(words[unit]) != KIND_REST)
		xvi_tools_renamed(objects, payload, payload, bytes);
}

/* The first piece of an object was copied. The names change places: the copy has the object's,
 * with the place where it was made, and that of the copy is freed next. */
static inline void piece_tell_moved(const struct xvi_objects *objects,
				    const struct xvi_location *at, const struct xvi_location *to)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t bytes = piece_payload_bytes(objects, at->header);
	unsigned char *from, *place;

	if (!objects_watched(objects) || block_kind(at->header) == KIND_REST)
		return;
	from = words_payload(objects, heap_map(heap, at->page), at->unit);
	place = words_payload(objects, heap_map(heap, to->page), to->unit);
	/* Names must never overlap: the first one waits in a byte of its header. */
	xvi_tools_renamed(objects, from, from - 1, 1);
	xvi_tools_renamed(objects, place, from, bytes);
	xvi_tools_renamed(objects, from - 1, place, piece_payload_bytes(objects, to->header));
}

/* Fill the content of a mapped piece with zeros, from this byte on, and hide it. */
static inline void piece_zero(const struct xvi_objects *objects, uint32_t *words, uint32_t unit,
			      uint32_t from)
{
	unsigned char *content = (unsigned char *)(words + unit + 1);
	uint32_t bytes = block_content(words[unit]) - from;

	if (objects_watched(objects))
		xvi_tools_show(content + from, bytes);
	memset(content + from, 0, bytes);
	if (!objects_watched(objects))
		return;
	if (from == 0) /* the header may be shown now, too */
		xvi_tools_hide(words + unit, BLOCK_HEADER_BYTES);
	xvi_tools_hide(content + from, bytes);
}

/* ---- a piece (chain.c) ---- */

/* The next piece, or piece_none. Returns 0, or -XV_EBADMSG when no REST piece of a page that is not
 * closed is linked there and back; then a page is closed. */
int xvi_piece_next(struct xvi_objects *objects, const struct xvi_location *at,
		   struct xvi_location *next);
/* Place of the piece before a REST one, or one that was REST, without its header. */
struct xvi_location xvi_piece_previous(const struct xvi_objects *objects,
				       const struct xvi_location *at);
/* The last piece of the chain. Returns as xvi_piece_next. O(pieces). */
int xvi_piece_last(struct xvi_objects *objects, const struct xvi_location *at,
		   struct xvi_location *last);
/* Go on to the piece with byte *offset of the payloads from *at on; *offset is then the offset in
 * its payload. Returns as xvi_piece_next. O(pieces). */
int xvi_piece_seek(struct xvi_objects *objects, struct xvi_location *at, size_t *offset);

/* Are the links of this piece, and if it is FIRST all of its chain, as they must be? Returns as
 * xvi_piece_next; of a REST piece whose link back is wrong no page may be closed. Until a caller
 * can write again, the chain may be followed. O(pieces). */
int xvi_piece_check(struct xvi_objects *objects, const struct xvi_location *at);

/* Is it a block of the quarantine? O(QUARANTINE_OBJECTS) */
bool xvi_piece_is_kept(const struct xvi_objects *objects, const struct xvi_location *at);

/* Is the canary of this piece right, if it has one? xvi_piece_has_canary closes the page if not. */
bool xvi_piece_canary_is_right(const struct xvi_objects *objects, const struct xvi_location *at);
bool xvi_piece_has_canary(struct xvi_objects *objects, const struct xvi_location *at);
/* Write it behind the payload of a mapped piece. */
void xvi_piece_set_canary(const struct xvi_objects *objects, uint32_t page, uint32_t *words,
			  uint32_t unit);

/* Link two pieces both ways; either may be none, which ends the chain. */
void xvi_pieces_join(struct xvi_objects *objects, const struct xvi_location *before,
		     const struct xvi_location *after);
/* For a FIRST piece. */
void xvi_piece_set_size(struct xvi_objects *objects, const struct xvi_location *at, size_t size);

/* Make a piece of `content` bytes, whose links lead nowhere. As xvi_heap_malloc. */
int xvi_piece_malloc(struct xvi_objects *objects, uint32_t content, uint32_t kind,
		     uint32_t alignment, unsigned flags, struct xvi_location *at);
/* Returns the place of the next piece, without its header. Hardened, its content is zero before. */
struct xvi_location xvi_piece_free(struct xvi_objects *objects, const struct xvi_location *at);

/* Free the piece at `at`, whose links were checked, and put the chain at `to`, which has its
 * payload, in its place. O(pieces of `to`). */
void xvi_piece_replace(struct xvi_objects *objects, const struct xvi_location *at,
		       const struct xvi_location *to);

static inline bool page_is_pinned(const struct xvi_objects *objects, uint32_t page)
{
	XVI_ASSERT(heap_owns(&objects->heap, page));
	return heap_page(&objects->heap, page)->pins != 0;
}

/* ---- chains (chain.c) ---- */

enum {
	LAY_PIECES_FEW = 4,   /* for a page of payload, if there is another way */
	LAY_PIECES_MANY = 16, /* if there is none */
};

/*
 * Make a chain of `bytes` of payload, *first of this kind, with at most `pieces` pieces for each
 * page of them. With HEAP_MAY_GROW the pieces are as long as possible, otherwise they go into
 * holes. Its ends lead nowhere; the size in a FIRST piece is `bytes`. On an error, as
 * xvi_heap_malloc, nothing is left.
 */
int xvi_chain_lay(struct xvi_objects *objects, uint32_t kind, size_t bytes, uint32_t pieces,
		  unsigned flags, struct xvi_location *first);

/* Free this piece and all behind it, which were checked. O(pieces). */
void xvi_chain_free(struct xvi_objects *objects, const struct xvi_location *first);

#endif
