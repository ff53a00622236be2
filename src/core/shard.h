/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Shards: entering the one that a page or this thread belongs to, and what they share.
 * What shard.c offers the rest of the core; its head has the rules of locking. O(1), or
 * O(shards) where it says all.
 */
#ifndef XVI_SHARD_H
#define XVI_SHARD_H

#include "handle.h"

/* Do threads allocate from several shards? Once they do it stays so. While they do not, all
 * pages are the first one's; under its lock that cannot change. */
static inline bool xvi_is_spread(const struct xvi_shared *shared)
{
	return xvi_atomic_load_acquire(&shared->homes) != 1;
}

/* Is a page of this shard? Stays true while its lock is held. */
static inline bool xvi_page_is_ours(const struct xv_pool *pool, uint32_t page)
{
	return page < pool->pages.capacity &&
	       (pool->shared == NULL || !xvi_is_spread(pool->shared) ||
		xvi_atomic8_load(&pool->shared->map[page]) == pool->number);
}

/* Pages of all shards have numbers below this. */
static inline uint32_t xvi_pages_end(const struct xv_pool *pool)
{
	return pool->shared != NULL && xvi_is_spread(pool->shared)
		       ? xvi_atomic_load_acquire(&pool->shared->map_count)
		       : pool->pages.capacity;
}

/* State of a page, for sweeps: PAGE_NONE too where it is another shard's. */
static inline uint32_t xvi_own_page_state(const struct xv_pool *pool, uint32_t page)
{
	return xvi_page_is_ours(pool, page) ? xvi_page_state(&pool->pages.records[page])
					    : PAGE_NONE;
}

/* Make the shard of this number, or, where there is no memory for it, let the first
 * one stand for it. (pool.c) */
struct xv_pool *xvi_shard_make(struct xv_pool *pool, uint32_t number);

struct xv_pool *xvi_enter_home_shard(struct xv_pool *pool);
struct xv_pool *xvi_enter_shard_of(struct xv_pool *pool, uint32_t page);

/* Lock this shard, and return it. */
struct xv_pool *xvi_enter_shard(struct xv_pool *shard);

int xvi_free_sharded(struct xv_pool *pool, xv_handle handle);

/* Lock the shard that this thread allocates from, and return it. */
static inline struct xv_pool *xvi_enter_home(struct xv_pool *pool)
{
	if (XVI_UNLIKELY(pool->shared != NULL))
		return xvi_enter_home_shard(pool);
	xvi_lock_acquire(&pool->lock);
	return pool;
}

/* Lock the shard that a page belongs to; the first, where it is nobody's. */
static inline struct xv_pool *xvi_enter_page(struct xv_pool *pool, uint32_t page)
{
	if (XVI_UNLIKELY(pool->shared != NULL))
		return xvi_enter_shard_of(pool, page);
	xvi_lock_acquire(&pool->lock);
	return pool;
}

static inline struct xv_pool *xvi_enter(struct xv_pool *pool, xv_handle handle)
{
	return xvi_enter_page(pool, xv_handle_page(handle));
}

static inline void xvi_relock(struct xv_pool *shard)
{
	xvi_lock_acquire(&shard->lock);
}

static inline void xvi_leave(struct xv_pool *shard)
{
	xvi_lock_release(&shard->lock);
}

/* Shards that a pool may have; the i-th of them, NULL where nobody has used it yet or
 * the first one stands for it. */
static inline uint32_t xvi_shard_count(const struct xv_pool *pool)
{
	return pool->shared != NULL ? pool->shared->count : 1U;
}

static inline struct xv_pool *xvi_shard(struct xv_pool *pool, uint32_t i)
{
	struct xv_pool *shard = pool;

	if (pool->shared != NULL) {
		shard = xvi_atomic_ptr_load(&pool->shared->shard[i]);
		if (shard != NULL && shard->number != i)
			shard = NULL;
	}
	return shard;
}

/* Lock all shards, in the order of their numbers. No shard is made meanwhile. */
void xvi_enter_all(struct xv_pool *pool);
void xvi_leave_all(struct xv_pool *pool);

/* A shard has found no room: whole room in another, without waiting for its lock.
 * -XV_ENOMEM when there is none. */
int xvi_malloc_elsewhere(struct xv_pool *shard, const struct xvi_request *request,
			 xv_handle *handle);

/* The same with waiting, growing and splitting: the last resort. No lock is held. */
int xvi_malloc_anywhere(struct xv_pool *pool, const struct xvi_request *request, int err,
			xv_handle *handle);

/* Give back a locked shard's empty pages, and what quick reuse keeps: another shard may
 * lack them. Returns pages. O(pages + blocks kept). */
uint64_t xvi_shard_yield(struct xv_pool *shard);

/* Count held bytes that a shard takes, or gives back; with_limit: -XV_ENOSPC where they
 * would pass it. */
int xvi_shared_hold(struct xvi_shared *shared, struct xv_provider *provider, uint64_t bytes,
		    bool with_limit);
void xvi_shared_release(struct xvi_shared *shared, uint64_t bytes);
uint64_t xvi_shared_held(struct xvi_shared *shared, struct xv_provider *provider);
uint64_t xvi_shared_peak(struct xvi_shared *shared, struct xv_provider *provider);

/* Let the peak begin anew with what is held now. */
void xvi_shared_reset_peak(struct xvi_shared *shared, struct xv_provider *provider);

/* After a reset: the peak and the compaction begin anew. */
void xvi_shared_reset(struct xvi_shared *shared, struct xv_provider *provider);
void xvi_shared_set_limit(struct xvi_shared *shared, uint64_t limit_bytes);
uint64_t xvi_shared_limit(struct xvi_shared *shared);

/* A page is now this shard's, with a record, or nobody's. */
int xvi_shared_cover(struct xv_pool *shard, uint32_t page);
void xvi_shared_forget(struct xv_pool *shard, uint32_t page);

/* Drop the unused end of the page table. All shards are locked. Returns bytes. */
size_t xvi_shared_trim(struct xv_pool *pool);

#endif
