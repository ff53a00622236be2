/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.c: the command line; see options.h. One function per option that takes
 * more than a copy. Locking: none.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "worker.h"
#include "report.h"

#define OPTIONS_OBJECTS_MAX (1U << 30)
#define OPTIONS_DEFAULT_INPUT_BYTES (UINT64_C(64) << 20)
#define OPTIONS_DEFAULT_TIMEOUT_S 300U

static int options_set_codec(struct xvf_options *o, const char *value)
{
	char names[64] = "";
	const struct ramz_codec *codec;

	o->codec = ramz_codec_by_name(value);
	if (o->codec != NULL)
		return 0;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, " %s", codec->name);
	}
	xvm_error("there is no codec '%s' in this build; it has:%s", value, names);
	return XVM_FAILED;
}

static int options_set_level(struct xvf_options *o, const char *value)
{
	bool negative = value[0] == '-';
	uint64_t number;

	if (!xvm_parse_u64(value + negative, NULL, 0, 1U << 20, &number)) {
		xvm_error("--level takes a whole number such as 3 or -5, not '%s'", value);
		return XVM_FAILED;
	}
	o->level = negative ? -(int32_t)number : (int32_t)number;
	return 0;
}

static int options_set_seed(struct xvf_options *o, const char *value)
{
	if (xvm_parse_u64(value, NULL, 0, UINT64_MAX, &o->seed))
		return 0;
	xvm_error("--seed takes a whole number from 0 on, not '%s'", value);
	return XVM_FAILED;
}

static int options_set_objects(struct xvf_options *o, const char *value)
{
	uint64_t number;

	if (!xvm_parse_u64(value, NULL, 2, OPTIONS_OBJECTS_MAX, &number)) {
		xvm_error("--objects takes a number of objects, 2 to %u, not '%s'",
			  OPTIONS_OBJECTS_MAX, value);
		return XVM_FAILED;
	}
	o->objects = (uint32_t)number;
	return 0;
}

static int options_set_max_input(struct xvf_options *o, const char *value)
{
	return xvm_take_bytes("--max-input", value, 0, XVM_INPUT_PAGE_BYTES, SIZE_MAX / 4,
			      &o->max_input_bytes);
}

static int options_set_timeout(struct xvf_options *o, const char *value)
{
	uint64_t number;

	if (!xvm_parse_u64(value, NULL, 1, 1000000, &number)) {
		xvm_error("--timeout takes seconds, 1 to 1000000, not '%s'", value);
		return XVM_FAILED;
	}
	o->timeout_s = (unsigned)number;
	return 0;
}

static int options_set_threads(struct xvf_options *o, const char *value)
{
	uint64_t number;

	if (!xvm_parse_u64(value, NULL, 1, XVF_THREADS_MAX, &number)) {
		xvm_error("--threads takes a number of threads, 1 to %u, not '%s'", XVF_THREADS_MAX,
			  value);
		return XVM_FAILED;
	}
	o->threads = (unsigned)number;
	return 0;
}

static int options_set_frontier(struct xvf_options *o, const char *value)
{
	const char *slash = strrchr(value, '/');
	const char *name = slash != NULL ? slash + 1 : value;
	const char *ending = strrchr(name, '.');

	if (ending != NULL && ending > name &&
	    (strcmp(ending, ".png") == 0 || strcmp(ending, ".svg") == 0 ||
	     strcmp(ending, ".dat") == 0)) {
		o->frontier_path = value;
		return 0;
	}
	xvm_error("--frontier takes a file that ends in .png, .svg or .dat, not '%s'", value);
	return XVM_FAILED;
}

static int options_set_json(struct xvf_options *o, const char *value)
{
	o->json_path = value;
	return 0;
}

/* Values above every character: these options have no short form. */
enum option_code {
	OPTION_ALLOCATOR = 256,
	OPTION_CODEC,
	OPTION_LEVEL,
	OPTION_SEED,
	OPTION_OBJECTS,
	OPTION_MAX_INPUT,
	OPTION_TIMEOUT,
	OPTION_SIZES,
	OPTION_TRACE,
	OPTION_RECORD,
	OPTION_JSON,
	OPTION_CSV,
	OPTION_PLOT,
	OPTION_FRONTIER,
	OPTION_THREADS,
	OPTION_CROSS,
	OPTION_LIST,
	OPTION_QUIET,
};

