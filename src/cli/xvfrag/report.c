/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * report.c: what the writers of results share; see report.h. Locking: none.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

void xvf_report_fini(struct xvf_report *report)
{
	for (size_t i = 0; i < report->input_count; i++)
		free(report->inputs[i].name);
	free(report->inputs);
	free(report->rows);
	*report = (struct xvf_report){.options = NULL};
}

struct xvf_input_facts *xvf_report_add_input(struct xvf_report *report)
{
	struct xvf_input_facts *facts;

	report->inputs = xvm_grow(report->inputs, &report->input_capacity, report->input_count + 1,
				  sizeof(*report->inputs));
	facts = &report->inputs[report->input_count++];
	*facts = (struct xvf_input_facts){.name = NULL};
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

const struct xvf_result *xvf_row_timed(const struct xvf_row *row)
{
	const struct xvf_result *churn = xvf_row_phase(row, "churn");

	if (churn != NULL && (churn->flags & XVF_RESULT_TIME) != 0)
		return churn;
	for (unsigned i = 0; i < row->run.result_count; i++) {
		const struct xvf_result *result = &row->run.results[i];

		if ((result->flags & (XVF_RESULT_TIME | XVF_RESULT_COMPACT)) == XVF_RESULT_TIME)
			return result;
	}
	return NULL;
}

bool xvf_row_is_guarded(const struct xvf_row *row)
{
	return row->run.is_guarded;
}

/* Position of name in names, or count. */
static size_t report_find(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return count;
}

size_t xvf_report_phases(const struct xvf_report *report, size_t input,
			 const char *names[XVF_REPORT_PHASES_MAX])
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
			if (count == XVF_REPORT_PHASES_MAX)
				break;
			memmove(&names[at + 1], &names[at], (count - at) * sizeof(names[0]));
			names[at++] = name;
			count++;
		}
	}
	return count;
}
