/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * handle.c: from a handle to the first piece of a live object, or to "bad": object.h says what is
 * proved. Changes only bad_handles; closes pages that are not sound.
 */
#include "piece.h"
#include "prove.h"

bool xvi_unit_is_used(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
		      uint32_t unit)
{
	struct xvi_page *record = heap_page(heap, page);
	struct xvi_around around;

	XVI_ASSERT(heap_owns(heap, page) && !heap_is_closed(heap, page));
	XVI_ASSERT(unit < heap->shape.end_unit);
	return heap->shape.prove ? start_is(heap, &heap->shape, record, page, words, unit) &&
					   block_is_sound(heap, &heap->shape, record, page, words,
							  unit, &around)
				 : keyed_is(heap, &heap->shape, record, page, words, unit, &around);
}

/* Does a walk over the page come to a used block at unit? */
static bool page_leads_to(const struct xvi_heap *heap, uint32_t page, const uint32_t *words,
			  uint32_t unit)
{
	uint32_t at = xvi_heap_next_used(heap, page, words, heap->shape.first_unit);

	while (at < unit)
		at = page_next_used(heap, page, words, at);
	return at == unit;
}

/* Can it be the first piece of an object? Without proof, the links of a FIRST piece must fit
 * too. */
static bool piece_is_first(const struct xvi_objects *objects, uint32_t page, const uint32_t *words,
			   uint32_t unit)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t kind = block_kind(words[unit]);
	uint32_t link = piece_link_unit(objects, unit, kind);

	if (kind == KIND_REST || !piece_has_payload(objects, words[unit]))
		return false;
	if (kind != KIND_FIRST)
		return true;
	if (!objects->split)
		return false;
	return heap->shape.prove ||
	       (grain_is_hot(&heap->shape, heap_page(heap, page), unit, link + FIRST_LINK_WORDS) &&
		(words[link] == LINK_NONE || heap_holds(heap, words[link])));
}

bool xvi_object_is(const struct xvi_objects *objects, xv_handle handle, struct xvi_location *at)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t page = xv_handle_page(handle);
	uint32_t unit = handle_unit(objects, handle);
	uint32_t tag = handle_tag(handle);
	uint32_t *words;
	bool good;

	if (!heap_owns(heap, page) || heap_is_closed(heap, page) || unit < heap->shape.first_unit ||
	    unit >= heap->shape.end_unit)
		return false;
	words = heap_map(heap, page);
	good = heap->shape.prove || tag != 0 ? xvi_unit_is_used(heap, page, words, unit)
					     : page_leads_to(heap, page, words, unit);
	good = good && piece_is_first(objects, page, words, unit) &&
	       (tag == 0 || tag == (objects->tag | block_stamp(words[unit])));
	if (good)
		*at = (struct xvi_location){page, unit, words[unit]};
	heap_unmap(heap, page, words);
	return good;
}

/* Is the used block at a bad handle's place of a kind that its pool does not have? A block of the
 * quarantine is. */
static bool kind_is_broken(const struct xvi_objects *objects, const struct xvi_location *at)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words;
	uint32_t kind = KIND_WHOLE;

	if (objects->split || at->unit < heap->shape.first_unit || at->unit >= heap->shape.end_unit)
		return false;
	words = heap_map(heap, at->page);
	if (xvi_unit_is_used(heap, at->page, words, at->unit))
		kind = block_kind(words[at->unit]);
	heap_unmap(heap, at->page, words);
	return kind == KIND_FIRST || (kind == KIND_REST && !xvi_piece_is_kept(objects, at));
}

int xvi_object_find(struct xvi_objects *objects, xv_handle handle, struct xvi_location *at)
{
	struct xvi_heap *heap = &objects->heap;
	uint32_t page = xv_handle_page(handle);
	struct xvi_location found;

	if (XVI_LIKELY(xvi_object_is(objects, handle, &found))) {
		XVI_ASSERT(block_kind(found.header) != KIND_REST && found.page == page);
		XVI_ASSERT(piece_has_payload(objects, found.header));
		if (!xvi_piece_has_canary(objects, &found))
			return -XV_EBADMSG;
		*at = found;
		return 0;
	}
	/* It is bad, or what proves it was overwritten. */
	if (heap_owns(heap, page) && (heap_is_closed(heap, page) ||
				      (heap->shape.prove && xvi_heap_close_unsound(heap, page))))
		return -XV_EBADMSG;
	found = (struct xvi_location){page, handle_unit(objects, handle), 0};
	if (heap_owns(heap, page) && heap->shape.prove && kind_is_broken(objects, &found)) {
		xvi_heap_close(heap, page, found.unit, "a piece where nothing is split");
		return -XV_EBADMSG;
	}
	objects->bad_handles++;
	return -XV_EINVAL;
}
