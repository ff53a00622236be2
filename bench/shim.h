/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shim.h: Google Benchmark for C. The benchmarks are C files that register functions
 * here; shim.cc is the only C++ of the project.
 *
 * The library calls a body several times with rising counts of iterations, in as many threads
 * as its entry says. The body runs its operations in a loop:
 *
 *     while (micro_keep_running(run, 64))
 *             for (i = 0; i < 64; i++) ...
 *
 * Time outside of that loop is not measured. The first call of micro_keep_running is a
 * barrier: no thread gets past it before all have reached it. So is the last one.
 *
 * Locking: register and start from one thread; a run belongs to one thread. O(1).
 */
#ifndef XV_BENCH_SHIM_H
#define XV_BENCH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One thread's part of one run of a benchmark. */
struct micro_run;

typedef void micro_body(struct micro_run *run, void *context);

/*
 * Name a benchmark. The name is copied; context is the body's. With more than one thread
 * the time is the clock's, otherwise the processor time of the thread. iterations is 0 for
 * as many as the minimum time takes.
 */
void micro_register(const char *name, micro_body *body, void *context, unsigned threads,
		    unsigned iterations);

/* Take the options of Google Benchmark out of the command line. */
void micro_parse(int *argc, char **argv);

/* Run what --benchmark_filter selects. Returns the number of benchmarks. */
size_t micro_run_selected(void);

/* ---- In a body ---- */

/* True: do `batch` operations and ask again. */
bool micro_keep_running(struct micro_run *run, uint64_t batch);

/* This thread, and how many there are. */
unsigned micro_thread(struct micro_run *run);
unsigned micro_threads(struct micro_run *run);

/* The result is no good; message (copied) is reported in its place. */
void micro_fail(struct micro_run *run, const char *message);

/* Inside the loop, between two operations: time that does not count. */
void micro_pause(struct micro_run *run);
void micro_resume(struct micro_run *run);

/* A number of this run beside its time; of several threads the average is reported. */
void micro_counter(struct micro_run *run, const char *name, double value);

#ifdef __cplusplus
}
#endif
#endif
