/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Slots of a handle table: their memory and the queue of free ones. See table_impl.h. */
#include "table_impl.h"

/* ---- the queue of free slots: under the table's lock ---- */

static void queue_put_last(struct xv_handle_table *table, uint32_t index)
{
	table->slots.handles[index] = 0;
	table->slots.handles[table->last_free] = index;
	table->last_free = index;
	table->free_slots++;
}

static uint32_t queue_take_first(struct xv_handle_table *table)
{
	uint64_t *handles = table->slots.handles;
	uint32_t index = (uint32_t)handles[0];

	XVI_ASSERT(index != 0 && slot_kind(&table->slots, index) == SLOT_FREE);
	handles[0] = handles[index];
	if (handles[0] == 0)
		table->last_free = 0;
	table->free_slots--;
	return index;
}

/* ---- memory and limit: under the table's lock ---- */

void xvi_ids_limit_pool(struct xv_handle_table *table, size_t table_bytes)
{
	uint64_t limit = table->limit_bytes;

	if (limit != 0)
		limit = limit > table_bytes ? limit - table_bytes : 1; /* 0 would be no limit */
	xv_pool_set_limit(table->pool, limit);
}

/* Have memory for this many slots. On error nothing has changed. */
static int commit(struct xv_handle_table *table, uint32_t slots)
{
	size_t old_states = table->states.committed;
	size_t states =
		xvi_ids_table_bytes(slots) > old_states ? xvi_ids_table_bytes(slots) : old_states;
	size_t handles = (size_t)slots * HANDLE_BYTES;
	struct xv_pool_stats stats;
	int err = 0;

	/* The pool may not grow into what the table is about to take. */
	xvi_ids_limit_pool(table, states + handles);
	xv_pool_get_stats(table->pool, &stats);
	if (table->limit_bytes != 0 && stats.held_bytes + states + handles > table->limit_bytes)
		err = -XV_ENOSPC;
	if (err == 0)
		err = meta_commit(table->provider, &table->states, states);
	if (err == 0)
		err = meta_commit(table->provider, &table->handles, handles);
	if (err != 0) {
		(void)meta_commit(table->provider, &table->states, old_states); /* cannot fail */
		xvi_ids_limit_pool(table, xvi_ids_table_held_bytes(table));
	}
	return err;
}

/* States that become usable are zero, SLOT_FREE; those of slots that were trimmed still are. */
int xvi_ids_grow(struct xv_handle_table *table)
{
	uint32_t from = slot_count(&table->slots);
	uint32_t to = (from / GROWTH_SLOTS + 1) * GROWTH_SLOTS;
	int err;

	if (from > table->max_ids)
		return -XV_ENOSPC;
	if (to > table->max_ids + 1)
		to = table->max_ids + 1;
	err = commit(table, to);
	if (err != 0)
		return err;
	for (uint32_t i = from; i < to; i++)
		queue_put_last(table, i);
	xvi_atomic_store_release(&table->slots.count, to);
	return 0;
}

/* Nobody else calls: the lock is not needed. */
void xvi_ids_trim(struct xv_handle_table *table)
{
	struct handle_slots *slots = &table->slots;
	uint32_t keep = slot_count(slots);
	uint64_t at = slots->handles[0];

	while (keep > 1 && slot_kind(slots, keep - 1) == SLOT_FREE)
		keep--;
	keep = (keep + GROWTH_SLOTS - 1) / GROWTH_SLOTS * GROWTH_SLOTS;
	if (keep >= slot_count(slots))
		return;
	slots->handles[0] = 0;
	table->last_free = 0;
	table->free_slots = 0;
	while (at != 0) {
		uint64_t next = slots->handles[at];

		if (at < keep)
			queue_put_last(table, (uint32_t)at);
		at = next;
	}
	xvi_atomic_store(&slots->count, keep);
	(void)meta_commit(table->provider, &table->handles, (size_t)keep * HANDLE_BYTES);
	xvi_ids_limit_pool(table, xvi_ids_table_held_bytes(table));
}

/* ---- slots out of the queue and back ---- */

int xvi_ids_take(struct xv_handle_table *table, uint32_t *index)
{
	int err = 0;

	xvi_ids_enter(table);
	if (table->free_slots <= XV_ID_SPARE)
		err = xvi_ids_grow(table);
	if (table->free_slots != 0) {
		*index = queue_take_first(table);
		slot_settle(&table->slots, *index, slot_load(&table->slots, *index) | SLOT_TAKEN);
		err = 0;
	}
	xvi_lock_release(&table->lock);
	return err;
}

void xvi_ids_give(struct xv_handle_table *table, uint32_t index)
{
	uint32_t generation = slot_load(&table->slots, index) & SLOT_GENERATION_MASK;

	xvi_lock_acquire(&table->lock);
	slot_settle(&table->slots, index, generation | SLOT_FREE);
	queue_put_last(table, index);
	xvi_lock_release(&table->lock);
}
