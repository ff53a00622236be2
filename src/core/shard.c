/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Shards: the parts of a pool that have a lock, free lists and pages of their own, so that
 * threads on different CPUs do not wait for each other. Owns struct xvi_shared: the page
 * table, which all shards' pages are in, the map that says whose a page is, and the sum of
 * held bytes. Calls the platform's CPU number, the provider, and the rest of the core for
 * one shard at a time.
 *
 * Locking: a shard's lock guards the shard, and the records of its pages. The shared lock
 * comes after it. Shards' locks are taken together only in the order of their numbers, or
 * without waiting. The map is read without a lock and believed with its shard's lock held:
 * only who holds that makes a page the shard's, or nobody's.
 *
 * Everything is O(1), or O(shards) where it says all.
 */
#include "carve.h"
#include "stock.h"
#include "xvi_cpu.h"

enum {
	REMOTE_BUSY_TURNS = 256,   /* frees left without trying the lock, after it was taken */
	REMOTE_POLL_TURNS = 16,    /* allocations between two looks at what was left ... */
	REMOTE_SWEEP_TURNS = 1024, /* ... and at what was left out of turn */
	REMOTE_TRIES = 16,         /* slots looked at for an empty one */
	REMOTE_BATCH = 16,         /* headers fetched at a time */

	/* So often within so many allocations was a shard's lock found taken: threads are
	 * spread over more shards. */
	CROWDED_TIMES = 16,
	CROWDED_ALLOCATIONS = 1U << 16,
};

/* ---- held bytes ---- */

static uint64_t held_now(const struct xvi_shared *shared, struct xv_provider *provider)
{
	uint64_t bytes = shared->held_bytes;

	if (provider->ops->overhead_bytes != NULL)
		bytes += provider->ops->overhead_bytes(provider);
	return bytes;
}

static void note_peak(struct xvi_shared *shared, struct xv_provider *provider)
{
	uint64_t held = held_now(shared, provider);

	if (held > shared->peak_held_bytes)
		shared->peak_held_bytes = held;
}

/* ---- which shard ---- */

/* The number of the shard that a page belongs to, or SHARD_NONE. Before threads are spread
 * all pages are the first one's, and not mapped. */
static uint32_t map_look(const struct xvi_shared *shared, uint32_t page)
{
	if (XVI_LIKELY(!xvi_is_spread(shared)))
		return 0;
	if (page >= xvi_atomic_load_acquire(&shared->map_count))
		return SHARD_NONE;
	return xvi_atomic8_load(&shared->map[page]);
}

static struct xv_pool *shard_at(const struct xvi_shared *shared, uint32_t number)
{
	return xvi_atomic_ptr_load(&shared->shard[number]);
}

/* Has something been left in the slot whose turn it is? */
static inline bool remote_is_next(const struct xv_pool *shard)
{
	return xvi_atomic64_is_set(&shard->remote->slot[shard->remote_at]);
}

/* Take up to so many handles in turn, and have their headers fetched. */
static uint32_t remote_take(struct xv_pool *shard, xv_handle *handles, uint32_t most)
{
	uint32_t count = 0;

	while (count < most) {
		xv_handle handle = xvi_atomic64_take(&shard->remote->slot[shard->remote_at]);

		if (handle == XV_NULL_HANDLE)
			break;
		shard->remote_at = (shard->remote_at + 1) % REMOTE_SLOTS;
		if (shard->base != NULL && xv_handle_page(handle) < shard->pages.capacity)
			XVI_PREFETCH(shard->base +
				     ((size_t)xv_handle_page(handle) << shard->page_shift) +
				     (xv_handle_offset(handle) & (shard->page_bytes - 1)));
		handles[count++] = handle;
	}
	return count;
}

/* Do what other threads have left to this shard, in turn, until a slot is empty. */
static XVI_NOINLINE void remote_drain(struct xv_pool *shard)
{
	xv_handle handles[REMOTE_BATCH];

	for (uint32_t done = 0; done < REMOTE_SLOTS; done += REMOTE_BATCH) {
		uint32_t count = remote_take(shard, handles, REMOTE_BATCH);

		/* A bad handle is counted where it is found. */
		for (uint32_t i = 0; i < count; i++) {
			if (xvi_free_locked(shard, handles[i]) == 0)
				shard->remote_frees++;
		}
		if (count < REMOTE_BATCH)
			return;
	}
}

