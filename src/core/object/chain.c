/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * chain.c: pieces and their links; chains laid over pages or holes, and freed; see piece.h.
 */
#include "piece.h"
#include "prove.h"

/* ---- links ---- */

/* Close the page of a piece. */
static int piece_close(struct xvi_objects *objects, const struct xvi_location *at,
		       const char *message)
{
	XVI_ASSERT(at->unit < objects->heap.shape.end_unit);
	xvi_heap_close(&objects->heap, at->page, at->unit, message);
	return -XV_EBADMSG;
}

/* Read the header at a place that a link names. False: no sound piece begins there. */
static bool link_leads(const struct xvi_objects *objects, struct xvi_location *at)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words;
	bool used;

	if (at->unit < heap->shape.first_unit || at->unit >= heap->shape.end_unit)
		return false;
	words = heap_map(heap, at->page);
	used = xvi_unit_is_used(heap, at->page, words, at->unit);
	if (used) /* or its memory may be missing */
		at->header = words[at->unit];
	heap_unmap(heap, at->page, words);
	return used && piece_has_payload(objects, at->header);
}

/* Check a link of the piece at `from` to the place at `to`, and read its header. Whether the piece
 * there leads back is not known yet, so its canary proves nothing. */
static int link_check(struct xvi_objects *objects, const struct xvi_location *from,
		      struct xvi_location *to)
{
	struct xvi_heap *heap = &objects->heap;

	if (!heap_holds(heap, to->page))
		return piece_close(objects, from, "a link leads out of the heap");
	if (heap_is_closed(heap, to->page))
		return -XV_EBADMSG;
	if (link_leads(objects, to))
		return 0;
	if (heap->shape.prove && xvi_heap_close_unsound(heap, to->page))
		return -XV_EBADMSG;
	return piece_close(objects, from, "a link leads to no piece");
}

static bool same_place(const struct xvi_location *a, const struct xvi_location *b)
{
	return a->page == b->page && a->unit == b->unit;
}

/* No sound link leads there. */
bool xvi_piece_is_kept(const struct xvi_objects *objects, const struct xvi_location *at)
{
	const struct xvi_quarantine *quarantine = objects->quarantine;

	for (uint32_t i = 0; quarantine != NULL && i < QUARANTINE_OBJECTS; i++) {
		if (quarantine->blocks[i].header != 0 && same_place(&quarantine->blocks[i], at))
			return true;
	}
	return false;
}

/* The link in two words of a page. */
static struct xvi_location link_at(const struct xvi_objects *objects, uint32_t page, uint32_t unit)
{
	uint32_t *words = heap_map(&objects->heap, page);
	struct xvi_location link = {words[unit], words[unit + 1], 0};

	XVI_ASSERT(heap_owns(&objects->heap, page) && unit + 2 <= objects->heap.shape.end_unit);
	heap_unmap(&objects->heap, page, words);
	return link;
}

/* Where the next link of a piece leads. */
static struct xvi_location link_next(const struct xvi_objects *objects,
				     const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	struct xvi_location next = words_next(objects, words, at->unit);

	heap_unmap(&objects->heap, at->page, words);
	return next;
}

/* As link_leads, of a page that may be another heap's or closed. */
static bool link_is_good(const struct xvi_objects *objects, struct xvi_location *at)
{
	return heap_holds(&objects->heap, at->page) && !heap_is_closed(&objects->heap, at->page) &&
	       link_leads(objects, at);
}

/* Does the link of a piece to the next one lead to a piece that leads back, or is it a last one's?
 * And of a REST piece to the one before? Of two pieces whose links disagree the one that agrees
 * with nobody was overwritten. Nothing is closed. */
static bool next_agrees(const struct xvi_objects *objects, const struct xvi_location *at)
{
	struct xvi_location next = link_next(objects, at), back;

	if (same_place(&next, &piece_none))
		return true;
	if (!link_is_good(objects, &next) || block_kind(next.header) != KIND_REST)
		return false;
	back = xvi_piece_previous(objects, &next);
	return same_place(&back, at);
}

/* Stores the piece before in *previous. */
static bool previous_agrees(const struct xvi_objects *objects, const struct xvi_location *at,
			    struct xvi_location *previous)
{
	struct xvi_location back;

