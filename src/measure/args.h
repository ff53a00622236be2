/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * args.h: the command line of a program or a subcommand, read and described by one table of its
 * options. Strings point into argv. Locking: none. O(arguments * options).
 */
#ifndef XVM_ARGS_H
#define XVM_ARGS_H

#include "base.h"

/* One option. */
struct xvm_arg {
	const char *name;  /* without the dashes */
	char letter;       /* of the short form; 0 = none */
	const char *value; /* what it takes, for --help; NULL = nothing */
	unsigned users;    /* bits: the subcommands that have it */

	/* Take the value (NULL where there is none). Returns 0, or XVM_FAILED after saying
	 * what is wrong with it. */
	int (*set)(void *into, const char *value);
	const char *help; /* further lines begin with XVM_ARGS_INDENT */
};

/* Blanks in front of each further line of an option's help. */
#define XVM_ARGS_INDENT "                       "

/* Options of the subcommand `user`: those of the table with one of its bits. */
struct xvm_args {
	const char *command; /* as in messages: "ramz serve" */
	const struct xvm_arg *table;
	size_t count;
	unsigned user;
};

/* What is on a command line beside options. */
struct xvm_words {
	char **word; /* in order */
	size_t count;
	char **rest; /* what stands behind "--" */
	size_t rest_count;
	bool help; /* --help is there; nothing else was looked at behind it */
};

/*
 * Read a command line. Options may stand anywhere in front of "--"; argv is overwritten.
 * Returns 0, or XVM_FAILED after saying what is wrong.
 */
int xvm_args_read(const struct xvm_args *args, int argc, char **argv, void *into,
		  struct xvm_words *words);

/* What stands behind "--" are words as the others. */
void xvm_args_join(struct xvm_words *words);

/* More words than a subcommand takes: say so. Returns 0 or XVM_FAILED. */
int xvm_args_at_most(const struct xvm_args *args, const struct xvm_words *words, size_t most);

/* Print the options, --help included, a line or more each. */
void xvm_args_help(const struct xvm_args *args);

#endif
