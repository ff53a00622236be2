/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * realloc.c: an object gets another size. Of one piece, it changes in place, or moves; above a
 * page it becomes a chain. A chain grows at its end, which may move, and loses pieces when it
 * gets shorter.
 */
#include "piece.h"

/* Change the content of a piece in place. */
static bool piece_resize(struct xvi_objects *objects, struct xvi_location *at, uint32_t content)
{
	struct xvi_place place = {at->page, at->unit, heap_map(&objects->heap, at->page),
				  at->header};
	bool done = xvi_heap_resize(&objects->heap, &place, content);

	heap_unmap(&objects->heap, at->page, place.words);
	if (done)
		at->header = place.header;
	return done;
}

/* ---- moving ---- */

/* Alignment above the pool's that the offset of a FIXED object has. */
static size_t fixed_alignment(const struct xvi_objects *objects, const struct xvi_location *at)
{
	uint32_t offset = at->unit * UNIT_BYTES + objects->heap.payload_at;
	uint32_t alignment = offset & (0U - offset);

	XVI_ASSERT(block_kind(at->header) == KIND_FIXED && alignment >= UNIT_BYTES);
	return alignment < OBJECT_ALIGNMENT_MAX ? alignment : OBJECT_ALIGNMENT_MAX;
}

/* Of `bytes` more or fewer: the object was counted with its old size. */
static void count_size(struct xvi_objects *objects, size_t old_size, size_t size)
{
	objects->requested_bytes = objects->requested_bytes - old_size + size;
}

/* Make it anew, copy, and free the old one, which is of one piece. */
static int object_move(struct xvi_objects *objects, const struct xvi_location *at, size_t old_size,
		       size_t size, xv_handle *handle)
{
	size_t alignment = block_kind(at->header) == KIND_FIXED ? fixed_alignment(objects, at) : 1;
	uint32_t owner = objects->prefix_bytes != 0 ? object_owner(objects, at) : 0;
	struct xvi_location to;
	int err = xvi_object_place(objects, size, alignment, &to);

	if (err != 0)
		return err;
	if (objects->prefix_bytes != 0)
		object_set_owner(objects, &to, owner);
	xvi_object_copy(objects, &to, objects, at, old_size < size ? old_size : size);
	xvi_piece_free(objects, at);
	*handle = objects_handle(objects, to.page, to.unit, to.header);
	return 0;
}

/* ---- longer ---- */

/* Lay `bytes` more as pieces that are to follow others. */
static int rest_lay(struct xvi_objects *objects, size_t bytes, struct xvi_link *rest)
{
	struct xvi_lay lay = {.bytes = (uint32_t)bytes, .kind = KIND_REST, .flags = HEAP_MAY_GROW};
	int err;

	lay.pieces_most = (lay.bytes / objects->whole_max + 1) * LAY_PIECES_MANY;
	err = xvi_chain_lay(objects, &lay);
	if (err == 0)
		*rest = link_to(&lay.first);
	return err;
}

/* A WHOLE block gets more bytes behind it, as a chain, which takes what its links displace. */
static int whole_append(struct xvi_objects *objects, struct xvi_location *at, size_t size)
{
	uint32_t kept = piece_payload_bytes(objects, at->header) - FIRST_LINK_BYTES;
	unsigned char end[FIRST_LINK_BYTES];
	struct xvi_link rest;
	int err = rest_lay(objects, size - kept, &rest);

	if (err != 0)
		return err;
	xvi_object_read(objects, at, kept, end, FIRST_LINK_BYTES);
	xvi_piece_set_first(objects, at);
	xvi_piece_set_size(objects, at, size);
	xvi_pieces_join(objects, link_to(at), rest);
	xvi_object_write(objects, at, kept, end, FIRST_LINK_BYTES);
	return 0;
}

/* Make the last piece, of kind REST, anew with `more` bytes. False: nothing has changed. */
static bool tail_move(struct xvi_objects *objects, const struct xvi_location *tail, uint32_t more)
{
	uint32_t bytes = piece_payload_bytes(objects, tail->header);
	struct xvi_link previous = xvi_piece_previous(objects, tail);
	struct xvi_location to;

	if (link_is_pinned(objects, tail->page) ||
	    bytes + more + REST_LINK_BYTES > heap_content_max(&objects->heap) ||
	    xvi_piece_malloc(objects, bytes + more + REST_LINK_BYTES, KIND_REST, 1, HEAP_MAY_GROW,
			     &to) != 0)
		return false;
	xvi_object_copy(objects, &to, objects, tail, bytes);
	xvi_pieces_join(objects, previous, link_to(&to));
	xvi_piece_free(objects, tail);
	return true;
}

