/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate.c: ramz estimate. A sample of the input's pages is written to a store with each
 * codec, and what the store says of them is scaled up. Locking: none.
 */
#include "estimate.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"

#define ESTIMATE_PAGES_MIN 64U
#define ESTIMATE_SCHEMA "ramz-estimate/1"

struct estimate_run {
	struct xvm_codecs codecs;
	uint64_t max_input_bytes;
	uint64_t budget_ns; /* of one input with one codec */
	json_t *root;       /* NULL without --json */
	bool table;
};

/* ---- one codec ---- */

static int density_complain(const char *what, const struct xvm_codec *codec, int err)
{
	xvm_error("%s with %s: %s", what, codec->label,
		  err == -XV_ENOMEM ? "out of memory; use a smaller --max-input" : strerror(-err));
	return XVM_FAILED;
}

static uint64_t density_held(struct ramz *store)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	return stats.pages_compressed + stats.pages_raw > 0 ? stats.held_bytes : 0;
}

/* Write the sample; slot n gets its n-th page. */
static int density_fill(struct ramz *store, const struct xvm_input *input,
			const struct xvm_codec *codec, struct rzc_density *density)
{
	uint64_t total = input->pages.count;
	uint64_t start = xvm_clock_ns();
	uint64_t slot = 0;

	for (uint64_t i = 0; i < total; i++) {
		int err;

		if (!xvm_spread_takes(i, total, density->pages))
			continue;
		err = ramz_write_page(store, slot++, xvm_pages_at(&input->pages, i));
		if (err != 0)
			return density_complain("writing a page", codec, err);
		if (density->base_bytes == 0)
			density->base_bytes = density_held(store);
	}
	density->write_us = (double)(xvm_clock_ns() - start) / 1000 / (double)density->pages;
	return 0;
}

static void density_describe(struct ramz *store, struct rzc_density *density)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	density->same_filled = stats.pages_same_filled;
	density->raw = stats.pages_raw;
	density->stored_bytes = stats.stored_bytes;
	density->held_bytes = stats.held_bytes;
	(void)ramz_get_histogram(store, RAMZ_HISTOGRAM_SIZE, &density->sizes);
}

/* Write up to max_pages pages of the input, spread evenly, to a new store. */
static int density_measure(const struct xvm_input *input, const struct xvm_codec *codec,
			   uint64_t max_pages, struct rzc_density *density)
{
	struct ramz_options options;
	struct ramz *store;
	int result;

	*density = (struct rzc_density){.pages = input->pages.count < max_pages ? input->pages.count
										: max_pages};
	ramz_options_init(&options);
	options.size_bytes = density->pages * XVM_INPUT_PAGE_BYTES;
	options.codec = codec->codec;
	options.level = codec->level;
	result = ramz_create(&store, &options);
	if (result != 0)
		return density_complain("making a store", codec, result);
	result = density_fill(store, input, codec, density);
	if (result == 0)
		density_describe(store, density);
	ramz_destroy(store);
	return result;
}

/* The histogram's buckets, put into sixteenths of a page. */
static void estimate_classes(struct rzc_estimate *e)
{
	const struct ramz_histogram *sizes = &e->density.sizes;
	const uint64_t width = XVM_INPUT_PAGE_BYTES / RZC_SIZE_CLASSES;

	for (uint32_t b = 0; b < RAMZ_HISTOGRAM_BUCKETS; b++) {
		uint64_t floor = ramz_histogram_floor(b);

		if (sizes->bucket[b] > 0 && floor < XVM_INPUT_PAGE_BYTES)
			e->share[floor / width] +=
				(double)sizes->bucket[b] / (double)e->density.pages;
	}
}

void rzc_estimate_make(struct rzc_estimate *estimate, const struct xvm_input *input)
{
	const struct rzc_density *d = &estimate->density;
	double pages = (double)d->pages;
	double scale = input->available < d->pages ? 1 : (double)input->available / pages;

	estimate->original_bytes = scale * pages * XVM_INPUT_PAGE_BYTES;
	estimate->compressed_bytes = scale * (double)d->stored_bytes;
	/* What any store takes, however small, does not grow with the input. */
	estimate->held_bytes = (double)d->base_bytes;
	if (d->held_bytes > d->base_bytes)
		estimate->held_bytes += scale * (double)(d->held_bytes - d->base_bytes);
	estimate->saved = 1 - estimate->held_bytes / estimate->original_bytes;
	estimate->raw_share = (double)d->raw / pages;
	estimate->same_filled_share = (double)d->same_filled / pages;
	estimate_classes(estimate);
}

static int estimate_codec(struct estimate_run *run, const struct xvm_input *input,
			  const struct xvm_codec *codec, struct rzc_estimate *estimate)
{
	uint64_t page_ns = xvm_codec_ns_per_page(codec, input->pages.data, input->distinct,
						 input->distinct_count);
	uint64_t pages = run->budget_ns / (page_ns > 0 ? page_ns : 1);

	estimate->codec = codec;
	xvm_progress("%s: compressing with %s", input->name, codec->label);
	if (density_measure(input, codec, pages > ESTIMATE_PAGES_MIN ? pages : ESTIMATE_PAGES_MIN,
			    &estimate->density) != 0)
		return XVM_FAILED;
	rzc_estimate_make(estimate, input);
	return 0;
}

/* ---- inputs ---- */

static int estimate_loaded(struct estimate_run *run, const struct xvm_input *input)
{
	size_t count = run->codecs.count;
	struct rzc_estimate *estimates = xvm_calloc(count, sizeof(*estimates));
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++)
		result = estimate_codec(run, input, &run->codecs.items[i], &estimates[i]);
	xvm_progress("%s", "");
	if (result == 0 && run->table)
		rzc_estimate_table(input, estimates, count);
	if (result == 0 && run->root != NULL)
		rzc_estimate_json(run->root, input, estimates, count);
	free(estimates);
	return result;
}

static int estimate_input(struct estimate_run *run, const char *name)
{
	struct xvm_input input;
	int result;

	xvm_progress("%s: reading", name);
	result = xvm_input_load(&input, name, run->max_input_bytes);
	if (result == 0)
		result = estimate_loaded(run, &input);
	xvm_input_fini(&input);
	return result;
}

int rzc_estimate(const struct rzc_options *options)
{
	struct estimate_run run = {.table = options->json_path == NULL ||
					    strcmp(options->json_path, "-") != 0};
	const char *const *names;
	size_t count, runs;
	int result = 0;

	if (xvm_codecs_parse(&run.codecs, options->codecs) != 0)
		return XVM_EXIT_USAGE;
	names = xvm_input_names(options->words.word, options->words.count, &count);
	runs = count * run.codecs.count;
	if (options->json_path != NULL) {
		run.root = xvm_json_root(ESTIMATE_SCHEMA);
		json_object_set_new(run.root, "inputs", json_array());
		json_object_set_new(run.root, "results", json_array());
	}
	run.max_input_bytes = options->max_input_bytes;
	run.budget_ns = options->seconds * UINT64_C(1000000000) / runs;
	for (size_t i = 0; i < count && result == 0; i++)
		result = estimate_input(&run, names[i]);
	if (run.root != NULL && result == 0)
		result = xvm_json_write(run.root, options->json_path);
	else
		json_decref(run.root);
	return result == 0 ? XVM_EXIT_OK : XVM_EXIT_FAILURE;
}
