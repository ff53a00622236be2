/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_flags.h: kinds of pools in one word for tests that run over several: the pool's flags, and
 * two bits that no flag has, for the hardening.
 *
 * Owns nothing. May call: public headers. Locking: none. O(1).
 */
#ifndef TEST_FLAGS_H
#define TEST_FLAGS_H

#include <xvmalloc/pool.h>

#define TEST_KEYED 0x4U    /* hardening 0 */
#define TEST_HARDENED 0x8U /* hardening 2 */

static inline void options_set_flags(struct xv_pool_options *options, uint32_t flags)
{
	options->flags = flags & ~(TEST_KEYED | TEST_HARDENED);
	options->hardening = (flags & TEST_KEYED) != 0 ? 0 : (flags & TEST_HARDENED) != 0 ? 2 : 1;
}

#endif
