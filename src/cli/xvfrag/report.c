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

/* Position of name in names, or count. */
static size_t report_find(const char *const *names, size_t count, const char *name)
{
	size_t i = 0;

	while (i < count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

size_t xvf_report_phases(const struct xvf_report *report, size_t input,
			 const char *names[XVF_RESULTS_MAX])
{
	size_t count = 0;

	for (size_t r = 0; r < report->row_count; r++) {
		const struct xvf_row *row = &report->rows[r];
		size_t at = 0;

		if (row->input != input)
			continue;
		/* A phase that is new goes behind the one before it in its own row. */
		for (unsigned i = 0; i < row->run.result_count; i++) {
			const char *name = row->run.results[i].phase;
			size_t found = report_find(names, count, name);

			if (found < count) {
				at = found + 1;
				continue;
			}
			if (count == XVF_RESULTS_MAX)
				break;
			memmove(&names[at + 1], &names[at], (count - at) * sizeof(names[0]));
			names[at++] = name;
			count++;
		}
	}
	return count;
}
