/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * extents.h: which parts of the disk hold data.
 */
#ifndef RZN_EXTENTS_H
#define RZN_EXTENTS_H

#include "disk.h"

struct nbdkit_extents;

/*
 * Report the extents from offset on, of at most count bytes and at least one extent; with one_only
 * only the first. Pages that were never written, were discarded or hold zeros are holes. Returns 0,
 * or -1 with nbdkit's error number set. From any thread. O(pages that hold something, at most
 * PAGES_MAX in extents.c).
 */
int rzn_disk_extents(struct rzn_disk *disk, uint32_t count, uint64_t offset, bool one_only,
		     struct nbdkit_extents *extents);

#endif
