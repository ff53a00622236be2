/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate.c: ramz estimate. A sample of the input's pages is put into a store in each form, and
 * what the store says of them is scaled up. A form with a dictionary is trained on other pages.
 * Locking: none. O(time allowed).
 */
#include "estimate.h"

#include <stdlib.h>
#include <string.h>

#include <ramz/tiers.h>

#include "command.h"

#define ESTIMATE_PAGES_MIN 64U
#define ESTIMATE_SCHEMA "ramz-estimate/1"

/* The codecs of the forms. Without zstd there is no cold one, and no dictionary. */
#define ESTIMATE_WARM "lz4,lz4:9"
#define ESTIMATE_COLD "lz4,lz4:9,zstd:8"

#define ESTIMATE_TRAIN_SHIFT 30 /* of 32 bits: one page in four is to train on */

struct estimate_run {
	struct xvm_codecs codecs;
	bool forms; /* the codecs are those of the forms; else all write pages */
	uint64_t max_input_bytes;
	uint64_t budget_ns; /* of one input with one codec */
	json_t *root;       /* NULL without --json */
	bool table;
};

/* ---- pages ---- */

/* Pages of an input, and which of them to take. */
struct sample {
	const struct xvm_pages *pages;
	uint32_t *index;
	uint64_t count;
};

/* The two samples of an input. */
enum { MEASURED, TRAINED, SAMPLES };

/* Scattered, as what lies in a heap may have a period. Page 0 is not. */
static bool sample_is_trained(uint32_t page)
{
	return (page * UINT32_C(2654435761)) >> ESTIMATE_TRAIN_SHIFT == 3;
}

/* Set pages to train on apart, if there are forms to train. */
static void samples_init(struct sample sample[SAMPLES], const struct xvm_input *input, bool apart)
{
	for (uint32_t i = 0; i < SAMPLES; i++)
		sample[i] = (struct sample){
			.pages = &input->pages,
			.index = xvm_calloc((size_t)input->pages.count, sizeof(*sample[i].index))};
	for (uint32_t page = 0; page < input->pages.count; page++) {
		struct sample *to = &sample[apart && sample_is_trained(page) ? TRAINED : MEASURED];

		to->index[to->count++] = page;
	}
}

/* ---- one codec ---- */

static int density_complain(const char *what, const struct xvm_codec *codec, int err)
{
	xvm_error("%s with %s: %s", what, codec->label,
		  err == -XV_ENOMEM ? "out of memory; use a smaller --max-input" : strerror(-err));
	return XVM_FAILED;
}

/* What grows with the number of pages: 0 before the first object. */
static uint64_t density_growing(struct ramz *store, uint64_t *fixed_bytes)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	*fixed_bytes = stats.held_bytes - stats.pool.held_bytes - stats.slot_table_bytes;
	return stats.pages_compressed + stats.pages_raw > 0 ? stats.held_bytes - *fixed_bytes : 0;
}

static bool is_same_filled(const void *page)
{
	return ramz_page_is_same_filled(page, XVM_INPUT_PAGE_BYTES, NULL);
}

/* Write density->pages pages of the sample, spread evenly; slot n gets the n-th. */
static int density_fill(struct ramz *store, const struct sample *sample,
			struct rzc_density *density)
{
	uint64_t slot = 0, fixed;

	for (uint64_t i = 0; i < sample->count; i++) {
		const uint8_t *page = xvm_pages_at(sample->pages, sample->index[i]);
		uint64_t start = xvm_clock_ns();
		int err;

		if (!xvm_spread_takes(i, sample->count, density->pages))
			continue;
		err = ramz_write_page(store, slot++, page);
		if (err != 0)
			return err;
		if (!is_same_filled(page))
			density->write_us += (double)(xvm_clock_ns() - start) / 1000;
		if (density->base_bytes == 0)
			density->base_bytes = density_growing(store, &fixed);
	}
	return 0;
}

static int density_recompress(struct ramz *store, uint32_t tier, struct rzc_density *density)
{
	const struct ramz_recompress_options options = {.tier = tier};
	struct ramz_recompress_report report;
	uint64_t start = xvm_clock_ns();
	int err = ramz_recompress(store, &options, &report);

	density->write_us = (double)(xvm_clock_ns() - start) / 1000;
	return err;
}

static int density_read(struct ramz *store, struct rzc_density *density)
{
	uint8_t page[XVM_INPUT_PAGE_BYTES];

	for (uint64_t slot = 0; slot < density->pages; slot++) {
		uint64_t start = xvm_clock_ns();
		int err = ramz_read_page(store, slot, page);

		if (err != 0)
			return err;
		if (!is_same_filled(page))
			density->read_us += (double)(xvm_clock_ns() - start) / 1000;
	}
	return 0;
}

static int density_count(void *context, uint64_t page, const struct ramz_page_info *info)
{
	struct rzc_density *density = context;

	(void)page;
	if (info->kind == RAMZ_PAGE_COMPRESSED)
		density->classes[info->stored_bytes * RZC_SIZE_CLASSES / XVM_INPUT_PAGE_BYTES]++;
	return 0;
}

