/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * create.c: a pool's life: options, the layout of its memory, its shards, its end. Create and
 * destroy are the caller's to serialise.
 */
#include "pool_impl.h"

#include "xvi_cpu.h"

/* What a shard's stretch holds, as offsets in bytes. */
struct layout {
	size_t heads;
	size_t mailbox; /* 0 = none */
	size_t records;
	uint32_t record_count;
	size_t end;
};

static bool has_grains(const struct xv_provider *provider)
{
	return provider->grain_shift != 0 && provider->grain_shift != provider->page_shift;
}

static uint32_t grain_shift(const struct xv_provider *provider)
{
	return has_grains(provider) ? provider->grain_shift : provider->page_shift;
}

/* ---- options ---- */

static bool provider_is_good(const struct xv_provider *provider)
{
	const struct xv_provider_ops *ops;

	if (provider == NULL || provider->ops == NULL || provider->page_shift < XV_PAGE_SHIFT_MIN ||
	    provider->page_shift > XV_PAGE_SHIFT_MAX || provider->max_pages == 0 ||
	    provider->max_pages > XV_PAGES_MAX)
		return false;
	ops = provider->ops;
	if (ops->page_alloc == NULL || ops->pages_free == NULL)
		return false;
	if (has_grains(provider) &&
	    (provider->grain_shift > provider->page_shift ||
	     provider->page_shift - provider->grain_shift > XV_PAGE_GRAINS_SHIFT_MAX ||
	     ops->grains_take == NULL || ops->grains_give == NULL))
		return false;
	return provider->base != NULL || (ops->page_map != NULL && ops->page_unmap != NULL &&
					  provider->map_slots >= OWN_MAP_SLOTS);
}

static bool provider_has_meta(const struct xv_provider *provider)
{
	const struct xv_provider_ops *ops = provider->ops;

	return ops->meta_reserve != NULL && ops->meta_commit != NULL && ops->meta_release != NULL;
}

static bool options_are_good(const struct xv_pool_options *options)
{
	const uint32_t flags = XV_POOL_SPLIT | XV_POOL_OWNERS | XV_POOL_KEYED;
	uint32_t alignment = options->alignment;

	return (alignment == 0 || alignment == 4 || alignment == 8 || alignment == 16) &&
	       (options->flags & ~flags) == 0 && options->shards <= XV_SHARDS_MAX &&
	       (int)options->lock >= XV_LOCK_DEFAULT && (int)options->lock <= XV_LOCK_MUTEX;
}

void xv_pool_options_init(struct xv_pool_options *options)
{
	if (options == NULL)
		return;
	memset(options, 0, sizeof(*options));
	options->alignment = 4;
}

/* Tables that cannot grow: the caller's memory, or a provider whose meta memory is scarce. */
static bool tables_are_fixed(const struct xv_provider *provider,
			     const struct xv_pool_options *options)
{
	return options->memory != NULL || (provider->flags & XV_PROVIDER_META_IS_SCARCE) != 0;
}

static uint32_t shards_wanted(const struct xv_provider *provider,
			      const struct xv_pool_options *options)
{
	uint32_t shards = options->shards != 0 ? options->shards : xvi_cpu_count();

	if (options->lock == XV_LOCK_NONE || tables_are_fixed(provider, options))
		return 1;
	if (provider->base == NULL && options->shards == 0)
		return 1;
	if (shards > XV_SHARDS_MAX)
		shards = XV_SHARDS_MAX;
	if (provider->base == NULL && shards > provider->map_slots / OWN_MAP_SLOTS)
		shards = provider->map_slots / OWN_MAP_SLOTS;
	return shards;
}

/* Slots of a window for so many shards, or for as many as other pools leave room for. 0: for none.
 * Where pages are addressable none are needed. */
static uint32_t own_slots_take(struct xv_provider *provider, uint32_t shards)
{
	if (provider->base != NULL)
		return shards;
	while (shards != 0 && !slots_take(provider, OWN_MAP_SLOTS * shards))
		shards--;
	return shards;
}

static void own_slots_give(struct xv_provider *provider, uint32_t shards)
{
	if (provider->base == NULL)
		slots_give(provider, OWN_MAP_SLOTS * shards);
}

/* ---- layout ---- */

static size_t aligned(size_t bytes)
{
	return meta_round(bytes, MEMORY_ALIGNMENT);
}

static uint32_t stride_of(const struct xv_provider *provider, uint32_t flags)
{
	return xvi_heap_page_stride(provider->page_shift, grain_shift(provider),
				    (flags & XV_POOL_KEYED) == 0);
}

