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
#include <math.h>
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
		"\nset ylabel 'held / requested bytes (log)'\nset logscale y\nset grid y\n"
		"set ytics (%s)\nset border 3\nset xtics nomirror\nset ytics nomirror\n",
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
		"set key outside right top\nplot \\\n",
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
		"  $overhead%zu using 2:3:(sprintf('%%.2f', $3)) with labels rotate left "
		"offset 0,0.3 font ',9' notitle\n",
		plot->number);
}

/* ---- the frontier --------------------------------------------------------- */

/* A rectangle of the picture, pixels. */
struct plot_box {
	double left, bottom, right, top;
};

struct plot_frontier {
	double x_min, x_max, y_max;               /* of the axes */
	struct plot_box taken[2 * PLOT_ROWS_MAX]; /* by points and labels */
	size_t taken_count;
};

/* Margins of the frontier: they make pixels of values. */
enum { MARGIN_LEFT = 100, MARGIN_RIGHT = 40, MARGIN_BOTTOM = 70, MARGIN_TOP = 40 };

static double frontier_x(const struct plot_frontier *f, double ns)
{
	return MARGIN_LEFT + (PLOT_WIDTH - MARGIN_LEFT - MARGIN_RIGHT) * log(ns / f->x_min) /
				     log(f->x_max / f->x_min);
}

static double frontier_y(const struct plot_frontier *f, double overhead)
{
	return MARGIN_BOTTOM +
	       (PLOT_HEIGHT - MARGIN_BOTTOM - MARGIN_TOP) * log(overhead) / log(f->y_max);
}

static void frontier_axes(const struct plot *plot, struct plot_frontier *f)
{
	*f = (struct plot_frontier){.x_min = 1e9, .x_max = 1, .y_max = 1.02};
	for (size_t r = 0; r < plot->count; r++) {
		const struct xvf_result *timed = xvf_row_timed(plot->rows[r]);

		if (timed == NULL)
			continue;
		f->x_min = fmin(f->x_min, timed->ns_per_op / 1.5);
		f->x_max = fmax(f->x_max, timed->ns_per_op * 1.5);
		f->y_max = fmax(f->y_max, pow(xvf_result_overhead(timed), 1.15));
	}
}

static bool frontier_is_free(const struct plot_frontier *f, const struct plot_box *box)
{
	if (box->left < MARGIN_LEFT || box->right > PLOT_WIDTH || box->bottom < MARGIN_BOTTOM ||
	    box->top > PLOT_HEIGHT)
		return false;
	for (size_t i = 0; i < f->taken_count; i++) {
		const struct plot_box *other = &f->taken[i];

		if (box->left < other->right && other->left < box->right &&
		    box->bottom < other->top && other->bottom < box->top)
			return false;
	}
	return true;
}

/* A place for a text of so many letters around a point: the first that is free. */
static struct plot_box frontier_place(struct plot_frontier *f, double x, double y, size_t letters)
{
	/* Left edge of the text, in its widths, and lower edge, pixels; both from the point. */
	static const struct {
		double across, right, up;
	} places[] = {{-0.5, 0, 8},   {0, 6, 8},   {-1, -6, 8},   {0, 10, -7},   {-1, -10, -7},
		      {-0.5, 0, -22}, {0, 6, -20}, {-1, -6, -20}, {-0.5, 0, 24}, {-0.5, 0, -38}};
	double width = 8.0 * (double)letters;
	struct plot_box box = {0};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		box.left = x + places[i].across * width + places[i].right;
		box.right = box.left + width;
		box.bottom = y + places[i].up;
		box.top = box.bottom + 14;
		if (frontier_is_free(f, &box))
			break;
	}
	f->taken[f->taken_count++] = box;
	return box;
}

