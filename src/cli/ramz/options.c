/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.c: the command line; see options.h. One table tells for each option who takes
 * it, how it is read and what --help says of it. Keep ramz.1 in step. Locking: none.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "say.h"

#define OPTIONS_INPUT_BYTES (UINT64_C(64) << 20)
#define OPTIONS_BENCH_SECONDS 14U
#define OPTIONS_ESTIMATE_SECONDS 4U

/* Values of getopt above every character: these options have no short form. */
#define OPTIONS_FIRST_CODE 256

static int options_codec(struct rzc_options *o, const char *value)
{
	o->codec_list = value;
	return 0;
}

static int options_level(struct rzc_options *o, const char *value)
{
	bool negative = value[0] == '-';
	uint64_t number;

	if (!xvf_parse_u64(value + negative, NULL, 0, 1U << 20, &number)) {
		xvf_error("--level takes a whole number such as 3 or -5, not '%s'", value);
		return XVF_FAILED;
	}
	o->level = negative ? -(int32_t)number : (int32_t)number;
	return 0;
}

static int options_threads(struct rzc_options *o, const char *value)
{
	uint64_t number;

	if (!xvf_parse_u64(value, NULL, 1, RZC_THREADS_MAX, &number)) {
		xvf_error("--threads takes a number of threads, 1 to %u, not '%s'", RZC_THREADS_MAX,
			  value);
		return XVF_FAILED;
	}
	o->threads = (unsigned)number;
	return 0;
}

static int options_seconds(struct rzc_options *o, const char *value)
{
	if (xvf_parse_u64(value, NULL, 1, 1000000, &o->seconds))
		return 0;
	xvf_error("--seconds takes seconds, 1 to 1000000, not '%s'", value);
	return XVF_FAILED;
}

static int options_pages(struct rzc_options *o, const char *value)
{
	if (xvf_parse_u64(value, NULL, 1, 1U << 30, &o->max_pages))
		return 0;
	xvf_error("--pages takes a number of pages from 1 on, not '%s'", value);
	return XVF_FAILED;
}

static int options_max_input(struct rzc_options *o, const char *value)
{
	if (xvf_parse_bytes(value, XVF_INPUT_PAGE_BYTES, SIZE_MAX / 4, &o->max_input_bytes))
		return 0;
	xvf_error("--max-input takes bytes, 4096 or more, such as 64M or 2G, not '%s'", value);
	return XVF_FAILED;
}

static int options_seed(struct rzc_options *o, const char *value)
{
	if (xvf_parse_u64(value, NULL, 0, UINT64_MAX, &o->seed))
		return 0;
	xvf_error("--seed takes a whole number from 0 on, not '%s'", value);
	return XVF_FAILED;
}

static int options_json(struct rzc_options *o, const char *value)
{
	if (!rzc_json_available()) {
		xvf_error("this ramz was built without JSON; install jansson "
			  "(Debian: libjansson-dev) and build it again");
		return XVF_FAILED;
	}
	o->json_path = value;
	return 0;
}

static int options_no_zram(struct rzc_options *o, const char *value)
{
	(void)value;
	o->no_zram = true;
	return 0;
}

static int options_quiet(struct rzc_options *o, const char *value)
{
	(void)value;
	o->quiet = true;
	return 0;
}

struct options_entry {
	const char *name;
	const char *value; /* what it takes, for --help; NULL = nothing */
	unsigned users;    /* enum rzc_option_user */
	int (*set)(struct rzc_options *options, const char *value);
	const char *help;
};

