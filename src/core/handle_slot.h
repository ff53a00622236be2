/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The slots of a handle table: what a slot is, and who may touch its handle when. May
 * call the platform's atomics alone.
 *
 * A slot is a state word and a handle. The state:
 *
 *   31                                 12 11           3  2       1  0
 *   [ wear: times freed, modulo 2^20     ][ holds       ][ seized ][ SLOT_* ]
 *
 * An id is [ low bits of wear ][ slot number ], the number in as many bits as max_ids
 * takes (at least 12). Slot 0 is never given out, so that no id is 0; its handle word is
 * the head of the ring of free slots, in which the handle word of a free slot is
 * [ previous ][ next ], 32 bits each.
 *
 * The rule. The state is atomic; the handle is not, and is touched only by who has
 *   - a hold of the slot (many may have one): to read it;
 *   - seized the slot (one, and then nobody holds it): to read and change it;
 *   - the table's lock, while the slot is SLOT_FREE;
 *   - taken the slot out of the ring (SLOT_TAKEN): nobody else knows it.
 * A call on an id holds or seizes the slot first and enters the pool after, so that the
 * handle it gives to the pool is right and stays right until the call is over. Who
 * seizes marks the slot first, which turns new holders away, and then waits for the old
 * ones to go.
 *
 * Compaction comes from the other side: the pool's lock is taken, and the object's slot
 * must be asked. Waiting here could wait for a holder that waits for the pool's lock, so
 * it never does: slot_try_seize succeeds at once, or the move is refused. Since an
 * object has but one handle at a time, and `relocated` finds the slot both seized by
 * itself and with the handle that the pool names, the move is one step for everybody.
 * An object is SLOT_TAKEN while it is made, before its handle is known: refused too.
 *
 * In a table made with XV_LOCK_NONE (threaded is false) the same words are kept with
 * plain loads and stores.
 *
 * Invariants (xv_handle_table_check names them by number):
 *   101  free slots and slots in use, as counted, are all there are
 *   102  the ring links the free slots, as many as counted, both ways
 *   103  a slot in use has a live object in the pool, and that object's owner is the slot
 *   104  between calls no slot is held, seized or SLOT_TAKEN
 */
#ifndef XVI_HANDLE_SLOT_H
#define XVI_HANDLE_SLOT_H

#include "xvi_atomic.h"
#include "xvi_bits.h"

#include <xvmalloc/handle_table.h>

enum {
	SLOT_FREE = 0,
	SLOT_TAKEN = 1,
	SLOT_USED = 2,
	SLOT_KIND_MASK = 3,

	SLOT_SEIZED = 1 << 2,
	SLOT_HOLD = 1 << 3, /* one hold */
	SLOT_HOLDS_MASK = 0xFF8,
	SLOT_WEAR_SHIFT = 12,
	SLOT_WEAR_BITS = 20,

	CHUNK_SLOTS = 256,
};

#define SLOT_WEAR_ONE ((uint32_t)1 << SLOT_WEAR_SHIFT)
#define SLOT_WEAR_MASK (UINT32_MAX << SLOT_WEAR_SHIFT)

/* Slots are made so many at a time. */
struct handle_chunk {
	uint64_t handle[CHUNK_SLOTS];
	struct xvi_atomic32 state[CHUNK_SLOTS];
};

_Static_assert(sizeof(struct handle_chunk) == 12 * CHUNK_SLOTS, "a slot costs 12 bytes");

/* The slots that exist, and how to read an id. */
struct handle_slots {
	struct handle_chunk *chunks;
	struct xvi_atomic32 count; /* slot 0 included; grows under the table's lock */
	uint32_t index_bits;
	bool threaded;
};

static inline struct xvi_atomic32 *slot_state(const struct handle_slots *slots, uint32_t index)
{
	return &slots->chunks[index / CHUNK_SLOTS].state[index % CHUNK_SLOTS];
}

static inline uint64_t *slot_handle(const struct handle_slots *slots, uint32_t index)
{
	return &slots->chunks[index / CHUNK_SLOTS].handle[index % CHUNK_SLOTS];
}