static void frontier_labels(const struct plot *plot, struct plot_frontier *f, FILE *out)
{
	for (size_t r = 0; r < plot->count; r++) {
		const struct xvf_result *timed = xvf_row_timed(plot->rows[r]);
		double x, y;

		if (timed == NULL)
			continue;
		x = frontier_x(f, timed->ns_per_op);
		y = frontier_y(f, xvf_result_overhead(timed));
		f->taken[f->taken_count++] = (struct plot_box){x - 7, y - 7, x + 7, y + 7};
	}
	for (size_t r = 0; r < plot->count; r++) {
		const struct xvf_result *timed = xvf_row_timed(plot->rows[r]);
		const char *name = plot->rows[r]->run.allocator;
		struct plot_box box;

		if (timed == NULL)
			continue;
		box = frontier_place(f, frontier_x(f, timed->ns_per_op),
				     frontier_y(f, xvf_result_overhead(timed)), strlen(name));
		fputs("set label ", out);
		xvf_plot_text(name, out);
		fprintf(out, " at screen %.4f,%.4f left textcolor rgb '%s'\n",
			box.left / PLOT_WIDTH, (box.bottom + 7) / PLOT_HEIGHT, plot->colours[r]);
	}
}

static int frontier_compare(const void *a, const void *b)
{
	const struct xvf_result *x = xvf_row_timed(*(const struct xvf_row *const *)a);
	const struct xvf_result *y = xvf_row_timed(*(const struct xvf_row *const *)b);

	return (x->ns_per_op > y->ns_per_op) - (x->ns_per_op < y->ns_per_op);
}

/* Rows with times, and those on the frontier, the fastest first. Returns how many have times. */
static size_t frontier_data(const struct plot *plot, FILE *out)
{
	const struct xvf_row *rows[PLOT_ROWS_MAX];
	size_t count = 0;

	fprintf(out, "$frontier%zu << EOD\n", plot->number);
	for (size_t r = 0; r < plot->count; r++) {
		const struct xvf_result *timed = xvf_row_timed(plot->rows[r]);

		if (timed == NULL)
			continue;
		rows[count++] = plot->rows[r];
		fprintf(out, "%zu %.2f %.4f\n", r, timed->ns_per_op, xvf_result_overhead(timed));
	}
	fprintf(out, "EOD\n$steps%zu << EOD\n", plot->number);
	qsort(rows, count, sizeof(rows[0]), frontier_compare);
	for (size_t i = 0; i < count; i++) {
		const struct xvf_result *timed = xvf_row_timed(rows[i]);

		if (xvf_row_behind(plot->report, rows[i], true) == NULL)
			fprintf(out, "%.2f %.4f\n", timed->ns_per_op, xvf_result_overhead(timed));
	}
	fputs("EOD\n", out);
	return count;
}

static void plot_frontier(const struct plot *plot, FILE *out)
{
	struct plot_frontier f;

	if (frontier_data(plot, out) == 0)
		return;
	frontier_axes(plot, &f);
	plot_begin(plot, "frontier",
		   "1, 1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 2, 3, 5, 10, 20, 50, 100", out);
	fprintf(out,
		"set lmargin at screen %.4f\nset rmargin at screen %.4f\n"
		"set bmargin at screen %.4f\nset tmargin at screen %.4f\n"
		"set xlabel 'ns for an alloc or a free in churn (log), less is better'\n"
		"set logscale x\nset xtics (1, 2, 5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500, "
		"700, 1000, 2000, 5000, 10000)\nset xrange [%.3f:%.3f]\nset yrange [1:%.5f]\n"
		"set key at graph 0.99,0.97 right top\n",
		(double)MARGIN_LEFT / PLOT_WIDTH, 1 - (double)MARGIN_RIGHT / PLOT_WIDTH,
		(double)MARGIN_BOTTOM / PLOT_HEIGHT, 1 - (double)MARGIN_TOP / PLOT_HEIGHT, f.x_min,
		f.x_max, f.y_max);
	frontier_labels(plot, &f, out);
	fprintf(out,
		"plot $steps%zu using 1:2 with steps linecolor rgb '#b0b0b0' title "
		"'the frontier: nobody is denser and faster'",
		plot->number);
	for (size_t r = 0; r < plot->count; r++)
		fprintf(out,
			", \\\n  $frontier%zu using ($1 == %zu ? $2 : NaN):3 with points pointtype "
			"7 "
			"linecolor rgb '%s' notitle",
			plot->number, r, plot->colours[r]);
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
