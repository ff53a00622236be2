/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro.h: the parts of xv_bench. Each part registers its benchmarks under names
 *
 *     PART/SUBJECT/MIX/live:N        (what does not apply is left out)
 *
 * so that a filter selects by any of them. Locking: none; called once, from main.
 */
#ifndef XV_BENCH_MICRO_H
#define XV_BENCH_MICRO_H

#include "mix.h"
#include "scene.h"
#include "shim.h"
#include "subject.h"
#include "trace.h"

/* What all parts draw on; lives as long as the process. */
struct micro_setup {
	struct mix page;
	struct mix small;
	struct mix recorded; /* name is NULL without a trace */
	struct trace trace;  /* empty without one */
	const char *pages;   /* where the store's pages come from, as --pages has it */
	unsigned threads;    /* most threads */
};

void micro_add_held(const struct micro_setup *setup);       /* held */
void micro_add_pairs(const struct micro_setup *setup);      /* pair, fill */
void micro_add_latencies(const struct micro_setup *setup);  /* latency */
void micro_add_objects(const struct micro_setup *setup);    /* put, get, resize, size, map */
void micro_add_threads(const struct micro_setup *setup);    /* threads, remote */
void micro_add_providers(const struct micro_setup *setup);  /* page */
void micro_add_compaction(const struct micro_setup *setup); /* compact */
void micro_add_traces(const struct micro_setup *setup);     /* trace */
void micro_add_store(const struct micro_setup *setup);      /* store */

/* End what the last benchmark of the store has kept. */
void micro_drop_store(void);

/*
 * What a process of this program that was started for one number does: see micro_held.c.
 * file is inherited. Returns the exit status.
 */
int micro_answer_held(int file);

/* Mixes in order, NULL behind the last that there is. */
const struct mix *micro_mix_at(const struct micro_setup *setup, size_t index);

/* The usual live counts, 0 behind the last. */
uint32_t micro_live_at(size_t index);

/* Does the subject belong into a benchmark of pairs of this mix at this live count? */
bool micro_pairs_with(const struct bench_subject *subject, const struct mix *mix, uint32_t live);

/* The groups that take this mix: objects above 4,096 bytes are for heaps of programs. */
unsigned micro_groups(const struct mix *mix);

/* A scene_spec that lives as long as the process. */
const struct scene_spec *micro_spec(const struct bench_subject *subject, const struct mix *mix,
				    uint32_t live);

/* Register body as PART/SUBJECT/MIX/live:N with that spec as its context. */
void micro_add(const char *part, micro_body *body, const struct scene_spec *spec,
	       uint64_t iterations);

#endif
