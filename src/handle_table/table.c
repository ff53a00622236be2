/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * table.c: the handle table as a whole: create and destroy, compaction, trim, limit, statistics,
 * lock for a fork, check. Calls the provider's meta operations, ids.c and the pool.
 */
#include "table_impl.h"
#include "xvi_mem.h"

enum {
	IDS_DEFAULT = 4194303,
	BYTES_PER_ID = 512, /* of the provider, for the default of max_ids */
	INDEX_BITS_MIN = 32 - ROW_GENERATION_BITS,
};

/* ---- create and destroy ---- */

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

/* Default of max_ids. */
static uint32_t default_ids(const struct xv_provider *provider)
{
	uint64_t ids = (provider->max_pages << provider->page_shift) / BYTES_PER_ID;

	if (ids < GROWTH_ROWS)
		return GROWTH_ROWS - 1;
	return ids < IDS_DEFAULT ? (uint32_t)ids : IDS_DEFAULT;
}

/* Make lock, pool and first rows of a zeroed table whose memory is known. */
static int table_init(struct xv_handle_table *table, const struct xv_handle_table_options *options)
{
	struct xv_pool_options pool_options = options->pool;
	uint32_t bits = 64 - xvi_clz64(table->max_ids);
	int err = xvi_lock_init(&table->lock, options->pool.lock);

	if (err != 0)
		return err;
	table->handles = (void *)table->handle_memory.base;
	table->index_bits = bits > INDEX_BITS_MIN ? bits : INDEX_BITS_MIN;
	XVI_ASSERT(table->index_bits < 32 && table->max_ids >> table->index_bits == 0);
	table->threaded = table->lock.kind != XV_LOCK_NONE;
	xvi_atomic_store(&table->count, 1);
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
	struct xvi_meta states = table->state_memory; /* the table lies in it */

	meta_release(provider, &table->handle_memory);
	meta_release(provider, &states);
}

/* Take memory for row 0 and address space for the others. */
static int table_make(struct xv_handle_table **out, struct xv_provider *provider,
		      const struct xv_handle_table_options *options)
{
	uint32_t max_ids = options->max_ids != 0 ? options->max_ids : default_ids(provider);
	size_t rows = (size_t)max_ids + 1;
	struct xv_handle_table *table;
	struct xvi_meta states;
	int err =
		meta_reserve(provider, &states, xvi_ids_table_bytes(rows), xvi_ids_table_bytes(1));

	if (err != 0)
		return err;
	table = (void *)states.base;
	table->provider = provider;
	table->max_ids = max_ids;
	table->state_memory = states;
	err = meta_reserve(provider, &table->handle_memory, rows * sizeof(xv_handle),
			   sizeof(xv_handle));
	if (err == 0)
		err = table_init(table, options);
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

	if (options == NULL) {
		xv_handle_table_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !options_are_good(provider, options))
		return -XV_EINVAL;
	if (provider->ops->meta_reserve == NULL || provider->ops->meta_commit == NULL ||
	    provider->ops->meta_release == NULL)
		return -XV_ENOTSUP;
	return table_make(out, provider, options);
}

void xv_handle_table_destroy(struct xv_handle_table *table)
{
	if (table == NULL)
		return;
	xv_pool_destroy(table->pool);
	xvi_lock_fini(&table->lock);
	table_release(table);
}

/* ---- the whole table ---- */

int xv_handle_table_compact(struct xv_handle_table *table, size_t step_bytes,
			    struct xv_compact_report *report)
{
	return table == NULL ? -XV_EINVAL : xv_compact(table->pool, step_bytes, report);
}

size_t xv_handle_table_trim(struct xv_handle_table *table)
{
	struct xv_handle_table_stats before, after;

	if (table == NULL)
		return 0;
	xv_handle_table_get_stats(table, &before);
	(void)xv_pool_trim(table->pool);
	xvi_ids_trim(table);
	xv_handle_table_get_stats(table, &after);
	return before.held_bytes > after.held_bytes ? (size_t)(before.held_bytes - after.held_bytes)
						    : 0;
}

void xv_handle_table_set_limit(struct xv_handle_table *table, uint64_t limit_bytes)
{
	if (table == NULL)
		return;
	xvi_lock_acquire(&table->lock);
	table->limit_bytes = limit_bytes;
	xvi_ids_limit_pool(table, 0);
	xvi_lock_release(&table->lock);
}

struct xv_pool *xv_handle_table_pool(struct xv_handle_table *table)
{
	return table != NULL ? table->pool : NULL;
}

void xv_handle_table_get_stats(struct xv_handle_table *table, struct xv_handle_table_stats *stats)
{
	if (table == NULL || stats == NULL)
		return;
	xvi_lock_acquire(&table->lock);
	xv_pool_get_stats(table->pool, &stats->pool);
	stats->table_bytes = xvi_ids_table_held_bytes(table);
	stats->held_bytes = stats->pool.held_bytes + stats->table_bytes;
	stats->rows = row_count(table);
	XVI_ASSERT(table->free_rows < stats->rows); /* 101 */
	stats->ids = stats->rows - 1 - table->free_rows;
	stats->max_ids = table->max_ids;
	stats->generations = (uint64_t)1 << (32 - table->index_bits);
	stats->bad_ids = table->bad_ids;
	xvi_lock_release(&table->lock);
}

