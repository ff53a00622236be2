/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A pool's life: options, creation over the provider's meta memory or the caller's,
 * its shards, destruction. Owns the layout of the pool's own memory; calls the
 * tables and the provider. Create and destroy are the caller's to serialise.
 */
#include "composite.h"
#include "free_list.h"
#include "stock.h"
#include "table.h"
#include "xvi_cpu.h"

enum {
	MEMORY_ALIGNMENT = 64, /* a cache line: what is written by one CPU is not in another's */
	/* Hole records to make room for, one for so many bytes of page: address space
	 * is cheap, a scarce provider's memory is not. */
	BYTES_PER_HOLE = 32,
	BYTES_PER_HOLE_SCARCE = 1024,
	LARGEST_OBJECT_BYTES = 1 << 30, /* sizes are returned as int */

	RESERVE_PAGES = 2, /* empty pages kept at least */
	POOL_FLAGS = XV_POOL_SPLIT | XV_POOL_OWNERS | XV_POOL_KEYED,
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

static bool grains_are_good(const struct xv_provider *provider)
{
	uint32_t shift = provider->grain_shift;

	if (shift == 0 || shift == provider->page_shift)
		return true;
	return shift < provider->page_shift &&
	       provider->page_shift - shift <= XV_PAGE_GRAINS_SHIFT_MAX &&
	       provider->ops->grains_take != NULL && provider->ops->grains_give != NULL;
}

static bool provider_is_good(const struct xv_provider *provider)
{
	const struct xv_provider_ops *ops;

	if (provider == NULL || provider->ops == NULL || provider->page_shift < XV_PAGE_SHIFT_MIN ||
	    provider->page_shift > XV_PAGE_SHIFT_MAX || provider->max_pages == 0 ||
	    provider->max_pages > XV_PAGES_MAX || !grains_are_good(provider))
		return false;
	ops = provider->ops;
	if (ops->page_alloc == NULL || ops->pages_free == NULL ||
	    (ops->hold == NULL) != (ops->release == NULL))
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
	       (options->flags & ~(uint32_t)POOL_FLAGS) == 0 && options->shards <= XV_SHARDS_MAX &&
	       (int)options->lock >= XV_LOCK_DEFAULT && (int)options->lock <= XV_LOCK_MUTEX;
}

void xv_pool_options_init(struct xv_pool_options *options)
{
	if (options == NULL)
		return;
	memset(options, 0, sizeof(*options));
	options->alignment = 4;
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
		       list_sets * round_up(xvi_free_lists_bytes(page_bytes), MEMORY_ALIGNMENT) +
		       round_up(xvi_stock_bytes(page_bytes), MEMORY_ALIGNMENT);
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
	pool->reserve_pages = RESERVE_PAGES;
	xvi_stock_set_limit(pool);
	pool->limit_bytes = options->limit_bytes;
	pool->seed =
		options->seed != 0 ? options->seed : (uint32_t)((uintptr_t)pool >> 6) * 0x9E3779B1U;
}

/* List heads, bitmaps and bins follow the structure. */
static void pool_place_lists(struct xv_pool *pool)
{
	size_t lists_bytes = round_up(xvi_free_lists_bytes(pool->page_bytes), MEMORY_ALIGNMENT);
	char *at = (char *)pool + round_up(sizeof(*pool), MEMORY_ALIGNMENT);

	xvi_free_lists_init(&pool->lists, pool->page_bytes, at);
	at += lists_bytes;
	if (pool->owner_bytes != 0) {
		xvi_free_lists_init(&pool->victim_lists, pool->page_bytes, at);
		at += lists_bytes;
	}
	xvi_stock_init(&pool->stock, pool->page_bytes, at);
}

/* Fill in a zeroed pool, or shard, whose tables are known. */
static int pool_init(struct xv_pool *pool, struct xv_provider *provider,
		     const struct xv_pool_options *options)
{
	uint64_t hole_max;
	int err = xvi_lock_init(&pool->lock, options->lock);

	if (err != 0)
		return err;
	pool_set_geometry(pool, provider, options);
	pool_place_lists(pool);
	pool->pages.records = pool->pages.memory.base;
	pool->pages.capacity_max = (uint32_t)provider->max_pages;
	pool->holes.records = pool->holes.memory.base;
	hole_max = pool->holes.memory.reserved_bytes / sizeof(struct xvi_hole);
	pool->holes.capacity_max =
		hole_max < HOLE_RECORDS_LIMIT ? (uint32_t)hole_max : HOLE_RECORDS_LIMIT;
	pool->compaction.first_victim = UINT32_MAX;
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
	if (err != 0)
		return err;
	xvi_note_held(pool);
	*out = pool;
	return 0;
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

/* Make what is in the provider's memory of one shard; extra bytes follow its lists. */
static int shard_create(struct xv_pool **out, struct xv_provider *provider,
			const struct xv_pool_options *options, const struct layout *layout,
			size_t extra)
{
	struct xvi_table self = {0}, holes = {0};
	struct xv_pool *pool;
	int err = -XV_ENOMEM;

	if (xvi_table_reserve(provider, &self, layout->self + extra) != 0)
		return -XV_ENOMEM;
	if (xvi_table_commit(provider, &self, layout->self + extra) != 0 ||
	    reserve_holes(provider, &holes, layout) != 0)
		goto release;
	pool = self.base;
	pool->self_memory = self;
	pool->holes.memory = holes;
	err = pool_init(pool, provider, options);
	if (err == 0) {
		*out = pool;
		return 0;
	}
release:
	xvi_table_release(provider, &holes);
	xvi_table_release(provider, &self);
	return err;
}

static void shard_destroy(struct xv_pool *shard)
{
	struct xv_provider *provider = shard->provider;
	struct xvi_table self = shard->self_memory, holes = shard->holes.memory;

	xvi_lock_fini(&shard->lock);
	xvi_table_release(provider, &holes);
	xvi_table_release(provider, &self);
}

/* The page table, and with several shards what they share, of a pool just made. */
static int shared_init(struct xv_pool *pool, const struct xv_pool_options *options,
		       const struct layout *layout, uint32_t count)
{
	struct xv_provider *provider = pool->provider;
	struct xvi_shared *shared =
		(void *)((char *)pool + layout->self + sizeof(struct xvi_remote));
	size_t map_bytes = round_up((size_t)provider->max_pages, MEMORY_ALIGNMENT);
	int err;

	if (count == 1) {
		err = xvi_table_reserve(provider, &pool->pages.memory, layout->pages);
		pool->pages.records = pool->pages.memory.base;
		return err;
	}
	err = xvi_lock_init(&shared->lock, options->lock);
	if (err != 0)
		return err;
	err = xvi_table_reserve(provider, &shared->pages.memory, layout->pages);
	if (err == 0 && xvi_table_reserve(provider, &shared->map_memory, map_bytes) != 0) {
		xvi_table_release(provider, &shared->pages.memory);
		err = -XV_ENOMEM;
	}
	if (err != 0) {
		xvi_lock_fini(&shared->lock);
		return err;
	}
	shared->count = count;
	xvi_atomic_store(&shared->homes, options->shards != 0 ? count : 1);
	shared->options = *options;
	shared->options.seed = pool->seed;
	shared->limit_bytes = options->limit_bytes;
	shared->map = shared->map_memory.base;
	shared->pages.records = shared->pages.memory.base;
	shared->pages.capacity_max = pool->pages.capacity_max;
	shared->held_bytes = pool->self_memory.committed_bytes;
	shared->peak_held_bytes = shared->held_bytes;
	pool->pages.records = shared->pages.records;
	pool->limit_bytes = 0;
	pool->shared = shared;
	pool->remote = (void *)((char *)pool + layout->self);
	xvi_atomic_ptr_store(&shared->shard[0], pool);
	return 0;
}

static int create_from_provider(struct xv_pool **out, struct xv_provider *provider,
				const struct xv_pool_options *options, uint32_t shards)
{
	bool scarce = (provider->flags & XV_PROVIDER_META_IS_SCARCE) != 0;
	struct layout layout;
	struct xv_pool *pool;
	int err;

	if (!layout_of(provider, options->flags, scarce ? BYTES_PER_HOLE_SCARCE : BYTES_PER_HOLE,
		       &layout))
		return -XV_ENOMEM;
	layout.holes = round_up(layout.holes / shards, sizeof(struct xvi_hole));
	if (layout.holes < layout.holes_min)
		layout.holes = layout.holes_min;
	err = shard_create(&pool, provider, options, &layout,
			   shards > 1 ? sizeof(struct xvi_remote) + sizeof(struct xvi_shared) : 0);
	if (err != 0)
		return err;
	err = shared_init(pool, options, &layout, shards);
	if (err != 0) {
		shard_destroy(pool);
		return err;
	}
	xvi_note_held(pool);
	*out = pool;
	return 0;
}

/* Make a shard that nobody has used. Under the first one's lock. NULL: no memory. */
static struct xv_pool *shard_make_locked(struct xv_pool *pool, uint32_t number)
{
	struct xvi_shared *shared = pool->shared;
	struct xv_pool *shard = NULL;
	struct layout layout;
	size_t self;

	if (!layout_of(pool->provider, pool->flags, BYTES_PER_HOLE, &layout))
		return NULL;
	self = layout.self + sizeof(struct xvi_remote);
	layout.holes = round_up(layout.holes / shared->count, sizeof(struct xvi_hole));
	if (layout.holes < layout.holes_min)
		layout.holes = layout.holes_min;
	if (xvi_shared_hold(shared, pool->provider, self, true) != 0)
		return NULL;
	if (shard_create(&shard, pool->provider, &shared->options, &layout,
			 sizeof(struct xvi_remote)) != 0) {
		xvi_shared_release(shared, self);
		return NULL;
	}
	shard->number = number;
	shard->remote = (void *)((char *)shard + layout.self);
	shard->shared = shared;
	shard->seed = pool->seed;
	shard->limit_bytes = 0;
	shard->pages.records = shared->pages.records;
	return shard;
}

struct xv_pool *xvi_shard_make(struct xv_pool *pool, uint32_t number)
{
	struct xvi_shared *shared = pool->shared;
	struct xv_pool *shard;

	xvi_lock_acquire(&pool->lock);
	shard = xvi_atomic_ptr_load(&shared->shard[number]);
	if (shard == NULL) {
		shard = shard_make_locked(pool, number);
		if (shard == NULL)
			shard = pool;
		xvi_atomic_ptr_store(&shared->shard[number], shard);
	}
	xvi_lock_release(&pool->lock);
	return shard;
}

/* Shards that a pool with these options is to have; 0 where it cannot have so many. */
static uint32_t shards_wanted(const struct xv_provider *provider,
			      const struct xv_pool_options *options)
{
	uint32_t cpus = xvi_cpu_count();
	bool can = options->memory == NULL && options->lock != XV_LOCK_NONE &&
		   (provider->flags & XV_PROVIDER_META_IS_SCARCE) == 0;

	if (options->shards > 1)
		/* Each shard may have two pages mapped at a time. */
		return can && (provider->base != NULL || provider->map_slots / 2 >= options->shards)
			       ? options->shards
			       : 0;
	if (options->shards == 1 || !can || provider->base == NULL)
		return 1;
	return cpus < XV_SHARDS_MAX ? cpus : XV_SHARDS_MAX;
}

int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
		   const struct xv_pool_options *options)
{
	struct xv_pool_options defaults;
	uint32_t shards;

	if (options == NULL) {
		xv_pool_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !provider_is_good(provider) || !options_are_good(options))
		return -XV_EINVAL;
	shards = shards_wanted(provider, options);
	if (shards == 0)
		return -XV_ENOTSUP;
	if (options->memory != NULL)
		return create_in_memory(out, provider, options);
	if (!provider_has_meta(provider))
		return -XV_ENOTSUP;
	return create_from_provider(out, provider, options, shards);
}

void xvi_release_pages(struct xv_pool *pool)
{
	for (uint32_t page = 0; page < pool->pages.capacity; page++) {
		struct xvi_page *record = &pool->pages.records[page];

		if (xvi_own_page_state(pool, page) == PAGE_NONE)
			continue;
		record->used_units = 0;
		record->pins = 0;
		record->owner_high = 0;
		record->generation++;
		pool->empty_pages++;
		xvi_page_give_back(pool, page);
	}
}

void xv_pool_destroy(struct xv_pool *pool)
{
	struct xv_provider *provider;
	struct xvi_table pages, map = {0};

	if (pool == NULL)
		return;
	for (uint32_t i = xvi_shard_count(pool); i-- > 1;) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard == NULL)
			continue;
		xvi_release_pages(shard);
		shard_destroy(shard);
	}
	xvi_release_pages(pool);
	provider = pool->provider;
	pages = pool->pages.memory;
	if (pool->shared != NULL) {
		pages = pool->shared->pages.memory;
		map = pool->shared->map_memory;
		xvi_lock_fini(&pool->shared->lock);
	}
	xvi_table_release(provider, &map);
	xvi_table_release(provider, &pages);
	shard_destroy(pool);
}
