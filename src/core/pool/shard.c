/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shard.c: which shard a call enters, the mailboxes, and room in other shards. O(1); calls on all
 * shards O(shards).
 */
#include "pool_impl.h"

#include "xvi_cpu.h"

enum {
	CROWDED_TIMES = 16,         /* threads that meet so often ... */
	CROWDED_ALLOCATIONS = 4096, /* ... in so many allocations are spread over more shards */

	MAIL_TRIES = 4,       /* places that are tried */
	MAIL_BUSY_TURNS = 64, /* frees left without a look at the lock, after it was taken once */
	MAIL_POLL_TURNS = 16, /* turns at home between two looks at the next handle, ... */
	MAIL_SWEEP_TURNS = 4096, /* ... and at the whole mailbox */
};

/* ---- mailboxes ---- */

/* Free the next handles, until a place is empty. */
static void mail_read(struct xvi_shard *shard)
{
	XVI_ASSERT(xvi_lock_is_taken(&shard->lock) && shard->mail_at < MAIL_HANDLES);
	for (uint32_t i = 0; i < MAIL_HANDLES; i++) {
		xv_handle handle = xvi_atomic64_take(&shard->mailbox->handle[shard->mail_at]);

		if (handle == XV_NULL_HANDLE)
			return;
		shard->mail_at = (shard->mail_at + 1) % MAIL_HANDLES;
		/* A bad handle is counted here. */
		if (page_table_shard(&shard->pool->pages, xv_handle_page(handle)) !=
		    shard->number + 1)
			shard->objects.bad_handles++;
		else if (shard->objects.free(&shard->objects, handle) == 0)
			shard->remote_frees++;
	}
}

static bool mail_is_next(const struct xvi_shard *shard)
{
	return xvi_atomic64_is_set(&shard->mailbox->handle[shard->mail_at]);
}

/* Two threads may leave something at once, so handles may have gaps between them. */
void xvi_mail_read_all(struct xvi_shard *shard)
{
	XVI_ASSERT(xvi_lock_is_taken(&shard->lock));
	shard->polls = 0;
	if (shard->mailbox == NULL)
		return;
	for (uint32_t i = 0; i < MAIL_HANDLES; i++) {
		shard->mail_at = i;
		if (mail_is_next(shard))
			mail_read(shard);
	}
	shard->mail_at = xvi_atomic_load(&shard->mailbox->next) % MAIL_HANDLES;
}

/* Leave a handle to the shard. False: no place is free. */
static bool mail_leave(struct xvi_mailbox *mailbox, xv_handle handle)
{
	uint32_t start = xvi_atomic_load(&mailbox->next);

	for (uint32_t i = start; i < start + MAIL_TRIES; i++) {
		if (xvi_atomic64_put(&mailbox->handle[i % MAIL_HANDLES], handle)) {
			xvi_atomic_store(&mailbox->next, i + 1);
			return true;
		}
	}
	return false;
}

/* ---- entering ---- */

void xvi_enter_crowded(struct xvi_shard *shard)
{
	struct xv_pool *pool = shard->pool;
	uint32_t homes;

	xvi_lock_acquire(&shard->lock);
	homes = xvi_atomic_load(&pool->homes);
	XVI_ASSERT(homes != 0 && homes <= pool->shard_most);
	if (shard->objects.mallocs - shard->crowded_since > CROWDED_ALLOCATIONS) {
		shard->crowded_since = shard->objects.mallocs;
		shard->crowded = 0;
	}
	if (homes == pool->shard_most || ++shard->crowded < CROWDED_TIMES)
		return;
	shard->crowded = 0;
	if (homes == 1 && xvi_pool_widen(pool) != 0)
		return;
	/* While there is one home it is the first shard: no thread uses the old number. */
	xvi_atomic_store_release(&pool->homes,
				 homes * 2 < pool->shard_most ? homes * 2 : pool->shard_most);
}

static uint32_t home_number(const struct xv_pool *pool)
{
	return xvi_cpu_now() % xvi_atomic_load_acquire(&pool->homes);
}

struct xvi_shard *xvi_enter_home_spread(struct xv_pool *pool)
{
	uint32_t number = home_number(pool);
	struct xvi_shard *shard = xvi_atomic_ptr_load(&pool->shard[number]);

	XVI_ASSERT(number < pool->shard_most);
	if (XVI_UNLIKELY(shard == NULL))
		shard = xvi_shard_make(pool, number);
	shard_enter(shard);
	if (XVI_UNLIKELY(++shard->polls % MAIL_POLL_TURNS == 0)) {
		if (XVI_UNLIKELY(shard->polls >= MAIL_SWEEP_TURNS))
			xvi_mail_read_all(shard);
		else if (mail_is_next(shard))
			mail_read(shard);
	}
	return shard;
}

