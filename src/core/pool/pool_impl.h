/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pool_impl.h: a pool: shards with a lock and a heap of objects each, one table of pages, one
 * budget. Read this first; budget.h and page_table.h are its parts.
 *
 * Words
 *   shard    a heap with its lock. A pool begins with one, the first; more are made as threads
 *            meet there
 *   home     the shard that a thread allocates from: that of the CPU it runs on
 *   mailbox  where others leave objects of a shard to be freed, while its lock is taken
 *   budget   every byte that the pool holds is charged there first
 *
 * Memory. Three kinds of stretches, all of the provider's meta memory, or all cut from what the
 * caller gave (then there is one shard):
 *
 *   the pool's     [struct xv_pool][shard 0][mailbox][list heads][first hole records][pages ...]
 *   a shard's      [shard][mailbox][list heads][first hole records]
 *   a hole table   [hole records ...], made when the first ones are used up
 *
 * Locks are taken in this order: shards by their numbers, the budget, which guards the page table
 * too; then the provider's own. Where there are several shards the owner of a page, in the page
 * table, is read without a lock: the page of a live object stays its shard's, so who is told
 * another shard, or none, has a bad handle.
 *
 * Invariants (xv_pool_check names them by number; 1 to 25 are the heap's and the objects'):
 *   31  held bytes are the sum over pages, page table, hole tables and shards
 *   32  a page is the shard's whose number the page table has
 *   33  promised bytes are the sum over the hole tables
 *   34  maps of a shard's pages are as many as the pins of its pages
 */
#ifndef XVI_POOL_IMPL_H
#define XVI_POOL_IMPL_H

#include "object.h"
#include "page_table.h"

#include <xvmalloc/pool.h>

enum {
	MEMORY_ALIGNMENT = 64, /* a cache line: what is written by one CPU is not in another's */
	FIRST_RECORDS =
		16, /* of holes, behind each shard: the first page record still fits 8 KiB */
	MAIL_HANDLES = 64,
	OWN_MAP_SLOTS = 2, /* of a window, for each shard */
};

/* Handles that other threads have left to a shard. */
struct xvi_mailbox {
	struct xvi_atomic32 next; /* slot that is filled next */
	struct xvi_atomic32 busy; /* frees to be left without a look at the lock */
	struct xvi_atomic64 handle[MAIL_HANDLES];
};

struct xvi_shard {
	/* Constants. */
	struct xv_pool *pool;
	struct xvi_mailbox *mailbox; /* NULL in a pool of one shard */
	uint32_t number;
	struct xvi_meta self; /* not the first one's */

	/* Under the lock. */
	_Alignas(MEMORY_ALIGNMENT) struct xvi_lock lock;
	struct xvi_objects objects;
	struct xvi_meta records; /* of holes, once the first ones are outgrown */
	size_t records_touched;  /* bytes of them that are held; the rest of what is usable is
				  * promised */
	int64_t held;            /* bytes charged for pages, page table and hole table */
	int64_t compact_taken;   /* of them by steps of this cycle, above what they gave back */
	uint64_t pages_taken;    /* ever, count */
	uint64_t remote_frees;
	uint64_t pins;          /* callers' maps */
	uint64_t crowded_since; /* objects.mallocs when counting began */
	uint32_t crowded;       /* times that threads met here since */
	uint32_t polls;         /* turns without a look at the whole mailbox */
	uint32_t mail_at;       /* slot that is emptied next */
};

struct xv_pool {
	/* Constants. */
	struct xv_provider *provider;
	struct xv_pool_options options; /* with defaults filled in */
	uint32_t grain_shift;           /* bytes; of the whole page where it is one grain */
	uint32_t shard_most;
	/* The objects of the one heap there is where no lock is taken, or NULL: a pool with
	 * XV_LOCK_NONE has one shard. */
	struct xvi_objects *alone;
	int64_t self_bytes; /* charged for the pool and its shards */
	struct xvi_meta self;

	struct xvi_page_table pages;
	struct xvi_budget budget;
	struct xvi_atomic32 homes;      /* shards that threads allocate from */
	struct xvi_atomic32 compact_at; /* shard that is compacted now */
	struct xvi_atomic32 strays;     /* handles of pages that are nobody's, count */
	struct xvi_atomic32 rescued;    /* objects that found no room but in another shard, count */
	struct xvi_atomic_ptr shard[XV_SHARDS_MAX];
	struct xvi_shard *first;
};

/* ---- what a heap needs (source.c) ---- */

extern const struct xvi_heap_source xvi_pool_source;

/* What stayed of the pool's pages may be another pool's by now: let the budget know. Shards may
 * be locked. */
void xvi_pool_settle(struct xv_pool *pool);

