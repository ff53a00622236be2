/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * table_impl.h: the handle table inside: its rows, who may touch one when, and its memory. Calls
 * public headers and the platform. The table's lock guards the queue, the memory and the counters.
 * Order of locks: a row, the table's, the pool's.
 *
 * A row is a state word and a handle. The state:
 *
 *   31          16 15       9 8        3  2        1      0
 *   [ generation  ][ maps    ][ calls   ][ locked ][ ROW_* ]
 *
 * generation counts the objects that the row has had, modulo 2^16. An id is [ low bits of the
 * generation ][ row number ]; the number has as many bits as max_ids needs (at least 16). Row 0 is
 * never given out, so no id is 0. Free rows are queued in a ring that begins and ends with row 0:
 * the handle word of each is the number of the next.
 *
 * The state is atomic; the handle is not. These may touch the handle:
 *   - a call counted in the row (there may be many): read it
 *   - the call that has locked the row (one, and then no call is counted): read and change it, and
 *     change the row's kind
 *   - the thread with the table's lock, while the row is ROW_FREE
 *   - the thread that took the row out of the queue (ROW_TAKEN): no other thread knows it
 *
 * A call on an id enters the row first and the pool second, so the handle that it passes to the
 * pool stays right until it ends. A lock first marks the row, which keeps new calls out, and then
 * waits for the counted ones to end.
 *
 * A map outlives its call: it has its own count, and nobody waits for it. The object of a row with
 * maps is neither resized nor freed: xv_id_free makes the row ROW_FREED, and the last unmap frees
 * the object.
 *
 * Compaction has the pool's lock when it asks for a row. Calls in the row may wait for that lock,
 * so compaction must not wait: row_try_lock succeeds at once, or the move is refused.
 *
 * In a table made with XV_LOCK_NONE (threaded is false) plain loads and stores change the same
 * words.
 *
 * The memory is two reservations that grow at their ends. A trim gives back handles and keeps
 * states with their generations, so stale ids stay stale.
 *
 *   [ struct xv_handle_table ][ state of row 0 ][ state of row 1 ] ...
 *   [ handle of row 0 ][ handle of row 1 ] ...
 *
 * Invariants (xv_handle_table_check names them by number):
 *   101  as many rows are ROW_FREE as are counted; the others are in use
 *   102  the queue has as many free rows as are counted, and ends at the last of them
 *   103  a row in use has a live object in the pool, whose owner is the row
 *   104  between calls no row is locked, counts a call, or is ROW_TAKEN
 */
#ifndef XVI_TABLE_IMPL_H
#define XVI_TABLE_IMPL_H

#include "xvi_atomic.h"
#include "xvi_bits.h"
#include "xvi_lock.h"
#include "xvi_meta.h"

#include <xvmalloc/handle_table.h>

enum {
	ROW_FREE = 0,
	ROW_TAKEN = 1,
	ROW_USED = 2,
	ROW_FREED = 3, /* the id is dead, the object is mapped */
	ROW_KIND_MASK = 3,
	ROW_OBJECT_MASK = 2, /* ROW_USED or ROW_FREED: there is an object */

	ROW_LOCKED = 1 << 2,
	ROW_CALL = 1 << 3, /* one call */
	ROW_CALLS_MASK = 0x1F8,
	ROW_MAP = 1 << 9, /* one map */
	ROW_MAPS_MASK = 0xFE00,
	ROW_GENERATION_SHIFT = 16,
	ROW_GENERATION_BITS = 16,
};

#define ROW_GENERATION_ONE ((uint32_t)1 << ROW_GENERATION_SHIFT)
#define ROW_GENERATION_MASK (UINT32_MAX << ROW_GENERATION_SHIFT)

_Static_assert(ROW_MAPS_MASK / ROW_MAP == XV_ID_MAPS_MAX, "the maps that the header promises");

enum {
	GROWTH_ROWS = 256, /* rows made at a time */
};

_Static_assert(sizeof(xv_handle) + sizeof(struct xvi_atomic32) == 12,
	       "a row costs what the header says");

struct xv_handle_table {
	/* Constants after creation, except count. */
	xv_handle *handles;
	struct xvi_atomic32 count; /* rows, row 0 included; changes under the lock */
	uint32_t index_bits;
	bool threaded;
	struct xv_provider *provider;
	struct xv_pool *pool;
	uint32_t max_ids;

	struct xvi_lock lock;
	bool closed;                  /* by lock_all: no row leaves the queue */
	struct xvi_meta state_memory; /* this structure and all states */
	struct xvi_meta handle_memory;
	uint32_t last_free; /* end of the queue; 0 = it is empty */
	uint32_t free_rows;
	uint64_t limit_bytes;
	uint64_t bad_ids;
	struct xvi_atomic32 states[];
};

static inline uint32_t row_count(const struct xv_handle_table *table)
{
	return xvi_atomic_load_acquire(&table->count);
}

static inline uint32_t row_load(const struct xv_handle_table *table, uint32_t index)
{
	return xvi_atomic_load_acquire(&table->states[index]);
}

