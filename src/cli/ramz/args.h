/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * args.h: the command line of a subcommand, read and described by one table of its
 * options. Strings point into argv. Locking: none. O(arguments * options).
 */
#ifndef RAMZ_CLI_ARGS_H
#define RAMZ_CLI_ARGS_H

#include "common.h"

/* One option. */
struct rzc_arg {
	const char *name;  /* without the dashes */
	char letter;       /* of the short form; 0 = none */
	const char *value; /* what it takes, for --help; NULL = nothing */
	unsigned users;    /* bits: the subcommands that have it */

	/* Take the value (NULL where there is none). Returns 0, or XVF_FAILED after saying
	 * what is wrong with it. */
	int (*set)(void *into, const char *value);
	const char *help; /* further lines begin with RZC_ARGS_INDENT */
};

/* Blanks in front of each further line of an option's help. */
#define RZC_ARGS_INDENT "                       "

/* Options of the subcommand `user`: those of the table with one of its bits. */
struct rzc_args {
	const struct rzc_arg *table;
	size_t count;
	unsigned user;
};

/* What is on a command line beside options. */
struct rzc_words {
	char **word; /* in order */
	size_t count;
	char **rest; /* what stands behind "--" */
	size_t rest_count;
	bool help; /* --help is there; nothing else was looked at behind it */
};

/*
 * Read a command line; argv[0] is the subcommand's name. Options may stand anywhere in
 * front of "--"; argv is overwritten. Returns 0, or XVF_FAILED after saying what is wrong.
 */
int rzc_args_read(const struct rzc_args *args, int argc, char **argv, void *into,
		  struct rzc_words *words);

/* What stands behind "--" are words as the others. */
void rzc_args_join(struct rzc_words *words);

/* More words than a subcommand takes: say so. Returns 0 or XVF_FAILED. */
int rzc_args_at_most(const struct rzc_words *words, size_t most, const char *command);

/* Print the options, --help included, a line or more each. */
void rzc_args_help(const struct rzc_args *args);

#endif
