/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * copy.c: bytes into objects, out of them, and between two. A cursor runs over a chain with the
 * page of one piece mapped. O(pieces + bytes).
 */
#include "piece.h"

/* ---- cursors ---- */

static void cursor_enter(struct xvi_cursor *cursor, struct xvi_link link)
{
	cursor->words = heap_map(&cursor->objects->heap, link.page);
	cursor->piece = (struct xvi_location){link.page, link.unit, cursor->words[link.unit]};
	cursor->done = 0;
	XVI_ASSERT(!block_is_free(cursor->piece.header));
}

static void cursor_next_piece(struct xvi_cursor *cursor)
{
	struct xvi_link next = words_next(cursor->objects, cursor->words, cursor->piece.unit);

	XVI_ASSERT(next.page != LINK_NONE);
	xvi_cursor_close(cursor);
	cursor_enter(cursor, next);
}

static uint32_t cursor_left(const struct xvi_cursor *cursor)
{
	return piece_payload_bytes(cursor->objects, cursor->piece.header) - cursor->done;
}

void xvi_cursor_open(struct xvi_cursor *cursor, const struct xvi_objects *objects,
		     const struct xvi_location *at, size_t offset)
{
	cursor->objects = objects;
	cursor_enter(cursor, link_to(at));
	while (offset >= cursor_left(cursor)) {
		offset -= cursor_left(cursor);
		cursor_next_piece(cursor);
	}
	cursor->done = (uint32_t)offset;
}

void xvi_cursor_close(struct xvi_cursor *cursor)
{
	heap_unmap(&cursor->objects->heap, cursor->piece.page, cursor->words);
}

/* The bytes at the cursor: at most `most` of them, *bytes in a row. */
static unsigned char *cursor_run(struct xvi_cursor *cursor, size_t most, size_t *bytes)
{
	uint32_t left = cursor_left(cursor);

	XVI_ASSERT(most != 0);
	if (left == 0) {
		cursor_next_piece(cursor);
		left = cursor_left(cursor);
	}
	*bytes = most < left ? most : left;
	return words_payload(cursor->objects, cursor->words, cursor->piece.unit) + cursor->done;
}

/* ---- what they are for ---- */

void xvi_object_read(const struct xvi_objects *objects, const struct xvi_location *at,
		     size_t offset, void *buffer, size_t bytes)
{
	struct xvi_cursor cursor;
	unsigned char *to = buffer;
	size_t run;

	if (bytes == 0)
		return;
	XVI_ASSERT(block_kind(at->header) == KIND_REST ||
		   offset + bytes <= object_size(objects, at));
	xvi_cursor_open(&cursor, objects, at, offset);
	for (; bytes != 0; bytes -= run) {
		const unsigned char *from = cursor_run(&cursor, bytes, &run);

		memcpy(to, from, run);
		to += run;
		cursor.done += (uint32_t)run;
	}
	xvi_cursor_close(&cursor);
}

/* Write the bytes of buffer, or zeros where it is NULL. */
static void object_fill(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
			const unsigned char *buffer, size_t bytes)
{
	struct xvi_cursor cursor;
	size_t run;

	if (bytes == 0)
		return;
	XVI_ASSERT(block_kind(at->header) == KIND_REST ||
		   offset + bytes <= object_size(objects, at));
	xvi_cursor_open(&cursor, objects, at, offset);
	for (; bytes != 0; bytes -= run) {
		unsigned char *to = cursor_run(&cursor, bytes, &run);

		if (buffer == NULL) {
			memset(to, 0, run);
		} else {
			memcpy(to, buffer, run);
			buffer += run;
		}
		cursor.done += (uint32_t)run;
	}
	xvi_cursor_close(&cursor);
}

void xvi_object_write(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		      const void *buffer, size_t bytes)
{
	XVI_ASSERT(buffer != NULL || bytes == 0);
	object_fill(objects, at, offset, buffer, bytes);
}

void xvi_object_zero(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		     size_t bytes)
{
	object_fill(objects, at, offset, NULL, bytes);
}

void xvi_object_copy(struct xvi_objects *to_objects, const struct xvi_location *to,
		     const struct xvi_objects *from_objects, const struct xvi_location *from,
		     size_t bytes)
{
	struct xvi_cursor target, source;
	size_t run;

	if (bytes == 0)
		return;
	xvi_cursor_open(&source, from_objects, from, 0);
	xvi_cursor_open(&target, to_objects, to, 0);
	for (; bytes != 0; bytes -= run) {
		unsigned char *out = cursor_run(&target, bytes, &run);
		const unsigned char *in = cursor_run(&source, run, &run);

		memcpy(out, in, run);
		target.done += (uint32_t)run;
		source.done += (uint32_t)run;
	}
	xvi_cursor_close(&target);
	xvi_cursor_close(&source);
}
