/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * report_table.c: the table for people. Locking: none.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "frontier.h"

/* Phases are columns of 9; "+compact" under a compaction stands for its long name. */
static const char *table_title(const char *phase)
{
	const char *plus = strchr(phase, '+');

	return plus != NULL ? plus : phase;
}

static void table_input(const struct xvf_input_facts *facts, FILE *out)
{
	fprintf(out, "\n%s: ", facts->name);
	if (facts->pages > 0)
		fprintf(out, "%" PRIu64 " pages of %u, %s; ", facts->pages, XVM_INPUT_PAGE_BYTES,
			facts->codec != NULL ? facts->codec : "sizes given");
	fprintf(out, "%" PRIu64 " objects of %" PRIu64 " bytes on average", facts->objects,
		facts->mean_bytes);
	if (facts->pages > 0)
		fprintf(out, "; %" PRIu64 " pages same-filled, %" PRIu64 " stored raw",
			facts->same_filled, facts->raw);
	fputs("\n", out);
}

static int table_name_width(const struct xvf_report *report)
{
	size_t width = 9;

	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_row *row = &report->rows[i];
		size_t length = strlen(row->run.allocator) + xvf_row_is_guarded(row);

		if (length > width)
			width = length;
	}
	return (int)width;
}

/* An allocator that a mutex of the run's guards has a star. */
static void table_name(const struct xvf_row *row, int width, FILE *out)
{
	char name[XVF_NAME_BYTES + 1];

	snprintf(name, sizeof(name), "%s%s", row->run.allocator,
		 xvf_row_is_guarded(row) ? "*" : "");
	fprintf(out, "%-*s", width, name);
}

static void table_head(const struct xvf_report *report, const char *const *phases, size_t count,
		       int width, FILE *out)
{
	fprintf(out, "%-*s", width, "allocator");
	for (size_t i = 0; i < count; i++)
		fprintf(out, " %8s", table_title(phases[i]));
	fprintf(out, " %8s %8s", "ns/op", "p99.99");
	if (report->options->threads > 1)
		fprintf(out, " %8s", "Mops/s");
	fputs("\n", out);
}

static void table_times(const struct xvf_report *report, const struct xvf_row *row, FILE *out)
{
	const struct xvf_result *timed = xvf_row_timed(row);
	bool threads = report->options->threads > 1;

	if (timed == NULL) {
		fprintf(out, " %8s %8s", "-", "-");
		if (threads)
			fprintf(out, " %8s", "-");
		return;
	}
	fprintf(out, " %8.0f %8.0f", timed->ns_per_op, timed->p9999_ns);
	if (threads)
		fprintf(out, " %8.2f", timed->ops_per_s / 1e6);
}

static void table_row(const struct xvf_report *report, const struct xvf_row *row,
		      const char *const *phases, size_t count, int width, FILE *out)
{
	table_name(row, width, out);
	for (size_t i = 0; i < count; i++) {
		const struct xvf_result *result = xvf_row_phase(row, phases[i]);

		if (result == NULL || xvf_result_overhead(result) < 0)
			fprintf(out, " %8s", "-");
		else
			fprintf(out, " %8.3f", xvf_result_overhead(result));
	}
	table_times(report, row, out);
	fputs("\n", out);
	if (row->run.failure[0] != '\0')
		fprintf(out, "%-*s  FAILED: %s\n", width, "", row->run.failure);
}

/* ---- what compaction cost ------------------------------------------------- */

static bool table_is_compaction(const struct xvf_result *result)
{
	return (result->flags & XVF_RESULT_COMPACT) != 0;
}

static bool table_has_compactions(const struct xvf_report *report, size_t input)
{
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_run *run = &report->rows[i].run;

		for (unsigned k = 0; k < run->result_count; k++) {
			if (report->rows[i].input == input && table_is_compaction(&run->results[k]))
				return true;
		}
	}
	return false;
}

static void table_share(double share, FILE *out)
{
	if (share < 0)
		fprintf(out, " %8s", "-");
	else
		fprintf(out, " %7.1f%%", 100.0 * share);
}