struct xvi_shard *xvi_enter_page_if_any(struct xv_pool *pool, uint32_t page)
{
	uint32_t number = pool_is_spread(pool) ? page_table_shard(&pool->pages, page) : 1;
	struct xvi_shard *shard;

	if (number == PAGE_NOBODY)
		return NULL;
	XVI_ASSERT(number <= pool->shard_most);
	shard = xvi_atomic_ptr_load(&pool->shard[number - 1]);
	XVI_ASSERT(shard != NULL && shard->number == number - 1); /* 32 */
	shard_enter(shard);
	if (page_table_shard(&pool->pages, page) == number)
		return shard;
	shard_leave(shard);
	return NULL;
}

struct xvi_shard *xvi_enter_page_spread(struct xv_pool *pool, uint32_t page)
{
	struct xvi_shard *shard = xvi_enter_page_if_any(pool, page);

	if (shard == NULL)
		(void)xvi_atomic_add(&pool->strays, 1);
	return shard;
}

/* If the lock of the other shard is taken, leave the handle there, and then do so for a while
 * without asking: when two CPUs use a shard, a free here moves all its cache lines over. False:
 * free it under the lock. */
static bool free_is_left(struct xv_pool *pool, xv_handle handle)
{
	uint32_t number = page_table_shard(&pool->pages, xv_handle_page(handle));
	struct xvi_shard *shard;
	uint32_t busy;

	if (number == PAGE_NOBODY || number - 1 == home_number(pool) || handle == XV_NULL_HANDLE)
		return false;
	shard = xvi_atomic_ptr_load(&pool->shard[number - 1]);
	XVI_ASSERT(shard != NULL && shard->number == number - 1 && shard->mailbox != NULL);
	busy = xvi_atomic_load(&shard->mailbox->busy);
	if (busy == 0) {
		if (xvi_lock_try(&shard->lock)) {
			xvi_lock_release(&shard->lock);
			return false;
		}
		busy = MAIL_BUSY_TURNS;
	}
	xvi_atomic_store(&shard->mailbox->busy, busy - 1);
	return mail_leave(shard->mailbox, handle);
}

static XVI_NOINLINE int free_spread(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_shard *shard;
	int err;

	if (free_is_left(pool, handle))
		return 0;
	shard = xvi_enter_page_spread(pool, xv_handle_page(handle));
	if (shard == NULL)
		return -XV_EINVAL;
	if (XVI_UNLIKELY(mail_is_next(shard)))
		mail_read(shard);
	err = shard->objects.free(&shard->objects, handle);
	shard_leave(shard);
	return err;
}

int xvi_free_locked(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_shard *shard;
	int err;

	if (XVI_UNLIKELY(pool_is_spread(pool)))
		return free_spread(pool, handle);
	shard = enter_page(pool, xv_handle_page(handle));
	if (XVI_UNLIKELY(shard == NULL))
		return -XV_EINVAL;
	err = shard->objects.free(&shard->objects, handle);
	shard_leave(shard);
	return err;
}

/* ---- all shards ---- */

/* With the first shard locked, no thread makes another. */
void xvi_enter_all(struct xv_pool *pool)
{
	struct xvi_shard *shard;

	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;) {
		xvi_lock_acquire(&shard->lock);
		if (objects_watched(&shard->objects))
			xvi_tools_quiet();
		xvi_mail_read_all(shard);
	}
}

/* The first shard comes last: a thread that waits for it may make a shard, which is not locked. */
void xvi_leave_all(struct xv_pool *pool)
{
	for (uint32_t i = pool->shard_most; i-- > 0;) {
		struct xvi_shard *shard = pool_shard(pool, i);

		if (shard != NULL)
			shard_leave(shard);
	}
}

/* A thread that waits for a lock of a pool must not hold the provider for another pool: the
 * thread with the lock may wait for the provider. Returns how often it was held. */
static uint32_t provider_release(const struct xv_pool *pool)
{
	const struct xv_provider_ops *ops = pool->provider->ops;

	return ops->release != NULL ? ops->release(pool->provider) : 0;
}

static void provider_hold(const struct xv_pool *pool, uint32_t times)
{
	const struct xv_provider_ops *ops = pool->provider->ops;

	if (ops->hold != NULL && times != 0)
		ops->hold(pool->provider, times);
}

