/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input_pid.h: pages out of a running process: those that the kernel could swap.
 *
 * Taken are the pages of private, readable mappings that /proc/N/pagemap shows as
 * anonymous and in memory or in swap: heap, stacks, data. Where pagemap cannot be
 * opened, all readable pages of private mappings without a file are. Mappings above
 * 1 TiB are left out. The process runs on meanwhile, so a page may be read half old
 * and half new: compressed, that makes no difference.
 *
 * May call the operating system. Locking: none. O(pages mapped).
 */
#ifndef XVM_INPUT_PID_H
#define XVM_INPUT_PID_H

#include "pages.h"

/*
 * Append the pages of process pid until pages is full. *available gets the count of
 * pages there are. Returns 0, or XVM_FAILED after saying what is wrong (no such
 * process, no permission).
 */
int xvm_input_read_pid(struct xvm_pages *pages, uint64_t pid, uint64_t *available);

#endif
