/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * rss.h: the resident set of this process, read without allocating anything.
 *
 * From /proc/self/smaps_rollup, which counts pages; where there is none (before
 * Linux 4.14) from /proc/self/statm, whose counters may lag by some pages per CPU.
 *
 * Locking: none. O(mapped pages).
 */
#ifndef XVM_RSS_H
#define XVM_RSS_H

#include "base.h"

/* Resident bytes of this process; 0 when /proc cannot be read. */
uint64_t xvm_rss_bytes(void);

/*
 * Read one byte of every page of the files mapped into this process (its code and
 * read-only data) and deepen the stack, so that what is first touched later does
 * not pass for an allocator's memory.
 */
void xvm_rss_settle(void);

/* Deepen the stack of a thread that shall run later; settle does it for the caller's. */
void xvm_rss_settle_stack(void);

/* Zeroed memory that is resident at once, for as long as the process lives; or NULL. */
void *xvm_resident_memory(uint64_t bytes);

#endif