/* Lengthen a chain. */
static int chain_grow(struct xvi_objects *objects, const struct xvi_location *first,
		      size_t old_size, size_t size)
{
	size_t more = size - old_size;
	struct xvi_location tail = *first;
	struct xvi_link next;
	int err = 0;

	while ((next = xvi_piece_next(objects, &tail)).page != LINK_NONE)
		xvi_piece_at(objects, next, &tail);
	if (more > objects->whole_max ||
	    !(piece_resize(objects, &tail, block_content(tail.header) + (uint32_t)more) ||
	      (block_kind(tail.header) == KIND_REST &&
	       tail_move(objects, &tail, (uint32_t)more)))) {
		err = rest_lay(objects, more, &next);
		if (err == 0)
			xvi_pieces_join(objects, link_to(&tail), next);
	}
	if (err == 0)
		xvi_piece_set_size(objects, first, size);
	return err;
}

/* ---- shorter ---- */

/* Shorten a chain: its last byte is then in a piece that stays. */
static void chain_shrink(struct xvi_objects *objects, const struct xvi_location *first, size_t size)
{
	struct xvi_location at = *first;
	size_t before = 0;
	struct xvi_link next;
	bool done;

	while (before + piece_payload_bytes(objects, at.header) < size) {
		before += piece_payload_bytes(objects, at.header);
		xvi_piece_at(objects, xvi_piece_next(objects, &at), &at);
	}
	next = xvi_piece_next(objects, &at);
	xvi_pieces_join(objects, link_to(&at), link_none);
	xvi_chain_free(objects, next);
	done = piece_resize(objects, &at,
			    piece_head_bytes(objects, block_kind(at.header)) +
				    (uint32_t)(size - before));
	XVI_ASSERT(done);
	(void)done; /* a block can always be made shorter */
	xvi_piece_set_size(objects, first, size);
	if (before == 0 && !link_is_pinned(objects, at.page))
		xvi_piece_set_whole(objects, &at);
}

/* ---- the call ---- */

static int realloc_whole(struct xvi_objects *objects, struct xvi_location *at, size_t old_size,
			 size_t size, xv_handle *handle)
{
	bool appends = objects->split && block_kind(at->header) == KIND_WHOLE;
	int err;

	if (size <= objects->whole_max &&
	    piece_resize(objects, at, (uint32_t)size + objects->prefix_bytes))
		return 0;
	if (!appends && size > objects->whole_max)
		return -XV_E2BIG;
	if (link_is_pinned(objects, at->page))
		return -XV_EBUSY;
	/* A large object stays, and gets more pieces; a small one moves to where it is of one. */
	appends = appends && old_size > FIRST_LINK_BYTES;
	if (appends && size > objects->whole_max && old_size > objects->whole_max / 8)
		return whole_append(objects, at, size);
	err = object_move(objects, at, old_size, size, handle);
	return err != 0 && appends ? whole_append(objects, at, size) : err;
}

int xvi_object_realloc(struct xvi_objects *objects, xv_handle *handle, size_t size)
{
	struct xvi_location at;
	size_t old_size;
	int err = 0;

	XVI_ASSERT(size != 0);
	if (!xvi_object_find(objects, *handle, &at))
		return -XV_EINVAL;
	if (size > objects->max_size)
		return -XV_E2BIG;
	old_size = object_size(objects, &at);
	if (size == old_size)
		return 0;
	if (block_kind(at.header) != KIND_FIRST)
		err = realloc_whole(objects, &at, old_size, size, handle);
	else if (size > old_size)
		err = chain_grow(objects, &at, old_size, size);
	else
		chain_shrink(objects, &at, size);
	if (err == 0)
		count_size(objects, old_size, size);
	else
		objects->failures += err != -XV_E2BIG && err != -XV_EBUSY;
	return err;
}
