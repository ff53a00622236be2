/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pool_impl.h: a pool: shards with a lock and a heap of objects each, one page table, one budget.
 * Read this first; budget.h and page_table.h are its parts.
 *
 * Words
 *   shard    a heap with its lock. A pool begins with the first one; more are made when threads
 *            meet at its lock
 *   home     the shard that a thread allocates from: that of the CPU it runs on
 *   mailbox  threads leave handles here to be freed while the shard's lock is taken
 *   budget   every byte that the pool holds is charged there first
 *
 * Memory. There are three kinds of stretches, in meta memory of the provider, or all in the memory
 * that the caller gave (then there is one shard):
 *
 *   the pool         [struct xv_pool][shard 0][its stretches][pages ...]
 *   a shard          [shard][mailbox][quarantine][list heads][first hole records]
 *   a hole table     [hole records ...], made when the first ones are used up
 *
 * Locks are taken in this order: shards by their numbers; the budget, which guards the page table
 * too; the provider's own. With several shards the shard of a page is read from the page table
 * without a lock. The page of a live object stays with its shard: so whoever reads another shard,
 * or none, has a bad handle.
 *
 * Invariants (xv_pool_check names them by number; 1 to 25 are those of heap and objects):
 *  31  held bytes are the sum over pages, page table, hole tables and shards
 *  32  a page belongs to the shard whose number the page table has
 *  33  promised bytes are the sum over the hole tables
 *  34  maps of a shard's pages are as many as the pins of its pages
 */
#ifndef XVI_POOL_IMPL_H
#define XVI_POOL_IMPL_H

#include "object.h"
#include "page_table.h"

#include <xvmalloc/pool.h>

enum {
	MEMORY_ALIGNMENT = 64, /* a cache line: two CPUs do not write to the same one */
	FIRST_RECORDS = 16,    /* of holes, behind each shard: a page record still fits 8 KiB */
	MAIL_HANDLES = 64,
	OWN_WINDOW_SLOTS = 2, /* window slots of each shard */
};

/* Handles that other threads left to a shard. */
struct xvi_mailbox {
	struct xvi_atomic32 next; /* where the next handle goes */
	struct xvi_atomic32 busy; /* frees to be left without a look at the lock */
	struct xvi_atomic64 handle[MAIL_HANDLES];
};

struct xvi_shard {
	/* Constants. */
	struct xv_pool *pool;
	struct xvi_mailbox *mailbox; /* NULL in a pool of one shard */
	uint32_t number;
	struct xvi_meta self; /* not used by the first shard */

	/* Under the lock. */
	_Alignas(MEMORY_ALIGNMENT) struct xvi_lock lock;
	struct xvi_objects objects;
	struct xvi_meta records; /* hole records, when the first ones are used up */
	size_t records_touched;  /* held bytes of them; the other usable ones are promised */
	int64_t held;            /* bytes charged for pages, page table and hole table */
	int64_t compact_taken;   /* bytes that steps of this cycle charged, less what they gave
				  * back */
	uint64_t pages_taken;    /* ever, count */
	uint64_t remote_frees;
	uint64_t pins;          /* callers' maps */
	uint64_t crowded_since; /* objects.mallocs at the start of the count */
	uint32_t crowded;       /* times that threads met here since then */
	uint32_t polls;         /* turns without a look at the whole mailbox */
	uint32_t mail_at;       /* where the next handle is taken */
};

struct xv_pool {
	/* Constants. */
	struct xv_provider *provider;
	struct xv_pool_options options; /* with defaults filled in */
	uint32_t grain_shift;           /* bytes; page_shift if a page is one grain */
	uint32_t shard_most;
	/* The only heap of objects in a pool with XV_LOCK_NONE, or NULL. */
	struct xvi_objects *alone;
	int64_t self_bytes; /* charged for the pool and its shards */
	struct xvi_meta self;

	struct xvi_page_table pages;
	struct xvi_budget budget;
	struct xvi_atomic32 homes;      /* shards that threads allocate from */
	struct xvi_atomic32 compact_at; /* shard that is compacted now */
	struct xvi_atomic32 strays;     /* handles of pages that no shard has, count */
	struct xvi_atomic32 rescued;    /* objects that found room only in another shard, count */
	struct xvi_atomic_ptr shard[XV_SHARDS_MAX];
	struct xvi_shard *first;
};

/* ---- what a heap needs (source.c) ---- */

extern const struct xvi_heap_source xvi_pool_source;

/* Tell the budget how much of the stayed memory is left: other pools may have got it, or it went
 * with the rest of its OS page. Returns the bytes that no longer count. Shards may be locked. */
uint64_t xvi_pool_settle(struct xv_pool *pool);

/* Extend the page table to all pages from 0 on, before threads use several shards. The first
 * shard is locked. On an error nothing has changed. */
int xvi_pool_widen(struct xv_pool *pool);

/* ---- making shards (create.c) ---- */

/* Make the shard of this number; if there is no memory, the first one stands for it. */
struct xvi_shard *xvi_shard_make(struct xv_pool *pool, uint32_t number);

/* ---- entering (shard.c) ---- */

struct xvi_shard *xvi_enter_home_spread(struct xv_pool *pool);
struct xvi_shard *xvi_enter_page_spread(struct xv_pool *pool, uint32_t page);

/* Lock the shard that has a page, for a page that no caller named: NULL is not counted as a bad
 * handle. */
