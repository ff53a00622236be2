/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * realloc.c: change the size of an object. One piece changes in place or moves; above a page it
 * becomes a chain. A chain grows at its end, which may move, and loses pieces when it gets shorter.
 */
#include "piece.h"

/* Change the content of a piece in place, canary included. Hardened, what it loses is zero before:
 * a block can always get shorter. */
static bool piece_resize(struct xvi_objects *objects, struct xvi_location *at, uint32_t content)
{
	struct xvi_place place = {at->page, at->unit, heap_map(&objects->heap, at->page),
				  at->header};
	uint32_t old = block_content(at->header),
		 old_payload = piece_payload_bytes(objects, at->header);
	bool done;

	XVI_ASSERT(content >
		   piece_head_bytes(objects, block_kind(at->header)) + objects->tail_bytes);
	if (objects->quarantine != NULL && content < old)
		piece_zero(objects, place.words, at->unit, content);
	done = xvi_heap_resize(&objects->heap, &place, content);

	if (done) {
		xvi_piece_set_canary(objects, at->page, place.words, at->unit);
		piece_tell_resized(objects, place.words, at->unit, old_payload);
	}
	heap_unmap(&objects->heap, at->page, place.words);
	if (done)
		at->header = place.header;
	return done;
}

/* ---- longer ---- */

/* Make the last piece, if it is a REST, anew with `more` bytes. False: nothing has changed. */
static bool tail_move(struct xvi_objects *objects, const struct xvi_location *tail, uint32_t more)
{
	uint32_t content = block_content(tail->header) + more;
	struct xvi_location to;
	int err;

	if (block_kind(tail->header) != KIND_REST || page_is_pinned(objects, tail->page) ||
	    content > heap_content_max(&objects->heap) ||
	    xvi_piece_malloc(objects, content, KIND_REST, 1, HEAP_MAY_GROW, &to) != 0)
		return false;
	err = xvi_object_copy(objects, &to, objects, tail,
			      piece_payload_bytes(objects, tail->header));
	XVI_ASSERT(err == 0);
	(void)err; /* its one piece was checked */
	xvi_piece_replace(objects, tail, &to);
	return true;
}

/* Lengthen a chain, which was checked. */
static int chain_grow(struct xvi_objects *objects, const struct xvi_location *first,
		      size_t old_size, size_t size)
{
	size_t more = size - old_size;
	struct xvi_location tail;
	int err = xvi_piece_last(objects, first, &tail);

	XVI_ASSERT(err == 0 && size > old_size && size <= objects->max_size);
	if (more > objects->whole_max ||
	    !(piece_resize(objects, &tail, block_content(tail.header) + (uint32_t)more) ||
	      tail_move(objects, &tail, (uint32_t)more))) {
		struct xvi_location rest;

		err = xvi_chain_lay(objects, KIND_REST, more, LAY_PIECES_MANY, HEAP_MAY_GROW,
				    &rest);

		if (err != 0)
			return err;
		xvi_pieces_join(objects, &tail, &rest);
	}
	xvi_piece_set_size(objects, first, size);
	return 0;
}

/* ---- shorter ---- */

/* Make the only piece of an object, a FIRST, a WHOLE with `bytes` of its payload; the canary is
 * then written by piece_resize. */
static void first_set_whole(struct xvi_objects *objects, struct xvi_location *at, uint32_t bytes)
{
	uint32_t *words = heap_map(&objects->heap, at->page);
	unsigned char *payload = words_payload(objects, words, at->unit);

	XVI_ASSERT(block_kind(words[at->unit]) == KIND_FIRST);
	XVI_ASSERT(words_next(objects, words, at->unit).page == LINK_NONE);
	XVI_ASSERT(bytes <= piece_payload_bytes(objects, at->header) &&
		   objects->split_objects != 0);
	if (objects_watched(objects)) {
		xvi_tools_show(payload - FIRST_LINK_BYTES, FIRST_LINK_BYTES);
		xvi_tools_renamed(objects, payload, payload - FIRST_LINK_BYTES,
				  piece_payload_bytes(objects, words[at->unit]) + FIRST_LINK_BYTES);
	}
	memmove(payload - FIRST_LINK_BYTES, payload, bytes);
	at->header = words[at->unit] = block_with_kind(words[at->unit], KIND_WHOLE);
	objects->split_objects--;
	heap_unmap(&objects->heap, at->page, words);
}

