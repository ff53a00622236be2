/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc_pool.c: the library itself, as four rows of the comparison: one pool each.
 *
 *   xvmalloc          objects may be split and have owners, so that the pool compacts
 *   xvmalloc-nosplit  every object is one block and stays where it is
 *   xvmalloc-keyed    the same with hardening 0: handles are checked by less
 *   xvmalloc-hardened the same with hardening 2
 *   xvmalloc-heap     a program's heap: pointers, alignment 16
 *
 * Settings may stand behind the name, NAME=VALUE with colons between, each at most once:
 *
 *   shards=N        0 (the library's choice) .. XV_SHARDS_MAX
 *   lock=KIND       default, none, spin or mutex
 *   provider=NAME   mmap, highmem or buffer: where pages come from
 *   page=SIZE       of a page: 4K, 8K, 16K, 32K or 64K
 *
 * What is not named is as the library's users get it.
 *
 * Owns one provider and one pool over it. May call the public headers of libxvmalloc, and
 * mmap for the buffer provider's memory. held_bytes is the pool's own count, which includes
 * its tables. Locking: the pool's. Costs are the pool's.
 */
#include "registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base.h"

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#define POOL_SPARE_BYTES (UINT64_C(256) << 20) /* address space for tables */
#define POOL_PAGE_BYTES 65536U                 /* the library's default */

enum setting { SETTING_SHARDS, SETTING_LOCK, SETTING_PROVIDER, SETTING_PAGE, SETTINGS };

enum pool_source { SOURCE_MMAP, SOURCE_HIGHMEM, SOURCE_BUFFER };

struct pool_settings {
	bool is_set[SETTINGS];
	uint64_t value[SETTINGS]; /* a number, or the position of a choice */
};

struct pool_heap {
	struct xv_pool *pool;
	struct xv_provider *provider;
	enum pool_source source;
	void *buffer; /* of SOURCE_BUFFER */
	size_t buffer_bytes;
	struct xv_owner_ops owner_ops;
};

/* ---- settings ------------------------------------------------------------- */

/* What a setting takes: one of the names, or a number up to 64. */
static const struct {
	const char *name;
	const char *takes;
	const char *choices[5];
} setting_kinds[SETTINGS] = {
	[SETTING_SHARDS] = {.name = "shards", .takes = "0 to 64"},
	[SETTING_LOCK] = {"lock",
			  "default, none, spin or mutex",
			  {[XV_LOCK_DEFAULT] = "default",
			   [XV_LOCK_NONE] = "none",
			   [XV_LOCK_SPIN] = "spin",
			   [XV_LOCK_MUTEX] = "mutex"}},
	[SETTING_PROVIDER] = {"provider", "mmap, highmem or buffer", {"mmap", "highmem", "buffer"}},
	[SETTING_PAGE] = {"page", "4K, 8K, 16K, 32K or 64K", {"4K", "8K", "16K", "32K", "64K"}},
};

_Static_assert(XV_SHARDS_MAX == 64, "setting_kinds says so");

static bool setting_read(enum setting setting, const char *value, uint64_t *number)
{
	const char *const *choices = setting_kinds[setting].choices;

	if (choices[0] == NULL)
		return xvm_parse_u64(value, 0, XV_SHARDS_MAX, number);
	for (*number = 0; *number < 5 && choices[*number] != NULL; ++*number) {
		if (strcmp(choices[*number], value) == 0)
			return true;
	}
	return false;
}

/* One setting; text is cut at its '='. */
static int setting_take(struct pool_settings *s, char *text, char *why)
{
	char *value = strchr(text, '=');
	unsigned i = 0;

	if (value != NULL)
		*value++ = '\0';
	while (i < SETTINGS && strcmp(setting_kinds[i].name, text) != 0)
		i++;
	if (i == SETTINGS || value == NULL)
		return xvm_entry_complain(why,
					  "'%s' is no setting: write NAME=VALUE with ':' "
					  "between them, NAME being shards, lock, provider "
					  "or page",
					  text);
	if (s->is_set[i])
		return xvm_entry_complain(why, "%s is set twice: leave one of them out", text);
	s->is_set[i] = true;
	if (!setting_read((enum setting)i, value, &s->value[i]))
		return xvm_entry_complain(why, "%s takes %s, not '%s'", text,
					  setting_kinds[i].takes, value);
	return 0;
}

static int settings_parse(struct pool_settings *s, const char *text, char *why)
{
	char *copy = text != NULL ? xvm_strdup(text) : NULL;
	char *rest = copy, *one;
	int result = 0;

	*s = (struct pool_settings){.value = {0}};
	while (result == 0 && (one = strsep(&rest, ":")) != NULL)
		result = setting_take(s, one, why);
	free(copy);
	if (result == 0 && s->value[SETTING_LOCK] == XV_LOCK_NONE && s->value[SETTING_SHARDS] > 1)
		return xvm_entry_complain(why, "lock=none is for one shard: leave out one of them");
	return result;
}

int xvm_pool_check(const char *settings, unsigned threads, char *why)
{
	struct pool_settings s;

	if (settings_parse(&s, settings, why) != 0)
		return XVM_FAILED;
	if (s.value[SETTING_LOCK] == XV_LOCK_NONE && threads > 1)
		return xvm_entry_complain(
			why, "lock=none is for one thread: leave it out with --threads %u",
			threads);
	return 0;
}

/* ---- providers ------------------------------------------------------------ */

/* Address space for every object alone in the pages it takes. */
static uint64_t source_bytes(const struct xvfrag_plugin_config *config, uint32_t page_bytes)
{
	return config->max_objects * page_bytes + 2 * config->total_bytes + POOL_SPARE_BYTES;
}

static int source_mmap(struct pool_heap *heap, const struct xvfrag_plugin_config *config,
		       uint32_t page_bytes)
{
	struct xv_provider_mmap_options options;
	uint64_t bytes = source_bytes(config, page_bytes);

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = bytes < SIZE_MAX / 4 ? bytes : 0;
	return xv_provider_mmap_create(&heap->provider, &options);
}

static int source_highmem(struct pool_heap *heap, const struct xvfrag_plugin_config *config,
			  uint32_t page_bytes)
{
	struct xv_provider_highmem_options options;

	xv_provider_highmem_options_init(&options);
	options.page_bytes = page_bytes;
	options.max_bytes = source_bytes(config, page_bytes);
	return xv_provider_highmem_create(&heap->provider, &options);
}

/* What the pool does not touch of the buffer is never resident. */
static int source_buffer(struct pool_heap *heap, const struct xvfrag_plugin_config *config,
			 uint32_t page_bytes)
{
	uint64_t bytes = source_bytes(config, page_bytes);
	void *buffer;

	if (bytes > SIZE_MAX / 2)
		return -ENOMEM;
	buffer = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (buffer == MAP_FAILED)
		return -ENOMEM;
	heap->buffer = buffer;
	heap->buffer_bytes = (size_t)bytes;
	return xv_provider_buffer_init(&heap->provider, buffer, heap->buffer_bytes, page_bytes);
}

static void source_end(struct pool_heap *heap)
{
	if (heap->buffer != NULL)
		munmap(heap->buffer, heap->buffer_bytes);
	else if (heap->provider != NULL && heap->source == SOURCE_HIGHMEM)
		xv_provider_highmem_destroy(heap->provider);
	else if (heap->provider != NULL && heap->source == SOURCE_MMAP)
		xv_provider_mmap_destroy(heap->provider);
}

/* ---- the heap ------------------------------------------------------------- */

static void heap_destroy(void *context)
{
	struct pool_heap *heap = context;

	xv_pool_destroy(heap->pool);
	source_end(heap);
	free(heap);
}

static int heap_init(struct pool_heap *heap, const struct xvfrag_plugin_config *config,
		     uint32_t flags, uint32_t alignment, uint32_t hardening)
{
	static int (*const sources[])(struct pool_heap *, const struct xvfrag_plugin_config *,
				      uint32_t) = {source_mmap, source_highmem, source_buffer};
	uint32_t page_bytes = POOL_PAGE_BYTES;
	struct pool_settings settings;
	struct xv_pool_options options;
	int err;

	if (settings_parse(&settings, config->settings, config->why) != 0)
		return -EINVAL;
	if (settings.is_set[SETTING_PAGE])
		page_bytes = 4096U << settings.value[SETTING_PAGE];
	heap->source = (enum pool_source)settings.value[SETTING_PROVIDER];
	err = sources[heap->source](heap, config, page_bytes);
	if (err != 0)
		return err;
	heap->owner_ops.relocated = config->moved;
	xv_pool_options_init(&options);
	options.flags = flags;
	options.alignment = alignment;
	options.hardening = hardening;
	options.shards = (uint32_t)settings.value[SETTING_SHARDS];
	options.lock = (enum xv_lock_kind)settings.value[SETTING_LOCK];
	options.owner_ops = config->moved != NULL ? &heap->owner_ops : NULL;
	options.owner_context = config->context;
	options.seed = (uint32_t)config->seed;
	return xv_pool_create(&heap->pool, heap->provider, &options);
}

static void *heap_create(const struct xvfrag_plugin_config *config, uint32_t flags,
			 uint32_t alignment, uint32_t hardening)
{
	struct pool_heap *heap = calloc(1, sizeof(*heap));
	int err = heap != NULL ? heap_init(heap, config, flags, alignment, hardening) : -ENOMEM;

	if (err == 0)
		return heap;
	if (heap != NULL)
		heap_destroy(heap);
	errno = -err;
	return NULL;
}

static void *heap_create_split(const struct xvfrag_plugin_config *config)
{
	return heap_create(config, XV_POOL_SPLIT | XV_POOL_OWNERS, 0, 1);
}

static void *heap_create_nosplit(const struct xvfrag_plugin_config *config)
{
	return heap_create(config, 0, 0, 1);
}

static void *heap_create_keyed(const struct xvfrag_plugin_config *config)
{
	return heap_create(config, 0, 0, 0);
}

static void *heap_create_hardened(const struct xvfrag_plugin_config *config)
{
	return heap_create(config, 0, 0, 2);
}

static void *heap_create_pointers(const struct xvfrag_plugin_config *config)
{
	return heap_create(config, 0, 16, 1);
}

static int heap_alloc_owned(void *context, size_t size, uint32_t index, uint64_t *token)
{
	const struct pool_heap *heap = context;

	return xv_malloc_owned(heap->pool, size, index, token);
}

static int heap_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	const struct pool_heap *heap = context;

	(void)index;
	return xv_malloc(heap->pool, size, token);
}

