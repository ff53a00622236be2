/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * map.h: a picture of the pages of an xvmalloc pool before and after compaction.
 * Locking: none. O(operations + objects).
 */
#ifndef XVFRAG_MAP_H
#define XVFRAG_MAP_H

#include "workload.h"

/*
 * Play the workload on a pool of this process, compact it, and draw to path what is live in each
 * page before and after. Returns 0, or XVM_FAILED after saying why.
 */
int xvf_map_draw(const struct xvm_workload *workload, uint64_t seed, const char *path);

#endif
