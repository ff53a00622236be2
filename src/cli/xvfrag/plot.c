/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * plot.c: two plots an input, drawn by gnuplot: the overhead after each phase, and
 * overhead against time in churn (the frontier: nearer to the lower left corner is
 * better).
 *
 * Writes DIR/xvfrag-N.dat, DIR/frontier-N.dat and DIR/xvfrag.gp, which can be
 * changed and drawn again; gnuplot makes DIR/overhead-N.svg and DIR/frontier-N.svg.
 * Locking: none.
 */
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

#define PLOT_SCRIPT "xvfrag.gp"

/* A file of the directory, by a printf-like name with the input's number. */
static FILE *plot_open(const char *directory, const char *kind, size_t number, char *path,
		       size_t path_bytes)
{
	if (number > 0)
		snprintf(path, path_bytes, "%s/%s-%zu.dat", directory, kind, number);
	else
		snprintf(path, path_bytes, "%s/%s", directory, kind);
	return xvf_report_open(path);
}

/* A quoted text for gnuplot, in which nothing is special. */
static void plot_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++)
		fputc(*text == '"' || *text == '\\' || *text == '\n' ? '?' : *text, out);
	fputc('"', out);
}

static bool plot_has_results(const struct xvf_row *row, size_t input)
{
	return row->input == input && row->outcome.result_count > 0;
}

/* One line a row: allocator, then overheads; NaN where there is none. */
static int plot_overhead_data(const struct xvf_report *report, size_t input, const char *directory)
{
	const char *phases[XVF_REPORT_PHASES_MAX];
	size_t count = xvf_report_phases(report, input, phases);
	char path[512];
	FILE *out = plot_open(directory, "xvfrag", input + 1, path, sizeof(path));

	if (out == NULL)
		return XVF_FAILED;
	fputs("phase", out);
	for (size_t r = 0; r < report->row_count; r++) {
		if (plot_has_results(&report->rows[r], input)) {
			fputc(' ', out);
			plot_text(report->rows[r].outcome.allocator, out);
		}
	}
	fputc('\n', out);
	for (size_t p = 0; p < count; p++) {
		plot_text(phases[p], out);
		for (size_t r = 0; r < report->row_count; r++) {
			const struct xvf_result *result;

			if (!plot_has_results(&report->rows[r], input))
				continue;
			result = xvf_row_phase(&report->rows[r], phases[p]);
			if (result != NULL && xvf_result_overhead(result) >= 0)
				fprintf(out, " %.4f", xvf_result_overhead(result));
			else
				fputs(" NaN", out);
		}
		fputc('\n', out);
	}
	return xvf_report_close(out, path);
}

/* Points of the frontier. Returns how many, or XVF_FAILED. */
static int plot_frontier_data(const struct xvf_report *report, size_t input, const char *directory)
{
	char path[512];
	FILE *out = plot_open(directory, "frontier", input + 1, path, sizeof(path));
	int points = 0;

	if (out == NULL)
		return XVF_FAILED;
	for (size_t r = 0; r < report->row_count; r++) {
		const struct xvf_row *row = &report->rows[r];
		const struct xvf_result *timed = xvf_row_timed(row);

		if (row->input != input || timed == NULL || xvf_result_overhead(timed) < 0)
			continue;
		plot_text(row->outcome.allocator, out);
		fprintf(out, " %.2f %.4f\n", timed->ns_per_op, xvf_result_overhead(timed));
		points++;
	}
	return xvf_report_close(out, path) == 0 ? points : XVF_FAILED;
}

static size_t plot_columns(const struct xvf_report *report, size_t input)
{
	size_t columns = 0;

	for (size_t r = 0; r < report->row_count; r++)
		columns += plot_has_results(&report->rows[r], input);
	return columns;
}

static void plot_script_overhead(const struct xvf_report *report, size_t input, FILE *out)
{
	fprintf(out, "set output 'overhead-%zu.svg'\nset title ", input + 1);
	plot_text(report->inputs[input].name, out);
	fprintf(out,
		"\nset style data histograms\nset style histogram clustered gap 1\n"
		"set style fill solid 0.8 noborder\nset ylabel 'held / requested bytes (log)'\n"
		"set logscale y\nset yrange [0.95:*]\nset autoscale yfixmax\nset xlabel 'end of "
		"phase'\n"
		"set key outside right autotitle columnheader\n"
		"plot for [i=2:%zu] 'xvfrag-%zu.dat' using i:xtic(1) linecolor i-1\n"
		"reset\n",
		plot_columns(report, input) + 1, input + 1);
}

static void plot_script_frontier(const struct xvf_report *report, size_t input, FILE *out)
{
	fprintf(out, "set output 'frontier-%zu.svg'\nset title ", input + 1);
	plot_text(report->inputs[input].name, out);
	fprintf(out,
		"\nset xlabel 'ns for an alloc or a free in churn'\n"
		"set ylabel 'held / requested bytes after churn'\n"
		"set xrange [0:*]\nset yrange [0.98:*]\nset offsets graph 0, 0.15, 0.1, 0\nunset "
		"key\n"
		"plot 'frontier-%zu.dat' using 2:3 with points pointtype 7, "
		"'' using 2:3:1 with labels left offset 1,0\nreset\n",
		input + 1);
}

static int plot_write_script(const struct xvf_report *report, const char *directory)
{
	char path[512];
	FILE *out = plot_open(directory, PLOT_SCRIPT, 0, path, sizeof(path));

	if (out == NULL)
		return XVF_FAILED;
	fputs("# gnuplot " PLOT_SCRIPT ", in this directory, draws the plots again.\n"
	      "set terminal svg size 1000,600 dynamic noenhanced background 'white'\n",
	      out);
	for (size_t i = 0; i < report->input_count; i++) {
		int points;

		if (plot_columns(report, i) == 0)
			continue;
		if (plot_overhead_data(report, i, directory) != 0)
			break;
		plot_script_overhead(report, i, out);
		points = plot_frontier_data(report, i, directory);
		if (points > 0)
			plot_script_frontier(report, i, out);
	}
	return xvf_report_close(out, path);
}

/* Run gnuplot in the directory. */
static int plot_draw(const char *directory)
{
	char *argv[] = {"gnuplot", PLOT_SCRIPT, NULL};
	posix_spawn_file_actions_t actions;
	int status = 0;
	int error;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, directory);
	error = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0) {
		xvf_note("gnuplot could not be started (%s): %s/%s is ready for it "
			 "(Debian: apt-get install gnuplot-nox)",
			 strerror(error), directory, PLOT_SCRIPT);
		return 0;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	xvf_error("gnuplot failed on %s/%s", directory, PLOT_SCRIPT);
	return XVF_FAILED;
}

int xvf_report_plot(const struct xvf_report *report, const char *directory)
{
	if (mkdir(directory, 0777) != 0 && errno != EEXIST) {
		xvf_error("cannot make directory %s: %s", directory, strerror(errno));
		return XVF_FAILED;
	}
	if (plot_write_script(report, directory) != 0)
		return XVF_FAILED;
	return plot_draw(directory);
}
