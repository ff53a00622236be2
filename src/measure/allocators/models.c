/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * models.c: counts what kmalloc over the kernel's allocators would hold, without memory for
 * objects. Pages are of 4 KiB.
 *
 * slub: mm/slub.c and the kmalloc caches of Linux 2.6.29 and later. Kept of it:
 *   - size classes 8 16 32 64 96 128 192 256 512 1k 2k 4k 8k; above, whole pages
 *     in powers of two;
 *   - a slab's order is the smallest that holds SLUB_OBJECTS_MIN objects, at most
 *     SLUB_ORDER_MAX (the kernel's rule for a machine of two CPUs; it gives the orders one
 *     reads in /proc/slabinfo, 8 x 4096 included);
 *   - objects come from the class's current slab until it is full, then from the
 *     first partial slab; a full slab that loses an object goes to the list's end;
 *   - an empty slab is freed unless the class has fewer than min_partial slabs on
 *     its partial list.
 * Left out: per-CPU partial lists, NUMA nodes, merging with other caches. The
 * cache descriptors (about 300 bytes a class) and struct page are not counted,
 * since the kernel has them anyway.
 *
 * slob: mm/slob.c of Linux 2.6.24 to 6.3 (Knuth's first fit with next-fit start,
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
 * return to a list.
 *
 * Owns a record for each slab or page. Calls malloc for them. No locking: one thread. slub
 * is O(1), slob O(pages / 64).
 */
#include "registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define PAGE_BYTES 4096U

/* Bytes of a power of two of pages that holds size. */
static uint64_t whole_pages_bytes(size_t size)
{
	uint64_t bytes = PAGE_BYTES;

	while (bytes < size)
		bytes <<= 1;
	return bytes;
}

/* ---- slub ----------------------------------------------------------------- */

enum {
	SLUB_CLASSES = 13,
	SLUB_BYTES_MAX = 8192,
	SLUB_OBJECTS_MIN = 12,
	SLUB_ORDER_MAX = 3,
	SLUB_PARTIAL_MIN = 5,
	SLUB_PARTIAL_MAX = 10,
};

static const uint16_t slub_sizes[SLUB_CLASSES] = {8,   16,  32,   64,   96,   128, 192,
						  256, 512, 1024, 2048, 4096, 8192};

struct slub_slab {
	TAILQ_ENTRY(slub_slab) partial; /* in the class's list, while neither full nor current */
	LIST_ENTRY(slub_slab) all;      /* of the heap, for destroy */
	struct slub_class *class;
	uint32_t objects; /* in use, 0 .. class->capacity */
};

struct slub_class {
	TAILQ_HEAD(, slub_slab) partial;
	struct slub_slab *current; /* objects are taken from here; may be NULL */
	size_t slab_bytes;
	uint32_t capacity; /* objects in a slab */
	uint32_t min_partial;
	uint32_t partial_count;
};

struct slub_heap {
	struct slub_class classes[SLUB_CLASSES];
	LIST_HEAD(, slub_slab) all;
	uint64_t held_bytes;
};

static void slub_class_init(struct slub_class *class, size_t size)
{
	unsigned order = 0;
	uint32_t half_log = 0; /* half the logarithm of the size: the kernel's patience */

	while (order < SLUB_ORDER_MAX && (PAGE_BYTES << order) / size < SLUB_OBJECTS_MIN)
		order++;
	TAILQ_INIT(&class->partial);
	class->slab_bytes = PAGE_BYTES << order;
	class->capacity = (uint32_t)(class->slab_bytes / size);
	for (; size >= 4; size >>= 2)
		half_log++;
	class->min_partial = half_log < SLUB_PARTIAL_MIN ? SLUB_PARTIAL_MIN : half_log;
	if (class->min_partial > SLUB_PARTIAL_MAX)
		class->min_partial = SLUB_PARTIAL_MAX;
}

static void *slub_create(const struct xvfrag_plugin_config *config)
{
	struct slub_heap *heap = calloc(1, sizeof(*heap));

	(void)config;
	for (unsigned i = 0; i < SLUB_CLASSES && heap != NULL; i++)
		slub_class_init(&heap->classes[i], slub_sizes[i]);
	return heap;
}

static void slub_destroy(void *context)
{
	struct slub_heap *heap = context;
	struct slub_slab *slab;

	while ((slab = LIST_FIRST(&heap->all)) != NULL) {
		LIST_REMOVE(slab, all);
		free(slab);
	}
	free(heap);
}

static void slub_partial_remove(struct slub_slab *slab)
{
	TAILQ_REMOVE(&slab->class->partial, slab, partial);
	slab->class->partial_count--;
}

/* A slab with room as the class's current one; NULL when there is no memory. */
static struct slub_slab *slub_refill(struct slub_heap *heap, struct slub_class *class)
{
	struct slub_slab *slab = TAILQ_FIRST(&class->partial);

	if (slab != NULL) {
		slub_partial_remove(slab);
	} else {
		slab = calloc(1, sizeof(*slab));
		if (slab == NULL)
			return NULL;
		slab->class = class;
		LIST_INSERT_HEAD(&heap->all, slab, all);
		heap->held_bytes += class->slab_bytes;
	}
	class->current = slab;
	return slab;
}

static int slub_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	struct slub_heap *heap = context;
	struct slub_class *class = heap->classes;
	struct slub_slab *slab;

	(void)index;
	if (size > SLUB_BYTES_MAX) {
		heap->held_bytes += whole_pages_bytes(size);
		*token = 0;
		return 0;
	}
	while (slub_sizes[class - heap->classes] < size)
		class ++;
	slab = class->current;
	if (slab == NULL)
		slab = slub_refill(heap, class);
	if (slab == NULL)
		return -ENOMEM;
	if (++slab->objects == class->capacity)
		class->current = NULL;
	*token = (uintptr_t)slab;
	return 0;
}

