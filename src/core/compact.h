/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A step of compaction in one shard: what compact.c offers compact_shards.c. Under the
 * shard's lock.
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

/* Pages that compaction of the shard would give back, as far as the counters tell. O(1). */
uint64_t xvi_compactable_pages(const struct xv_pool *pool);

/* Pages that the shard's objects need, once compacted. O(1). */
uint64_t xvi_compacted_pages(const struct xv_pool *pool);

/* Go on with the shard's cycle, or begin one, while the budget lasts. 0 or -XV_EAGAIN. */
int xvi_compact_locked(struct xvi_compact_step *step);

#endif
