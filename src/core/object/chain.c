/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * chain.c: pieces and their links; laying a chain over pages or holes, and freeing one; see
 * piece.h.
 */
#include "piece.h"

/* ---- links ---- */

void xvi_piece_at(const struct xvi_objects *objects, struct xvi_link link, struct xvi_location *at)
{
	XVI_ASSERT(heap_owns(&objects->heap, link.page) &&
		   link.unit < objects->heap.shape.end_unit);
	*at = (struct xvi_location){link.page, link.unit,
				    heap_word(&objects->heap, link.page, link.unit)};
	XVI_ASSERT(!block_is_free(at->header));
}

struct xvi_link xvi_piece_next(const struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	struct xvi_link next = words_next(objects, words, at->unit);

	heap_unmap(&objects->heap, at->page, words);
	return next;
}

struct xvi_link xvi_piece_previous(const struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	struct xvi_link previous = {words[at->unit + 3], words[at->unit + 4]};

	XVI_ASSERT(block_kind(words[at->unit]) == KIND_REST);
	heap_unmap(&objects->heap, at->page, words);
	return previous;
}

/* Write a link of a piece: the next one, or, of a REST piece, the previous one. */
static void link_write(struct xvi_objects *objects, struct xvi_link at, bool next,
		       struct xvi_link value)
{
	uint32_t *words, kind, unit;

	if (at.page == LINK_NONE)
		return;
	words = heap_map(&objects->heap, at.page);
	kind = block_kind(words[at.unit]);
	unit = piece_link_unit(objects, at.unit, kind) + (next ? 0 : 2);
	XVI_ASSERT(kind == KIND_REST || (kind == KIND_FIRST && next));
	words[unit] = value.page;
	words[unit + 1] = value.unit;
	heap_unmap(&objects->heap, at.page, words);
}

