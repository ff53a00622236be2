/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_slob.c: counts what kmalloc over SLOB would hold.
 *
 * Source: mm/slob.c of Linux 2.6.24 to 6.3 (Knuth's first fit with next-fit start,
 * TAOCP 1, 2.5). Kept of it:
 *   - space in a page is counted in units of 2 bytes; an object has an 8-byte
 *     header for its size and starts on 8 bytes; what lies before it stays free;
 *   - three lists of pages with space, for requests (header included) under 256,
 *     under 1024, and the rest; a request looks in its own list only;
 *   - the search goes round the list from the page that served last, and takes the
 *     first hole that fits in the first page that has one;
 *   - an empty page is freed;
 *   - requests of a page or more, less the header, get whole pages in powers of
 *     two.
 * Different: pages go round in the order of their numbers, not in that of their
 * return to a list; which page has a hole large enough is found in a tree
 * (max_tree.h), not by walking.
 *
 * Owns one record per page with its holes, no memory for objects. Calls malloc for
 * the records. No locking: one thread. O(log pages + holes in a page).
 */
#include "registry.h"
#include "max_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	UNIT_BYTES = 2,
	HEADER_BYTES = 8,
	ALIGN_UNITS = HEADER_BYTES / UNIT_BYTES,
	LISTS = 3,
	HOLES_FIRST = 4,       /* holes a page record starts with room for */
	PAGE_BYTES_MAX = 65536 /* units must fit 16 bits */
};

static const size_t list_limits[LISTS - 1] = {256, 1024};

/* Free units [start, end) of a page. */
struct slob_hole {
	uint16_t start;
	uint16_t end;
};

struct slob_page {
	struct slob_hole *holes; /* by address, never adjacent */
	uint16_t hole_count;
	uint16_t hole_room;
	uint16_t free_units;
	uint8_t list;    /* where it is found; all its objects are of that list's sizes */
	uint32_t number; /* the next spare one's, while this one is spare */
};

struct slob_heap {
	struct slob_page *pages;
	uint32_t page_count; /* records in use or spare */
	uint32_t page_room;
	uint32_t spare;              /* first spare record, or MAX_TREE_NONE */
	struct max_tree fits[LISTS]; /* by page: largest request that fits, in units */
	uint32_t cursors[LISTS];     /* page that served last */
	size_t page_bytes;
	uint64_t held_bytes;
};

/* A token is page << 16 | unit; this one is an object in whole pages. */
#define TOKEN_WHOLE_PAGES UINT64_MAX

static void *slob_create(const struct xvfrag_plugin_config *config)
{
	struct slob_heap *heap;

	(void)config;
	heap = calloc(1, sizeof(*heap));
	if (heap == NULL)
		return NULL;
	heap->page_bytes = 4096;
	heap->spare = MAX_TREE_NONE;
	return heap;
}

static void slob_destroy(void *context)
{
	struct slob_heap *heap = context;
	uint32_t i;

	for (i = 0; i < heap->page_count; i++)
		free(heap->pages[i].holes);
	for (i = 0; i < LISTS; i++)
		max_tree_fini(&heap->fits[i]);
	free(heap->pages);
	free(heap);
}

/* ---- Holes of a page ---- */

static unsigned align_up(unsigned unit)
{
	return (unit + ALIGN_UNITS - 1) & ~(unsigned)(ALIGN_UNITS - 1);
}

/* Units of the largest request that fits the hole. */
static unsigned hole_fit(struct slob_hole hole)
{
	unsigned start = align_up(hole.start);

	return start < hole.end ? hole.end - start : 0;
}

static unsigned page_fit(const struct slob_page *page)
{
	unsigned best = 0, i;

	for (i = 0; i < page->hole_count; i++) {
		unsigned fit = hole_fit(page->holes[i]);

		if (fit > best)
			best = fit;
	}
	return best;
}

