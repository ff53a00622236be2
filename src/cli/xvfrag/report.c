/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * report.c: what the writers of results share; see report.h.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

void xvf_report_fini(struct xvf_report *report)
{
	free(report->inputs);
	free(report->rows);
	*report = (struct xvf_report){.options = NULL};
}

struct xvf_facts *xvf_report_add_input(struct xvf_report *report)
{
	struct xvf_facts *facts;

	report->inputs = xvm_grow(report->inputs, &report->input_capacity, report->input_count + 1,
				  sizeof(*report->inputs));
	facts = &report->inputs[report->input_count++];
	*facts = (struct xvf_facts){.name = NULL};
	return facts;
}

struct xvf_row *xvf_report_add_row(struct xvf_report *report)
{
	struct xvf_row *row;

	report->rows = xvm_grow(report->rows, &report->row_capacity, report->row_count + 1,
				sizeof(*report->rows));
	row = &report->rows[report->row_count++];
	memset(row, 0, sizeof(*row));
	return row;
}

double xvf_result_overhead(const struct xvf_result *result)
{
	if (result->requested_bytes == 0)
		return -1.0;
	return (double)result->held_bytes / (double)result->requested_bytes;
}

double xvf_result_split_share(const struct xvf_result *result)
{
	if ((result->flags & XVF_RESULT_SPLIT) == 0 || result->live_objects == 0)
		return -1.0;
	return (double)result->split_objects / (double)result->live_objects;
}

const struct xvf_result *xvf_row_phase(const struct xvf_row *row, const char *phase)
{
	for (unsigned i = 0; i < row->run.result_count; i++) {
		if (strcmp(row->run.results[i].phase, phase) == 0)
			return &row->run.results[i];
	}
	return NULL;
}

static bool result_stands(const struct xvf_result *result)
{
	return result != NULL && xvf_result_overhead(result) >= 0 &&
	       (result->flags & (XVF_RESULT_TIME | XVF_RESULT_COMPACT)) == XVF_RESULT_TIME;
}

const struct xvf_result *xvf_row_timed(const struct xvf_row *row)
{
	const struct xvf_result *result = xvf_row_phase(row, "churn");

	for (unsigned i = 0; i < row->run.result_count && !result_stands(result); i++)
		result = &row->run.results[i];
	return result_stands(result) ? result : NULL;
}

static bool result_beats(const struct xvf_result *a, const struct xvf_result *b)
{
	double x = xvf_result_overhead(a), y = xvf_result_overhead(b);

	return a->ns_per_op <= b->ns_per_op && x <= y && (a->ns_per_op < b->ns_per_op || x < y);
}

const struct xvf_row *xvf_row_behind(const struct xvf_report *report, const struct xvf_row *row,
				     bool drawn)
{
	const struct xvf_result *own = xvf_row_timed(row), *best = NULL;
	const struct xvf_row *behind = NULL;

	for (size_t i = 0; i < report->row_count && own != NULL; i++) {
		const struct xvf_result *timed = xvf_row_timed(&report->rows[i]);

		if (report->rows[i].input != row->input || timed == NULL ||
		    (drawn && !report->rows[i].drawn) || !result_beats(timed, own))
			continue;
		if (best == NULL || xvf_result_overhead(timed) < xvf_result_overhead(best)) {
			best = timed;
			behind = &report->rows[i];
		}
	}
	return behind;
}

/* Adds the phase, as the results of an input's rows call it, if there is one. */
static size_t report_add_phase(const struct xvf_report *report, size_t input, const char *phase,
			       const char *names[XVF_RESULTS_MAX], size_t count)
{
	for (size_t r = 0; r < report->row_count; r++) {
		const struct xvf_result *result = xvf_row_phase(&report->rows[r], phase);

		if (report->rows[r].input == input && result != NULL) {
			names[count] = result->phase;
			return count + 1;
		}
	}
	return count;
}

size_t xvf_report_phases(const struct xvf_report *report, size_t input,
			 const char *names[XVF_RESULTS_MAX])
{
	const struct xvm_workload_head *head = &report->inputs[input].head;
	size_t count = 0;

	for (uint64_t i = 0; i < head->phases; i++) {
		char compact[XVF_RESULT_NAME_BYTES];

		snprintf(compact, sizeof(compact), "%s+compact", head->phase[i].name);
		count = report_add_phase(report, input, head->phase[i].name, names, count);
		count = report_add_phase(report, input, compact, names, count);
	}
	return count;
}
