/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * copy.c: bytes into objects, out of them, and between two. A cursor runs over a chain with the
 * page of one piece mapped. O(pieces + bytes).
 */
#include "piece.h"

struct cursor {
	const struct xvi_objects *objects;
	struct xvi_location piece;
	uint32_t *words; /* its page, mapped */
	uint32_t done;   /* bytes of its payload passed */
};

static void cursor_close(const struct cursor *cursor)
{
	heap_unmap(&cursor->objects->heap, cursor->piece.page, cursor->words);
}

static void cursor_enter(struct cursor *cursor, struct xvi_link link)
{
	XVI_ASSERT(link.page != LINK_NONE);
	cursor->words = heap_map(&cursor->objects->heap, link.page);
	cursor->piece = (struct xvi_location){link.page, link.unit, cursor->words[link.unit]};
	cursor->done = 0;
	XVI_ASSERT(!block_is_free(cursor->piece.header));
}

/* Bytes of the piece that are left; at its end, of the next one, which there is. */
static uint32_t cursor_left(struct cursor *cursor)
{
	uint32_t bytes = piece_payload_bytes(cursor->objects, cursor->piece.header);
	struct xvi_link next;

	if (cursor->done < bytes)
		return bytes - cursor->done;
	next = words_next(cursor->objects, cursor->words, cursor->piece.unit);
	cursor_close(cursor);
	cursor_enter(cursor, next);
	return piece_payload_bytes(cursor->objects, cursor->piece.header);
}

/* At byte `offset` of the payloads from this piece on, which there must be. */
static void cursor_open(struct cursor *cursor, const struct xvi_objects *objects,
			const struct xvi_location *at, size_t offset)
{
	uint32_t left;

	cursor->objects = objects;
	cursor_enter(cursor, link_to(at));
	while (offset >= (left = cursor_left(cursor))) {
		offset -= left;
		cursor->done += left;
	}
	cursor->done += (uint32_t)offset;
}

/* Pass over some bytes, at most `most`, *bytes in a row. */
static unsigned char *cursor_run(struct cursor *cursor, size_t most, size_t *bytes)
{
	uint32_t left = cursor_left(cursor);
	unsigned char *run =
		words_payload(cursor->objects, cursor->words, cursor->piece.unit) + cursor->done;

	*bytes = most < left ? most : left;
	cursor->done += (uint32_t)*bytes;
	return run;
}

void xvi_object_read(const struct xvi_objects *objects, const struct xvi_location *at,
		     size_t offset, void *buffer, size_t bytes)
{
	struct cursor cursor;
	unsigned char *to = buffer;

	if (bytes == 0)
		return;
	cursor_open(&cursor, objects, at, offset);
	for (size_t run; bytes != 0; bytes -= run, to += run) {
		const unsigned char *from = cursor_run(&cursor, bytes, &run);

		memcpy(to, from, run);
	}
	cursor_close(&cursor);
}

void xvi_object_write(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		      const void *buffer, size_t bytes)
{
	struct cursor cursor;
	const unsigned char *from = buffer;

	if (bytes == 0)
		return;
	cursor_open(&cursor, objects, at, offset);
	for (size_t run; bytes != 0; bytes -= run) {
		unsigned char *to = cursor_run(&cursor, bytes, &run);

		if (from == NULL) {
			memset(to, 0, run);
			continue;
		}
		memcpy(to, from, run);
		from += run;
	}
	cursor_close(&cursor);
}

void xvi_object_copy(struct xvi_objects *to_objects, const struct xvi_location *to,
		     const struct xvi_objects *from_objects, const struct xvi_location *from,
		     size_t bytes)
{
	struct cursor target, source;

	if (bytes == 0)
		return;
	cursor_open(&source, from_objects, from, 0);
	cursor_open(&target, to_objects, to, 0);
	for (size_t run; bytes != 0; bytes -= run) {
		uint32_t most = cursor_left(&target);
		const unsigned char *in = cursor_run(&source, most < bytes ? most : bytes, &run);

		memcpy(cursor_run(&target, run, &run), in, run);
	}
	cursor_close(&target);
	cursor_close(&source);
}
