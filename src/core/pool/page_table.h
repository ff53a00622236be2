/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_table.h: the records of a pool's pages, and the shard of each page.
 *
 *   head                            records, `stride` bytes each: of page origin, origin + 1, ...
 *   [ struct xv_pool, first shard ][ 0 ][ 1 ][ 2 ] ...
 *   |      chunk      |      chunk      |      chunk      |
 *
 * A record belongs to the heap of its shard, except for one byte (struct xvi_page.source): the
 * number of the shard that has the page, plus 1; 0 = none.
 *
 * The origin. The records that end in the head's last chunk cost nothing. A small pool needs only
 * these, whatever pages it gets from a shared provider: the origin is its first page while they are
 * enough. Then they move, and the origin is 0. A pool without pages begins anew.
 *
 * Memory. Address space becomes usable in large steps, and is never given up. If the provider can
 * purge, a chunk is charged while it has a part of the record of a held page; otherwise all that is
 * usable is charged. Whoever makes the head charges it.
 *
 * Changes need the budget's lock. While the first shard is locked, the origin stays. With several
 * shards it is 0 for good, and the byte of a record can be read without a lock. Add and remove are
 * O(pages of a chunk) for each chunk, plus the provider.
 */
#ifndef XVI_PAGE_TABLE_H
#define XVI_PAGE_TABLE_H

#include "budget.h"
#include "heap.h"
#include "xvi_meta.h"

enum {
	META_CHUNK_BYTES = 4096, /* unit in which memory of tables is counted */
	META_STEP_CHUNKS = 16,   /* chunks made usable at once, if they cost nothing */

	PAGE_NOBODY = 0,
	PAGE_STAYED = 255, /* no shard has the page, and its chunk is charged: its memory could not
			    * be purged */
};

_Static_assert(XV_SHARDS_MAX < PAGE_STAYED, "the byte of a record names each shard");

struct xvi_page_table {
	/* Constants. */
	unsigned char *records; /* record 0 */
	uint32_t stride;
	uint32_t most;           /* pages */
	bool sparse;             /* charged by chunk */
	struct xvi_meta *memory; /* NULL: all is usable, and was charged by its maker */
	size_t at;               /* offset of record 0 in it, bytes */
	struct xv_provider *provider;
	struct xvi_budget *budget;

	uint32_t window;             /* records in the head; 0: the origin is 0 for good */
	uint32_t origin;             /* page of record 0 */
	uint32_t pages;              /* held, count */
	struct xvi_atomic32 covered; /* records below this number can be read */
};

/* A page now belongs to the shard of this number. The budget is locked, here and below. Adds what
 * was charged to *held, also on an error. Returns 0, -XV_ENOSPC, -XV_ENOMEM or the provider's. */
int xvi_page_table_add(struct xvi_page_table *table, uint32_t page, uint32_t shard, int64_t *held);

/* Make the origin 0, until the table has no page. As xvi_page_table_add. */
int xvi_page_table_widen(struct xvi_page_table *table, int64_t *held);

/* No shard has these pages now: their records become zero. */
void xvi_page_table_remove(struct xvi_page_table *table, uint32_t first, uint32_t count,
			   int64_t *held);

/* Go on to a held page, or over a number of pages that are not held: false at the end. The budget
 * is not locked. */
bool xvi_page_table_next(struct xvi_page_table *table, uint32_t *page);

/* Bytes charged, without the head. O(pages). All shards are locked. */
uint64_t xvi_page_table_charged(struct xvi_page_table *table);

static inline struct xvi_atomic8 *page_table_byte(const struct xvi_page_table *table,
						  uint32_t index)
{
	return (struct xvi_atomic8 *)(void *)(table->records + (size_t)index * table->stride +
					      offsetof(struct xvi_page, source));
}

/* Number of the shard that has the page, plus 1; or PAGE_NOBODY. */
static inline uint32_t page_table_shard(const struct xvi_page_table *table, uint32_t page)
{
	uint32_t index = page - table->origin;
	uint32_t number = PAGE_NOBODY;

	if (index < xvi_atomic_load_acquire(&table->covered))
		number = xvi_atomic8_load(page_table_byte(table, index));
	return number != PAGE_STAYED ? number : PAGE_NOBODY;
}

#endif