/* A shard at `at`, with so many hole records behind it. */
static struct layout layout_of(const struct xv_provider *provider, size_t at, bool mailbox,
			       uint32_t records)
{
	size_t heads = xvi_heap_list_count(provider->page_shift) * sizeof(uint32_t);
	struct layout layout;

	layout.heads = at + aligned(sizeof(struct xvi_shard));
	layout.records = layout.heads + aligned(heads);
	layout.mailbox = 0;
	if (mailbox) {
		layout.mailbox = layout.records;
		layout.records += aligned(sizeof(struct xvi_mailbox));
	}
	layout.record_count = records;
	layout.end = layout.records + (size_t)records * sizeof(struct xvi_hole);
	return layout;
}

static struct layout first_layout(const struct xv_provider *provider, bool mailbox,
				  uint32_t records)
{
	return layout_of(provider, aligned(sizeof(struct xv_pool)), mailbox, records);
}

/* Hole records of tables that do not grow. */
static uint32_t fixed_records(const struct xv_provider *provider)
{
	uint64_t records = provider->max_pages * ((1U << provider->page_shift) / FIXED_RECORD_BYTES);

	if (records < FIXED_RECORDS_MIN)
		records = FIXED_RECORDS_MIN;
	return records < HOLE_RECORDS_MOST ? (uint32_t)records : HOLE_RECORDS_MOST;
}

/* Most hole records that a heap can want: one for each least block. Less where that would be too
 * much of the address space. */
static uint32_t most_records(const struct xv_provider *provider)
{
	const uint64_t cap = SIZE_MAX / 16 / sizeof(struct xvi_hole);
	uint64_t records = provider->max_pages * ((1U << provider->page_shift) / LEAST_BLOCK_BYTES);

	if (records > cap)
		records = cap;
	return records < HOLE_RECORDS_MOST ? (uint32_t)records + FIRST_RECORDS : HOLE_RECORDS_MOST;
}

/* Bytes of the page table, 0 where it would not fit the address space. */
static size_t table_bytes(const struct xv_provider *provider, uint32_t flags)
{
	uint64_t bytes = provider->max_pages * stride_of(provider, flags);

	return bytes < SIZE_MAX / 4 ? (size_t)bytes : 0;
}

size_t xv_pool_memory_bytes(const struct xv_provider *provider,
			    const struct xv_pool_options *options)
{
	uint32_t flags = options != NULL ? options->flags : 0;

	if (!provider_is_good(provider) || (options != NULL && !options_are_good(options)) ||
	    table_bytes(provider, flags) == 0)
		return 0;
	return MEMORY_ALIGNMENT + first_layout(provider, false, fixed_records(provider)).end +
	       table_bytes(provider, flags);
}

/* ---- shards ---- */

static void shard_heap_config(const struct xvi_shard *shard, const struct layout *layout,
			      unsigned char *memory, struct xvi_objects_config *config)
{
	const struct xv_pool *pool = shard->pool;
	const struct xv_pool_options *options = &pool->options;

	memset(config, 0, sizeof(*config));
	config->heap.source = &xvi_pool_source;
	config->heap.context = (void *)shard;
	config->heap.base = pool->provider->base;
	config->heap.pages = pool->pages.records;
	config->heap.records = shard->first_records;
	config->heap.heads = (uint32_t *)(void *)(memory + layout->heads);
	config->heap.page_shift = pool->provider->page_shift;
	config->heap.grain_shift = grain_shift(pool->provider);
	config->heap.alignment = options->alignment;
	config->heap.key = pool->key;
	config->heap.records_sure = layout->record_count;
	config->heap.records_bounded = pool->fixed;
	config->heap.records_most =
		pool->fixed ? layout->record_count : most_records(pool->provider);
	config->heap.prove = (options->flags & XV_POOL_KEYED) == 0;
	config->heap.generation = (uint16_t)(shard->number * GENERATION_STEP);
	config->split = (options->flags & XV_POOL_SPLIT) != 0;
	config->owners = (options->flags & XV_POOL_OWNERS) != 0;
	/* Half of them are as good as none: nothing is compacted. */
	if (options->owner_ops != NULL && options->owner_ops->relocated != NULL)
		config->owner_ops = options->owner_ops;
	config->owner_context = options->owner_context;
	config->tag_key = pool->key >> 29;
}

