/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * create.c: the life of a pool: options, the layout of its memory, its shards, its end. The caller
 * serialises create and destroy.
 */
#include "pool_impl.h"

#include "xvi_cpu.h"

enum {
	FIXED_RECORDS_MIN = 16,
	FIXED_RECORD_BYTES = 1024, /* bytes of pages for each hole record, if tables do not grow */
	/* The same for as many as a heap can want: least blocks of 8 bytes, and a page. */
	LEAST_RECORD_BYTES = 7,
	HOLE_RECORDS_MOST = 1 << 27, /* most that a word of a hole can name */

	/* Between the generations of shards, which take each other's pages. A golden section of
	 * the 4,096 keeps any number of them apart. */
	GENERATION_STEP = 2531,
};

_Static_assert(HOLE_RECORDS_MOST <= 1 << (32 - HOLE_VALUE_SHIFT), "a word names each record");

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
					  provider->window_slots >= OWN_WINDOW_SLOTS);
}

static bool options_are_good(const struct xv_pool_options *options)
{
	const uint32_t flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
	uint32_t alignment = options->alignment;

	return (alignment == 0 || alignment == 4 || alignment == 8 || alignment == 16) &&
	       (options->flags & ~flags) == 0 && options->hardening <= XV_HARDENING_MOST &&
	       options->shards <= XV_SHARDS_MAX && (unsigned)options->lock <= XV_LOCK_MUTEX;
}

void xv_pool_options_init(struct xv_pool_options *options)
{
	if (options == NULL)
		return;
	memset(options, 0, sizeof(*options));
	options->alignment = 4;
	options->hardening = 1;
}

/* Do tools watch pools over this provider? */
static bool is_watched(const struct xv_provider *provider)
{
	return provider->base != NULL && xvi_tools_watch();
}

/* A pool without memory, with all that sizes depend on. False: the provider or the options are
 * bad, or the page table does not fit the address space. */
static bool pool_draft(struct xv_pool *draft, struct xv_provider *provider,
		       const struct xv_pool_options *options)
{
	struct xvi_page_table *table = &draft->pages;

	memset(draft, 0, sizeof(*draft));
	xv_pool_options_init(&draft->options);
	if (options != NULL)
		draft->options = *options;
	if (!provider_is_good(provider) || !options_are_good(&draft->options))
		return false;
	if (draft->options.alignment == 0)
		draft->options.alignment = 4;
	if (is_watched(provider) && draft->options.alignment < TOOLS_ALIGNMENT)
		draft->options.alignment = TOOLS_ALIGNMENT;
	draft->provider = provider;
	draft->grain_shift = grain_shift(provider);
	draft->shard_most = 1;
	table->provider = provider;
	table->most = (uint32_t)provider->max_pages;
	table->stride = xvi_heap_page_stride(provider->page_shift, draft->options.alignment,
					     draft->options.hardening != 0);
	return provider->max_pages * table->stride < SIZE_MAX / 4;
}

/* Can the tables not grow? In the caller's memory, or when meta memory is scarce. */
static bool tables_are_fixed(const struct xv_pool *pool)
{
	return pool->options.memory != NULL ||
	       (pool->provider->flags & XV_PROVIDER_META_IS_SCARCE) != 0;
}

/* The most shards that the pool may have. Takes their window slots, from those that other pools
 * leave. 0: there are too few. */
static uint32_t shards_take(const struct xv_pool *draft)
{
	struct xv_provider *provider = draft->provider;
	uint32_t asked = draft->options.shards;
	uint32_t shards = asked != 0 ? asked : xvi_cpu_count();

	if (shards > XV_SHARDS_MAX)
		shards = XV_SHARDS_MAX;
	if (draft->options.lock == XV_LOCK_NONE || tables_are_fixed(draft) ||
	    (provider->base == NULL && asked == 0))
		shards = 1;
	while (provider->base == NULL && shards != 0 &&
	       !window_slots_take(provider, OWN_WINDOW_SLOTS * shards))
		shards--;
	return shards;
}

static void shards_give(const struct xv_pool *pool)
{
	if (pool->provider->base == NULL)
		window_slots_give(pool->provider, OWN_WINDOW_SLOTS * pool->shard_most);
}