/* Between the two calls below, the code is the caller's. */
static void tell_all(struct xv_pool *pool, void (*tell)(void))
{
	for (uint32_t i = 0; pool_is_watched(pool) && pool_next(pool, &i) != NULL;)
		tell();
}

void xv_pool_lock_all(struct xv_pool *pool)
{
	uint32_t times;

	if (pool == NULL)
		return;
	times = provider_release(pool);
	xvi_enter_all(pool);
	xvi_lock_acquire(&pool->budget.lock);
	provider_hold(pool, times + 1);
	tell_all(pool, xvi_tools_loud);
}

void xv_pool_unlock_all(struct xv_pool *pool)
{
	uint32_t times;

	if (pool == NULL)
		return;
	tell_all(pool, xvi_tools_quiet);
	times = provider_release(pool);
	xvi_lock_release(&pool->budget.lock);
	xvi_leave_all(pool);
	if (times > 1)
		provider_hold(pool, times - 1);
}

static bool room_may_help(const struct xv_pool *pool, int err)
{
	return err != 0 && err != -XV_EINVAL && err != -XV_E2BIG && err != -XV_EBUSY &&
	       err != -XV_EBADMSG && pool_is_spread(pool);
}

/* A failed try here is not the caller's failure, which was counted at home. */
static int shard_malloc(struct xvi_shard *shard, size_t size, size_t alignment, uint32_t owner,
			xv_handle *handle)
{
	uint64_t failures = shard->objects.failures;
	int err;

	XVI_ASSERT(xvi_lock_is_taken(&shard->lock));
	err = xvi_object_malloc(&shard->objects, size, alignment, owner, handle);
	shard->objects.failures = failures;
	return err;
}

/* Home comes last, and may take what the others give back. */
int xvi_malloc_anywhere(struct xvi_shard *home, size_t size, size_t alignment, uint32_t owner,
			xv_handle *handle, int err)
{
	struct xv_pool *pool = home->pool;

	for (uint32_t i = 1; i <= pool->shard_most && room_may_help(pool, err); i++) {
		struct xvi_shard *shard = pool_shard(pool, (home->number + i) % pool->shard_most);

		if (shard == NULL)
			continue;
		shard_enter(shard);
		xvi_mail_read_all(shard);
		err = shard_malloc(shard, size, alignment, owner, handle);
		if (err != 0)
			(void)xvi_heap_give_all(&shard->objects.heap);
		shard_leave(shard);
		if (err == 0)
			(void)xvi_atomic_add(&pool->rescued, 1);
	}
	return err;
}

/* Make the object, of at most a page, anew in another shard. False: it stays. Both are locked. */
static bool object_to(struct xvi_shard *to, struct xvi_shard *from, xv_handle *handle, size_t size)
{
	struct xvi_objects *objects = &from->objects;
	uint64_t failures = to->objects.failures;
	struct xvi_location at;
	bool moved = xvi_object_is(objects, *handle, &at) &&
		     object_size(objects, &at) <= objects->whole_max &&
		     xvi_object_move(&to->objects, objects, &at, size, handle) == 0;

	XVI_ASSERT(to != from && xvi_lock_is_taken(&to->lock) && xvi_lock_is_taken(&from->lock));
	to->objects.failures = failures;
	return moved;
}

/* Try with what this other shard gives back, or in it. None is locked. */
static int realloc_with(struct xvi_shard *other, struct xvi_shard *shard, xv_handle *handle,
			size_t size)
{
	bool first = shard->number < other->number;
	uint64_t failures;
	int err;

	XVI_ASSERT(other->pool == shard->pool);
	if (first)
		shard_enter(shard);
	shard_enter(other);
	if (!first && other != shard)
		shard_enter(shard);
	xvi_mail_read_all(other);
	(void)xvi_heap_give_all(&other->objects.heap);
	failures = shard->objects.failures;
	err = xvi_object_realloc(&shard->objects, handle, size);
	shard->objects.failures = failures;
	if (other != shard && room_may_help(shard->pool, err) &&
	    object_to(other, shard, handle, size))
		err = 0;
	shard_leave(shard);
	if (other != shard)
		shard_leave(other);
	return err;
}

int xvi_realloc_anywhere(struct xvi_shard *shard, xv_handle *handle, size_t size, int err)
{
	struct xv_pool *pool = shard->pool;

	for (uint32_t i = 0; i < pool->shard_most && room_may_help(pool, err); i++) {
		struct xvi_shard *other = pool_shard(pool, (shard->number + i) % pool->shard_most);

		if (other == NULL)
			continue;
		err = realloc_with(other, shard, handle, size);
		if (err == 0)
			(void)xvi_atomic_add(&pool->rescued, 1);
	}
	return err;
}
