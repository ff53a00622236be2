/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.c: the command line of estimate; see options.h. One table tells for each option how
 * it is read and what --help says of it. Keep ramz.1 in step. Locking: none.
 */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "json.h"

#define OPTIONS_INPUT_BYTES (UINT64_C(64) << 20)
#define OPTIONS_SECONDS 4U
#define OPTIONS_USER 1U

static int options_codec(void *into, const char *value)
{
	struct rzc_options *o = into;

	o->codec_list = value;
	return 0;
}

static int options_level(void *into, const char *value)
{
	struct rzc_options *o = into;
	bool negative = value[0] == '-';
	uint64_t number;

	if (!xvm_parse_u64(value + negative, NULL, 0, 1U << 20, &number)) {
		xvm_error("--level takes a whole number such as 3 or -5, not '%s'", value);
		return XVM_FAILED;
	}
	o->level = negative ? -(int32_t)number : (int32_t)number;
	return 0;
}

static int options_seconds(void *into, const char *value)
{
	struct rzc_options *o = into;

	if (xvm_parse_u64(value, NULL, 1, 1000000, &o->seconds))
		return 0;
	xvm_error("--seconds takes seconds, 1 to 1000000, not '%s'", value);
	return XVM_FAILED;
}

static int options_max_input(void *into, const char *value)
{
	struct rzc_options *o = into;

	return xvm_take_bytes("--max-input", value, 0, XVM_INPUT_PAGE_BYTES, SIZE_MAX / 4,
			      &o->max_input_bytes);
}

static int options_json(void *into, const char *value)
{
	struct rzc_options *o = into;

	o->json_path = value;
	return 0;
}

static int options_quiet(void *into, const char *value)
{
	struct rzc_options *o = into;

	(void)value;
	o->quiet = true;
	return 0;
}

static const struct xvm_arg options_table[] = {
	{"codec", "LIST", OPTIONS_USER,
	 "lz4, lzo, zstd or none, where built in; NAME:LEVEL too;\n" XVM_ARGS_INDENT
	 "comma-separated (all but none)",
	 XVM_ARG_SETS(options_codec)},
	{"level", "N", OPTIONS_USER, "of the codecs without one of their own (their default)",
	 XVM_ARG_SETS(options_level)},
	{"seconds", "N", OPTIONS_USER, "for all inputs together, about (4)",
	 XVM_ARG_SETS(options_seconds)},
	{"max-input", "BYTES", OPTIONS_USER, "most of each INPUT, spread evenly over it (64M)",
	 XVM_ARG_SETS(options_max_input)},
	{"json", "FILE", OPTIONS_USER, "results as JSON; - is standard output, without the table",
	 XVM_ARG_SETS(options_json)},
	{"quiet", NULL, OPTIONS_USER, "no progress and no notes", XVM_ARG_SETS(options_quiet)},
};

static const struct xvm_args options_args = {
	.command = "ramz estimate",
	.table = options_table,
	.count = sizeof(options_table) / sizeof(options_table[0]),
	.user = OPTIONS_USER,
};

/* Returns 0, or XVM_FAILED after saying what is wrong and what would be right. */
static int options_parse(struct rzc_options *options, int argc, char **argv)
{
	struct xvm_words words;

	*options = (struct rzc_options){
		.level = RAMZ_LEVEL_DEFAULT,
		.seconds = OPTIONS_SECONDS,
		.max_input_bytes = OPTIONS_INPUT_BYTES,
	};
	if (xvm_args_read(&options_args, argc, argv, options, &words) != 0)
		return XVM_FAILED;
	options->help = words.help;
	if (options->help)
		return 0;
	xvm_args_join(&words);
	options->inputs = words.word;
	options->input_count = words.count;
	return xvm_codecs_parse(&options->codecs, options->codec_list, options->level);
}

bool rzc_options_stdout_taken(const struct rzc_options *options)
{
	return options->json_path != NULL && strcmp(options->json_path, "-") == 0;
}

int rzc_options_run(int argc, char **argv, const char *use, const char *end,
		    int (*run)(const struct rzc_options *options))
{
	struct rzc_options options;

	if (options_parse(&options, argc, argv) != 0)
		return XVM_EXIT_USAGE;
	if (options.help) {
		fputs(use, stdout);
		xvm_args_help(&options_args);
		fputs(end, stdout);
		return XVM_EXIT_OK;
	}
	if (options.quiet)
		xvm_be_quiet();
	return run(&options);
}
