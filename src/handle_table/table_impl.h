/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The handle table from inside: its slots, who may touch one when, and its memory. Calls
 * public headers and the platform. The table's lock guards the queue, the memory and the
 * counters. Order: a slot, then the table's lock, then the pool's.
 *
 * A slot is a state word and a handle. The state:
 *
 *   31          16 15       9 8        3  2        1      0
 *   [ generation  ][ maps    ][ calls   ][ locked ][ SLOT_* ]
 *
 * generation counts the objects that the slot has had, modulo 2^16. An id is [ low bits of
 * the generation ][ slot number ], the number in as many bits as max_ids takes (at least 16).
 * Slot 0 is never given out, so that no id is 0. Free slots are queued in a ring that begins
 * and ends with slot 0: the handle word of each is the number of the next.
 *
 * The rule. The state is atomic; the handle is not, and may be touched by
 *   - a call counted in the slot (many may be): to read it;
 *   - the call that has locked the slot (one, and then no call is counted): to read and
 *     change it, and to change the slot's kind;
 *   - who has the table's lock, while the slot is SLOT_FREE;
 *   - who has taken the slot out of the queue (SLOT_TAKEN): nobody else knows it.
 * A call on an id enters the slot first and the pool after, so that the handle it gives to the
 * pool stays right until the call is over. Locking marks the slot first, which keeps new calls
 * out, and then waits for the counted ones to end.
 *
 * A map outlives its call: it is counted on its own and nobody waits for it. The object of a
 * slot with maps is neither resized nor freed: xv_id_free makes the slot SLOT_FREED, and the
 * unmap that ends the last map frees the object.
 *
 * Compaction has the pool's lock when it asks for a slot. Waiting could wait for a call that
 * waits for that lock, so slot_try_lock succeeds at once, or the move is refused.
 *
 * In a table made with XV_LOCK_NONE (threaded is false) the same words are changed by loads
 * and stores alone.
 *
 * The memory is two reservations, which grow at their ends. A trim gives back handles and keeps
 * states, where the generations are: so an id that is stale stays stale.
 *
 *   [ struct xv_handle_table ][ state of slot 0 ][ state of slot 1 ] ...
 *   [ handle of slot 0 ][ handle of slot 1 ] ...
 *
 * Invariants (xv_handle_table_check names them by number):
 *   101  as many slots are SLOT_FREE as are counted; the others are in use
 *   102  the queue holds free slots, as many as counted, and ends at the last of them
 *   103  a slot in use has a live object in the pool, and that object's owner is the slot
 *   104  between calls no slot is locked, counts a call, or is SLOT_TAKEN
 */
#ifndef XVI_TABLE_IMPL_H
#define XVI_TABLE_IMPL_H

#include "xvi_atomic.h"
#include "xvi_bits.h"
#include "xvi_lock.h"
#include "xvi_meta.h"

#include <xvmalloc/handle_table.h>

enum {
	SLOT_FREE = 0,
	SLOT_TAKEN = 1,
	SLOT_USED = 2,
	SLOT_FREED = 3, /* the id is dead, the object still mapped */
	SLOT_KIND_MASK = 3,
	SLOT_OBJECT_MASK = 2, /* SLOT_USED or SLOT_FREED: there is an object */

	SLOT_LOCKED = 1 << 2,
	SLOT_CALL = 1 << 3, /* one call */
	SLOT_CALLS_MASK = 0x1F8,
	SLOT_MAP = 1 << 9, /* one map */
	SLOT_MAPS_MASK = 0xFE00,
	SLOT_GENERATION_SHIFT = 16,
	SLOT_GENERATION_BITS = 16,
};

#define SLOT_GENERATION_ONE ((uint32_t)1 << SLOT_GENERATION_SHIFT)
#define SLOT_GENERATION_MASK (UINT32_MAX << SLOT_GENERATION_SHIFT)

_Static_assert(SLOT_MAPS_MASK / SLOT_MAP == XV_ID_MAPS_MAX, "the maps that the header promises");

enum {
	GROWTH_SLOTS = 256, /* slots made at a time */
};

_Static_assert(sizeof(xv_handle) + sizeof(struct xvi_atomic32) == 12,
	       "a slot costs what the header says");

struct xv_handle_table {
	/* Constants after creation, but for count. */
	xv_handle *handles;
	struct xvi_atomic32 count; /* slots, slot 0 included; changes under the lock */
	uint32_t index_bits;
	bool threaded;
	struct xv_provider *provider;
	struct xv_pool *pool;
	uint32_t max_ids;

	struct xvi_lock lock;
	bool closed;                  /* by lock_all: no slot leaves the queue */
	struct xvi_meta state_memory; /* this structure, to the last state */
	struct xvi_meta handle_memory;
	uint32_t last_free; /* end of the queue; 0: it is empty */
	uint32_t free_slots;
	uint64_t limit_bytes;
	uint64_t bad_ids;
	struct xvi_atomic32 states[];
};

