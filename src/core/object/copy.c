/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * copy.c: bytes into objects, out of them, and between two. The page of one piece is mapped at a
 * time, once.
 */
#include "piece.h"

/* Copy bytes of an object to `to`; where that is NULL, into the object from `from`; zeros where
 * that is NULL too. */
static void object_transfer(const struct xvi_objects *objects, const struct xvi_location *at,
			    size_t offset, size_t bytes, unsigned char *to,
			    const unsigned char *from)
{
	struct xvi_location piece = *at;
	uint32_t skip = bytes != 0 ? xvi_piece_seek(objects, &piece, offset) : 0;

	for (size_t run; bytes != 0; bytes -= run) {
		uint32_t page = piece.page;
		uint32_t *words = heap_map(&objects->heap, page);
		unsigned char *payload = words_payload(objects, words, piece.unit) + skip;
		uint32_t left = piece_payload_bytes(objects, words[piece.unit]) - skip;

		run = bytes < left ? bytes : left;
		if (to != NULL) {
			memcpy(to, payload, run);
			to += run;
		} else if (from != NULL) {
			memcpy(payload, from, run);
			from += run;
		} else {
			memset(payload, 0, run);
		}
		piece = words_next(objects, words, piece.unit);
		skip = 0;
		heap_unmap(&objects->heap, page, words);
		XVI_ASSERT(bytes == run || piece.page != LINK_NONE);
	}
}

void xvi_object_read(const struct xvi_objects *objects, const struct xvi_location *at,
		     size_t offset, void *buffer, size_t bytes)
{
	XVI_ASSERT(buffer != NULL || bytes == 0);
	object_transfer(objects, at, offset, bytes, buffer, NULL);
}

void xvi_object_write(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		      const void *buffer, size_t bytes)
{
	object_transfer(objects, at, offset, bytes, NULL, buffer);
}

void xvi_object_copy(struct xvi_objects *to_objects, const struct xvi_location *to,
		     const struct xvi_objects *from_objects, const struct xvi_location *from,
		     size_t bytes)
{
	struct xvi_location piece = *from;
	size_t run;

	for (size_t done = 0; done < bytes; done += run) {
		uint32_t page = piece.page;
		uint32_t *words = heap_map(&from_objects->heap, page);
		uint32_t left = piece_payload_bytes(from_objects, words[piece.unit]);

		run = bytes - done < left ? bytes - done : left;
		xvi_object_write(to_objects, to, done,
				 words_payload(from_objects, words, piece.unit), run);
		piece = words_next(from_objects, words, piece.unit);
		heap_unmap(&from_objects->heap, page, words);
		XVI_ASSERT(done + run == bytes || piece.page != LINK_NONE);
	}
}