static inline uint32_t slot_count(const struct handle_slots *slots)
{
	return slots->threaded ? xvi_atomic_load_acquire(&slots->count)
			       : xvi_atomic_load(&slots->count);
}

static inline uint32_t slot_load(const struct handle_slots *slots, uint32_t index)
{
	const struct xvi_atomic32 *state = slot_state(slots, index);

	return slots->threaded ? xvi_atomic_load_acquire(state) : xvi_atomic_load(state);
}

static inline bool slot_replace(const struct handle_slots *slots, uint32_t index, uint32_t from,
				uint32_t to)
{
	if (slots->threaded)
		return xvi_atomic_cas_acquire(slot_state(slots, index), from, to);
	xvi_atomic_store(slot_state(slots, index), to);
	return true;
}

/* The new state of a slot that is the caller's alone: seized, taken, or locked. */
static inline void slot_settle(const struct handle_slots *slots, uint32_t index, uint32_t state)
{
	if (slots->threaded)
		xvi_atomic_store_release(slot_state(slots, index), state);
	else
		xvi_atomic_store(slot_state(slots, index), state);
}

static inline uint32_t slot_index(const struct handle_slots *slots, xv_id id)
{
	return id & (((uint32_t)1 << slots->index_bits) - 1U);
}

static inline xv_id slot_id(const struct handle_slots *slots, uint32_t index, uint32_t state)
{
	return (state >> SLOT_WEAR_SHIFT) << slots->index_bits | index;
}

/* Is this the state of the slot that the id names, in its generation? */
static inline bool slot_is_named(const struct handle_slots *slots, uint32_t state, xv_id id)
{
	return (state & SLOT_KIND_MASK) == SLOT_USED &&
	       slot_id(slots, slot_index(slots, id), state) == id;
}

/*
 * The slot of a live id, with this bit pattern added to its state: SLOT_HOLD or
 * SLOT_SEIZED. 0 when the id is not live (no slot has the number 0). Waits while the
 * slot is seized.
 */
static inline uint32_t slot_enter(const struct handle_slots *slots, xv_id id, uint32_t how)
{
	uint32_t index = slot_index(slots, id);
	unsigned turns = 0;

	if (index >= slot_count(slots))
		return 0;
	for (;;) {
		uint32_t state = slot_load(slots, index);

		if (!slot_is_named(slots, state, id))
			return 0;
		if (XVI_LIKELY((state & SLOT_SEIZED) == 0 &&
			       (state & SLOT_HOLDS_MASK) != SLOT_HOLDS_MASK)) {
			if (slot_replace(slots, index, state, state + how))
				return index;
		} else {
			xvi_pause(&turns);
		}
	}
}

/* Hold the slot of an id, for its handle to be read. 0 when the id is not live. */
static inline uint32_t slot_hold(const struct handle_slots *slots, xv_id id)
{
	return slot_enter(slots, id, SLOT_HOLD);
}

static inline void slot_release(const struct handle_slots *slots, uint32_t index)
{
	struct xvi_atomic32 *state = slot_state(slots, index);

	if (slots->threaded)
		xvi_atomic_sub_release(state, SLOT_HOLD);
	else
		xvi_atomic_store(state, xvi_atomic_load(state) - SLOT_HOLD);
}

/* Seize the slot of an id, for its handle to be changed; ends with slot_settle. */
static inline uint32_t slot_seize(const struct handle_slots *slots, xv_id id)
{
	uint32_t index = slot_enter(slots, id, SLOT_SEIZED);
	unsigned turns = 0;

	while (index != 0 && (slot_load(slots, index) & SLOT_HOLDS_MASK) != 0)
		xvi_pause(&turns);
	return index;
}

/*
 * Seize a slot by its number without waiting; *state is what to settle it with. False
 * when it is not in use, or somebody is busy with it.
 */
static inline bool slot_try_seize(const struct handle_slots *slots, uint32_t index, uint32_t *state)
{
	if (index == 0 || index >= slot_count(slots))
		return false;
	*state = slot_load(slots, index);
	return (*state & ~SLOT_WEAR_MASK) == SLOT_USED &&
	       slot_replace(slots, index, *state, *state | SLOT_SEIZED);
}

#endif
