/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * frontier.h: overhead against time. A row is on the frontier when no other row is at
 * least as dense and as fast, and better in one of the two (Pareto).
 *
 * Both are of the phase that stands for the row (xvf_row_timed: churn). Rows without
 * times, such as models, have no point. Locking: none. O(rows^2).
 */
#ifndef XVFRAG_FRONTIER_H
#define XVFRAG_FRONTIER_H

#include "report.h"

struct xvf_frontier_point {
	const struct xvf_row *row;
	double ns_per_op;
	double overhead;
	const struct xvf_row *beaten_by; /* NULL: on the frontier */
};

/* The points of an input, fastest first, to be freed. Their number in *count. */
struct xvf_frontier_point *xvf_frontier_points(const struct xvf_report *report, size_t input,
					       size_t *count);

/* The table of an input. width: of the names. */
void xvf_frontier_table(const struct xvf_report *report, size_t input, int width, FILE *out);

/*
 * The points of an input as lines for gnuplot: name, time, overhead, then the overhead
 * again where the row is on the frontier, else '?'. Returns how many there were.
 */
size_t xvf_frontier_data(const struct xvf_report *report, size_t input, FILE *out);

/* gnuplot's commands for the plot of an input, the index-th block of data (a file's name). */
void xvf_frontier_commands(const struct xvf_report *report, size_t input, const char *data,
			   size_t index, FILE *out);

#endif
