/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.h: the command line of the subcommands that measure. Strings point into argv. Locking:
 * none.
 */
#ifndef RAMZ_CLI_OPTIONS_H
#define RAMZ_CLI_OPTIONS_H

#include "codecs.h"

#define RZC_THREADS_MAX 64U

/* Who takes an option, and what its default is. */
enum rzc_option_user {
	RZC_BENCH = 1U << 0,
	RZC_ESTIMATE = 1U << 1,
};

struct rzc_options {
	char **inputs; /* FILE, DIRECTORY or pid:N; none = the defaults */
	size_t input_count;
	struct rzc_codecs codecs;
	unsigned threads;         /* the N of "1 and N threads" */
	uint64_t seconds;         /* about so long, in all */
	uint64_t max_pages;       /* in the speed runs; 0 = as time allows */
	uint64_t max_input_bytes; /* of each input */
	uint64_t seed;
	const char *json_path; /* "-" = standard output; NULL = none */
	bool no_zram;
	bool quiet;
	bool help;

	const char *codec_list; /* as given */
	int32_t level;
};

/*
 * Read the command line of the subcommand argv[0], which is user. Returns 0, or
 * XVF_FAILED after saying what is wrong with it and what would be right.
 */
int rzc_options_parse(struct rzc_options *options, enum rzc_option_user user, int argc,
		      char **argv);

/* Print the options of a subcommand, a line each. */
void rzc_options_help(enum rzc_option_user user);

/*
 * All of a subcommand but its work: read the command line, print help (use, the options,
 * end) if asked for, or run it. Returns an exit status (enum xvf_exit).
 */
int rzc_options_run(enum rzc_option_user user, int argc, char **argv, const char *use,
		    const char *end, int (*run)(const struct rzc_options *options));

/* Does JSON go to standard output? Then no table does. */
bool rzc_options_stdout_taken(const struct rzc_options *options);

#endif
