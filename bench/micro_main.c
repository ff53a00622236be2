/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_main.c: xv_bench, the micro benchmarks.
 *
 *     xv_bench [--sizes=FILE] [--pages=NAME] [--write-sizes=FILE] [--trace=FILE]
 *              [--seed=N] [--threads=N] [--benchmark_...]
 *
 * The options that begin with --benchmark_ are Google Benchmark's: --benchmark_filter=REGEX,
 * --benchmark_list_tests, --benchmark_out=FILE (JSON) and others.
 *
 * Owns the mixes. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "micro.h"

static const char usage[] =
	"usage: xv_bench [--sizes=FILE] [--pages=NAME] [--write-sizes=FILE] [--trace=FILE]\n"
	"                [--seed=N] [--threads=N] [--benchmark_filter=REGEX]\n"
	"                [--benchmark_out=FILE] ...\n"
	"\n"
	"  --sizes=FILE       sizes of the mix \"page\", one number a line\n"
	"  --pages=NAME       what the store is given: pages of this file, of the files in this\n"
	"                     directory, or of the process pid:N; default /usr/share. Without\n"
	"                     --sizes their compressed sizes are the mix \"page\"\n"
	"  --write-sizes=FILE write those sizes, and run nothing\n"
	"  --trace=FILE       what record_malloc.so wrote of a program: mix \"recorded\", and\n"
	"                     the benchmarks trace/...\n"
	"  --seed=N           of all random numbers\n"
	"  --threads=N        most threads; default 2, or one for each processor\n";

struct arguments {
	struct mix_source source;
	const char *trace;
	uint64_t seed;
	uint64_t threads;
};

/* The text behind "--name=", or NULL when argument is another option. */
static const char *option_value(const char *argument, const char *name)
{
	size_t length = strlen(name);

	return strncmp(argument, name, length) == 0 && argument[length] == '='
		       ? argument + length + 1
		       : NULL;
}

static bool take_number(const char *argument, const char *name, uint64_t most, uint64_t *number)
{
	const char *text = option_value(argument, name);
	char *end;

	if (text == NULL)
		return false;
	*number = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && *number != 0 && *number <= most)
		return true;
	fprintf(stderr, "xv_bench: %s needs a number from 1 to %" PRIu64 ", not '%s'\n", name, most,
		text);
	exit(2);
}

static bool take_text(const char *argument, const char *name, const char **value)
{
	const char *text = option_value(argument, name);

	if (text != NULL)
		*value = text;
	return text != NULL;
}

static bool take_option(const char *argument, struct arguments *arguments)
{
	if (strcmp(argument, "--help") == 0) {
		fputs(usage, stdout);
		exit(0);
	}
	return take_text(argument, "--sizes", &arguments->source.sizes) ||
	       take_text(argument, "--pages", &arguments->source.pages) ||
	       take_text(argument, "--write-sizes", &arguments->source.written) ||
	       take_text(argument, "--trace", &arguments->trace) ||
	       take_number(argument, "--seed", UINT64_MAX, &arguments->seed) ||
	       take_number(argument, "--threads", 64, &arguments->threads);
}

/* Take this program's options out of the command line; the rest is Google Benchmark's. */
static void parse(int *argc, char **argv, struct arguments *arguments)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		if (!take_option(argv[i], arguments))
			argv[kept++] = argv[i];
	}
	*argc = kept;
	argv[kept] = NULL;
	if (!micro_parse(argc, argv)) {
		fputs(usage, stderr);
		exit(2);
	}
}

static unsigned default_threads(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return processors < 2 ? 2 : processors > 64 ? 64 : (unsigned)processors;
}

static bool make_setup(struct micro_setup *setup, const struct arguments *arguments)
{
	setup->threads = arguments->threads != 0 ? (unsigned)arguments->threads : default_threads();
	setup->pages = arguments->source.pages;
	if (!mix_init_page(&setup->page, &arguments->source))
		return false;
	mix_init_uniform(&setup->small, "small", 16, 512);
	if (arguments->trace == NULL)
		return true;
	if (!trace_load(&setup->trace, arguments->trace))
		return false;
	mix_init_sample(&setup->recorded, "recorded", setup->trace.made.items,
			setup->trace.made.count);
	return true;
}

static void describe(const struct micro_setup *setup)
{
	const char *preload = getenv("LD_PRELOAD");
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, scene_seed());
	micro_add_context("seed", text);
	micro_add_context("malloc", preload != NULL && *preload != '\0' ? preload : "libc");
	snprintf(text, sizeof(text), "%" PRIu32, setup->page.mean_size);
	micro_add_context("page_mean_bytes", text);
	if (setup->recorded.name != NULL) {
		snprintf(text, sizeof(text), "%" PRIu32, setup->recorded.mean_size);
		micro_add_context("recorded_mean_bytes", text);
	}
}

int main(int argc, char **argv)
{
	static struct micro_setup setup;
	struct arguments arguments = {.source.pages = "/usr/share", .seed = 20261121};

	if (argc == 2 && option_value(argv[1], "--held") != NULL)
		return micro_answer_held(atoi(option_value(argv[1], "--held")));
	parse(&argc, argv, &arguments);
	scene_set_seed(arguments.seed);
	if (!make_setup(&setup, &arguments))
		return 1;
	if (arguments.source.written != NULL)
		return 0;
	describe(&setup);
	micro_add_held(&setup);
	micro_add_pairs(&setup);
	micro_add_latencies(&setup);
	micro_add_objects(&setup);
	micro_add_threads(&setup);
	micro_add_providers(&setup);
	micro_add_compaction(&setup);
	micro_add_traces(&setup);
	micro_add_store(&setup);
	if (micro_run_selected() == 0) {
		fputs("xv_bench: no benchmark matches the filter; --benchmark_list_tests shows "
		      "their names\n",
		      stderr);
		return 1;
	}
	scene_drop();
	micro_drop_store();
	return 0;
}
