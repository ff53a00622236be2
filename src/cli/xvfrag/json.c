/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * json.c: results as JSON, schema "xvfrag/2" (see xvfrag.1 for its fields), through
 * jansson. A value that means nothing is null. Locking: none.
 */
#include "json.h"

#include "report.h"

static json_t *json_text(const char *text)
{
	return text != NULL ? xvm_json_text(text) : json_null();
}

static json_t *json_options(const struct xvf_options *o)
{
	return json_pack("{s:I, s:I}", "seed", (json_int_t)o->seed, "threads",
			 (json_int_t)o->threads);
}

static json_t *json_input(const struct xvf_facts *f)
{
	bool pages = f->pages > 0;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "input", json_text(f->name),
			 "codec", json_text(f->codec), "pages", xvm_json_count_if(pages, f->pages),
			 "available_pages", xvm_json_count_if(pages, f->available),
			 "same_filled_pages", xvm_json_count_if(pages, f->same_filled), "raw_pages",
			 xvm_json_count_if(pages, f->raw), "objects", (json_int_t)f->objects,
			 "mean_bytes", (json_int_t)f->mean_bytes);
}

static json_t *json_times(const struct xvf_result *r)
{
	bool compact = (r->flags & XVF_RESULT_COMPACT) != 0;
	bool timed = (r->flags & XVF_RESULT_TIME) != 0;

	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "ops", (json_int_t)r->ops,
			 "preempted_ops", (json_int_t)r->preempted, "ns_per_op",
			 xvm_json_real_if(timed, r->ns_per_op), "p50_ns",
			 xvm_json_real_if(timed && !compact, r->p50_ns), "p99_ns",
			 xvm_json_real_if(timed && !compact, r->p99_ns), "p9999_ns",
			 xvm_json_real_if(timed && !compact, r->p9999_ns), "max_ns",
			 xvm_json_real_if(timed && !compact, r->max_ns), "ops_per_s",
			 xvm_json_real_if(timed && !compact, r->ops_per_s));
}

static json_t *json_compaction(const struct xvf_result *r)
{
	bool compact = (r->flags & XVF_RESULT_COMPACT) != 0;
	bool steps = (r->flags & XVF_RESULT_STEPS) != 0;
	double split_share = xvf_result_split_share(r);

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "split_share",
			 xvm_json_real_if(split_share >= 0, split_share), "moved_bytes",
			 xvm_json_count_if(steps, r->moved_bytes), "freed_bytes",
			 xvm_json_count_if(compact, r->freed_bytes), "longest_step_ns",
			 xvm_json_count_if(steps, r->longest_step_ns), "p99_step_ns",
			 xvm_json_count_if(steps, r->p99_step_ns));
}

static json_t *json_result(const struct xvf_report *report, const struct xvf_row *row,
			   const struct xvf_result *r)
{
	const struct xvf_row *behind = xvf_row_behind(report, row, false);
	bool rss = (r->flags & XVF_RESULT_RSS) != 0;
	json_t *o =
		json_pack("{s:o, s:o, s:o, s:s, s:I, s:I, s:I, s:o, s:o}", "input",
			  json_text(report->inputs[row->input].name), "allocator",
			  json_text(row->run.allocator), "behind",
			  json_text(behind != NULL ? behind->run.allocator : NULL), "phase",
			  r->phase, "live_objects", (json_int_t)r->live_objects, "requested_bytes",
			  (json_int_t)r->requested_bytes, "held_bytes", (json_int_t)r->held_bytes,
			  "rss_bytes", xvm_json_count_if(rss, r->rss_bytes), "overhead",
			  xvm_json_real_if(r->requested_bytes > 0, xvf_result_overhead(r)));

	json_object_update_new(o, json_times(r));
	json_object_update_new(o, json_compaction(r));
	return o;
}

/* A row that was not run, or that failed, and why. */
static json_t *json_reason(const struct xvf_report *report, const struct xvf_row *row)
{
	return json_pack("{s:o, s:o, s:o}", "input", json_text(report->inputs[row->input].name),
			 "allocator", json_text(row->run.allocator), "reason",
			 json_text(row->run.failure));
}

int xvf_write_json(const struct xvf_report *report, const char *path)
{
	json_t *root = xvm_json_root("xvfrag/2");
	json_t *inputs = json_array(), *results = json_array();
	json_t *not_run = json_array(), *failed = json_array();

	for (size_t i = 0; i < report->input_count; i++)
		json_array_append_new(inputs, json_input(&report->inputs[i]));
	for (size_t i = 0; i < report->row_count; i++) {
		const struct xvf_row *row = &report->rows[i];

		for (unsigned k = 0; k < row->run.result_count; k++)
			json_array_append_new(results,
					      json_result(report, row, &row->run.results[k]));
		if (row->run.failure[0] != '\0')
			json_array_append_new(row->run.cannot ? not_run : failed,
					      json_reason(report, row));
	}
	json_object_update_new(root,
			       json_pack("{s:o, s:o, s:o, s:o, s:o}", "options",
					 json_options(report->options), "inputs", inputs, "results",
					 results, "not_run", not_run, "failed", failed));
	return xvm_json_write(root, path);
}
