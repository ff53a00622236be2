/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * check.c: proves the invariants of object.h by number, after those of the heap. Reads everything
 * that is not in a closed page, repairs nothing. With a closed page sums of chains are not known.
 */
#include "piece.h"
#include "prove.h"

struct check {
	const struct xvi_objects *objects;
	struct xvi_heap_fault *fault;
	uint64_t requested_bytes;
	uint32_t split;
	uint32_t rest;    /* REST pieces met in pages ... */
	uint32_t chained; /* ... and in chains */
};

static bool fail(struct check *check, uint32_t invariant, const struct xvi_location *at,
		 const char *message)
{
	*check->fault = (struct xvi_heap_fault){
		.invariant = invariant, .page = at->page, .unit = at->unit, .message = message};
	return false;
}

/* The next piece, by a link that may lead anywhere, or piece_none. Links in a circle end at a
 * piece whose previous link is not the one that was followed. */
static bool link_follow(struct check *check, const struct xvi_location *at,
			struct xvi_location *next)
{
	const struct xvi_heap *heap = &check->objects->heap;
	uint32_t *words = heap_map(heap, at->page);
	struct xvi_location previous;

	*next = words_next(check->objects, words, at->unit);
	heap_unmap(heap, at->page, words);
	if (next->page == LINK_NONE)
		return next->unit == LINK_NO_UNIT ||
		       fail(check, 23, at, "a link leads to no piece");
	if (heap_holds(heap, next->page) && heap_is_closed(heap, next->page)) {
		*next = piece_none;
		return true;
	}
	if (!heap_holds(heap, next->page) || next->unit < heap->shape.first_unit ||
	    next->unit >= heap->shape.end_unit)
		return fail(check, 23, at, "a link leads out of the heap");
	words = heap_map(heap, next->page);
	if (xvi_unit_is_used(heap, next->page, words, next->unit))
		next->header = words[next->unit];
	heap_unmap(heap, next->page, words);
	if (block_kind(next->header) != KIND_REST ||
	    !piece_has_payload(check->objects, next->header))
		return fail(check, 23, at, "a link leads to no piece");
	previous = xvi_piece_previous(check->objects, next);
	if (previous.page != at->page || previous.unit != at->unit)
		return fail(check, 23, next, "the piece before is another one");
	check->chained++;
	return true;
}

/* The chain of a FIRST piece. */
static bool check_chain(struct check *check, const struct xvi_location *first)
{
	struct xvi_location at, next = *first;
	uint64_t sum = 0;

	do {
		at = next;
		sum += piece_payload_bytes(check->objects, at.header);
		if (!link_follow(check, &at, &next))
			return false;
	} while (next.page != LINK_NONE);
	if (sum != object_size(check->objects, first) && check->objects->heap.closed_pages == 0)
		return fail(check, 24, first, "the pieces are not the size");
	return true;
}

static bool check_block(struct check *check, const struct xvi_location *at)
{
	const struct xvi_objects *objects = check->objects;
	uint32_t kind = block_kind(at->header);
	struct xvi_location found;

	if (!piece_has_payload(objects, at->header))
		return fail(check, 21, at, "a piece has no payload");
	if ((kind == KIND_FIRST || kind == KIND_REST) && !objects->split)
		return fail(check, 22, at, "a piece where nothing is split");
	if (!xvi_piece_canary_is_right(objects, at))
		return fail(check, 26, at, "the canary behind a piece is wrong");
	if (kind == KIND_REST) {
		check->rest++;
		return true;
	}
	if (!xvi_object_is(objects, objects_handle(objects, at->page, at->unit, at->header),
			   &found))
		return fail(check, 21, at, "an object's handle is not good");
	check->requested_bytes += object_size(objects, at);
	check->split += kind == KIND_FIRST;
	return kind != KIND_FIRST || check_chain(check, at);
}

/* The page stays mapped: over a window a map for each block costs much. */
static bool check_page(struct check *check, uint32_t page)
{
	const struct xvi_heap *heap = &check->objects->heap;
	uint32_t *words = heap_map(heap, page);
	struct xvi_location at = {page,
				  xvi_heap_next_used(heap, page, words, heap->shape.first_unit), 0};
	bool holds = true;

	while (holds && at.unit < heap->shape.end_unit) {
		at.header = words[at.unit];
		holds = check_block(check, &at);
		at.unit = page_next_used(heap, page, words, at.unit);
	}
	heap_unmap(heap, page, words);
	return holds;
}

static bool check_sums(struct check *check)
{
	const struct xvi_objects *objects = check->objects;
	const struct xvi_location nowhere = {UINT32_MAX, 0, 0};

	if (objects->heap.closed_pages != 0)
		return true;
	if (check->chained != check->rest)
		return fail(check, 23, &nowhere, "a piece is in no chain");
	if (check->requested_bytes != objects->requested_bytes)
		return fail(check, 25, &nowhere, "requested_bytes is not the sum of sizes");
	if (check->split != objects->split_objects || check->rest != objects->rest_pieces)
		return fail(check, 25, &nowhere, "pieces are not as many as counted");
	return true;
}

bool xvi_objects_check(struct xvi_objects *objects, struct xvi_heap_fault *fault)
{
	struct check check = {.objects = objects, .fault = fault};

	if (!xvi_heap_check(&objects->heap, fault))
		return false;
	for (uint32_t page = objects->heap.page_base; page < objects->heap.page_limit; page++) {
		if (page_has_blocks(&objects->heap, page) && !check_page(&check, page))
			return false;
	}
	return check_sums(&check);
}
