/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * bench.c: ramz bench. For each input and codec: what a store takes (density.h), and how
 * fast it is beside the codec alone and kernel zram (race.h). Locking: none here.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "progress.h"
#include "report.h"

/* Of the pages that are written for density alone, whatever the codec's speed. */
#define BENCH_DENSITY_PAGES_MIN 256U

struct bench {
	const struct rzc_options *options;
	struct rzc_crew crew;
	struct xvf_progress progress;
	uint64_t budget_ns; /* of the speed runs of one input with one codec */
#if RAMZ_CLI_HAVE_JANSSON
	json_t *root; /* NULL without --json */
#endif
};

static const char bench_help_use[] =
	"Usage: ramz bench [OPTION...] [INPUT...]\n"
	"Measure the page store on real pages: what it takes, and how fast it is beside the\n"
	"codec alone and kernel zram with the same codec, in turns, in one run.\n"
	"\n"
	"INPUT\n"
	"  FILE, DIRECTORY      pages of files; default: the C library's directory, /usr/bin\n"
	"  pid:N                anonymous pages of process N\n"
	"\n"
	"OPTION\n";

static const char bench_help_end[] =
	"\n"
	"Kernel zram needs root and the zram module; a device is added, and removed at the end.\n"
	"Exit status: 0, 1 when the run could not be done, 2 when the command line is wrong.\n"
	"See ramz(1) for what each number means.\n";

/* How many pages the density runs may have: as many as take the time of the speed runs. */
static uint64_t bench_density_pages(const struct bench *bench, const struct rzc_input *input,
				    const struct rzc_codec *codec)
{
	uint64_t page_ns = rzc_codec_ns_per_page(codec, input->pages.data, input->distinct,
						 input->distinct_count);
	uint64_t pages = page_ns > 0 ? bench->budget_ns / page_ns : 0;

	return pages > BENCH_DENSITY_PAGES_MIN ? pages : BENCH_DENSITY_PAGES_MIN;
}

static int bench_codec(struct bench *bench, const struct rzc_input *input,
		       const struct rzc_codec *codec, struct rzc_result *result)
{
	const struct rzc_options *options = bench->options;
	const struct rzc_race_plan plan = {
		.input = input,
		.codec = codec,
		.budget_ns = bench->budget_ns,
		.max_pages = options->max_pages,
		.seed = options->seed,
		.zram = !options->no_zram,
	};

	result->codec = codec;
	xvf_progress_show(&bench->progress, input->name, codec->label, "density");
	if (rzc_density_measure(input, codec, bench_density_pages(bench, input, codec), true,
				options->seed, &result->density) != 0)
		return XVF_FAILED;
	xvf_progress_show(&bench->progress, input->name, codec->label, "speed");
	if (input->distinct_count > 0 && rzc_race_run(&result->race, &bench->crew, &plan) != 0)
		return XVF_FAILED;
	bench->progress.done++;
	return 0;
}

static void bench_tell(struct bench *bench, const struct rzc_input *input,
		       const struct rzc_result *results, size_t count)
{
	xvf_progress_clear(&bench->progress);
	if (!rzc_options_stdout_taken(bench->options))
		rzc_bench_table(bench->options, input, results, count);
#if RAMZ_CLI_HAVE_JANSSON
	if (bench->root != NULL)
		rzc_bench_json_add(bench->root, bench->options, input, results, count);
#endif
}

static int bench_loaded_input(struct bench *bench, const struct rzc_input *input)
{
	const struct rzc_codecs *codecs = &bench->options->codecs;
	struct rzc_result *results = xvf_calloc(codecs->count, sizeof(*results));
	int result = 0;

	for (size_t i = 0; i < codecs->count && result == 0; i++)
		result = bench_codec(bench, input, &codecs->items[i], &results[i]);
	if (result == 0)
		bench_tell(bench, input, results, codecs->count);
	for (size_t i = 0; i < codecs->count; i++)
		rzc_race_fini(&results[i].race);
	free(results);
	return result;
}

static int bench_input(struct bench *bench, const char *name)
{
	struct rzc_input input;
	int result;

	xvf_progress_show(&bench->progress, name, NULL, "reading");
	result = rzc_input_load(&input, name, bench->options->max_input_bytes);
	if (result == 0)
		result = bench_loaded_input(bench, &input);
	rzc_input_fini(&input);
	return result;
}

static int bench_inputs(struct bench *bench)
{
	size_t count;
	const char *const *names = rzc_input_names(bench->options, &count);
	unsigned runs = (unsigned)(count * bench->options->codecs.count);
	int result = 0;

	xvf_progress_init(&bench->progress, !bench->options->quiet, runs);
	bench->budget_ns = bench->options->seconds * UINT64_C(1000000000) / runs;
	for (size_t i = 0; i < count && result == 0; i++)
		result = bench_input(bench, names[i]);
	xvf_progress_clear(&bench->progress);
	return result;
}

static int bench_run_all(const struct rzc_options *options)
{
	struct bench bench = {.options = options};
	int result;

#if RAMZ_CLI_HAVE_JANSSON
	if (options->json_path != NULL)
		bench.root = rzc_bench_json_root(options);
#endif
	result = rzc_crew_init(&bench.crew, options->threads);
	if (result == 0)
		result = bench_inputs(&bench);
	rzc_crew_fini(&bench.crew);
#if RAMZ_CLI_HAVE_JANSSON
	if (bench.root != NULL && result == 0)
		result = rzc_json_write(bench.root, options->json_path);
	else
		json_decref(bench.root);
#endif
	return result == 0 ? XVF_EXIT_OK : XVF_EXIT_FAILURE;
}

static int bench_main(int argc, char **argv)
{
	return rzc_options_run(RZC_BENCH, argc, argv, bench_help_use, bench_help_end,
			       bench_run_all);
}

const struct rzc_command rzc_command_bench = {
	.name = "bench",
	.summary = "memory and speed of the page store on real pages, beside kernel zram",
	.run = bench_main,
};
