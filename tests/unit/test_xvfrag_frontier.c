/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of the frontier: who is on it, who is behind whom, and what gnuplot gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontier.h"
#include "gnuplot.h"

static struct xvf_report report;

static void add(const char *name, double ns, uint64_t held)
{
	struct xvf_row *row = xvf_report_add_row(&report);
	struct xvf_result *result = &row->run.results[0];

	strncpy(row->run.allocator, name, sizeof(row->run.allocator) - 1);
	row->run.result_count = 1;
	strcpy(result->phase, "churn");
	result->requested_bytes = 1000;
	result->held_bytes = held;
	result->ns_per_op = ns;
	result->flags = ns > 0 ? XVF_RESULT_TIME : 0;
}

static int setup_rows(void **state)
{
	(void)state;
	report = (struct xvf_report){.options = NULL};
	add("dense", 90, 1010);
	add("xvmalloc", 50, 1020);
	add("slow", 60, 1500);
	add("model", 0, 1000);
	add("xvmalloc-keyed", 40, 1060);
	add("fast", 10, 1200);
	add("fast-but", 10, 1201);
	add("xvmalloc-keyed:shards=1", 45, 1060);
	return 0;
}

static int teardown_rows(void **state)
{
	(void)state;
	xvf_report_fini(&report);
	return 0;
}

static void frontier_has_whom_nobody_beats(void **state)
{
	static const struct {
		const char *name, *behind;
	} expected[] = {
		{"fast", NULL},           {"fast-but", "fast"},
		{"xvmalloc-keyed", NULL}, {"xvmalloc-keyed:shards=1", "xvmalloc-keyed"},
		{"xvmalloc", NULL},       {"slow", "xvmalloc"},
		{"dense", NULL},
	};
	size_t count;
	struct xvf_frontier_point *points = xvf_frontier_points(&report, 0, &count);

	(void)state;
	assert_int_equal(count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(points[i].row->run.allocator, expected[i].name);
		assert_true((points[i].beaten_by == NULL) == (expected[i].behind == NULL));
		if (expected[i].behind != NULL)
			assert_string_equal(points[i].beaten_by->run.allocator, expected[i].behind);
	}
	free(points);
	free(xvf_frontier_points(&report, 1, &count));
	assert_int_equal(count, 0);
}

/* Two that are the same do not beat each other. */
static void frontier_keeps_equals(void **state)
{
	size_t count;
	struct xvf_frontier_point *points;

	(void)state;
	add("fast-too", 10, 1200);
	points = xvf_frontier_points(&report, 0, &count);
	assert_null(points[0].beaten_by);
	assert_null(points[1].beaten_by);
	assert_non_null(points[2].beaten_by);
	free(points);
}

/* The text that a writer writes. */
static char *written(void (*write)(FILE *out))
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	write(out);
	fclose(out);
	return text;
}

static void write_data(FILE *out)
{
	assert_int_equal(xvf_frontier_data(&report, 0, out), 7);
}

static void write_table(FILE *out)
{
	xvf_frontier_table(&report, 0, 9, out);
}

static void write_names(FILE *out)
{
	xvm_gnuplot_text("a\"b\\c'", out);
	xvm_gnuplot_file("it's \"one\"", out);
}

static void assert_has(char *text, const char *line)
{
	if (strstr(text, line) == NULL)
		fail_msg("no '%s' in:\n%s", line, text);
}

static void frontier_data_marks_the_front(void **state)
{
	char *text = written(write_data);

	(void)state;
	assert_has(text, "\"fast\" 10.00 1.2000 1.2000\n");
	assert_has(text, "\"slow\" 60.00 1.5000 ?\n");
	assert_has(text, "\"xvmalloc\" 50.00 1.0200 1.0200\n");
	assert_has(text, "\"xvmalloc-keyed\" 40.00 1.0600 1.0600\n");
	assert_has(text, "\"xvmalloc-keyed:shards=1\" 45.00 1.0600 ?\n");
	free(text);
}

static void frontier_table_says_behind_whom(void **state)
{
	char *text = written(write_table);

	(void)state;
	assert_has(text, "\nfrontier ");
	assert_has(text, "\nfast          10.0    1.200  on it\n");
	assert_has(text, "\nslow          60.0    1.500  behind xvmalloc\n");
	assert_null(strstr(text, "model"));
	free(text);
}

static void gnuplot_names_cannot_end_their_quotes(void **state)
{
	char *text = written(write_names);

	(void)state;
	assert_string_equal(text, "\"a?b?c'\"'it''s \"one\"'");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frontier_has_whom_nobody_beats, setup_rows,
						teardown_rows),
		cmocka_unit_test_setup_teardown(frontier_keeps_equals, setup_rows, teardown_rows),
		cmocka_unit_test_setup_teardown(frontier_data_marks_the_front, setup_rows,
						teardown_rows),
		cmocka_unit_test_setup_teardown(frontier_table_says_behind_whom, setup_rows,
						teardown_rows),
		cmocka_unit_test(gnuplot_names_cannot_end_their_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