	*previous = xvi_piece_previous(objects, at);
	if (!link_is_good(objects, previous) || (block_kind(previous->header) != KIND_FIRST &&
						 block_kind(previous->header) != KIND_REST))
		return false;
	back = link_next(objects, previous);
	return same_place(&back, at);
}

/* Would a block link to this place, were it of that kind? If it is of another, its header was
 * overwritten. */
static bool links_as(const struct xvi_objects *objects, const struct xvi_location *block,
		     uint32_t kind, const struct xvi_location *at)
{
	struct xvi_location next;

	if (!piece_has_payload(objects, block_with_kind(block->header, kind)))
		return false;
	next = link_at(objects, block->page, piece_link_unit(objects, block->unit, kind));
	return same_place(&next, at);
}

/* A piece leads to a REST piece, which leads back to it. */
static int next_check(struct xvi_objects *objects, const struct xvi_location *at,
		      const struct xvi_location *to)
{
	bool is_rest = block_kind(to->header) == KIND_REST, leads_back = false;
	struct xvi_location back;

	if (piece_has_payload(objects, block_with_kind(to->header, KIND_REST))) {
		back = xvi_piece_previous(objects, to);
		leads_back = same_place(&back, at);
	}
	if (is_rest && leads_back && xvi_piece_canary_is_right(objects, to))
		return 0;
	if (xvi_piece_is_kept(objects, to))
		return piece_close(objects, at, "a link leads to a freed piece");
	if (leads_back)
		return piece_close(objects, to,
				   is_rest ? "bytes behind an object were written"
					   : "the kind of a piece was overwritten");
	if (!is_rest)
		return piece_close(objects, at, "a link leads to no piece");
	return piece_close(objects, previous_agrees(objects, to, &back) ? at : to,
			   "the piece before is another one");
}

int xvi_piece_next(struct xvi_objects *objects, const struct xvi_location *at,
		   struct xvi_location *next)
{
	struct xvi_location to = link_next(objects, at);
	int err = 0;

	XVI_ASSERT(heap_owns(&objects->heap, at->page));
	if (to.page != LINK_NONE) {
		err = link_check(objects, at, &to);
		if (err == 0)
			err = next_check(objects, at, &to);
	} else if (to.unit != LINK_NO_UNIT) {
		err = piece_close(objects, at, "a link leads to no piece");
	}
	XVI_ASSERT(err != 0 || to.page == LINK_NONE || block_kind(to.header) == KIND_REST); /* 23 */
	if (err == 0)
		*next = to;
	return err;
}

/* The piece before a REST one leads to it. If not, the link back may have been overwritten, or the
 * first piece was, and has been freed without this one: nothing is closed then. Who comes from the
 * first piece can tell. */
static int previous_check(struct xvi_objects *objects, const struct xvi_location *at)
{
	struct xvi_location previous = xvi_piece_previous(objects, at);
	struct xvi_location back;
	uint32_t kind;

	if (!link_is_good(objects, &previous) || xvi_piece_is_kept(objects, &previous))
		return -XV_EBADMSG;
	kind = block_kind(previous.header);
	if (kind == KIND_FIRST || kind == KIND_REST) {
		back = link_next(objects, &previous);
		if (same_place(&back, at))
			return xvi_piece_has_canary(objects, &previous) ? 0 : -XV_EBADMSG;
		if (!next_agrees(objects, &previous))
			return piece_close(objects, &previous, "the piece before leads elsewhere");
	} else if (links_as(objects, &previous, KIND_FIRST, at) ||
		   links_as(objects, &previous, KIND_REST, at)) {
		return piece_close(objects, &previous, "the kind of a piece was overwritten");
	}
	return -XV_EBADMSG;
}

int xvi_piece_check(struct xvi_objects *objects, const struct xvi_location *at)
{
	struct xvi_location piece = *at, next;
	uint64_t sum = 0;
	int err;

	if (!piece_has_payload(objects, at->header))
		return piece_close(objects, at, "a piece has no payload");
	if (block_kind(at->header) == KIND_REST) {
		err = previous_check(objects, at);
		return err != 0 ? err : xvi_piece_next(objects, at, &next);
	}
	if (block_kind(at->header) != KIND_FIRST)
		return 0;
	for (;;) {
		sum += piece_payload_bytes(objects, piece.header);
		err = xvi_piece_next(objects, &piece, &next);
		if (err != 0)
			return err;
		if (next.page == LINK_NONE)
			break;
		piece = next;
	}
	return sum == object_size(objects, at)
		       ? 0
		       : piece_close(objects, at, "the pieces are not the size");
}

