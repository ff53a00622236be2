/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * access.c: copy bytes into objects, out of them, and between two; pin pieces that a caller reads
 * or writes without the lock. Maps one page of each object at a time.
 */
#include "piece.h"
#include "prove.h"

/* ---- copying ---- */

/* Copy bytes of an object to `to`; if that is NULL, into the object from `from`; zeros if that is
 * NULL too. */
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

/* ---- pinning ---- */

/* Pin a piece, from this byte of its payload on. */
static int piece_pin(struct xvi_objects *objects, const struct xvi_location *piece, uint32_t skip,
		     struct xvi_pin *pin)
{
	struct xvi_page *record = heap_page(&objects->heap, piece->page);
	uint32_t bytes = piece_payload_bytes(objects, piece->header);

	XVI_ASSERT(skip < bytes);
	if (record->pins == UINT16_MAX)
		return -XV_EAGAIN;
	record->pins++;
	pin->piece = *piece;
	pin->offset = piece_payload_offset(objects, piece->unit, block_kind(piece->header)) + skip;
	pin->bytes = bytes - skip;
	return 0;
}

bool xvi_object_unpin(struct xvi_objects *objects, uint32_t page)
{
	struct xvi_heap *heap = &objects->heap;

	if (!heap_owns(heap, page) || !page_is_pinned(objects, page))
		return false;
	heap_page(heap, page)->pins--;
	if (!page_is_pinned(objects, page) && heap->spare_grains > heap_spare_most(heap))
		(void)xvi_heap_give_back(heap, heap_spare_most(heap));
	return true;
}

int xvi_object_pin(struct xvi_objects *objects, xv_handle handle, size_t offset,
		   struct xvi_pin *pin)
{
	struct xvi_location at;
	uint32_t skip;

	if (!xvi_object_find(objects, handle, &at))
		return -XV_EINVAL;
	if (offset >= object_size(objects, &at))
		return -XV_ERANGE;
	skip = xvi_piece_seek(objects, &at, offset);
	return piece_pin(objects, &at, skip, pin);
}

/* The piece behind a pinned one, whose page is ours; piece_none also if the pinned one is gone. */
static struct xvi_location pinned_next(const struct xvi_objects *objects,
				       const struct xvi_location *piece)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words = heap_map(heap, piece->page);
	bool lives = xvi_unit_is_used(heap, piece->page, words, piece->unit) &&
		     block_stamp(words[piece->unit]) == block_stamp(piece->header) &&
		     block_kind(words[piece->unit]) == block_kind(piece->header);

	heap_unmap(heap, piece->page, words);
	return lives ? xvi_piece_next(objects, piece) : piece_none;
}

int xvi_object_pin_next(struct xvi_objects *objects, struct xvi_pin *pin)
{
	uint32_t before = pin->piece.page;
	struct xvi_location next;
	int err;

	XVI_ASSERT(page_is_pinned(objects, before));
	next = pinned_next(objects, &pin->piece);
	if (next.page == LINK_NONE)
		return -XV_EINVAL;
	err = piece_pin(objects, &next, 0, pin);
	if (err == 0)
		(void)xvi_object_unpin(objects, before);
	return err;
}
