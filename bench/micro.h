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
#include "input.h"
#include "shim.h"
#include "workload.h"

#define MICRO_THREADS_MAX 64U

/* Environment, from swap.sh: how to enter its control group. */
#define MICRO_GROUP "XV_BENCH_GROUP"

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
void micro_add_tiers(const struct micro_setup *setup);   /* tiers */

/* End what the benchmarks of the store have kept. */
void micro_drop_store(void);
void micro_drop_tiers(void);

/* ---- Pages of an input: none of one repeated word, none twice ---- */

struct micro_pages {
	struct xvm_input input;
	uint32_t *index; /* of the pages, in order */
	uint32_t count;
};

/* Read up to max_bytes of the input, once. False with the reason in why. */
bool micro_pages_read(struct micro_pages *pages, const char *name, uint64_t max_bytes,
		      char why[XVFRAG_PLUGIN_WHY_BYTES]);
void micro_pages_fini(struct micro_pages *pages);

static inline const uint8_t *micro_page(const struct micro_pages *pages, uint32_t n)
{
	return xvm_pages_at(&pages->input.pages, pages->index[n]);
}

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
