/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A pool's life: options, creation over the provider's meta memory or the caller's,
 * reset, trim, destruction. Owns the layout of the pool's own memory; calls the
 * tables and the provider. Create and destroy are the caller's to serialise.
 */
#include "composite.h"
#include "free_list.h"
#include "table.h"

enum {
	MEMORY_ALIGNMENT = 64,
	/* Hole records to make room for, one for so many bytes of page: address space
	 * is cheap, a scarce provider's memory is not. */
	BYTES_PER_HOLE = 32,
	BYTES_PER_HOLE_SCARCE = 1024,
	LARGEST_OBJECT_BYTES = 1 << 30, /* sizes are returned as int */
};

/* What a pool needs in memory, in bytes. */
struct layout {
	size_t self;      /* struct xv_pool, list heads, bitmaps */
	size_t pages;     /* page table for all pages of the provider */
	size_t holes;     /* hole table at full density */
	size_t holes_min; /* hole table at its least */
};

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

static bool provider_is_good(const struct xv_provider *provider)
{
	const struct xv_provider_ops *ops;

	if (provider == NULL || provider->ops == NULL || provider->page_shift < XV_PAGE_SHIFT_MIN ||
	    provider->page_shift > XV_PAGE_SHIFT_MAX || provider->max_pages == 0 ||
	    provider->max_pages > XV_PAGES_MAX)
		return false;
	ops = provider->ops;
	if (ops->page_alloc == NULL || ops->page_free == NULL)
		return false;
	return provider->base != NULL ||
	       (ops->page_map != NULL && ops->page_unmap != NULL && provider->map_slots >= 2);
}

static bool provider_has_meta(const struct xv_provider *provider)
{
	const struct xv_provider_ops *ops = provider->ops;

	return ops->meta_reserve != NULL && ops->meta_commit != NULL && ops->meta_release != NULL;
}

static bool options_are_good(const struct xv_pool_options *options)
{
	uint32_t alignment = options->alignment;

	return (alignment == 0 || alignment == 4 || alignment == 8 || alignment == 16) &&
	       (options->flags & ~(XV_POOL_SPLIT | XV_POOL_OWNERS)) == 0 &&
	       (int)options->lock >= XV_LOCK_DEFAULT && (int)options->lock <= XV_LOCK_MUTEX;
}

void xv_pool_options_init(struct xv_pool_options *options)
{
	if (options == NULL)
		return;
	memset(options, 0, sizeof(*options));
	options->alignment = 4;
	options->reserve_pages = 2;
}

static uint64_t holes_wanted(const struct xv_provider *provider, size_t bytes_per_hole)
{
	uint64_t page_bytes = (uint64_t)1 << provider->page_shift;
	uint64_t records = provider->max_pages * (page_bytes / bytes_per_hole);

	if (records < HOLE_TABLE_MIN_RECORDS)
		records = HOLE_TABLE_MIN_RECORDS;
	return records < HOLE_RECORDS_LIMIT ? records : HOLE_RECORDS_LIMIT;
}

/* False where the tables would not fit the address space. */
static bool layout_of(const struct xv_provider *provider, uint32_t flags, size_t bytes_per_hole,
		      struct layout *layout)
{
	/* Pools that can be compacted have lists for the pages being emptied too. */
	size_t list_sets = (flags & XV_POOL_OWNERS) != 0 ? 2 : 1;
	uint32_t page_bytes = 1U << provider->page_shift;
	uint64_t pages = provider->max_pages * sizeof(struct xvi_page);
	uint64_t holes = holes_wanted(provider, bytes_per_hole) * sizeof(struct xvi_hole);

	layout->self = round_up(sizeof(struct xv_pool), MEMORY_ALIGNMENT) +
		       list_sets * round_up(xvi_free_lists_bytes(page_bytes), MEMORY_ALIGNMENT);
	/* More than a part of the address space is not to be had: what is missing costs
	 * density only where free blocks are many. */
	if (holes > SIZE_MAX / 16)
		holes = SIZE_MAX / 16;
	layout->pages = round_up((size_t)pages, MEMORY_ALIGNMENT);
	layout->holes = (size_t)holes;
	layout->holes_min = HOLE_TABLE_MIN_RECORDS * sizeof(struct xvi_hole);
	return pages < SIZE_MAX / 4;
}

