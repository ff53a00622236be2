/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shim.h: Google Benchmark for C. The benchmarks are C files that register functions
 * here; shim.cc is the only C++ of the project.
 *
 * A body is called several times with rising counts of iterations, by as many threads
 * as its entry says, and runs its operations in a loop:
 *
 *     while (micro_keep_running(run, 64))
 *             for (i = 0; i < 64; i++) ...
 *
 * Time outside of that loop is not measured. The first call of micro_keep_running is a
 * barrier: no thread gets past it before all have reached it.
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

typedef void micro_body(struct micro_run *run, const void *context);

#define MICRO_ARGUMENTS_MAX 2

/* A number that a body asks for, and that is part of its name as "/name:value". */
struct micro_argument {
	const char *name;
	int64_t value;
};

struct micro_entry {
	const char *name; /* copied */
	micro_body *body;
	const void *context;                                 /* the body's; kept */
	struct micro_argument argument[MICRO_ARGUMENTS_MAX]; /* up to the first without name */
	unsigned threads;                                    /* 0 as 1 */
	bool real_time;      /* judged by the clock and not by this thread's processor time */
	bool manual_time;    /* by what micro_set_seconds said */
	uint64_t iterations; /* 0: as many as the minimum time takes */
};

void micro_register(const struct micro_entry *entry);

/*
 * Take the options of Google Benchmark out of the command line; false, after saying so,
 * when one that is left is unknown to it as well.
 */
bool micro_parse(int *argc, char **argv);

/* A line of the head of the report, and of the JSON's "context". */
void micro_add_context(const char *key, const char *value);

/* Run what --benchmark_filter selects. Returns the number of benchmarks. */
size_t micro_run_selected(void);

/* ---- In a body ---- */

/* True: do `batch` operations and ask again. */
bool micro_keep_running(struct micro_run *run, uint64_t batch);

/* The value of the entry's argument. */
int64_t micro_argument_value(const struct micro_run *run, unsigned index);

/* This thread, and how many there are. */
unsigned micro_thread(const struct micro_run *run);
unsigned micro_threads(const struct micro_run *run);

/* The result is no good; message (copied) is reported in its place. */
void micro_fail(struct micro_run *run, const char *message);

/* Inside the loop, between two operations: time that does not count. */
void micro_pause(struct micro_run *run);
void micro_resume(struct micro_run *run);

/* With manual_time: what the last batch of operations took. */
void micro_set_seconds(struct micro_run *run, double seconds);

/* A number of this run beside its time; of several threads the average is reported. */
void micro_counter(struct micro_run *run, const char *name, double value);

/* Operations that count for items_per_second, of this thread. */
void micro_items(struct micro_run *run, uint64_t items);

/* Bytes that count for bytes_per_second, of this thread. */
void micro_bytes(struct micro_run *run, uint64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
