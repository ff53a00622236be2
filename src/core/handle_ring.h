/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The handle table from inside: its structure, and handing out slots. Owns the slots'
 * memory and the ring of free slots; calls public headers and the platform. The table's
 * lock guards the ring and the counters. Order: a slot's hold or seizure, then the
 * table's lock, then the pool's. O(1), but growing O(slots of a chunk) and trimming
 * O(slots).
 *
 * The memory, one reservation that grows at its end:
 *
 *   [ struct xv_handle_table ][ chunk 0 ][ chunk 1 ] ...
 */
#ifndef XVI_HANDLE_RING_H
#define XVI_HANDLE_RING_H

#include "handle_slot.h"
#include "xvi_lock.h"

enum { TABLE_ALIGNMENT = 64 };

struct xv_handle_table {
	/* Constants after creation, but for slots.count. */
	struct handle_slots slots;
	struct xv_provider *provider;
	struct xv_pool *pool;
	uint32_t max_ids;
	bool owned; /* memory from the provider */
	size_t reserved_bytes;

	struct xvi_lock lock;
	size_t committed_bytes;
	uint32_t free_slots;
	uint32_t used_slots; /* in use or taken */
	uint32_t birth_wear; /* of new slots: that of the most worn slot trimmed away */
	uint64_t limit_bytes;
	uint64_t bad_ids;
};

/* Bytes of a table with so many chunks. */
static inline size_t xvi_handle_table_bytes(size_t chunks)
{
	size_t head = (sizeof(struct xv_handle_table) + TABLE_ALIGNMENT - 1) / TABLE_ALIGNMENT *
		      TABLE_ALIGNMENT;

	return head + chunks * sizeof(struct handle_chunk);
}

static inline uint32_t ring_next(const struct handle_slots *slots, uint32_t index)
{
	return (uint32_t)*slot_handle(slots, index);
}

static inline uint32_t ring_prev(const struct handle_slots *slots, uint32_t index)
{
	return (uint32_t)(*slot_handle(slots, index) >> 32);
}

/* Bytes that the pool holds. */
uint64_t xvi_pool_held_bytes(const struct xv_handle_table *table);

/* The pool may hold what the table leaves of the limit; 0 = no limit. */
uint64_t xvi_pool_limit(const struct xv_handle_table *table);

/*
 * Make one more chunk of slots, or what is missing to max_ids. Under the lock. 0,
 * -XV_ENOSPC (max_ids, or the limit) or the provider's error.
 */
int xvi_slots_grow(struct xv_handle_table *table);

/* Drop free slots at the end. Returns the bytes given back. Under the lock, and never
 * beside a call on an id. */
size_t xvi_slots_trim(struct xv_handle_table *table);

/* Take the slot that has been free for longest: SLOT_TAKEN. Errors as xvi_slots_grow. */
int xvi_slot_take(struct xv_handle_table *table, uint32_t *index);

/* Put a slot that is the caller's alone into the ring, first or last, with this wear. */
void xvi_slot_give(struct xv_handle_table *table, uint32_t index, uint32_t wear, bool first);

#endif