size_t xv_pool_memory_bytes(const struct xv_provider *provider,
			    const struct xv_pool_options *options)
{
	struct layout layout;

	if (!provider_is_good(provider) || (options != NULL && !options_are_good(options)) ||
	    !layout_of(provider, options != NULL ? options->flags : 0, BYTES_PER_HOLE_SCARCE,
		       &layout))
		return 0;
	return MEMORY_ALIGNMENT + layout.self + layout.pages + layout.holes;
}

/* Largest object: with splitting, as many pages as one INDEX block can list. */
static size_t max_size_of(const struct xv_pool *pool)
{
	uint32_t fixed = pool->prefix_bytes + BLOCK_INDEX_LINK_BYTES + INDEX_FIXED_BYTES;
	size_t pages = (pool->page_units * UNIT_BYTES - fixed) / sizeof(uint32_t);
	size_t limit = LARGEST_OBJECT_BYTES >> pool->page_shift;

	if ((pool->flags & XV_POOL_SPLIT) == 0)
		return pool->page_bytes;
	return (pages < limit ? pages : limit) << pool->page_shift;
}

/* Constants of the pool that follow from provider and options. */
static void pool_set_geometry(struct xv_pool *pool, struct xv_provider *provider,
			      const struct xv_pool_options *options)
{
	uint32_t align_units;

	pool->provider = provider;
	pool->flags = options->flags;
	pool->owner_ops = options->owner_ops;
	pool->owner_context = options->owner_context;
	pool->base = provider->base;
	pool->page_shift = provider->page_shift;
	pool->page_bytes = 1U << provider->page_shift;
	pool->unit_bits = provider->page_shift - UNIT_SHIFT;
	pool->generation_mask = (1U << (32 - BLOCK_UNITS_SHIFT - pool->unit_bits)) - 1U;
	if (pool->generation_mask > UINT8_MAX)
		pool->generation_mask = UINT8_MAX;
	pool->alignment = options->alignment == 0 ? 4 : options->alignment;
	align_units = pool->alignment / UNIT_BYTES;
	pool->align_units = align_units;
	pool->owner_bytes = (options->flags & XV_POOL_OWNERS) != 0 ? BLOCK_OWNER_BYTES : 0;
	pool->prefix_bytes = BLOCK_HEADER_BYTES + pool->owner_bytes;
	pool->first_unit = (0U - pool->prefix_bytes / UNIT_BYTES) & (align_units - 1U);
	pool->page_units =
		(pool->page_bytes / UNIT_BYTES - pool->first_unit) / align_units * align_units;
	pool->end_unit = pool->first_unit + pool->page_units;
	/* A free block needs a word at each end; they may be the same word, but two
	 * words are what the smallest object's block has anyway. */
	pool->block_min_units = align_units < 2 ? 2 : align_units;
	/* Four bytes name every unit of 16 GiB, six of 1 PiB. */
	pool->link_bytes = provider->max_pages <= (uint64_t)1 << (32 - pool->unit_bits) ? 4 : 6;
	pool->dust_units = DUST_MAX_UNITS;
	pool->max_size = max_size_of(pool);
	pool->reserve_pages = options->reserve_pages;
	pool->limit_bytes = options->limit_bytes;
	pool->seed =
		options->seed != 0 ? options->seed : (uint32_t)((uintptr_t)pool >> 6) * 0x9E3779B1U;
}

/* Fill in a zeroed pool whose tables are known. */
static int pool_init(struct xv_pool *pool, struct xv_provider *provider,
		     const struct xv_pool_options *options)
{
	size_t head = round_up(sizeof(struct xv_pool), MEMORY_ALIGNMENT);
	uint64_t hole_max;
	int err = xvi_lock_init(&pool->lock, options->lock);

	if (err != 0)
		return err;
	pool_set_geometry(pool, provider, options);
	xvi_free_lists_init(&pool->lists, pool->page_bytes, (char *)pool + head);
	if (pool->owner_bytes != 0)
		xvi_free_lists_init(
			&pool->victim_lists, pool->page_bytes,
			(char *)pool + head +
				round_up(xvi_free_lists_bytes(pool->page_bytes), MEMORY_ALIGNMENT));
	pool->pages.records = pool->pages.memory.base;
	pool->pages.capacity_max = (uint32_t)provider->max_pages;
	pool->holes.records = pool->holes.memory.base;
	hole_max = pool->holes.memory.reserved_bytes / sizeof(struct xvi_hole);
	pool->holes.capacity_max =
		hole_max < HOLE_RECORDS_LIMIT ? (uint32_t)hole_max : HOLE_RECORDS_LIMIT;
	pool->compaction.first_victim = UINT32_MAX;
	xvi_note_held(pool);
	return 0;
}

