/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_threads.c: one heap, several threads.
 *
 *   threads   each thread frees and allocates objects of its own (10,000 each); the time
 *             is the clock's, over all threads, so that half of it with twice the threads
 *             is perfect
 *   remote    half of the threads allocate, each for one of the others, which frees, in
 *             order, through a ring of 4,096; items_per_second counts objects. With one
 *             thread, that one does both, and the ring is half full all the time
 *
 * Threads are not bound to processors. Subjects that are no good for threads are left out.
 *
 * Locking: a barrier while a scene is made; in the loops none but the subject's, and in a
 * ring two counters, each written by one thread. O(1) an iteration.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base.h"
#include "micro.h"

#define OWN_OBJECTS 10000U
#define RING_SLOTS 4096U
#define BATCH 64U

/* A ring's counters, on cache lines of their own. */
struct ring {
	_Alignas(128) atomic_uint_least64_t made;
	_Alignas(128) atomic_uint_least64_t freed;
};

struct crowd {
	struct scene_spec spec;
	unsigned threads;
	pthread_barrier_t barrier;
	struct scene *scene; /* set by thread 0 */
	atomic_bool failed;
	struct ring *rings; /* of remote: one for two threads */
};

/* Thread 0 makes the scene while the others wait. False when there is none. */
static bool crowd_enter(struct crowd *crowd, struct micro_run *run)
{
	pthread_barrier_wait(&crowd->barrier);
	if (micro_thread(run) == 0) {
		crowd->scene = scene_get_fresh(&crowd->spec);
		atomic_store(&crowd->failed, false);
		for (unsigned i = 0; crowd->rings != NULL && i < (crowd->threads + 1) / 2; i++) {
			atomic_store(&crowd->rings[i].made, 0);
			atomic_store(&crowd->rings[i].freed, 0);
		}
	}
	pthread_barrier_wait(&crowd->barrier);
	if (crowd->scene == NULL)
		micro_fail(run, "no heap could be made");
	return crowd->scene != NULL;
}

static void crowd_leave(struct crowd *crowd, struct micro_run *run, int failures)
{
	if (failures != 0)
		atomic_store(&crowd->failed, true);
	pthread_barrier_wait(&crowd->barrier);
	if (atomic_load(&crowd->failed))
		micro_fail(run, "an operation failed");
}

/* ---- threads ---- */

static int own_pairs(const struct scene *scene, uint32_t first, uint64_t *random)
{
	const struct bench_subject *subject = scene->spec.subject;
	int failures = 0;

	for (unsigned i = 0; i < BATCH; i++) {
		struct draw draw = mix_draw(scene->spec.mix, random, OWN_OBJECTS);

		failures |= subject->free(scene->heap, first + draw.slot);
		failures |= subject->make(scene->heap, first + draw.slot, draw.size);
	}
	return failures;
}

static void threads_body(struct micro_run *run, const void *context)
{
	struct crowd *crowd = (struct crowd *)(uintptr_t)context;
	uint32_t first = micro_thread(run) * OWN_OBJECTS;
	uint64_t random = scene_seed() + micro_thread(run);
	int failures;

	if (!crowd_enter(crowd, run))
		return;
	failures = scene_fill(crowd->scene, first, OWN_OBJECTS, &random);
	while (micro_keep_running(run, BATCH)) {
		if (failures == 0)
			failures |= own_pairs(crowd->scene, first, &random);
	}
	if (failures == 0)
		failures |= scene_clear(crowd->scene, first, OWN_OBJECTS);
	crowd_leave(crowd, run, failures);
}

/* ---- remote ---- */

static void wait_a_little(unsigned *spins)
{
	if (++*spins % 64 == 0)
		sched_yield();
}

