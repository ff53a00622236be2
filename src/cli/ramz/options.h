/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.h: the command line of estimate. Strings point into argv. Locking: none.
 */
#ifndef RAMZ_CLI_OPTIONS_H
#define RAMZ_CLI_OPTIONS_H

#include "codecs.h"

struct rzc_options {
	char **inputs; /* FILE, DIRECTORY or pid:N; none = the defaults */
	size_t input_count;
	struct xvm_codecs codecs;
	uint64_t seconds;         /* about so long, in all */
	uint64_t max_input_bytes; /* of each input */
	const char *json_path;    /* "-" = standard output; NULL = none */
	bool quiet;
	bool help;

	const char *codec_list; /* as given */
	int32_t level;
};

/*
 * All of the subcommand but its work: read the command line, print help (use, the options,
 * end) if asked for, or run it. Returns an exit status (enum xvm_exit).
 */
int rzc_options_run(int argc, char **argv, const char *use, const char *end,
		    int (*run)(const struct rzc_options *options));

/* Does JSON go to standard output? Then no table does. */
bool rzc_options_stdout_taken(const struct rzc_options *options);

#endif
