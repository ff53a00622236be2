/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.h: the thread that serves the socket for statistics and control.
 *
 * Owns: that thread, its clients and the workers. May call: listener.h, control_client.h,
 * control_command.h, nbdkit's messages. Locking: start and stop from nbdkit's main thread; the
 * threads between them use only what any thread may. Nothing asked of the socket ends the disk.
 */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.h: the thread that serves the socket for statistics and control.
 *
 * Owns: that thread, its clients and the workers. May call: listener.h, control_client.h,
XX
 * only what any thread may. Nothing asked of the socket ends the disk.
 */
#ifndef RZN_CONTROL_H
#define RZN_CONTROL_H

#include "disk.h"

/* Make the socket at path and its thread. Returns 0; or -1, and nbdkit has been told why. */
int rzn_control_start(struct rzn_disk *disk, const char *path);

/*
 * End them, and remove the socket. A command under way is done to its end (a compaction to the
 * end of a step), those that wait are refused. Not started is allowed.
 */
void rzn_control_stop(void);

#endif
