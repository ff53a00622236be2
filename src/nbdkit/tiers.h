/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tiers.h: the tiers of the disk and the policy that uses them, as the parameters say, and as JSON.
 *
 * Owns nothing. May call: ramz, disk.h, stats_json.h. Locking: none; give and take from any
 * thread, the others while nobody else has the disk.
 */
#ifndef RZN_TIERS_H
#define RZN_TIERS_H

#include "disk.h"

/* Set what was given; what was loaded stays where nothing was. Returns 0, or -1 after telling why.
 */
int rzn_tiers_set(struct rzn_disk *disk);

/* Open backing=, before the fork, so that what is wrong with it is told in the foreground; give it
 * to the store after the fork. Return as above. rzn_backing_close when the store has ended. */
int rzn_backing_open(struct rzn_disk *disk);
int rzn_backing_attach(struct rzn_disk *disk);
void rzn_backing_close(struct rzn_disk *disk);

/*
 * The same while the disk is used: give it a file (an absolute path; 0 bytes: all of a block
 * device), or bring its pages back and take it away. One of these calls at a time. Return 0 or a
 * negative errno, and *fault says what is wrong and how to mend it. O(pages on the file).
 */
int rzn_backing_give(struct rzn_disk *disk, const char *path, uint64_t bytes, const char **fault);
int rzn_backing_take(struct rzn_disk *disk, const char **fault);

/* Start the policy's thread, if any tier is set or there is a backing file. After the fork. Returns
 * as above. */
int rzn_tiers_start(struct rzn_disk *disk);

#endif