/* Before threads use several shards: the page table has all pages from 0 on. The first shard is
 * locked. On an error nothing has changed. */
int xvi_pool_widen(struct xv_pool *pool);

/* ---- making shards (create.c) ---- */

/* Make the shard of this number; the first one stands for it where there is no memory. */
struct xvi_shard *xvi_shard_make(struct xv_pool *pool, uint32_t number);

/* ---- entering (shard.c) ---- */

struct xvi_shard *xvi_enter_home_spread(struct xv_pool *pool);
struct xvi_shard *xvi_enter_page_spread(struct xv_pool *pool, uint32_t page);

/* Lock the shard that has a page, for who looks at a page of which no caller has spoken: NULL is
 * counted nowhere. */
struct xvi_shard *xvi_enter_page_if_any(struct xv_pool *pool, uint32_t page);

void xvi_enter_crowded(struct xvi_shard *shard);

/* Empty a shard's mailbox. The shard is locked. */
void xvi_mail_read_all(struct xvi_shard *shard);

/* Free an object in a pool with locks, or leave it to its shard to be freed. */
int xvi_free_locked(struct xv_pool *pool, xv_handle handle);

/*
 * After `err` at home, which is the shard of the object for xv_realloc: an error that room would
 * not mend is returned. Else look in the other shards, and give back what they keep. No lock is
 * held. An object larger than a page stays in its shard.
 */
int xvi_malloc_anywhere(struct xvi_shard *home, size_t size, size_t alignment, uint32_t owner,
			xv_handle *handle, int err);
int xvi_realloc_anywhere(struct xvi_shard *shard, xv_handle *handle, size_t size, int err);

/* Lock all shards, mailboxes empty. */
void xvi_enter_all(struct xv_pool *pool);
void xvi_leave_all(struct xv_pool *pool);

/* Do threads allocate from several shards? Once they do it stays so; while they do not all pages
 * are the first one's, and under its lock that cannot change. */
static inline bool pool_is_spread(const struct xv_pool *pool)
{
	return xvi_atomic_load_acquire(&pool->homes) != 1;
}

/* The shard of this number, or NULL: not made yet, or the first one stands for it. */
static inline struct xvi_shard *pool_shard(const struct xv_pool *pool, uint32_t number)
{
	struct xvi_shard *shard = xvi_atomic_ptr_load(&pool->shard[number]);

	return shard != NULL && shard->number == number ? shard : NULL;
}

/* The next shard from number *at on, which is set behind it; NULL at the end. */
static inline struct xvi_shard *pool_next(const struct xv_pool *pool, uint32_t *at)
{
	struct xvi_shard *shard = NULL;

	while (shard == NULL && *at < pool->shard_most)
		shard = pool_shard(pool, (*at)++);
	return shard;
}

static inline void shard_enter(struct xvi_shard *shard)
{
	if (XVI_UNLIKELY(!xvi_lock_try(&shard->lock)))
		xvi_enter_crowded(shard);
}

static inline void shard_leave(struct xvi_shard *shard)
{
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

/* Lock the shard that has a page. NULL: nobody has it, which is counted as a bad handle. */
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

/* Lock the shard that has a live object, and find it. NULL: a bad handle, or no pool; nothing is
 * locked. */
static inline struct xvi_shard *enter_object(struct xv_pool *pool, xv_handle handle,
					     struct xvi_location *at)
{
	struct xvi_shard *shard = pool != NULL ? enter_page(pool, xv_handle_page(handle)) : NULL;

	if (XVI_LIKELY(shard == NULL || xvi_object_find(&shard->objects, handle, at)))
		return shard;
	shard_leave(shard);
	return NULL;
}

/* Where an object begins, over a provider with a base. */
static inline unsigned char *pool_address(const struct xv_pool *pool, xv_handle handle)
{
	return (unsigned char *)pool->provider->base +
	       ((size_t)xv_handle_page(handle) << pool->provider->page_shift) +
	       xv_handle_offset(handle);
}

/* ---- slots of a window ---- */

/* Take slots, which all the pools over the provider count together. False: there are not so many
 * left. */
static inline bool slots_take(struct xv_provider *provider, uint32_t count)
{
	struct xvi_atomic32 *taken = (struct xvi_atomic32 *)(void *)&provider->slots_taken;

	if (xvi_atomic_add(taken, count) <= provider->map_slots)
		return true;
	(void)xvi_atomic_add(taken, 0U - count);
	return false;
}

static inline void slots_give(struct xv_provider *provider, uint32_t count)
{
	(void)xvi_atomic_add((struct xvi_atomic32 *)(void *)&provider->slots_taken, 0U - count);
}

#endif
