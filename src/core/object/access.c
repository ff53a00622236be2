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
static int object_transfer(struct xvi_objects *objects, const struct xvi_location *at,
			   size_t offset, size_t bytes, unsigned char *to,
			   const unsigned char *from)
{
	struct xvi_location piece = *at;
	size_t skip = offset;
	int err = bytes != 0 ? xvi_piece_seek(objects, &piece, &skip) : 0;

	while (err == 0 && bytes != 0) {
		uint32_t *words = heap_map(&objects->heap, piece.page);
		unsigned char *payload = words_payload(objects, words, piece.unit) + skip;
		size_t left = piece_payload_bytes(objects, piece.header) - skip;
		size_t run = bytes < left ? bytes : left;

		XVI_ASSERT(run != 0 && skip + run <= objects->whole_max);
		if (to != NULL) {
			memcpy(to, payload, run);
			to += run;
		} else if (from != NULL) {
			memcpy(payload, from, run);
			from += run;
		} else {
			memset(payload, 0, run);
		}
		heap_unmap(&objects->heap, piece.page, words);
		bytes -= run;
		skip += run;
		if (bytes != 0) /* to the next piece */
			err = xvi_piece_seek(objects, &piece, &skip);
	}
	return err;
}

int xvi_object_read(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		    void *buffer, size_t bytes)
{
	XVI_ASSERT(buffer != NULL || bytes == 0);
	return object_transfer(objects, at, offset, bytes, buffer, NULL);
}

int xvi_object_write(struct xvi_objects *objects, const struct xvi_location *at, size_t offset,
		     const void *buffer, size_t bytes)
{
	return object_transfer(objects, at, offset, bytes, NULL, buffer);
}

int xvi_object_copy(struct xvi_objects *to_objects, const struct xvi_location *to,
		    struct xvi_objects *from_objects, const struct xvi_location *from, size_t bytes)
{
	struct xvi_location piece = *from;
	size_t done = 0;
	int err = 0;

	while (err == 0 && done < bytes) {
		uint32_t *words = heap_map(&from_objects->heap, piece.page);
		uint32_t left = piece_payload_bytes(from_objects, piece.header);
		size_t run = bytes - done < left ? bytes - done : left;
		size_t skip = left;

		XVI_ASSERT(run != 0 && run <= from_objects->whole_max);
		err = xvi_object_write(to_objects, to, done,
				       words_payload(from_objects, words, piece.unit), run);
		heap_unmap(&from_objects->heap, piece.page, words);
		done += run;
		if (err == 0 && done < bytes)
			err = xvi_piece_seek(from_objects, &piece, &skip);
	}
	return err;
}

/* ---- pinning ---- */

/* Pin a piece, from this byte of its payload on. */
static int piece_pin(struct xvi_objects *objects, const struct xvi_location *piece, uint32_t skip,
		     struct xvi_pin *pin)
{
	struct xvi_page *record = heap_page(&objects->heap, piece->page);
	uint32_t bytes = piece_payload_bytes(objects, piece->header);

	XVI_ASSERT(skip < bytes && !heap_is_closed(&objects->heap, piece->page));
	if (record->pins == UINT16_MAX)
		return -XV_EAGAIN;
	record->pins++;
	pin->piece = *piece;
	pin->offset = piece_payload_offset(objects, piece->unit, block_kind(piece->header)) + skip;
	pin->bytes = bytes - skip;
	XVI_ASSERT(pin->offset + pin->bytes <= objects->heap.shape.end_unit * UNIT_BYTES);
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
	int err = xvi_object_find(objects, handle, &at);

	if (err != 0)
		return err;
	if (offset >= object_size(objects, &at))
		return -XV_ERANGE;
	err = xvi_piece_seek(objects, &at, &offset);
	return err != 0 ? err : piece_pin(objects, &at, (uint32_t)offset, pin);
}

/* The header of the pinned piece, whose page is ours, or 0 when the piece is gone. */
static uint32_t pinned_header(const struct xvi_objects *objects, const struct xvi_location *piece)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words = heap_map(heap, piece->page);
	uint32_t header = words[piece->unit];
	bool lives = xvi_unit_is_used(heap, piece->page, words, piece->unit) &&
		     block_stamp(header) == block_stamp(piece->header) &&
		     block_kind(header) == block_kind(piece->header) &&
		     piece_has_payload(objects, header);

	heap_unmap(heap, piece->page, words);
	return lives ? header : 0;
}

int xvi_object_pin_again(struct xvi_objects *objects, struct xvi_pin *pin)
{
	const struct xvi_location *piece = &pin->piece;
	uint32_t header, end;

	XVI_ASSERT(page_is_pinned(objects, piece->page));
	if (heap_is_closed(&objects->heap, piece->page))
		return -XV_EBADMSG;
	header = pinned_header(objects, piece);
	if (header == 0)
		return -XV_EINVAL;
	end = piece_payload_offset(objects, piece->unit, block_kind(header)) +
	      piece_payload_bytes(objects, header);
	XVI_ASSERT(end <= objects->heap.shape.end_unit * UNIT_BYTES);
	if (end < pin->offset + pin->bytes)
		pin->bytes = end > pin->offset ? end - pin->offset : 0;
	return 0;
}

int xvi_object_pin_next(struct xvi_objects *objects, struct xvi_pin *pin)
{
	uint32_t before = pin->piece.page;
	struct xvi_location next;
	int err = xvi_object_pin_again(objects, pin);

	if (err != 0)
		return err;
	err = xvi_piece_next(objects, &pin->piece, &next);
	if (err != 0)
		return err;
	if (next.page == LINK_NONE)
		return -XV_EINVAL;
	XVI_ASSERT(block_kind(next.header) == KIND_REST);
	err = piece_pin(objects, &next, 0, pin);
	if (err == 0)
		(void)xvi_object_unpin(objects, before);
	return err;
}
