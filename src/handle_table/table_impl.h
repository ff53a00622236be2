/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The handle table from inside: its structure, and what slots.c and table.c offer. Calls
 * public headers and the platform. The table's lock guards the queue, the memory and the
 * counters. Order: a slot, then the table's lock, then the pool's.
 *
 * The memory is two reservations, which grow at their ends:
 *
 *   [ struct xv_handle_table ][ state of slot 0 ][ state of slot 1 ] ...
 *   [ handle of slot 0 ][ handle of slot 1 ] ...
 *
 * A trim gives back handles and keeps states, where the generations are: so an id that is
 * stale stays stale.
 */
#ifndef XVI_TABLE_IMPL_H
#define XVI_TABLE_IMPL_H

#include "slot.h"
#include "xvi_lock.h"
#include "xvi_meta.h"

enum {
	GROWTH_SLOTS = 256, /* slots made at a time, and the least a table has room for */
	TABLE_ALIGNMENT = 64,
	HANDLE_BYTES = sizeof(uint64_t),
	STATE_BYTES = sizeof(struct xvi_atomic32),
};

_Static_assert(HANDLE_BYTES + STATE_BYTES == 12, "a slot costs what the header says");

struct xv_handle_table {
	/* Constants after creation, but for slots.count. */
	struct handle_slots slots;
	struct xv_provider *provider;
	struct xv_pool *pool;
	uint32_t max_ids;

	struct xvi_lock lock;
	bool closed;            /* by lock_all: no slot leaves the queue */
	struct xvi_meta states; /* with this structure */
	struct xvi_meta handles;
	uint32_t last_free; /* end of the queue; 0: it is empty */
	uint32_t free_slots;
	uint64_t limit_bytes;
	uint64_t bad_ids;
};

/* Bytes of the table with its first `slots` states. */
static inline size_t xvi_ids_table_bytes(size_t slots)
{
	size_t head = (sizeof(struct xv_handle_table) + TABLE_ALIGNMENT - 1) / TABLE_ALIGNMENT *
		      TABLE_ALIGNMENT;

	return head + slots * STATE_BYTES;
}

static inline size_t xvi_ids_table_held_bytes(const struct xv_handle_table *table)
{
	return table->states.committed + table->handles.committed;
}

/* Take the table's lock, when no thread has the whole table (lock_all). */
void xvi_ids_enter(struct xv_handle_table *table);

/* The pool's limit is what `table_bytes` for the table leave of the whole. */
void xvi_ids_limit_pool(struct xv_handle_table *table, size_t table_bytes);

/*
 * Make GROWTH_SLOTS more slots, or what is missing to max_ids. Under the lock. 0, -XV_ENOSPC
 * (max_ids, or the limit) or the provider's error. O(GROWTH_SLOTS).
 */
int xvi_ids_grow(struct xv_handle_table *table);

/* Drop free slots at the end. Never beside another call on the table. O(slots). */
void xvi_ids_trim(struct xv_handle_table *table);

/* Take the slot that has been free for longest: SLOT_TAKEN. Errors as xvi_ids_grow. */
int xvi_ids_take(struct xv_handle_table *table, uint32_t *index);

/* Queue a slot that is the caller's alone. */
void xvi_ids_give(struct xv_handle_table *table, uint32_t index);

/* How the pool's compaction asks and tells the table. */
extern const struct xv_owner_ops xvi_ids_owner_ops;

#endif