/* The phase `before` and the compaction of what it left. */
static void table_compaction(const struct xvf_row *row, const struct xvf_result *before,
			     const struct xvf_result *result, int width, FILE *out)
{
	double freed_bytes = (double)result->freed_bytes;

	fprintf(out, "%-*s %-8s", width, row->run.allocator, before->phase);
	table_share(xvf_result_split_share(before), out);
	table_share(xvf_result_split_share(result), out);
	fprintf(out, " %9.0f", freed_bytes / 1024.0);
	if ((result->flags & XVF_RESULT_STEPS) == 0) {
		fprintf(out, " %11s %8s %8s %8s", "-", "-", "-", "-");
	} else {
		if (result->freed_bytes > 0)
			fprintf(out, " %11.2f", (double)result->moved_bytes / freed_bytes);
		else
			fprintf(out, " %11s", "-");
		fprintf(out, " %8" PRIu64 " %8.1f %8.1f", result->ops,
			(double)result->p99_step_ns / 1e3, (double)result->longest_step_ns / 1e3);
	}
	fprintf(out, " %8.1f\n", result->ns_per_op * (double)result->ops / 1e6);
}

static void table_compactions(const struct xvf_report *report, size_t input, int width, FILE *out)
{
	if (!table_has_compactions(report, input))
		return;
	fprintf(out, "\n%-*s %-8s %8s %8s %9s %11s %8s %8s %8s %8s\n", width, "+compact", "after",
		"split", "then", "freed KiB", "moved/freed", "steps", "p99 us", "max us", "ms");
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_run *run = &report->rows[i].run;

		if (report->rows[i].input != input)
			continue;
		for (unsigned k = 1; k < run->result_count; k++) {
			if (table_is_compaction(&run->results[k]))
				table_compaction(&report->rows[i], &run->results[k - 1],
						 &run->results[k], width, out);
		}
	}
}

/* ---- the whole ------------------------------------------------------------ */

static void table_legend(FILE *out)
{
	fprintf(out,
		"Overhead, held bytes / requested bytes, at the end of each phase; 1.000 is "
		"ideal.\n"
		"ns/op and p99.99 (ns): one alloc or free, in churn.\n"
		"+compact: after moving objects; its cost is below: objects in pieces before and "
		"then, bytes moved\n"
		"for a byte given back, steps and their processor time, ms of all.\n");
}

static void table_legend_threads(const struct xvf_report *report, FILE *out)
{
	const struct xvf_options *options = report->options;

	if (options->threads > 1)
		fprintf(out,
			"%u threads%s. Mops/s: million operations a second by the clock, filling "
			"included.\n*: not made for threads: a mutex is around each of its "
			"calls.\n",
			options->threads, options->cross ? ", freeing each other's objects" : "");
}

static void table_legend_frontier(const struct xvf_report *report, FILE *out)
{
	if (report->options->frontier_path != NULL)
		fputs("frontier: nobody is both denser and faster in churn; behind: the densest "
		      "that is.\n",
		      out);
}

/* Reasons are the same for every input as a rule: say each once. */
static void table_skipped(const struct xvf_report *report, FILE *out)
{
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_row *row = &report->rows[i];
		bool said = !row->run.cannot;

		for (size_t k = 0; k < i && !said; k++)
			said = strcmp(report->rows[k].run.failure, row->run.failure) == 0 &&
			       strcmp(report->rows[k].run.allocator, row->run.allocator) == 0;
		if (!said)
			fprintf(out, "not run: %s: %s\n", row->run.allocator, row->run.failure);
	}
}

static void table_one_input(const struct xvf_report *report, size_t input, int width, FILE *out)
{
	const char *phases[XVF_REPORT_PHASES_MAX];
	size_t count = xvf_report_phases(report, input, phases);

	table_input(&report->inputs[input], out);
	table_head(report, phases, count, width, out);
	for (size_t i = 0; i < report->row_count; i++) {
		if (report->rows[i].input == input && !report->rows[i].run.cannot)
			table_row(report, &report->rows[i], phases, count, width, out);
	}
	table_compactions(report, input, width, out);
	if (report->options->frontier_path != NULL)
		xvf_frontier_table(report, input, width, out);
}

int xvf_report_table(const struct xvf_report *report, FILE *out)
{
	int width = table_name_width(report);

	table_legend(out);
	table_legend_threads(report, out);
	table_legend_frontier(report, out);
	for (size_t i = 0; i < report->input_count; i++)
		table_one_input(report, i, width, out);
	fputs("\n", out);
	table_skipped(report, out);
	return xvm_output_close(out, "the table");
}
