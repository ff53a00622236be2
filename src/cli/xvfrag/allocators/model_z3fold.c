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
 * Owns one record per page, no memory for objects. Calls malloc for the records.
 * No locking: one thread. O(1).
 */
#include "builtin.h"
#include "model_list.h"

#include <errno.h>
#include <stdlib.h>

enum {
	CHUNKS_PER_PAGE = 64,
	HEADER_CHUNKS = 1,
	ROOM_CHUNKS = CHUNKS_PER_PAGE - HEADER_CHUNKS,
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

struct fold_heap {
	struct model_node lists[ROOM_CHUNKS + 1];
	size_t page_bytes;
	uint64_t held_bytes;
};

/* A token is the page's record and, in the low bits, slot + 1; 0 is a whole page. */
#define TOKEN_SLOT_BITS ((uint64_t)3)

static void *fold_create(const struct xvfrag_plugin_config *config)
{
	struct fold_heap *heap = calloc(1, sizeof(*heap));
	unsigned i;

	if (heap == NULL)
		return NULL;
	heap->page_bytes = config->page_bytes;
	for (i = 0; i <= ROOM_CHUNKS; i++)
		model_list_init(&heap->lists[i]);
	return heap;
}

/* Pages without room are on list 0, so every shared page is found here. */
static void fold_destroy(void *context)
{
	struct fold_heap *heap = context;
	unsigned i;

	for (i = 0; i <= ROOM_CHUNKS; i++) {
		while (!model_list_empty(&heap->lists[i])) {
			struct model_node *node = heap->lists[i].next;

			model_list_remove(node);
			free(MODEL_RECORD(node, struct fold_page, node));
		}
	}
	free(heap);
}

/* ---- One page ---- */

static unsigned chunks_before_middle(const struct fold_page *page)
{
	return (unsigned)page->middle_start - HEADER_CHUNKS - page->chunks[PLACE_FIRST];
}

static unsigned chunks_after_middle(const struct fold_page *page)
{
	return (unsigned)CHUNKS_PER_PAGE - page->chunks[PLACE_LAST] - page->middle_start -
	       page->chunks[PLACE_MIDDLE];
}

/* Chunks that the next object may have, 0 when the page takes no more objects. */
static unsigned page_room(const struct fold_page *page)
{
	unsigned before, after;

	if (page->chunks[PLACE_MIDDLE] == 0)
		return (unsigned)ROOM_CHUNKS - page->chunks[PLACE_FIRST] - page->chunks[PLACE_LAST];
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
		page->middle_start = (uint8_t)(HEADER_CHUNKS + page->chunks[PLACE_FIRST]);
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
		page->middle_start = (uint8_t)(HEADER_CHUNKS + page->chunks[PLACE_FIRST]);
	else if (!has_first && has_last && chunks_after_middle(page) >= BIG_GAP_CHUNKS)
		page->middle_start = (uint8_t)(CHUNKS_PER_PAGE - page->chunks[PLACE_LAST] -
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

static void page_list(struct fold_heap *heap, struct fold_page *page)
{
	model_list_remove(&page->node);
	model_list_push_front(&heap->lists[page_room(page)], &page->node);
}

static struct fold_page *page_find(struct fold_heap *heap, unsigned chunks)
{
	unsigned i;

	for (i = chunks; i <= ROOM_CHUNKS; i++) {
		if (!model_list_empty(&heap->lists[i]))
			return MODEL_RECORD(heap->lists[i].next, struct fold_page, node);
	}
	return NULL;
}

static struct fold_page *page_make(struct fold_heap *heap)
{
	struct fold_page *page = calloc(1, sizeof(*page));

	if (page != NULL) {
		model_list_init(&page->node);
		heap->held_bytes += heap->page_bytes + SLOT_RECORD_BYTES;
	}
	return page;
}

static unsigned fold_chunks(const struct fold_heap *heap, size_t size)
{
	size_t chunk_bytes = heap->page_bytes / CHUNKS_PER_PAGE;

	return (unsigned)((size + chunk_bytes - 1) / chunk_bytes);
}

static int fold_alloc(void *context, size_t size, uint64_t *token)
{
	struct fold_heap *heap = context;
	unsigned chunks, slot;
	struct fold_page *page;

	if (size > heap->page_bytes)
		return -E2BIG;
	chunks = fold_chunks(heap, size);
	if (chunks >= ROOM_CHUNKS) {
		heap->held_bytes += heap->page_bytes;
		*token = 0;
		return 0;
	}
	page = page_find(heap, chunks);
	if (page == NULL)
		page = page_make(heap);
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
	struct fold_heap *heap = context;
	struct fold_page *page = (void *)(uintptr_t)(token & ~TOKEN_SLOT_BITS);
	unsigned slot = (unsigned)(token & TOKEN_SLOT_BITS) - 1;

	(void)size;
	if (page == NULL) {
		heap->held_bytes -= heap->page_bytes;
		return;
	}
	page->chunks[page->place_of_slot[slot]] = 0;
	page->slot_used[slot] = 0;
	if (!page_is_empty(page)) {
		page_compact(page);
		page_list(heap, page);
		return;
	}
	model_list_remove(&page->node);
	heap->held_bytes -= heap->page_bytes + SLOT_RECORD_BYTES;
	free(page);
}

static uint64_t fold_held_bytes(void *context)
{
	const struct fold_heap *heap = context;

	return heap->held_bytes;
}

const struct xvfrag_plugin xvf_allocator_z3fold = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "z3fold",
	.summary = "model of Linux z3fold: at most three objects in a page",
	.create = fold_create,
	.destroy = fold_destroy,
	.alloc = fold_alloc,
	.free = fold_free,
	.held_bytes = fold_held_bytes,
};