/* Make room for so many holes, at most one more than now. */
static int holes_reserve(struct slob_page *page, unsigned count)
{
	unsigned room = page->hole_room != 0 ? page->hole_room * 2U : HOLES_FIRST;
	struct slob_hole *holes;

	if (count <= page->hole_room)
		return 0;
	holes = realloc(page->holes, room * sizeof(*holes));
	if (holes == NULL)
		return -ENOMEM;
	page->holes = holes;
	page->hole_room = (uint16_t)room;
	return 0;
}

static void hole_insert(struct slob_page *page, unsigned at, struct slob_hole hole)
{
	memmove(page->holes + at + 1, page->holes + at,
		(page->hole_count - at) * sizeof(*page->holes));
	page->holes[at] = hole;
	page->hole_count++;
}

static void hole_remove(struct slob_page *page, unsigned at)
{
	page->hole_count--;
	memmove(page->holes + at, page->holes + at + 1,
		(page->hole_count - at) * sizeof(*page->holes));
}

/*
 * Cut units out of hole number at, from its first aligned unit on, and return that
 * unit. Room for one more hole was reserved.
 */
static unsigned hole_cut(struct slob_page *page, unsigned at, unsigned units)
{
	struct slob_hole hole = page->holes[at];
	unsigned start = align_up(hole.start);
	struct slob_hole rest = {(uint16_t)(start + units), hole.end};

	hole_remove(page, at);
	if (rest.start < rest.end)
		hole_insert(page, at, rest);
	if (hole.start < start) {
		hole.end = (uint16_t)start;
		hole_insert(page, at, hole);
	}
	return start;
}

static unsigned page_take(struct slob_page *page, unsigned units)
{
	unsigned at = 0;

	while (hole_fit(page->holes[at]) < units)
		at++;
	page->free_units = (uint16_t)(page->free_units - units);
	return hole_cut(page, at, units);
}

/* Give [start, start + units) back, merged with the holes beside it. */
static void page_give(struct slob_page *page, unsigned start, unsigned units)
{
	struct slob_hole hole = {(uint16_t)start, (uint16_t)(start + units)};
	unsigned at = 0;

	while (at < page->hole_count && page->holes[at].end < hole.start)
		at++;
	while (at < page->hole_count && page->holes[at].start <= hole.end) {
		if (page->holes[at].start < hole.start)
			hole.start = page->holes[at].start;
		if (page->holes[at].end > hole.end)
			hole.end = page->holes[at].end;
		hole_remove(page, at);
	}
	hole_insert(page, at, hole);
	page->free_units = (uint16_t)(page->free_units + units);
}

/* ---- Pages ---- */

static unsigned page_units(const struct slob_heap *heap)
{
	return (unsigned)(heap->page_bytes / UNIT_BYTES);
}

/* Tell the tree of the page's list what fits the page now. */
static void page_publish(struct slob_heap *heap, const struct slob_page *page)
{
	max_tree_set(&heap->fits[page->list], page->number, (uint16_t)page_fit(page));
}

/* Room for one more page record in the array and in every tree. */
static int pages_reserve(struct slob_heap *heap)
{
	uint32_t room = heap->page_room != 0 ? heap->page_room * 2 : 64;
	struct slob_page *pages;
	unsigned i;

	if (heap->page_count < heap->page_room)
		return 0;
	for (i = 0; i < LISTS; i++) {
		if (max_tree_reserve(&heap->fits[i], room) != 0)
			return -ENOMEM;
	}
	pages = realloc(heap->pages, room * sizeof(*pages));
	if (pages == NULL)
		return -ENOMEM;
	heap->pages = pages;
	heap->page_room = room;
	return 0;
}

/* A record that is not in use, or NULL. */
static struct slob_page *page_record(struct slob_heap *heap)
{
	struct slob_page *page;

	if (heap->spare != MAX_TREE_NONE) {
		uint32_t number = heap->spare;

		page = &heap->pages[number];
		heap->spare = page->number;
		page->number = number;
		return page;
	}
	if (pages_reserve(heap) != 0)
		return NULL;
	page = &heap->pages[heap->page_count];
	memset(page, 0, sizeof(*page));
	page->number = heap->page_count++;
	return page;
}

