/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc_settings.h: what stands behind the name of an xvmalloc row, as in
 * xvmalloc:shards=1:lock=spin.
 *
 * NAME=VALUE, colons between, each name at most once:
 *
 *   shards=N   0 (the library's choice) .. XV_SHARDS_MAX
 *   lock=KIND  default, none, spin or mutex
 *
 * What is not named is as xv_pool_options_init leaves it: a row without settings is
 * what a user gets. Calls nothing but the C library. No locking. O(length).
 */
#ifndef XVM_ALLOCATORS_XVMALLOC_SETTINGS_H
#define XVM_ALLOCATORS_XVMALLOC_SETTINGS_H

#include <stddef.h>

#include <xvmalloc/pool.h>

/*
 * Put the settings into *options, which were initialised before; text may be NULL.
 * Returns 0, or -1 with one line in why that names the cause and what would be right.
 */
int xvm_pool_settings(const char *text, struct xv_pool_options *options, char *why,
		      size_t why_bytes);

/* The same as a check (struct xvm_entry), of a run on so many threads. */
int xvm_pool_check_settings(const char *text, unsigned threads, char *why, size_t why_bytes);

#endif
