/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * command.h: a subcommand of ramz. main.c has the list of them; a new one is a file
 * with such a record, and a line there. Locking: none.
 */
#ifndef RAMZ_CLI_COMMAND_H
#define RAMZ_CLI_COMMAND_H

struct rzc_command {
	const char *name;    /* as on the command line */
	const char *summary; /* one line for ramz --help */

	/* argv[0] is the subcommand's name. Returns an exit status (enum xvm_exit). */
	int (*run)(int argc, char **argv);
};

extern const struct rzc_command rzc_command_serve;
extern const struct rzc_command rzc_command_stat;
extern const struct rzc_command rzc_command_compact;
extern const struct rzc_command rzc_command_trim;
extern const struct rzc_command rzc_command_limit;
extern const struct rzc_command rzc_command_codec;
extern const struct rzc_command rzc_command_save;
extern const struct rzc_command rzc_command_reset;
extern const struct rzc_command rzc_command_state;
extern const struct rzc_command rzc_command_estimate;

#endif