/* Part the caller's memory: pool, page table, and the rest for the hole table. */
static int create_in_memory(struct xv_pool **out, struct xv_provider *provider,
			    const struct xv_pool_options *options)
{
	struct layout layout;
	size_t skip = (size_t)(-(uintptr_t)options->memory & (MEMORY_ALIGNMENT - 1));
	unsigned char *at = (unsigned char *)options->memory + skip;
	struct xv_pool *pool = (struct xv_pool *)(void *)at;
	size_t room;
	int err;

	if (!layout_of(provider, options->flags, BYTES_PER_HOLE_SCARCE, &layout) ||
	    options->memory_bytes < skip)
		return -XV_EINVAL;
	room = options->memory_bytes - skip;
	if (room < layout.self || room - layout.self < layout.pages ||
	    room - layout.self - layout.pages < layout.holes_min)
		return -XV_EINVAL;
	memset(pool, 0, layout.self);
	pool->self_memory.base = at;
	pool->self_memory.reserved_bytes = options->memory_bytes;
	pool->self_memory.committed_bytes = options->memory_bytes;
	pool->pages.memory.base = at + layout.self;
	pool->pages.memory.reserved_bytes = layout.pages;
	pool->holes.memory.base = at + layout.self + layout.pages;
	pool->holes.memory.reserved_bytes = room - layout.self - layout.pages;
	err = pool_init(pool, provider, options);
	if (err == 0)
		*out = pool;
	return err;
}

/* Reserve the hole table: as much as is sensible, less where that is refused. */
static int reserve_holes(struct xv_provider *provider, struct xvi_table *table,
			 const struct layout *layout)
{
	size_t bytes = layout->holes;

	while (xvi_table_reserve(provider, table, bytes) != 0) {
		bytes /= 4;
		if (bytes < layout->holes_min)
			return -XV_ENOMEM;
	}
	return 0;
}

static int create_from_provider(struct xv_pool **out, struct xv_provider *provider,
				const struct xv_pool_options *options)
{
	bool scarce = (provider->flags & XV_PROVIDER_META_IS_SCARCE) != 0;
	struct xvi_table self = {0}, pages = {0}, holes = {0};
	struct xv_pool *pool;
	struct layout layout;
	int err = -XV_ENOMEM;

	if (!layout_of(provider, options->flags, scarce ? BYTES_PER_HOLE_SCARCE : BYTES_PER_HOLE,
		       &layout))
		return -XV_ENOMEM;
	if (xvi_table_reserve(provider, &self, layout.self) != 0)
		return -XV_ENOMEM;
	if (xvi_table_commit(provider, &self, layout.self) != 0 ||
	    xvi_table_reserve(provider, &pages, layout.pages) != 0)
		goto release;
	if (reserve_holes(provider, &holes, &layout) != 0)
		goto release;
	pool = self.base;
	pool->self_memory = self;
	pool->pages.memory = pages;
	pool->holes.memory = holes;
	err = pool_init(pool, provider, options);
	if (err == 0) {
		*out = pool;
		return 0;
	}
release:
	xvi_table_release(provider, &holes);
	xvi_table_release(provider, &pages);
	xvi_table_release(provider, &self);
	return err;
}

int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
		   const struct xv_pool_options *options)
{
	struct xv_pool_options defaults;

	if (options == NULL) {
		xv_pool_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !provider_is_good(provider) || !options_are_good(options))
		return -XV_EINVAL;
	if (options->memory != NULL)
		return create_in_memory(out, provider, options);
	if (!provider_has_meta(provider))
		return -XV_ENOTSUP;
	return create_from_provider(out, provider, options);
}

/* Give every page back. */
static void release_pages(struct xv_pool *pool)
{
	for (uint32_t page = 0; page < pool->pages.capacity; page++) {
		struct xvi_page *record = &pool->pages.records[page];

		if (xvi_page_state(record) == PAGE_NONE)
			continue;
		record->state = PAGE_NONE;
		record->used_units = 0;
		record->pins = 0;
		record->owner_high = 0;
		record->generation++;
		pool->page_frees++;
		pool->provider->ops->page_free(pool->provider, page);
	}
}