struct xvi_location xvi_piece_previous(const struct xvi_objects *objects,
				       const struct xvi_location *at)
{
	return link_at(objects, at->page, piece_link_unit(objects, at->unit, KIND_REST) + 2);
}

int xvi_piece_last(struct xvi_objects *objects, const struct xvi_location *at,
		   struct xvi_location *last)
{
	struct xvi_location next = *at;
	int err = 0;

	do {
		*last = next;
		err = xvi_piece_next(objects, last, &next);
	} while (err == 0 && next.page != LINK_NONE);
	return err;
}

/* The pieces end before the object's size, which is in the first one. */
static int size_close(struct xvi_objects *objects, const struct xvi_location *last)
{
	struct xvi_location first = *last, previous;
	uint64_t blocks = heap_block_count(&objects->heap);

	while (block_kind(first.header) == KIND_REST && blocks-- != 0 &&
	       previous_agrees(objects, &first, &previous))
		first = previous;
	return piece_close(objects, &first, "the pieces are not the size");
}

int xvi_piece_seek(struct xvi_objects *objects, struct xvi_location *at, size_t *offset)
{
	uint32_t bytes;

	while (*offset >= (bytes = piece_payload_bytes(objects, at->header))) {
		struct xvi_location next;
		int err = xvi_piece_next(objects, at, &next);

		if (err == 0 && next.page == LINK_NONE)
			err = size_close(objects, at);
		if (err != 0)
			return err;
		*offset -= bytes;
		*at = next;
	}
	return 0;
}

/* Write a link of a piece: `word` is 0 for the next piece, and 2 for the one before a REST
 * piece. */
static void link_write(struct xvi_objects *objects, const struct xvi_location *at, uint32_t word,
		       const struct xvi_location *to)
{
	uint32_t *words, *link, kind;

	XVI_ASSERT(word == 0 || word == 2);
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
	XVI_ASSERT(!same_place(before, after)); /* 23 */
	link_write(objects, before, 0, after);
	link_write(objects, after, 2, before);
}

void xvi_piece_set_size(struct xvi_objects *objects, const struct xvi_location *at, size_t size)
{
	XVI_ASSERT(size != 0 && size <= objects->max_size);
	XVI_ASSERT(block_kind(at->header) == KIND_FIRST);
	heap_set_word(&objects->heap, at->page, piece_link_unit(objects, at->unit, KIND_FIRST) + 2,
		      (uint32_t)size);
}

/* ---- canaries ---- */

static uint32_t canary_of(const struct xvi_objects *objects, uint32_t page, uint32_t unit)
{
	uint32_t hash = heap_place_hash(&objects->heap, page, unit);

	return hash ^ hash >> 15;
}

static unsigned char *canary_at(uint32_t *words, uint32_t unit)
{
	return (unsigned char *)(words + unit + 1) + block_content(words[unit]) - CANARY_BYTES;
}

void xvi_piece_set_canary(const struct xvi_objects *objects, uint32_t page, uint32_t *words,
			  uint32_t unit)
{
	uint32_t canary = canary_of(objects, page, unit);

	if (objects->tail_bytes != 0)
		memcpy(canary_at(words, unit), &canary, CANARY_BYTES);
}

bool xvi_piece_canary_is_right(const struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t *words;
	uint32_t canary;

	XVI_ASSERT(piece_has_payload(objects, at->header));
	if (XVI_LIKELY(objects->tail_bytes == 0))
		return true;
	words = heap_map(&objects->heap, at->page);
	memcpy(&canary, canary_at(words, at->unit), CANARY_BYTES);
	heap_unmap(&objects->heap, at->page, words);
	return canary == canary_of(objects, at->page, at->unit);
}

