/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_table.h: the records of a pool's pages, and whose each page is.
 *
 *   head                            records, `stride` bytes each: of page origin, origin + 1, ...
 *   [ struct xv_pool, first shard ][ 0 ][ 1 ][ 2 ] ...
 *   |      chunk      |      chunk      |      chunk      |
 *
 * A record is its heap's, but for one byte (struct xvi_page.source): the number of the shard
 * that has the page, and 1; 0 = nobody's.
 *
 * The origin. The records that end within the head's last chunk cost nothing. So that a small pool
 * needs no more, whichever pages it gets of a provider that it shares, the origin is its first
 * page for as long as those records are enough; then they move and the origin is 0. A pool without
 * pages begins anew.
 *
 * Memory. Address space becomes usable in large steps, and never less. Where the provider can
 * purge, a chunk is charged while a page with a record in it, or in part of it, is somebody's;
 * elsewhere what is usable is charged. The head is charged by who made it.
 *
 * All is changed with the budget locked. With the first shard locked the origin stays; once there
 * are several it is 0 for good, and the byte of a record can be read without a lock. Adding and
 * removing are O(pages of a chunk) for each chunk and the provider.
 */
#ifndef XVI_PAGE_TABLE_H
#define XVI_PAGE_TABLE_H

#include "budget.h"
#include "heap.h"
#include "xvi_meta.h"

enum {
	META_CHUNK_BYTES = 4096, /* in which memory of tables is counted */
	META_STEP_CHUNKS = 16,   /* that become usable at once, where they cost nothing untouched */

	PAGE_NOBODY = 0,
	PAGE_KEPT = 255, /* nobody's, and its chunk is charged: its memory could not be purged */
};

struct xvi_page_table {
	/* Constants. */
	unsigned char *records; /* index 0 */
	uint32_t stride;
	uint32_t most;           /* pages */
	bool sparse;             /* charged by chunk */
	struct xvi_meta *memory; /* NULL: all is usable, and charged by who made it */
	size_t at;               /* of index 0 in it, bytes */
	struct xv_provider *provider;
	struct xvi_budget *budget;

	uint32_t window;             /* slots in the head; 0: the origin is 0 for good */
	uint32_t origin;             /* page of index 0 */
	uint32_t pages;              /* that are somebody's, count */
	struct xvi_atomic32 covered; /* slots below this can be read */
};

/* A page is now the shard's of this number. The budget is locked, here and below. Adds what was
 * charged to *held, on an error too. 0, -XV_ENOSPC, -XV_ENOMEM or the provider's. */
int xvi_page_table_add(struct xvi_page_table *table, uint32_t page, uint32_t shard, int64_t *held);

/* The origin is 0, until the table has no page. As xvi_page_table_add. */
int xvi_page_table_widen(struct xvi_page_table *table, int64_t *held);

/* These pages are nobody's: their records are zero. */
void xvi_page_table_remove(struct xvi_page_table *table, uint32_t first, uint32_t count,
			   int64_t *held);

/* Go on to a page that is somebody's, or a number of pages that are not: false at the end. The
 * budget is not locked. */
bool xvi_page_table_next(struct xvi_page_table *table, uint32_t *page);

/* Bytes charged, the head's not. O(pages). All shards are locked. */
uint64_t xvi_page_table_charged(struct xvi_page_table *table);

static inline struct xvi_atomic8 *page_table_byte(const struct xvi_page_table *table,
						  uint32_t index)
{
	return (struct xvi_atomic8 *)(void *)(table->records + (size_t)index * table->stride +
					      offsetof(struct xvi_page, source));
}

/* Number of the shard that has the page, and 1; or PAGE_NOBODY. */
static inline uint32_t page_table_shard(const struct xvi_page_table *table, uint32_t page)
{
	uint32_t index = page - table->origin;
	uint32_t number = PAGE_NOBODY;

	if (index < xvi_atomic_load_acquire(&table->covered))
		number = xvi_atomic8_load(page_table_byte(table, index));
	return number != PAGE_KEPT ? number : PAGE_NOBODY;
}

#endif
