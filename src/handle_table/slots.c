/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Slots of a handle table: their memory and the queue of free ones. See table_impl.h. */
#include "table_impl.h"

/* ---- the queue of free slots: under the table's lock ---- */

static void queue_put_last(struct xv_handle_table *table, uint32_t index)
{
	table->slots.handles[index] = 0;
	if (table->last_free != 0)
		table->slots.handles[table->last_free] = index;
	else
		table->first_free = index;
	table->last_free = index;
	table->free_slots++;
}

static uint32_t queue_take_first(struct xv_handle_table *table)
{
	uint32_t index = table->first_free;

	XVI_ASSERT(index != 0 && slot_kind(&table->slots, index) == SLOT_FREE);
	table->first_free = (uint32_t)table->slots.handles[index];
	if (table->first_free == 0)
		table->last_free = 0;
	table->free_slots--;
	return index;
}

/* ---- memory and limit: under the table's lock ---- */

uint64_t xvi_ids_held_bytes(const struct xv_handle_table *table)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(table->pool, &stats);
	return stats.held_bytes + xvi_ids_table_held_bytes(table);
}

uint64_t xvi_ids_pool_limit(const struct xv_handle_table *table, size_t table_bytes)
{
	if (table->limit_bytes == 0)
		return 0;
	/* 0 would be no limit. */
	return table->limit_bytes > table_bytes ? table->limit_bytes - table_bytes : 1;
}

/* Have memory for this many slots. On error nothing has changed. */
static int commit(struct xv_handle_table *table, uint32_t slots)
{
	size_t old_states = table->states.committed;
	size_t old_bytes = xvi_ids_table_held_bytes(table);
	size_t states =
		xvi_ids_table_bytes(slots) > old_states ? xvi_ids_table_bytes(slots) : old_states;
	size_t more = states + (size_t)slots * HANDLE_BYTES - old_bytes;
	int err = 0;

	if (!table->grows)
		return 0;
	/* The pool may not grow into what the table is about to take. */
	xv_pool_set_limit(table->pool, xvi_ids_pool_limit(table, old_bytes + more));
	if (table->limit_bytes != 0 && xvi_ids_held_bytes(table) + more > table->limit_bytes)
		err = -XV_ENOSPC;
	if (err == 0)
		err = meta_commit(table->provider, &table->states, states);
	if (err == 0) {
		err = meta_commit(table->provider, &table->handles, (size_t)slots * HANDLE_BYTES);
		if (err != 0)
			(void)meta_commit(table->provider, &table->states,
					  old_states); /* cannot fail */
	}
	if (err != 0)
		xv_pool_set_limit(table->pool, xvi_ids_pool_limit(table, old_bytes));
	return err;
}

int xvi_ids_grow(struct xv_handle_table *table)
{
	struct handle_slots *slots = &table->slots;
	uint32_t from = slot_count(slots);
	uint32_t to = from + GROWTH_SLOTS;
	int err;

	if (from > table->max_ids)
		return -XV_ENOSPC;
	if (to > table->max_ids + 1)
		to = table->max_ids + 1;
	err = commit(table, to);
	if (err != 0)
		return err;
	for (; table->states_made < to; table->states_made++)
		slot_settle(slots, table->states_made,
			    table->states_made == 0 ? SLOT_TAKEN : SLOT_FREE);
	for (uint32_t i = from == 0 ? 1 : from; i < to; i++)
		queue_put_last(table, i);
	xvi_atomic_store_release(&slots->count, to);
	return 0;
}

void xvi_ids_trim(struct xv_handle_table *table)
{
	struct handle_slots *slots = &table->slots;
	uint32_t keep = slot_count(slots);
	uint32_t at = table->first_free;

	while (keep > 1 && slot_kind(slots, keep - 1) == SLOT_FREE)
		keep--;
	keep = (keep + GROWTH_SLOTS - 1) / GROWTH_SLOTS * GROWTH_SLOTS;
	if (keep >= slot_count(slots))
		return;
	table->first_free = 0;
	table->last_free = 0;
	table->free_slots = 0;
	while (at != 0) {
		uint32_t next = (uint32_t)slots->handles[at];

		if (at < keep)
			queue_put_last(table, at);
		at = next;
	}
	xvi_atomic_store(&slots->count, keep);
	if (!table->grows)
		return;
	(void)meta_commit(table->provider, &table->handles, (size_t)keep * HANDLE_BYTES);
	xv_pool_set_limit(table->pool, xvi_ids_pool_limit(table, xvi_ids_table_held_bytes(table)));
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
		table->used_slots++;
		slot_settle(&table->slots, *index, slot_load(&table->slots, *index) | SLOT_TAKEN);
		err = 0;
	}
	xvi_lock_release(&table->lock);
	return err;
}

void xvi_ids_give(struct xv_handle_table *table, uint32_t index, uint32_t generations)
{
	uint32_t generation = slot_load(&table->slots, index) & SLOT_GENERATION_MASK;

	xvi_lock_acquire(&table->lock);
	slot_settle(&table->slots, index,
		    (generation + generations * SLOT_GENERATION_ONE) | SLOT_FREE);
	queue_put_last(table, index);
	table->used_slots--;
	xvi_lock_release(&table->lock);
}