static const struct options_entry options_table[] = {
	{"codec", "LIST", RZC_BENCH | RZC_ESTIMATE, options_codec,
	 "lz4, lzo, zstd or none, where built in; NAME:LEVEL too;\n"
	 "                       comma-separated (all but none)"},
	{"level", "N", RZC_BENCH | RZC_ESTIMATE, options_level,
	 "of the codecs without one of their own (their default)"},
	{"threads", "N", RZC_BENCH, options_threads,
	 "beside one thread, so many at once, 1 to 64 (processors)"},
	{"seconds", "N", RZC_BENCH, options_seconds, "for all speed runs together, about (14)"},
	{"seconds", "N", RZC_ESTIMATE, options_seconds, "for all inputs together, about (4)"},
	{"pages", "N", RZC_BENCH, options_pages, "most pages in a speed run (as time allows)"},
	{"max-input", "BYTES", RZC_BENCH | RZC_ESTIMATE, options_max_input,
	 "most of each INPUT, spread evenly over it (64M)"},
	{"seed", "N", RZC_BENCH, options_seed, "of everything random (1)"},
	{"no-zram", NULL, RZC_BENCH, options_no_zram, "leave kernel zram out"},
	{"json", "FILE", RZC_BENCH | RZC_ESTIMATE, options_json,
	 "results as JSON; - is standard output, without the table"},
	{"quiet", NULL, RZC_BENCH | RZC_ESTIMATE, options_quiet, "no progress and no notes"},
};

#define OPTIONS_ENTRIES (sizeof(options_table) / sizeof(options_table[0]))

/* getopt's form of the options that the subcommand takes; room for them, help and an end. */
static void options_long(enum rzc_option_user user, struct option *list)
{
	for (size_t i = 0; i < OPTIONS_ENTRIES; i++) {
		const struct options_entry *entry = &options_table[i];

		if ((entry->users & user) == 0)
			continue;
		*list++ = (struct option){
			.name = entry->name,
			.has_arg = entry->value != NULL ? required_argument : no_argument,
			.val = OPTIONS_FIRST_CODE + (int)i,
		};
	}
	*list++ = (struct option){.name = "help", .val = 'h'};
	*list = (struct option){0};
}

static int options_complain(int code, const char *argument, const char *command)
{
	if (code == ':')
		xvf_error("option %s needs a value; see ramz %s --help", argument, command);
	else
		xvf_error("ramz %s has no option %s, or it takes no value; see ramz %s --help",
			  command, argument, command);
	return XVF_FAILED;
}

static unsigned options_processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	if (count < 1)
		return 1;
	return count > (long)RZC_THREADS_MAX ? RZC_THREADS_MAX : (unsigned)count;
}

static int options_read(struct rzc_options *options, enum rzc_option_user user, int argc,
			char **argv)
{
	struct option list[OPTIONS_ENTRIES + 2];
	int code;

	options_long(user, list);
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":h", list, NULL)) != -1) {
		if (code == 'h') {
			options->help = true;
			continue;
		}
		if (code < OPTIONS_FIRST_CODE)
			return options_complain(code, argv[optind - 1], argv[0]);
		if (options_table[code - OPTIONS_FIRST_CODE].set(options, optarg) != 0)
			return XVF_FAILED;
	}
	options->inputs = argv + optind;
	options->input_count = (size_t)(argc - optind);
	return 0;
}

int rzc_options_parse(struct rzc_options *options, enum rzc_option_user user, int argc, char **argv)
{
	*options = (struct rzc_options){
		.level = RAMZ_LEVEL_DEFAULT,
		.threads = options_processors(),
		.seconds = user == RZC_BENCH ? OPTIONS_BENCH_SECONDS : OPTIONS_ESTIMATE_SECONDS,
		.max_input_bytes = OPTIONS_INPUT_BYTES,
		.seed = 1,
	};
	if (options_read(options, user, argc, argv) != 0)
		return XVF_FAILED;
	if (options->help)
		return 0;
	return rzc_codecs_parse(&options->codecs, options->codec_list, options->level);
}

void rzc_options_help(enum rzc_option_user user)
{
	for (size_t i = 0; i < OPTIONS_ENTRIES; i++) {
		const struct options_entry *entry = &options_table[i];
		char left[32];

		if ((entry->users & user) == 0)
			continue;
		snprintf(left, sizeof(left), "--%s %s", entry->name,
			 entry->value != NULL ? entry->value : "");
		printf("  %-19s  %s\n", left, entry->help);
	}
	printf("  %-19s  %s\n", "-h, --help", "this");
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
		rzc_be_quiet();
	return run(&options);
}
