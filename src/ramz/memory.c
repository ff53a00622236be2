/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * memory.c: the account of the store's own memory. See memory.h.
 */
#include "memory.h"

#include <string.h>

#include "platform.h"

int rzi_memory_init(struct rzi_memory *memory, size_t bytes)
{
	memory->pool = NULL;
	memory->table = NULL;
	memory->hard_limit_bytes = 0;
	atomic_init(&memory->bytes, bytes);
	return pthread_mutex_init(&memory->lock, NULL) == 0 ? 0 : -XV_ENOMEM;
}

void rzi_memory_fini(struct rzi_memory *memory)
{
	(void)pthread_mutex_destroy(&memory->lock);
}

static uint64_t memory_limit(const struct rzi_memory *memory)
{
	uint64_t limit = memory->hard_limit_bytes;

	return memory->keeps_reserve && !atomic_load(&memory->lent)
		       ? limit - rzi_memory_reserve(limit)
		       : limit;
}

/* What the objects hold. */
static uint64_t memory_of_objects(struct rzi_memory *memory)
{
	struct xv_handle_table_stats table = {.held_bytes = 0};
	struct xv_pool_stats pool = {.held_bytes = 0};

	RZI_ASSERT(rzi_mutex_is_taken(&memory->lock));
	if (memory->pool != NULL)
		xv_pool_get_stats(memory->pool, &pool);
	if (memory->table != NULL)
		xv_handle_table_get_stats(memory->table, &table);
	return pool.held_bytes + table.held_bytes;
}

/* What the limit leaves to the objects; never 0, which would mean no limit. */
static void memory_share(struct rzi_memory *memory)
{
	uint64_t own = atomic_load_explicit(&memory->bytes, memory_order_relaxed);
	uint64_t limit = memory_limit(memory);
	uint64_t rest = limit > own ? limit - own : 1;

	RZI_ASSERT(rzi_mutex_is_taken(&memory->lock));
	if (memory->hard_limit_bytes == 0)
		rest = 0;
	if (memory->pool != NULL)
		xv_pool_set_limit(memory->pool, rest);
	if (memory->table != NULL)
		xv_handle_table_set_limit(memory->table, rest);
}

void rzi_memory_set_pool(struct rzi_memory *memory, struct xv_pool *pool)
{
	(void)pthread_mutex_lock(&memory->lock);
	memory->pool = pool;
	memory_share(memory);
	(void)pthread_mutex_unlock(&memory->lock);
}

void rzi_memory_set_table(struct rzi_memory *memory, struct xv_handle_table *table)
{
	(void)pthread_mutex_lock(&memory->lock);
	memory->table = table;
	memory_share(memory);
	(void)pthread_mutex_unlock(&memory->lock);
}

void rzi_memory_keep_reserve(struct rzi_memory *memory, bool keep)
{
	(void)pthread_mutex_lock(&memory->lock);
	memory->keeps_reserve = keep;
	memory_share(memory);
	(void)pthread_mutex_unlock(&memory->lock);
}

void rzi_memory_lend_reserve(struct rzi_memory *memory, bool lend)
{
	(void)pthread_mutex_lock(&memory->lock);
	atomic_store(&memory->lent, lend && memory->keeps_reserve);
	memory_share(memory);
	(void)pthread_mutex_unlock(&memory->lock);
}

bool rzi_memory_is_short(struct rzi_memory *memory)
{
	bool is_short;

	if (!atomic_load_explicit(&memory->lent, memory_order_relaxed))
		return false;
	(void)pthread_mutex_lock(&memory->lock);
	is_short = memory->hard_limit_bytes != 0 &&
		   memory_of_objects(memory) + atomic_load(&memory->bytes) >
			   memory->hard_limit_bytes - rzi_memory_reserve(memory->hard_limit_bytes);
	(void)pthread_mutex_unlock(&memory->lock);
	return is_short;
}

void rzi_memory_set_limit(struct rzi_memory *memory, uint64_t hard_limit_bytes)
{
	(void)pthread_mutex_lock(&memory->lock);
	memory->hard_limit_bytes = hard_limit_bytes;
	memory_share(memory);
	(void)pthread_mutex_unlock(&memory->lock);
}

static bool memory_fits(struct rzi_memory *memory, size_t bytes)
{
	RZI_ASSERT(rzi_mutex_is_taken(&memory->lock));
	return memory->hard_limit_bytes == 0 ||
	       memory_of_objects(memory) +
			       atomic_load_explicit(&memory->bytes, memory_order_relaxed) + bytes <=
		       memory_limit(memory);
}

bool rzi_memory_charge(struct rzi_memory *memory, size_t bytes, bool force)
{
	bool fits;

	(void)pthread_mutex_lock(&memory->lock);
	fits = force || memory_fits(memory, bytes);
	if (fits) {
		atomic_fetch_add(&memory->bytes, bytes);
		memory_share(memory);
		/* The objects may have grown before they had the smaller share. */
		if (!force && !memory_fits(memory, 0)) {
			atomic_fetch_sub(&memory->bytes, bytes);
			memory_share(memory);
			fits = false;
		}
	}
	(void)pthread_mutex_unlock(&memory->lock);
	return fits;
}

void rzi_memory_discharge(struct rzi_memory *memory, size_t bytes)
{
	(void)pthread_mutex_lock(&memory->lock);
	RZI_ASSERT(atomic_load(&memory->bytes) >= bytes);
	atomic_fetch_sub(&memory->bytes, bytes);
	memory_share(memory);
	(void)pthread_mutex_unlock(&memory->lock);
}

static void *memory_take(struct rzi_memory *memory, size_t bytes, bool force, int *err)
{
	size_t rounded = rzi_memory_rounded(bytes);
	void *at;

	RZI_ASSERT(bytes != 0 && rounded >= bytes);
	if (!rzi_memory_charge(memory, rounded, force)) {
		*err = -XV_ENOSPC;
		return NULL;
	}
	at = rzi_aligned_alloc(RZI_MEMORY_ALIGNMENT, rounded);
	if (at == NULL) {
		rzi_memory_discharge(memory, rounded);
		*err = -XV_ENOMEM;
		return NULL;
	}
	memset(at, 0, rounded);
	return at;
}

void *rzi_memory_alloc(struct rzi_memory *memory, size_t bytes, int *err)
{
	return memory_take(memory, bytes, false, err);
}

void *rzi_memory_force(struct rzi_memory *memory, size_t bytes)
{
	int err;

	return memory_take(memory, bytes, true, &err);
}

void rzi_memory_free(struct rzi_memory *memory, void *at, size_t bytes)
{
	if (at == NULL)
		return;
	rzi_aligned_free(at);
	rzi_memory_discharge(memory, rzi_memory_rounded(bytes));
}