static void page_retire(struct slob_heap *heap, struct slob_page *page)
{
	uint32_t number = page->number;

	max_tree_set(&heap->fits[page->list], number, 0);
	page->hole_count = 0;
	page->free_units = 0;
	page->number = heap->spare;
	heap->spare = number;
}

/* A page that is one hole, on the list; NULL when there is no memory. */
static struct slob_page *page_make(struct slob_heap *heap, unsigned list)
{
	struct slob_page *page = page_record(heap);

	if (page == NULL)
		return NULL;
	page->list = (uint8_t)list;
	if (holes_reserve(page, 1) != 0) {
		page_retire(heap, page);
		return NULL;
	}
	page_give(page, 0, page_units(heap));
	heap->held_bytes += heap->page_bytes;
	return page;
}

/* The first page of the list, from the one that served last, that fits; or NULL. */
static struct slob_page *page_find(struct slob_heap *heap, unsigned list, unsigned units)
{
	const struct max_tree *fits = &heap->fits[list];
	uint32_t found = max_tree_find(fits, heap->cursors[list], (uint16_t)units);

	if (found == MAX_TREE_NONE)
		found = max_tree_find(fits, 0, (uint16_t)units);
	return found != MAX_TREE_NONE ? &heap->pages[found] : NULL;
}

/* ---- Objects ---- */

static unsigned list_of(size_t bytes)
{
	unsigned list = 0;

	while (list < LISTS - 1 && bytes >= list_limits[list])
		list++;
	return list;
}

static unsigned units_of(size_t size)
{
	return (unsigned)((size + HEADER_BYTES + UNIT_BYTES - 1) / UNIT_BYTES);
}

static uint64_t whole_pages_bytes(const struct slob_heap *heap, size_t size)
{
	uint64_t bytes = heap->page_bytes;

	while (bytes < size)
		bytes <<= 1;
	return bytes;
}

static int slob_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	struct slob_heap *heap = context;
	unsigned list = list_of(size + HEADER_BYTES);
	struct slob_page *page;
	unsigned start;

	(void)index;
	if (size >= heap->page_bytes - HEADER_BYTES) {
		heap->held_bytes += whole_pages_bytes(heap, size);
		*token = TOKEN_WHOLE_PAGES;
		return 0;
	}
	page = page_find(heap, list, units_of(size));
	if (page == NULL)
		page = page_make(heap, list);
	/* A cut leaves at most one hole more. */
	if (page == NULL || holes_reserve(page, page->hole_count + 1U) != 0)
		return -ENOMEM;
	start = page_take(page, units_of(size));
	page_publish(heap, page);
	heap->cursors[list] = page->number;
	*token = (uint64_t)page->number << 16 | start;
	return 0;
}

static int slob_free(void *context, uint64_t token, size_t size)
{
	struct slob_heap *heap = context;
	struct slob_page *page;

	if (token == TOKEN_WHOLE_PAGES) {
		heap->held_bytes -= whole_pages_bytes(heap, size);
		return 0;
	}
	page = &heap->pages[token >> 16];
	if (holes_reserve(page, page->hole_count + 1U) != 0)
		return 0; /* the model's own memory is at an end: the page stays held */
	page_give(page, (unsigned)(token & 0xFFFF), units_of(size));
	if (page->free_units == page_units(heap)) {
		heap->held_bytes -= heap->page_bytes;
		page_retire(heap, page);
		return 0;
	}
	page_publish(heap, page);
	return 0;
}

static uint64_t slob_held_bytes(void *context)
{
	const struct slob_heap *heap = context;

	return heap->held_bytes;
}

const struct xvfrag_plugin xvm_allocator_slob = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "slob",
	.summary = "model of Linux SLOB: first fit in three lists of pages",
	.create = slob_create,
	.destroy = slob_destroy,
	.alloc = slob_alloc,
	.free = slob_free,
	.held_bytes = slob_held_bytes,
};
