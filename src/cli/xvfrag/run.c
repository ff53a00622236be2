/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * run.c: the run as a whole; see run.h. Locking: none.
 */
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source.h"
#include "input_files.h"
#include "progress.h"

#define RUN_INPUTS_DEFAULT 2

struct run {
	const struct xvf_options *options;
	const struct xvf_selection *selection;
	struct xvf_report report;
	struct xvm_progress progress;
	FILE *record; /* --record, or NULL */
	const char *input_name;
};

/* ---- one allocator on one input ------------------------------------------- */

static void run_on_progress(void *context, const struct xvf_run *child)
{
	const struct run *run = context;
	unsigned done = atomic_load(&child->result_count);

	xvm_progress_show(&run->progress, run->input_name, child->spec,
			  done > 0 ? child->results[done - 1].phase : "starts");
}

static void run_allocator(struct run *run, const struct xvf_selected *selected,
			  const struct xvf_input *input)
{
	const struct xvf_options *options = run->options;
	struct xvf_row *row = xvf_report_add_row(&run->report);
	struct xvf_run *child = &row->run;
	const char *preload = NULL;
	char why[XVFRAG_PLUGIN_WHY_BYTES];

	row->input = run->report.input_count - 1;
	*child = (struct xvf_run){
		.seed = options->seed,
		.threads = options->threads,
		.cross = options->cross,
		.workload_fd = input->workload_fd,
		.pages_fd = input->pages.count > 0 ? input->pages.fd : -1,
	};
	snprintf(child->spec, sizeof(child->spec), "%s", selected->spec);
	if (input->pages.count > 0)
		snprintf(child->codec, sizeof(child->codec), "%s", options->codec->name);
	if (selected->entry != NULL) {
		snprintf(child->allocator, sizeof(child->allocator), "%s", selected->spec);
		child->cannot = xvm_entry_available(selected->entry, why) != 0;
		preload = xvm_preload_path(selected->entry);
	}
	if (child->cannot)
		(void)xvf_run_fail(child, "%s", why);
	else
		xvf_child_run(child, preload, options->timeout_s, run_on_progress, run);
	if (child->allocator[0] == '\0')
		snprintf(child->allocator, sizeof(child->allocator), "%s", selected->spec);
	run->progress.done++;
}

/* ---- one input ------------------------------------------------------------ */

static int run_record(const struct run *run, const struct xvf_input *input)
{
	if (run->record == NULL || xvm_sizes_write(&input->sizes, run->record))
		return 0;
	xvm_error("cannot write %s: is the disk full?", run->options->record_path);
	return XVM_FAILED;
}

/* Was the input larger than what is read of one? */
static void run_note_sample(const struct xvf_input_facts *facts)
{
	if (facts->pages >= facts->available)
		return;
	xvm_note("%s: %" PRIu64 " of %" PRIu64
		 " pages, spread over the whole; --max-input takes more",
		 facts->name, facts->pages, facts->available);
}

static int run_input(struct run *run, enum xvf_input_kind kind, const char *name)
{
	struct xvf_input_facts *facts = xvf_report_add_input(&run->report);
	struct xvf_input input;
	int result;

	run->input_name = name;
	xvm_progress_show(&run->progress, name, NULL, "reading and compressing");
	result = xvf_input_load(&input, kind, name, run->options, facts);
	if (result == 0) {
		run_note_sample(facts);
		result = run_record(run, &input);
	}
	for (size_t i = 0; result == 0 && i < run->selection->count; i++)
		run_allocator(run, &run->selection->items[i], &input);
	xvm_progress_clear(&run->progress);
	xvf_input_fini(&input);
	return result;
}

/* The inputs where none is named: what every Linux system has. */
static int run_default_inputs(struct run *run)
{
	const char *libc = xvm_libc_directory();
	int result = 0;

	if (libc != NULL && strcmp(libc, "/usr/bin") != 0)
		result = run_input(run, XVF_INPUT_PAGES, libc);
	if (result == 0)
		result = run_input(run, XVF_INPUT_PAGES, "/usr/bin");
	return result;
}

static int run_inputs(struct run *run)
{
	const struct xvf_options *options = run->options;
	int result = 0;

	if (options->sizes_path != NULL)
		return run_input(run, XVF_INPUT_SIZES, options->sizes_path);
	if (options->trace_path != NULL)
		return run_input(run, XVF_INPUT_TRACE, options->trace_path);
	if (options->input_count == 0)
		return run_default_inputs(run);
	for (size_t i = 0; i < options->input_count && result == 0; i++)
		result = run_input(run, XVF_INPUT_PAGES, options->inputs[i]);
	return result;
}

static unsigned run_count_inputs(const struct xvf_options *options)
{
	if (options->sizes_path != NULL || options->trace_path != NULL)
		return 1;
	return options->input_count > 0 ? (unsigned)options->input_count : RUN_INPUTS_DEFAULT;
}

/* ---- the results ---------------------------------------------------------- */

static int run_write(const struct run *run)
{
	const struct xvf_options *options = run->options;
	int result = 0;

	if (!xvf_options_stdout_taken(options))
		result |= xvf_report_table(&run->report, stdout);
	if (options->json_path != NULL)
		result |= xvf_report_json(&run->report, options->json_path);
	if (options->csv_path != NULL)
		result |= xvf_report_csv(&run->report, options->csv_path);
	if (options->frontier_path != NULL)
		result |= xvf_report_frontier(&run->report, options->frontier_path);
	if (options->plot_dir != NULL)
		result |= xvf_report_plot(&run->report, options->plot_dir);
	return result;
}

/* With no table, what did not run is said on standard error. */
static void run_note_unrun(const struct run *run)
{
	for (size_t i = 0; i < run->report.row_count; i++) {
		const struct xvf_row *row = &run->report.rows[i];

		if (row->run.failure[0] != '\0')
			xvm_note("%s: %s: %s", row->run.cannot ? "not run" : "failed",
				 row->run.allocator, row->run.failure);
	}
}

static bool run_has_results(const struct run *run)
{
	for (size_t i = 0; i < run->report.row_count; i++) {
		if (run->report.rows[i].run.result_count > 0)
			return true;
	}
	return false;
}

static int run_finish(struct run *run)
{
	int result = run_write(run);

	if (xvf_options_stdout_taken(run->options))
		run_note_unrun(run);
	if (result == 0 && !run_has_results(run)) {
		xvm_error("no allocator gave a result; xvfrag --list tells which can run here");
		result = XVM_FAILED;
	}
	return result;
}

int xvf_run(const struct xvf_options *options, const struct xvf_selection *selection)
{
	unsigned total = (unsigned)selection->count * run_count_inputs(options);
	struct run run = {
		.options = options,
		.selection = selection,
		.report = {.options = options},
	};
	int result = 0;

	xvm_machine_read(&run.report.machine);
	xvm_progress_init(&run.progress, !options->quiet, total);
	if (options->record_path != NULL) {
		run.record = xvm_output_open(options->record_path);
		result = run.record != NULL ? 0 : XVM_FAILED;
	}
	if (result == 0)
		result = run_inputs(&run);
	if (run.record != NULL)
		result |= xvm_output_close(run.record, options->record_path);
	if (result == 0)
		result = run_finish(&run);
	xvf_report_fini(&run.report);
	return result == 0 ? XVM_EXIT_OK : XVM_EXIT_FAILURE;
}
