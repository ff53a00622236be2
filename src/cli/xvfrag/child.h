/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * child.h: one allocator, run in a process of its own.
 *
 * The parent starts its own program again (/proc/self/exe) with a hidden first
 * argument, so that a malloc can be preloaded, nothing of the parent's heap is in
 * the child's resident set, and a crash is a line in the table. The workload and
 * the pages are inherited as memfds; records come back over a pipe; what the child
 * prints goes to a memfd, whose last line explains a failure.
 *
 * May call the operating system. Locking: none.
 */
#ifndef XVFRAG_CHILD_H
#define XVFRAG_CHILD_H

#include "replay.h"

/* The first argument that makes xvfrag a child. */
#define XVF_CHILD_ARGUMENT "--xvfrag-replay-child"

/* A phase, and a compaction after it. */
#define XVF_RESULTS_MAX (2 * XVM_PHASES_MAX)

/* How a child ended. */
struct xvf_outcome {
	char allocator[XVF_ALLOCATOR_NAME_BYTES]; /* as it calls itself; "" = never said */
	unsigned entry_flags;                     /* enum xvm_entry_flags */
	unsigned result_count;
	struct xvf_result results[XVF_RESULTS_MAX];
	char failure[2 * XVF_FAILURE_BYTES]; /* "" where all went well */
};

/*
 * Run the allocator called spec (NAME, NAME:ARGUMENT or plugin:PATH) under config,
 * whose argument and result_fd are ignored, with preload (a path, or NULL) as its
 * malloc, and at most timeout_s seconds long. on_result (or NULL) is called as
 * results arrive. Always fills *outcome.
 */
void xvf_child_run(const char *spec, const struct xvf_replay_config *config, const char *preload,
		   unsigned timeout_s,
		   void (*on_result)(void *context, const struct xvf_result *result), void *context,
		   struct xvf_outcome *outcome);

/* The child's main: argv as xvf_child_run made it. Returns an exit status. */
int xvf_child_main(int argc, char **argv);

#endif
