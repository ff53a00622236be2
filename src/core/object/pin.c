/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pin.c: pieces that others read or write while the lock is let go: their pages are pinned, so
 * that the heap gives nothing of them back and nothing in them is moved. O(1), finding an
 * offset O(pieces).
 */
#include "piece.h"
#include "prove.h"

static bool page_pin(struct xvi_objects *objects, uint32_t page)
{
	struct xvi_page *record = heap_page(&objects->heap, page);

	if (record->pins == UINT16_MAX)
		return false;
	record->pins++;
	return true;
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

static void pin_set(const struct xvi_objects *objects, struct xvi_pin *pin,
		    const struct xvi_location *piece, size_t done)
{
	uint32_t kind = block_kind(piece->header);

	XVI_ASSERT(done < piece_payload_bytes(objects, piece->header));
	pin->piece = *piece;
	pin->offset = piece_payload_offset(objects, piece->unit, kind) + (uint32_t)done;
	pin->bytes = piece_payload_bytes(objects, piece->header) - (uint32_t)done;
	pin->last = xvi_piece_next(objects, piece).page == LINK_NONE;
}

int xvi_object_pin(struct xvi_objects *objects, xv_handle handle, size_t offset,
		   struct xvi_pin *pin)
{
	struct xvi_location at;

	if (!xvi_object_find(objects, handle, &at))
		return -XV_EINVAL;
	if (offset >= object_size(objects, &at))
		return -XV_ERANGE;
	while (offset >= piece_payload_bytes(objects, at.header)) {
		offset -= piece_payload_bytes(objects, at.header);
		xvi_piece_at(objects, xvi_piece_next(objects, &at), &at);
	}
	if (!page_pin(objects, at.page))
		return -XV_EAGAIN;
	pin_set(objects, pin, &at, offset);
	return 0;
}

/* Is the pinned piece still the one that it was? Its page is ours, being pinned. */
static bool pin_is_live(const struct xvi_objects *objects, const struct xvi_location *piece,
			struct xvi_link *next)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words = heap_map(heap, piece->page);
	bool live = xvi_unit_is_used(heap, piece->page, words, piece->unit);

	if (live) {
		uint32_t header = words[piece->unit];

		live = block_check(header) == block_check(piece->header) &&
		       block_kind(header) == block_kind(piece->header);
		*next = live ? words_next(objects, words, piece->unit) : link_none;
	}
	heap_unmap(heap, piece->page, words);
	return live;
}

int xvi_object_pin_next(struct xvi_objects *objects, struct xvi_pin *pin)
{
	uint32_t before = pin->piece.page;
	struct xvi_location at;
	struct xvi_link next;

	XVI_ASSERT(link_is_pinned(objects, before));
	if (!pin_is_live(objects, &pin->piece, &next) || next.page == LINK_NONE)
		return -XV_EINVAL;
	xvi_piece_at(objects, next, &at);
	if (!page_pin(objects, at.page))
		return -XV_EAGAIN;
	pin_set(objects, pin, &at, 0);
	(void)xvi_object_unpin(objects, before);
	return 0;
}
