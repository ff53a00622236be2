/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * worker.h: a workload played on one allocator, in this process, by one thread or several.
 *
 * Everything the replay needs is taken and touched before the resident set is
 * first read, so that what it grows by afterwards is the allocator's. Timed are
 * the allocator's calls alone, alloc and free, each as one operation; objects are filled
 * outside the timed stretch, with bytes that are random and differ from object to object. At
 * the end of each phase all live objects are compared with what they were filled with.
 *
 * A worker is one thread's part: all play a phase at once, with a barrier between the phases;
 * counted, compared and compacted is at the barriers.
 *
 * Slot s belongs to worker s % threads, with all that is done to it, in its order: the sizes and
 * what is live at the end of a phase are the same for any number of threads. An object's place is
 * its index for the allocator, and where its token is kept: the places of a worker are neighbours
 * and share no cache line with another's. During a phase it allocates nothing itself.
 *
 * Locking: what workers share is constant while they run, but for run->failed. O(operations of all
 * workers).
 */
#ifndef XVFRAG_WORKER_H
#define XVFRAG_WORKER_H

#include <pthread.h>

#include "child.h"
#include "histogram.h"

struct xvf_worker {
	struct xvf_replay *replay;
	unsigned number;    /* 0 .. threads - 1 */
	uint64_t last_stop; /* when the operation before ended, ns */
	long switches;      /* involuntary context switches seen so far */
	pthread_t thread;

	/* What it did; of the last two the sums over all workers mean something. */
	struct xvm_histogram times; /* of the phase */
	uint64_t preempted;         /* operations of the phase left out of times */
	uint64_t live_objects;      /* made less freed, by this worker */
	uint64_t requested_bytes;
};

/* A replay: what its workers have in common. */
struct xvf_replay {
	struct xvf_run *run;
	const struct xvfrag_plugin *plugin;
	void *heap;
	struct xvm_workload_view work;
	const uint8_t *pages; /* of the input, for a store of pages; or NULL */
	unsigned threads;
	uint64_t places_a_thread;
	uint64_t places;
	uint64_t *token;   /* by place */
	uint32_t *source;  /* by place: what it holds, or XVM_NO_SOURCE */
	uint8_t *pattern;  /* random bytes that objects are filled with */
	uint8_t *copy;     /* of the largest object, aligned to a page */
	uint64_t clock_ns; /* that reading the clock takes */
	struct xvf_worker *workers;
	pthread_barrier_t barrier;
	uint32_t phase; /* that the workers are to do */
	uint64_t rss_at_start;
	uint64_t held_bytes; /* at the end of the last phase */
};

/*
 * Play run's workload on a heap of the plugin with these settings (NULL = none), and put what
 * was found into run. Returns 0, or XVM_FAILED with run->failure set. From one thread. (replay.c)
 */
int xvf_replay(struct xvf_run *run, const struct xvfrag_plugin *plugin, const char *settings);

/* Bytes of pattern for objects of up to max_size bytes: a multiple of 8. */
uint64_t xvf_pattern_bytes(uint64_t max_size);

/* What the object of this place and source is filled with. */
const uint8_t *xvf_worker_content(const struct xvf_replay *r, uint32_t place, uint32_t source);

/*
 * Do the worker's part of replay->phase: all workers at once, each in its thread. On failure the
 * reason is in run->failure, and the others stop too.
 */
void xvf_worker_phase(struct xvf_worker *worker);

#endif
