/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * create.c: a pool's life: options, the layout of its memory, its shards, its end. Create and
 * destroy are the caller's to serialise.
 */
#include "pool_impl.h"

#include "xvi_cpu.h"

enum {
	FIXED_RECORDS_MIN = 16,
	FIXED_RECORD_BYTES = 1024, /* of page, for each hole record where tables do not grow */
	/* For each that a heap can want: for a least block, of 8 bytes, and for a page. */
	LEAST_RECORD_BYTES = 7,
	HOLE_RECORDS_MOST = 1 << 27, /* that a hole's word can name */

	/* Between the generations of shards: pages go from one to another, and a golden section
	 * of the 4,096 keeps any number of them apart. */
	GENERATION_STEP = 2531,
};

static uint32_t grain_shift(const struct xv_provider *provider)
{
	return provider->grain_shift != 0 ? provider->grain_shift : provider->page_shift;
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
	if (grain_shift(provider) != provider->page_shift &&
	    (provider->grain_shift > provider->page_shift ||
	     provider->page_shift - provider->grain_shift > XV_PAGE_GRAINS_SHIFT_MAX ||
	     ops->grains_take == NULL || ops->grains_give == NULL))
		return false;
	return provider->base != NULL || (ops->page_map != NULL && ops->page_unmap != NULL &&
					  provider->map_slots >= OWN_MAP_SLOTS);
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

/* ---- sizes ---- */

static size_t aligned(size_t bytes)
{
	return meta_round(bytes, MEMORY_ALIGNMENT);
}

static size_t heads_bytes(const struct xv_provider *provider)
{
	return aligned(xvi_heap_list_count(provider->page_shift) * sizeof(uint32_t));
}

/* A shard, and so many hole records. */
static size_t shard_bytes(const struct xv_provider *provider, bool mailbox, uint32_t records)
{
	return aligned(sizeof(struct xvi_shard)) + heads_bytes(provider) +
	       (mailbox ? aligned(sizeof(struct xvi_mailbox)) : 0) +
	       (size_t)records * sizeof(struct xvi_hole);
}

/* A pool without its page table. */
static size_t head_bytes(const struct xv_provider *provider, bool mailbox, uint32_t records)
{
	return aligned(sizeof(struct xv_pool)) + shard_bytes(provider, mailbox, records);
}

/* Hole records: one for so many bytes of page. */
static uint32_t records_for(const struct xv_provider *provider, uint32_t bytes)
{
	/* No more than a part of the address space. */
	const uint64_t cap = SIZE_MAX / 16 / sizeof(struct xvi_hole);
	uint64_t records = provider->max_pages * ((1U << provider->page_shift) / bytes);

	if (records > cap)
		records = cap;
	return records < HOLE_RECORDS_MOST ? (uint32_t)records : HOLE_RECORDS_MOST;
}

/* Of tables that do not grow. */
static uint32_t fixed_records(const struct xv_provider *provider)
{
	uint32_t records = records_for(provider, FIXED_RECORD_BYTES);

	return records > FIXED_RECORDS_MIN ? records : FIXED_RECORDS_MIN;
}

static uint32_t stride_of(const struct xv_provider *provider, const struct xv_pool_options *options)
{
	return xvi_heap_page_stride(provider->page_shift, options->alignment,
				    (options->flags & XV_POOL_KEYED) == 0);
}

/* Bytes of the page table, 0 where it would not fit the address space. */
static size_t table_bytes(const struct xv_provider *provider, const struct xv_pool_options *options)
{
	uint64_t bytes = provider->max_pages * stride_of(provider, options);

	return bytes < SIZE_MAX / 4 ? (size_t)bytes : 0;
}

size_t xv_pool_memory_bytes(const struct xv_provider *provider,
			    const struct xv_pool_options *options)
{
	struct xv_pool_options defaults;

	xv_pool_options_init(&defaults);
	if (options == NULL)
		options = &defaults;
	if (!provider_is_good(provider) || !options_are_good(options))
		return 0;
	return table_bytes(provider, options) == 0
		       ? 0
		       : MEMORY_ALIGNMENT + head_bytes(provider, false, fixed_records(provider)) +
				 table_bytes(provider, options);
}

/* ---- shards ---- */

static void shard_objects_init(struct xvi_shard *shard, uint32_t *heads, uint32_t records)
{
	const struct xv_pool *pool = shard->pool;
	const struct xv_pool_options *options = &pool->options;
	const struct xv_owner_ops *owner_ops = options->owner_ops;
	uint32_t most = records_for(pool->provider, LEAST_RECORD_BYTES);
	struct xvi_objects_config config = {
		.heap = {.source = &xvi_pool_source,
			 .context = shard,
			 .base = pool->provider->base,
			 .pages = pool->pages.records,
			 .records = shard->first_records,
			 .heads = heads,
			 .page_shift = pool->provider->page_shift,
			 .grain_shift = pool->grain_shift,
			 .alignment = options->alignment,
			 .key = pool->key,
			 .records_sure = records,
			 .records_bounded = pool->fixed,
			 .records_most = pool->fixed || most < records ? records : most,
			 .prove = (options->flags & XV_POOL_KEYED) == 0,
			 .generation = (uint16_t)(shard->number * GENERATION_STEP)},
		.split = (options->flags & XV_POOL_SPLIT) != 0,
		.owners = (options->flags & XV_POOL_OWNERS) != 0,
		/* Without `relocated` they are as good as none: nothing is compacted. */
		.owner_ops = owner_ops != NULL && owner_ops->relocated != NULL ? owner_ops : NULL,
		.owner_context = options->owner_context,
		.tag_key = pool->key >> 29,
	};

	xvi_objects_init(&shard->objects, &config);
}

/* Make a shard at the beginning of shard_bytes() of memory. */
static int shard_init(struct xv_pool *pool, struct xvi_shard *shard, uint32_t number, bool mailbox,
		      uint32_t records)
{
	unsigned char *at = (unsigned char *)shard + aligned(sizeof(*shard));
	uint32_t *heads = (uint32_t *)(void *)at;

	memset(shard, 0, shard_bytes(pool->provider, mailbox, records));
	shard->pool = pool;
	shard->number = number;
	at += heads_bytes(pool->provider);
	if (mailbox) {
		shard->mailbox = (struct xvi_mailbox *)(void *)at;
		at += aligned(sizeof(struct xvi_mailbox));
	}
	shard->first_records = (struct xvi_hole *)(void *)at;
	shard_objects_init(shard, heads, records);
	return xvi_lock_init(&shard->lock, pool->options.lock);
}

/* Charge bytes for the pool and its shards. */
static int self_charge(struct xv_pool *pool, int64_t bytes)
{
	int err;

	xvi_lock_acquire(&pool->budget.lock);
	err = budget_change(&pool->budget, bytes, 0, 0, &pool->self_bytes);
	xvi_lock_release(&pool->budget.lock);
	return err;
}

/* A shard in a stretch of its own, or NULL where there is no memory. */
static struct xvi_shard *shard_new(struct xv_pool *pool, uint32_t number)
{
	size_t bytes =
		meta_round(shard_bytes(pool->provider, true, FIRST_RECORDS), META_CHUNK_BYTES);
	struct xvi_shard *shard;
	struct xvi_meta self;

	if (self_charge(pool, (int64_t)bytes) != 0)
		return NULL;
	if (meta_reserve(pool->provider, &self, bytes, bytes) == 0) {
		shard = (struct xvi_shard *)(void *)self.base;
		if (shard_init(pool, shard, number, true, FIRST_RECORDS) == 0) {
			shard->self = self;
			return shard;
		}
		meta_release(pool->provider, &self);
	}
	(void)self_charge(pool, -(int64_t)bytes);
	return NULL;
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
	struct xvi_meta memory; /* or the caller's */
	size_t charged;
	size_t table_at;
	uint32_t records;
	uint32_t shards;
	bool fixed;
};

/* In the caller's memory; hole records take what the others leave. */
static int place_given(const struct xv_provider *provider, const struct xv_pool_options *options,
		       struct place *place)
{
	size_t skip = (size_t)(0U - (uintptr_t)options->memory) % MEMORY_ALIGNMENT;
	size_t need = skip + head_bytes(provider, false, 0) + table_bytes(provider, options);
	size_t records;

	if (options->memory_bytes < need + FIXED_RECORDS_MIN * sizeof(struct xvi_hole))
		return -XV_EINVAL;
	records = (options->memory_bytes - need) / sizeof(struct xvi_hole);
	place->records = fixed_records(provider);
	if (records < place->records)
		place->records = (uint32_t)records;
	place->memory.base = (unsigned char *)options->memory + skip;
	place->table_at = head_bytes(provider, false, place->records);
	place->charged = options->memory_bytes;
	return 0;
}

/* In meta memory of the provider's: all of it at once where tables do not grow. */
static int place_reserved(struct xv_provider *provider, const struct xv_pool_options *options,
			  struct place *place)
{
	const struct xv_provider_ops *ops = provider->ops;
	size_t most;

	if (ops->meta_reserve == NULL || ops->meta_commit == NULL || ops->meta_release == NULL)
		return -XV_ENOTSUP;
	place->records = place->fixed ? fixed_records(provider) : FIRST_RECORDS;
	place->table_at = head_bytes(provider, place->shards > 1, place->records);
	most = place->table_at + table_bytes(provider, options);
	if (!place->fixed)
		most = meta_round(most, META_CHUNK_BYTES);
	place->charged = place->fixed ? most : meta_round(place->table_at, META_CHUNK_BYTES);
	return meta_reserve(provider, &place->memory, most, place->charged);
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
	uint32_t slots;

	table->stride = stride_of(pool->provider, &pool->options);
	table->records = place->memory.base + place->table_at;
	table->most = (uint32_t)pool->provider->max_pages;
	table->at = place->table_at;
	table->provider = pool->provider;
	table->budget = &pool->budget;
	if (pool->fixed) {
		slots = table->most;
		memset(table->records, 0, table_bytes(pool->provider, &pool->options));
	} else {
		slots = (uint32_t)((pool->self.committed - table->at) / table->stride);
		table->sparse = pool->purges;
		table->memory = &pool->self;
		table->window = slots;
	}
	xvi_atomic_store(&table->covered, slots);
}

static int pool_init(struct xv_pool *pool, struct xv_provider *provider,
		     const struct xv_pool_options *options, const struct place *place)
{
	int err;

	memset(pool, 0, sizeof(*pool));
	pool->provider = provider;
	pool->options = *options;
	if (pool->options.alignment == 0)
		pool->options.alignment = 4;
	pool->grain_shift = grain_shift(provider);
	pool->key = key_of(pool);
	pool->shard_most = place->shards;
	pool->fixed = place->fixed;
	pool->purges = !place->fixed && provider->ops->meta_purge != NULL;
	if (options->memory == NULL)
		pool->self = place->memory;
	table_init(pool, place);
	err = xvi_lock_init(&pool->budget.lock, options->lock);
	if (err != 0)
		return err;
	pool->budget.limit = options->limit_bytes;
	pool->first = (struct xvi_shard *)(void *)(place->memory.base + aligned(sizeof(*pool)));
	err = self_charge(pool, (int64_t)place->charged);
	if (err == 0)
		err = shard_init(pool, pool->first, 0, place->shards > 1, place->records);
	if (err != 0)
		xvi_lock_fini(&pool->budget.lock);
	xvi_atomic_ptr_store(&pool->shard[0], pool->first);
	if (pool->shard_most == 1 && pool->first->lock.kind == XV_LOCK_NONE)
		pool->alone = &pool->first->objects;
	/* Where a number was asked for threads are spread from the beginning. */
	xvi_atomic_store(&pool->homes, pool->options.shards != 0 ? pool->shard_most : 1);
	return err;
}

int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
		   const struct xv_pool_options *options)
{
	struct place place = {.shards = 0};
	struct xv_pool_options defaults;
	struct xv_pool *pool;
	int err;

	if (options == NULL) {
		xv_pool_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !provider_is_good(provider) || !options_are_good(options) ||
	    table_bytes(provider, options) == 0)
		return -XV_EINVAL;
	place.fixed = tables_are_fixed(provider, options);
	place.shards = own_slots_take(provider, shards_wanted(provider, options));
	if (place.shards == 0)
		return -XV_ENOMEM;
	err = options->memory != NULL ? place_given(provider, options, &place)
				      : place_reserved(provider, options, &place);
	pool = (struct xv_pool *)(void *)place.memory.base;
	if (err == 0) {
		err = pool_init(pool, provider, options, &place);
		if (err != 0 && options->memory == NULL)
			meta_release(provider, &place.memory);
	}
	if (err != 0)
		own_slots_give(provider, place.shards);
	else
		*out = pool;
	return err;
}

void xv_pool_destroy(struct xv_pool *pool)
{
	struct xv_provider *provider;
	struct xvi_shard *shard;
	struct xvi_meta self;

	if (pool == NULL)
		return;
	provider = pool->provider;
	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;) {
		xvi_heap_clear(&shard->objects.heap);
		meta_release(provider, &shard->records);
		xvi_lock_fini(&shard->lock);
		self = shard->self; /* the shard lies in it */
		meta_release(provider, &self);
	}
	xvi_lock_fini(&pool->budget.lock);
	own_slots_give(provider, pool->shard_most);
	self = pool->self;
	meta_release(provider, &self);
}
