/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * progress.h: how far a server is, while a command waits for it: a line on a terminal's standard
 * error, which a later message overwrites. Nothing is shown elsewhere.
 *
 * May call control.h and the operating system. Locking: none.
 */
#ifndef RAMZ_CLI_PROGRESS_H
#define RAMZ_CLI_PROGRESS_H

#include <sys/types.h>

#include "control.h"

/* A request that the server works on; begins with these three fields alone. */
struct rzc_progress {
	const struct rzc_server *server;
	const char *request; /* its line */
	uint64_t start_ns;
	json_t *first; /* what the server told of itself at first */
};

/* Show how far it is. Asks the server. */
void rzc_progress_show(struct rzc_progress *progress);

/* Take the line away. */
void rzc_progress_end(struct rzc_progress *progress);

/* Show how much of the file at `path` the process has read. */
void rzc_progress_show_load(pid_t process, const char *path);

#endif
