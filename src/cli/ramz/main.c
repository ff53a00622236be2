/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * main.c: the command ramz, a front end of the page store.
 *
 * It sees the public headers of libxvmalloc and ramz only. Messages, inputs and
 * timing are xvfrag's modules. Its own, bottom up:
 *
 *   args size codecs             the command line
 *   options pages_of             of estimate; pages of an input
 *   density                      what a store takes for them
 *   json estimate*               the subcommand that measures
 *   unix_socket place            where served disks' sockets are
 *   control client               asking a served disk
 *   stat* settings manage state  the subcommands that do
 *   serve*                       the one that serves a disk, through nbdkit
 *
 * Locking: none. Start reading at estimate.c, or at client.h and serve.c.
 */
#include <stdio.h>
#include <string.h>

#include <xvmalloc/base.h>

#include "command.h"
#include "base.h"

static const struct rzc_command *const main_commands[] = {
	&rzc_command_serve, &rzc_command_stat,     &rzc_command_state, &rzc_command_compact,
	&rzc_command_trim,  &rzc_command_limit,    &rzc_command_codec, &rzc_command_save,
	&rzc_command_reset, &rzc_command_estimate,
};

#define MAIN_COMMANDS (sizeof(main_commands) / sizeof(main_commands[0]))

static void main_help(void)
{
	fputs("Usage: ramz COMMAND [OPTION...] [ARGUMENT...]\n"
	      "The compressed page store, from the command line.\n\n"
	      "COMMAND\n",
	      stdout);
	for (size_t i = 0; i < MAIN_COMMANDS; i++)
		printf("  %-10s  %s\n", main_commands[i]->name, main_commands[i]->summary);
	fputs("\n"
	      "  ramz COMMAND --help, or ramz help COMMAND, lists the options of a command.\n"
	      "  -h, --help     this\n"
	      "  -V, --version  version\n\n"
	      "Exit status: 0, 1 when the command could not do it, 2 when the command line is\n"
	      "wrong. See ramz(1).\n",
	      stdout);
}

static int main_unknown(const char *name)
{
	char names[160] = "";

	for (size_t i = 0; i < MAIN_COMMANDS; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, " %s", main_commands[i]->name);
	}
	if (name == NULL)
		xvm_error("a command is missing; there are:%s (see ramz --help)", names);
	else
		xvm_error("there is no command '%s'; there are:%s (see ramz --help)", name, names);
	return XVM_EXIT_USAGE;
}

/* The exit status of a command's own main. argv[0] is its name. */
static int main_run(int argc, char **argv)
{
	for (size_t i = 0; i < MAIN_COMMANDS; i++) {
		if (strcmp(argv[0], main_commands[i]->name) == 0)
			return main_commands[i]->run(argc, argv);
	}
	return main_unknown(argv[0]);
}

/* ramz help, or ramz help COMMAND. */
static int main_help_of(int argc, char **argv)
{
	char option[] = "--help";
	char *line[] = {argc > 1 ? argv[1] : NULL, option, NULL};

	if (argc > 2) {
		xvm_error("'%s' is more than ramz help takes: the name of one command", argv[2]);
		return XVM_EXIT_USAGE;
	}
	if (argc == 2)
		return main_run(2, line);
	main_help();
	return XVM_EXIT_OK;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	xvm_set_program("ramz");
	if (name == NULL)
		return main_unknown(NULL);
	if (strcmp(name, "help") == 0)
		return main_help_of(argc - 1, argv + 1);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return main_help_of(1, argv);
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		printf("ramz %s\n", xv_version());
		return XVM_EXIT_OK;
	}
	return main_run(argc - 1, argv + 1);
}
