/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Slots of a handle table, out of the ring and back. See handle_ring.h. */
#include "handle_ring.h"

/* ---- the ring of free slots: under the table's lock ---- */

static void ring_link(const struct handle_slots *slots, uint32_t prev, uint32_t next)
{
	uint64_t *of_prev = slot_handle(slots, prev);
	uint64_t *of_next = slot_handle(slots, next);

	*of_prev = (*of_prev >> 32) << 32 | next;
	*of_next = (*of_next & UINT32_MAX) | (uint64_t)prev << 32;
}

static void ring_insert(struct xv_handle_table *table, uint32_t prev, uint32_t index)
{
	uint32_t next = ring_next(&table->slots, prev);

	ring_link(&table->slots, prev, index);
	ring_link(&table->slots, index, next);
	table->free_slots++;
}

static void ring_remove(struct xv_handle_table *table, uint32_t index)
{
	ring_link(&table->slots, ring_prev(&table->slots, index), ring_next(&table->slots, index));
	table->free_slots--;
}

/* ---- growing and shrinking ---- */

uint64_t xvi_pool_held_bytes(const struct xv_handle_table *table)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(table->pool, &stats);
	return stats.held_bytes;
}

uint64_t xvi_pool_limit(const struct xv_handle_table *table)
{
	if (table->limit_bytes == 0)
		return 0;
	return table->limit_bytes > table->committed_bytes
		       ? table->limit_bytes - table->committed_bytes
		       : 1;
}

/* Have so many bytes of the reservation usable. */
static int commit(struct xv_handle_table *table, size_t bytes)
{
	int err;

	if (bytes <= table->committed_bytes)
		return 0;
	if (table->limit_bytes != 0 && xvi_pool_held_bytes(table) + bytes > table->limit_bytes)
		return -XV_ENOSPC;
	err = table->provider->ops->meta_commit(table->provider, table, table->committed_bytes,
						bytes);
	if (err != 0)
		return err;
	table->committed_bytes = bytes;
	xv_pool_set_limit(table->pool, xvi_pool_limit(table));
	return 0;
}

int xvi_slots_grow(struct xv_handle_table *table)
{
	struct handle_slots *slots = &table->slots;
	uint32_t from = slot_count(slots);
	uint32_t to = from + CHUNK_SLOTS;
	int err;

	if (from > table->max_ids)
		return -XV_ENOSPC;
	if (to > table->max_ids + 1)
		to = table->max_ids + 1;
	err = commit(table, xvi_handle_table_bytes(from / CHUNK_SLOTS + 1));
	if (err != 0)
		return err;
	for (uint32_t i = from; i < to; i++) {
		*slot_handle(slots, i) = 0;
		slot_settle(slots, i, table->birth_wear | (i == 0 ? SLOT_TAKEN : SLOT_FREE));
		if (i != 0)
			ring_insert(table, ring_prev(slots, 0), i);
	}
	if (slots->threaded)
		xvi_atomic_store_release(&slots->count, to);
	else
		xvi_atomic_store(&slots->count, to);
	return 0;
}

/* Are all slots from this number on free? */
static bool end_is_free(const struct handle_slots *slots, uint32_t from)
{
	for (uint32_t i = from; i < slot_count(slots); i++) {
		if ((slot_load(slots, i) & SLOT_KIND_MASK) != SLOT_FREE)
			return false;
	}
	return true;
}

/* Drop the last chunk; what its slots have been through is remembered for their heirs,
 * so that ids that are stale stay stale. */
static void drop_end(struct xv_handle_table *table, uint32_t from)
{
	struct handle_slots *slots = &table->slots;

	for (uint32_t i = from; i < slot_count(slots); i++) {
		uint32_t wear = slot_load(slots, i) & SLOT_WEAR_MASK;

		if (wear > table->birth_wear)
			table->birth_wear = wear;
		ring_remove(table, i);
	}
	xvi_atomic_store(&slots->count, from);
}

size_t xvi_slots_trim(struct xv_handle_table *table)
{
	size_t old_bytes = table->committed_bytes;
	size_t bytes;

	for (;;) {
		uint32_t from = (slot_count(&table->slots) - 1) / CHUNK_SLOTS * CHUNK_SLOTS;

		if (from == 0 || !end_is_free(&table->slots, from))
			break;
		drop_end(table, from);
	}
	bytes = xvi_handle_table_bytes(slot_count(&table->slots) / CHUNK_SLOTS);
	if (slot_count(&table->slots) % CHUNK_SLOTS != 0)
		bytes += sizeof(struct handle_chunk);
	/* What a scarce provider reserves is used up, committed or not. */
	if (!table->owned || (table->provider->flags & XV_PROVIDER_META_IS_SCARCE) != 0 ||
	    bytes >= old_bytes ||
	    table->provider->ops->meta_commit(table->provider, table, old_bytes, bytes) != 0)
		return 0;
	table->committed_bytes = bytes;
	xv_pool_set_limit(table->pool, xvi_pool_limit(table));
	return old_bytes - bytes;
}

/* ---- slots out of the ring and back ---- */

int xvi_slot_take(struct xv_handle_table *table, uint32_t *index)
{
	int err = 0;

	xvi_lock_acquire(&table->lock);
	if (table->free_slots <= XV_ID_SPARE)
		err = xvi_slots_grow(table);
	if (table->free_slots != 0) {
		*index = ring_next(&table->slots, 0);
		ring_remove(table, *index);
		table->used_slots++;
		slot_settle(&table->slots, *index,
			    (slot_load(&table->slots, *index) & SLOT_WEAR_MASK) | SLOT_TAKEN);
		err = 0;
	}
	xvi_lock_release(&table->lock);
	return err;
}

void xvi_slot_give(struct xv_handle_table *table, uint32_t index, uint32_t wear, bool first)
{
	xvi_lock_acquire(&table->lock);
	slot_settle(&table->slots, index, wear | SLOT_FREE);
	*slot_handle(&table->slots, index) = 0;
	ring_insert(table, first ? 0 : ring_prev(&table->slots, 0), index);
	table->used_slots--;
	xvi_lock_release(&table->lock);
}
