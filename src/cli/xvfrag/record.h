/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * record.h: what a child process tells its parent while it replays a workload.
 *
 * Fixed-size records over a pipe, each written by one write(2) shorter than
 * PIPE_BUF, in the order: one hello; a result for each phase; then one end or one
 * failure. Both ends are the same program, so the layout is the compiler's.
 */
#ifndef XVFRAG_RECORD_H
#define XVFRAG_RECORD_H

#include "workload.h"

/* A phase's name with "+compact" behind it fits. */
#define XVF_RESULT_NAME_BYTES (XVM_PHASE_NAME_BYTES + 8)
#define XVF_FAILURE_BYTES 240
#define XVF_ALLOCATOR_NAME_BYTES 48

enum xvf_result_flags {
	XVF_RESULT_RSS = 1U << 0,     /* rss_bytes means something */
	XVF_RESULT_TIME = 1U << 1,    /* the _ns fields do */
	XVF_RESULT_COMPACT = 1U << 2, /* a compaction: freed_bytes is set, and of the
				       * times only ns_per_op, of a step */
	XVF_RESULT_STEPS = 1U << 3,   /* of a compaction: moved_bytes and the step times
				       * are known */
	XVF_RESULT_SPLIT = 1U << 4,   /* split_objects is known */
};

/* The state of a heap at the end of a phase, and the phase's cost. */
struct xvf_result {
	char phase[XVF_RESULT_NAME_BYTES];
	uint32_t flags;
	uint32_t reserved;
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
	uint64_t freed_bytes;
	uint64_t p99_step_ns; /* processor time */
	uint64_t longest_step_ns;
};

enum xvf_record_kind {
	XVF_RECORD_HELLO = 1,
	XVF_RECORD_RESULT,
	XVF_RECORD_END,
	XVF_RECORD_FAILURE,
};

struct xvf_record {
	uint32_t kind;
	uint32_t entry_flags; /* of hello: enum xvm_entry_flags */
	union {
		char name[XVF_ALLOCATOR_NAME_BYTES]; /* of hello: the allocator's */
		struct xvf_result result;
		char failure[XVF_FAILURE_BYTES];
	} u;
};

/* Send a record; ends the process when the parent is gone. */
void xvf_record_send(int fd, const struct xvf_record *record);

/* Send a result, or a failure (printf-like). xvf_record_fail returns XVM_FAILED. */
void xvf_record_result(int fd, const struct xvf_result *result);
int xvf_record_fail(int fd, const char *format, ...);

#endif
