/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_file.h: the file that the disk is loaded from and saved to.
 *
 * Owns: the hold on the file, and what it does not have yet. May call: ramz, file_wait.h, rescue.h,
 * nbdkit's error messages. Locking: hold, load and release while nothing else uses the disk; save
 * from any thread, one save at a time, beside requests.
 */
#ifndef RZN_DISK_FILE_H
#define RZN_DISK_FILE_H

#include "disk.h"

/* Open file=, if it was given, and keep all others out of it until it is released, also over a
 * fork. Waits for a server that is ending. Returns 0, or -1 after telling nbdkit why: another
 * program has it, it is no regular file, ... */
int rzn_file_hold(struct rzn_disk *disk);

/* Release it. Does nothing if it is not held. */
void rzn_file_release(struct rzn_disk *disk);

/*
 * Load the store from the held file. Parameters on the command line win over saved values. Returns
 * 1; 0 without a store, when no file is held or it is empty; or -1 after telling nbdkit why. A file
 * that cannot be loaded is never written. A file that could not be saved at the end is refused now.
 */
int rzn_file_load(struct rzn_disk *disk, const struct ramz_options *options);

/* Does the disk have changes that the held file does not have? False without a file. */
bool rzn_file_is_stale(struct rzn_disk *disk);

/* Does path lead to the held file? NULL does. */
bool rzn_file_is_own(const struct rzn_disk *disk, const char *path);

/* Save the store to path; if that is NULL or leads to the held file, to that one. Returns 0, and
 * stores the length in *file_bytes, which may be NULL; or a negative errno, and the file is as
 * before. *reason says why; with 0 it is a note, or "". O(stored bytes). */
int rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
		  struct ramz_reason *reason);

/* Save to the held file if it is stale. Prints and counts a failure. */
void rzn_file_save_again(struct rzn_disk *disk);

/* The last save, of a frozen disk, if the file is stale. RZN_SAVED: the file has everything.
 * RZN_RESCUED: another file has everything; a message named it. RZN_LOST: no place took it; a
 * message said so, and the caller may try again. */
enum rzn_end { RZN_SAVED, RZN_RESCUED, RZN_LOST };
enum rzn_end rzn_file_save_at_end(struct rzn_disk *disk);

#endif
