/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * saver.h: the thread that saves the disk: at intervals, and at the end.
 *
 * The end comes with a signal or with the last client, whichever is first: the disk is frozen, so
 * that nothing is written that would not be saved, and then saved. A client that stays after a
 * signal does not delay the save, and delays the end of the process only for moments.
 *
 * Owns: that thread, the end of the disk, and the exit status. May call: everything of the plugin.
 * Locking: start and stop from nbdkit's main thread.
 */
#ifndef RZN_SAVER_H
#define RZN_SAVER_H

#include "disk.h"

/* Call once, when the plugin is loaded, so that a failed save shows in the exit status. */
void rzn_saver_load(void);

/* Call after the fork, with an open disk. Returns 0, or -1 after telling nbdkit why. */
int rzn_saver_start(struct rzn_disk *disk);

/* End the disk, unless it has ended: all clients have left. Does nothing if it was not started. */
void rzn_saver_stop(void);

#endif