/* ---- sizes ---- */

static size_t aligned(size_t bytes)
{
	return meta_round(bytes, MEMORY_ALIGNMENT);
}

static size_t mailbox_bytes(const struct xv_pool *pool)
{
	return pool->shard_most > 1 ? aligned(sizeof(struct xvi_mailbox)) : 0;
}

static size_t heads_bytes(const struct xv_pool *pool)
{
	return aligned(xvi_heap_list_count(pool->provider->page_shift) * sizeof(uint32_t));
}

static size_t quarantine_bytes(const struct xv_pool *pool)
{
	return pool->options.hardening > 1 ? aligned(sizeof(struct xvi_quarantine)) : 0;
}

/* Bytes of a shard with this number of hole records. */
static size_t shard_bytes(const struct xv_pool *pool, uint32_t records)
{
	return aligned(sizeof(struct xvi_shard)) + mailbox_bytes(pool) + quarantine_bytes(pool) +
	       heads_bytes(pool) + (size_t)records * sizeof(struct xvi_hole);
}

/* Bytes of a pool without its page table. */
static size_t head_bytes(const struct xv_pool *pool, uint32_t records)
{
	return aligned(sizeof(struct xv_pool)) + shard_bytes(pool, records);
}

static size_t table_bytes(const struct xv_pool *pool)
{
	return (size_t)pool->pages.most * pool->pages.stride;
}

/* Hole records, one for each `bytes` of pages. */
static uint32_t records_for(const struct xv_pool *pool, uint32_t bytes)
{
	/* At most a part of the address space, and what a word of a hole can name. */
	const uint64_t cap = SIZE_MAX / 16 / sizeof(struct xvi_hole);
	uint64_t records =
		pool->pages.most * (uint64_t)((1U << pool->provider->page_shift) / bytes);

	if (records > cap)
		records = cap;
	return records < HOLE_RECORDS_MOST ? (uint32_t)records : HOLE_RECORDS_MOST;
}

/* Hole records of tables that do not grow. */
static uint32_t fixed_records(const struct xv_pool *pool)
{
	uint32_t records = records_for(pool, FIXED_RECORD_BYTES);

	return records > FIXED_RECORDS_MIN ? records : FIXED_RECORDS_MIN;
}

size_t xv_pool_memory_bytes(const struct xv_provider *provider,
			    const struct xv_pool_options *options)
{
	struct xv_provider sizes;
	struct xv_pool draft;

	if (provider == NULL)
		return 0;
	sizes = *provider; /* its operations are not called */
	if (!pool_draft(&draft, &sizes, options))
		return 0;
	return MEMORY_ALIGNMENT + head_bytes(&draft, fixed_records(&draft)) + table_bytes(&draft);
}

/* ---- shards ---- */

static uint32_t key_of(const struct xv_pool *pool)
{
	uint64_t mixed = pool->options.seed != 0 ? pool->options.seed
						 : (uint64_t)((uintptr_t)pool / MEMORY_ALIGNMENT);

	mixed *= UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(mixed >> 32);
}

/* The quarantine, if there is one, goes to this place; behind it the heads of the lists, and the
 * first hole records. */
static void shard_objects_init(struct xvi_shard *shard, unsigned char *behind, uint32_t records)
{
	const struct xv_pool *pool = shard->pool;
	const struct xv_pool_options *options = &pool->options;
	const struct xv_owner_ops *owner_ops = options->owner_ops;
	bool fixed = tables_are_fixed(pool);
	uint32_t most = records_for(pool, LEAST_RECORD_BYTES);
	uint32_t key = key_of(pool);
	unsigned char *heads = behind + quarantine_bytes(pool);
	struct xvi_objects_config config = {
		.heap = {.source = &xvi_pool_source,
			 .context = shard,
			 .base = pool->provider->base,
			 .pages = pool->pages.records,
			 .records = (struct xvi_hole *)(void *)(heads + heads_bytes(pool)),
			 .heads = (uint32_t *)(void *)heads,
			 .page_shift = pool->provider->page_shift,
			 .grain_shift = pool->grain_shift,
			 .alignment = options->alignment,
			 .key = key,
			 .records_ready = records,
			 .records_bounded = fixed,
			 .records_most = fixed || most < records ? records : most,
			 .prove = options->hardening != 0,
			 .scatter = options->hardening > 1,
			 .generation = (uint16_t)(shard->number * GENERATION_STEP)},
		.split = (options->flags & XV_POOL_SPLIT) != 0,
		.owners = (options->flags & XV_POOL_OWNERS) != 0,
		/* Without `relocated` nothing is compacted. */
		.owner_ops = owner_ops != NULL && owner_ops->relocated != NULL ? owner_ops : NULL,
		.owner_context = options->owner_context,
		.tag_key = key >> 29,
		.quarantine = heads != behind ? (struct xvi_quarantine *)(void *)behind : NULL,
		.watched = is_watched(pool->provider),
	};

	xvi_objects_init(&shard->objects, &config);
}