/*
 * The same, and what lies in any other slot: two threads that leave something at once may
 * not fill them in turn. It goes on where the next thread will begin.
 */
static void remote_sweep(struct xv_pool *shard)
{
	shard->polls = 0;
	for (uint32_t i = 0; i < REMOTE_SLOTS; i++) {
		shard->remote_at = i;
		if (remote_is_next(shard))
			remote_drain(shard);
	}
	shard->remote_at = xvi_atomic_load(&shard->remote->next) % REMOTE_SLOTS;
}

/* Let the map cover a page number, with nobody's pages. Under the shared lock. */
static int map_cover(struct xvi_shared *shared, struct xv_provider *provider, uint32_t page)
{
	size_t bytes = xvi_table_step(&shared->map_memory, (size_t)page + 1);
	uint32_t old = xvi_atomic_load(&shared->map_count);
	int err;

	if (bytes <= old)
		return 0;
	if (shared->limit_bytes != 0 &&
	    held_now(shared, provider) + bytes - old > shared->limit_bytes)
		return -XV_ENOSPC;
	err = xvi_table_commit(provider, &shared->map_memory, bytes);
	if (err != 0)
		return err;
	memset((unsigned char *)shared->map_memory.base + old, SHARD_NONE, bytes - old);
	xvi_atomic_store_release(&shared->map_count, (uint32_t)bytes);
	shared->held_bytes += bytes - old;
	note_peak(shared, provider);
	return 0;
}

/* From now on the map says whose a page is: so far they are the first shard's, which is
 * locked. False where there is no memory for it. O(pages), once. */
static bool map_begin(struct xv_pool *first)
{
	struct xvi_shared *shared = first->shared;
	int err;

	xvi_lock_acquire(&shared->lock);
	err = map_cover(shared, first->provider, first->pages.capacity);
	for (uint32_t page = 0; err == 0 && page < first->pages.capacity; page++) {
		if (xvi_page_state(&first->pages.records[page]) != PAGE_NONE)
			xvi_atomic8_store(&shared->map[page], 0);
	}
	xvi_lock_release(&shared->lock);
	return err == 0;
}

/* Threads have met here: use more shards if they do so often. The shard is locked. */
static XVI_NOINLINE void note_crowd(struct xv_pool *shard)
{
	struct xvi_shared *shared = shard->shared;
	uint32_t homes = xvi_atomic_load(&shared->homes);

	if (shard->mallocs - shard->crowded_since > CROWDED_ALLOCATIONS) {
		shard->crowded_since = shard->mallocs;
		shard->crowded = 0;
	}
	if (homes == shared->count || ++shard->crowded < CROWDED_TIMES)
		return;
	shard->crowded = 0;
	/* Not spread, this is the first one. */
	if (homes > 1 || map_begin(shard))
		xvi_atomic_store_release(&shared->homes,
					 homes * 2 < shared->count ? homes * 2 : shared->count);
}

static inline void shard_lock(struct xv_pool *shard)
{
	if (XVI_LIKELY(xvi_lock_try(&shard->lock)))
		return;
	xvi_lock_acquire(&shard->lock);
	note_crowd(shard);
}

struct xv_pool *xvi_enter_shard(struct xv_pool *shard)
{
	shard_lock(shard);
	if (XVI_UNLIKELY(remote_is_next(shard)))
		remote_drain(shard);
	return shard;
}

static uint32_t home_number(const struct xvi_shared *shared)
{
	uint32_t homes = xvi_atomic_load_acquire(&shared->homes);
	uint32_t cpu;

	if (homes == 1)
		return 0;
	cpu = xvi_cpu_now();
	return cpu < homes ? cpu : cpu % homes;
}

struct xv_pool *xvi_enter_home_shard(struct xv_pool *pool)
{
	struct xv_pool *shard;
	uint32_t number;

	/* Nobody has left anything to anybody. */
	if (!xvi_is_spread(pool->shared)) {
		shard_lock(pool);
		return pool;
	}
	number = home_number(pool->shared);
	shard = shard_at(pool->shared, number);
	if (XVI_UNLIKELY(shard == NULL))
		shard = xvi_shard_make(pool, number);
	shard_lock(shard);
	if (XVI_UNLIKELY(++shard->polls % REMOTE_POLL_TURNS == 0)) {
		if (XVI_UNLIKELY(shard->polls >= REMOTE_SWEEP_TURNS))
			remote_sweep(shard);
		else if (remote_is_next(shard))
			remote_drain(shard);
	}
	return shard;
}

