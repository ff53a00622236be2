/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * density.h: what a store takes for the pages of an input.
 *
 * Owns the store while it measures. Locking: none. O(pages).
 */
#ifndef RAMZ_CLI_DENSITY_H
#define RAMZ_CLI_DENSITY_H

#include <ramz/ramz.h>

#include "codecs.h"
#include "input.h"

struct rzc_density {
	uint64_t pages; /* written: a sample of the input's where it was too long */
	uint64_t same_filled;
	uint64_t raw;
	uint64_t base_bytes;         /* held with the first object: what even a small store takes */
	double write_us;             /* mean of a page, same-filled ones included */
	uint64_t stored_bytes;       /* compressed and raw forms */
	uint64_t held_bytes;         /* everything that the store holds */
	struct ramz_histogram sizes; /* bytes of the forms */
};

/*
 * Write up to max_pages pages of the input, spread evenly, to a new store with the codec.
 * Returns 0, or XVM_FAILED after saying why.
 */
int rzc_density_measure(const struct xvm_input *input, const struct xvm_codec *codec,
			uint64_t max_pages, struct rzc_density *density);

/* Bytes of the pages written for each byte of their forms; 0 where there are none. */
double rzc_density_ratio(const struct rzc_density *density);

#endif
