/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc_pool.c: the library itself, as three rows of the comparison: one pool, as
 * xv_pool_options_init makes it, over the provider and page size asked for. Settings
 * behind the name change that: see xvmalloc_settings.h.
 *
 *   xvmalloc        objects may be split and have owners, so that the pool compacts
 *   xvmalloc-nosplit  every object is one block and stays where it is
 *   xvmalloc-keyed    the same with XV_POOL_KEYED: handles are checked by less
 *
 * Owns one provider and one pool over it. May call the public headers of
 * libxvmalloc only, and mmap for the buffer provider's memory. held_bytes is the
 * pool's own count, which includes its tables. Any thread may make, write and free
 * objects, unless lock=none; map (to verify) and compact are for one thread at a time.
 * Costs are the pool's.
 */
#include "builtin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "histogram.h"
#include "xvmalloc_settings.h"

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#define POOL_SPARE_BYTES (UINT64_C(16) << 20) /* room for tables when the run is tiny */

/* Who knows where the objects are; set while the pool is compacted. */
struct pool_owner {
	void (*renamed)(void *context, uint32_t index, uint64_t token);
	uint64_t (*locate)(void *context, uint32_t index);
	void *context;
};

struct pool_heap {
	struct xv_provider *provider;
	struct xv_pool *pool;
	void (*provider_destroy)(struct xv_provider *provider); /* NULL: nothing to do */
	void *buffer; /* of the buffer provider, or NULL */
	size_t buffer_bytes;
	void *copy; /* what map gives for an object in pieces */
	size_t copy_bytes;
	struct pool_owner owner;
	struct xvm_histogram step_ns; /* of one compaction */
};

/* ---- providers ------------------------------------------------------------ */

/* The most a run can need: every object alone in the pages it takes. */
static uint64_t pool_worst_bytes(const struct xvfrag_plugin_config *config)
{
	return config->max_objects * config->page_bytes + config->total_bytes;
}

/* Address space to ask for. */
static uint64_t pool_address_bytes(const struct xvfrag_plugin_config *config)
{
	return 2 * (pool_worst_bytes(config) + POOL_SPARE_BYTES);
}

static int pool_make_mmap(struct pool_heap *heap, const struct xvfrag_plugin_config *config)
{
	struct xv_provider_mmap_options options;
	uint64_t bytes = pool_address_bytes(config);

	xv_provider_mmap_options_init(&options);
	options.page_bytes = (uint32_t)config->page_bytes;
	options.reserve_bytes = bytes < SIZE_MAX / 4 ? bytes : 0;
	heap->provider_destroy = xv_provider_mmap_destroy;
	return xv_provider_mmap_create(&heap->provider, &options);
}

static int pool_make_highmem(struct pool_heap *heap, const struct xvfrag_plugin_config *config)
{
	struct xv_provider_highmem_options options;

	xv_provider_highmem_options_init(&options);
	options.page_bytes = (uint32_t)config->page_bytes;
	options.max_bytes = pool_address_bytes(config);
	heap->provider_destroy = xv_provider_highmem_destroy;
	return xv_provider_highmem_create(&heap->provider, &options);
}

/* A quarter more for tables. What the pool does not touch is never resident. */
static int pool_make_buffer(struct pool_heap *heap, const struct xvfrag_plugin_config *config)
{
	uint64_t bytes = pool_worst_bytes(config) / 4 * 5 + POOL_SPARE_BYTES;

	if (bytes > SIZE_MAX / 2)
		return -ENOMEM;
	heap->buffer_bytes = (size_t)bytes;
	heap->buffer = mmap(NULL, heap->buffer_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (heap->buffer == MAP_FAILED) {
		heap->buffer = NULL;
		return -ENOMEM;
	}
	return xv_provider_buffer_init(&heap->provider, heap->buffer, heap->buffer_bytes,
				       (uint32_t)config->page_bytes);
}

static int pool_make_provider(struct pool_heap *heap, const struct xvfrag_plugin_config *config)
{
	const char *name = config->provider != NULL ? config->provider : "mmap";

	if (config->page_bytes > UINT32_MAX)
		return -EINVAL;
	if (strcmp(name, "mmap") == 0)
		return pool_make_mmap(heap, config);
	if (strcmp(name, "highmem") == 0)
		return pool_make_highmem(heap, config);
	if (strcmp(name, "buffer") == 0)
		return pool_make_buffer(heap, config);
	return -EINVAL;
}

/* ---- owners --------------------------------------------------------------- */

/* Refuses what the runner's own table does not say. */
static int pool_owner_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct pool_heap *heap = context;

	if (heap->owner.locate(heap->owner.context, owner) != from)
		return -EBUSY;
	heap->owner.renamed(heap->owner.context, owner, to);
	return 0;
}