/* ---- lock for a fork ---- */

void xvi_ids_enter(struct xv_handle_table *table)
{
	unsigned turns = 0;

	xvi_lock_acquire(&table->lock);
	while (table->closed) {
		xvi_lock_release(&table->lock);
		xvi_pause(&turns);
		xvi_lock_acquire(&table->lock);
	}
}

/* Lock a row that is not free, when the calls in it have ended. The table is closed, so a free
 * row stays free. The table's lock is not held, since those calls may need it to end. */
static void lock_row(struct xv_handle_table *table, uint32_t index)
{
	unsigned turns = 0;

	while (row_kind(table, index) != ROW_FREE &&
	       row_enter(table, row_id(table, index, row_load(table, index)), ROW_LOCKED,
			 ROW_OBJECT_MASK) != 0)
		xvi_pause(&turns); /* it is ROW_TAKEN, or has changed */
}

/* The thread with the lock may need the provider, which this thread may hold for a pool or table
 * that it locked before. xv_pool_lock_all does the same. */
void xv_handle_table_lock_all(struct xv_handle_table *table)
{
	const struct xv_provider_ops *ops;
	uint32_t times;

	if (table == NULL)
		return;
	ops = table->provider->ops;
	times = ops->release != NULL ? ops->release(table->provider) : 0;
	xvi_ids_enter(table);
	table->closed = true;
	xvi_lock_release(&table->lock);
	for (uint32_t i = 1; i < row_count(table); i++)
		lock_row(table, i);
	xvi_lock_acquire(&table->lock);
	xv_pool_lock_all(table->pool);
	if (times != 0)
		ops->hold(table->provider, times);
}

void xv_handle_table_unlock_all(struct xv_handle_table *table)
{
	if (table == NULL)
		return;
	XVI_ASSERT(table->closed && xvi_lock_is_taken(&table->lock));
	xv_pool_unlock_all(table->pool);
	for (uint32_t i = 1; i < row_count(table); i++) {
		if (row_kind(table, i) != ROW_FREE)
			row_leave(table, i, ROW_LOCKED);
	}
	table->closed = false;
	xvi_lock_release(&table->lock);
}

/* ---- check: the invariants of table_impl.h, by number ---- */

static int broken(struct xv_check_report *report, uint32_t invariant, uint32_t index,
		  const char *message)
{
	report->invariant = invariant;
	report->page = UINT32_MAX;
	report->offset = index;
	report->message = message;
	return -XV_EBADMSG;
}

static int check_queue(const struct xv_handle_table *table, struct xv_check_report *report)
{
	uint32_t count = 0;
	uint32_t last = 0;

	for (uint64_t at = table->handles[0]; at != 0; at = table->handles[at]) {
		if (at >= row_count(table) ||
		    (row_load(table, (uint32_t)at) & ~ROW_GENERATION_MASK) != ROW_FREE)
			return broken(report, 102, last, "a row in the queue is not free");
		if (count++ == table->free_rows)
			break;
		last = (uint32_t)at;
	}
	if (count != table->free_rows || last != table->last_free)
		return broken(report, 102, last, "the queue does not hold the free rows");
	return 0;
}

static int check_row(const struct xv_handle_table *table, uint32_t index,
		     struct xv_check_report *report)
{
	uint32_t state = row_load(table, index);
	uint32_t owner;
	int err;

	if ((state & (ROW_LOCKED | ROW_CALLS_MASK)) != 0 || (state & ROW_KIND_MASK) == ROW_TAKEN)
		return broken(report, 104, index, "a row is locked, in a call, or half made");
	if ((state & ROW_KIND_MASK) == ROW_FREE)
		return 0;
	err = xv_get_owner(table->pool, table->handles[index], &owner);
	if (err == -XV_EBADMSG) /* in a page that the pool closed */
		return 0;
	if (err != 0 || owner != index)
		return broken(report, 103, index, "a row in use has no object, or another's");
	return 0;
}

static int check_locked(const struct xv_handle_table *table, struct xv_check_report *report)
{
	uint32_t free_rows = 0;
	int err = check_queue(table, report);

	for (uint32_t i = 1; err == 0 && i < row_count(table); i++) {
		free_rows += row_kind(table, i) == ROW_FREE;
		err = check_row(table, i, report);
	}
	if (err == 0 && free_rows != table->free_rows)
		err = broken(report, 101, UINT32_MAX, "a free row is not in the queue");
	return err;
}

int xv_handle_table_check(struct xv_handle_table *table, enum xv_check_level level,
			  struct xv_check_report *report)
{
	struct xv_check_report unused;
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	if (report == NULL)
		report = &unused;
	err = xv_pool_check(table->pool, level, report);
	if (err != 0 || level != XV_CHECK_DEEP)
		return err;
	xvi_lock_acquire(&table->lock);
	err = check_locked(table, report);
	xvi_lock_release(&table->lock);
	return err;
}
