/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * frontier.c: who is denser and faster, and the files that --frontier makes; see
 * frontier.h and report.h. Locking: none.
 */
#include "frontier.h"

#include <stdlib.h>
#include <string.h>

#include "gnuplot.h"

/* ---- points --------------------------------------------------------------- */

static bool frontier_beats(const struct xvf_frontier_point *a, const struct xvf_frontier_point *b)
{
	if (a->ns_per_op > b->ns_per_op || a->overhead > b->overhead)
		return false;
	return a->ns_per_op < b->ns_per_op || a->overhead < b->overhead;
}

static int frontier_compare(const void *a, const void *b)
{
	const struct xvf_frontier_point *x = a;
	const struct xvf_frontier_point *y = b;

	if (x->ns_per_op != y->ns_per_op)
		return x->ns_per_op < y->ns_per_op ? -1 : 1;
	return (x->overhead > y->overhead) - (x->overhead < y->overhead);
}

/* Of those that beat it, the densest. */
static const struct xvf_row *frontier_beaten_by(const struct xvf_frontier_point *points,
						size_t count, size_t index)
{
	const struct xvf_frontier_point *best = NULL;

	for (size_t i = 0; i < count; i++) {
		if (frontier_beats(&points[i], &points[index]) &&
		    (best == NULL || points[i].overhead < best->overhead))
			best = &points[i];
	}
	return best != NULL ? best->row : NULL;
}

struct xvf_frontier_point *xvf_frontier_points(const struct xvf_report *report, size_t input,
					       size_t *count)
{
	struct xvf_frontier_point *points = xvm_calloc(report->row_count, sizeof(*points));

	*count = 0;
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_row *row = &report->rows[i];
		const struct xvf_result *timed = xvf_row_timed(row);

		if (row->input != input || timed == NULL || xvf_result_overhead(timed) < 0)
			continue;
		points[(*count)++] = (struct xvf_frontier_point){
			.row = row,
			.ns_per_op = timed->ns_per_op,
			.overhead = xvf_result_overhead(timed),
		};
	}
	qsort(points, *count, sizeof(*points), frontier_compare);
	for (size_t i = 0; i < *count; i++)
		points[i].beaten_by = frontier_beaten_by(points, *count, i);
	return points;
}

/* ---- the table ------------------------------------------------------------ */

void xvf_frontier_table(const struct xvf_report *report, size_t input, int width, FILE *out)
{
	size_t count;
	struct xvf_frontier_point *points = xvf_frontier_points(report, input, &count);

	if (count > 0)
		fprintf(out, "\n%-*s %8s %8s\n", width, "frontier", "ns/op", "overhead");
	for (size_t i = 0; i < count; i++) {
		const struct xvf_frontier_point *p = &points[i];

		fprintf(out, "%-*s %8.1f %8.3f  %s%s\n", width, p->row->run.allocator, p->ns_per_op,
			p->overhead, p->beaten_by != NULL ? "behind " : "on it",
			p->beaten_by != NULL ? p->beaten_by->run.allocator : "");
	}
	free(points);
}

/* ---- data and plot -------------------------------------------------------- */

static void frontier_overhead_if(bool wanted, double overhead, FILE *out)
{
	if (wanted)
		fprintf(out, " %.4f", overhead);
	else
		fputs(" ?", out);
}

size_t xvf_frontier_data(const struct xvf_report *report, size_t input, FILE *out)
{
	size_t count;
	struct xvf_frontier_point *points = xvf_frontier_points(report, input, &count);

	fputs("# allocator, ns per operation, overhead, on the frontier\n", out);
	for (size_t i = 0; i < count; i++) {
		const struct xvf_frontier_point *p = &points[i];

		xvm_gnuplot_text(p->row->run.allocator, out);
		fprintf(out, " %.2f %.4f", p->ns_per_op, p->overhead);
		frontier_overhead_if(p->beaten_by == NULL, p->overhead, out);
		fputc('\n', out);
	}
	free(points);
	return count;
}

