/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * progress.h: one line on standard error that says what is running, where that is a
 * terminal and --quiet was not given. Locking: none. O(1).
 */
#ifndef XVFRAG_PROGRESS_H
#define XVFRAG_PROGRESS_H

#include "common.h"

struct xvf_progress {
	bool shown;
	unsigned done;
	unsigned total; /* allocators times inputs; 0 = not known yet */
};

void xvf_progress_init(struct xvf_progress *progress, bool wanted, unsigned total);

/* Now doing `what` on input; allocator may be NULL. */
void xvf_progress_show(const struct xvf_progress *progress, const char *input,
		       const char *allocator, const char *what);

/* Take the line away, before anything else is printed. */
void xvf_progress_clear(const struct xvf_progress *progress);

#endif
