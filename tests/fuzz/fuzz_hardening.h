/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_hardening.h: how much a pool proves of what it is given.
 *
 * Owns nothing. May call: public headers. Locking: none. O(1).
 */
#ifndef FUZZ_HARDENING_H
#define FUZZ_HARDENING_H

#include <xvmalloc/pool.h>

#include "fuzz.h"

static inline void fuzz_draw_hardening(struct xv_pool_options *options, struct fuzz_input *in)
{
	options->hardening = fuzz_below(in, XV_HARDENING_MOST + 1);
}

/* Is a handle that names nothing always refused? */
static inline bool fuzz_handles_are_proved(const struct xv_pool_options *options)
{
	return options->hardening != 0;
}

#endif