static inline uint32_t row_kind(const struct xv_handle_table *table, uint32_t index)
{
	return row_load(table, index) & ROW_KIND_MASK;
}

static inline bool row_replace(struct xv_handle_table *table, uint32_t index, uint32_t from,
			       uint32_t to)
{
	if (table->threaded)
		return xvi_atomic_cas_acquire(&table->states[index], from, to);
	xvi_atomic_store(&table->states[index], to);
	return true;
}

/* Set the state of a row that only the caller has: locked, taken, or out of the queue. */
static inline void row_settle(struct xv_handle_table *table, uint32_t index, uint32_t state)
{
	xvi_atomic_store_release(&table->states[index], state);
}

static inline uint32_t row_index(const struct xv_handle_table *table, xv_id id)
{
	return id & (((uint32_t)1 << table->index_bits) - 1U);
}

static inline xv_id row_id(const struct xv_handle_table *table, uint32_t index, uint32_t state)
{
	return (state >> ROW_GENERATION_SHIFT) << table->index_bits | index;
}

/*
 * Enter the row of an id: `how` (ROW_CALL, ROW_CALL + ROW_MAP or ROW_LOCKED) is added to its state.
 * kind_mask is ROW_KIND_MASK if the id must be live, ROW_OBJECT_MASK if an object is enough. Waits
 * while the row is locked. Returns 0, -XV_EINVAL (the id names nothing) or -XV_EAGAIN (no more
 * maps).
 */
static inline int row_enter(struct xv_handle_table *table, xv_id id, uint32_t how,
			    uint32_t kind_mask)
{
	uint32_t index = row_index(table, id);
	unsigned turns = 0;

	XVI_ASSERT(how == ROW_CALL || how == ROW_CALL + ROW_MAP || how == ROW_LOCKED);
	if (index >= row_count(table))
		return -XV_EINVAL;
	for (;;) {
		uint32_t state = row_load(table, index);

		if ((state & kind_mask) != ROW_USED || row_id(table, index, state) != id)
			return -XV_EINVAL;
		if ((how & ROW_MAP) != 0 && (state & ROW_MAPS_MASK) == ROW_MAPS_MASK)
			return -XV_EAGAIN;
		if (XVI_UNLIKELY((state & ROW_LOCKED) != 0 ||
				 (state & ROW_CALLS_MASK) == ROW_CALLS_MASK))
			xvi_pause(&turns);
		else if (row_replace(table, index, state, state + how))
			break;
	}
	while ((how & ROW_LOCKED) != 0 && (row_load(table, index) & ROW_CALLS_MASK) != 0)
		xvi_pause(&turns);
	return 0;
}

/* Subtract from the state what row_enter or row_try_lock added. */
static inline void row_leave(struct xv_handle_table *table, uint32_t index, uint32_t what)
{
	XVI_ASSERT((row_load(table, index) & (ROW_LOCKED | ROW_CALLS_MASK)) != 0);
	XVI_ASSERT((row_load(table, index) & ROW_CALLS_MASK) >= (what & ROW_CALLS_MASK));
	XVI_ASSERT((row_load(table, index) & ROW_MAPS_MASK) >= (what & ROW_MAPS_MASK));
	if (table->threaded)
		xvi_atomic_sub_release(&table->states[index], what);
	else
		row_settle(table, index, row_load(table, index) - what);
}

/* Lock a row by its number without waiting. False when its id is not live, the object is mapped,
 * or a call is in the row. */
static inline bool row_try_lock(struct xv_handle_table *table, uint32_t index)
{
	uint32_t state;

	if (index >= row_count(table))
		return false;
	state = row_load(table, index);
	return (state & ~ROW_GENERATION_MASK) == ROW_USED &&
	       row_replace(table, index, state, state | ROW_LOCKED);
}

/* Bytes of the table with its first `rows` states. */
static inline size_t xvi_ids_table_bytes(size_t rows)
{
	return sizeof(struct xv_handle_table) + rows * sizeof(struct xvi_atomic32);
}

static inline size_t xvi_ids_table_held_bytes(const struct xv_handle_table *table)
{
	return table->state_memory.committed + table->handle_memory.committed;
}

/* Take the table's lock, when no thread has the whole table (lock_all). */
void xvi_ids_enter(struct xv_handle_table *table);

/* Set the pool's limit to what the table and `more` bytes leave of the table's limit. */
void xvi_ids_limit_pool(struct xv_handle_table *table, size_t more);

/* Make GROWTH_ROWS more rows, or fewer up to max_ids. Under the lock. Returns 0, -XV_ENOSPC
 * (max_ids, or the limit) or the provider's error. O(GROWTH_ROWS). */
int xvi_ids_grow(struct xv_handle_table *table);

/* Drop free rows at the end. Never beside another call on the table. O(rows). */
void xvi_ids_trim(struct xv_handle_table *table);

/* The pool's compaction asks the table through these. */
extern const struct xv_owner_ops xvi_ids_owner_ops;

#endif
