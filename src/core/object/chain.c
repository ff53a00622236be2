/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * chain.c: pieces and their links; chains laid over pages or holes, and freed; see piece.h.
 */
#include "piece.h"

/* ---- links ---- */

struct xvi_location xvi_piece_next(const struct xvi_objects *objects, const struct xvi_location *at)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words = heap_map(heap, at->page);
	struct xvi_location next = words_next(objects, words, at->unit);

	heap_unmap(heap, at->page, words);
	if (next.page == LINK_NONE)
		return next;
	XVI_ASSERT(heap_owns(heap, next.page) && next.unit < heap->shape.end_unit);
	next.header = heap_word(heap, next.page, next.unit);
	XVI_ASSERT(!block_is_free(next.header));
	return next;
}

struct xvi_location xvi_piece_previous(const struct xvi_objects *objects,
				       const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	struct xvi_location previous = {words[at->unit + 3], words[at->unit + 4], 0};

	XVI_ASSERT(block_kind(words[at->unit]) == KIND_REST);
	heap_unmap(&objects->heap, at->page, words);
	return previous;
}

struct xvi_location xvi_piece_last(const struct xvi_objects *objects, const struct xvi_location *at)
{
	struct xvi_location last = *at;
	struct xvi_location next;

	while ((next = xvi_piece_next(objects, &last)).page != LINK_NONE)
		last = next;
	return last;
}

uint32_t xvi_piece_seek(const struct xvi_objects *objects, struct xvi_location *at, size_t offset)
{
	uint32_t bytes;

	while (offset >= (bytes = piece_payload_bytes(objects, at->header))) {
		offset -= bytes;
		*at = xvi_piece_next(objects, at);
		XVI_ASSERT(at->page != LINK_NONE);
	}
	return (uint32_t)offset;
}

/* Write a link of a piece: `word` is 0 for the next piece, and 2 for the one before a REST
 * piece. */
static void link_write(struct xvi_objects *objects, const struct xvi_location *at, uint32_t word,
		       const struct xvi_location *to)
{
	uint32_t *words, *link, kind;

	if (at->page == LINK_NONE)
		return;
	words = heap_map(&objects->heap, at->page);
	kind = block_kind(words[at->unit]);
	XVI_ASSERT(kind == KIND_REST || (kind == KIND_FIRST && word == 0));
	link = words + piece_link_unit(objects, at->unit, kind) + word;
	link[0] = to->page;
	link[1] = to->unit;
	heap_unmap(&objects->heap, at->page, words);
}

void xvi_pieces_join(struct xvi_objects *objects, const struct xvi_location *before,
		     const struct xvi_location *after)
{
	link_write(objects, before, 0, after);
	link_write(objects, after, 2, before);
}

void xvi_piece_set_size(struct xvi_objects *objects, const struct xvi_location *at, size_t size)
{
	XVI_ASSERT(size != 0 && size <= objects->max_size);
	heap_set_word(&objects->heap, at->page, piece_link_unit(objects, at->unit, KIND_FIRST) + 2,
		      (uint32_t)size);
}

/* ---- pieces ---- */

static void piece_count(struct xvi_objects *objects, uint32_t kind, uint32_t change)
{
	if (kind == KIND_FIRST)
		objects->split_objects += change;
	else if (kind == KIND_REST)
		objects->rest_pieces += change;
}

/* Write the links of a new piece. */
static void piece_begin(struct xvi_objects *objects, struct xvi_place *place,
			struct xvi_location *at)
{
	uint32_t kind = block_kind(place->header);
	uint32_t *link = place->words + piece_link_unit(objects, place->unit, kind);

	XVI_ASSERT(block_content(place->header) > piece_head_bytes(objects, kind));
	if (kind == KIND_FIRST || kind == KIND_REST) {
		link[0] = LINK_NONE;
		link[2] = kind == KIND_REST ? LINK_NONE : 0;
	}
	piece_count(objects, kind, 1);
	*at = (struct xvi_location){place->page, place->unit, place->header};
	heap_unmap(&objects->heap, place->page, place->words);
}

