/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_file.h: the file that the disk is loaded from and saved to.
 *
 * Owns: the hold on the file, and what of the disk is not in it yet. May call: ramz,
 * file_wait.h, rescue.h, nbdkit's error messages. Locking: holding, loading and releasing while
 * nothing else uses the disk; what saves from any thread, one save at a time, with requests under
 * way.
 */
#ifndef RZN_DISK_FILE_H
#define RZN_DISK_FILE_H

#include "disk.h"

/*
 * Open file=, where one is named, and keep everybody else away from it, from now on and over a
 * fork, until it is released. A server that is just ending is waited for. Returns 0; or -1, and
 * nbdkit has been told why: somebody else has it, it is no regular file, ...
 */
int rzn_file_hold(struct rzn_disk *disk);

/* Let it go. Not held is allowed. */
void rzn_file_release(struct rzn_disk *disk);

/*
 * Load the store from the file that is held. What was given on the command line wins over what
 * the file was saved with. Returns 1; 0 when no file is held or it is empty, and so no store; or
 * -1, and nbdkit has been told why. A file that cannot be loaded is never written to, and one
 * that could not be saved at the end is refused now.
 */
int rzn_file_load(struct rzn_disk *disk, const struct ramz_options *options);

/* Is there anything that the file that is held does not have? False without one. */
bool rzn_file_is_stale(struct rzn_disk *disk);

/*
 * Save the store to path, or, where that is NULL or leads to the file that is held, to that one.
 * Returns 0, and the length where file_bytes is not NULL; or a negative errno, and the file is as
 * it was. *reason says why; beside 0 it is a note, or "". O(stored bytes).
 */
int rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
		  struct ramz_reason *reason);

/* Save to the file that is held if it is stale. A failure is told and counted. */
void rzn_file_save_again(struct rzn_disk *disk);

/*
 * The last save, of a frozen disk, if the file is stale. Returns
 * RZN_SAVED: all is in the file. RZN_RESCUED: all is in another file, which has been told.
 * RZN_LOST: no place took it, which has been told; it may be tried again.
 */
enum rzn_end { RZN_SAVED, RZN_RESCUED, RZN_LOST };
enum rzn_end rzn_file_save_at_end(struct rzn_disk *disk);

#endif
