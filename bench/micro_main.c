/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_main.c: xv_bench, the micro benchmarks, and what their parts share (micro.h).
 *
 * Owns the mixes. Locking: a team has a barrier.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "micro.h"
#include "workload.h"

struct arguments {
	const char *allocator;
	const char *pages;
	const char *sizes;
	const char *trace;
};

static const struct xvm_arg table[] = {
	{.name = "allocator",
	 .value = "NAME",
	 .help = "the rows of one of xvfrag's allocators alone, such as jemalloc\n" XVM_ARGS_INDENT
		 "or xvmalloc:page=4K",
	 XVM_ARG_TEXTS(struct arguments, allocator)},
	{.name = "pages",
	 .value = "INPUT",
	 .help = "what the store is given: pages of an INPUT as xvfrag's (/usr/bin)",
	 XVM_ARG_TEXTS(struct arguments, pages)},
	{.name = "sizes",
	 .value = "INPUT",
	 .help = "whose pages, compressed, give the sizes of the mix \"page\" (/usr/bin)",
	 XVM_ARG_TEXTS(struct arguments, sizes)},
	{.name = "trace",
	 .value = "FILE",
	 .help = "what record_malloc.so recorded: the mix \"recorded\" and the "
		 "part\n" XVM_ARGS_INDENT "trace",
	 XVM_ARG_TEXTS(struct arguments, trace)},
};

static const struct xvm_args args = {
	.command = "xv_bench", .table = table, .count = sizeof(table) / sizeof(table[0])};

static void help(void)
{
	puts("Usage: xv_bench [OPTION...] [--benchmark_OPTION...]\nOPTION");
	xvm_args_help(&args);
	puts("\nThe others are Google Benchmark's: --benchmark_filter=REGEX, "
	     "--benchmark_list_tests,\n"
	     "--benchmark_repetitions=N, --benchmark_min_time=SECONDS, --benchmark_out=FILE ...");
	exit(XVM_EXIT_OK);
}

/* Google Benchmark takes its own options; the rest is this program's. */
static void parse(int argc, char **argv, struct arguments *arguments)
{
	struct xvm_words words;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			help();
	}
	micro_parse(&argc, argv);
	if (xvm_args_read(&args, argc, argv, arguments, &words) != 0 ||
	    xvm_args_at_most(&args, &words, 0) != 0)
		exit(XVM_EXIT_USAGE);
	if (words.help)
		help();
}

/* As many as there are processors, but 2 at least. */
static unsigned most_threads(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = 2;

	while (threads * 2 <= processors && threads < MICRO_THREADS_MAX)
		threads *= 2;
	return threads;
}

static bool make_setup(struct micro_setup *setup, const struct arguments *arguments)
{
	setup->threads = most_threads();
	setup->pages = arguments->pages;
	mix_init_small(&setup->small);
	if (!mix_init_page(&setup->page, arguments->sizes))
		return false;
	if (arguments->trace == NULL)
		return true;
	return xvm_trace_read(&setup->trace, arguments->trace) == 0 &&
	       mix_init_recorded(&setup->recorded, &setup->trace.sizes);
}

int main(int argc, char **argv)
{
	static struct micro_setup setup;
	struct arguments arguments = {.pages = "/usr/bin", .sizes = "/usr/bin"};
	char **copy = xvm_calloc((size_t)argc + 1, sizeof(*copy));

	xvm_set_program("xv_bench");
	memcpy(copy, argv, (size_t)argc * sizeof(*copy));
	parse(argc, argv, &arguments);
	if (!micro_choose_allocators(arguments.allocator, copy) || !make_setup(&setup, &arguments))
		return XVM_EXIT_FAILURE;
	micro_add_objects(&setup);
	micro_add_threads(&setup);
	if (arguments.allocator == NULL) {
		micro_add_providers();
		micro_add_store(&setup);
		micro_add_tiers(&setup);
	}
	if (micro_run_selected() == 0) {
		xvm_error("no benchmark matches the filter; --benchmark_list_tests shows their "
			  "names");
		return XVM_EXIT_FAILURE;
	}
	heap_drop();
	micro_drop_store();
	micro_drop_tiers();
	return XVM_EXIT_OK;
}

/* ---- What the parts share ---- */

void micro_check(struct micro_run *run, int failures)
{
	if (failures != 0)
		micro_fail(run, "an operation failed");
}

void micro_team_init(struct micro_team *team, unsigned threads)
{
	pthread_barrier_init(&team->barrier, NULL, threads);
}

bool micro_team_begin(struct micro_team *team, struct micro_run *run, bool (*make)(void *context),
		      void *context, const char *why)
{
	if (micro_thread(run) == 0)
		atomic_store(&team->failed, !make(context));
	pthread_barrier_wait(&team->barrier);
	if (atomic_load(&team->failed))
		micro_fail(run, why);
	return !atomic_load(&team->failed);
}

void micro_team_end(struct micro_team *team, struct micro_run *run, int failures)
{
	if (failures != 0)
		atomic_store(&team->failed, true);
	pthread_barrier_wait(&team->barrier);
	micro_check(run, atomic_load(&team->failed));
}