struct xv_pool *xvi_enter_shard_of(struct xv_pool *pool, uint32_t page)
{
	/* The page is the first one's, or nobody's. */
	if (!xvi_is_spread(pool->shared)) {
		shard_lock(pool);
		return pool;
	}
	for (;;) {
		uint32_t number = map_look(pool->shared, page);
		struct xv_pool *shard = shard_at(pool->shared, number != SHARD_NONE ? number : 0);

		(void)xvi_enter_shard(shard);
		if (XVI_LIKELY(map_look(pool->shared, page) == number))
			return shard;
		xvi_leave(shard);
	}
}

void xvi_enter_all(struct xv_pool *pool)
{
	if (pool->shared == NULL) {
		xvi_lock_acquire(&pool->lock);
		xvi_stock_settle(pool);
		return;
	}
	/* With the first one's lock held no shard is made. */
	for (uint32_t i = 0; i < pool->shared->count; i++) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard == NULL)
			continue;
		shard_lock(shard);
		remote_sweep(shard);
		xvi_stock_settle(shard);
	}
}

void xvi_leave_all(struct xv_pool *pool)
{
	for (uint32_t i = xvi_shard_count(pool); i-- > 0;) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard != NULL)
			xvi_leave(shard);
	}
}

/* Who waits for a lock of a pool must not hold the provider for another pool meanwhile: whoever
 * has that lock may wait for the provider. */
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

void xv_pool_lock_all(struct xv_pool *pool)
{
	uint32_t times;

	if (pool == NULL)
		return;
	times = provider_release(pool);
	xvi_enter_all(pool);
	if (pool->shared != NULL)
		xvi_lock_acquire(&pool->shared->lock);
	provider_hold(pool, times + 1);
}

void xv_pool_unlock_all(struct xv_pool *pool)
{
	uint32_t times;

	if (pool == NULL)
		return;
	times = provider_release(pool);
	if (pool->shared != NULL)
		xvi_lock_release(&pool->shared->lock);
	xvi_leave_all(pool);
	if (times > 1)
		provider_hold(pool, times - 1);
}

/* ---- frees from other threads ---- */

/* Leave a handle for the shard's owner to free. False when there is no slot at hand. */
static bool remote_push(struct xv_pool *shard, xv_handle handle)
{
	uint32_t start = xvi_atomic_load(&shard->remote->next);

	for (uint32_t i = start; i < start + REMOTE_TRIES; i++) {
		if (xvi_atomic64_put(&shard->remote->slot[i % REMOTE_SLOTS], handle)) {
			xvi_atomic_store(&shard->remote->next, i + 1);
			return true;
		}
	}
	return false;
}

/*
 * Leave the handle to another shard if its lock is taken, and then, for a while, without
 * asking: where two CPUs use a shard, what is freed here brings all its lines over. False:
 * free it under the lock.
 */
static bool remote_leave(struct xv_pool *shard, xv_handle handle)
{
	uint32_t busy = xvi_atomic_load(&shard->remote->busy);

	if (busy == 0) {
		if (xvi_lock_try(&shard->lock)) {
			xvi_leave(shard);
			return false;
		}
		busy = REMOTE_BUSY_TURNS;
	}
	xvi_atomic_store(&shard->remote->busy, busy - 1);
	return remote_push(shard, handle);
}

/*
 * The page of a live object stays its shard's, so that there is no need to ask again with
 * the lock held: of any other handle the shard says that it is bad.
 */
int xvi_free_sharded(struct xv_pool *pool, xv_handle handle)
{
	struct xvi_shared *shared = pool->shared;
	struct xv_pool *shard = pool;
	uint32_t number;
	int err;

	if (XVI_LIKELY(!xvi_is_spread(shared))) {
		shard_lock(shard);
	} else {
		number = map_look(shared, xv_handle_page(handle));
		if (number != SHARD_NONE)
			shard = shard_at(shared, number);
		if (number != SHARD_NONE && number != home_number(shared) &&
		    remote_leave(shard, handle))
			return 0;
		(void)xvi_enter_shard(shard);
	}
	err = xvi_free_locked(shard, handle);
	xvi_leave(shard);
	return err;
}

