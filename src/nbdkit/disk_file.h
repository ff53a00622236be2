/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_file.h: the file that the disk is loaded from and saved to.
 *
 * Owns: whether the file is still ours to replace. May call: ramz, the file system, nbdkit's
 * error messages. Locking: loading and the end while nothing else uses the disk; rzn_file_save
 * from one thread at a time, with requests under way.
 */
#ifndef RZN_DISK_FILE_H
#define RZN_DISK_FILE_H

#include "disk.h"

/*
 * Load the store from the disk's file. Returns 1; 0 when there is no file (or none was named),
 * and so no store; or -1, and nbdkit has been told why. A file that cannot be loaded is never
 * written to.
 */
int rzn_file_load(struct rzn_disk *disk, const struct ramz_options *options);

/*
 * Save the store to path, which is replaced when the new file is complete. Returns 0, and its
 * length where file_bytes is not NULL; -EEXIST when path is the disk's file and somebody else
 * has written it since; or another negative errno. O(stored bytes).
 */
int rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes);

/* The contents have changed in a way that no counter tells. Not while the file is saved. */
void rzn_file_mark_changed(struct rzn_disk *disk);

/*
 * At a clean end: save to the disk's file, where it has one and anything has changed. When
 * somebody else has written that file since, it is left alone, and the disk goes beside it.
 * Returns 0; or -1, and nbdkit has been told why.
 */
int rzn_file_save_at_end(struct rzn_disk *disk);

#endif
