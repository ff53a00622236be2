/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * main.c: xvfrag, the fragmentation benchmark.
 *
 * The front end sees public headers of libxvmalloc and ramz only, and the
 * allocators only through xvmalloc/xvfrag_plugin.h. Its modules, bottom up:
 *
 *   common text_file              numbers, memory, messages
 *   pages input_files input_pid   pages of an input
 *   sizes                         their compressed sizes
 *   workload trace                what is done to every allocator
 *   timer histogram rss           measuring
 *   worker                        a thread's part of it
 *   replay                        the workload, played on one allocator
 *   child                         a process for each
 *   options selection input run   the command line and the run
 *   report* plot frontier         what is told about it
 *   gnuplot progress
 *
 * Locking: none, one thread, but for the child's workers (worker.h). Start reading at
 * run.c and replay.c.
 */
#include <stdio.h>
#include <string.h>

#include <xvmalloc/base.h>

#include "child.h"
#include "run.h"

int main(int argc, char **argv)
{
	struct xvf_selection selection;
	struct xvf_options options;
	int status;

	if (argc > 1 && strcmp(argv[1], XVF_CHILD_ARGUMENT) == 0)
		return xvf_child_main(argc, argv);
	if (xvf_options_parse(&options, argc, argv) != 0)
		return XVM_EXIT_USAGE;
	if (options.help) {
		xvf_options_help();
		return XVM_EXIT_OK;
	}
	if (options.version) {
		printf("xvfrag %s\n", xv_version());
		return XVM_EXIT_OK;
	}
	if (options.list) {
		xvf_selection_list();
		return XVM_EXIT_OK;
	}
	if (options.quiet)
		xvm_be_quiet();
	if (xvf_selection_parse(&selection, options.allocators, options.threads) != 0) {
		xvf_selection_fini(&selection);
		return XVM_EXIT_USAGE;
	}
	status = xvf_run(&options, &selection);
	xvf_selection_fini(&selection);
	return status;
}
