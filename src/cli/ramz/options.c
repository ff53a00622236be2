/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.c: the command line of bench and estimate; see options.h. One table tells for each
 * option who takes it, how it is read and what --help says of it. Keep ramz.1 in step.
 * Locking: none.
 */
#include "options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "json.h"

#define OPTIONS_INPUT_BYTES (UINT64_C(64) << 20)
#define OPTIONS_BENCH_SECONDS 14U
#define OPTIONS_ESTIMATE_SECONDS 4U

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

	if (!xvf_parse_u64(value + negative, NULL, 0, 1U << 20, &number)) {
		xvf_error("--level takes a whole number such as 3 or -5, not '%s'", value);
		return XVF_FAILED;
	}
	o->level = negative ? -(int32_t)number : (int32_t)number;
	return 0;
}

static int options_threads(void *into, const char *value)
{
	struct rzc_options *o = into;
	uint64_t number;

	if (!xvf_parse_u64(value, NULL, 1, RZC_THREADS_MAX, &number)) {
		xvf_error("--threads takes a number of threads, 1 to %u, not '%s'", RZC_THREADS_MAX,
			  value);
		return XVF_FAILED;
	}
	o->threads = (unsigned)number;
	return 0;
}

static int options_seconds(void *into, const char *value)
{
	struct rzc_options *o = into;

	if (xvf_parse_u64(value, NULL, 1, 1000000, &o->seconds))
		return 0;
	xvf_error("--seconds takes seconds, 1 to 1000000, not '%s'", value);
	return XVF_FAILED;
}

static int options_pages(void *into, const char *value)
{
	struct rzc_options *o = into;

	if (xvf_parse_u64(value, NULL, 1, 1U << 30, &o->max_pages))
		return 0;
	xvf_error("--pages takes a number of pages from 1 on, not '%s'", value);
	return XVF_FAILED;
}

static int options_max_input(void *into, const char *value)
{
	struct rzc_options *o = into;

	return xvf_take_bytes("--max-input", value, 0, XVF_INPUT_PAGE_BYTES, SIZE_MAX / 4,
			      &o->max_input_bytes);
}

static int options_seed(void *into, const char *value)
{
	struct rzc_options *o = into;

	if (xvf_parse_u64(value, NULL, 0, UINT64_MAX, &o->seed))
		return 0;
	xvf_error("--seed takes a whole number from 0 on, not '%s'", value);
	return XVF_FAILED;
}

static int options_json(void *into, const char *value)
{
	struct rzc_options *o = into;

	if (!rzc_json_available()) {
		xvf_error("this ramz was built without JSON; install jansson "
			  "(Debian: libjansson-dev) and build it again");
		return XVF_FAILED;
	}
	o->json_path = value;
	return 0;
}

static int options_no_zram(void *into, const char *value)
{
	struct rzc_options *o = into;

	(void)value;
	o->no_zram = true;
	return 0;
}

static int options_quiet(void *into, const char *value)
{
	struct rzc_options *o = into;

	(void)value;
	o->quiet = true;
	return 0;
}

static const struct rzc_arg options_table[] = {
	{"codec", 0, "LIST", RZC_BENCH | RZC_ESTIMATE, options_codec,
	 "lz4, lzo, zstd or none, where built in; NAME:LEVEL too;\n" RZC_ARGS_INDENT
	 "comma-separated (all but none)"},
	{"level", 0, "N", RZC_BENCH | RZC_ESTIMATE, options_level,
	 "of the codecs without one of their own (their default)"},
	{"threads", 0, "N", RZC_BENCH, options_threads,
	 "beside one thread, so many at once, 1 to 64 (processors)"},
	{"seconds", 0, "N", RZC_BENCH, options_seconds, "for all speed runs together, about (14)"},
	{"seconds", 0, "N", RZC_ESTIMATE, options_seconds, "for all inputs together, about (4)"},
	{"pages", 0, "N", RZC_BENCH, options_pages, "most pages in a speed run (as time allows)"},
	{"max-input", 0, "BYTES", RZC_BENCH | RZC_ESTIMATE, options_max_input,
	 "most of each INPUT, spread evenly over it (64M)"},
	{"seed", 0, "N", RZC_BENCH, options_seed, "of everything random (1)"},
	{"no-zram", 0, NULL, RZC_BENCH, options_no_zram, "leave kernel zram out"},
	{"json", 0, "FILE", RZC_BENCH | RZC_ESTIMATE, options_json,
	 "results as JSON; - is standard output, without the table"},
	{"quiet", 0, NULL, RZC_BENCH | RZC_ESTIMATE, options_quiet, "no progress and no notes"},
};

static struct rzc_args options_args(enum rzc_option_user user)
{
	return (struct rzc_args){
		.table = options_table,
		.count = sizeof(options_table) / sizeof(options_table[0]),
		.user = user,
	};
}

static unsigned options_processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	if (count < 1)
		return 1;
	return count > (long)RZC_THREADS_MAX ? RZC_THREADS_MAX : (unsigned)count;
}

int rzc_options_parse(struct rzc_options *options, enum rzc_option_user user, int argc, char **argv)
{
	const struct rzc_args args = options_args(user);
	struct rzc_words words;

	*options = (struct rzc_options){
		.level = RAMZ_LEVEL_DEFAULT,
		.threads = options_processors(),
		.seconds = user == RZC_BENCH ? OPTIONS_BENCH_SECONDS : OPTIONS_ESTIMATE_SECONDS,
		.max_input_bytes = OPTIONS_INPUT_BYTES,
		.seed = 1,
	};
	if (rzc_args_read(&args, argc, argv, options, &words) != 0)
		return XVF_FAILED;
	options->help = words.help;
	if (options->help)
		return 0;
	rzc_args_join(&words);
	options->inputs = words.word;
	options->input_count = words.count;
	return rzc_codecs_parse(&options->codecs, options->codec_list, options->level);
}

void rzc_options_help(enum rzc_option_user user)
{
	const struct rzc_args args = options_args(user);

	rzc_args_help(&args);
}

bool rzc_options_stdout_taken(const struct rzc_options *options)
{
	return options->json_path != NULL && strcmp(options->json_path, "-") == 0;
}

int rzc_options_run(enum rzc_option_user user, int argc, char **argv, const char *use,
		    const char *end, int (*run)(const struct rzc_options *options))
{
	struct rzc_options options;

	if (rzc_options_parse(&options, user, argc, argv) != 0)
		return XVF_EXIT_USAGE;
	if (options.help) {
		fputs(use, stdout);
		rzc_options_help(user);
		fputs(end, stdout);
		return XVF_EXIT_OK;
	}
	if (options.quiet)
		xvf_be_quiet();
	return run(&options);
}