struct xvi_shard *xvi_enter_page_if_any(struct xv_pool *pool, uint32_t page);

void xvi_enter_crowded(struct xvi_shard *shard);

/* Empty the mailbox of a shard, which is locked. */
void xvi_mail_read_all(struct xvi_shard *shard);

/* Free an object in a pool with locks, or leave it to its shard. */
int xvi_free_locked(struct xv_pool *pool, xv_handle handle);

/* After `err` at home (for xv_realloc: in the object's shard) return an error that room would not
 * mend. Otherwise try the other shards, and have them give back spare memory. No lock is held. An
 * object larger than a page stays in its shard. */
int xvi_malloc_anywhere(struct xvi_shard *home, size_t size, size_t alignment, uint32_t owner,
			xv_handle *handle, int err);
int xvi_realloc_anywhere(struct xvi_shard *shard, xv_handle *handle, size_t size, int err);

/* Lock all shards and empty their mailboxes. */
void xvi_enter_all(struct xv_pool *pool);
void xvi_leave_all(struct xv_pool *pool);

/* Do threads allocate from several shards? Once they do, they always do. Before, all pages are
 * the first shard's, and that cannot change under its lock. */
static inline bool pool_is_spread(const struct xv_pool *pool)
{
	return xvi_atomic_load_acquire(&pool->homes) != 1;
}

/* The shard of this number, or NULL: not made yet, or the first one stands for it. */
static inline struct xvi_shard *pool_shard(const struct xv_pool *pool, uint32_t number)
{
	struct xvi_shard *shard = xvi_atomic_ptr_load(&pool->shard[number]);

	XVI_ASSERT(number < pool->shard_most);
	return shard != NULL && shard->number == number ? shard : NULL;
}

/* The next shard from number *at on, which then is the number behind it; NULL at the end. */
static inline struct xvi_shard *pool_next(const struct xv_pool *pool, uint32_t *at)
{
	struct xvi_shard *shard = NULL;

	while (shard == NULL && *at < pool->shard_most)
		shard = pool_shard(pool, (*at)++);
	return shard;
}

static inline bool pool_is_watched(const struct xv_pool *pool)
{
	return objects_watched(&pool->first->objects);
}

static inline void shard_enter(struct xvi_shard *shard)
{
	if (XVI_UNLIKELY(!xvi_lock_try(&shard->lock)))
		xvi_enter_crowded(shard);
	if (objects_watched(&shard->objects))
		xvi_tools_quiet();
}

static inline void shard_leave(struct xvi_shard *shard)
{
	if (objects_watched(&shard->objects))
		xvi_tools_loud();
	xvi_lock_release(&shard->lock);
}

/* Lock the shard that this thread allocates from. */
static inline struct xvi_shard *enter_home(struct xv_pool *pool)
{
	if (XVI_UNLIKELY(pool_is_spread(pool)))
		return xvi_enter_home_spread(pool);
	shard_enter(pool->first);
	return pool->first;
}

/* Lock the shard that has a page. NULL: no shard has it, which counts as a bad handle. */
static inline struct xvi_shard *enter_page(struct xv_pool *pool, uint32_t page)
{
	if (XVI_LIKELY(!pool_is_spread(pool))) {
		shard_enter(pool->first);
		if (XVI_LIKELY(!pool_is_spread(pool)))
			return pool->first;
		shard_leave(pool->first);
	}
	return xvi_enter_page_spread(pool, page);
}

/* Lock the shard that has a live object, and find the object. NULL: nothing is locked, and *err is
 * -XV_EINVAL (a bad handle, or no pool) or -XV_EBADMSG; else *err is 0. */
static inline struct xvi_shard *enter_object(struct xv_pool *pool, xv_handle handle,
					     struct xvi_location *at, int *err)
{
	struct xvi_shard *shard = pool != NULL ? enter_page(pool, xv_handle_page(handle)) : NULL;

	*err = XVI_LIKELY(shard != NULL) ? xvi_object_find(&shard->objects, handle, at)
					 : -XV_EINVAL;
	if (XVI_LIKELY(*err == 0 || shard == NULL))
		return shard;
	shard_leave(shard);
	return NULL;
}

/* Address of an object, over a provider with a base. */
static inline unsigned char *pool_address(const struct xv_pool *pool, xv_handle handle)
{
	XVI_ASSERT(pool->provider->base != NULL);
	return (unsigned char *)pool->provider->base +
	       ((size_t)xv_handle_page(handle) << pool->provider->page_shift) +
	       xv_handle_offset(handle);
}

/* ---- window slots ---- */

/* Take window slots, which all pools over the provider count together. False: too few are left. */
static inline bool window_slots_take(struct xv_provider *provider, uint32_t count)
{
	struct xvi_atomic32 *taken = (struct xvi_atomic32 *)(void *)&provider->window_slots_taken;

	if (xvi_atomic_add(taken, count) <= provider->window_slots)
		return true;
	(void)xvi_atomic_add(taken, 0U - count);
	return false;
}

static inline void window_slots_give(struct xv_provider *provider, uint32_t count)
{
	struct xvi_atomic32 *taken = (struct xvi_atomic32 *)(void *)&provider->window_slots_taken;

	XVI_ASSERT(xvi_atomic_load(taken) >= count);
	(void)xvi_atomic_add(taken, 0U - count);
}

#endif
