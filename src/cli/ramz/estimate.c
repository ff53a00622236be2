/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate.c: ramz estimate. A sample of the input's pages is written to a store with each
 * codec, and what the store says of them is scaled up. Locking: none.
 */
#include "estimate.h"

#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "progress.h"

#define ESTIMATE_PAGES_MIN 64U

static const char estimate_help_use[] =
	"Usage: ramz estimate [OPTION...] [INPUT...]\n"
	"Tell what a compressed page store would save on the data, by codec.\n"
	"\n"
	"INPUT\n"
	"  FILE, DIRECTORY      pages of files; default: the C library's directory, /usr/bin\n"
	"  pid:N                anonymous pages of process N\n"
	"\n"
	"OPTION\n";

static const char estimate_help_end[] =
	"\n"
	"Exit status: 0, 1 when an input cannot be read, 2 when the command line is wrong.\n"
	"See ramz(1) for what each number means.\n";

struct estimate_run {
	const struct rzc_options *options;
	struct xvm_progress progress;
	uint64_t budget_ns; /* of one input with one codec */
	json_t *root;       /* NULL without --json */
};

/* The histogram's buckets, put into sixteenths of a page. */
static void estimate_classes(struct rzc_estimate *e)
{
	const struct ramz_histogram *sizes = &e->density.sizes;
	const uint64_t width = XVM_INPUT_PAGE_BYTES / RZC_SIZE_CLASSES;
	double pages = (double)e->density.pages;

	for (uint32_t b = 0; b < RAMZ_HISTOGRAM_BUCKETS; b++) {
		uint64_t floor = ramz_histogram_floor(b);

		if (sizes->bucket[b] > 0 && floor < XVM_INPUT_PAGE_BYTES)
			e->share[floor / width] += (double)sizes->bucket[b] / pages;
	}
}

void rzc_estimate_make(struct rzc_estimate *estimate, const struct xvm_input *input)
{
	const struct rzc_density *d = &estimate->density;
	double pages = (double)d->pages;
	double scale = (double)input->available / pages;

	if (input->available < d->pages)
		scale = 1;
	estimate->original_bytes = scale * pages * XVM_INPUT_PAGE_BYTES;
	estimate->compressed_bytes = scale * (double)d->stored_bytes;
	/* What any store takes, however small, does not grow with the input. */
	estimate->held_bytes = (double)d->base_bytes;
	if (d->held_bytes > d->base_bytes)
		estimate->held_bytes += scale * (double)(d->held_bytes - d->base_bytes);
	estimate->raw_share = (double)d->raw / pages;
	estimate->same_filled_share = (double)d->same_filled / pages;
	estimate_classes(estimate);
}

double rzc_estimate_saved(const struct rzc_estimate *estimate)
{
	return 1 - estimate->held_bytes / estimate->original_bytes;
}

static int estimate_codec(struct estimate_run *run, const struct xvm_input *input,
			  const struct xvm_codec *codec, struct rzc_estimate *estimate)
{
	uint64_t page_ns = xvm_codec_ns_per_page(codec, input->pages.data, input->distinct,
						 input->distinct_count);
	uint64_t pages = run->budget_ns / (page_ns > 0 ? page_ns : 1);

	if (pages < ESTIMATE_PAGES_MIN)
		pages = ESTIMATE_PAGES_MIN;
	estimate->codec = codec;
	xvm_progress_show(&run->progress, input->name, codec->label, "compressing");
	if (rzc_density_measure(input, codec, pages, &estimate->density) != 0)
		return XVM_FAILED;
	rzc_estimate_make(estimate, input);
	run->progress.done++;
	return 0;
}

static int estimate_loaded_input(struct estimate_run *run, const struct xvm_input *input)
{
	const struct xvm_codecs *codecs = &run->options->codecs;
	struct rzc_estimate *estimates = xvm_calloc(codecs->count, sizeof(*estimates));
	int result = 0;

	for (size_t i = 0; i < codecs->count && result == 0; i++)
		result = estimate_codec(run, input, &codecs->items[i], &estimates[i]);
	xvm_progress_clear(&run->progress);
	if (result == 0 && !rzc_options_stdout_taken(run->options))
		rzc_estimate_table(input, estimates, codecs->count);
	if (result == 0 && run->root != NULL)
		rzc_estimate_json_add(run->root, input, estimates, codecs->count);
	free(estimates);
	return result;
}

static int estimate_input(struct estimate_run *run, const char *name)
{
	struct xvm_input input;
	int result;

	xvm_progress_show(&run->progress, name, NULL, "reading");
	result = xvm_input_load(&input, name, run->options->max_input_bytes);
	if (result == 0)
		result = estimate_loaded_input(run, &input);
	xvm_input_fini(&input);
	return result;
}

static int estimate_run_all(const struct rzc_options *options)
{
	struct estimate_run run = {.options = options};
	size_t count;
	const char *const *names = xvm_input_names(options->inputs, options->input_count, &count);
	unsigned runs = (unsigned)(count * options->codecs.count);
	int result = 0;

	if (options->json_path != NULL) {
		run.root = xvm_json_root("ramz-estimate/1");
		json_object_set_new(run.root, "inputs", json_array());
		json_object_set_new(run.root, "results", json_array());
	}
	xvm_progress_init(&run.progress, !options->quiet, runs);
	run.budget_ns = options->seconds * UINT64_C(1000000000) / runs;
	for (size_t i = 0; i < count && result == 0; i++)
		result = estimate_input(&run, names[i]);
	if (run.root != NULL && result == 0)
		result = xvm_json_write(run.root, options->json_path);
	else
		json_decref(run.root);
	return result == 0 ? XVM_EXIT_OK : XVM_EXIT_FAILURE;
}

static int estimate_main(int argc, char **argv)
{
	return rzc_options_run(argc, argv, estimate_help_use, estimate_help_end, estimate_run_all);
}

const struct rzc_command rzc_command_estimate = {
	.name = "estimate",
	.summary = "what a page store would save on your data, by codec",
	.run = estimate_main,
};
