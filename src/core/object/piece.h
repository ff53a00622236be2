/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * piece.h: pieces and chains of them, for the files of this layer. Each call maps what it
 * touches, a page or two at a time. Counts FIRST and REST pieces; does not count objects.
 */
#ifndef XVI_OBJECT_PIECE_H
#define XVI_OBJECT_PIECE_H

#include "object.h"

struct xvi_link {
	uint32_t page; /* LINK_NONE: nowhere */
	uint32_t unit;
};

static const struct xvi_link link_none = {LINK_NONE, 0};

static inline struct xvi_link link_to(const struct xvi_location *at)
{
	return (struct xvi_link){at->page, at->unit};
}

/* ---- words of a mapped piece ---- */

static inline struct xvi_link words_next(const struct xvi_objects *objects, const uint32_t *words,
					 uint32_t unit)
{
	uint32_t kind = block_kind(words[unit]);
	const uint32_t *link = words + piece_link_unit(objects, unit, kind);

	return kind == KIND_FIRST || kind == KIND_REST ? (struct xvi_link){link[0], link[1]}
						       : link_none;
}

static inline unsigned char *words_payload(const struct xvi_objects *objects, uint32_t *words,
					   uint32_t unit)
{
	return (unsigned char *)words +
	       piece_payload_offset(objects, unit, block_kind(words[unit]));
}

/* ---- a piece (chain.c) ---- */

/* The piece at a link, which leads to one. */
void xvi_piece_at(const struct xvi_objects *objects, struct xvi_link link, struct xvi_location *at);
struct xvi_link xvi_piece_next(const struct xvi_objects *objects, const struct xvi_location *at);
struct xvi_link xvi_piece_previous(const struct xvi_objects *objects,
				   const struct xvi_location *at);
/* One piece follows the other, in both links; either may be none, which ends the chain. */
void xvi_pieces_join(struct xvi_objects *objects, struct xvi_link before, struct xvi_link after);
/* Of a FIRST piece. */
void xvi_piece_set_size(struct xvi_objects *objects, const struct xvi_location *at, size_t size);

/* Make one of so much content: its links lead nowhere. As xvi_heap_malloc. */
int xvi_piece_malloc(struct xvi_objects *objects, uint32_t content, uint32_t kind,
		     uint32_t alignment, unsigned flags, struct xvi_location *at);
void xvi_piece_free(struct xvi_objects *objects, const struct xvi_location *at);

/* A block of kind WHOLE becomes FIRST, or the reverse, with its payload moved: the last
 * FIRST_LINK_BYTES of it must not be needed, or are there to be used then. */
void xvi_piece_set_first(struct xvi_objects *objects, struct xvi_location *at);
void xvi_piece_set_whole(struct xvi_objects *objects, struct xvi_location *at);

static inline bool link_is_pinned(const struct xvi_objects *objects, uint32_t page)
{
	return heap_page(&objects->heap, page)->pins != 0;
}

/* ---- chains (chain.c) ---- */

enum {
	LAY_PIECES_FEW = 4,   /* where there would be another way */
	LAY_PIECES_MANY = 16, /* in a page, where there is none */
};

/* A chain to be laid, and then where it is. */
struct xvi_lay {
	uint32_t bytes;       /* payload */
	uint32_t kind;        /* of its first piece */
	uint32_t pieces_most; /* count */
	unsigned flags;       /* of the heap: with HEAP_MAY_GROW pieces are as long as can be, else
			       * they are laid over holes */
	struct xvi_location first;
	struct xvi_location last;
};

/* Lay it. The links at both ends lead nowhere; the size in a FIRST piece is bytes. On an error,
 * as xvi_heap_malloc, nothing is left. */
int xvi_chain_lay(struct xvi_objects *objects, struct xvi_lay *lay);

/* Free this piece and all that follow. O(pieces). */
void xvi_chain_free(struct xvi_objects *objects, struct xvi_link link);

/* The pieces of a new object, with its owner undefined and not counted: the errors of
 * xvi_object_malloc. (malloc.c) */
int xvi_object_place(struct xvi_objects *objects, size_t size, size_t alignment,
		     struct xvi_location *at);

/* ---- moving for compaction (move.c) ---- */

/* May the block be moved at all? The page is mapped. */
static inline bool block_is_movable(const uint32_t *words, uint32_t unit)
{
	uint32_t kind = block_kind(words[unit]);

	if (kind == KIND_REST)
		return true;
	return kind != KIND_FIXED && words[unit + 1] != XV_NO_OWNER;
}

/*
 * Move a block that may be moved into holes of other pages. True when it is gone;
 * its page may be gone with it. False: nothing fits, or its owner refused, which is added to
 * *report. O(bytes).
 */
bool xvi_block_move(struct xvi_objects *objects, const struct xvi_location *at,
		    struct xv_compact_report *report);

#endif