int xvi_piece_malloc(struct xvi_objects *objects, uint32_t content, uint32_t kind,
		     uint32_t alignment, unsigned flags, struct xvi_location *at)
{
	struct xvi_place place;
	int err = xvi_heap_malloc(&objects->heap, content, kind, alignment, flags, &place);

	if (err == 0)
		piece_begin(objects, &place, at);
	return err;
}

struct xvi_location xvi_piece_free(struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	struct xvi_location next = words_next(objects, words, at->unit);

	piece_count(objects, block_kind(words[at->unit]), UINT32_MAX);
	xvi_heap_free(&objects->heap, at->page, words, at->unit);
	return next;
}

void xvi_piece_replace(struct xvi_objects *objects, const struct xvi_location *at,
		       const struct xvi_location *to)
{
	struct xvi_location last = xvi_piece_last(objects, to);
	struct xvi_location next;

	if (block_kind(at->header) == KIND_REST) {
		struct xvi_location previous = xvi_piece_previous(objects, at);

		xvi_pieces_join(objects, &previous, to);
	} else if (block_kind(to->header) == KIND_FIRST) {
		xvi_piece_set_size(objects, to, object_size(objects, at));
	}
	next = xvi_piece_free(objects, at);
	if (next.page != LINK_NONE)
		xvi_pieces_join(objects, &last, &next);
}

/* ---- chains ---- */

void xvi_chain_free(struct xvi_objects *objects, const struct xvi_location *first)
{
	struct xvi_location at = *first;

	while (at.page != LINK_NONE)
		at = xvi_piece_free(objects, &at);
}

/* A piece of at most `content` bytes in the best hole; if there is no memory for that, in shorter
 * holes. */
static int part_malloc(struct xvi_objects *objects, uint32_t content, uint32_t kind, unsigned flags,
		       struct xvi_location *at)
{
	uint32_t least = content < PIECE_MIN_BYTES ? content : PIECE_MIN_BYTES;
	int err;

	do {
		struct xvi_place place;

		err = xvi_heap_malloc_part(&objects->heap, content, least, kind, flags, &place);
		if (err == 0)
			piece_begin(objects, &place, at);
		content /= 2;
	} while (err != 0 && content >= least);
	return err;
}

/* The next piece of a chain that lacks `bytes` and may have `pieces_left` more pieces. */
static int lay_piece(struct xvi_objects *objects, uint32_t kind, size_t bytes, uint32_t pieces_left,
		     unsigned flags, struct xvi_location *at)
{
	uint32_t most = heap_content_max(&objects->heap);
	uint32_t head = piece_head_bytes(objects, kind);
	uint32_t content = bytes < most - head ? (uint32_t)bytes + head : most;
	int err = -XV_ENOMEM;

	if (pieces_left == 0)
		return err;
	if ((flags & HEAP_MAY_GROW) != 0 || pieces_left == 1)
		err = xvi_piece_malloc(objects, content, kind, 1, flags, at);
	if (err != 0 && pieces_left > 1 &&
	    part_malloc(objects, content, kind, flags & ~(unsigned)HEAP_MAY_GROW, at) == 0)
		err = 0;
	return err;
}

int xvi_chain_lay(struct xvi_objects *objects, uint32_t kind, size_t bytes, uint32_t pieces,
		  unsigned flags, struct xvi_location *first)
{
	uint32_t pieces_left = (uint32_t)((bytes - 1) / objects->whole_max + 1) * pieces;
	size_t left = bytes;
	struct xvi_location last, at;

	XVI_ASSERT(objects->split && bytes != 0);
	XVI_ASSERT(kind == KIND_FIRST || kind == KIND_REST);
	while (left != 0) {
		int err = lay_piece(objects, kind, left, pieces_left, flags, &at);

		if (err != 0) {
			if (left != bytes)
				xvi_chain_free(objects, first);
			return err;
		}
		if (left == bytes)
			*first = at;
		else
			xvi_pieces_join(objects, &last, &at);
		last = at;
		left -= piece_payload_bytes(objects, at.header);
		pieces_left--;
		kind = KIND_REST;
	}
	if (block_kind(first->header) == KIND_FIRST)
		xvi_piece_set_size(objects, first, bytes);
	return 0;
}
