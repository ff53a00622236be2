/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * table.c: the table for people; see report.h.
 */
#include <inttypes.h>
#include <string.h>

#include "report.h"

static void table_input(const struct xvf_facts *facts, FILE *out)
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
		size_t length = strlen(report->rows[i].run.allocator);

		if (length > width)
			width = length;
	}
	return (int)width;
}

/* Phases are columns of 9; "+compact" under a compaction stands for its long name. */
static void table_head(const struct xvf_report *report, const char *const *phases, size_t count,
		       int width, FILE *out)
{
	fprintf(out, "%-*s", width, "allocator");
	for (size_t i = 0; i < count; i++) {
		const char *plus = strchr(phases[i], '+');

		fprintf(out, " %8s", plus != NULL ? plus : phases[i]);
	}
	fprintf(out, " %8s %8s", "ns/op", "p99.99");
	if (report->options->threads > 1)
		fprintf(out, " %8s", "Mops/s");
	fputs("  behind\n", out);
}

/* A cell of 9; "-" where the value is none. */
static void table_cell(bool there, int decimals, double value, FILE *out)
{
	if (there)
		fprintf(out, " %8.*f", decimals, value);
	else
		fprintf(out, " %8s", "-");
}

static void table_times(const struct xvf_report *report, const struct xvf_row *row, FILE *out)
{
	const struct xvf_result *timed = xvf_row_timed(row);
	const struct xvf_row *behind = xvf_row_behind(report, row, false);
	bool there = timed != NULL;

	table_cell(there, 0, there ? timed->ns_per_op : 0, out);
	table_cell(there, 0, there ? timed->p9999_ns : 0, out);
	if (report->options->threads > 1)
		table_cell(there, 2, there ? timed->ops_per_s / 1e6 : 0, out);
	if (there)
		fprintf(out, "  %s", behind != NULL ? behind->run.allocator : "-");
}

static void table_row(const struct xvf_report *report, const struct xvf_row *row,
		      const char *const *phases, size_t count, int width, FILE *out)
{
	fprintf(out, "%-*s", width, row->run.allocator);
	for (size_t i = 0; i < count; i++) {
		const struct xvf_result *result = xvf_row_phase(row, phases[i]);
		double overhead = result != NULL ? xvf_result_overhead(result) : -1;

		table_cell(overhead >= 0, 3, overhead, out);
	}
	table_times(report, row, out);
	fputs("\n", out);
	if (row->run.failure[0] != '\0')
		fprintf(out, "%-*s  FAILED: %s\n", width, "", row->run.failure);
}

/* ---- what compaction cost ------------------------------------------------- */

static void table_share(double share, FILE *out)
{
	if (share < 0)
		fprintf(out, " %8s", "-");
	else
		fprintf(out, " %7.1f%%", 100.0 * share);
}

/* The phase `before` and the compaction of what it left. */
static void table_compaction(const struct xvf_run *run, const struct xvf_result *before,
			     const struct xvf_result *result, int width, FILE *out)
{
	bool steps = (result->flags & XVF_RESULT_STEPS) != 0;
	double freed_bytes = (double)result->freed_bytes;

	fprintf(out, "%-*s %-8s", width, run->allocator, before->phase);
	table_share(xvf_result_split_share(before), out);
	table_share(xvf_result_split_share(result), out);
	fprintf(out, " %9.0f   ", freed_bytes / 1024.0);
	table_cell(steps && freed_bytes > 0, 2,
		   freed_bytes > 0 ? (double)result->moved_bytes / freed_bytes : 0, out);
	table_cell(steps, 0, (double)result->ops, out);
	table_cell(steps, 1, (double)result->p99_step_ns / 1e3, out);
	table_cell(steps, 1, (double)result->longest_step_ns / 1e3, out);
	table_cell(true, 1, result->ns_per_op * (double)result->ops / 1e6, out);
	fputs("\n", out);
}

static void table_compactions(const struct xvf_report *report, size_t input, int width, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_run *run = &report->rows[i].run;

		for (unsigned k = 1; k < run->result_count; k++) {
			if (report->rows[i].input != input ||
			    (run->results[k].flags & XVF_RESULT_COMPACT) == 0)
				continue;
			if (!any)
				fprintf(out, "\n%-*s %-8s %8s %8s %9s %11s %8s %8s %8s %8s\n",
					width, "+compact", "after", "split", "then", "freed KiB",
					"moved/freed", "steps", "p99 us", "max us", "ms");
			any = true;
			table_compaction(run, &run->results[k - 1], &run->results[k], width, out);
		}
	}
}

/* ---- the whole ------------------------------------------------------------ */

static void table_legend(const struct xvf_options *options, FILE *out)
{
	fputs("Overhead, held bytes / requested bytes, at the end of each phase; 1.000 is ideal.\n"
	      "ns/op and p99.99 (ns): one alloc or free, in churn. behind: the densest row that "
	      "is\n"
	      "as dense and as fast or better; - where there is none.\n"
	      "+compact: after moving objects; its cost is below: objects in pieces before and "
	      "then, bytes moved\n"
	      "for a byte given back, steps and their processor time, ms of all.\n",
	      out);
	if (options->threads > 1)
		fprintf(out,
			"%u threads. Mops/s: million operations a second by the clock, filling "
			"included.\n",
			(unsigned)options->threads);
}

/* Reasons are the same for every input as a rule: say each once. */
static void table_not_run(const struct xvf_report *report, FILE *out)
{
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_run *run = &report->rows[i].run;
		bool said = !run->cannot;

		for (size_t k = 0; k < i && !said; k++)
			said = strcmp(report->rows[k].run.failure, run->failure) == 0 &&
			       strcmp(report->rows[k].run.allocator, run->allocator) == 0;
		if (!said)
			fprintf(out, "not run: %s: %s\n", run->allocator, run->failure);
	}
}

static void table_one_input(const struct xvf_report *report, size_t input, int width, FILE *out)
{
	const char *phases[XVF_RESULTS_MAX];
	size_t count = xvf_report_phases(report, input, phases);

	table_input(&report->inputs[input], out);
	table_head(report, phases, count, width, out);
	for (size_t i = 0; i < report->row_count; i++) {
		if (report->rows[i].input == input && !report->rows[i].run.cannot)
			table_row(report, &report->rows[i], phases, count, width, out);
	}
	table_compactions(report, input, width, out);
}

int xvf_write_table(const struct xvf_report *report, FILE *out)
{
	int width = table_name_width(report);

	table_legend(report->options, out);
	for (size_t i = 0; i < report->input_count; i++)
		table_one_input(report, i, width, out);
	fputs("\n", out);
	table_not_run(report, out);
	return xvm_output_close(out, "the table");
}
