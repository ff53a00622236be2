/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * progress.c: the line that says what is running; see progress.h. Locking: none.
 */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

/* Carriage return, and erase to the end of the line (ECMA-48 EL). */
#define PROGRESS_ERASE "\r\033[K"

void xvm_progress_init(struct xvm_progress *progress, bool wanted, unsigned total)
{
	*progress = (struct xvm_progress){
		.shown = wanted && isatty(STDERR_FILENO) != 0,
		.total = total,
	};
}

void xvm_progress_show(const struct xvm_progress *progress, const char *input,
		       const char *allocator, const char *what)
{
	if (!progress->shown)
		return;
	fprintf(stderr, PROGRESS_ERASE "[%u/%u] %.40s %s%s%.24s", progress->done, progress->total,
		input, allocator != NULL ? allocator : "", allocator != NULL ? " " : "", what);
	fflush(stderr);
}

void xvm_progress_clear(const struct xvm_progress *progress)
{
	if (progress->shown)
		fputs(PROGRESS_ERASE, stderr);
}