static int heap_free(void *context, uint64_t token, size_t size)
{
	const struct pool_heap *heap = context;

	(void)size;
	return xv_free(heap->pool, token);
}

static int heap_resize(void *context, uint64_t *token, size_t old_size, size_t new_size)
{
	const struct pool_heap *heap = context;

	(void)old_size;
	return xv_realloc(heap->pool, token, new_size);
}

static int heap_write(void *context, uint64_t token, const void *data, size_t size)
{
	const struct pool_heap *heap = context;

	return xv_write(heap->pool, token, 0, data, size);
}

static int heap_read(void *context, uint64_t token, void *data, size_t size)
{
	const struct pool_heap *heap = context;

	return xv_read(heap->pool, token, 0, data, size);
}

static uint64_t heap_held_bytes(void *context)
{
	const struct pool_heap *heap = context;
	struct xv_pool_stats stats;

	xv_pool_get_stats(heap->pool, &stats);
	return stats.held_bytes;
}

static uint64_t heap_split_objects(void *context)
{
	const struct pool_heap *heap = context;
	struct xv_pool_stats stats;

	xv_pool_get_stats(heap->pool, &stats);
	return stats.split_objects;
}

static int heap_compact_step(void *context, uint64_t *moved_bytes)
{
	const struct pool_heap *heap = context;
	struct xv_compact_report report;
	int err = xv_compact(heap->pool, 0, &report);

	if (err != 0)
		return err;
	*moved_bytes += report.moved_bytes;
	return report.more;
}

