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

/* Show how far the server is with the request: rzc_server.on_wait. Asks the server. */
void rzc_progress_show(struct rzc_wait *wait);

/* Show how much of the file at `path` the process has read. */
void rzc_progress_show_load(pid_t process, const char *path);

#endif
