/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * saver.h: the thread that saves the disk: every so often, and at the end.
 *
 * The end comes with a signal, or with the last client, whichever is first: the disk is frozen,
 * so that nothing is written that would not be saved, and saved. A client that stays after a
 * signal delays neither the save nor, for more than moments, the end of the process.
 *
 * Owns: that thread, the end of the disk, and the exit status. May call: everything of the
 * plugin. Locking: start and stop from nbdkit's main thread.
 */
#ifndef RZN_SAVER_H
#define RZN_SAVER_H

#include "disk.h"

/* Once, when the plugin is loaded: a save that fails is to show in the exit status. */
void rzn_saver_load(void);

/* After the fork, with an open disk. Returns 0; or -1, and nbdkit has been told why. */
int rzn_saver_start(struct rzn_disk *disk);

/* End the disk, unless that has been done: all clients have left. Not started is allowed. */
void rzn_saver_stop(void);

#endif
