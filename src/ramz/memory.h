/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * memory.h: memory of the store's own, and its account: the hard limit counts it together
 * with the pool's.
 *
 * Owns: the count of bytes, and the pool's share of the limit. May call: the C library's
 * allocator, the pool (its limit and statistics).
 * Locking: the account is guarded by a mutex; any thread may call. O(1).
 */
#ifndef RZI_MEMORY_H
#define RZI_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xvmalloc/pool.h>

#define RZI_MEMORY_ALIGNMENT 64U

struct rzi_memory {
	pthread_mutex_t lock;   /* guards changes of what follows */
	_Atomic uint64_t bytes; /* taken, all kinds */
	uint64_t hard_bytes;    /* limit on pool and own memory; 0 = none */
	struct xv_pool *pool;   /* NULL while there is none */
};

/* Begins with so many bytes in the account. 0 or -XV_ENOMEM. */
int rzi_memory_init(struct rzi_memory *memory, size_t bytes);
void rzi_memory_fini(struct rzi_memory *memory);

/* From now on the pool gets what the limit leaves it. */
void rzi_memory_set_pool(struct rzi_memory *memory, struct xv_pool *pool);
void rzi_memory_set_limit(struct rzi_memory *memory, uint64_t hard_bytes);

/* Account for bytes that somebody else takes (a codec); false where the limit is in the way, and
 * force does not say that nobody asks it. What was charged is discharged by the same number. */
bool rzi_memory_charge(struct rzi_memory *memory, size_t bytes, bool force);
void rzi_memory_discharge(struct rzi_memory *memory, size_t bytes);

/* Bytes of zeros, aligned to 64, or NULL: *err is then -XV_ENOMEM, or -XV_ENOSPC where the limit
 * is in the way: the call then ends what it was at, and rzi_room_make makes room (room.c). */
void *rzi_memory_alloc(struct rzi_memory *memory, size_t bytes, int *err);

/* The same whatever the limit says: for what no call can do without. */
void *rzi_memory_force(struct rzi_memory *memory, size_t bytes);

/* Give it back; bytes as it was taken. NULL is allowed. */
void rzi_memory_free(struct rzi_memory *memory, void *at, size_t bytes);

/* What a request of so many bytes counts. */
static inline size_t rzi_memory_rounded(size_t bytes)
{
	return (bytes + RZI_MEMORY_ALIGNMENT - 1) & ~(size_t)(RZI_MEMORY_ALIGNMENT - 1);
}

#endif