/* Slots are used in turn; one is free again when the other thread is past it. */
static int ring_make(const struct crowd *crowd, unsigned pair, uint64_t *random, unsigned count)
{
	struct ring *ring = &crowd->rings[pair];
	uint64_t made = atomic_load_explicit(&ring->made, memory_order_relaxed);
	unsigned spins = 0;
	int failures = 0;

	for (; count > 0; count--, made++) {
		while (made - atomic_load_explicit(&ring->freed, memory_order_acquire) >=
		       RING_SLOTS)
			wait_a_little(&spins);
		failures |= crowd->spec.subject->make(
			crowd->scene->heap, pair * RING_SLOTS + (uint32_t)(made % RING_SLOTS),
			mix_draw(crowd->spec.mix, random, 1).size);
		atomic_store_explicit(&ring->made, made + 1, memory_order_release);
	}
	return failures;
}

static int ring_free(const struct crowd *crowd, unsigned pair, unsigned count)
{
	struct ring *ring = &crowd->rings[pair];
	uint64_t freed = atomic_load_explicit(&ring->freed, memory_order_relaxed);
	unsigned spins = 0;
	int failures = 0;

	for (; count > 0; count--, freed++) {
		while (atomic_load_explicit(&ring->made, memory_order_acquire) == freed)
			wait_a_little(&spins);
		failures |= crowd->spec.subject->free(
			crowd->scene->heap, pair * RING_SLOTS + (uint32_t)(freed % RING_SLOTS));
		atomic_store_explicit(&ring->freed, freed + 1, memory_order_release);
	}
	return failures;
}

/* Both ends of a pair do as many batches, so the ring is empty at the end. */
static void remote_body(struct micro_run *run, const void *context)
{
	struct crowd *crowd = (struct crowd *)(uintptr_t)context;
	unsigned thread = micro_thread(run);
	uint64_t random = scene_seed() + thread;
	bool makes = thread % 2 == 0;
	bool frees = !makes || crowd->threads == 1;
	uint64_t objects = 0;
	int failures = 0;

	if (!crowd_enter(crowd, run))
		return;
	if (crowd->threads == 1)
		failures |= ring_make(crowd, 0, &random, RING_SLOTS / 2);
	while (micro_keep_running(run, BATCH)) {
		if (makes)
			failures |= ring_make(crowd, thread / 2, &random, BATCH);
		if (frees)
			failures |= ring_free(crowd, thread / 2, BATCH);
		objects += makes ? BATCH : 0;
	}
	micro_items(run, objects);
	if (crowd->threads == 1)
		failures |= ring_free(crowd, 0, RING_SLOTS / 2);
	crowd_leave(crowd, run, failures);
}

/* ---- the list ---- */

static void add_crowd(const char *part, micro_body *body, const struct scene_spec *spec,
		      unsigned threads)
{
	struct crowd *crowd = xvm_calloc(1, sizeof(*crowd));
	struct micro_entry entry = {
		.body = body, .context = crowd, .threads = threads, .real_time = true};
	char name[96];

	crowd->spec = *spec;
	crowd->spec.live *= threads;
	crowd->threads = threads;
	pthread_barrier_init(&crowd->barrier, NULL, threads);
	if (body == remote_body)
		crowd->rings = xvm_calloc(threads, sizeof(*crowd->rings) + 128);
	snprintf(name, sizeof(name), "%s/%s/%s", part, spec->subject->name, spec->mix->name);
	entry.name = name;
	micro_register(&entry);
}

static void add_mix(const struct mix *mix, unsigned threads)
{
	const struct bench_subject *subject;

	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		struct scene_spec spec = {
			.subject = subject, .mix = mix, .live = OWN_OBJECTS, .empty = true};

		if (!subject->threads || (subject->groups & micro_groups(mix)) == 0)
			continue;
		add_crowd("threads", threads_body, &spec, threads);
		spec.live = RING_SLOTS;
		if (threads == 1 || threads % 2 == 0)
			add_crowd("remote", remote_body, &spec, threads);
	}
}

void micro_add_threads(const struct micro_setup *setup)
{
	for (unsigned threads = 1; threads <= setup->threads; threads *= 2) {
		add_mix(&setup->page, threads);
		add_mix(&setup->small, threads);
	}
}