/* ---- with pointers -------------------------------------------------------- */

static int pointer_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	const struct pool_heap *heap = context;
	void *memory = xv_alloc(heap->pool, size);

	(void)index;
	*token = (uintptr_t)memory;
	return memory != NULL ? 0 : -ENOMEM;
}

static int pointer_free(void *context, uint64_t token, size_t size)
{
	const struct pool_heap *heap = context;

	(void)size;
	return xv_release(heap->pool, (void *)(uintptr_t)token);
}

static int pointer_resize(void *context, uint64_t *token, size_t old_size, size_t new_size)
{
	const struct pool_heap *heap = context;
	void *moved = xv_resize(heap->pool, (void *)(uintptr_t)*token, new_size);

	(void)old_size;
	if (moved == NULL)
		return -ENOMEM;
	*token = (uintptr_t)moved;
	return 0;
}

/* What the configurations with handles have in common. */
#define POOL_CALLS                                                                                 \
	.abi = XVFRAG_PLUGIN_ABI, .flags = XVFRAG_PLUGIN_THREADS, .destroy = heap_destroy,         \
	.free = heap_free, .resize = heap_resize, .write = heap_write, .read = heap_read,          \
	.held_bytes = heap_held_bytes

const struct xvfrag_plugin xvm_allocator_xvmalloc = {
	POOL_CALLS,
	.name = "xvmalloc",
	.summary = "libxvmalloc, one pool: objects may be split, compaction moves them",
	.create = heap_create_split,
	.alloc = heap_alloc_owned,
	.compact_step = heap_compact_step,
	.split_objects = heap_split_objects,
};

const struct xvfrag_plugin xvm_allocator_xvmalloc_nosplit = {
	POOL_CALLS,
	.name = "xvmalloc-nosplit",
	.summary = "libxvmalloc with both off: each object is one block and stays",
	.create = heap_create_nosplit,
	.alloc = heap_alloc,
};

const struct xvfrag_plugin xvm_allocator_xvmalloc_keyed = {
	POOL_CALLS,
	.name = "xvmalloc-keyed",
	.summary = "as xvmalloc-nosplit, with hardening 0: handles are checked by less",
	.create = heap_create_keyed,
	.alloc = heap_alloc,
};

const struct xvfrag_plugin xvm_allocator_xvmalloc_hardened = {
	POOL_CALLS,
	.name = "xvmalloc-hardened",
	.summary = "as xvmalloc-nosplit, with hardening 2: canaries, zeros, a quarantine",
	.create = heap_create_hardened,
	.alloc = heap_alloc,
};

const struct xvfrag_plugin xvm_allocator_xvmalloc_heap = {
	.abi = XVFRAG_PLUGIN_ABI,
	.flags = XVFRAG_PLUGIN_THREADS | XVFRAG_PLUGIN_ADDRESSES,
	.name = "xvmalloc-heap",
	.summary = "libxvmalloc as a program's heap: pointers, alignment 16",
	.create = heap_create_pointers,
	.destroy = heap_destroy,
	.alloc = pointer_alloc,
	.free = pointer_free,
	.resize = pointer_resize,
	.held_bytes = heap_held_bytes,
};
