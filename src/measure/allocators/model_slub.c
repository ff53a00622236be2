/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_slub.c: counts what kmalloc over SLUB would hold.
 *
 * Source: mm/slub.c and the kmalloc caches of Linux 2.6.29 and later. Kept of it:
 *   - size classes 8 16 32 64 96 128 192 256 512 1k 2k 4k 8k; above, whole pages
 *     in powers of two;
 *   - a slab's order is the smallest that holds OBJECTS_PER_SLAB_MIN objects, at
 *     most ORDER_MAX (the kernel's rule for a machine of two CPUs; for 4 KiB pages
 *     it gives the orders one reads in /proc/slabinfo, 8 x 4096 included);
 *   - objects come from the class's current slab until it is full, then from the
 *     first partial slab; a full slab that loses an object goes to the list's end;
 *   - an empty slab is freed unless the class has fewer than min_partial slabs on
 *     its partial list.
 * Left out: per-CPU partial lists, NUMA nodes, merging with other caches. The
 * cache descriptors (about 300 bytes a class) and struct page are not counted,
 * since the kernel has them anyway.
 *
 * Owns one record per slab, no memory for objects. Calls malloc for the records.
 * No locking: one thread. O(1).
 */
#include "registry.h"
#include "model_list.h"

#include <errno.h>
#include <stdlib.h>

enum {
	CLASSES = 13,
	CLASS_BYTES_MAX = 8192,
	OBJECTS_PER_SLAB_MIN = 12,
	ORDER_MAX = 3,
	PARTIAL_MIN = 5,
	PARTIAL_MAX = 10,
};

static const uint16_t class_sizes[CLASSES] = {8,   16,  32,   64,   96,   128, 192,
					      256, 512, 1024, 2048, 4096, 8192};

struct slub_class;

struct slub_slab {
	struct model_node node; /* in the class's partial or full list, or alone when current */
	struct slub_class *class;
	uint32_t objects; /* in use, 0 .. class->capacity */
};

struct slub_class {
	struct model_node partial;
	struct model_node full;    /* the kernel has no such list: for destroy */
	struct slub_slab *current; /* objects are taken from here; may be NULL */
	size_t slab_bytes;
	uint32_t capacity; /* objects in a slab */
	uint32_t min_partial;
	uint32_t partial_count;
};

struct slub_heap {
	struct slub_class classes[CLASSES];
	size_t page_bytes;
	uint64_t held_bytes;
};

/* Half the logarithm of the size, as the kernel spreads its patience. */
static uint32_t class_min_partial(size_t size)
{
	uint32_t half_log = 0;

	for (; size >= 4; size >>= 2)
		half_log++;
	if (half_log < PARTIAL_MIN)
		return PARTIAL_MIN;
	return half_log > PARTIAL_MAX ? PARTIAL_MAX : half_log;
}

static void class_init(struct slub_class *class, size_t size, size_t page_bytes)
{
	unsigned order = 0;

	while (order < ORDER_MAX && (page_bytes << order) / size < OBJECTS_PER_SLAB_MIN)
		order++;
	model_list_init(&class->partial);
	model_list_init(&class->full);
	class->slab_bytes = page_bytes << order;
	class->capacity = (uint32_t)(class->slab_bytes / size);
	class->min_partial = class_min_partial(size);
}

static void *slub_create(const struct xvfrag_plugin_config *config)
{
	struct slub_heap *heap = calloc(1, sizeof(*heap));
	unsigned i;

	if (heap == NULL)
		return NULL;
	(void)config;
	heap->page_bytes = 4096;
	for (i = 0; i < CLASSES; i++)
		class_init(&heap->classes[i], class_sizes[i], heap->page_bytes);
	return heap;
}

static void slabs_destroy(struct model_node *list)
{
	while (!model_list_empty(list)) {
		struct slub_slab *slab = MODEL_RECORD(list->next, struct slub_slab, node);

		model_list_remove(&slab->node);
		free(slab);
	}
}

static void slub_destroy(void *context)
{
	struct slub_heap *heap = context;
	unsigned i;

	for (i = 0; i < CLASSES; i++) {
		slabs_destroy(&heap->classes[i].partial);
		slabs_destroy(&heap->classes[i].full);
		free(heap->classes[i].current);
	}
	free(heap);
}

static struct slub_class *class_of(struct slub_heap *heap, size_t size)
{
	unsigned i = 0;

	while (class_sizes[i] < size)
		i++;
	return &heap->classes[i];
}

/* Bytes of a power of two of pages that holds size. */
static uint64_t whole_pages_bytes(const struct slub_heap *heap, size_t size)
{
	uint64_t bytes = heap->page_bytes;

	while (bytes < size)
		bytes <<= 1;
	return bytes;
}

static void partial_remove(struct slub_slab *slab)
{
	model_list_remove(&slab->node);
	slab->class->partial_count--;
}

/* A slab with room, as the class's current one; NULL when there is no memory. */
static struct slub_slab *class_refill(struct slub_heap *heap, struct slub_class *class)
{
	struct slub_slab *slab;

	if (!model_list_empty(&class->partial)) {
		slab = MODEL_RECORD(class->partial.next, struct slub_slab, node);
		partial_remove(slab);
	} else {
		slab = calloc(1, sizeof(*slab));
		if (slab == NULL)
			return NULL;
		model_list_init(&slab->node);
		slab->class = class;
		heap->held_bytes += class->slab_bytes;
	}
	class->current = slab;
	return slab;
}

static int slub_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	struct slub_heap *heap = context;
	struct slub_class *class;
	struct slub_slab *slab;

	(void)index;
	if (size > CLASS_BYTES_MAX) {
		heap->held_bytes += whole_pages_bytes(heap, size);
		*token = 0;
		return 0;
	}
	class = class_of(heap, size);
	slab = class->current;
	if (slab == NULL)
		slab = class_refill(heap, class);
	if (slab == NULL)
		return -ENOMEM;
	if (++slab->objects == class->capacity) {
		class->current = NULL;
		model_list_push_back(&class->full, &slab->node);
	}
	*token = (uintptr_t)slab;
	return 0;
}

static void slab_release(struct slub_heap *heap, struct slub_slab *slab)
{
	heap->held_bytes -= slab->class->slab_bytes;
	free(slab);
}

/* A slab other than the current one has lost an object. */
static void slab_settle(struct slub_heap *heap, struct slub_slab *slab)
{
	struct slub_class *class = slab->class;

	if (slab->objects + 1 == class->capacity) {
		model_list_remove(&slab->node);
		model_list_push_back(&class->partial, &slab->node);
		class->partial_count++;
	}
	if (slab->objects == 0 && class->partial_count > class->min_partial) {
		partial_remove(slab);
		slab_release(heap, slab);
	}
}

static int slub_free(void *context, uint64_t token, size_t size)
{
	struct slub_heap *heap = context;
	struct slub_slab *slab = (void *)(uintptr_t)token;

	if (slab == NULL) {
		heap->held_bytes -= whole_pages_bytes(heap, size);
		return 0;
	}
	slab->objects--;
	if (slab != slab->class->current)
		slab_settle(heap, slab);
	return 0;
}

static uint64_t slub_held_bytes(void *context)
{
	const struct slub_heap *heap = context;

	return heap->held_bytes;
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