static int slub_free(void *context, uint64_t token, size_t size)
{
	struct slub_heap *heap = context;
	struct slub_slab *slab = (void *)(uintptr_t)token;
	struct slub_class *class;

	if (slab == NULL) {
		heap->held_bytes -= whole_pages_bytes(size);
		return 0;
	}
	class = slab->class;
	slab->objects--;
	if (slab == class->current)
		return 0;
	if (slab->objects + 1 == class->capacity) {
		TAILQ_INSERT_TAIL(&class->partial, slab, partial);
		class->partial_count++;
	}
	if (slab->objects == 0 && class->partial_count > class->min_partial) {
		slub_partial_remove(slab);
		LIST_REMOVE(slab, all);
		heap->held_bytes -= class->slab_bytes;
		free(slab);
	}
	return 0;
}

static uint64_t slub_held_bytes(void *context)
{
	return ((const struct slub_heap *)context)->held_bytes;
}

const struct xvfrag_plugin xvm_allocator_slub = {
	.abi = XVFRAG_PLUGIN_ABI,
	.name = "slub",
	.summary = "model of Linux kmalloc: SLUB's size classes and slab orders",
	.create = slub_create,
	.destroy = slub_destroy,
	.alloc = slub_alloc,
	.free = slub_free,
	.held_bytes = slub_held_bytes,
};

/* ---- slob ----------------------------------------------------------------- */

enum {
	SLOB_HEADER_BYTES = 8,
	SLOB_UNIT_BYTES = 2,
	SLOB_UNITS = PAGE_BYTES / SLOB_UNIT_BYTES,
	SLOB_ALIGN_UNITS = SLOB_HEADER_BYTES / SLOB_UNIT_BYTES,
	SLOB_WORDS = SLOB_UNITS / 64,
	SLOB_LISTS = 3,
	SLOB_BLOCK = 64, /* pages that a search passes over at once */
};

#define SLOB_NONE UINT32_MAX

/* A token is page << 16 | unit; this one is an object in whole pages. */
#define SLOB_WHOLE_PAGES UINT64_MAX