static const struct option options_long[] = {
	{"allocator", required_argument, NULL, OPTION_ALLOCATOR},
	{"codec", required_argument, NULL, OPTION_CODEC},
	{"level", required_argument, NULL, OPTION_LEVEL},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"objects", required_argument, NULL, OPTION_OBJECTS},
	{"max-input", required_argument, NULL, OPTION_MAX_INPUT},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"sizes", required_argument, NULL, OPTION_SIZES},
	{"trace", required_argument, NULL, OPTION_TRACE},
	{"record", required_argument, NULL, OPTION_RECORD},
	{"json", required_argument, NULL, OPTION_JSON},
	{"csv", optional_argument, NULL, OPTION_CSV},
	{"plot", required_argument, NULL, OPTION_PLOT},
	{"frontier", required_argument, NULL, OPTION_FRONTIER},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"cross", no_argument, NULL, OPTION_CROSS},
	{"list", no_argument, NULL, OPTION_LIST},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int options_set_checked(struct xvf_options *o, int code, const char *value)
{
	switch (code) {
	case OPTION_CODEC:
		return options_set_codec(o, value);
	case OPTION_LEVEL:
		return options_set_level(o, value);
	case OPTION_SEED:
		return options_set_seed(o, value);
	case OPTION_OBJECTS:
		return options_set_objects(o, value);
	case OPTION_MAX_INPUT:
		return options_set_max_input(o, value);
	case OPTION_THREADS:
		return options_set_threads(o, value);
	case OPTION_FRONTIER:
		return options_set_frontier(o, value);
	case OPTION_TIMEOUT:
		return options_set_timeout(o, value);
	default:
		return options_set_json(o, value);
	}
}

static int options_set(struct xvf_options *o, int code, const char *value)
{
	switch (code) {
	case OPTION_ALLOCATOR:
		o->allocators = value;
		return 0;
	case OPTION_SIZES:
		o->sizes_path = value;
		return 0;
	case OPTION_TRACE:
		o->trace_path = value;
		return 0;
	case OPTION_RECORD:
		o->record_path = value;
		return 0;
	case OPTION_CSV:
		o->csv_path = value != NULL ? value : "-";
		return 0;
	case OPTION_PLOT:
		o->plot_dir = value;
		return 0;
	case OPTION_CROSS:
		o->cross = true;
		return 0;
	case OPTION_LIST:
		o->list = true;
		return 0;
	case OPTION_QUIET:
		o->quiet = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	case 'V':
		o->version = true;
		return 0;
	default:
		return options_set_checked(o, code, value);
	}
}

static int options_complain(int code, const char *argument)
{
	if (code == ':')
		xvm_error("option %s needs a value; see xvfrag --help", argument);
	else
		xvm_error("there is no option %s, or it takes no value; see xvfrag --help",
			  argument);
	return XVM_FAILED;
}

static bool options_is_stdout(const char *path)
{
	return path != NULL && strcmp(path, "-") == 0;
}

bool xvf_options_stdout_taken(const struct xvf_options *options)
{
	return options_is_stdout(options->json_path) || options_is_stdout(options->csv_path) ||
	       options_is_stdout(options->record_path);
}

/* "--csv out.csv" reads like "--json out.json", and would make the file an input. */
static bool options_csv_is_mistaken(const struct xvf_options *o)
{
	size_t length;

	if (!options_is_stdout(o->csv_path) || o->input_count == 0)
		return false;
	length = strlen(o->inputs[0]);
	return length >= 4 && strcmp(o->inputs[0] + length - 4, ".csv") == 0;
}

/* Do the options go together? */
static int options_check(const struct xvf_options *o)
{
	const char *wrong = NULL;

	if (o->sizes_path != NULL && o->trace_path != NULL)
		wrong = "--sizes and --trace replace each other; give one";
	else if ((o->sizes_path != NULL || o->trace_path != NULL) && o->input_count > 0)
		wrong = "--sizes and --trace take the place of INPUT; give one or the other";
	else if (o->trace_path != NULL && o->objects > 0)
		wrong = "--objects does not go with --trace, which has its own objects";
	else if (o->record_path != NULL && (o->sizes_path != NULL || o->trace_path != NULL))
		wrong = "--record writes the sizes of INPUT's pages; leave out --sizes and --trace";
	else if (o->cross && o->threads < 2)
		wrong = "--cross has objects freed by another thread; add --threads 2 or more";
	else if (options_csv_is_mistaken(o))
		wrong = "to write CSV to a file, write --csv=FILE, with the equals sign";
	else if (options_is_stdout(o->json_path) + options_is_stdout(o->csv_path) +
			 options_is_stdout(o->record_path) >
		 1)
		wrong = "only one of --json, --csv and --record can go to standard output";
	if (wrong != NULL)
		xvm_error("%s", wrong);
	return wrong != NULL ? XVM_FAILED : 0;
}

int xvf_options_parse(struct xvf_options *options, int argc, char **argv)
{
	int code;

	*options = (struct xvf_options){
		.codec = ramz_codec_at(0),
		.level = RAMZ_LEVEL_DEFAULT,
		.seed = 1,
		.threads = 1,
		.max_input_bytes = OPTIONS_DEFAULT_INPUT_BYTES,
		.timeout_s = OPTIONS_DEFAULT_TIMEOUT_S,
	};
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":hV", options_long, NULL)) != -1) {
		if (code == '?' || code == ':')
			return options_complain(code, argv[optind - 1]);
		if (options_set(options, code, optarg) != 0)
			return XVM_FAILED;
	}
	options->inputs = argv + optind;
	options->input_count = (size_t)(argc - optind);
	return options_check(options);
}
