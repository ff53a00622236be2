/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * client_absent.c: the subcommands that ask a served disk, in a build without jansson:
 * they say so. Locking: none.
 */
#include "command.h"
#include "common.h"
#include "headline.h"

static int absent_run(int argc, char **argv)
{
	(void)argc;
	xvf_error("ramz %s needs JSON, and this ramz was built without; install jansson "
		  "(Debian: libjansson-dev) and build it again",
		  argv[0]);
	return XVF_EXIT_FAILURE;
}

#define ABSENT(command)                                                                            \
	const struct rzc_command rzc_command_##command = {                                         \
		.name = #command,                                                                  \
		.summary = "(this ramz was built without JSON)",                                   \
		.run = absent_run,                                                                 \
	}

ABSENT(stat);
ABSENT(compact);
ABSENT(trim);
ABSENT(limit);
ABSENT(codec);
ABSENT(save);
ABSENT(reset);
ABSENT(state);

void rzc_headline(const char *control)
{
	(void)control;
}