static int shard_init(struct xv_pool *pool, struct xvi_shard *shard, uint32_t number,
		      const struct layout *layout, unsigned char *memory)
{
	struct xvi_objects_config config;
	int err;

	memset(shard, 0, sizeof(*shard));
	shard->pool = pool;
	shard->number = number;
	shard->first_records = (struct xvi_hole *)(void *)(memory + layout->records);
	err = xvi_lock_init(&shard->lock, pool->options.lock);
	if (err != 0)
		return err;
	memset(memory + layout->heads, 0, layout->end - layout->heads);
	if (layout->mailbox != 0)
		shard->mailbox = (struct xvi_mailbox *)(void *)(memory + layout->mailbox);
	shard_heap_config(shard, layout, memory, &config);
	xvi_objects_init(&shard->objects, &config);
	return 0;
}

/* A shard in a stretch of its own, or NULL where there is no memory. */
static struct xvi_shard *shard_new(struct xv_pool *pool, uint32_t number)
{
	struct layout layout = layout_of(pool->provider, 0, true, FIRST_RECORDS);
	size_t bytes = meta_round(layout.end, META_CHUNK_BYTES);
	struct xvi_shard *shard = NULL;
	struct xvi_meta self;

	if (xvi_budget_take(&pool->budget, bytes) != 0)
		return NULL;
	if (meta_reserve(pool->provider, &self, bytes) == 0) {
		if (meta_commit(pool->provider, &self, bytes) == 0)
			shard = (struct xvi_shard *)(void *)self.base;
		if (shard != NULL && shard_init(pool, shard, number, &layout, self.base) != 0)
			shard = NULL;
		if (shard == NULL)
			meta_release(pool->provider, &self);
	}
	if (shard == NULL)
		xvi_budget_give(&pool->budget, bytes);
	else
		shard->self = self;
	return shard;
}

struct xvi_shard *xvi_shard_make(struct xv_pool *pool, uint32_t number)
{
	struct xvi_shard *shard;

	/* With the first one locked no shard is made by another thread. */
	xvi_lock_acquire(&pool->first->lock);
	shard = xvi_atomic_ptr_load(&pool->shard[number]);
	if (shard == NULL) {
		shard = shard_new(pool, number);
		if (shard == NULL)
			shard = pool->first;
		xvi_atomic_ptr_store(&pool->shard[number], shard);
	}
	shard_leave(pool->first);
	return shard;
}

/* ---- the pool ---- */

/* Where the pool and its tables lie. */
struct place {
	unsigned char *memory;
	struct xvi_meta self;
	struct layout layout;
	uint32_t shards;
	bool fixed;
	size_t charged;
};

/* In the caller's memory; hole records take what the others leave. */
static int place_given(const struct xv_provider *provider, const struct xv_pool_options *options,
		       struct place *place)
{
	size_t skip = (size_t)(0U - (uintptr_t)options->memory) % MEMORY_ALIGNMENT;
	size_t need = first_layout(provider, false, 0).end + table_bytes(provider, options->flags);
	size_t records;

	if (options->memory_bytes < skip ||
	    options->memory_bytes - skip < need + FIXED_RECORDS_MIN * sizeof(struct xvi_hole))
		return -XV_EINVAL;
	records = (options->memory_bytes - skip - need) / sizeof(struct xvi_hole);
	if (records > fixed_records(provider))
		records = fixed_records(provider);
	place->memory = (unsigned char *)options->memory + skip;
	place->layout = first_layout(provider, false, (uint32_t)records);
	place->charged = options->memory_bytes;
	memset(&place->self, 0, sizeof(place->self));
	return 0;
}

/* In meta memory of the provider's: all of it at once where tables do not grow. */
static int place_reserved(struct xv_provider *provider, const struct xv_pool_options *options,
			  struct place *place)
{
	bool mailbox = place->shards > 1;
	uint32_t records = place->fixed ? fixed_records(provider) : FIRST_RECORDS;
	size_t most, usable;
	int err;

	if (!provider_has_meta(provider))
		return -XV_ENOTSUP;
	place->layout = first_layout(provider, mailbox, records);
	most = place->layout.end + table_bytes(provider, options->flags);
	if (!place->fixed)
		most = meta_round(most, META_CHUNK_BYTES);
	usable = place->fixed ? most : meta_round(place->layout.end, META_CHUNK_BYTES);
	place->charged = usable;
	err = meta_reserve(provider, &place->self, most);
	if (err != 0)
		return err;
	err = meta_commit(provider, &place->self, usable);
	if (err != 0)
		meta_release(provider, &place->self);
	place->memory = place->self.base;
	return err;
}

static uint32_t key_of(const struct xv_pool *pool)
{
	uint64_t mixed = pool->options.seed != 0 ? pool->options.seed
						 : (uint64_t)((uintptr_t)pool / MEMORY_ALIGNMENT);

	mixed *= UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(mixed >> 32);
}