/* Shorten a chain, which was checked: its last byte is then in a piece that stays. */
static void chain_shrink(struct xvi_objects *objects, const struct xvi_location *first, size_t size)
{
	struct xvi_location at = *first, rest = piece_none;
	size_t offset = size - 1;
	int err = xvi_piece_seek(objects, &at, &offset);
	uint32_t bytes = (uint32_t)offset + 1;
	bool done;

	XVI_ASSERT(size != 0 && block_kind(first->header) == KIND_FIRST);
	if (err == 0)
		err = xvi_piece_next(objects, &at, &rest);
	XVI_ASSERT(err == 0);
	(void)err;
	xvi_pieces_join(objects, &at, &piece_none);
	xvi_chain_free(objects, &rest);
	xvi_piece_set_size(objects, first, size);
	if (block_kind(at.header) == KIND_FIRST && !page_is_pinned(objects, at.page))
		first_set_whole(objects, &at, bytes);
	done = piece_resize(objects, &at,
			    piece_head_bytes(objects, block_kind(at.header)) + bytes +
				    objects->tail_bytes);
	XVI_ASSERT(done);
	(void)done; /* a block can always get shorter */
}

/* ---- the call ---- */

int xvi_object_move(struct xvi_objects *to_objects, struct xvi_objects *objects,
		    const struct xvi_location *at, size_t size, xv_handle *handle)
{
	uint32_t offset = at->unit * UNIT_BYTES + objects->heap.payload_at;
	uint32_t owner = objects->prefix_bytes != 0 ? object_owner(objects, at) : XV_NO_OWNER;
	size_t bytes = object_size(objects, at);
	size_t alignment = 1;
	struct xvi_location to;
	xv_handle moved;
	int err;

	XVI_ASSERT(size != 0);
	if (block_kind(at->header) == KIND_FIXED) {
		offset |= OBJECT_ALIGNMENT_MAX;
		alignment = offset & (0U - offset);
	}
	do { /* a new object in a page that was overwritten is lost with its page */
		err = xvi_object_malloc(to_objects, size, alignment, owner, &moved);
		if (err != 0)
			return err;
		err = xvi_object_find(to_objects, moved, &to);
	} while (err == -XV_EBADMSG);
	if (err == 0)
		err = xvi_object_copy(to_objects, &to, objects, at, bytes < size ? bytes : size);
	if (err == 0)
		err = xvi_object_free(objects, *handle);
	if (err != 0) {
		(void)xvi_object_free(to_objects, moved);
		to_objects->mallocs--;
		return err;
	}
	objects->mallocs--; /* it was counted when it was first made */
	*handle = moved;
	return 0;
}

int xvi_object_realloc(struct xvi_objects *objects, xv_handle *handle, size_t size)
{
	struct xvi_location at;
	size_t old_size;
	int err;

	XVI_ASSERT(size != 0);
	err = xvi_object_find(objects, *handle, &at);
	if (err == 0)
		err = xvi_piece_check(objects, &at);
	if (err != 0)
		return err;
	if (size > objects->max_size)
		return -XV_E2BIG;
	old_size = object_size(objects, &at);
	if (block_kind(at.header) == KIND_FIRST) {
		if (size > old_size)
			err = chain_grow(objects, &at, old_size, size);
		else if (size < old_size)
			chain_shrink(objects, &at, size);
	} else if (size > objects->whole_max ||
		   !piece_resize(objects, &at, object_content(objects, size))) {
		return page_is_pinned(objects, at.page)
			       ? -XV_EBUSY
			       : xvi_object_move(objects, objects, &at, size, handle);
	}
	if (err == 0)
		objects->requested_bytes = objects->requested_bytes - old_size + size;
	else
		objects->failures++;
	return err;
}
