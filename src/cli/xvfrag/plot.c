/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * plot.c: two pictures an input, drawn by gnuplot: the overhead after each phase, and overhead
 * against time in churn (the frontier: nearer to the lower left corner is better).
 *
 * Writes DIR/xvfrag.gp, which has the data in it and can be changed and drawn again; gnuplot
 * makes DIR/overhead-N.svg and DIR/frontier-N.svg. A name has the same colour in all of them.
 * Locking: none.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

#define PLOT_SCRIPT "xvfrag.gp"
#define PLOT_ROWS_MAX 24U
#define PLOT_WIDTH 1000
#define PLOT_HEIGHT 540

/* ---- gnuplot -------------------------------------------------------------- */

/* Text in quotes; what would end them is a question mark. */
void xvf_plot_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++)
		fputc(strchr("\"\\\n", *text) != NULL ? '?' : *text, out);
	fputc('"', out);
}

static int plot_draw(const char *directory)
{
	char *argv[] = {"gnuplot", PLOT_SCRIPT, NULL};
	posix_spawn_file_actions_t actions;
	int status = 0, error;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, directory);
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0) {
		xvm_note("gnuplot could not be started (%s): %s/" PLOT_SCRIPT " is ready for it "
			 "(Debian: apt-get install gnuplot-nox)",
			 strerror(error), directory);
		return 0;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	xvm_error("gnuplot failed on %s/" PLOT_SCRIPT, directory);
	return XVM_FAILED;
}

/* ---- rows and colours ----------------------------------------------------- */

static const struct {
	const char *name;
	const char *colour;
} plot_colours[] = {
	{"xvmalloc", "#1f5fa8"},
	{"glibc", "#d62728"},
	{"jemalloc", "#ff9d2e"},
	{"mimalloc", "#8c564b"},
	{"tcmalloc", "#9467bd"},
	{"tlsf", "#2ca02c"},
	{"zram", "#444444"},
	{"ideal", "#b0b0b0"},
	{"xvmalloc-nosplit", "#7fb3e6"},
	{"xvmalloc-keyed", "#17becf"},
	{"xvmalloc-hardened", "#0b5563"},
	{"xvmalloc-heap", "#0b2f5c"},
	{"slub", "#bcbd22"},
	{"slob", "#e377c2"},
};

/* Of what has settings, and of plugins: in order. */
static const char *const plot_more_colours[] = {"#00a087", "#f05090", "#a0a000",
						"#6040ff", "#c07000", "#60c0a0"};

/* What is drawn of an input. */
struct plot {
	const struct xvf_report *report;
	size_t number; /* of the input */
	const struct xvf_row *rows[PLOT_ROWS_MAX];
	const char *colours[PLOT_ROWS_MAX];
	size_t count;
};

static const char *plot_colour(const char *name, size_t *others)
{
	for (size_t i = 0; i < sizeof(plot_colours) / sizeof(plot_colours[0]); i++) {
		if (strcmp(plot_colours[i].name, name) == 0)
			return plot_colours[i].colour;
	}
	return plot_more_colours[(*others)++ %
				 (sizeof(plot_more_colours) / sizeof(plot_more_colours[0]))];
}

static void plot_init(struct plot *plot, const struct xvf_report *report, size_t input)
{
	size_t others = 0;

	*plot = (struct plot){.report = report, .number = input + 1};
	for (size_t i = 0; i < report->row_count && plot->count < PLOT_ROWS_MAX; i++) {
		const struct xvf_row *row = &report->rows[i];

		if (row->input != input || !row->drawn || row->run.result_count == 0)
			continue;
		plot->colours[plot->count] = plot_colour(row->run.allocator, &others);
		plot->rows[plot->count++] = row;
	}
}

static void plot_begin(const struct plot *plot, const char *kind, const char *tics, FILE *out)
{
	fprintf(out, "reset\nset output '%s-%zu.svg'\nset title ", kind, plot->number);
	xvf_plot_text(plot->report->inputs[plot->number - 1].name, out);
	fprintf(out,
		"\nset ylabel 'overhead: held / requested bytes (log)'\nset logscale y\n"
		"set grid y\nset ytics (%s)\nset border 3\nset xtics nomirror\n"
		"set ytics nomirror\n",
		tics);
}