static void table_init(struct xv_pool *pool, const struct place *place)
{
	struct xvi_page_table *table = &pool->pages;

	table->stride = stride_of(pool->provider, pool->options.flags);
	table->records = place->memory + place->layout.end;
	table->most = (uint32_t)pool->provider->max_pages;
	table->at = place->layout.end;
	table->provider = pool->provider;
	table->budget = &pool->budget;
	table->sparse = !pool->fixed && pool->purges;
	table->memory = pool->fixed ? NULL : &pool->self;
	if (pool->fixed)
		memset(table->records, 0, table_bytes(pool->provider, pool->options.flags));
	xvi_atomic_store(&table->covered,
			 pool->fixed ? table->most
				     : (uint32_t)((pool->self.committed - table->at) /
						  table->stride));
}

static int locks_init(struct xv_pool *pool)
{
	int err = xvi_lock_init(&pool->pages.lock, pool->options.lock);

	if (err != 0)
		return err;
	err = xvi_budget_init(&pool->budget, pool->options.lock, pool->options.limit_bytes);
	if (err != 0)
		xvi_lock_fini(&pool->pages.lock);
	return err;
}

static void pool_set(struct xv_pool *pool, struct xv_provider *provider,
		     const struct xv_pool_options *options, const struct place *place)
{
	memset(pool, 0, sizeof(*pool));
	pool->provider = provider;
	pool->options = *options;
	if (pool->options.alignment == 0)
		pool->options.alignment = 4;
	pool->grain_bytes = 1U << grain_shift(provider);
	pool->key = key_of(pool);
	pool->list_count = xvi_heap_list_count(provider->page_shift);
	pool->shard_most = place->shards;
	pool->caller_memory = options->memory != NULL;
	pool->fixed = place->fixed;
	pool->purges = !place->fixed && provider->ops->meta_purge != NULL;
	pool->self = place->self;
	pool->self_bytes = place->charged;
}

static int pool_init(struct xv_pool *pool, const struct place *place)
{
	int err = locks_init(pool);

	if (err != 0)
		return err;
	table_init(pool, place);
	pool->first = (struct xvi_shard *)(void *)(place->memory + aligned(sizeof(*pool)));
	err = xvi_budget_take(&pool->budget, place->charged);
	if (err == 0)
		err = shard_init(pool, pool->first, 0, &place->layout, place->memory);
	if (err != 0) {
		xvi_budget_fini(&pool->budget);
		xvi_lock_fini(&pool->pages.lock);
		return err;
	}
	xvi_atomic_ptr_store(&pool->shard[0], pool->first);
	if (pool->shard_most == 1 && pool->first->lock.kind == XV_LOCK_NONE)
		pool->alone = &pool->first->objects;
	/* Where a number was asked for threads are spread from the beginning. */
	xvi_atomic_store(&pool->homes, pool->options.shards != 0 ? pool->shard_most : 1);
	return 0;
}

int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
		   const struct xv_pool_options *options)
{
	struct xv_pool_options defaults;
	struct place place;
	struct xv_pool *pool;
	int err;

	if (options == NULL) {
		xv_pool_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !provider_is_good(provider) || !options_are_good(options) ||
	    table_bytes(provider, options->flags) == 0)
		return -XV_EINVAL;
	memset(&place, 0, sizeof(place));
	place.fixed = tables_are_fixed(provider, options);
	place.shards = own_slots_take(provider, shards_wanted(provider, options));
	if (place.shards == 0)
		return -XV_ENOMEM;
	err = options->memory != NULL ? place_given(provider, options, &place)
				      : place_reserved(provider, options, &place);
	if (err != 0) {
		own_slots_give(provider, place.shards);
		return err;
	}
	pool = (struct xv_pool *)(void *)place.memory;
	pool_set(pool, provider, options, &place);
	err = pool_init(pool, &place);
	if (err != 0) {
		meta_release(provider, &place.self);
		own_slots_give(provider, place.shards);
		return err;
	}
	*out = pool;
	return 0;
}

void xv_pool_destroy(struct xv_pool *pool)
{
	struct xv_provider *provider;
	struct xvi_meta self;

	if (pool == NULL)
		return;
	provider = pool->provider;
	for (uint32_t i = pool->shard_most; i-- > 0;) {
		struct xvi_shard *shard = pool_shard(pool, i);

		if (shard == NULL)
			continue;
		xvi_heap_clear(&shard->objects.heap);
		meta_release(provider, &shard->records);
		xvi_lock_fini(&shard->lock);
		self = shard->self;
		meta_release(provider, &self);
	}
	xvi_budget_fini(&pool->budget);
	xvi_lock_fini(&pool->pages.lock);
	own_slots_give(provider, pool->shard_most);
	self = pool->self;
	meta_release(provider, &self);
}