static int density_describe(struct ramz *store, struct rzc_density *density)
{
	struct ramz_stats stats;
	uint64_t fixed, objects;

	(void)density_growing(store, &fixed);
	ramz_get_stats(store, &stats);
	density->base_bytes += fixed;
	density->same_filled = stats.pages_same_filled;
	density->raw = stats.pages_raw;
	density->stored_bytes = stats.stored_bytes;
	density->held_bytes = stats.held_bytes;
	objects = stats.pages_compressed + stats.pages_raw;
	density->write_us = objects > 0 ? density->write_us / (double)objects : 0;
	density->read_us = objects > 0 ? density->read_us / (double)objects : 0;
	return ramz_walk(store, 0, density_count, density);
}

/* Look at `pages` pages, in the tier, in an empty store. */
static int density_look(struct ramz *store, const struct sample *sample, uint32_t tier,
			uint64_t pages, struct rzc_density *density)
{
	int err;

	*density =
		(struct rzc_density){.pages = pages, .dictionary_bytes = density->dictionary_bytes};
	err = density_fill(store, sample, density);
	if (err == 0 && tier != 0)
		err = density_recompress(store, tier, density);
	if (err == 0)
		err = ramz_compact(store, 0, NULL);
	if (err == 0)
		err = density_read(store, density);
	return err == 0 ? density_describe(store, density) : err;
}

/* Give the tier its codec, and a dictionary if it pays for the pages to train on. */
static int density_train(struct ramz *store, const struct sample *sample,
			 const struct xvm_codec *codec, uint32_t tier, struct rzc_density *density)
{
	const struct ramz_train_options options = {.tier = tier};
	struct ramz_train_report report = {.used = false};
	int err = ramz_set_tier(store, tier, codec->codec, codec->level);

	density->pages = sample->count;
	if (err == 0)
		err = density_fill(store, sample, density);
	if (err == 0)
		err = ramz_train(store, &options, &report);
	density->dictionary_bytes = report.used ? report.dictionary_bytes : 0;
	return err == 0 || err == -XV_ENOTSUP ? ramz_reset(store) : err;
}

/* Look at a few pages, and then at as many as the time allows. */
static int density_measure(struct ramz *store, const struct sample *sample, uint32_t tier,
			   uint64_t budget_ns, struct rzc_density *density)
{
	uint64_t few = sample->count < ESTIMATE_PAGES_MIN ? sample->count : ESTIMATE_PAGES_MIN;
	int err = density_look(store, sample, tier, few, density);
	double page_ns = 1000 * (density->write_us + density->read_us);
	uint64_t pages = sample->count;

	if (page_ns * (double)pages > (double)budget_ns)
		pages = (uint64_t)((double)budget_ns / page_ns);
	if (err != 0 || pages <= few)
		return err;
	err = ramz_reset(store);
	return err == 0 ? density_look(store, sample, tier, pages, density) : err;
}

/* The histogram's classes, and what is of the whole input. */
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
	for (uint32_t c = 0; c < RZC_SIZE_CLASSES; c++)
		estimate->share[c] = (double)d->classes[c] / pages;
}

static int estimate_codec(const struct estimate_run *run, const struct xvm_input *input,
			  const struct sample sample[SAMPLES], uint32_t index,
			  struct rzc_estimate *estimate)
{
	static const char *const forms[] = {"hot", "warm", "cold"};
	const struct xvm_codec *codec = &run->codecs.items[index];
	uint32_t tier = run->forms ? index : 0;
	struct ramz_options options;
	struct ramz *store;
	int err;

	estimate->form = forms[tier];
	estimate->codec = codec;
	xvm_progress("%s: compressing with %s", input->name, codec->label);
	ramz_options_init(&options);
	options.size_bytes = input->pages.count * XVM_INPUT_PAGE_BYTES;
	options.codec = tier == 0 ? codec->codec : run->codecs.items[0].codec;
	options.level = tier == 0 ? codec->level : run->codecs.items[0].level;
	err = ramz_create(&store, &options);
	if (err != 0)
		return density_complain("making a store", codec, err);
	if (tier != 0)
		err = density_train(store, &sample[TRAINED], codec, tier, &estimate->density);
	if (err == 0)
		err = density_measure(store, &sample[MEASURED], tier, run->budget_ns,
				      &estimate->density);
	ramz_destroy(store);
	if (err != 0)
		return density_complain("storing pages", codec, err);
	rzc_estimate_make(estimate, input);
	return 0;
}

/* ---- inputs ---- */

static int estimate_loaded(struct estimate_run *run, const struct xvm_input *input)
{
	size_t count = run->codecs.count;
	struct rzc_estimate *estimates = xvm_calloc(count, sizeof(*estimates));
	struct sample sample[SAMPLES];
	int result = 0;

	samples_init(sample, input, run->forms);
	for (size_t i = 0; i < count && result == 0; i++)
		result = estimate_codec(run, input, sample, (uint32_t)i, &estimates[i]);
	xvm_progress("%s", "");
	if (result == 0 && run->table)
		rzc_estimate_table(input, estimates, count);
	if (result == 0 && run->root != NULL)
		rzc_estimate_json(run->root, input, estimates, count);
	for (uint32_t i = 0; i < SAMPLES; i++)
		free(sample[i].index);
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
	const char *list = ramz_codec_by_name("zstd") != NULL ? ESTIMATE_COLD : ESTIMATE_WARM;
	const char *const *names;
	size_t count, runs;
	int result = 0;

	run.forms = options->codecs == NULL;
	if (xvm_codecs_parse(&run.codecs, run.forms ? list : options->codecs) != 0)
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
