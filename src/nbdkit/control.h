/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.h: the thread that serves the socket for statistics and control.
 *
 * Owns: that thread, its clients and the workers. May call: listener.h, control_client.h,
 * control_command.h, nbdkit's messages. Locking: start and stop from nbdkit's main thread; in
 * between, its threads use only calls for any thread. No command of the socket ends the disk.
 */
#ifndef RZN_CONTROL_H
#define RZN_CONTROL_H

#include "disk.h"

/* Make the socket at path and its thread. Returns 0, or -1 after telling nbdkit why. */
int rzn_control_start(struct rzn_disk *disk, const char *path);

/* End them, and remove the socket. A running command ends first (a compaction at the end of a
 * step); waiting commands are refused. Does nothing if it was not started. */
void rzn_control_stop(void);

#endif
