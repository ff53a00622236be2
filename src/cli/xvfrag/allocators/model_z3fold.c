/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_z3fold.c: counts what z3fold would hold: at most three objects in a page,
 * at its start, in its middle and at its end.
 *
 * Source: mm/z3fold.c of Linux 4.8 to 6.14. Kept of it: sizes in chunks of 1/64
 * page; one chunk for the page's header; pages in lists by their free chunks (with
 * a middle object: by the larger side of it), first page of the first list with
 * enough; a middle object is placed right behind the first; after an object goes,
 * the middle one is moved to close a gap (alone in its page it becomes the first)
 * where the gap is big. 64 bytes of handle slots a page, from a slab, are counted.
 * Left out: per-CPU lists, moving objects between pages. An object too large to
 * share has a page of its own, without header. The kernel moves objects later,
 * from a work queue; here they move at once, which is the kinder assumption.
 *
 * Owns one record per page (model_chunks.h), no memory for objects. No locking: one
 * thread. O(1).
 */
#include "builtin.h"
#include "model_chunks.h"

#include <errno.h>

enum {
	BIG_GAP_CHUNKS = 3,    /* a smaller gap is not worth moving an object for */
	SLOT_RECORD_BYTES = 64 /* handle slots of a page */
};

enum fold_place { PLACE_FIRST, PLACE_MIDDLE, PLACE_LAST, PLACES };

struct fold_page {
	struct model_node node;        /* in the list of its free chunks, or alone */
	uint8_t chunks[PLACES];        /* 0 = nothing there */
	uint8_t middle_start;          /* chunk at which the middle object starts */
	uint8_t place_of_slot[PLACES]; /* where the object named by a slot is now */
	uint8_t slot_used[PLACES];
};

/* A token is the page's record and, in the low bits, slot + 1; 0 is a whole page. */
#define TOKEN_SLOT_BITS ((uint64_t)3)

static void *fold_create(const struct xvfrag_plugin_config *config)
{
	return model_chunks_create(config, 0);
}

/* ---- One page ---- */

static unsigned chunks_before_middle(const struct fold_page *page)
{
	return (unsigned)page->middle_start - MODEL_HEADER_CHUNKS - page->chunks[PLACE_FIRST];
}

static unsigned chunks_after_middle(const struct fold_page *page)
{
	return (unsigned)MODEL_PAGE_CHUNKS - page->chunks[PLACE_LAST] - page->middle_start -
	       page->chunks[PLACE_MIDDLE];
}

/* Chunks that the next object may have, 0 when the page takes no more objects. */
static unsigned page_room(const struct fold_page *page)
{
	unsigned before, after;

	if (page->chunks[PLACE_MIDDLE] == 0)
		return (unsigned)MODEL_ROOM_CHUNKS - page->chunks[PLACE_FIRST] -
		       page->chunks[PLACE_LAST];
	before = page->chunks[PLACE_FIRST] == 0 ? chunks_before_middle(page) : 0;
	after = page->chunks[PLACE_LAST] == 0 ? chunks_after_middle(page) : 0;
	return before > after ? before : after;
}

static enum fold_place page_place(const struct fold_page *page, unsigned chunks)
{
	if (page->chunks[PLACE_FIRST] == 0 &&
	    (page->chunks[PLACE_MIDDLE] == 0 || chunks <= chunks_before_middle(page)))
		return PLACE_FIRST;
	return page->chunks[PLACE_LAST] == 0 ? PLACE_LAST : PLACE_MIDDLE;
}

static void page_put(struct fold_page *page, unsigned slot, unsigned chunks)
{
	enum fold_place place = page_place(page, chunks);

	if (place == PLACE_MIDDLE)
		page->middle_start = (uint8_t)(MODEL_HEADER_CHUNKS + page->chunks[PLACE_FIRST]);
	page->chunks[place] = (uint8_t)chunks;
	page->place_of_slot[slot] = (uint8_t)place;
	page->slot_used[slot] = 1;
}