void xv_pool_destroy(struct xv_pool *pool)
{
	struct xvi_table self, pages, holes;
	struct xv_provider *provider;

	if (pool == NULL)
		return;
	release_pages(pool);
	xvi_lock_fini(&pool->lock);
	provider = pool->provider;
	self = pool->self_memory;
	pages = pool->pages.memory;
	holes = pool->holes.memory;
	xvi_table_release(provider, &holes);
	xvi_table_release(provider, &pages);
	xvi_table_release(provider, &self);
}

/* Forget every hole: lists, bitmaps and records. */
static void forget_holes(struct xv_pool *pool)
{
	struct xvi_hole_table *holes = &pool->holes;

	xvi_free_lists_clear(&pool->lists);
	xvi_free_lists_clear(&pool->victim_lists);
	(void)xvi_table_commit(pool->provider, &holes->memory, 0);
	holes->capacity = 0;
	holes->free_head = 0;
	holes->live = 0;
	pool->unlisted_bytes = 0;
	pool->relist_pages = 0;
}

static void reset_locked(struct xv_pool *pool)
{
	release_pages(pool);
	forget_holes(pool);
	/* The headers of the objects that went are still in the pages' memory: let them not
	 * pass for headers of this pool any more. */
	pool->seed = pool->seed * 0x2C1B3C6DU + 1U;
	pool->frees += pool->object_count;
	pool->page_count = 0;
	pool->empty_pages = 0;
	pool->object_count = 0;
	pool->whole_page_count = 0;
	pool->part_page_count = 0;
	pool->block_count = 0;
	pool->split_count = 0;
	pool->fragment_count = 0;
	pool->large_count = 0;
	pool->linkage_bytes = 0;
	pool->orphan_count = 0;
	pool->doomed = XV_NULL_HANDLE;
	pool->doomed_bytes = 0;
	pool->compaction.phase = COMPACT_IDLE;
	pool->compaction.first_victim = UINT32_MAX;
	pool->requested_bytes = 0;
	pool->pad_bytes = 0;
	pool->peak_held_bytes = xvi_held_bytes(pool);
}

int xv_pool_reset(struct xv_pool *pool)
{
	int err = -XV_EBUSY;

	if (pool == NULL)
		return -XV_EINVAL;
	xvi_pool_lock(pool);
	if (pool->pin_count == 0) {
		reset_locked(pool);
		err = 0;
	}
	xvi_pool_unlock(pool);
	return err;
}

/* Empty pages that nobody has mapped go back. */
static void trim_reserve(struct xv_pool *pool)
{
	for (uint32_t page = 0; page < pool->pages.capacity && pool->empty_pages != 0; page++) {
		struct xvi_page *record = &pool->pages.records[page];

		if (xvi_page_state(record) != PAGE_BLOCKS || record->used_units != 0 ||
		    record->pins != 0)
			continue;
		xvi_page_unlist_empty(pool, page);
		xvi_page_give_back(pool, page);
	}
}

/* The inside of free blocks, between their two words. */
static size_t trim_purge(struct xv_pool *pool)
{
	const struct xvi_hole_table *holes = &pool->holes;
	struct xv_provider *provider = pool->provider;
	size_t purged = 0;

	if (provider->ops->page_purge == NULL)
		return 0;
	for (uint32_t i = 1; i < holes->capacity; i++) {
		const struct xvi_hole *hole = &holes->records[i];

		if (hole->units <= 2)
			continue;
		purged += provider->ops->page_purge(provider, hole->page,
						    (hole->first_unit + 1U) * UNIT_BYTES,
						    (hole->units - 2U) * UNIT_BYTES);
	}
	return purged;
}

size_t xv_pool_trim(struct xv_pool *pool)
{
	uint64_t before, after;
	size_t purged;

	if (pool == NULL)
		return 0;
	xvi_pool_lock(pool);
	before = xvi_held_bytes(pool);
	(void)xvi_orphans_free(pool);
	trim_reserve(pool);
	while (xvi_hole_table_shrink(pool, 0) != 0)
		;
	(void)xvi_page_table_trim(pool);
	after = xvi_held_bytes(pool);
	purged = trim_purge(pool);
	xvi_pool_unlock(pool);
	return (before > after ? (size_t)(before - after) : 0) + purged;
}