/* Make a shard at the beginning of shard_bytes() of memory. */
static int shard_init(struct xv_pool *pool, struct xvi_shard *shard, uint32_t number,
		      uint32_t records)
{
	unsigned char *behind = (unsigned char *)shard + aligned(sizeof(*shard));

	XVI_ASSERT((uintptr_t)shard % MEMORY_ALIGNMENT == 0 && number < pool->shard_most);
	memset(shard, 0, shard_bytes(pool, records));
	shard->pool = pool;
	shard->number = number;
	if (mailbox_bytes(pool) != 0)
		shard->mailbox = (struct xvi_mailbox *)(void *)behind;
	shard_objects_init(shard, behind + mailbox_bytes(pool), records);
	return xvi_lock_init(&shard->lock, pool->options.lock);
}

/* Charge bytes for the pool and its shards. */
static int self_charge(struct xv_pool *pool, int64_t bytes)
{
	return budget_charge(&pool->budget, bytes, 0, 0, &pool->self_bytes);
}

/* Make a shard in its own stretch; NULL without memory. */
static struct xvi_shard *shard_new(struct xv_pool *pool, uint32_t number)
{
	size_t bytes = meta_round(shard_bytes(pool, FIRST_RECORDS), META_CHUNK_BYTES);
	struct xvi_shard *shard;
	struct xvi_meta self;