/* The middle object is alone: it becomes the first. */
static void page_middle_to_first(struct fold_page *page)
{
	unsigned slot;

	page->chunks[PLACE_FIRST] = page->chunks[PLACE_MIDDLE];
	page->chunks[PLACE_MIDDLE] = 0;
	for (slot = 0; slot < PLACES; slot++) {
		if (page->slot_used[slot])
			page->place_of_slot[slot] = PLACE_FIRST;
	}
}

/* Close the gap beside the middle object where that makes room on its other side. */
static void page_compact(struct fold_page *page)
{
	int has_first = page->chunks[PLACE_FIRST] != 0;
	int has_last = page->chunks[PLACE_LAST] != 0;

	if (page->chunks[PLACE_MIDDLE] == 0)
		return;
	if (!has_first && !has_last)
		page_middle_to_first(page);
	else if (has_first && !has_last && chunks_before_middle(page) >= BIG_GAP_CHUNKS)
		page->middle_start = (uint8_t)(MODEL_HEADER_CHUNKS + page->chunks[PLACE_FIRST]);
	else if (!has_first && has_last && chunks_after_middle(page) >= BIG_GAP_CHUNKS)
		page->middle_start = (uint8_t)(MODEL_PAGE_CHUNKS - page->chunks[PLACE_LAST] -
					       page->chunks[PLACE_MIDDLE]);
}

static int page_is_empty(const struct fold_page *page)
{
	return (page->slot_used[0] | page->slot_used[1] | page->slot_used[2]) == 0;
}

static unsigned page_spare_slot(const struct fold_page *page)
{
	unsigned slot = 0;

	while (page->slot_used[slot])
		slot++;
	return slot;
}

/* ---- The heap ---- */

static void page_list(struct model_chunk_heap *heap, struct fold_page *page)
{
	model_chunks_list(heap, &page->node, page_room(page));
}

static int fold_alloc(void *context, size_t size, uint64_t *token)
{
	struct model_chunk_heap *heap = context;
	unsigned chunks = model_chunks_of(heap, size);
	struct fold_page *page;
	unsigned slot;

	if (chunks == 0)
		return -E2BIG;
	if (chunks >= MODEL_ROOM_CHUNKS) {
		heap->held_bytes += heap->page_bytes;
		*token = 0;
		return 0;
	}
	page = (void *)model_chunks_find(heap, chunks);
	if (page == NULL)
		page = model_chunks_make_page(heap, sizeof(*page), SLOT_RECORD_BYTES);
	if (page == NULL)
		return -ENOMEM;
	slot = page_spare_slot(page);
	page_put(page, slot, chunks);
	page_list(heap, page);
	*token = (uintptr_t)page | (slot + 1);
	return 0;
}

static void fold_free(void *context, uint64_t token, size_t size)
{
	struct model_chunk_heap *heap = context;
	struct fold_page *page = (void *)(uintptr_t)(token & ~TOKEN_SLOT_BITS);
	unsigned slot = (unsigned)(token & TOKEN_SLOT_BITS) - 1;

	(void)size;
	if (page == NULL) {
		heap->held_bytes -= heap->page_bytes;
		return;
	}
	page->chunks[page->place_of_slot[slot]] = 0;
	page->slot_used[slot] = 0;
	if (page_is_empty(page)) {
		model_chunks_end_page(heap, &page->node, SLOT_RECORD_BYTES);
		return;
	}
	page_compact(page);
	page_list(heap, page);
}

const struct xvfrag_plugin xvf_allocator_z3fold = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "z3fold",
	.summary = "model of Linux z3fold: at most three objects in a page",
	.create = fold_create,
	.destroy = model_chunks_destroy,
	.alloc = fold_alloc,
	.free = fold_free,
	.held_bytes = model_chunks_held_bytes,
};
