/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A step of compaction in one shard: what compact.c and compact_choose.c offer each other and
 * compact_shards.c. Under the shard's lock.
 */
#ifndef XVI_COMPACT_H
#define XVI_COMPACT_H

#include "pool_impl.h"

/* One step: what is left of its budget, and its report. */
struct xvi_compact_step {
	struct xv_pool *pool;
	int64_t budget;
	struct xv_compact_report *report;
};

enum { ROUND_PERMILLE = 2 }; /* of the pages, to be had by another round */

/* Which of the buckets, by how full they are, a page is counted in. */
static inline uint32_t compact_bucket_of(const struct xv_pool *pool, const struct xvi_page *record)
{
	uint32_t bucket = (uint32_t)record->used_units * COMPACT_BUCKETS / pool->page_units;

	return bucket < COMPACT_BUCKETS ? bucket : COMPACT_BUCKETS - 1;
}

/* The sweep is over: choose the victims, or end the cycle. (compact_choose.c) */
void xvi_compact_choose(struct xv_pool *pool);

/* Pages that compaction of the shard would give back, as far as the counters tell. O(1). */
uint64_t xvi_compactable_pages(const struct xv_pool *pool);

/* Pages that the shard's objects need, once compacted. O(1). */
uint64_t xvi_compacted_pages(const struct xv_pool *pool);

/* Go on with the shard's cycle, or begin one, while the budget lasts. 0 or -XV_EAGAIN. */
int xvi_compact_locked(struct xvi_compact_step *step);

#endif
