/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * subject_pool.c: xvmalloc with the settings that are compared. The names:
 *
 *   xvmalloc              objects may be split and have owners, so that it compacts; locks,
 *                         a shard for each CPU
 *   xvmalloc-nosplit      flags 0: objects of one piece, which stay where they are
 *   xvmalloc-keyed        the same with XV_POOL_KEYED: handles are checked by less
 *   ...-nolock            one shard and no lock, as embedded code has it
 *   xvmalloc-highmem      as -nosplit, pages seen through a window; each map is a system call
 *   xvmalloc-buffer       as -nosplit-nolock, pages in memory that the caller gave
 *   xvmalloc-heap         a program's heap: pointers, alignment 16
 *
 * Pages are of 64 KiB, the library's default, from all providers.
 *
 * Owns a provider, a pool and a table of handles or pointers per heap. May call the
 * public headers of xvmalloc, and mmap. Locking: the pool's. Costs are the pool's.
 */
#include "subject.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

enum source { SOURCE_MMAP, SOURCE_HIGHMEM, SOURCE_BUFFER };

struct pool_recipe {
	enum source source;
	uint32_t flags;
	enum xv_lock_kind lock;
	uint32_t shards;
	uint32_t page_bytes;
	uint32_t alignment;
};

struct pool_heap {
	struct xv_provider *provider;
	struct xv_pool *pool;
	enum source source;
	void *buffer; /* of SOURCE_BUFFER */
	size_t buffer_bytes;
	uint32_t slots;
	bool owners;
	union {
		xv_handle handle;
		void *pointer;
	} object[]; /* by slot */
};

/* Address space enough for every object alone in the pages it takes. */
static uint64_t pages_bytes(const struct pool_recipe *recipe, const struct subject_config *config)
{
	return 2 * config->total_bytes + (uint64_t)config->slots * recipe->page_bytes +
	       (UINT64_C(256) << 20);
}

static int source_mmap(struct pool_heap *heap, uint32_t page_bytes, uint64_t bytes)
{
	struct xv_provider_mmap_options options;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = bytes;
	return xv_provider_mmap_create(&heap->provider, &options);
}

static int source_highmem(struct pool_heap *heap, uint32_t page_bytes, uint64_t bytes)
{
	struct xv_provider_highmem_options options;

	xv_provider_highmem_options_init(&options);
	options.page_bytes = page_bytes;
	options.max_bytes = bytes;
	return xv_provider_highmem_create(&heap->provider, &options);
}

static int source_buffer(struct pool_heap *heap, uint32_t page_bytes, uint64_t bytes)
{
	void *buffer = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (buffer == MAP_FAILED)
		return -XV_ENOMEM;
	heap->buffer = buffer;
	heap->buffer_bytes = (size_t)bytes;
	return xv_provider_buffer_init(&heap->provider, buffer, heap->buffer_bytes, page_bytes);
}

static int make_source(struct pool_heap *heap, uint32_t page_bytes, uint64_t bytes)
{
	switch (heap->source) {
	case SOURCE_HIGHMEM:
		return source_highmem(heap, page_bytes, bytes);
	case SOURCE_BUFFER:
		return source_buffer(heap, page_bytes, bytes);
	case SOURCE_MMAP:
		break;
	}
	return source_mmap(heap, page_bytes, bytes);
}

static void end_source(struct pool_heap *heap)
{
	if (heap->source == SOURCE_BUFFER && heap->buffer != NULL)
		munmap(heap->buffer, heap->buffer_bytes);
	else if (heap->provider != NULL && heap->source == SOURCE_MMAP)
		xv_provider_mmap_destroy(heap->provider);
	else if (heap->provider != NULL && heap->source == SOURCE_HIGHMEM)
		xv_provider_highmem_destroy(heap->provider);
}

/* ---- owners ---- */

static int owner_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct pool_heap *heap = context;

	if (owner >= heap->slots || heap->object[owner].handle != from)
		return -1;
	heap->object[owner].handle = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {
	.relocated = owner_relocated,
};

/* ---- the heap ---- */

static size_t heap_bytes(uint32_t slots)
{
	return sizeof(struct pool_heap) + slots * sizeof(((struct pool_heap *)NULL)->object[0]);
}

static void heap_destroy(void *context)
{
	struct pool_heap *heap = context;

	if (heap->pool != NULL)
		xv_pool_destroy(heap->pool);
	end_source(heap);
	munmap(heap, heap_bytes(heap->slots));
}

static int make_pool(struct pool_heap *heap, const struct pool_recipe *recipe)
{
	struct xv_pool_options options;

	xv_pool_options_init(&options);
	options.flags = recipe->flags;
	options.owner_ops = heap->owners ? &owner_ops : NULL;
	options.owner_context = heap;
	options.lock = recipe->lock;
	options.shards = recipe->shards;
	options.alignment = recipe->alignment;
	options.seed = 1;
	return xv_pool_create(&heap->pool, heap->provider, &options);
}