bool xvi_piece_has_canary(struct xvi_objects *objects, const struct xvi_location *at)
{
	if (xvi_piece_canary_is_right(objects, at))
		return true;
	xvi_heap_close(&objects->heap, at->page, at->unit, "bytes behind an object were written");
	return false;
}

/* ---- pieces ---- */

static void piece_count(struct xvi_objects *objects, uint32_t kind, uint32_t change)
{
	if (kind == KIND_FIRST)
		objects->split_objects += change;
	else if (kind == KIND_REST)
		objects->rest_pieces += change;
	XVI_ASSERT(objects->split_objects <= heap_block_count(&objects->heap)); /* 25 */
	XVI_ASSERT(objects->rest_pieces <= heap_block_count(&objects->heap));
}

/* Write the links of a new piece. */
static void piece_begin(struct xvi_objects *objects, struct xvi_place *place,
			struct xvi_location *at)
{
	uint32_t kind = block_kind(place->header);
	uint32_t *link = place->words + piece_link_unit(objects, place->unit, kind);

	XVI_ASSERT(piece_has_payload(objects, place->header));                  /* 21 */
	XVI_ASSERT(objects->split || kind == KIND_WHOLE || kind == KIND_FIXED); /* 22 */
	xvi_piece_set_canary(objects, place->page, place->words, place->unit);
	if (kind == KIND_FIRST || kind == KIND_REST) {
		link[0] = piece_none.page;
		link[1] = piece_none.unit;
		link[2] = 0;
	}
	piece_count(objects, kind, 1);
	piece_tell_made(objects, place->words, place->unit);
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

/* A piece that was made in this call may have neighbours that were overwritten before, and its page
 * may be closed since. */
static bool piece_may_go(const struct xvi_objects *objects, const struct xvi_location *at,
			 const uint32_t *words)
{
	const struct xvi_heap *heap = &objects->heap;

	return !heap->shape.prove || (!heap_is_closed(heap, at->page) &&
				      xvi_unit_is_used(heap, at->page, words, at->unit));
}

struct xvi_location xvi_piece_free(struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	struct xvi_location next = words_next(objects, words, at->unit);

	XVI_ASSERT(heap_owns(&objects->heap, at->page));
	if (!piece_may_go(objects, at, words)) {
		heap_unmap(&objects->heap, at->page, words);
		xvi_heap_close(&objects->heap, at->page, at->unit, "a block's neighbours differ");
		return next;
	}
	piece_count(objects, block_kind(words[at->unit]), UINT32_MAX);
	piece_tell_freed(objects, words, at->unit);
	if (objects->quarantine != NULL)
		piece_zero(objects, words, at->unit, 0);
	xvi_heap_free(&objects->heap, at->page, words, at->unit);
	return next;
}

/* The last piece of a chain that was made in this call. */
static struct xvi_location chain_end(const struct xvi_objects *objects,
				     const struct xvi_location *first)
{
	struct xvi_location at = *first, next;

	while ((next = link_next(objects, &at)).page != LINK_NONE)
		at = next;
	return at;
}

void xvi_piece_replace(struct xvi_objects *objects, const struct xvi_location *at,
		       const struct xvi_location *to)
{
	struct xvi_location last = chain_end(objects, to);
	struct xvi_location next;

	XVI_ASSERT((block_kind(at->header) == KIND_REST) == (block_kind(to->header) == KIND_REST));
	XVI_ASSERT(block_kind(at->header) != KIND_FIRST || block_kind(to->header) == KIND_FIRST);
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

	XVI_ASSERT(least > piece_head_bytes(objects, kind) + objects->tail_bytes);
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
	uint32_t head = piece_head_bytes(objects, kind) + objects->tail_bytes;
	uint32_t content = bytes < most - head ? (uint32_t)bytes + head : most;
	int err = -XV_ENOMEM;

	XVI_ASSERT(bytes != 0 && head < most);
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
		XVI_ASSERT(piece_payload_bytes(objects, at.header) <= left &&
			   pieces_left != 0); /* 24 */
		left -= piece_payload_bytes(objects, at.header);
		pieces_left--;
		kind = KIND_REST;
	}
	if (block_kind(first->header) == KIND_FIRST)
		xvi_piece_set_size(objects, first, bytes);
	return 0;
}
