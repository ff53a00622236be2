/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * child.h: one allocator, run in a process of its own.
 *
 * The parent starts its own program again (/proc/self/exe) with a hidden first
 * argument, so that a malloc can be preloaded, nothing of the parent's heap is in
 * the child's resident set, and a crash is a line in the table. Both map one
 * struct xvf_run, in a memfd that the child inherits with those of the workload and of the
 * pages. What the child prints goes to another memfd, whose last line explains a failure.
 *
 * May call the operating system. Locking: the child writes a result before it counts it, and
 * the parent reads those that are counted; the rest is read when the child has ended.
 */
#ifndef XVFRAG_CHILD_H
#define XVFRAG_CHILD_H

#include <stdatomic.h>

#include "registry.h"
#include "workload.h"

/* The first argument that makes xvfrag a child. */
#define XVF_CHILD_ARGUMENT "--xvfrag-replay-child"

/* A phase's name with "+compact" behind it fits. */
#define XVF_RESULT_NAME_BYTES (XVM_PHASE_NAME_BYTES + 8)
#define XVF_NAME_BYTES 80
#define XVF_SPEC_BYTES 1024
#define XVF_THREADS_MAX 64U
#define XVF_FAILURE_BYTES 480

/* A phase, and a compaction after it. */
#define XVF_RESULTS_MAX (2 * XVM_PHASES_MAX)

enum xvf_result_flags {
	XVF_RESULT_RSS = 1U << 0,     /* rss_bytes means something */
	XVF_RESULT_TIME = 1U << 1,    /* the _ns fields do */
	XVF_RESULT_COMPACT = 1U << 2, /* a compaction: of the times only ns_per_op, of a step */
	XVF_RESULT_STEPS = 1U << 3,   /* of a compaction: moved_bytes and the step times
				       * are known */
	XVF_RESULT_SPLIT = 1U << 4,   /* split_objects is known */
};

/* The state of a heap at the end of a phase, and the phase's cost. */
struct xvf_result {
	char phase[XVF_RESULT_NAME_BYTES];
	unsigned flags;
	uint64_t live_objects;
	uint64_t requested_bytes;
	uint64_t held_bytes;
	uint64_t rss_bytes; /* growth of the process's resident set */
	uint64_t ops;       /* allocations and frees timed, or steps of a compaction */
	uint64_t preempted; /* of ops, those left out of the times */
	double ops_per_s;   /* of all threads, by the clock, with filling */
	double ns_per_op;
	double p50_ns;
	double p99_ns;
	double p9999_ns;
	double max_ns;
	uint64_t split_objects; /* live objects in more than one piece */
	uint64_t moved_bytes;   /* of a compaction */
	uint64_t freed_bytes;   /* held bytes less than before it */
	uint64_t p99_step_ns;   /* processor time */
	uint64_t longest_step_ns;
};

/* What a child is told, and what it found. */
struct xvf_run {
	char spec[XVF_SPEC_BYTES]; /* NAME, NAME:SETTINGS or plugin:PATH */
	char codec[16];            /* of the pages; "" = none */
	uint64_t seed;
	unsigned threads; /* 1 .. XVF_THREADS_MAX */
	int workload_fd;  /* sealed workload */
	int pages_fd;     /* pages of the input, or -1 */

	char allocator[XVF_NAME_BYTES]; /* as it calls itself */
	bool done;                      /* all phases were played */
	bool cannot;                    /* failure says why it cannot run here */
	atomic_bool failed;
	char failure[XVF_FAILURE_BYTES]; /* "" where all went well */
	atomic_uint result_count;
	struct xvf_result results[XVF_RESULTS_MAX];
};

/* Note why the run failed, printf-like, unless that was done. Any thread. Returns XVM_FAILED. */
int xvf_run_fail(struct xvf_run *run, const char *format, ...);

/*
 * Run what *run tells, with preload (a path, or NULL) as its malloc, and at most timeout_s
 * seconds long; what it found is in *run then, failure included. on_progress is called several
 * times a second.
 */
void xvf_child_run(struct xvf_run *run, const char *preload, unsigned timeout_s,
		   void (*on_progress)(void *context, const struct xvf_run *run), void *context);

/* The child's main: argv as xvf_child_run made it. Returns an exit status. */
int xvf_child_main(int argc, char **argv);

#endif
