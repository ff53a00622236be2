/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * progress.h: one line on standard error that says what is running, where that is a
 * terminal and --quiet was not given. Locking: none. O(1).
 */
#ifndef XVM_PROGRESS_H
#define XVM_PROGRESS_H

#include "base.h"

struct xvm_progress {
	bool shown;
	unsigned done;
	unsigned total; /* allocators times inputs; 0 = not known yet */
};

void xvm_progress_init(struct xvm_progress *progress, bool wanted, unsigned total);

/* Now doing `what` on input; allocator may be NULL. */
void xvm_progress_show(const struct xvm_progress *progress, const char *input,
		       const char *allocator, const char *what);

/* Take the line away, before anything else is printed. */
void xvm_progress_clear(const struct xvm_progress *progress);

#endif