/* ---- overheads ------------------------------------------------------------ */

/* Where a row's bar of a phase stands: phases side by side, only those that have a bar. */
static void plot_bars(const struct plot *plot, const char *const *phases, size_t phase_count,
		      FILE *out)
{
	double x = 0;

	for (size_t p = 0; p < phase_count; p++, x += 1.5) {
		for (size_t r = 0; r < plot->count; r++) {
			const struct xvf_result *result = xvf_row_phase(plot->rows[r], phases[p]);

			if (result == NULL || xvf_result_overhead(result) < 0)
				continue;
			fprintf(out, "%zu %.1f %.4f\n", r, x, xvf_result_overhead(result));
			x++;
		}
	}
}

/* The name below the middle of a phase's bars: that of a compaction in two lines. */
static void plot_phase_names(const struct plot *plot, const char *const *phases, size_t phase_count,
			     FILE *out)
{
	double x = 0;

	fputs("set xtics (", out);
	for (size_t p = 0; p < phase_count; p++, x += 1.5) {
		double first = x;
		size_t length = strcspn(phases[p], "+");

		for (size_t r = 0; r < plot->count; r++) {
			const struct xvf_result *result = xvf_row_phase(plot->rows[r], phases[p]);

			x += result != NULL && xvf_result_overhead(result) >= 0;
		}
		fprintf(out, "%s\"%.*s\\n%s\" %.2f", p > 0 ? ", " : "", (int)length, phases[p],
			phases[p] + length, (first + x - 1) / 2);
	}
	fprintf(out, ")\nset xrange [-1:%.1f]\n", x - 1);
}

static void plot_overhead(const struct plot *plot, FILE *out)
{
	const char *phases[XVF_RESULTS_MAX];
	size_t count = xvf_report_phases(plot->report, plot->number - 1, phases);

	fprintf(out, "$overhead%zu << EOD\n", plot->number);
	plot_bars(plot, phases, count, out);
	fputs("EOD\n", out);
	plot_begin(plot, "overhead", "1, 1.1, 1.25, 1.5, 2, 3, 5, 7, 10, 20, 50, 100", out);
	plot_phase_names(plot, phases, count, out);
	fprintf(out,
		"stats $overhead%zu using 3 nooutput\nset yrange [1:STATS_max * 1.25]\n"
		"set bmargin 4\nset style fill solid noborder\nset boxwidth 0.9\nset xtics scale "
		"0\n"
		"set key outside right top reverse Left samplen 1\nplot \\\n",
		plot->number);
	for (size_t r = 0; r < plot->count; r++) {
		fprintf(out,
			"  $overhead%zu using ($1 == %zu ? $2 : NaN):3 with boxes linecolor rgb "
			"'%s' title ",
			plot->number, r, plot->colours[r]);
		xvf_plot_text(plot->rows[r]->run.allocator, out);
		fputs(", \\\n", out);
	}
	fprintf(out,
		"  $overhead%zu using 2:3:(sprintf('%%.3f', $3)) with labels rotate left "
		"offset 0,0.3 font ',%d' notitle\n",
		plot->number, plot->count > 8 ? 6 : 9);
}

/* ---- the frontier --------------------------------------------------------- */

static int compare_times(const void *a, const void *b)
{
	const struct xvf_result *x = xvf_row_timed(*(const struct xvf_row *const *)a);
	const struct xvf_result *y = xvf_row_timed(*(const struct xvf_row *const *)b);

	return (x->ns_per_op > y->ns_per_op) - (x->ns_per_op < y->ns_per_op);
}

/* Time and overhead of the rows that nobody drawn is denser and faster than, the fastest first. */
static void frontier_steps(const struct plot *plot, FILE *out)
{
	const struct xvf_row *rows[PLOT_ROWS_MAX];
	size_t count = 0;

	for (size_t r = 0; r < plot->count; r++) {
		if (xvf_row_timed(plot->rows[r]) != NULL &&
		    xvf_row_behind(plot->report, plot->rows[r], true) == NULL)
			rows[count++] = plot->rows[r];
	}
	qsort(rows, count, sizeof(rows[0]), compare_times);
	fprintf(out, "$steps%zu << EOD\n", plot->number);
	for (size_t i = 0; i < count; i++) {
		const struct xvf_result *timed = xvf_row_timed(rows[i]);

		fprintf(out, "%.2f %.4f\n", timed->ns_per_op, xvf_result_overhead(timed));
	}
	fputs("EOD\n", out);
}

