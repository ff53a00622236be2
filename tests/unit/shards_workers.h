/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shards_workers.h: a pool, a table of its objects, and threads that make, verify, resize
 * and free them, whoever made them. A slot of the table holds an object's handle; who
 * exchanges it for CLAIMED has the object to himself, and a move by compaction changes the
 * handle only where it is still the old one. For the one program that includes it. Calls
 * public headers. Locking: C11 atomics. O(object size) a step.
 */
#ifndef SHARDS_WORKERS_H
#define SHARDS_WORKERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <xvmalloc/pool.h>

#include "pattern.h"
#include "test_random.h"

enum { SLOTS = 512, THREADS_MAX = 64, OBJECT_BYTES_MAX = 9000 };

struct world {
	struct xv_provider *provider;
	struct xv_pool *low; /* has the provider's first pages, or NULL */
	struct xv_pool *pool;
	_Atomic(xv_handle) handle[SLOTS];
	struct {
		uint32_t size;
		uint32_t pattern;
		uint32_t maker; /* number of the thread */
	} object[SLOTS];        /* whoever holds the handle holds this */
	atomic_uint running;
	atomic_uint errors;
	atomic_ullong others; /* objects that another thread had made, freed */
	atomic_ullong moves;
	atomic_bool stop;
	uint64_t ops; /* of each thread */
};

struct worker {
	struct world *world;
	pthread_t thread;
	uint32_t number;
	uint64_t random;
	uint32_t patterns;
	unsigned char buffer[OBJECT_BYTES_MAX];
};

static void expect(struct world *world, bool good, const char *what, int err)
{
	if (!good && atomic_fetch_add(&world->errors, 1) < 4)
		fprintf(stderr, "not so: %s (%d)\n", what, err);
}

/* ---- owners ---- */

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct world *world = context;

	if (owner >= SLOTS || !atomic_compare_exchange_strong(&world->handle[owner], &from, to))
		return -1;
	atomic_fetch_add(&world->moves, 1);
	return 0;
}

static const struct xv_owner_ops owner_ops = {relocated};

/* ---- workers ---- */

static bool transient(int err)
{
	return err == -XV_ENOMEM || err == -XV_ENOSPC;
}

static void fill(struct worker *worker, uint32_t slot, xv_handle handle, uint32_t size)
{
	struct world *world = worker->world;
	uint32_t pattern = ++worker->patterns * THREADS_MAX + worker->number;
	int err;

	pattern_fill(worker->buffer, size, pattern);
	err = xv_write(world->pool, handle, 0, worker->buffer, size);
	expect(world, err == 0, "write", err);
	world->object[slot].size = size;
	world->object[slot].pattern = pattern;
	world->object[slot].maker = worker->number;
}

static uint32_t fresh_size(struct worker *worker)
{
	size_t kind = random_below(&worker->random, 16);
	size_t most = xv_pool_max_size(worker->world->pool);

	/* Larger than a page only where that can be. */
	if (kind == 0)
		return 1 + (uint32_t)random_below(&worker->random,
						  most > 4096 ? OBJECT_BYTES_MAX : most);
	return 1 + (uint32_t)random_below(&worker->random, kind < 6 ? 2000 : 300);
}

/*
 * A slot that nobody has an object in is claimed with a handle that is none, so that two
 * do not fill it: all ones names no page of any pool.
 */
#define CLAIMED UINT64_MAX

static void make(struct worker *worker, uint32_t slot)
{
	struct world *world = worker->world;
	xv_handle there = XV_NULL_HANDLE, handle;
	uint32_t size = fresh_size(worker);
	int err;

	if (!atomic_compare_exchange_strong(&world->handle[slot], &there, CLAIMED))
		return;
	err = xv_malloc_owned(world->pool, size, slot, &handle);
	if (err == -XV_ENOTSUP)
		err = xv_malloc(world->pool, size, &handle);
	expect(world, err == 0 || transient(err), "malloc", err);
	if (err == 0)
		fill(worker, slot, handle, size);
	atomic_store(&world->handle[slot], err == 0 ? handle : XV_NULL_HANDLE);
}

static void verify(struct worker *worker, uint32_t slot, xv_handle handle)
{
	struct world *world = worker->world;
	uint32_t size = world->object[slot].size;
	int err = xv_object_size(world->pool, handle);

	expect(world, err == (int)size, "size", err);
	err = xv_read(world->pool, handle, 0, worker->buffer, size);
	expect(world, err == 0, "read", err);
	expect(world, pattern_matches(worker->buffer, size, world->object[slot].pattern),
	       "contents", (int)slot);
}

static void drop(struct worker *worker, uint32_t slot, xv_handle handle)
{
	struct world *world = worker->world;
	int err;

	if (world->object[slot].maker != worker->number)
		atomic_fetch_add(&world->others, 1);
	/* The handle is dead before the slot is anyone's again. */
	err = xv_free(world->pool, handle);
	expect(world, err == 0, "free", err);
	atomic_store(&world->handle[slot], XV_NULL_HANDLE);
}

static void resize(struct worker *worker, uint32_t slot, xv_handle handle)
{
	struct world *world = worker->world;
	uint32_t size = fresh_size(worker);
	int err = xv_realloc(world->pool, &handle, size);

	expect(world, err == 0 || transient(err) || err == -XV_EBUSY, "realloc", err);
	if (err == 0)
		fill(worker, slot, handle, size);
	atomic_store(&world->handle[slot], handle);
}

static void work_once(struct worker *worker)
{
	struct world *world = worker->world;
	uint32_t slot = (uint32_t)random_below(&worker->random, SLOTS);
	xv_handle handle = atomic_load(&world->handle[slot]);

	if (handle == XV_NULL_HANDLE) {
		make(worker, slot);
		return;
	}
	if (handle == CLAIMED ||
	    !atomic_compare_exchange_strong(&world->handle[slot], &handle, CLAIMED))
		return;
	verify(worker, slot, handle);
	switch (random_below(&worker->random, 8)) {
	case 0:
		resize(worker, slot, handle);
		break;
	case 1:
	case 2:
		atomic_store(&world->handle[slot], handle);
		break;
	default:
		drop(worker, slot, handle);
		break;
	}
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct world *world = worker->world;

	for (uint64_t i = 0;
	     i < world->ops && atomic_load(&world->errors) == 0 && !atomic_load(&world->stop); i++)
		work_once(worker);
	atomic_fetch_sub(&world->running, 1);
	return NULL;
}

#endif
