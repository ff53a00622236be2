/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * memory.h: the own memory of a store or of a cache of values, and its account: the hard limit
 * counts it together with the memory of the pool, or of the handle table.
 *
 * Owns: the count of bytes, and the pool's share of the limit. May call: the C library's allocator,
 * the pool (its limit and statistics). Locking: a mutex guards the account; any thread may call.
 * O(1).
 */
#ifndef RZI_MEMORY_H
#define RZI_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xvmalloc/handle_table.h>

#define RZI_MEMORY_ALIGNMENT 64U
#define RZI_RESERVE_MAX ((uint64_t)2 << 20)

struct rzi_memory {
	pthread_mutex_t lock;          /* guards changes of the rest */
	_Atomic uint64_t bytes;        /* taken, of all kinds */
	uint64_t hard_limit_bytes;     /* for the pool and own memory; 0 = no limit */
	bool keeps_reserve;            /* a part of the limit is for the policy only ... */
	_Atomic bool lent;             /* ... and the policy uses it now */
	struct xv_pool *pool;          /* NULL while there is none */
	struct xv_handle_table *table; /* instead of a pool; NULL = none */
};

/* Begin with this many bytes in the account. Returns 0 or -XV_ENOMEM. */
int rzi_memory_init(struct rzi_memory *memory, size_t bytes);
void rzi_memory_fini(struct rzi_memory *memory);

/* From now on the limit of the pool, or of the handle table, is what the hard limit leaves. */
void rzi_memory_set_pool(struct rzi_memory *memory, struct xv_pool *pool);
void rzi_memory_set_table(struct rzi_memory *memory, struct xv_handle_table *table);
void rzi_memory_set_limit(struct rzi_memory *memory, uint64_t hard_limit_bytes);

/* The part of a hard limit that the policy keeps for itself: its reserve. */
static inline uint64_t rzi_memory_reserve(uint64_t hard_limit_bytes)
{
	return hard_limit_bytes / 16 < RZI_RESERVE_MAX ? hard_limit_bytes / 16 : RZI_RESERVE_MAX;
}

/* Begin or end to keep the policy's reserve. O(shards). */
void rzi_memory_keep_reserve(struct rzi_memory *memory, bool keep);

/* The policy begins or ends to use its reserve: the pool may grow into it. A writer must first
 * check that there is room without it. */
void rzi_memory_lend_reserve(struct rzi_memory *memory, bool lend);
bool rzi_memory_is_short(struct rzi_memory *memory);

/* Account for bytes that a codec takes. False when the limit forbids them, unless force is set.
 * Discharge the same number later. */
bool rzi_memory_charge(struct rzi_memory *memory, size_t bytes, bool force);
void rzi_memory_discharge(struct rzi_memory *memory, size_t bytes);

/* Bytes of zeros, aligned to 64. NULL: *err is -XV_ENOMEM, or -XV_ENOSPC for the limit; then the
 * call undoes its work, and rzi_room_make makes room (room.c). */
void *rzi_memory_alloc(struct rzi_memory *memory, size_t bytes, int *err);

/* The same regardless of the limit, for memory that no call can do without. */
void *rzi_memory_force(struct rzi_memory *memory, size_t bytes);

/* Give it back; bytes as it was taken. NULL is allowed. */
void rzi_memory_free(struct rzi_memory *memory, void *at, size_t bytes);

/* Bytes that a request counts. */
static inline size_t rzi_memory_rounded(size_t bytes)
{
	return (bytes + RZI_MEMORY_ALIGNMENT - 1) & ~(size_t)(RZI_MEMORY_ALIGNMENT - 1);
}

#endif
