/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * worker.h: one thread's part of a replay: its operations of a phase, timed.
 *
 * A worker touches the places that were dealt to it (deal.h) and nobody else's. With
 * cross it frees nothing of its own: it hands its objects over to the next worker, and
 * frees what the one before it hands over. During a phase it allocates nothing itself.
 *
 * Locking: a worker is one thread's. What they share is constant while they run, but
 * for `failed` (set once, by the first that cannot go on), `busy` and the guard, the
 * mutex around the calls of an allocator that does not take threads.
 * O(operations).
 */
#ifndef XVFRAG_WORKER_H
#define XVFRAG_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "deal.h"
#include "handover.h"
#include "histogram.h"
#include "timer.h"

#include <xvmalloc/xvfrag_plugin.h>

/* What the workers of a run have in common. */
struct xvf_site {
	const struct xvfrag_plugin *plugin;
	void *heap;
	const uint32_t *sizes; /* by source, bytes */
	struct xvf_deal deal;
	struct xvm_timer timer;
	uint64_t slow_ticks; /* from here on an operation may have been preempted */
	uint64_t *token;     /* by place */
	uint32_t *source;    /* by place: what it holds, or XVM_NO_SOURCE */
	uint8_t *pattern;    /* random bytes that objects are filled with */
	int result_fd;
	bool cross;           /* hand over what is to be freed */
	bool is_guarded;      /* the guard is around alloc and free ... */
	bool fill_is_guarded; /* ... and around filling */
	pthread_mutex_t guard;
	atomic_bool failed;
	atomic_uint busy; /* workers that may still hand something over */
};

struct xvf_worker {
	struct xvf_site *site;
	unsigned number; /* 0 .. deal.threads - 1 */
	struct xvf_handover *out;
	struct xvf_handover *in;
	uint64_t last_stop; /* ticks at the end of the operation before */
	long switches;      /* involuntary context switches seen so far */

	/* What it did; of the last two the sums over all workers mean something. */
	struct xvm_histogram *times; /* of the phase */
	uint64_t preempted;          /* operations of the phase left out of times */
	uint64_t live_objects;       /* made less freed, by this worker */
	uint64_t requested_bytes;
};

/* Bytes of pattern for objects of up to max_size bytes: a multiple of 8. */
uint64_t xvf_pattern_bytes(uint64_t max_size);

/* What the object of this place and source is filled with. */
const uint8_t *xvf_worker_content(const struct xvf_site *site, uint32_t place, uint32_t source);

/*
 * Do the worker's part of a phase: all workers at once, each in its thread. On failure
 * the reason has been sent and site->failed is set, at which the others stop too.
 */
void xvf_worker_phase(struct xvf_worker *worker, uint32_t phase);

#endif
