/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * report.h: all that a run found, and the forms it is written in.
 *
 * Locking: none. Writing is O(rows * phases).
 */
#ifndef XVFRAG_REPORT_H
#define XVFRAG_REPORT_H

#include <stdio.h>

#include "child.h"
#include "machine.h"
#include "options.h"
#include "output.h"

/* Most different phases that a table has columns for. */
#define XVF_REPORT_PHASES_MAX XVF_RESULTS_MAX

/* What was read of an input. */
struct xvf_input_facts {
	char *name;
	const char *codec;  /* NULL: sizes or a trace were given */
	uint64_t pages;     /* read; 0 for a trace */
	uint64_t available; /* pages there were */
	uint64_t same_filled;
	uint64_t raw;        /* stored as they are */
	uint64_t objects;    /* of the run */
	uint64_t mean_bytes; /* of an object */
};

/* One allocator on one input. */
struct xvf_row {
	size_t input;       /* index */
	struct xvf_run run; /* its allocator is the row's name */
};

struct xvf_report {
	struct xvm_machine machine;
	const struct xvf_options *options;
	struct xvf_input_facts *inputs;
	size_t input_count;
	size_t input_capacity;
	struct xvf_row *rows;
	size_t row_count;
	size_t row_capacity;
};

void xvf_report_fini(struct xvf_report *report);

/* Add an input or a row, zeroed; good until the next one is added. */
struct xvf_input_facts *xvf_report_add_input(struct xvf_report *report);
struct xvf_row *xvf_report_add_row(struct xvf_report *report);

/* Held over requested bytes; negative when nothing was requested. */
double xvf_result_overhead(const struct xvf_result *result);

/* Split objects of all live ones, 0 .. 1; negative when not known. */
double xvf_result_split_share(const struct xvf_result *result);

/* The result of that phase, or NULL. */
const struct xvf_result *xvf_row_phase(const struct xvf_row *row, const char *phase);

/* The phase whose times stand for the row: churn, else the first with times; or NULL. */
const struct xvf_result *xvf_row_timed(const struct xvf_row *row);

/* Was a mutex of the run's around its calls, as it does not take several threads? */
bool xvf_row_is_guarded(const struct xvf_row *row);

/* Names of the phases of an input's rows, in order. Returns how many. */
size_t xvf_report_phases(const struct xvf_report *report, size_t input,
			 const char *names[XVF_REPORT_PHASES_MAX]);

/*
 * Writers. Each returns 0, or XVM_FAILED after saying why; path "-" is standard
 * output.
 */
int xvf_report_table(const struct xvf_report *report, FILE *out);
int xvf_report_csv(const struct xvf_report *report, const char *path);
int xvf_report_json(const struct xvf_report *report, const char *path);

/* Write the frontier (frontier.h): PATH.dat, and draw it where path is .png or .svg. */
int xvf_report_frontier(const struct xvf_report *report, const char *path);

/* Write plots and, where gnuplot is, draw them into directory. */
int xvf_report_plot(const struct xvf_report *report, const char *directory);

#endif
