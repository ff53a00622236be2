/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pin.c: pieces that others read or write while the lock is let go: their pages are pinned, so
 * that the heap gives nothing of them back and nothing in them is moved. O(1), finding an
 * offset O(pieces).
 */
#include "piece.h"
#include "prove.h"

/* Pin the piece, from this byte of its payload on. */
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
	struct xvi_page *record;

	if (!heap_owns(heap, page))
		return false;
	record = heap_page(heap, page);
	if (record->pins == 0)
		return false;
	record->pins--;
	if (record->pins == 0 && heap->spare_grains > heap_spare_most(heap))
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

/* The piece behind a pinned one, whose page is ours; piece_none too when that one is gone. */
static struct xvi_location pinned_next(const struct xvi_objects *objects,
				       const struct xvi_location *piece)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words = heap_map(heap, piece->page);
	bool lives = xvi_unit_is_used(heap, piece->page, words, piece->unit) &&
		     block_check(words[piece->unit]) == block_check(piece->header) &&
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
