/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro.h: the parts of xv_bench. Each part registers its benchmarks under names
 *
 *     PART/ALLOCATOR/MIX/live:N        (what does not apply is left out)
 *
 * so that a filter selects by any of them, and a table has a column for each allocator.
 *
 * Locking: the parts are added from main; a team keeps the threads of one benchmark together.
 */
#ifndef XV_BENCH_MICRO_H
#define XV_BENCH_MICRO_H

#include <pthread.h>
#include <stdatomic.h>

#include "heap.h"
#include "shim.h"
#include "workload.h"

#define MICRO_THREADS_MAX 64U

/* What all parts draw on; lives as long as the process. */
struct micro_setup {
	struct mix page;
	struct mix small;
	struct mix recorded; /* name is NULL without a trace */
	struct xvm_workload trace;
	const char *pages; /* where the store's pages come from */
	unsigned threads;  /* most threads: a power of two up to MICRO_THREADS_MAX */
};

void micro_add_objects(const struct micro_setup *setup); /* the calls of one thread */
void micro_add_threads(const struct micro_setup *setup); /* threads, remote */
void micro_add_providers(void);                          /* page */
void micro_add_store(const struct micro_setup *setup);   /* store */

/* End what the last benchmark of the store has kept. */
void micro_drop_store(void);

/* Fail the run when an operation did. */
void micro_check(struct micro_run *run, int failures);

/* ---- A team: the threads of one benchmark ---- */

struct micro_team {
	pthread_barrier_t barrier;
	atomic_bool failed;
};

void micro_team_init(struct micro_team *team, unsigned threads);

/*
 * Thread 0 calls make(context) while the others wait. False in all of them, and the run has failed
 * for the reason `why`, when make said so.
 */
bool micro_team_begin(struct micro_team *team, struct micro_run *run, bool (*make)(void *context),
		      void *context, const char *why);

/* Wait for all. An operation that failed in one thread fails the run of all. */
void micro_team_end(struct micro_team *team, struct micro_run *run, int failures);

#endif
