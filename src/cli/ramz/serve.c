/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve.c: ramz serve. Locking: none.
 */
#include "serve.h"

#include <stdio.h>

#include "command.h"

static const char serve_help_use[] =
	"Usage: ramz serve [OPTION...] [SIZE] [-- NBDKIT-OPTION...]\n"
	"Serve a disk in compressed memory, with nbdkit, and tell how it is attached.\n"
	"\n"
	"  SIZE                 of the disk: 512M, 1.5G, 50% of the memory ... (25%)\n"
	"  NBDKIT-OPTION        more for nbdkit, as in -- --threads=4 --filter=delay rdelay=1\n"
	"\n"
	"OPTION\n";

static const char serve_help_end[] =
	"\n"
	"Exit status: 0, 1 when the disk cannot be served, 2 when the command line is wrong.\n"
	"See ramz(1), nbdkit-ramz-plugin(1) and nbdkit(1).\n";

static int serve_main(int argc, char **argv)
{
	struct rzc_serve serve;

	if (rzc_serve_read(&serve, argc, argv) != 0)
		return XVM_EXIT_USAGE;
	if (serve.words.help) {
		fputs(serve_help_use, stdout);
		rzc_serve_help();
		fputs(serve_help_end, stdout);
		return XVM_EXIT_OK;
	}
	if (rzc_serve_find_plugin(&serve) == 0 && rzc_serve_place(&serve) == 0 &&
	    rzc_serve_start(&serve) == 0)
		return XVM_EXIT_OK;
	rzc_serve_unlock(&serve);
	return XVM_EXIT_FAILURE;
}

const struct rzc_command rzc_command_serve = {
	.name = "serve",
	.summary = "serve a disk in compressed memory, with nbdkit",
	.run = serve_main,
};
