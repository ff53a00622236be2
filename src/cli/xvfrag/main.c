/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * main.c: xvfrag, the fragmentation benchmark: its command line.
 *
 * The program sees public headers of libxvmalloc and ramz only, and the allocators only
 * through xvmalloc/xvfrag_plugin.h. Its modules, bottom up: worker and replay play a
 * workload on one allocator, child gives each a process of its own, report, table, json,
 * plot and map tell what was found, run is the run as a whole. Start reading at run.c and
 * replay.c.
 *
 * Locking: none, one thread, but for the child's workers (worker.h).
 */
#include <stdio.h>
#include <string.h>

#include <xvmalloc/base.h>

#include "args.h"
#include "input.h"
#include "run.h"

static const char help_text[] =
	"Usage: xvfrag [OPTION...] [INPUT...]\n"
	"Compare how much memory allocators hold for the same objects.\n"
	"\n"
	"The pages of INPUT are compressed, and their sizes drive a life cycle: fill, churn\n"
	"(each object overwritten 4 times on average), free50, refill, free90; an allocator\n"
	"that can compact does so after churn, free50 and free90. The table has a row for\n"
	"each allocator: held bytes / requested bytes at the end of each phase.\n"
	"\n"
	"INPUT\n"
	"  FILE, DIRECTORY      pages of files; default: the C library's directory, /usr/bin\n"
	"  pid:N                anonymous pages of process N\n"
	"  sizes:FILE           object sizes, one a line (0: no object)\n"
	"  trace:FILE           operations, one a line: 'a ID SIZE', 'f ID' or 'r ID SIZE'\n"
	"\n"
	"OPTION\n";

static const char help_end[] =
	"\n"
	"Exit status: 0, 1 when the run could not be done, 2 when the command line is wrong.\n"
	"See xvfrag(1) for what each number means.\n";

static int set_codec(void *into, const char *value)
{
	struct xvf_options *o = into;

	if (xvm_codecs_parse(&o->codec, value) != 0)
		return XVM_FAILED;
	if (o->codec.count == 1)
		return 0;
	xvm_error("--codec takes one codec, as in --codec zstd:9, not '%s'", value);
	return XVM_FAILED;
}

#define INDENT "\n" XVM_ARGS_INDENT

static const struct xvm_arg table[] = {
	{"allocator", "LIST", 0,
	 "names from --list, or plugin:PATH, with commas (all);" INDENT
	 "xvmalloc:shards=1:lock=spin sets what is named",
	 XVM_ARG_TEXTS(struct xvf_options, allocators)},
	{"threads", "N", 0, "at once, the objects dealt out among them (1)",
	 XVM_ARG_NUMBERS(struct xvf_options, threads, 1, XVF_THREADS_MAX)},
	{"codec", "NAME", 0, "of the pages, as lz4, zstd:9 or none (lz4)", XVM_ARG_SETS(set_codec)},
	{"max-input", "BYTES", 0, "most of each INPUT, spread evenly over it (64M)",
	 XVM_ARG_SIZES(struct xvf_options, max_input_bytes, XVM_INPUT_PAGE_BYTES, SIZE_MAX / 4)},
	{"objects", "N", 0, "exactly N objects: a sample, or the input repeated",
	 XVM_ARG_NUMBERS(struct xvf_options, objects, 2, 1U << 30)},
	{"seed", "N", 0, "of everything random (1)",
	 XVM_ARG_NUMBERS(struct xvf_options, seed, 0, UINT64_MAX)},
	{"timeout", "SECONDS", 0, "for one allocator on one input (300)",
	 XVM_ARG_NUMBERS(struct xvf_options, timeout_s, 1, 1000000)},
	{"json", "FILE", 0, "results as JSON; - is standard output, without the table",
	 XVM_ARG_TEXTS(struct xvf_options, json_path)},
	{"plot", "DIR", 0, "pictures of the overheads and of the frontier, by gnuplot",
	 XVM_ARG_TEXTS(struct xvf_options, plot_dir)},
	{"map", "FILE", 0,
	 "picture of the pages of xvmalloc after free90 of the" INDENT
	 "first INPUT, before and after compaction: SVG",
	 XVM_ARG_TEXTS(struct xvf_options, map_path)},
	{"record", "FILE", 0, "the sizes of INPUT's pages, in the form that sizes: reads",
	 XVM_ARG_TEXTS(struct xvf_options, record_path)},
	{"list", NULL, 0, "allocators, and whether they can run here",
	 XVM_ARG_FLAGS(struct xvf_options, list)},
	{"version", NULL, 0, "version", XVM_ARG_FLAGS(struct xvf_options, version)},
};

static const struct xvm_args args = {
	.command = "xvfrag",
	.table = table,
	.count = sizeof(table) / sizeof(table[0]),
};

static int options_check(const struct xvf_options *o)
{
	if (o->json_path == NULL || o->record_path == NULL || strcmp(o->json_path, "-") != 0 ||
	    strcmp(o->record_path, "-") != 0)
		return 0;
	xvm_error("only one of --json and --record can go to standard output");
	return XVM_FAILED;
}

static int run(struct xvf_options *options, struct xvm_words *words)
{
	struct xvf_selection selection;
	int status = XVM_EXIT_USAGE;

	xvm_args_join(words);
	options->inputs = xvm_input_names(words->word, words->count, &options->input_count);
	if (xvf_selection_parse(&selection, options->allocators, (unsigned)options->threads) == 0)
		status = xvf_run(options, &selection);
	xvf_selection_fini(&selection);
	return status;
}

int main(int argc, char **argv)
{
	struct xvf_options options = {
		.allocators = "all",
		.seed = 1,
		.threads = 1,
		.max_input_bytes = UINT64_C(64) << 20,
		.timeout_s = 300,
	};
	struct xvm_words words;

	if (argc > 1 && strcmp(argv[1], XVF_CHILD_ARGUMENT) == 0)
		return xvf_child_main(argc, argv);
	if (set_codec(&options, ramz_codec_at(0)->name) != 0 ||
	    xvm_args_read(&args, argc, argv, &options, &words) != 0 || options_check(&options) != 0)
		return XVM_EXIT_USAGE;
	if (words.help) {
		fputs(help_text, stdout);
		xvm_args_help(&args);
		fputs(help_end, stdout);
	} else if (options.version) {
		printf("xvfrag %s\n", xv_version());
	} else if (options.list) {
		xvf_list();
	} else {
		return run(&options, &words);
	}
	return XVM_EXIT_OK;
}
