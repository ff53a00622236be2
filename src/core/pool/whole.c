/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * whole.c: calls on the whole pool: walk, compaction, trim, reset, limit.
 */
#include "pool_impl.h"

#include "xvi_probe.h"

enum { WALK_BATCH = 32 }; /* objects that are listed under the lock at a time */

/* ---- walking ---- */

/* List the next live objects of a page, from a unit on; 0 if no shard has the page, or it has no
 * more. A list may go on to the next page of the shard: objects of other pages are left for
 * later. */
static uint32_t list_page(struct xv_pool *pool, uint32_t page, uint32_t *unit,
			  struct xvi_object_seen *seen)
{
	struct xvi_shard *shard = xvi_enter_page_if_any(pool, page);
	uint32_t next = page;
	uint32_t count = 0;

	if (shard == NULL)
		return 0;
	/* Objects that were left to the shard are dead; the page may go with the last of them. */
	xvi_mail_read_all(shard);
	if (page_has_blocks(&shard->objects.heap, page))
		count = xvi_objects_list(&shard->objects, &next, unit, seen, WALK_BATCH);
	shard_leave(shard);
	if (count != 0 && xv_handle_page(seen[0].handle) != page)
		count = 0;
	if (next != page)
		*unit = UINT32_MAX;
	return count;
}

/* Is a listed object still live? */
static bool still_lives(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_shard *shard = xvi_enter_page_if_any(pool, xv_handle_page(handle));
	struct xvi_location at;
	bool lives;

	if (shard == NULL)
		return false;
	lives = xvi_object_is(&shard->objects, handle, &at);
	shard_leave(shard);
	return lives;
}

int xv_pool_walk(struct xv_pool *pool, int (*visit)(void *context, xv_handle handle, size_t size),
		 void *context)
{
	struct xvi_object_seen seen[WALK_BATCH];

	if (pool == NULL || visit == NULL)
		return -XV_EINVAL;
	for (uint32_t page = 0; xvi_page_table_next(&pool->pages, &page); page++) {
		uint32_t unit = 0;
		uint32_t count;

		do {
			count = list_page(pool, page, &unit, seen);
			for (uint32_t i = 0; i < count; i++) {
				int result = still_lives(pool, seen[i].handle)
						     ? visit(context, seen[i].handle, seen[i].size)
						     : 0;

				if (result != 0)
					return result;
			}
		} while (count != 0 && unit != UINT32_MAX);
	}
	return 0;
}

/* ---- compaction ---- */

static bool pool_compacts(const struct xv_pool *pool)
{
	return (pool->options.flags & XV_POOL_OWNERS) != 0 &&
	       pool->first->objects.owner_ops != NULL;
}

/* Bytes that a step gave back, less what earlier steps of the cycle took. */
static uint64_t freed_bytes(struct xvi_shard *shard, int64_t held_before, bool more)
{
	int64_t taken = shard->compact_taken + shard->held - held_before;

	XVI_ASSERT(xvi_lock_is_taken(&shard->lock) && shard->compact_taken >= 0);
	shard->compact_taken = more && taken > 0 ? taken : 0;
	return taken < 0 ? (uint64_t)-taken : 0;
}

static uint32_t pool_pages(struct xv_pool *pool)
{
	uint32_t pages;

	xvi_lock_acquire(&pool->budget.lock);
	pages = pool->pages.pages;
	xvi_lock_release(&pool->budget.lock);
	return pages;
}

