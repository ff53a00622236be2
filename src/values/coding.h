/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * coding.h: generations of codings: one begins with a dictionary, and ends when no value uses it.
 *
 * Owns the codings. May call worker.h, dictionary.h, evict.h. Locking: under admin, with no worker.
 * O(workers + stripes), and waits until each worker was free once.
 */
#ifndef RZI_VALUES_CODING_H
#define RZI_VALUES_CODING_H

#include "worker.h"

/* Values of the coding that is not the present one, count. */
uint64_t rzi_coding_old_values(struct ramz_values *cache);

/* Free the old coding, if there is one and no value uses it. True: its place is free. */
bool rzi_coding_reap_old(struct ramz_values *cache);

/* Let a dictionary begin a generation. Returns 0, -XV_EBUSY (the place is taken), -XV_ENOMEM or
 * -XV_ENOSPC; the dictionary then stays the caller's. */
int rzi_coding_begin(struct ramz_values *cache, struct rzi_dictionary *dictionary);

#endif