void xvf_frontier_commands(const struct xvf_report *report, size_t input, const char *data,
			   size_t index, FILE *out)
{
	fputs("set title ", out);
	xvm_gnuplot_text(report->inputs[input].name, out);
	fputs("\nset xlabel 'ns for an alloc or a free in churn'\n"
	      "set ylabel 'held / requested bytes after churn'\n"
	      "set key top right\nset datafile missing '?'\ndata = ",
	      out);
	xvm_gnuplot_file(data, out);
	/* Room for the names. */
	fprintf(out,
		"\nstats data index %zu using 2 name 'ns' nooutput\n"
		"stats data index %zu using 3 name 'overhead' nooutput\n"
		"set xrange [0:ns_max * 1.25]\nset yrange [0.98:overhead_max + 0.05]\n"
		"plot data index %zu using 2:4 with steps linecolor 'gray' title 'frontier', "
		"'' index %zu using 2:3 with points pointtype 7 linecolor 1 notitle, "
		"'' index %zu using 2:3:1 with labels left offset 1,0.4 notitle\n"
		"reset\n",
		index, index, index, index, index);
}

/* ---- the files of --frontier ---------------------------------------------- */

/* path with another ending, to be freed. Both have a dot. */
static char *frontier_path(const char *path, const char *ending)
{
	size_t stem = (size_t)(strrchr(path, '.') - path);
	char *other = xvm_calloc(stem + strlen(ending) + 1, 1);

	memcpy(other, path, stem);
	strcpy(other + stem, ending);
	return other;
}

static const char *frontier_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* A block for each input that has points. Returns how many blocks, or XVM_FAILED. */
static int frontier_write_data(const struct xvf_report *report, const char *path)
{
	FILE *out = xvm_output_open(path);
	int blocks = 0;

	if (out == NULL)
		return XVM_FAILED;
	for (size_t i = 0; i < report->input_count; i++) {
		fprintf(out, "%s# %s\n", blocks > 0 ? "\n\n" : "", report->inputs[i].name);
		blocks += xvf_frontier_data(report, i, out) > 0;
	}
	return xvm_output_close(out, path) == 0 ? blocks : XVM_FAILED;
}

static bool frontier_has_points(const struct xvf_report *report, size_t input)
{
	size_t count;

	free(xvf_frontier_points(report, input, &count));
	return count > 0;
}

static void frontier_terminal(const char *path, int blocks, FILE *out)
{
	bool is_png = strcmp(strrchr(path, '.'), ".png") == 0;
	int height = 600 * blocks;

	if (is_png)
		fprintf(out,
			"if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) "
			"set terminal pngcairo size 1000,%d noenhanced background 'white'; "
			"else set terminal png size 1000,%d noenhanced\n",
			height, height);
	else
		fprintf(out,
			"set terminal svg size 1000,%d dynamic noenhanced background 'white'\n",
			height);
	fputs("set output ", out);
	xvm_gnuplot_file(frontier_name(path), out);
	fprintf(out, "\nset multiplot layout %d,1\n", blocks);
}

static int frontier_write_script(const struct xvf_report *report, const char *path,
				 const char *data_path, const char *script_path, int blocks)
{
	FILE *out = xvm_output_open(script_path);
	size_t block = 0;

	if (out == NULL)
		return XVM_FAILED;
	fputs("# gnuplot draws this again, in its directory.\n", out);
	frontier_terminal(path, blocks, out);
	for (size_t i = 0; i < report->input_count; i++) {
		if (frontier_has_points(report, i))
			xvf_frontier_commands(report, i, frontier_name(data_path), block++, out);
	}
	fputs("unset multiplot\n", out);
	return xvm_output_close(out, script_path);
}

static int frontier_draw(const char *script_path)
{
	char *directory = xvm_strdup(script_path);
	char *slash = strrchr(directory, '/');
	int result;

	if (slash != NULL)
		slash[slash == directory] = '\0';
	result = xvm_gnuplot_draw(slash != NULL ? directory : ".", frontier_name(script_path));
	free(directory);
	return result;
}

static int frontier_write(const struct xvf_report *report, const char *path, const char *data_path,
			  const char *script_path)
{
	int blocks = frontier_write_data(report, data_path);

	if (blocks < 0)
		return XVM_FAILED;
	if (strcmp(path, data_path) == 0)
		return 0;
	if (blocks == 0) {
		xvm_note("no allocator has both times and an overhead: %s is not drawn", path);
		return 0;
	}
	if (frontier_write_script(report, path, data_path, script_path, blocks) != 0)
		return XVM_FAILED;
	return frontier_draw(script_path);
}

int xvf_report_frontier(const struct xvf_report *report, const char *path)
{
	char *data_path = frontier_path(path, ".dat");
	char *script_path = frontier_path(path, ".gp");
	int result = frontier_write(report, path, data_path, script_path);

	free(data_path);
	free(script_path);
	return result;
}