/* The shards go through their cycles in turn. */
int xv_compact(struct xv_pool *pool, size_t step_bytes, struct xv_compact_report *report)
{
	struct xv_compact_report mine;
	struct xvi_shard *shard;
	int64_t held;
	uint32_t number;

	if (pool == NULL)
		return -XV_EINVAL;
	if (!pool_compacts(pool))
		return -XV_ENOTSUP;
	memset(&mine, 0, sizeof(mine));
	number = xvi_atomic_load(&pool->compact_at);
	shard = pool_shard(pool, number);
	if (shard != NULL) {
		shard_enter(shard);
		xvi_mail_read_all(shard);
		(void)xvi_pool_settle(pool);
		held = shard->held;
		xvi_objects_compact(&shard->objects,
				    step_bytes != 0 ? step_bytes : XV_COMPACT_STEP_BYTES,
				    pool_pages(pool), &mine);
		if (!mine.more)
			xvi_heap_shrink_records(&shard->objects.heap);
		shard->held -= (int64_t)xvi_pool_settle(pool);
		mine.freed_bytes = freed_bytes(shard, held, mine.more);
		shard_leave(shard);
	}
	if (!mine.more) {
		number = (number + 1) % pool->shard_most;
		xvi_atomic_store(&pool->compact_at, number);
		mine.more = number != 0;
	}
	XVI_PROBE4(xvmalloc, compact_step, pool, mine.moved_bytes, mine.freed_bytes, mine.more);
	if (report != NULL)
		*report = mine;
	return 0;
}

uint64_t xv_compactable(struct xv_pool *pool)
{
	struct xvi_shard *shard;
	uint64_t bytes = 0;

	if (pool == NULL || !pool_compacts(pool))
		return 0;
	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;) {
		shard_enter(shard);
		bytes += xvi_objects_compactable(&shard->objects);
		shard_leave(shard);
	}
	return bytes;
}

/* ---- giving back ---- */

/* Held bytes, with the stayed memory that is still there. */
static uint64_t held_now(struct xv_pool *pool)
{
	XVI_ASSERT(xvi_lock_is_taken(&pool->first->lock)); /* and so are all others */
	(void)xvi_pool_settle(pool);
	return budget_all_held(&pool->budget);
}

size_t xv_pool_trim(struct xv_pool *pool)
{
	struct xvi_shard *shard;
	uint64_t before, after;

	if (pool == NULL)
		return 0;
	xvi_enter_all(pool);
	before = held_now(pool);
	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;) {
		(void)xvi_objects_settle(&shard->objects);
		(void)xvi_heap_give_back(&shard->objects.heap, 0);
		xvi_heap_shrink_records(&shard->objects.heap);
	}
	after = held_now(pool);
	xvi_leave_all(pool);
	return before > after ? (size_t)(before - after) : 0;
}

/* Pages that nobody may move or drop now. The caller has all locks. */
static uint64_t pool_pins(struct xv_pool *pool)
{
	struct xvi_shard *shard;
	uint64_t pins = 0;

	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;) {
		XVI_ASSERT(xvi_lock_is_taken(&shard->lock));
		pins += shard->pins;
	}
	return pins;
}

int xv_pool_reset(struct xv_pool *pool)
{
	struct xvi_shard *shard;
	uint64_t pins;

	if (pool == NULL)
		return -XV_EINVAL;
	xvi_enter_all(pool);
	pins = pool_pins(pool);
	for (uint32_t i = 0; pins == 0 && (shard = pool_next(pool, &i)) != NULL;)
		xvi_objects_clear(&shard->objects);
	if (pins == 0) {
		XVI_ASSERT(pool->pages.pages == 0);
		xvi_atomic_store(&pool->compact_at, 0);
		pool->budget.peak = held_now(pool);
	}
	xvi_leave_all(pool);
	return pins == 0 ? 0 : -XV_EBUSY;
}

void xv_pool_set_limit(struct xv_pool *pool, uint64_t limit_bytes)
{
	if (pool == NULL)
		return;
	xvi_lock_acquire(&pool->budget.lock);
	pool->budget.limit = limit_bytes;
	xvi_lock_release(&pool->budget.lock);
}

void xv_pool_reset_peak(struct xv_pool *pool)
{
	if (pool == NULL)
		return;
	xvi_enter_all(pool);
	pool->budget.peak = held_now(pool);
	xvi_leave_all(pool);
}