struct slob_page {
	uint64_t used[SLOB_WORDS]; /* bit by unit */
	uint32_t used_units;
	unsigned list;       /* all its objects are of that list's sizes */
	uint32_t next_spare; /* while it is spare */
};

struct slob_list {
	uint16_t *fits;   /* by page: units of the largest request that fits; 0 elsewhere */
	uint16_t *blocks; /* the largest of each SLOB_BLOCK of them */
	uint32_t last;    /* page that served last */
};

struct slob_heap {
	struct slob_page *pages;
	uint32_t count; /* records in use or spare */
	uint32_t room;  /* a multiple of SLOB_BLOCK */
	uint32_t spare; /* first spare record, or SLOB_NONE */
	struct slob_list lists[SLOB_LISTS];
	uint64_t held_bytes;
};

static void *slob_create(const struct xvfrag_plugin_config *config)
{
	struct slob_heap *heap = calloc(1, sizeof(*heap));

	(void)config;
	if (heap != NULL)
		heap->spare = SLOB_NONE;
	return heap;
}

static void slob_destroy(void *context)
{
	struct slob_heap *heap = context;

	for (unsigned i = 0; i < SLOB_LISTS; i++) {
		free(heap->lists[i].fits);
		free(heap->lists[i].blocks);
	}
	free(heap->pages);
	free(heap);
}

