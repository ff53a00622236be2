/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * run.c: see run.h.
 */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input.h"

#define RUN_PLUGIN "plugin:"
#define RUN_SIZES "sizes:"
#define RUN_TRACE "trace:"

/* ---- which allocators ----------------------------------------------------- */

static void selection_add(struct xvf_selection *selection, const char *spec,
			  const struct xvm_entry *entry, bool drawn)
{
	struct xvf_selected *item;

	for (size_t i = 0; i < selection->count; i++) {
		if (strcmp(selection->items[i].spec, spec) == 0) {
			selection->items[i].drawn |= drawn;
			return;
		}
	}
	selection->items = xvm_grow(selection->items, &selection->capacity, selection->count + 1,
				    sizeof(*selection->items));
	item = &selection->items[selection->count++];
	*item = (struct xvf_selected){.spec = xvm_strdup(spec), .entry = entry, .drawn = drawn};
}

/* Of all only those that a picture has room for, each in a colour of its own. */
static void selection_add_all(struct xvf_selection *selection)
{
	static const char *const undrawn[] = {
		"xvmalloc-nosplit", "xvmalloc-keyed", "xvmalloc-hardened",
		"xvmalloc-heap",    "slub",           "slob"};
	const struct xvm_entry *entry;

	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++) {
		bool drawn = true;

		for (size_t k = 0; k < sizeof(undrawn) / sizeof(undrawn[0]); k++)
			drawn &= strcmp(entry->plugin->name, undrawn[k]) != 0;
		selection_add(selection, entry->plugin->name, entry, drawn);
	}
}

static int selection_complain(const char *spec)
{
	char names[512] = "";
	const struct xvm_entry *entry;

	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, " %s", entry->plugin->name);
	}
	xvm_error("there is no allocator '%s'; there are:%s, all and plugin:PATH", spec, names);
	return XVM_FAILED;
}

static int selection_take(struct xvf_selection *selection, const char *spec, unsigned threads)
{
	bool is_plugin = strncmp(spec, RUN_PLUGIN, strlen(RUN_PLUGIN)) == 0;
	char why[XVFRAG_PLUGIN_WHY_BYTES];
	const struct xvm_entry *entry;
	const char *settings;

	if (strcmp(spec, "all") == 0) {
		selection_add_all(selection);
		return 0;
	}
	entry = xvm_entry_find(spec, &settings);
	if (entry == NULL && !is_plugin)
		return selection_complain(spec);
	if (is_plugin && access(settings, R_OK) != 0) {
		xvm_error("cannot read plugin '%s': %s; build the shared object first "
			  "(xvfrag(1), PLUGINS)",
			  settings, strerror(errno));
		return XVM_FAILED;
	}
	if (entry != NULL && xvm_entry_check(entry, settings, threads, why) != 0) {
		xvm_error("--allocator %s: %s", spec, why);
		return XVM_FAILED;
	}
	selection_add(selection, spec, entry, true);
	return 0;
}

int xvf_selection_parse(struct xvf_selection *selection, const char *list, unsigned threads)
{
	char *copy = xvm_strdup(list);
	char *rest = NULL;
	int result = 0;

	*selection = (struct xvf_selection){.items = NULL};
	for (char *spec = strtok_r(copy, ",", &rest); spec != NULL && result == 0;
	     spec = strtok_r(NULL, ",", &rest))
		result = selection_take(selection, spec, threads);
	if (result == 0 && selection->count == 0)
		result = selection_complain("");
	free(copy);
	return result;
}

void xvf_selection_fini(struct xvf_selection *selection)
{
	for (size_t i = 0; i < selection->count; i++)
		free(selection->items[i].spec);
	free(selection->items);
	*selection = (struct xvf_selection){.items = NULL};
}

void xvf_list(void)
{
	char why[XVFRAG_PLUGIN_WHY_BYTES];
	const struct xvm_entry *entry;

	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++) {
		printf("  %-16s %s\n", entry->plugin->name, entry->plugin->summary);
		if (xvm_entry_available(entry, why) != 0)
			printf("  %-16s   cannot run here: %s\n", "", why);
	}
	puts("  xvmalloc:NAME=VALUE:...\n"
	     "                 a row of xvmalloc with settings: shards=N,\n"
	     "                 lock=default|none|spin|mutex, page=SIZE,\n"
	     "                 provider=mmap|highmem|buffer\n"
	     "  plugin:PATH    a shared object with struct xvfrag_plugin\n"
	     "                 (xvmalloc/xvfrag_plugin.h)");
}

