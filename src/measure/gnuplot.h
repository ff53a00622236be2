/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * gnuplot.h: scripts for gnuplot, and running it. Locking: none.
 */
#ifndef XVM_GNUPLOT_H
#define XVM_GNUPLOT_H

#include <stdio.h>

/* Write text in double quotes, with what is special in them replaced by '?'. */
void xvm_gnuplot_text(const char *text, FILE *out);

/* Write a file's name in single quotes, as it is. */
void xvm_gnuplot_file(const char *name, FILE *out);

/*
 * Draw the script of that name in the directory, which is gnuplot's current one. Returns
 * 0, also where there is no gnuplot (which is said), or XVM_FAILED after saying why.
 */
int xvm_gnuplot_draw(const char *directory, const char *script);

#endif
