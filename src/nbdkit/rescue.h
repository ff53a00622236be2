/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * rescue.h: another place for the contents of a disk whose file cannot be saved.
 *
 * Owns nothing. May call: ramz, the file system, nbdkit's error messages. Locking: none.
 */
#ifndef RZN_RESCUE_H
#define RZN_RESCUE_H

#include "disk.h"

/* Room for a path. */
enum { RZN_RESCUE_PATH_BYTES = 4096 };

/* Could save-fallback=, if it was given, take a file? Returns 0, or -1 after telling nbdkit why. */
int rzn_rescue_check(const struct rzn_config *config);

/*
 * Save the disk as a new file, with a name that nobody can predict and mode 0600. It goes to
 * save-fallback=. If that was not given, it goes beside the disk's own file, when err, the error of
 * saving that, is about the file and not its directory; otherwise to /var/tmp, /tmp or /dev/shm.
 * Returns 0 and the file's path, or a negative errno, the last place that was tried, and why.
 * O(stored bytes).
 */
int rzn_rescue(struct rzn_disk *disk, int err, char path[RZN_RESCUE_PATH_BYTES],
	       struct ramz_reason *reason);

#endif
