/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shards_world.h: a pool of several shards, a table of objects whose index is their owner number,
 * and the threads that use it; see test_pool_shards_stress.c.
 */
#ifndef SHARDS_WORLD_H
#define SHARDS_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <xvmalloc/pool.h>

#include "test_flags.h"

enum {
	THREADS = 4,
	SLOTS = 192,
	OPS = 700,
	SIZE_MAX_BYTES = 150000,
	SPARE_SLOTS = 3, /* of a window, for callers' maps */
	PROVIDER_BYTES = 64 << 20,
};

/* What a run varies. */
struct kind {
	const char *name;
	bool window;
	uint32_t page_bytes;
	uint32_t shards;
	uint32_t flags;
	uint64_t limit;
	enum xv_lock_kind lock;
};

struct object {
	atomic_flag busy; /* whoever set it has all of this, but for moves */
	_Atomic(xv_handle) handle;
	uint32_t size;
	uint32_t pattern;
	uint32_t maker; /* number of the thread */
};

struct world {
	const struct kind *kind;
	struct xv_provider *provider;
	struct xv_pool *pool;
	struct object object[SLOTS];
	atomic_uint running;
	atomic_uint errors;
	atomic_uint maps;          /* callers' maps now */
	atomic_ullong moves;       /* by compaction */
	atomic_ullong bad_handles; /* calls that said so */
	atomic_ullong no_room;     /* calls that failed for it */
	atomic_ullong made, freed; /* objects */
	atomic_ullong maps_made;
	atomic_ullong maps_refused; /* for want of a slot */
	uint64_t ops;               /* of each thread */
};

struct worker {
	struct world *world;
	pthread_t thread;
	uint32_t number;
	uint64_t random;
	uint32_t patterns;
	unsigned char buffer[SIZE_MAX_BYTES];
};

static inline void expect(struct world *world, bool good, const char *what, int64_t value)
{
	if (!good && atomic_fetch_add(&world->errors, 1) < 4)
		fprintf(stderr, "not so: %s (%lld)\n", what, (long long)value);
}

/* ---- owners ---- */

static inline int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct world *world = context;

	if (owner >= SLOTS ||
	    !atomic_compare_exchange_strong(&world->object[owner].handle, &from, to))
		return -1;
	atomic_fetch_add(&world->moves, 1);
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

#endif
