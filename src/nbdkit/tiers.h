/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tiers.h: the tiers of the disk and the policy that uses them, as the parameters say, and as JSON.
 *
 * Owns nothing. May call: ramz, disk.h, stats_json.h. Locking: none; set and start while nobody
 * else has the disk.
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

/* Start the policy's thread, if any tier is set or there is a backing file. After the fork. Returns
 * as above. */
int rzn_tiers_start(struct rzn_disk *disk);

#endif
