/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * args.c: reading a command line by a table, with getopt_long; see args.h. Locking: none.
 */
#include "args.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Options of one table. */
#define ARGS_MAX 48U

/* Values of getopt above every character: a table's index on top of it. */
#define ARGS_FIRST_CODE 256

/* What getopt gives for a word that is no option, with "-" in front of its short forms. */
#define ARGS_WORD 1
#define ARGS_SHORT_FORMS "-:h"

static bool args_has(const struct xvm_args *args, const struct xvm_arg *arg)
{
	return args->user == 0 || arg->users == 0 || (arg->users & args->user) != 0;
}

/* getopt's view of the table. */
static void args_forms(const struct xvm_args *args, struct option list[ARGS_MAX + 2])
{
	struct option *next = list;

	for (size_t i = 0; i < args->count && i < ARGS_MAX; i++) {
		if (!args_has(args, &args->table[i]))
			continue;
		*next++ = (struct option){
			.name = args->table[i].name,
			.has_arg = args->table[i].value != NULL ? required_argument : no_argument,
			.val = ARGS_FIRST_CODE + (int)i,
		};
	}
	*next++ = (struct option){.name = "help", .val = 'h'};
	*next = (struct option){0};
}

static int args_complain(const struct xvm_args *args, int code, char **argv)
{
	const char *argument = argv[optind - 1];
	const char letter[] = {'-', (char)optopt, '\0'};

	/* Among several letters behind one dash getopt has not left the argument yet. */
	if (optopt > 0 && optopt < ARGS_FIRST_CODE && strncmp(argument, "--", 2) != 0)
		argument = letter;
	if (code == ':')
		xvm_error("option %s needs a value; see %s --help", argument, args->command);
	else
		xvm_error("%s has no option %s, or it takes no value; see %s --help", args->command,
			  argument, args->command);
	return XVM_FAILED;
}

static int args_number(const struct xvm_arg *arg, const char *value, uint64_t *number)
{
	if (xvm_parse_u64(value, arg->min, arg->max, number))
		return 0;
	xvm_error("--%s %s is a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'", arg->name,
		  arg->value, arg->min, arg->max, value);
	return XVM_FAILED;
}

static int args_bytes(const struct xvm_arg *arg, const char *value, uint64_t *bytes)
{
	char option[64];

	snprintf(option, sizeof(option), "--%s", arg->name);
	return xvm_take_bytes(option, value, 0, arg->min, arg->max, bytes);
}

static int args_take(const struct xvm_arg *arg, void *into, const char *value)
{
	void *field = (char *)into + arg->offset;

	switch (arg->kind) {
	case XVM_ARG_SET:
		return arg->set(into, value);
	case XVM_ARG_FLAG:
		*(bool *)field = true;
		return 0;
	case XVM_ARG_TEXT:
		*(const char **)field = value;
		return 0;
	case XVM_ARG_NUMBER:
		return args_number(arg, value, field);
	case XVM_ARG_BYTES:
		return args_bytes(arg, value, field);
	}
	return XVM_FAILED;
}

int xvm_args_read(const struct xvm_args *args, int argc, char **argv, void *into,
		  struct xvm_words *words)
{
	struct option list[ARGS_MAX + 2];
	int code;

	*words = (struct xvm_words){.word = argv + 1};
	args_forms(args, list);
	opterr = 0;
	optind = 0; /* anew: a program may read several command lines */
	while ((code = getopt_long(argc, argv, ARGS_SHORT_FORMS, list, NULL)) != -1) {
		if (code == 'h') {
			words->help = true;
			return 0;
		}
		if (code == ARGS_WORD) /* never in front of what getopt has yet to read */
			words->word[words->count++] = optarg;
		else if (code < ARGS_FIRST_CODE)
			return args_complain(args, code, argv);
		else if (args_take(&args->table[code - ARGS_FIRST_CODE], into, optarg) != 0)
			return XVM_FAILED;
	}
	words->rest = argv + optind;
	words->rest_count = (size_t)(argc - optind);
	return 0;
}

void xvm_args_join(struct xvm_words *words)
{
	/* All of them lie in argv, those behind "--" further behind. */
	for (size_t i = 0; i < words->rest_count; i++)
		words->word[words->count++] = words->rest[i];
	words->rest_count = 0;
}

int xvm_args_at_most(const struct xvm_args *args, const struct xvm_words *words, size_t most)
{
	if (words->count <= most)
		return 0;
	xvm_error("'%s' is more than %s takes; see %s --help", words->word[most], args->command,
		  args->command);
	return XVM_FAILED;
}

static void args_help_line(const char *name, const char *value, const char *help)
{
	char left[48];

	snprintf(left, sizeof(left), "%s %s", name, value != NULL ? value : "");
	printf("  %-19s  %s\n", left, help);
}

void xvm_args_help(const struct xvm_args *args)
{
	for (size_t i = 0; i < args->count; i++) {
		const struct xvm_arg *arg = &args->table[i];
		char name[32];

		if (!args_has(args, arg))
			continue;
		snprintf(name, sizeof(name), "--%s", arg->name);
		args_help_line(name, arg->value, arg->help);
	}
	args_help_line("-h, --help", NULL, "this");
}