static void *heap_create(const void *context, const struct subject_config *config)
{
	const struct pool_recipe *recipe = context;
	struct pool_heap *heap = mmap(NULL, heap_bytes(config->slots), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (heap == MAP_FAILED)
		return NULL;
	heap->slots = config->slots;
	heap->source = recipe->source;
	heap->owners = (recipe->flags & XV_POOL_OWNERS) != 0;
	if (make_source(heap, recipe->page_bytes, pages_bytes(recipe, config)) == 0 &&
	    make_pool(heap, recipe) == 0)
		return heap;
	heap_destroy(heap);
	return NULL;
}

static int heap_make(void *context, uint32_t slot, size_t size)
{
	struct pool_heap *heap = context;

	return xv_malloc(heap->pool, size, &heap->object[slot].handle);
}

static int heap_make_owned(void *context, uint32_t slot, size_t size)
{
	struct pool_heap *heap = context;

	return xv_malloc_owned(heap->pool, size, slot, &heap->object[slot].handle);
}

static int heap_free(void *context, uint32_t slot)
{
	struct pool_heap *heap = context;

	return xv_free(heap->pool, heap->object[slot].handle);
}

static int heap_resize(void *context, uint32_t slot, size_t size)
{
	struct pool_heap *heap = context;

	return xv_realloc(heap->pool, &heap->object[slot].handle, size);
}

static int heap_write(void *context, uint32_t slot, const void *data, size_t size)
{
	struct pool_heap *heap = context;

	return xv_write(heap->pool, heap->object[slot].handle, 0, data, size);
}

static int heap_read(void *context, uint32_t slot, void *data, size_t size)
{
	struct pool_heap *heap = context;

	return xv_read(heap->pool, heap->object[slot].handle, 0, data, size);
}

static int heap_size_of(void *context, uint32_t slot)
{
	struct pool_heap *heap = context;

	return xv_object_size(heap->pool, heap->object[slot].handle);
}

static int heap_map_unmap(void *context, uint32_t slot)
{
	struct pool_heap *heap = context;
	void *ptr;
	int err = xv_map(heap->pool, heap->object[slot].handle, &ptr);

	return err != 0 ? err : xv_unmap(heap->pool, heap->object[slot].handle, ptr);
}

static int heap_compact_step(void *context)
{
	struct pool_heap *heap = context;
	struct xv_compact_report report;
	int err = xv_compact(heap->pool, 0, &report);

	return err != 0 ? err : report.more;
}

static uint64_t heap_held_bytes(void *context)
{
	struct pool_heap *heap = context;
	struct xv_pool_stats stats;

	xv_pool_get_stats(heap->pool, &stats);
	return stats.held_bytes;
}

/* ---- with pointers ---- */

static int pointer_make(void *context, uint32_t slot, size_t size)
{
	struct pool_heap *heap = context;

	heap->object[slot].pointer = xv_alloc(heap->pool, size);
	return heap->object[slot].pointer == NULL;
}

static int pointer_free(void *context, uint32_t slot)
{
	struct pool_heap *heap = context;

	return xv_release(heap->pool, heap->object[slot].pointer);
}

static int pointer_resize(void *context, uint32_t slot, size_t size)
{
	struct pool_heap *heap = context;
	void *moved = xv_resize(heap->pool, heap->object[slot].pointer, size);

	if (moved == NULL)
		return -XV_ENOMEM;
	heap->object[slot].pointer = moved;
	return 0;
}

/* ---- the list ---- */

/* What all rows have in common; their initialisers differ after it. */
#define POOL_COMMON                                                                                \
	.create = heap_create, .destroy = heap_destroy, .write = heap_write, .read = heap_read,    \
	.size_of = heap_size_of, .held_bytes = heap_held_bytes

#define POOL_WHOLE                                                                                 \
	POOL_COMMON, .make = heap_make, .free = heap_free, .resize = heap_resize,                  \
		     .map_unmap = heap_map_unmap
/* A split object cannot be mapped. */
#define POOL_OWNED                                                                                 \
	POOL_COMMON, .make = heap_make_owned, .free = heap_free, .resize = heap_resize,            \
		     .compact_step = heap_compact_step
#define POOL_POINTER                                                                               \
	.create = heap_create, .destroy = heap_destroy, .held_bytes = heap_held_bytes,             \
	.make = pointer_make, .free = pointer_free, .resize = pointer_resize

#define RECIPE(...) (&(const struct pool_recipe){.page_bytes = 65536, __VA_ARGS__})
#define NO_LOCK .lock = XV_LOCK_NONE, .shards = 1
#define SPLIT .flags = XV_POOL_SPLIT | XV_POOL_OWNERS
#define KEYED .flags = XV_POOL_KEYED
#define HEAP_RECIPE(...) RECIPE(.alignment = 16, __VA_ARGS__)

const struct bench_subject subject_pools[] = {
	{"xvmalloc", GROUP_MAIN, true, RECIPE(SPLIT), POOL_OWNED},
	{"xvmalloc-nosplit", GROUP_MAIN, true, RECIPE(.shards = 0), POOL_WHOLE},
	{"xvmalloc-keyed", GROUP_MAIN, true, RECIPE(KEYED), POOL_WHOLE},
	{"xvmalloc-nolock", GROUP_MAIN, false, RECIPE(NO_LOCK, SPLIT), POOL_OWNED},
	{"xvmalloc-nosplit-nolock", GROUP_KNOB, false, RECIPE(NO_LOCK), POOL_WHOLE},
	{"xvmalloc-keyed-nolock", GROUP_KNOB, false, RECIPE(NO_LOCK, KEYED), POOL_WHOLE},
	{"xvmalloc-highmem", GROUP_PROVIDER, true, RECIPE(.source = SOURCE_HIGHMEM), POOL_WHOLE},
	{"xvmalloc-buffer", GROUP_PROVIDER, false, RECIPE(NO_LOCK, .source = SOURCE_BUFFER),
	 POOL_WHOLE},
	{"xvmalloc-heap", GROUP_POINTER, true, HEAP_RECIPE(.shards = 0), POOL_POINTER},
	{"xvmalloc-heap-nolock", GROUP_POINTER, false, HEAP_RECIPE(NO_LOCK), POOL_POINTER},
};

const size_t subject_pool_count = sizeof(subject_pools) / sizeof(subject_pools[0]);
