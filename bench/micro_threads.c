/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_threads.c: one heap, several threads.
 *
 *   threads   each thread frees and allocates objects of its own (10,000 each); the time
 *             is the clock's, over all threads, so that half of it with twice the threads
 *             is perfect
 *   remote    half of the threads allocate, each for one of the others, which frees, in
 *             order, through a ring of 4,096; the time is of a malloc or a free
 *
 * Threads are not bound to processors. Allocators that are no good for threads are left out.
 *
 * Locking: a team while a heap is made; in the loops none but the allocator's, and in a
 * ring two counters, each written by one thread. O(1) an iteration.
 */
#include <sched.h>
#include <stdio.h>

#include "base.h"
#include "micro.h"

#define OWN_OBJECTS 10000U
#define RING_SLOTS 4096U
#define BATCH 64U

/* Counters on cache lines of their own. One thread makes, another one frees. */
struct ring {
	_Alignas(128) atomic_uint_least64_t made;
	_Alignas(128) atomic_uint_least64_t freed;
};

static struct ring rings[MICRO_THREADS_MAX / 2];

/* What the threads of one benchmark share. */
struct shared {
	struct micro_team team;
	struct heap_spec spec;
	struct heap *heap;
};

static bool shared_make(void *context)
{
	struct shared *shared = context;

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		atomic_store(&rings[i].made, 0);
		atomic_store(&rings[i].freed, 0);
	}
	shared->heap = heap_get_fresh(&shared->spec);
	return shared->heap != NULL;
}

static bool shared_begin(struct shared *shared, struct micro_run *run)
{
	return micro_team_begin(&shared->team, run, shared_make, shared, "no heap could be made");
}

/* ---- threads ---- */

static void threads_body(struct micro_run *run, void *context)
{
	struct shared *shared = context;
	uint32_t first = micro_thread(run) * OWN_OBJECTS;
	uint64_t random = HEAP_SEED + micro_thread(run);
	int failures;

	if (!shared_begin(shared, run))
		return;
	failures = heap_fill(shared->heap, first, OWN_OBJECTS, &random);
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH && failures == 0; i++) {
			struct draw draw = mix_draw(shared->spec.mix, &random, OWN_OBJECTS);

			failures = heap_replace(shared->heap, first + draw.slot, draw.size);
		}
	}
	failures |= heap_clear(shared->heap, first, OWN_OBJECTS);
	micro_team_end(&shared->team, run, failures);
}

/* ---- remote ---- */

/* Wait until a slot of the ring can be made or freed. Slots are used in turn. */
static void ring_wait(const atomic_uint_least64_t *other, uint64_t count)
{
	for (unsigned spins = 1; atomic_load_explicit(other, memory_order_acquire) < count;
	     spins++) {
		if (spins % 64 == 0)
			sched_yield();
	}
}

static int ring_make(const struct shared *shared, unsigned pair, uint64_t *random)
{
	struct ring *ring = &rings[pair];
	uint64_t made = atomic_load_explicit(&ring->made, memory_order_relaxed);
	int failures;

	if (made >= RING_SLOTS)
		ring_wait(&ring->freed, made - RING_SLOTS + 1);
	failures = heap_make(shared->heap, pair * RING_SLOTS + (uint32_t)(made % RING_SLOTS),
			     mix_draw(shared->spec.mix, random, 1).size);
	atomic_store_explicit(&ring->made, made + 1, memory_order_release);
	return failures;
}

static int ring_free(const struct shared *shared, unsigned pair)
{
	struct ring *ring = &rings[pair];
	uint64_t freed = atomic_load_explicit(&ring->freed, memory_order_relaxed);
	int failures;

	ring_wait(&ring->made, freed + 1);
	failures = heap_free(shared->heap, pair * RING_SLOTS + (uint32_t)(freed % RING_SLOTS));
	atomic_store_explicit(&ring->freed, freed + 1, memory_order_release);
	return failures;
}

/* Both ends of a ring do as many batches, so it is empty at the end. */
static void remote_body(struct micro_run *run, void *context)
{
	struct shared *shared = context;
	unsigned thread = micro_thread(run);
	uint64_t random = HEAP_SEED + thread;
	int failures = 0;

	if (!shared_begin(shared, run))
		return;
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH; i++)
			failures |= thread % 2 == 0 ? ring_make(shared, thread / 2, &random)
						    : ring_free(shared, thread / 2);
	}
	micro_team_end(&shared->team, run, failures);
}

/* ---- The list ---- */

static void add(const char *part, micro_body *body, const struct micro_allocator *allocator,
		const struct mix *mix, unsigned threads)
{
	struct shared *shared = xvm_calloc(1, sizeof(*shared));
	char name[128];

	shared->spec = (struct heap_spec){
		.allocator = allocator,
		.mix = mix,
		.slots = body == remote_body ? RING_SLOTS * threads / 2 : OWN_OBJECTS * threads,
		.empty = true,
	};
	micro_team_init(&shared->team, threads);
	snprintf(name, sizeof(name), "%s/%s/%s", part, allocator->name, mix->name);
	micro_register(name, body, shared, threads, 0);
}

void micro_add_threads(const struct micro_setup *setup)
{
	const struct micro_allocator *allocator;

	for (size_t i = 0; (allocator = micro_allocator_at(i)) != NULL; i++) {
		if (!(allocator->groups & GROUP_ALL) ||
		    !(allocator->calls->flags & XVFRAG_PLUGIN_THREADS))
			continue;
		for (unsigned threads = 1; threads <= setup->threads; threads *= 2) {
			add("threads", threads_body, allocator, &setup->page, threads);
			if (threads > 1)
				add("remote", remote_body, allocator, &setup->page, threads);
		}
	}
}
