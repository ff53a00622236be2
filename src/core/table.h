/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The pool's growing tables: an array at the start of a reservation of meta memory,
 * committed in steps. Two of them: the page table, indexed by page number, and the
 * hole table, whose records are handed out from a list. Owns the tables' memory;
 * calls the provider's meta operations. Under the pool's lock.
 *
 * Taking or returning a record is O(1) apart from the provider.
 */
#ifndef XVI_TABLE_H
#define XVI_TABLE_H

#include "shard.h"

enum {
	TABLE_STEP_BYTES = 4096,
	HOLE_TABLE_MIN_RECORDS = 16,
	HOLE_RECORDS_LIMIT = 1 << BLOCK_FREE_VALUE_BITS,
};

/* Reserve meta memory; nothing is committed yet. 0 or -XV_ENOMEM. */
int xvi_table_reserve(struct xv_provider *provider, struct xvi_table *table, size_t max_bytes);

/* Bytes to commit for at least bytes: whole steps, within the reservation. */
size_t xvi_table_step(const struct xvi_table *table, size_t bytes);

/* Commit up to new_bytes, or down to it. 0 or the provider's error. */
int xvi_table_commit(struct xv_provider *provider, struct xvi_table *table, size_t new_bytes);

/* Give the reservation back. */
void xvi_table_release(struct xv_provider *provider, struct xvi_table *table);

/* Make sure that a page number has a record. 0, or an error with nothing changed. */
int xvi_page_table_cover(struct xv_pool *pool, uint32_t page);

/* Drop the unused end of the page table. Returns bytes given back. */
size_t xvi_page_table_trim(struct xv_pool *pool);

/* Commit one more step of hole records. False when there is no memory for it. */
bool xvi_hole_table_grow(struct xv_pool *pool);

/*
 * Drop one step's worth of records from the end of the hole table, moving those in use
 * into free ones below. Nothing happens unless `spare` records would stay free. Returns
 * bytes given back; 0 also when a page cannot be mapped. O(records of a step).
 */
size_t xvi_hole_table_shrink(struct xv_pool *pool, uint32_t spare);

/* A free record, or 0 when there is none to be had. */
static inline uint32_t hole_take(struct xv_pool *pool)
{
	struct xvi_hole_table *holes = &pool->holes;
	uint32_t index = holes->free_head;

	if (XVI_UNLIKELY(index == 0)) {
		if (!xvi_hole_table_grow(pool))
			return 0;
		index = holes->free_head;
	}
	holes->free_head = holes->records[index].next;
	holes->records[holes->free_head].prev = 0;
	holes->live++;
	return index;
}

static inline void hole_give(struct xv_pool *pool, uint32_t index)
{
	struct xvi_hole_table *holes = &pool->holes;

	holes->records[index].units = 0;
	holes->records[index].prev = 0;
	holes->records[index].next = holes->free_head;
	holes->records[holes->free_head].prev = index;
	holes->free_head = index;
	holes->live--;
}

#endif
