/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Making and ending a handle table. Owns its reservations; calls the provider's meta
 * operations, slots.c and the pool. For one thread. O(1) apart from pool and provider.
 */
#include "table_impl.h"
#include "xvi_mem.h"

enum {
	IDS_DEFAULT = 4194303,
	BYTES_PER_ID = 512, /* of the provider, for the default of max_ids */
	INDEX_BITS_MIN = 32 - SLOT_GENERATION_BITS,
};

void xv_handle_table_options_init(struct xv_handle_table_options *options)
{
	if (options == NULL)
		return;
	memset(options, 0, sizeof(*options));
	xv_pool_options_init(&options->pool);
	options->pool.flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
}

/* Slots to have memory for, an even number. */
static size_t slots_for(uint32_t max_ids)
{
	return max_ids < GROWTH_SLOTS ? GROWTH_SLOTS : ((size_t)max_ids + 2) / 2 * 2;
}

size_t xv_handle_table_memory_bytes(uint32_t max_ids)
{
	if (max_ids == 0 || max_ids > XV_IDS_MAX)
		return 0;
	return TABLE_ALIGNMENT - 1 + xvi_ids_table_bytes(slots_for(max_ids)) +
	       slots_for(max_ids) * HANDLE_BYTES;
}

static bool options_are_good(const struct xv_provider *provider,
			     const struct xv_handle_table_options *options)
{
	return provider != NULL && provider->ops != NULL && options->max_ids <= XV_IDS_MAX &&
	       options->pool.owner_ops == NULL && options->pool.owner_context == NULL &&
	       xv_pool_memory_bytes(provider, &options->pool) != 0;
}

/* Most ids, when the caller does not say. */
static uint32_t default_ids(const struct xv_provider *provider)
{
	uint64_t ids = (provider->max_pages << provider->page_shift) / BYTES_PER_ID;

	if (ids < GROWTH_SLOTS)
		return GROWTH_SLOTS - 1;
	return ids < IDS_DEFAULT ? (uint32_t)ids : IDS_DEFAULT;
}

/* Make lock, pool and first slots of a zeroed table whose memory is known. */
static int table_init(struct xv_handle_table *table, struct xv_provider *provider,
		      const struct xv_handle_table_options *options, uint32_t max_ids)
{
	struct xv_pool_options pool_options = options->pool;
	uint32_t bits = 64 - xvi_clz64(max_ids);
	int err = xvi_lock_init(&table->lock, options->pool.lock);

	if (err != 0)
		return err;
	table->provider = provider;
	table->max_ids = max_ids;
	table->slots.threaded = table->lock.kind != XV_LOCK_NONE;
	table->slots.index_bits = bits > INDEX_BITS_MIN ? bits : INDEX_BITS_MIN;
	table->slots.handles = (void *)table->handles.base;
	table->slots.states = (void *)((char *)table + xvi_ids_table_bytes(0));
	table->limit_bytes = options->pool.limit_bytes;
	pool_options.flags |= XV_POOL_OWNERS;
	pool_options.owner_ops = &xvi_ids_owner_ops;
	pool_options.owner_context = table;
	pool_options.limit_bytes = xvi_ids_pool_limit(table, xvi_ids_table_held_bytes(table));
	err = xv_pool_create(&table->pool, provider, &pool_options);
	if (err == 0)
		err = xvi_ids_grow(table);
	if (err != 0) {
		xv_pool_destroy(table->pool);
		xvi_lock_fini(&table->lock);
	}
	return err;
}

/* In the caller's memory the handles follow the states, at a multiple of 8 bytes: so the
 * states are an even number. */
static int create_in_memory(struct xv_handle_table **out, struct xv_provider *provider,
			    const struct xv_handle_table_options *options)
{
	size_t skip = (size_t)(-(uintptr_t)options->memory & (TABLE_ALIGNMENT - 1));
	struct xv_handle_table *table = (void *)((char *)options->memory + skip);
	uint32_t max_ids = options->max_ids != 0 ? options->max_ids : XV_IDS_MAX;
	size_t slots;
	int err;

	if (options->memory_bytes <
	    skip + xvi_ids_table_bytes(GROWTH_SLOTS) + (size_t)GROWTH_SLOTS * HANDLE_BYTES)
		return -XV_EINVAL;
	slots = (options->memory_bytes - skip - xvi_ids_table_bytes(0)) /
		(STATE_BYTES + HANDLE_BYTES);
	slots -= slots % 2;
	if (slots <= max_ids)
		max_ids = (uint32_t)slots - 1;
	memset(table, 0, sizeof(*table));
	table->states.committed = options->memory_bytes;
	table->handles.base = (unsigned char *)table + xvi_ids_table_bytes(slots);
	err = table_init(table, provider, options, max_ids);
	if (err == 0)
		*out = table;
	return err;
}

static int create_from_provider(struct xv_handle_table **out, struct xv_provider *provider,
				const struct xv_handle_table_options *options)
{
	const struct xv_provider_ops *ops = provider->ops;
	/* Scarce memory is used up by reserving it. */
	bool grows = (provider->flags & XV_PROVIDER_META_IS_SCARCE) == 0;
	uint32_t max_ids = options->max_ids != 0 ? options->max_ids : default_ids(provider);
	size_t slots = slots_for(max_ids);
	size_t first = grows ? 1 : slots;
	struct xvi_meta states, handles;
	struct xv_handle_table *table;
	int err;

	if (ops->meta_reserve == NULL || ops->meta_commit == NULL || ops->meta_release == NULL)
		return -XV_ENOTSUP;
	err = meta_reserve(provider, &states, xvi_ids_table_bytes(slots),
			   xvi_ids_table_bytes(first));
	if (err != 0)
		return err;
	table = (void *)states.base;
	err = meta_reserve(provider, &handles, slots * HANDLE_BYTES, first * HANDLE_BYTES);
	if (err == 0) {
		table->states = states;
		table->handles = handles;
		table->owned = true;
		table->grows = grows;
		err = table_init(table, provider, options, max_ids);
		states = table->states; /* they may have grown */
		handles = table->handles;
	}
	if (err != 0) {
		meta_release(provider, &handles);
		meta_release(provider, &states);
		return err;
	}
	*out = table;
	return 0;
}

int xv_handle_table_create(struct xv_handle_table **out, struct xv_provider *provider,
			   const struct xv_handle_table_options *options)
{
	struct xv_handle_table_options defaults;

	if (options == NULL) {
		xv_handle_table_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !options_are_good(provider, options))
		return -XV_EINVAL;
	return options->memory != NULL ? create_in_memory(out, provider, options)
				       : create_from_provider(out, provider, options);
}

void xv_handle_table_destroy(struct xv_handle_table *table)
{
	struct xv_provider *provider;
	struct xvi_meta states;

	if (table == NULL)
		return;
	xv_pool_destroy(table->pool);
	xvi_lock_fini(&table->lock);
	if (table->owned) {
		states = table->states; /* the table lies in it */
		provider = table->provider;
		meta_release(provider, &table->handles);
		meta_release(provider, &states);
	}
}
