/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * args.c: reading a command line by a table, with getopt_long; see args.h. Locking: none.
 */
#include "args.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Options of one table, and characters of getopt's short forms. */
#define ARGS_MAX 32U

/* Values of getopt above every character: a table's index on top of it. */
#define ARGS_FIRST_CODE 256

/* What getopt gives for a word that is no option, with "-" in front of its short forms. */
#define ARGS_WORD 1

struct args_forms {
	struct option list[ARGS_MAX + 2];
	char letters[2 * ARGS_MAX + 4];
};

/* getopt's view of the table. */
static void args_forms(const struct xvm_args *args, struct args_forms *forms)
{
	struct option *next = forms->list;
	char *letter = forms->letters;

	*letter++ = '-';
	*letter++ = ':';
	*letter++ = 'h';
	for (size_t i = 0; i < args->count && i < ARGS_MAX; i++) {
		const struct xvm_arg *arg = &args->table[i];

		if ((arg->users & args->user) == 0)
			continue;
		*next++ = (struct option){
			.name = arg->name,
			.has_arg = arg->value != NULL ? required_argument : no_argument,
			.val = ARGS_FIRST_CODE + (int)i,
		};
		if (arg->letter == 0)
			continue;
		*letter++ = arg->letter;
		if (arg->value != NULL)
			*letter++ = ':';
	}
	*next++ = (struct option){.name = "help", .val = 'h'};
	*next = (struct option){0};
	*letter = '\0';
}

static const struct xvm_arg *args_find(const struct xvm_args *args, int code)
{
	if (code >= ARGS_FIRST_CODE)
		return &args->table[code - ARGS_FIRST_CODE];
	for (size_t i = 0; i < args->count; i++) {
		const struct xvm_arg *arg = &args->table[i];

		if ((arg->users & args->user) != 0 && arg->letter == code)
			return arg;
	}
	return NULL;
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
	else if (optopt >= '0' && optopt <= '9')
		xvm_error("%s has no option %s; a number below 0 stands behind -- (see %s --help)",
			  args->command, argument, args->command);
	else
		xvm_error("%s has no option %s, or it takes no value; see %s --help", args->command,
			  argument, args->command);
	return XVM_FAILED;
}

int xvm_args_read(const struct xvm_args *args, int argc, char **argv, void *into,
		  struct xvm_words *words)
{
	struct args_forms forms;
	int code;

	*words = (struct xvm_words){.word = argv + 1};
	args_forms(args, &forms);
	opterr = 0;
	optind = 0; /* anew: a program may read several command lines */
	while ((code = getopt_long(argc, argv, forms.letters, forms.list, NULL)) != -1) {
		const struct xvm_arg *arg;

		if (code == 'h') {
			words->help = true;
			return 0;
		}
		if (code == ARGS_WORD) {
			/* Never in front of what getopt has yet to read. */
			words->word[words->count++] = optarg;
			continue;
		}
		arg = args_find(args, code);
		if (arg == NULL)
			return args_complain(args, code, argv);
		if (arg->set(into, arg->value != NULL ? optarg : NULL) != 0)
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

static void args_help_line(const struct xvm_arg *arg)
{
	char left[48];
	const char *value = arg->value != NULL ? arg->value : "";

	if (arg->letter != 0)
		snprintf(left, sizeof(left), "-%c, --%s %s", arg->letter, arg->name, value);
	else
		snprintf(left, sizeof(left), "--%s %s", arg->name, value);
	printf("  %-19s  %s\n", left, arg->help);
}

void xvm_args_help(const struct xvm_args *args)
{
	for (size_t i = 0; i < args->count; i++) {
		if ((args->table[i].users & args->user) != 0)
			args_help_line(&args->table[i]);
	}
	printf("  %-19s  %s\n", "-h, --help", "this");
}
