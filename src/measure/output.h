/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * output.h: the files that results are written to. Locking: none. O(1).
 */
#ifndef XVM_OUTPUT_H
#define XVM_OUTPUT_H

#include <stdio.h>

/* Open path for writing; "-" is standard output. NULL after saying why. */
FILE *xvm_output_open(const char *path);

/* Close it (standard output is flushed). 0, or XVM_FAILED after saying why. */
int xvm_output_close(FILE *file, const char *path);

#endif