static inline uint32_t slot_count(const struct xv_handle_table *table)
{
	return xvi_atomic_load_acquire(&table->count);
}

static inline uint32_t slot_load(const struct xv_handle_table *table, uint32_t index)
{
	return xvi_atomic_load_acquire(&table->states[index]);
}

static inline uint32_t slot_kind(const struct xv_handle_table *table, uint32_t index)
{
	return slot_load(table, index) & SLOT_KIND_MASK;
}

static inline bool slot_replace(struct xv_handle_table *table, uint32_t index, uint32_t from,
				uint32_t to)
{
	if (table->threaded)
		return xvi_atomic_cas_acquire(&table->states[index], from, to);
	xvi_atomic_store(&table->states[index], to);
	return true;
}

/* The new state of a slot that is the caller's alone: locked, taken, or out of the queue. */
static inline void slot_settle(struct xv_handle_table *table, uint32_t index, uint32_t state)
{
	xvi_atomic_store_release(&table->states[index], state);
}

static inline uint32_t slot_index(const struct xv_handle_table *table, xv_id id)
{
	return id & (((uint32_t)1 << table->index_bits) - 1U);
}

static inline xv_id slot_id(const struct xv_handle_table *table, uint32_t index, uint32_t state)
{
	return (state >> SLOT_GENERATION_SHIFT) << table->index_bits | index;
}

/*
 * Enter the slot that an id names: `how` is added to its state, which is SLOT_CALL,
 * SLOT_CALL + SLOT_MAP or SLOT_LOCKED. kind_mask is SLOT_KIND_MASK where the id must be
 * live, SLOT_OBJECT_MASK where its object is enough. Waits while the slot is locked. Returns 0,
 * -XV_EINVAL (the id names nothing) or -XV_EAGAIN (no more maps).
 */
static inline int slot_enter(struct xv_handle_table *table, xv_id id, uint32_t how,
			     uint32_t kind_mask)
{
	uint32_t index = slot_index(table, id);
	unsigned turns = 0;

	if (index >= slot_count(table))
		return -XV_EINVAL;
	for (;;) {
		uint32_t state = slot_load(table, index);

		if ((state & kind_mask) != SLOT_USED || slot_id(table, index, state) != id)
			return -XV_EINVAL;
		if ((how & SLOT_MAP) != 0 && (state & SLOT_MAPS_MASK) == SLOT_MAPS_MASK)
			return -XV_EAGAIN;
		if (XVI_UNLIKELY((state & SLOT_LOCKED) != 0 ||
				 (state & SLOT_CALLS_MASK) == SLOT_CALLS_MASK))
			xvi_pause(&turns);
		else if (slot_replace(table, index, state, state + how))
			break;
	}
	while ((how & SLOT_LOCKED) != 0 && (slot_load(table, index) & SLOT_CALLS_MASK) != 0)
		xvi_pause(&turns);
	return 0;
}

/* Take from the state what slot_enter or slot_try_lock has added. */
static inline void slot_leave(struct xv_handle_table *table, uint32_t index, uint32_t what)
{
	XVI_ASSERT((slot_load(table, index) & (SLOT_LOCKED | SLOT_CALLS_MASK)) != 0);
	if (table->threaded)
		xvi_atomic_sub_release(&table->states[index], what);
	else
		slot_settle(table, index, slot_load(table, index) - what);
}

/* Lock a slot by its number without waiting. False when its id is not live, it is mapped, or a
 * call is busy with it. */
static inline bool slot_try_lock(struct xv_handle_table *table, uint32_t index)
{
	uint32_t state;

	if (index >= slot_count(table))
		return false;
	state = slot_load(table, index);
	return (state & ~SLOT_GENERATION_MASK) == SLOT_USED &&
	       slot_replace(table, index, state, state | SLOT_LOCKED);
}

/* Bytes of the table with its first `slots` states. */
static inline size_t xvi_ids_table_bytes(size_t slots)
{
	return sizeof(struct xv_handle_table) + slots * sizeof(struct xvi_atomic32);
}

static inline size_t xvi_ids_table_held_bytes(const struct xv_handle_table *table)
{
	return table->state_memory.committed + table->handle_memory.committed;
}

/* Take the table's lock, when no thread has the whole table (lock_all). */
void xvi_ids_enter(struct xv_handle_table *table);

/* The pool's limit is what the table and `more` bytes for it leave of the whole. */
void xvi_ids_limit_pool(struct xv_handle_table *table, size_t more);

/*
 * Make GROWTH_SLOTS more slots, or what is missing to max_ids. Under the lock. 0, -XV_ENOSPC
 * (max_ids, or the limit) or the provider's error. O(GROWTH_SLOTS).
 */
int xvi_ids_grow(struct xv_handle_table *table);

/* Drop free slots at the end. Never beside another call on the table. O(slots). */
void xvi_ids_trim(struct xv_handle_table *table);

/* How the pool's compaction asks and tells the table. */
extern const struct xv_owner_ops xvi_ids_owner_ops;

#endif
