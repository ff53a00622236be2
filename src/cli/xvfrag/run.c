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
	const char *allocator;
};

/* ---- one allocator on one input ------------------------------------------- */

static void run_on_result(void *context, const struct xvf_result *result)
{
	const struct run *run = context;

	xvm_progress_show(&run->progress, run->input_name, run->allocator, result->phase);
}

/* Why can the allocator not run on this input? False when it can. */
static bool run_skips(const struct run *run, const struct xvf_selected *selected,
		      const struct xvf_input *input, char *why, size_t why_bytes)
{
	const struct xvm_entry *entry = selected->entry;

	if (entry == NULL)
		return false;
	if (!xvm_entry_available(entry, why, why_bytes))
		return true;
	if ((entry->flags & XVM_DEVICE) == 0)
		return false;
	if (run->options->threads > 1)
		snprintf(why, why_bytes,
			 "it is a device that one thread writes to here; leave out --threads");
	else if (input->pages.count == 0)
		snprintf(why, why_bytes,
			 "it stores pages, which --sizes and --trace do not have; give an INPUT");
	else if (strcmp(run->options->codec->name, "none") == 0)
		snprintf(why, why_bytes, "the kernel has no codec 'none'; use --codec lz4");
	else
		return false;
	return true;
}

/* The page size that an allocator is made for. */
static uint32_t config_page_bytes(const struct run *run, const struct xvf_selected *selected)
{
	bool model = selected->entry != NULL && (selected->entry->flags & XVM_MODEL) != 0;

	return model ? run->options->model_page_bytes : run->options->page_bytes;
}

/* The page size that a row is about: the one it was made for, where that matters. */
static uint32_t run_page_bytes(const struct run *run, const struct xvf_selected *selected)
{
	if (selected->entry == NULL || (selected->entry->flags & XVM_PAGE_SIZED) != 0)
		return config_page_bytes(run, selected);
	return (uint32_t)run->report.machine.page_bytes;
}

static void run_child(struct run *run, const struct xvf_selected *selected,
		      const struct xvf_input *input, struct xvf_outcome *outcome)
{
	const struct xvf_options *options = run->options;
	const struct xvf_replay_config config = {
		.page_bytes = config_page_bytes(run, selected),
		.provider = options->provider,
		.codec = input->pages.count > 0 ? options->codec->name : NULL,
		.threads = options->threads,
		.cross = options->cross,
		.seed = options->seed,
		.workload_fd = input->workload_fd,
		.pages_fd = input->pages.count > 0 ? input->pages.fd : -1,
	};
	const char *preload = selected->entry != NULL ? xvm_preload_path(selected->entry) : NULL;

	xvf_child_run(selected->spec, &config, preload, options->timeout_s, run_on_result, run,
		      outcome);
}

/* A device that could not be made (no codec for it, no privilege) was not run. */
static void run_settle_device(struct xvf_row *row, const struct xvf_selected *selected)
{
	struct xvf_outcome *outcome = &row->outcome;

	if (selected->entry == NULL || (selected->entry->flags & XVM_DEVICE) == 0 ||
	    outcome->result_count > 0 || outcome->failure[0] == '\0')
		return;
	snprintf(row->skipped, sizeof(row->skipped), "%.*s", (int)sizeof(row->skipped) - 1,
		 outcome->failure);
	outcome->failure[0] = '\0';
}

/* The row's name: what the allocator calls itself, else how it was asked for. */
static void run_name_row(struct xvf_row *row, const struct xvf_selected *selected)
{
	char *name = row->outcome.allocator;

	if (selected->entry != NULL && strchr(selected->spec, ':') == NULL)
		snprintf(name, sizeof(row->outcome.allocator), "%s", selected->entry->name);
	else if (selected->entry != NULL || name[0] == '\0')
		snprintf(name, sizeof(row->outcome.allocator), "%s", selected->spec);
}

static void run_allocator(struct run *run, const struct xvf_selected *selected,
			  const struct xvf_input *input)
{
	struct xvf_row *row = xvf_report_add_row(&run->report);

	row->input = run->report.input_count - 1;
	row->page_bytes = run_page_bytes(run, selected);
	run->allocator = selected->spec;
	xvm_progress_show(&run->progress, run->input_name, run->allocator, "starts");
	if (!run_skips(run, selected, input, row->skipped, sizeof(row->skipped)))
		run_child(run, selected, input, &row->outcome);
	run_settle_device(row, selected);
	run_name_row(row, selected);
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

		if (row->skipped[0] != '\0')
			xvm_note("not run: %s: %s", row->outcome.allocator, row->skipped);
		if (row->outcome.failure[0] != '\0')
			xvm_note("failed: %s: %s", row->outcome.allocator, row->outcome.failure);
	}
}

static bool run_has_results(const struct run *run)
{
	for (size_t i = 0; i < run->report.row_count; i++) {
		if (run->report.rows[i].outcome.result_count > 0)
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