/* ---- one input ------------------------------------------------------------ */

/* An input, ready for the allocators. */
struct run_input {
	struct xvm_input pages; /* empty for sizes and traces */
	struct xvm_workload workload;
	int workload_fd;
};

struct run {
	const struct xvf_options *options;
	const struct xvf_selection *selection;
	struct xvf_report report;
	FILE *record; /* --record, or NULL */
};

/* What stands behind the prefix of the name, or NULL when that begins otherwise. */
static const char *behind_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : NULL;
}

static int input_check_sizes(const struct xvm_sizes *sizes, const char *name)
{
	uint64_t objects = sizes->objects.count;

	if (objects >= 2)
		return 0;
	if (sizes->page_count > 0 && objects == 0)
		xvm_error("all %" PRIu64 " pages of %s are same-filled: there is nothing to "
			  "allocate; choose another input",
			  sizes->page_count, name);
	else
		xvm_error("%s gives %" PRIu64 " objects: a life cycle needs 2 or more, and "
			  "thousands to mean something",
			  name, objects);
	return XVM_FAILED;
}

/* Sizes, recorded or of an input's pages, drive the life cycle. */
static int input_cycle(struct run *run, struct run_input *input, const struct xvm_sizes *sizes,
		       struct xvf_facts *facts)
{
	const struct xvf_options *options = run->options;

	if (input_check_sizes(sizes, facts->name) != 0)
		return XVM_FAILED;
	facts->pages = sizes->page_count;
	if (facts->available == 0)
		facts->available = sizes->page_count;
	facts->same_filled = sizes->same_filled;
	facts->raw = sizes->raw;
	facts->objects = options->objects > 0 ? options->objects : sizes->objects.count;
	facts->mean_bytes = sizes->object_bytes / sizes->objects.count;
	xvm_workload_life_cycle(&input->workload, sizes, (uint32_t)options->objects, options->seed);
	if (run->record == NULL || xvm_sizes_write(sizes, run->record))
		return 0;
	xvm_error("cannot write %s: is the disk full?", options->record_path);
	return XVM_FAILED;
}

static int input_compress(const struct run *run, struct run_input *input, struct xvm_sizes *sizes,
			  struct xvf_facts *facts)
{
	const struct xvm_codec *codec = &run->options->codec.items[0];

	if (xvm_input_load(&input->pages, facts->name, run->options->max_input_bytes) != 0)
		return XVM_FAILED;
	facts->codec = codec->label;
	facts->available = input->pages.available;
	if (input->pages.pages.count < facts->available)
		xvm_note("%s: %" PRIu64 " of %" PRIu64
			 " pages, spread over the whole; --max-input takes more",
			 facts->name, input->pages.pages.count, facts->available);
	return xvm_sizes_from_pages(sizes, &input->pages.pages, codec->codec, codec->level);
}

static int input_read_trace(struct run_input *input, const char *path, struct xvf_facts *facts)
{
	uint64_t bytes = 0;

	if (xvm_trace_read(&input->workload, path) != 0)
		return XVM_FAILED;
	for (size_t i = 0; i < input->workload.sizes.count; i++)
		bytes += input->workload.sizes.items[i];
	facts->objects = input->workload.sizes.count;
	facts->mean_bytes = bytes / facts->objects;
	return 0;
}

static int input_load(struct run *run, struct run_input *input, struct xvf_facts *facts)
{
	const char *trace = behind_prefix(facts->name, RUN_TRACE);
	const char *path = behind_prefix(facts->name, RUN_SIZES);
	struct xvm_sizes sizes = {.page_count = 0};
	int result;

	*input = (struct run_input){.workload_fd = -1};
	if (trace != NULL) {
		result = input_read_trace(input, trace, facts);
	} else {
		result = path != NULL ? xvm_sizes_from_file(&sizes, path)
				      : input_compress(run, input, &sizes, facts);
		if (result == 0)
			result = input_cycle(run, input, &sizes, facts);
		xvm_sizes_fini(&sizes);
	}
	facts->head = input->workload.head;
	if (result == 0)
		input->workload_fd = xvm_workload_seal(&input->workload);
	return input->workload_fd >= 0 ? 0 : XVM_FAILED;
}

static void input_fini(struct run_input *input)
{
	xvm_input_fini(&input->pages);
	xvm_workload_fini(&input->workload);
	if (input->workload_fd >= 0)
		close(input->workload_fd);
}

/* ---- one allocator on one input ------------------------------------------- */

