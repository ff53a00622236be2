/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * args.h: the command line of a program or a subcommand, read and described by one table of its
 * options. Strings point into argv. Locking: none. O(arguments * options).
 */
#ifndef XVM_ARGS_H
#define XVM_ARGS_H

#include "base.h"

/* How the value of an option is read. */
enum xvm_arg_kind {
	XVM_ARG_SET,    /* by a function */
	XVM_ARG_FLAG,   /* no value: a bool becomes true */
	XVM_ARG_TEXT,   /* as it is: a const char * */
	XVM_ARG_NUMBER, /* a whole number of [min, max]: a uint64_t */
	XVM_ARG_BYTES,  /* the same for a size, such as 64K */
};

/* One option: name, value, users and help, then one of the forms below. */
struct xvm_arg {
	const char *name;  /* without the dashes */
	const char *value; /* what it takes, for --help; NULL: nothing */
	unsigned users;    /* bits: the subcommands that have it; 0: all */
	const char *help;  /* further lines begin with XVM_ARGS_INDENT */

	enum xvm_arg_kind kind;
	size_t offset; /* of the field in what is filled in */
	uint64_t min, max;

	/* Take the value (NULL where there is none). Returns 0, or XVM_FAILED after saying
	 * what is wrong with it. */
	int (*set)(void *into, const char *value);
};

#define XVM_ARG_SETS(function) .kind = XVM_ARG_SET, .set = (function)
#define XVM_ARG_FLAGS(type, field) .kind = XVM_ARG_FLAG, .offset = offsetof(type, field)
#define XVM_ARG_TEXTS(type, field) .kind = XVM_ARG_TEXT, .offset = offsetof(type, field)
#define XVM_ARG_NUMBERS(type, field, least, most)                                                  \
	.kind = XVM_ARG_NUMBER, .offset = offsetof(type, field), .min = (least), .max = (most)
#define XVM_ARG_SIZES(type, field, least, most)                                                    \
	.kind = XVM_ARG_BYTES, .offset = offsetof(type, field), .min = (least), .max = (most)

/* Blanks in front of each further line of an option's help. */
#define XVM_ARGS_INDENT "                       "

/* Options of the subcommand `user`: those of the table with one of its bits. */
struct xvm_args {
	const char *command; /* as in messages: "ramz serve" */
	const struct xvm_arg *table;
	size_t count;
	unsigned user; /* 0: there are no subcommands */
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
