/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * report_json.c: results as JSON, schema "xvfrag/1" (see xvfrag.1 for its fields),
 * through jansson. A value
 * that means nothing is null. Locking: none.
 */
#include "report.h"

#include <string.h>

#include <jansson.h>
#include <xvmalloc/base.h>

#define JSON_SCHEMA "xvfrag/1"

static json_t *json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *json_count_if(bool there, uint64_t value)
{
	return there ? json_count(value) : json_null();
}

static json_t *json_real_if(bool there, double value)
{
	return there ? json_real(value) : json_null();
}

/* Text may come from file names, which need not be UTF-8. */
static json_t *json_text(const char *text)
{
	json_t *value;
	char *ascii;

	if (text == NULL)
		return json_null();
	value = json_string(text);
	if (value != NULL)
		return value;
	ascii = xvm_strdup(text);
	for (char *c = ascii; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	value = json_string(ascii);
	free(ascii);
	return value;
}

static json_t *json_machine(const struct xvm_machine *m)
{
	json_t *o = json_object();

	json_object_set_new(o, "os", json_text(m->os));
	json_object_set_new(o, "kernel", json_text(m->kernel));
	json_object_set_new(o, "cpu", json_text(m->cpu));
	json_object_set_new(o, "cores", json_count(m->cores));
	json_object_set_new(o, "mem_bytes", json_count(m->mem_bytes));
	json_object_set_new(o, "page_bytes", json_count(m->page_bytes));
	json_object_set_new(o, "huge_pages", json_text(m->huge_pages));
	json_object_set_new(o, "libc", json_text(m->libc));
	json_object_set_new(o, "version", json_text(xv_version()));
	json_object_set_new(o, "date", json_text(m->date));
	return o;
}

static json_t *json_options(const struct xvf_options *options)
{
	json_t *o = json_object();
	bool level = options->level != RAMZ_LEVEL_DEFAULT;

	json_object_set_new(o, "seed", json_count(options->seed));
	json_object_set_new(o, "threads", json_count(options->threads));
	json_object_set_new(o, "cross", json_boolean(options->cross));
	json_object_set_new(o, "level", level ? json_integer(options->level) : json_null());
	return o;
}

static json_t *json_input(const struct xvf_input_facts *facts)
{
	bool pages = facts->pages > 0;
	json_t *o = json_object();

	json_object_set_new(o, "input", json_text(facts->name));
	json_object_set_new(o, "codec", json_text(facts->codec));
	json_object_set_new(o, "pages", json_count_if(pages, facts->pages));
	json_object_set_new(o, "available_pages", json_count_if(pages, facts->available));
	json_object_set_new(o, "same_filled_pages", json_count_if(pages, facts->same_filled));
	json_object_set_new(o, "raw_pages", json_count_if(pages, facts->raw));
	json_object_set_new(o, "objects", json_count(facts->objects));
	json_object_set_new(o, "mean_bytes", json_count(facts->mean_bytes));
	return o;
}

static void json_set_times(json_t *o, const struct xvf_result *result)
{
	bool compact = (result->flags & XVF_RESULT_COMPACT) != 0;
	bool timed = (result->flags & XVF_RESULT_TIME) != 0;

	json_object_set_new(o, "ops", json_count(result->ops));
	json_object_set_new(o, "preempted_ops", json_count(result->preempted));
	json_object_set_new(o, "ns_per_op", json_real_if(timed, result->ns_per_op));
	json_object_set_new(o, "p50_ns", json_real_if(timed && !compact, result->p50_ns));
	json_object_set_new(o, "p99_ns", json_real_if(timed && !compact, result->p99_ns));
	json_object_set_new(o, "p9999_ns", json_real_if(timed && !compact, result->p9999_ns));
	json_object_set_new(o, "max_ns", json_real_if(timed && !compact, result->max_ns));
	json_object_set_new(o, "ops_per_s", json_real_if(timed && !compact, result->ops_per_s));
}

static void json_set_compaction(json_t *o, const struct xvf_result *result)
{
	bool compact = (result->flags & XVF_RESULT_COMPACT) != 0;
	bool steps = (result->flags & XVF_RESULT_STEPS) != 0;
	double split_share = xvf_result_split_share(result);

	json_object_set_new(o, "split_share", json_real_if(split_share >= 0, split_share));
	json_object_set_new(o, "moved_bytes", json_count_if(steps, result->moved_bytes));
	json_object_set_new(o, "freed_bytes", json_count_if(compact, result->freed_bytes));
	json_object_set_new(o, "longest_step_ns", json_count_if(steps, result->longest_step_ns));
	json_object_set_new(o, "p99_step_ns", json_count_if(steps, result->p99_step_ns));
}

static json_t *json_result(const struct xvf_report *report, const struct xvf_row *row,
			   const struct xvf_result *result)
{
	const struct xvf_input_facts *input = &report->inputs[row->input];
	bool rss = (result->flags & XVF_RESULT_RSS) != 0;
	json_t *o = json_object();

	json_object_set_new(o, "input", json_text(input->name));
	json_object_set_new(o, "codec", json_text(input->codec));
	json_object_set_new(o, "allocator", json_text(row->run.allocator));
	json_object_set_new(o, "threads", json_count(report->options->threads));
	json_object_set_new(o, "cross", json_boolean(report->options->cross));
	json_object_set_new(o, "guarded", json_boolean(xvf_row_is_guarded(row)));
	json_object_set_new(o, "phase", json_text(result->phase));
	json_object_set_new(o, "live_objects", json_count(result->live_objects));
	json_object_set_new(o, "requested_bytes", json_count(result->requested_bytes));
	json_object_set_new(o, "held_bytes", json_count(result->held_bytes));
	json_object_set_new(o, "rss_bytes", json_count_if(rss, result->rss_bytes));
	json_object_set_new(o, "overhead",
			    json_real_if(result->requested_bytes > 0, xvf_result_overhead(result)));
	json_set_times(o, result);
	json_set_compaction(o, result);
	return o;
}

/* A row that was not run, or that failed, and why. */
static json_t *json_reason(const struct xvf_report *report, const struct xvf_row *row)
{
	json_t *o = json_object();

	json_object_set_new(o, "input", json_text(report->inputs[row->input].name));
	json_object_set_new(o, "allocator", json_text(row->run.allocator));
	json_object_set_new(o, "reason", json_text(row->run.failure));
	return o;
}

static json_t *json_report(const struct xvf_report *report)
{
	json_t *root = json_object();
	json_t *inputs = json_array();
	json_t *results = json_array();
	json_t *skipped = json_array();
	json_t *failed = json_array();

	for (size_t i = 0; i < report->input_count; i++)
		json_array_append_new(inputs, json_input(&report->inputs[i]));
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_row *row = &report->rows[i];

		for (unsigned k = 0; k < row->run.result_count; k++)
			json_array_append_new(results,
					      json_result(report, row, &row->run.results[k]));
		if (row->run.failure[0] != '\0')
			json_array_append_new(row->run.cannot ? skipped : failed,
					      json_reason(report, row));
	}
	json_object_set_new(root, "schema", json_string(JSON_SCHEMA));
	json_object_set_new(root, "machine", json_machine(&report->machine));
	json_object_set_new(root, "options", json_options(report->options));
	json_object_set_new(root, "inputs", inputs);
	json_object_set_new(root, "results", results);
	json_object_set_new(root, "skipped", skipped);
	json_object_set_new(root, "failed", failed);
	return root;
}

int xvf_report_json(const struct xvf_report *report, const char *path)
{
	FILE *out = xvm_output_open(path);
	json_t *root;

	if (out == NULL)
		return XVM_FAILED;
	root = json_report(report);
	(void)json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	json_decref(root);
	fputc('\n', out);
	return xvm_output_close(out, path);
}
