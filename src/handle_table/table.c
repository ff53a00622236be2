/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The handle table as a whole: compaction, trimming, limit, statistics, holding it for a fork,
 * proving it. Takes the table's lock; see slot.h for what it does with slots.
 */
#include "table_impl.h"

int xv_handle_table_compact(struct xv_handle_table *table, size_t budget_bytes,
			    struct xv_compact_report *report)
{
	return table == NULL ? -XV_EINVAL : xv_compact(table->pool, budget_bytes, report);
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
	xvi_ids_limit_pool(table, xvi_ids_table_held_bytes(table));
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
	stats->slots = slot_count(&table->slots);
	stats->ids = stats->slots - 1 - table->free_slots;
	stats->max_ids = table->max_ids;
	stats->generations = (uint64_t)1 << (32 - table->slots.index_bits);
	stats->bad_ids = table->bad_ids;
	xvi_lock_release(&table->lock);
}

/* ---- holding it for a fork ---- */

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

/* Lock a slot that is not free, when the calls that are busy with it have ended. The table is
 * closed, so a free slot stays free; its lock is not held, for they may need it to end. */
static void lock_slot(const struct handle_slots *slots, uint32_t index)
{
	unsigned turns = 0;

	while (slot_kind(slots, index) != SLOT_FREE &&
	       slot_enter(slots, slot_id(slots, index, slot_load(slots, index)), SLOT_LOCKED,
			  SLOT_OBJECT_MASK) != 0)
		xvi_pause(&turns); /* it is SLOT_TAKEN, or has changed meanwhile */
}

/* Whom the lock waits for may need the provider, which the thread may hold for a pool or table
 * that it has locked before; xv_pool_lock_all does the same. */
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
	for (uint32_t i = 1; i < slot_count(&table->slots); i++)
		lock_slot(&table->slots, i);
	xvi_lock_acquire(&table->lock);
	xv_pool_lock_all(table->pool);
	if (times != 0)
		ops->hold(table->provider, times);
}

void xv_handle_table_unlock_all(struct xv_handle_table *table)
{
	if (table == NULL)
		return;
	xv_pool_unlock_all(table->pool);
	for (uint32_t i = 1; i < slot_count(&table->slots); i++) {
		if (slot_kind(&table->slots, i) != SLOT_FREE)
			slot_leave(&table->slots, i, SLOT_LOCKED);
	}
	table->closed = false;
	xvi_lock_release(&table->lock);
}

/* ---- proving it: the invariants of slot.h, by number ---- */

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
	const struct handle_slots *slots = &table->slots;
	uint32_t count = 0;
	uint32_t last = 0;

	for (uint64_t at = slots->handles[0]; at != 0; at = slots->handles[at]) {
		if (at >= slot_count(slots) ||
		    (slot_load(slots, (uint32_t)at) & ~SLOT_GENERATION_MASK) != SLOT_FREE)
			return broken(report, 102, last, "a slot in the queue is not free");
		if (count++ == table->free_slots)
			break;
		last = (uint32_t)at;
	}
	if (count != table->free_slots || last != table->last_free)
		return broken(report, 102, last, "the queue does not hold the free slots");
	return 0;
}

static int check_slot(const struct xv_handle_table *table, uint32_t index,
		      struct xv_check_report *report)
{
	uint32_t state = slot_load(&table->slots, index);
	uint32_t owner;

	if ((state & (SLOT_LOCKED | SLOT_CALLS_MASK)) != 0 ||
	    (state & SLOT_KIND_MASK) == SLOT_TAKEN)
		return broken(report, 104, index, "a slot is locked, in a call, or half made");
	if ((state & SLOT_KIND_MASK) == SLOT_FREE)
		return 0;
	if (xv_get_owner(table->pool, table->slots.handles[index], &owner) != 0 || owner != index)
		return broken(report, 103, index, "a slot in use has no object, or another's");
	return 0;
}

static int check_locked(const struct xv_handle_table *table, struct xv_check_report *report)
{
	const struct handle_slots *slots = &table->slots;
	uint32_t free_slots = 0;
	int err = check_queue(table, report);

	for (uint32_t i = 1; err == 0 && i < slot_count(slots); i++) {
		free_slots += slot_kind(slots, i) == SLOT_FREE;
		err = check_slot(table, i, report);
	}
	if (err == 0 && free_slots != table->free_slots)
		err = broken(report, 101, UINT32_MAX, "a free slot is not in the queue");
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