struct plot_range {
	double least_ns, most_ns, most_overhead;
};

/* Of the rows with times; false when there are none. */
static bool frontier_range(const struct plot *plot, struct plot_range *range)
{
	*range = (struct plot_range){.least_ns = 1e9, .most_overhead = 1.02};
	for (size_t r = 0; r < plot->count; r++) {
		const struct xvf_result *timed = xvf_row_timed(plot->rows[r]);

		if (timed == NULL)
			continue;
		if (timed->ns_per_op < range->least_ns)
			range->least_ns = timed->ns_per_op;
		if (timed->ns_per_op > range->most_ns)
			range->most_ns = timed->ns_per_op;
		if (xvf_result_overhead(timed) > range->most_overhead)
			range->most_overhead = xvf_result_overhead(timed);
	}
	return range->most_ns > 0;
}

/* A point for each row with times; the key tells their numbers, so that no label is in the way. */
static void plot_frontier(const struct plot *plot, FILE *out)
{
	struct plot_range range;

	if (!frontier_range(plot, &range))
		return;
	frontier_steps(plot, out);
	plot_begin(plot, "frontier",
		   "1, 1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 2, 3, 5, 10, 20, 50, 100", out);
	fprintf(out,
		"set xlabel 'ns for an alloc or a free in churn (log)'\nset logscale x\n"
		"set xtics (1, 2, 5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, "
		"5000)\nset xrange [%.2f:%.2f]\nset yrange [1:%.4f]\n"
		"set grid x y\nset key outside right top reverse Left samplen 1\n"
		"plot $steps%zu using 1:2 with steps linewidth 2 linecolor rgb '#d0d0d0' "
		"title 'nobody is denser and faster'",
		range.least_ns / 1.4, range.most_ns * 1.4, range.most_overhead * 1.02,
		plot->number);
	for (size_t r = 0; r < plot->count; r++) {
		const struct xvf_result *timed = xvf_row_timed(plot->rows[r]);
		char title[XVF_NAME_BYTES + 40];

		if (timed == NULL)
			continue;
		snprintf(title, sizeof(title), "%s: %.0f ns, %.3f", plot->rows[r]->run.allocator,
			 timed->ns_per_op, xvf_result_overhead(timed));
		fprintf(out,
			", \\\n  '+' using (%.2f):(%.4f) every ::::0 with points pointtype 7 "
			"pointsize "
			"1.5 linecolor rgb '%s' title ",
			timed->ns_per_op, xvf_result_overhead(timed), plot->colours[r]);
		xvf_plot_text(title, out);
	}
	fputc('\n', out);
}

/* ---- the files ------------------------------------------------------------ */

int xvf_write_plots(const struct xvf_report *report, const char *directory)
{
	char path[1024];
	FILE *out;

	if (mkdir(directory, 0777) != 0 && errno != EEXIST) {
		xvm_error("cannot make directory %s: %s", directory, strerror(errno));
		return XVM_FAILED;
	}
	snprintf(path, sizeof(path), "%s/" PLOT_SCRIPT, directory);
	out = xvm_output_open(path);
	if (out == NULL)
		return XVM_FAILED;
	fprintf(out,
		"# gnuplot " PLOT_SCRIPT ", in this directory, draws the pictures again.\n"
		"set terminal svg size %d,%d dynamic noenhanced background 'white' font "
		"'sans-serif,13'\n",
		PLOT_WIDTH, PLOT_HEIGHT);
	for (size_t i = 0; i < report->input_count; i++) {
		struct plot plot;

		plot_init(&plot, report, i);
		if (plot.count == 0)
			continue;
		plot_overhead(&plot, out);
		plot_frontier(&plot, out);
	}
	if (xvm_output_close(out, path) != 0)
		return XVM_FAILED;
	return plot_draw(directory);
}