static void run_on_progress(void *context, const struct xvf_run *child)
{
	const struct run *run = context;
	unsigned done = atomic_load(&child->result_count);

	xvm_progress("%s: %s: %s", run->report.inputs[run->report.input_count - 1].name,
		     child->spec, done > 0 ? child->results[done - 1].phase : "starts");
}

static void run_allocator(struct run *run, const struct xvf_selected *selected,
			  const struct run_input *input)
{
	const struct xvf_options *options = run->options;
	bool has_pages = input->pages.pages.count > 0;
	struct xvf_row *row = xvf_report_add_row(&run->report);
	struct xvf_run *child = &row->run;
	const char *preload = NULL;
	char why[XVFRAG_PLUGIN_WHY_BYTES];

	row->input = run->report.input_count - 1;
	row->drawn = selected->drawn;
	child->seed = options->seed;
	child->threads = (unsigned)options->threads;
	child->workload_fd = input->workload_fd;
	child->pages_fd = has_pages ? input->pages.pages.fd : -1;
	snprintf(child->spec, sizeof(child->spec), "%s", selected->spec);
	if (has_pages)
		snprintf(child->codec, sizeof(child->codec), "%s",
			 options->codec.items[0].codec->name);
	if (selected->entry != NULL) {
		snprintf(child->allocator, sizeof(child->allocator), "%s", selected->spec);
		child->cannot = xvm_entry_available(selected->entry, why) != 0;
		preload = xvm_preload_path(selected->entry);
	}
	if (child->cannot)
		(void)xvf_run_fail(child, "%s", why);
	else
		xvf_child_run(child, preload, (unsigned)options->timeout_s, run_on_progress, run);
	if (child->allocator[0] == '\0') /* a plugin that was not loaded */
		snprintf(child->allocator, sizeof(child->allocator), "%s", selected->spec);
}

static int run_input(struct run *run, const char *name)
{
	struct xvf_facts *facts = xvf_report_add_input(&run->report);
	struct run_input input;
	int result;

	facts->name = name;
	xvm_progress("%s: reading and compressing", name);
	result = input_load(run, &input, facts);
	for (size_t i = 0; result == 0 && i < run->selection->count; i++)
		run_allocator(run, &run->selection->items[i], &input);
	xvm_progress("%s", "");
	if (result == 0 && run->options->map_path != NULL && run->report.input_count == 1)
		result = xvf_write_map(&input.workload, run->options->seed, run->options->map_path);
	input_fini(&input);
	return result;
}

/* ---- the results ---------------------------------------------------------- */

static bool path_is_stdout(const char *path)
{
	return path != NULL && strcmp(path, "-") == 0;
}

/* With no table, what did not run is said on standard error. */
static void run_note_failures(const struct run *run)
{
	for (size_t i = 0; i < run->report.row_count; i++) {
		const struct xvf_run *child = &run->report.rows[i].run;

		if (child->failure[0] != '\0')
			xvm_note("%s: %s: %s", child->cannot ? "not run" : "failed",
				 child->allocator, child->failure);
	}
}

static int run_write(const struct run *run)
{
	const struct xvf_options *options = run->options;
	bool has_results = false;
	int result = 0;

	if (path_is_stdout(options->json_path) || path_is_stdout(options->record_path))
		run_note_failures(run);
	else
		result = xvf_write_table(&run->report, stdout);
	if (options->json_path != NULL)
		result |= xvf_write_json(&run->report, options->json_path);
	if (options->plot_dir != NULL)
		result |= xvf_write_plots(&run->report, options->plot_dir);
	for (size_t i = 0; i < run->report.row_count; i++)
		has_results |= run->report.rows[i].run.result_count > 0;
	if (result == 0 && !has_results) {
		xvm_error("no allocator gave a result; xvfrag --list tells which can run here");
		result = XVM_FAILED;
	}
	return result;
}

int xvf_run(const struct xvf_options *options, const struct xvf_selection *selection)
{
	struct run run = {
		.options = options,
		.selection = selection,
		.report = {.options = options},
	};
	int result = 0;

	if (options->record_path != NULL) {
		run.record = xvm_output_open(options->record_path);
		result = run.record != NULL ? 0 : XVM_FAILED;
	}
	for (size_t i = 0; i < options->input_count && result == 0; i++)
		result = run_input(&run, options->inputs[i]);
	if (run.record != NULL)
		result |= xvm_output_close(run.record, options->record_path);
	if (result == 0)
		result = run_write(&run);
	xvf_report_fini(&run.report);
	return result == 0 ? XVM_EXIT_OK : XVM_EXIT_FAILURE;
}
