/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Who is on the frontier, who is behind whom, and what gnuplot gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report.h"

static struct xvf_report report;

/* An allocator that is not drawn has a name in capitals. */
static void add(const char *name, double ns, uint64_t held)
{
	struct xvf_row *row = xvf_report_add_row(&report);
	struct xvf_result *result = &row->run.results[0];

	strncpy(row->run.allocator, name, sizeof(row->run.allocator) - 1);
	row->drawn = name[0] >= 'a';
	row->run.result_count = 1;
	strcpy(result->phase, "churn");
	result->requested_bytes = 1000;
	result->held_bytes = held;
	result->ns_per_op = ns;
	result->flags = ns > 0 ? XVF_RESULT_TIME : 0;
}

static void rows_are_behind_the_densest_that_beats_them(void **state)
{
	static const struct {
		const char *name;
		double ns;
		uint64_t held;
		const char *behind, *behind_drawn;
	} rows[] = {
		{"dense", 90, 1010, NULL, NULL},        {"good", 50, 1020, "KEYED", NULL},
		{"KEYED", 45, 1020, NULL, NULL},        {"slow", 60, 1500, "good", "good"},
		{"model", 0, 1000, NULL, NULL},         {"fast", 10, 1200, NULL, NULL},
		{"fast-but", 10, 1201, "fast", "fast"}, {"same", 90, 1010, NULL, NULL},
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

	(void)state;
	report = (struct xvf_report){.options = NULL};
	for (size_t i = 0; i < ROWS; i++)
		add(rows[i].name, rows[i].ns, rows[i].held);
	/* Of another input: it beats nobody. */
	add("other", 1, 1000);
	report.rows[ROWS].input = 1;
	for (size_t i = 0; i < ROWS; i++) {
		for (int drawn = 0; drawn < 2; drawn++) {
			const struct xvf_row *behind =
				xvf_row_behind(&report, &report.rows[i], drawn != 0);
			const char *expected = drawn ? rows[i].behind_drawn : rows[i].behind;

			if (expected == NULL)
				assert_null(behind);
			else
				assert_string_equal(behind->run.allocator, expected);
		}
	}
	xvf_report_fini(&report);
}

static void gnuplot_names_cannot_end_their_quotes(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	xvf_plot_text("a\"b\\c'", out);
	fclose(out);
	assert_string_equal(text, "\"a?b?c'\"");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_behind_the_densest_that_beats_them),
		cmocka_unit_test(gnuplot_names_cannot_end_their_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