/* The first unit from `from` on whose bit is this, or SLOB_UNITS. */
static unsigned slob_find_bit(const struct slob_page *page, unsigned from, bool used)
{
	while (from < SLOB_UNITS) {
		uint64_t word = used ? page->used[from / 64] : ~page->used[from / 64];

		word >>= from % 64;
		if (word != 0)
			return from + (unsigned)__builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return SLOB_UNITS;
}

static void slob_flip_bits(struct slob_page *page, unsigned start, unsigned units)
{
	for (unsigned i = start; i < start + units; i++)
		page->used[i / 64] ^= UINT64_C(1) << i % 64;
}

/*
 * The first place for so many units, or SLOB_UNITS; *largest is of the requests that fit the holes
 * looked at.
 */
static unsigned slob_page_find(const struct slob_page *page, unsigned units, unsigned *largest)
{
	unsigned end;

	*largest = 0;
	for (unsigned start = slob_find_bit(page, 0, false); start < SLOB_UNITS;
	     start = slob_find_bit(page, end, false)) {
		unsigned aligned = (start + SLOB_ALIGN_UNITS - 1) & ~(SLOB_ALIGN_UNITS - 1U);

		end = slob_find_bit(page, start, true);
		if (aligned < end && end - aligned > *largest)
			*largest = end - aligned;
		if (aligned + units <= end)
			return aligned;
	}
	return SLOB_UNITS;
}

static void slob_set_fit(struct slob_heap *heap, uint32_t number, unsigned fit)
{
	struct slob_list *list = &heap->lists[heap->pages[number].list];
	const uint16_t *fits = list->fits + number / SLOB_BLOCK * SLOB_BLOCK;
	uint16_t most = 0;

	list->fits[number] = (uint16_t)fit;
	for (unsigned i = 0; i < SLOB_BLOCK; i++)
		most = fits[i] > most ? fits[i] : most;
	list->blocks[number / SLOB_BLOCK] = most;
}

/* The first page of [from, end) that has room for so many units, or SLOB_NONE. */
static uint32_t slob_search(const struct slob_list *list, uint32_t from, uint32_t end,
			    unsigned units)
{
	while (from < end) {
		if (from % SLOB_BLOCK == 0 && list->blocks[from / SLOB_BLOCK] < units)
			from += SLOB_BLOCK;
		else if (list->fits[from] >= units)
			return from;
		else
			from++;
	}
	return SLOB_NONE;
}

/* An array of 16-bit numbers made longer, with zeros behind. */
static bool slob_extend(uint16_t **numbers, uint32_t count, uint32_t room)
{
	uint16_t *longer = realloc(*numbers, room * sizeof(*longer));

	if (longer == NULL)
		return false;
	memset(longer + count, 0, (room - count) * sizeof(*longer));
	*numbers = longer;
	return true;
}

static bool slob_reserve(struct slob_heap *heap)
{
	uint32_t room = heap->room != 0 ? heap->room * 2 : SLOB_BLOCK;
	struct slob_page *pages;

	if (heap->count < heap->room)
		return true;
	for (unsigned i = 0; i < SLOB_LISTS; i++) {
		struct slob_list *list = &heap->lists[i];

		if (!slob_extend(&list->fits, heap->room, room) ||
		    !slob_extend(&list->blocks, heap->room / SLOB_BLOCK, room / SLOB_BLOCK))
			return false;
	}
	pages = realloc(heap->pages, room * sizeof(*pages));
	if (pages == NULL)
		return false;
	heap->pages = pages;
	heap->room = room;
	return true;
}

/* An empty page on the list. Returns its number, or SLOB_NONE. */
static uint32_t slob_make_page(struct slob_heap *heap, unsigned list)
{
	uint32_t number = heap->spare;

	if (number != SLOB_NONE)
		heap->spare = heap->pages[number].next_spare;
	else if (slob_reserve(heap))
		number = heap->count++;
	else
		return SLOB_NONE;
	heap->pages[number] = (struct slob_page){.list = list};
	heap->held_bytes += PAGE_BYTES;
	return number;
}

static unsigned slob_units(size_t size)
{
	return (unsigned)((size + SLOB_HEADER_BYTES + SLOB_UNIT_BYTES - 1) / SLOB_UNIT_BYTES);
}

/* The page has changed: what fits it now, and it goes when it is empty. */
static void slob_settle(struct slob_heap *heap, uint32_t number)
{
	struct slob_page *page = &heap->pages[number];
	unsigned largest = 0;

	if (page->used_units > 0) {
		(void)slob_page_find(page, SLOB_UNITS + 1, &largest);
	} else {
		heap->held_bytes -= PAGE_BYTES;
		page->next_spare = heap->spare;
		heap->spare = number;
	}
	slob_set_fit(heap, number, largest);
}

static int slob_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	struct slob_heap *heap = context;
	size_t bytes = size + SLOB_HEADER_BYTES;
	unsigned list = bytes < 256 ? 0 : bytes < 1024 ? 1 : 2;
	unsigned units = slob_units(size), start, largest;
	uint32_t number;

	(void)index;
	if (bytes >= PAGE_BYTES) {
		heap->held_bytes += whole_pages_bytes(size);
		*token = SLOB_WHOLE_PAGES;
		return 0;
	}
	number = slob_search(&heap->lists[list], heap->lists[list].last, heap->count, units);
	if (number == SLOB_NONE)
		number = slob_search(&heap->lists[list], 0, heap->count, units);
	if (number == SLOB_NONE)
		number = slob_make_page(heap, list);
	if (number == SLOB_NONE)
		return -ENOMEM;
	start = slob_page_find(&heap->pages[number], units, &largest);
	slob_flip_bits(&heap->pages[number], start, units);
	heap->pages[number].used_units += units;
	slob_settle(heap, number);
	heap->lists[list].last = number;
	*token = (uint64_t)number << 16 | start;
	return 0;
}

static int slob_free(void *context, uint64_t token, size_t size)
{
	struct slob_heap *heap = context;
	uint32_t number = (uint32_t)(token >> 16);

	if (token == SLOB_WHOLE_PAGES) {
		heap->held_bytes -= whole_pages_bytes(size);
		return 0;
	}
	slob_flip_bits(&heap->pages[number], (unsigned)(token & 0xFFFF), slob_units(size));
	heap->pages[number].used_units -= slob_units(size);
	slob_settle(heap, number);
	return 0;
}

static uint64_t slob_held_bytes(void *context)
{
	return ((const struct slob_heap *)context)->held_bytes;
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
