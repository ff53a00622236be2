/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * rescue.h: another place for the contents of a disk whose file cannot be saved.
 *
 * Owns nothing. May call: ramz, the file system, nbdkit's error messages. Locking: none of its
 * own.
 */
#ifndef RZN_RESCUE_H
#define RZN_RESCUE_H

#include "disk.h"

/* Room for a path. */
enum { RZN_RESCUE_PATH_BYTES = 4096 };

/* Could save-fallback=, where it was given, take a file? Returns 0; or -1, and nbdkit has been
 * told why. */
int rzn_rescue_check(const struct rzn_config *config);

/*
 * Save the disk as a new file, of a name that nobody could know and of mode 0600: in
 * save-fallback=; or, where that was not given, beside the disk's own file when err, with which
 * that could not be saved, is about the file and not about its directory, else in one of /var/tmp,
 * /tmp and /dev/shm. Returns 0 and the file's path, or a negative errno, the place that was tried
 * last and why. O(stored bytes).
 */
int rzn_rescue(struct rzn_disk *disk, int err, char path[RZN_RESCUE_PATH_BYTES],
	       struct ramz_reason *reason);

#endif