static const struct xv_owner_ops pool_owner_ops = {
	.relocated = pool_owner_relocated,
};

/* ---- the heap ------------------------------------------------------------- */

static void pool_heap_destroy(void *context)
{
	struct pool_heap *heap = context;

	if (heap->pool != NULL)
		xv_pool_destroy(heap->pool);
	if (heap->provider != NULL && heap->provider_destroy != NULL)
		heap->provider_destroy(heap->provider);
	if (heap->buffer != NULL)
		munmap(heap->buffer, heap->buffer_bytes);
	free(heap->copy);
	free(heap);
}

static int pool_heap_init(struct pool_heap *heap, const struct xvfrag_plugin_config *config,
			  uint32_t flags)
{
	struct xv_pool_options options;
	char why[160];
	int err;

	xv_pool_options_init(&options);
	if (xvm_pool_settings(config->argument, &options, why, sizeof(why)) != 0)
		return -EINVAL;
	heap->copy_bytes = config->max_size;
	heap->copy = malloc(config->max_size > 0 ? config->max_size : 1);
	if (heap->copy == NULL)
		return -ENOMEM;
	err = pool_make_provider(heap, config);
	if (err != 0)
		return err;
	options.flags |= flags;
	options.owner_ops = &pool_owner_ops;
	options.owner_context = heap;
	options.seed = (uint32_t)config->seed;
	return xv_pool_create(&heap->pool, heap->provider, &options);
}

static void *pool_heap_create_flags(const struct xvfrag_plugin_config *config, uint32_t flags)
{
	struct pool_heap *heap = calloc(1, sizeof(*heap));
	int err;

	if (heap == NULL)
		return NULL;
	err = pool_heap_init(heap, config, flags);
	if (err != 0) {
		pool_heap_destroy(heap);
		errno = -err;
		return NULL;
	}
	return heap;
}

static void *pool_heap_create(const struct xvfrag_plugin_config *config)
{
	return pool_heap_create_flags(config, XV_POOL_SPLIT | XV_POOL_OWNERS);
}

static void *pool_heap_create_nosplit(const struct xvfrag_plugin_config *config)
{
	return pool_heap_create_flags(config, 0);
}

static void *pool_heap_create_keyed(const struct xvfrag_plugin_config *config)
{
	return pool_heap_create_flags(config, XV_POOL_KEYED);
}

static int pool_heap_alloc(void *context, size_t size, uint64_t *token)
{
	struct pool_heap *heap = context;

	return xv_malloc(heap->pool, size, token);
}

static int pool_heap_alloc_indexed(void *context, size_t size, uint32_t index, uint64_t *token)
{
	struct pool_heap *heap = context;

	return xv_malloc_owned(heap->pool, size, index, token);
}

static void pool_heap_free(void *context, uint64_t token, size_t size)
{
	struct pool_heap *heap = context;

	(void)size;
	(void)xv_free(heap->pool, token);
}

/* To read: an object in pieces is copied. One object at a time. */
static void *pool_heap_map(void *context, uint64_t token, size_t size)
{
	struct pool_heap *heap = context;
	void *ptr = heap->copy;
	int err = xv_map(heap->pool, token, &ptr);

	if (err == -XV_ESPLIT && size <= heap->copy_bytes)
		err = xv_read(heap->pool, token, 0, heap->copy, size);
	return err == 0 ? ptr : NULL;
}

