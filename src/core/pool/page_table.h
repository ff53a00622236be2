/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_table.h: the records of a pool's pages, and whose each page is.
 *
 *   head                            records, `stride` bytes each, by page number
 *   [ struct xv_pool, first shard ][ 0 ][ 1 ][ 2 ] ...
 *   |      chunk      |      chunk      |      chunk      |
 *
 * A record is its heap's, but for one byte (struct xvi_page.source): the number of the shard
 * that has the page, and 1; 0 = nobody's. That byte is read by all threads.
 *
 * Memory. Address space becomes usable in large steps, and never less. Where the provider can
 * purge, a chunk is charged while a page with a record in it, or in part of it, is somebody's;
 * elsewhere what is usable is charged. The head is charged by who made it.
 *
 * The lock comes after those of the shards and before the budget's. Adding and removing are
 * O(pages of a chunk) for each chunk and the provider; asking is O(1) and takes no lock.
 */
#ifndef XVI_PAGE_TABLE_H
#define XVI_PAGE_TABLE_H

#include "budget.h"
#include "heap.h"
#include "meta.h"

enum {
	PAGE_NOBODY = 0,
	PAGE_KEPT = 255, /* nobody's, and its chunk is charged: its memory could not be purged */
};

struct xvi_page_table {
	/* Constants. */
	unsigned char *records;
	uint32_t stride;
	uint32_t most;           /* pages */
	bool sparse;             /* charged by chunk */
	struct xvi_meta *memory; /* NULL: all is usable, and charged by who made it */
	size_t at;               /* of the records in it, bytes */
	struct xv_provider *provider;
	struct xvi_budget *budget;

	struct xvi_lock lock;
	struct xvi_atomic32 covered; /* pages below this have a record that can be read */
};

/* A page is now the shard's of this number. 0, -XV_ENOSPC, -XV_ENOMEM or the provider's. */
int xvi_page_table_add(struct xvi_page_table *table, uint32_t page, uint32_t shard);

/* These pages are nobody's: their records are zero. */
void xvi_page_table_remove(struct xvi_page_table *table, uint32_t first, uint32_t count);

/* Bytes charged, the head's not. O(pages). All shards are locked. */
uint64_t xvi_page_table_charged(struct xvi_page_table *table);

static inline struct xvi_atomic8 *page_table_byte(const struct xvi_page_table *table, uint32_t page)
{
	return (struct xvi_atomic8 *)(void *)(table->records + (size_t)page * table->stride +
					      offsetof(struct xvi_page, source));
}

/* Number of the shard that has the page, and 1; PAGE_NOBODY or PAGE_KEPT. */
static inline uint32_t page_table_owner(const struct xvi_page_table *table, uint32_t page)
{
	if (page >= xvi_atomic_load_acquire(&table->covered))
		return PAGE_NOBODY;
	return xvi_atomic8_load(page_table_byte(table, page));
}

#endif