void xvi_pieces_join(struct xvi_objects *objects, struct xvi_link before, struct xvi_link after)
{
	link_write(objects, before, true, after);
	link_write(objects, after, false, before);
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

/* What every new piece needs: its links. */
static void piece_begin(struct xvi_objects *objects, struct xvi_place *place,
			struct xvi_location *at)
{
	uint32_t kind = block_kind(place->header);
	uint32_t *link = place->words + piece_link_unit(objects, place->unit, kind);

	XVI_ASSERT(block_content(place->header) > piece_head_bytes(objects, kind));
	if (kind == KIND_FIRST || kind == KIND_REST) {
		link[0] = LINK_NONE;
		link[1] = 0;
		link[2] = kind == KIND_REST ? LINK_NONE : 0;
	}
	if (kind == KIND_REST)
		link[3] = 0;
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

void xvi_piece_free(struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);

	piece_count(objects, block_kind(words[at->unit]), UINT32_MAX);
	xvi_heap_free(&objects->heap, at->page, words, at->unit);
}

void xvi_piece_set_first(struct xvi_objects *objects, struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	unsigned char *payload = words_payload(objects, words, at->unit);
	uint32_t bytes = piece_payload_bytes(objects, words[at->unit]);

	XVI_ASSERT(block_kind(words[at->unit]) == KIND_WHOLE && bytes > FIRST_LINK_BYTES);
	memmove(payload + FIRST_LINK_BYTES, payload, bytes - FIRST_LINK_BYTES);
	at->header = words[at->unit] = block_with_kind(words[at->unit], KIND_FIRST);
	heap_unmap(&objects->heap, at->page, words);
	xvi_pieces_join(objects, link_to(at), link_none);
	piece_count(objects, KIND_FIRST, 1);
}

void xvi_piece_set_whole(struct xvi_objects *objects, struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	unsigned char *payload = words_payload(objects, words, at->unit);
	uint32_t bytes = piece_payload_bytes(objects, words[at->unit]);
	struct xvi_place place = {at->page, at->unit, words, 0};
	bool done;

	XVI_ASSERT(block_kind(words[at->unit]) == KIND_FIRST);
	XVI_ASSERT(words_next(objects, words, at->unit).page == LINK_NONE);
	memmove(payload - FIRST_LINK_BYTES, payload, bytes);
	place.header = words[at->unit] = block_with_kind(words[at->unit], KIND_WHOLE);
	piece_count(objects, KIND_FIRST, UINT32_MAX);
	done = xvi_heap_resize(&objects->heap, &place, bytes + objects->prefix_bytes);
	XVI_ASSERT(done);
	(void)done; /* a block can always be made shorter */
	at->header = place.header;
	heap_unmap(&objects->heap, at->page, words);
}

/* ---- chains ---- */

void xvi_chain_free(struct xvi_objects *objects, struct xvi_link link)
{
	while (link.page != LINK_NONE) {
		struct xvi_location at;

		xvi_piece_at(objects, link, &at);
		link = xvi_piece_next(objects, &at);
		xvi_piece_free(objects, &at);
	}
}

/* A piece of at most `content` bytes, in the hole that suits best; where the memory for that one
 * cannot be had, in smaller ones. */
static int part_malloc(struct xvi_objects *objects, uint32_t content, uint32_t kind, unsigned flags,
		       struct xvi_location *at)
{
	uint32_t least = piece_head_bytes(objects, kind) + 1;
	int err = -XV_ENOMEM;

	if (least < PIECE_MIN_BYTES)
		least = PIECE_MIN_BYTES;
	if (least > content)
		least = content;
	do {
		struct xvi_place place;

		err = xvi_heap_malloc_part(&objects->heap, content, least, kind, flags, &place);
		if (err == 0)
			piece_begin(objects, &place, at);
		content /= 2;
	} while (err != 0 && content >= least);
	return err;
}

/* The next piece of a chain of which `bytes` are left. */
static int lay_piece(struct xvi_objects *objects, const struct xvi_lay *lay, uint32_t bytes,
		     uint32_t kind, uint32_t pieces_left, struct xvi_location *at)
{
	uint32_t most = heap_content_max(&objects->heap);
	uint32_t head = piece_head_bytes(objects, kind);
	uint32_t content = bytes < most - head ? bytes + head : most;
	unsigned flags = lay->flags & ~(unsigned)HEAP_MAY_GROW;
	int err = -XV_ENOMEM;

	if (pieces_left == 0)
		return err;
	if ((lay->flags & HEAP_MAY_GROW) != 0)
		err = xvi_piece_malloc(objects, content, kind, 1, lay->flags, at);
	if (err != 0 && pieces_left > 1 && part_malloc(objects, content, kind, flags, at) == 0)
		err = 0;
	else if (err != 0 && pieces_left == 1 && (lay->flags & HEAP_MAY_GROW) == 0)
		err = xvi_piece_malloc(objects, content, kind, 1, flags, at);
	return err;
}

int xvi_chain_lay(struct xvi_objects *objects, struct xvi_lay *lay)
{
	uint32_t kind = lay->kind;
	uint32_t bytes = lay->bytes;
	uint32_t pieces_left = lay->pieces_most;

	XVI_ASSERT(objects->split && bytes != 0);
	XVI_ASSERT(kind == KIND_FIRST || kind == KIND_REST);
	while (bytes != 0) {
		struct xvi_location at;
		int err = lay_piece(objects, lay, bytes, kind, pieces_left--, &at);

		if (err != 0) {
			if (bytes != lay->bytes)
				xvi_chain_free(objects, link_to(&lay->first));
			return err;
		}
		if (bytes == lay->bytes)
			lay->first = at;
		else
			xvi_pieces_join(objects, link_to(&lay->last), link_to(&at));
		lay->last = at;
		bytes -= piece_payload_bytes(objects, at.header);
		kind = KIND_REST;
	}
	if (lay->kind == KIND_FIRST)
		xvi_piece_set_size(objects, &lay->first, lay->bytes);
	return 0;
}