	if (self_charge(pool, (int64_t)bytes) != 0)
		return NULL;
	if (meta_reserve(pool->provider, &self, bytes, bytes) == 0) {
		shard = (struct xvi_shard *)(void *)self.base;
		if (shard_init(pool, shard, number, FIRST_RECORDS) == 0) {
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

	XVI_ASSERT(number != 0 && number < pool->shard_most);
	/* With the first shard locked, no other thread makes a shard. */
	xvi_lock_acquire(&pool->first->lock);
	shard = xvi_atomic_ptr_load(&pool->shard[number]);
	if (shard == NULL) {
		shard = shard_new(pool, number);
		if (shard == NULL)
			shard = pool->first;
		xvi_atomic_ptr_store(&pool->shard[number], shard);
	}
	xvi_lock_release(&pool->first->lock);
	return shard;
}

/* ---- the pool ---- */

/* Use the caller's memory; the hole table gets what the others leave. */
static int memory_given(const struct xv_pool *draft, unsigned char **base, uint32_t *records)
{
	const struct xv_pool_options *options = &draft->options;
	size_t skip = (size_t)(0U - (uintptr_t)options->memory) % MEMORY_ALIGNMENT;
	size_t need = skip + head_bytes(draft, 0) + table_bytes(draft);
	size_t left;

	if (options->memory_bytes < need + FIXED_RECORDS_MIN * sizeof(struct xvi_hole))
		return -XV_EINVAL;
	left = (options->memory_bytes - need) / sizeof(struct xvi_hole);
	if (left < *records)
		*records = (uint32_t)left;
	*base = (unsigned char *)options->memory + skip;
	return 0;
}

/* Use meta memory of the provider, all at once if tables do not grow. */
static int memory_reserve(struct xv_pool *draft, unsigned char **base, uint32_t records)
{
	const struct xv_provider_ops *ops = draft->provider->ops;
	size_t usable = head_bytes(draft, records);
	size_t most = usable + table_bytes(draft);
	int err;

	if (ops->meta_reserve == NULL || ops->meta_commit == NULL || ops->meta_release == NULL)
		return -XV_ENOTSUP;
	if (tables_are_fixed(draft)) {
		usable = most;
	} else {
		usable = meta_round(usable, META_CHUNK_BYTES);
		most = meta_round(most, META_CHUNK_BYTES);
	}
	err = meta_reserve(draft->provider, &draft->self, most, usable);
	*base = draft->self.base;
	return err;
}

static void table_init(struct xv_pool *pool, uint32_t records)
{
	struct xvi_page_table *table = &pool->pages;
	uint32_t slots;

	table->at = head_bytes(pool, records);
	table->records = (unsigned char *)pool + table->at;
	table->budget = &pool->budget;
	if (tables_are_fixed(pool)) {
		slots = table->most;
		memset(table->records, 0, table_bytes(pool));
	} else {
		XVI_ASSERT(table->at <= pool->self.committed);
		slots = (uint32_t)((pool->self.committed - table->at) / table->stride);
		table->sparse = pool->provider->ops->meta_purge != NULL;
		table->memory = &pool->self;
		table->window = pool_is_spread(pool) ? 0 : slots;
	}
	xvi_atomic_store(&table->covered, slots);
}

static int pool_init(struct xv_pool *pool, const struct xv_pool *draft, uint32_t records)
{
	const struct xv_pool_options *options = &pool->options;
	int err;

	*pool = *draft;
	/* If the caller asked for a number, threads are spread from the beginning. */
	xvi_atomic_store(&pool->homes, options->shards != 0 ? pool->shard_most : 1);
	table_init(pool, records);
	err = xvi_lock_init(&pool->budget.lock, options->lock);
	if (err != 0)
		return err;
	pool->budget.limit = options->limit_bytes;
	pool->first = (struct xvi_shard *)(void *)((unsigned char *)pool + aligned(sizeof(*pool)));
	err = self_charge(pool, (int64_t)(options->memory != NULL ? options->memory_bytes
								  : pool->self.committed));
	if (err == 0)
		err = shard_init(pool, pool->first, 0, records);
	if (err != 0) {
		xvi_lock_fini(&pool->budget.lock);
		return err;
	}
	xvi_atomic_ptr_store(&pool->shard[0], pool->first);
	if (pool->shard_most == 1 && pool->first->lock.kind == XV_LOCK_NONE &&
	    !pool_is_watched(pool))
		pool->alone = &pool->first->objects;
	return 0;
}

int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
		   const struct xv_pool_options *options)
{
	struct xv_pool draft;
	unsigned char *base = NULL;
	uint32_t records;
	int err;

	if (out == NULL || !pool_draft(&draft, provider, options))
		return -XV_EINVAL;
	draft.shard_most = shards_take(&draft);
	if (draft.shard_most == 0)
		return -XV_ENOMEM;
	records = tables_are_fixed(&draft) ? fixed_records(&draft) : FIRST_RECORDS;
	err = draft.options.memory != NULL ? memory_given(&draft, &base, &records)
					   : memory_reserve(&draft, &base, records);
	if (err == 0)
		err = pool_init((struct xv_pool *)(void *)base, &draft, records);
	if (err != 0) {
		meta_release(provider, &draft.self);
		shards_give(&draft);
		return err;
	}
	*out = (struct xv_pool *)(void *)base;
	if (pool_is_watched(*out) && draft.self.base != NULL)
		xvi_tools_pool_begin(*out, sizeof(**out));
	return 0;
}

void xv_pool_destroy(struct xv_pool *pool)
{
	struct xvi_shard *shard;
	struct xvi_meta self; /* the memory that is released contains the pool */

	if (pool == NULL)
		return;
	if (pool_is_watched(pool) && pool->self.base != NULL)
		xvi_tools_pool_end(pool, sizeof(*pool));
	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;) {
		if (objects_watched(&shard->objects))
			xvi_tools_heap_end(&shard->objects);
		xvi_heap_clear(&shard->objects.heap);
		meta_release(pool->provider, &shard->records);
		xvi_lock_fini(&shard->lock);
		self = shard->self;
		meta_release(pool->provider, &self);
	}
	xvi_lock_fini(&pool->budget.lock);
	shards_give(pool);
	self = pool->self;
	meta_release(pool->provider, &self);
}
