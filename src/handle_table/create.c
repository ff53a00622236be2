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
static int table_init(struct xv_handle_table *table, const struct xv_handle_table_options *options)
{
	struct xv_pool_options pool_options = options->pool;
	uint32_t bits = 64 - xvi_clz64(table->max_ids);
	int err = xvi_lock_init(&table->lock, options->pool.lock);

	if (err != 0)
		return err;
	table->slots.handles = (void *)table->handles.base;
	table->slots.states = (void *)((char *)table + xvi_ids_table_bytes(0));
	table->slots.index_bits = bits > INDEX_BITS_MIN ? bits : INDEX_BITS_MIN;
	table->slots.threaded = table->lock.kind != XV_LOCK_NONE;
	xvi_atomic_store(&table->slots.count, 1);
	table->limit_bytes = options->pool.limit_bytes;
	pool_options.flags |= XV_POOL_OWNERS;
	pool_options.owner_ops = &xvi_ids_owner_ops;
	pool_options.owner_context = table;
	err = xv_pool_create(&table->pool, table->provider, &pool_options);
	if (err == 0)
		err = xvi_ids_grow(table);
	if (err != 0) {
		xv_pool_destroy(table->pool);
		xvi_lock_fini(&table->lock);
	}
	return err;
}

static void table_release(struct xv_handle_table *table)
{
	struct xv_provider *provider = table->provider;
	struct xvi_meta states = table->states; /* the table lies in it */

	meta_release(provider, &table->handles);
	meta_release(provider, &states);
}

/* Memory for a table with slot 0 and room for more. */
static int table_reserve(struct xv_handle_table **out, struct xv_provider *provider,
			 uint32_t max_ids)
{
	size_t slots = (size_t)max_ids + 1;
	struct xvi_meta states;
	struct xv_handle_table *table;
	int err;

	err = meta_reserve(provider, &states, xvi_ids_table_bytes(slots), xvi_ids_table_bytes(1));
	if (err != 0)
		return err;
	table = (void *)states.base;
	table->provider = provider;
	table->max_ids = max_ids;
	table->states = states;
	err = meta_reserve(provider, &table->handles, slots * HANDLE_BYTES, HANDLE_BYTES);
	if (err == 0)
		*out = table;
	else
		table_release(table);
	return err;
}

int xv_handle_table_create(struct xv_handle_table **out, struct xv_provider *provider,
			   const struct xv_handle_table_options *options)
{
	struct xv_handle_table_options defaults;
	struct xv_handle_table *table;
	int err;

	if (options == NULL) {
		xv_handle_table_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !options_are_good(provider, options))
		return -XV_EINVAL;
	if (provider->ops->meta_reserve == NULL || provider->ops->meta_commit == NULL ||
	    provider->ops->meta_release == NULL)
		return -XV_ENOTSUP;
	err = table_reserve(&table, provider,
			    options->max_ids != 0 ? options->max_ids : default_ids(provider));
	if (err != 0)
		return err;
	err = table_init(table, options);
	if (err == 0)
		*out = table;
	else
		table_release(table);
	return err;
}

void xv_handle_table_destroy(struct xv_handle_table *table)
{
	if (table == NULL)
		return;
	xv_pool_destroy(table->pool);
	xvi_lock_fini(&table->lock);
	table_release(table);
}
