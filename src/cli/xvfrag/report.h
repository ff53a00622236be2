/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * report.h: what was asked of a run, all that it found, and the forms it is written in.
 *
 * Strings of the options point into argv. Locking: none. Writing is O(rows * phases).
 */
#ifndef XVFRAG_REPORT_H
#define XVFRAG_REPORT_H

#include <stdio.h>

#include "child.h"
#include "codecs.h"

/* The command line. */
struct xvf_options {
	const char *const *inputs; /* FILE, DIRECTORY, pid:N, sizes:FILE or trace:FILE */
	size_t input_count;
	const char *allocators;  /* comma-separated */
	struct xvm_codecs codec; /* one */
	uint64_t seed;
	uint64_t objects; /* 0 = as many as the input gives */
	uint64_t threads;
	uint64_t max_input_bytes;
	uint64_t timeout_s;      /* of one allocator on one input */
	const char *record_path; /* "-" = standard output; NULL = none; so the others */
	const char *json_path;
	const char *plot_dir;
	const char *map_path;
	bool list;
	bool version;
};

/* What was read of an input. */
struct xvf_facts {
	const char *name;
	const char *codec;  /* NULL: sizes or a trace were given */
	uint64_t pages;     /* read; 0 for a trace */
	uint64_t available; /* pages there were */
	uint64_t same_filled;
	uint64_t raw;        /* stored as they are */
	uint64_t objects;    /* of the run */
	uint64_t mean_bytes; /* of an object */
	struct xvm_workload_head head;
};

/* One allocator on one input. */
struct xvf_row {
	size_t input;       /* index */
	bool drawn;         /* in plots */
	struct xvf_run run; /* its allocator is the row's name */
};

struct xvf_report {
	const struct xvf_options *options;
	struct xvf_facts *inputs;
	size_t input_count;
	size_t input_capacity;
	struct xvf_row *rows;
	size_t row_count;
	size_t row_capacity;
};

void xvf_report_fini(struct xvf_report *report);

/* Add an input or a row, zeroed; good until the next one is added. */
struct xvf_facts *xvf_report_add_input(struct xvf_report *report);
struct xvf_row *xvf_report_add_row(struct xvf_report *report);

/* Held over requested bytes; negative when nothing was requested. */
double xvf_result_overhead(const struct xvf_result *result);

/* Split objects of all live ones, 0 .. 1; negative when not known. */
double xvf_result_split_share(const struct xvf_result *result);

/* The result of that phase, or NULL. */
const struct xvf_result *xvf_row_phase(const struct xvf_row *row, const char *phase);

/*
 * The phase whose overhead and times stand for the row: churn, else the first with times; or
 * NULL where no phase has both.
 */
const struct xvf_result *xvf_row_timed(const struct xvf_row *row);

/*
 * The densest row of the same input that is at least as dense and as fast, and better in one of
 * them; NULL when there is none: the row is on the frontier. With drawn, of those that are drawn.
 */
const struct xvf_row *xvf_row_behind(const struct xvf_report *report, const struct xvf_row *row,
				     bool drawn);

/* Names of the phases of an input's rows, in order. Returns how many. */
size_t xvf_report_phases(const struct xvf_report *report, size_t input,
			 const char *names[XVF_RESULTS_MAX]);

/* Writers. Each returns 0, or XVM_FAILED after saying why. */
int xvf_write_table(const struct xvf_report *report, FILE *out);
int xvf_write_json(const struct xvf_report *report, const char *path);

/* Write data and a script into directory and, where gnuplot is, draw them. */
int xvf_write_plots(const struct xvf_report *report, const char *directory);

/*
 * Play the workload on a pool of this process, compact it, and draw to path what is in each page
 * before and after.
 */
int xvf_write_map(const struct xvm_workload *workload, uint64_t seed, const char *path);

/* For tests: text as gnuplot reads it, in quotes. */
void xvf_plot_text(const char *text, FILE *out);

#endif
