/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * rss.h: the resident memory of this process that is no file's, read without allocating
 * anything. Code and read-only data that are first touched later do not count.
 *
 * From /proc/self/smaps_rollup (Linux 4.14), which counts pages. Locking: none. O(mapped pages).
 */
#ifndef XVM_RSS_H
#define XVM_RSS_H

#include "base.h"

/* Resident anonymous bytes of this process; 0 when /proc cannot be read. */
uint64_t xvm_rss_bytes(void);

/* Deepen the stack of this thread, so that its growth does not pass for an allocator's. */
void xvm_rss_settle_stack(void);

/* Zeroed memory that is resident at once, for as long as the process lives; or NULL. */
void *xvm_resident_memory(uint64_t bytes);

#endif
