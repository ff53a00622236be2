/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * report_csv.c: results as comma-separated values, RFC 4180, one row a result and
 * the columns of the JSON form. A value that means nothing is empty. Locking: none.
 */
#include <inttypes.h>
#include <string.h>

#include "report.h"

static void csv_text(const char *text, FILE *out)
{
	if (strpbrk(text, ",\"\r\n") == NULL) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void csv_number(bool there, double value, FILE *out)
{
	fputc(',', out);
	if (there)
		fprintf(out, "%.6g", value);
}

static void csv_count(bool there, uint64_t value, FILE *out)
{
	fputc(',', out);
	if (there)
		fprintf(out, "%" PRIu64, value);
}

static void csv_result(const struct xvf_report *report, const struct xvf_row *row,
		       const struct xvf_result *result, FILE *out)
{
	const struct xvf_input_facts *input = &report->inputs[row->input];
	bool compact = (result->flags & XVF_RESULT_COMPACT) != 0;
	bool steps = (result->flags & XVF_RESULT_STEPS) != 0;
	bool timed = (result->flags & XVF_RESULT_TIME) != 0;
	double split_share = xvf_result_split_share(result);

	csv_text(input->name, out);
	fprintf(out, ",%s,", input->codec != NULL ? input->codec : "");
	csv_text(row->run.allocator, out);
	fprintf(out, ",%s", result->phase);
	csv_count(true, result->live_objects, out);
	csv_count(true, result->requested_bytes, out);
	csv_count(true, result->held_bytes, out);
	csv_count((result->flags & XVF_RESULT_RSS) != 0, result->rss_bytes, out);
	csv_number(result->requested_bytes > 0, xvf_result_overhead(result), out);
	csv_count(true, result->ops, out);
	csv_count(true, result->preempted, out);
	csv_number(timed, result->ns_per_op, out);
	csv_number(timed && !compact, result->p50_ns, out);
	csv_number(timed && !compact, result->p99_ns, out);
	csv_number(timed && !compact, result->p9999_ns, out);
	csv_number(timed && !compact, result->max_ns, out);
	csv_number(split_share >= 0, split_share, out);
	csv_count(steps, result->moved_bytes, out);
	csv_count(compact, result->freed_bytes, out);
	csv_count(steps, result->longest_step_ns, out);
	csv_count(steps, result->p99_step_ns, out);
	csv_count(true, report->options->threads, out);
	csv_count(true, report->options->cross, out);
	csv_count(true, xvf_row_is_guarded(row), out);
	csv_number(timed && !compact, result->ops_per_s, out);
	fputs("\r\n", out);
}

int xvf_report_csv(const struct xvf_report *report, const char *path)
{
	FILE *out = xvm_output_open(path);

	if (out == NULL)
		return XVM_FAILED;
	fputs("input,codec,allocator,phase,live_objects,requested_bytes,held_bytes,"
	      "rss_bytes,overhead,ops,preempted_ops,ns_per_op,p50_ns,p99_ns,p9999_ns,max_ns,"
	      "split_share,moved_bytes,freed_bytes,longest_step_ns,p99_step_ns,"
	      "threads,cross,guarded,ops_per_s\r\n",
	      out);
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_row *row = &report->rows[i];

		for (unsigned k = 0; k < row->run.result_count; k++)
			csv_result(report, row, &row->run.results[k], out);
	}
	return xvm_output_close(out, path);
}