static void pool_heap_unmap(void *context, uint64_t token, void *ptr)
{
	struct pool_heap *heap = context;

	if (ptr != heap->copy)
		(void)xv_unmap(heap->pool, token, ptr);
}

static int pool_heap_write(void *context, uint64_t token, const void *data, size_t size)
{
	struct pool_heap *heap = context;

	return xv_write(heap->pool, token, 0, data, size);
}

static uint64_t pool_heap_held_bytes(void *context)
{
	struct pool_heap *heap = context;
	struct xv_pool_stats stats;

	xv_pool_get_stats(heap->pool, &stats);
	return stats.held_bytes;
}

static uint64_t pool_heap_split_objects(void *context)
{
	struct pool_heap *heap = context;
	struct xv_pool_stats stats;

	xv_pool_get_stats(heap->pool, &stats);
	return stats.split_objects;
}

/* ---- compaction ----------------------------------------------------------- */

/* Time that this thread has had the processor. */
static uint64_t pool_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Step by step, at the default budget, to the end of a cycle. */
static int pool_compact_cycle(struct pool_heap *heap, struct xvfrag_plugin_compaction *result)
{
	struct xv_compact_report report;
	int err;

	do {
		uint64_t start = pool_cpu_ns();

		err = xv_compact(heap->pool, 0, &report);
		if (err != 0)
			break;
		xvm_histogram_record(&heap->step_ns, pool_cpu_ns() - start);
		result->moved_bytes += report.moved_bytes;
	} while (report.more);
	return err;
}

static int pool_heap_compact(void *context,
			     void (*renamed)(void *context, uint32_t index, uint64_t token),
			     uint64_t (*locate)(void *context, uint32_t index),
			     void *runner_context, struct xvfrag_plugin_compaction *result)
{
	struct pool_heap *heap = context;
	uint64_t before = pool_heap_held_bytes(heap);
	uint64_t after;
	int err;

	*result = (struct xvfrag_plugin_compaction){.steps = 0};
	xvm_histogram_reset(&heap->step_ns);
	heap->owner = (struct pool_owner){renamed, locate, runner_context};
	err = pool_compact_cycle(heap, result);
	/* Not the sum of the steps' reports: a step may also take a page. */
	after = pool_heap_held_bytes(heap);
	result->freed_bytes = before > after ? before - after : 0;
	result->steps = heap->step_ns.total;
	result->longest_step_ns = heap->step_ns.max;
	result->p99_step_ns = xvm_histogram_percentile(&heap->step_ns, 9900);
	return err;
}

/* What the three configurations have in common. */
/* clang-format off */
#define POOL_CALLS                                  \
	.abi = XVFRAG_PLUGIN_ABI,                   \
	.destroy = pool_heap_destroy,               \
	.alloc = pool_heap_alloc,                   \
	.free = pool_heap_free,                     \
	.map = pool_heap_map,                       \
	.unmap = pool_heap_unmap,                   \
	.write = pool_heap_write,                   \
	.held_bytes = pool_heap_held_bytes
/* clang-format on */

const struct xvfrag_plugin xvm_allocator_xvmalloc = {
	POOL_CALLS,
	.name = "xvmalloc",
	.summary = "libxvmalloc: objects may be split, and compaction moves them",
	.create = pool_heap_create,
	.compact = pool_heap_compact,
	.split_objects = pool_heap_split_objects,
	.alloc_indexed = pool_heap_alloc_indexed,
};

const struct xvfrag_plugin xvm_allocator_xvmalloc_nosplit = {
	POOL_CALLS,
	.name = "xvmalloc-nosplit",
	.summary = "libxvmalloc with both off: each object is one block and stays",
	.create = pool_heap_create_nosplit,
};

const struct xvfrag_plugin xvm_allocator_xvmalloc_keyed = {
	POOL_CALLS,
	.name = "xvmalloc-keyed",
	.summary = "as xvmalloc-nosplit, with handles checked by less (XV_POOL_KEYED)",
	.create = pool_heap_create_keyed,
};
