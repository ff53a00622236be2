/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Compaction of a pool: its shards one after the other, a step of one of them in each
 * call, and the end of the page table when all have had their turn. Owns the turns in
 * struct xvi_shared. Takes the locks. O(budget), and O(shards) at a cycle's ends.
 */
#include "compact.h"
#include "shard.h"

enum {
	TABLE_SPARE = 1024, /* page records that are no reason to go on */
};

/* Begin a cycle of all shards: how many pages they will need together. */
static void shards_begin(struct xv_pool *pool)
{
	struct xvi_shared *shared = pool->shared;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < shared->count; i++) {
		const struct xv_pool *shard = xvi_shard(pool, i);

		if (shard != NULL)
			pages += xvi_compacted_pages(shard);
	}
	xvi_lock_acquire(&shared->lock);
	shared->compact_pages = pages;
	shared->compact_shard = 0;
	shared->compact_on = true;
	xvi_lock_release(&shared->lock);
}

/* The shard whose turn it is, where there still is one. */
static struct xv_pool *shard_to_compact(struct xv_pool *pool)
{
	struct xvi_shared *shared = pool->shared;
	struct xv_pool *shard = NULL;

	xvi_lock_acquire(&shared->lock);
	for (; shared->compact_shard < shared->count; shared->compact_shard++) {
		shard = xvi_shard(pool, shared->compact_shard);
		if (shard != NULL)
			break;
	}
	xvi_lock_release(&shared->lock);
	return shard;
}

/* A shard's cycle is over: the next one's turn. */
static void shard_done(struct xvi_shared *shared, uint32_t number)
{
	xvi_lock_acquire(&shared->lock);
	if (shared->compact_shard == number)
		shared->compact_shard++;
	xvi_lock_release(&shared->lock);
}

/*
 * All have had their turn. The first ones had to leave the low page numbers to those that
 * came later, and get them now if the page table is still much too long.
 */
static void shards_end(struct xv_pool *pool, struct xv_compact_report *report)
{
	struct xvi_shared *shared = pool->shared;

	xvi_enter_all(pool);
	report->freed_bytes += xvi_shared_trim(pool);
	xvi_lock_acquire(&shared->lock);
	shared->compact_on = shared->compact_pass++ == 0 &&
			     shared->pages.capacity > 2 * shared->compact_pages + TABLE_SPARE;
	report->more = shared->compact_on;
	if (!shared->compact_on)
		shared->compact_pass = 0;
	xvi_lock_release(&shared->lock);
	if (report->more)
		shards_begin(pool);
	xvi_leave_all(pool);
}

static bool cycle_is_on(struct xvi_shared *shared)
{
	bool on;

	xvi_lock_acquire(&shared->lock);
	on = shared->compact_on;
	xvi_lock_release(&shared->lock);
	return on;
}

static int compact_shards(struct xv_pool *pool, struct xvi_compact_step *step)
{
	struct xv_pool *shard;
	int err = 0;

	if (!cycle_is_on(pool->shared)) {
		xvi_enter_all(pool);
		shards_begin(pool);
		xvi_leave_all(pool);
	}
	shard = shard_to_compact(pool);
	if (shard == NULL) {
		shards_end(pool, step->report);
		return 0;
	}
	step->pool = shard;
	shard = xvi_enter_shard(shard);
	err = xvi_compact_locked(step);
	xvi_leave(shard);
	if (err == 0 && !step->report->more)
		shard_done(pool->shared, shard->number);
	step->report->more = true;
	return err;
}

static int compact_pool(struct xv_pool *pool, struct xvi_compact_step *step)
{
	int err;

	if (pool->shared != NULL)
		return compact_shards(pool, step);
	xvi_relock(pool);
	err = xvi_compact_locked(step);
	xvi_leave(pool);
	return err;
}

int xv_compact(struct xv_pool *pool, size_t budget_bytes, struct xv_compact_report *report)
{
	struct xv_compact_report unused;
	struct xvi_compact_step step = {.pool = pool, .report = report != NULL ? report : &unused};

	if (pool == NULL)
		return -XV_EINVAL;
	if (pool->owner_bytes == 0 || pool->owner_ops == NULL || pool->owner_ops->locate == NULL ||
	    pool->owner_ops->relocated == NULL)
		return -XV_ENOTSUP;
	if (budget_bytes == 0)
		budget_bytes = XV_COMPACT_BUDGET;
	step.budget = budget_bytes < INT32_MAX ? (int64_t)budget_bytes : INT32_MAX;
	memset(step.report, 0, sizeof(*step.report));
	return compact_pool(pool, &step);
}

uint64_t xv_compactable(struct xv_pool *pool)
{
	uint64_t pages = 0;

	if (pool == NULL || pool->owner_bytes == 0)
		return 0;
	xvi_enter_all(pool);
	for (uint32_t i = 0; i < xvi_shard_count(pool); i++) {
		const struct xv_pool *shard = xvi_shard(pool, i);

		if (shard != NULL)
			pages += xvi_compactable_pages(shard);
	}
	xvi_leave_all(pool);
	return pages << pool->page_shift;
}