/* ---- room in other shards ---- */

/* Room in another shard, locked: in its holes, or in what it keeps for quick reuse. A
 * shard that nobody has used since the last look gives back what it keeps. */
static int take_from(struct xv_pool *other, const struct xvi_request *request, xv_handle *handle)
{
	int err = xvi_malloc_from_holes(other, request, handle);

	if (err == 0)
		return 0;
	if (other->visited == other->mallocs + other->frees) {
		(void)xvi_stock_drain(other);
		xvi_reserve_trim(other);
	} else {
		(void)xvi_stock_yield(other);
	}
	err = xvi_malloc_from_holes(other, request, handle);
	other->visited = other->mallocs + other->frees;
	return err;
}

int xvi_malloc_elsewhere(struct xv_pool *shard, const struct xvi_request *request,
			 xv_handle *handle)
{
	struct xvi_shared *shared = shard->shared;
	int err = -XV_ENOMEM;

	for (uint32_t i = 1; i < shared->count && err != 0; i++) {
		struct xv_pool *other = shard_at(shared, (shard->number + i) % shared->count);

		if (other == NULL || other == shard || !xvi_lock_try(&other->lock))
			continue;
		err = take_from(other, request, handle);
		xvi_leave(other);
	}
	return err;
}

uint64_t xvi_shard_yield(struct xv_pool *shard)
{
	uint64_t pages = shard->page_count;

	(void)xvi_stock_drain(shard);
	xvi_reserve_trim(shard);
	return pages - shard->page_count;
}

/* Try every shard; those that fail give back what they keep: *pages. */
static int malloc_in_any(struct xv_pool *pool, const struct xvi_request *request, int err,
			 xv_handle *handle, uint64_t *pages)
{
	for (uint32_t i = 0; i < pool->shared->count; i++) {
		struct xv_pool *shard = shard_at(pool->shared, i);
		uint64_t failures;

		if (shard == NULL)
			continue;
		shard_lock(shard);
		remote_sweep(shard);
		failures = shard->failures;
		if (xvi_malloc_locked(shard, request, handle) == 0) {
			/* It failed in its own shard, but not for the caller. */
			shard->failures = failures - 1;
			xvi_leave(shard);
			return 0;
		}
		shard->failures = failures;
		*pages += xvi_shard_yield(shard);
		xvi_leave(shard);
	}
	return err;
}

int xvi_malloc_anywhere(struct xv_pool *pool, const struct xvi_request *request, int err,
			xv_handle *handle)
{
	uint64_t pages = 0;

	err = malloc_in_any(pool, request, err, handle, &pages);
	/* What was given back may be what one of the first lacked. */
	if (err != 0 && pages != 0)
		err = malloc_in_any(pool, request, err, handle, &pages);
	return err;
}

/* ---- held bytes, for the shards ---- */

int xvi_shared_hold(struct xvi_shared *shared, struct xv_provider *provider, uint64_t bytes,
		    bool with_limit)
{
	uint64_t held;
	int err = 0;

	xvi_lock_acquire(&shared->lock);
	held = held_now(shared, provider) + bytes;
	if (with_limit && shared->limit_bytes != 0 && held > shared->limit_bytes)
		err = -XV_ENOSPC;
	else
		shared->held_bytes += bytes;
	/* Without the limit a page is counted that may be spare: whoever looks again notes. */
	if (err == 0 && with_limit)
		note_peak(shared, provider);
	xvi_lock_release(&shared->lock);
	return err;
}

void xvi_shared_release(struct xvi_shared *shared, uint64_t bytes)
{
	xvi_lock_acquire(&shared->lock);
	shared->held_bytes -= bytes;
	xvi_lock_release(&shared->lock);
}

uint64_t xvi_shared_held(struct xvi_shared *shared, struct xv_provider *provider)
{
	uint64_t held;

	xvi_lock_acquire(&shared->lock);
	held = held_now(shared, provider);
	xvi_lock_release(&shared->lock);
	return held;
}

