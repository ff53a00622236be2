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
#include <string.h>
#include <sys/stat.h>

#include "frontier.h"
#include "gnuplot.h"

#define PLOT_SCRIPT "xvfrag.gp"

/* A file of the directory, by a printf-like name with the input's number. */
static FILE *plot_open(const char *directory, const char *kind, size_t number, char *path,
		       size_t path_bytes)
{
	if (number > 0)
		snprintf(path, path_bytes, "%s/%s-%zu.dat", directory, kind, number);
	else
		snprintf(path, path_bytes, "%s/%s", directory, kind);
	return xvm_output_open(path);
}

static bool plot_has_results(const struct xvf_row *row, size_t input)
{
	return row->input == input && row->run.result_count > 0;
}

/* One line a row: allocator, then overheads; NaN where there is none. */
static int plot_overhead_data(const struct xvf_report *report, size_t input, const char *directory)
{
	const char *phases[XVF_REPORT_PHASES_MAX];
	size_t count = xvf_report_phases(report, input, phases);
	char path[512];
	FILE *out = plot_open(directory, "xvfrag", input + 1, path, sizeof(path));

	if (out == NULL)
		return XVM_FAILED;
	fputs("phase", out);
	for (size_t r = 0; r < report->row_count; r++) {
		if (plot_has_results(&report->rows[r], input)) {
			fputc(' ', out);
			xvm_gnuplot_text(report->rows[r].run.allocator, out);
		}
	}
	fputc('\n', out);
	for (size_t p = 0; p < count; p++) {
		xvm_gnuplot_text(phases[p], out);
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
	return xvm_output_close(out, path);
}

/* Points of the frontier. Returns how many, or XVM_FAILED. */
static int plot_frontier_data(const struct xvf_report *report, size_t input, const char *directory)
{
	char path[512];
	FILE *out = plot_open(directory, "frontier", input + 1, path, sizeof(path));
	size_t points;

	if (out == NULL)
		return XVM_FAILED;
	points = xvf_frontier_data(report, input, out);
	return xvm_output_close(out, path) == 0 ? (int)points : XVM_FAILED;
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
	xvm_gnuplot_text(report->inputs[input].name, out);
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
	char data[64];

	snprintf(data, sizeof(data), "frontier-%zu.dat", input + 1);
	fprintf(out, "set output 'frontier-%zu.svg'\n", input + 1);
	xvf_frontier_commands(report, input, data, 0, out);
}

static int plot_write_script(const struct xvf_report *report, const char *directory)
{
	char path[512];
	FILE *out = plot_open(directory, PLOT_SCRIPT, 0, path, sizeof(path));

	if (out == NULL)
		return XVM_FAILED;
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
	return xvm_output_close(out, path);
}

int xvf_report_plot(const struct xvf_report *report, const char *directory)
{
	if (mkdir(directory, 0777) != 0 && errno != EEXIST) {
		xvm_error("cannot make directory %s: %s", directory, strerror(errno));
		return XVM_FAILED;
	}
	if (plot_write_script(report, directory) != 0)
		return XVM_FAILED;
	return xvm_gnuplot_draw(directory, PLOT_SCRIPT);
}