uint64_t xvi_shared_peak(struct xvi_shared *shared, struct xv_provider *provider)
{
	uint64_t peak;

	xvi_lock_acquire(&shared->lock);
	note_peak(shared, provider);
	peak = shared->peak_held_bytes;
	xvi_lock_release(&shared->lock);
	return peak;
}

void xvi_shared_reset_peak(struct xvi_shared *shared, struct xv_provider *provider)
{
	xvi_lock_acquire(&shared->lock);
	shared->peak_held_bytes = held_now(shared, provider);
	xvi_lock_release(&shared->lock);
}

void xvi_shared_reset(struct xvi_shared *shared, struct xv_provider *provider)
{
	xvi_lock_acquire(&shared->lock);
	shared->peak_held_bytes = held_now(shared, provider);
	shared->compact_on = false;
	shared->compact_pass = 0;
	xvi_lock_release(&shared->lock);
}

void xvi_shared_set_limit(struct xvi_shared *shared, uint64_t limit_bytes)
{
	xvi_lock_acquire(&shared->lock);
	shared->limit_bytes = limit_bytes;
	xvi_lock_release(&shared->lock);
}

uint64_t xvi_shared_limit(struct xvi_shared *shared)
{
	uint64_t limit;

	xvi_lock_acquire(&shared->lock);
	limit = shared->limit_bytes;
	xvi_lock_release(&shared->lock);
	return limit;
}

/* ---- the page table and the map ---- */

/* Let the page table, and the map, cover a page number. Under the shared lock. */
static int cover_locked(struct xvi_shared *shared, struct xv_provider *provider, uint32_t page)
{
	size_t bytes =
		xvi_table_step(&shared->pages.memory, ((size_t)page + 1) * sizeof(struct xvi_page));
	size_t more = bytes - shared->pages.memory.committed_bytes;
	int err = xvi_is_spread(shared) ? map_cover(shared, provider, page) : 0;

	if (err != 0)
		return err;
	if (shared->limit_bytes != 0 && held_now(shared, provider) + more > shared->limit_bytes)
		return -XV_ENOSPC;
	err = xvi_table_commit(provider, &shared->pages.memory, bytes);
	if (err != 0)
		return err;
	shared->held_bytes += bytes - shared->pages.capacity * sizeof(struct xvi_page);
	shared->pages.capacity = (uint32_t)(bytes / sizeof(struct xvi_page));
	note_peak(shared, provider);
	return 0;
}

int xvi_shared_cover(struct xv_pool *shard, uint32_t page)
{
	struct xvi_shared *shared = shard->shared;
	int err = 0;

	if (page >= shared->pages.capacity_max)
		return -XV_ENOMEM;
	xvi_lock_acquire(&shared->lock);
	if (page >= shared->pages.capacity)
		err = cover_locked(shared, shard->provider, page);
	if (err == 0) {
		shard->pages.capacity = shared->pages.capacity;
		if (xvi_is_spread(shared))
			xvi_atomic8_store(&shared->map[page], (uint8_t)shard->number);
	}
	xvi_lock_release(&shared->lock);
	return err;
}

void xvi_shared_forget(struct xv_pool *shard, uint32_t page)
{
	if (xvi_is_spread(shard->shared))
		xvi_atomic8_store(&shard->shared->map[page], SHARD_NONE);
}

size_t xvi_shared_trim(struct xv_pool *pool)
{
	struct xvi_shared *shared = pool->shared;
	uint32_t used = shared->pages.capacity;
	size_t old_bytes = shared->pages.memory.committed_bytes;
	size_t bytes;

	while (used > 0 && xvi_page_state(&shared->pages.records[used - 1]) == PAGE_NONE)
		used--;
	bytes = xvi_table_step(&shared->pages.memory, used * sizeof(struct xvi_page));
	if (bytes >= old_bytes ||
	    xvi_table_commit(pool->provider, &shared->pages.memory, bytes) != 0)
		return 0;
	xvi_shared_release(shared, old_bytes - bytes);
	shared->pages.capacity = (uint32_t)(bytes / sizeof(struct xvi_page));
	for (uint32_t i = 0; i < shared->count; i++) {
		struct xv_pool *shard = shard_at(shared, i);

		if (shard != NULL && shard->pages.capacity > shared->pages.capacity)
			shard->pages.capacity = shared->pages.capacity;
	}
	return old_bytes - bytes;
}
