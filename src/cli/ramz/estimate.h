/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate.h: what ramz estimate tells. Locking: none.
 */
#ifndef RAMZ_CLI_ESTIMATE_H
#define RAMZ_CLI_ESTIMATE_H

#include "density.h"
#include "json.h"
#include "options.h"

/* Classes of compressed sizes: sixteenths of a page. */
#define RZC_SIZE_CLASSES 16U

/* One codec on one input. Bytes are of the whole input, scaled up from the pages seen. */
struct rzc_estimate {
	const struct xvm_codec *codec;
	struct rzc_density density;
	double original_bytes;
	double compressed_bytes;        /* forms alone */
	double held_bytes;              /* what a store would hold */
	double share[RZC_SIZE_CLASSES]; /* of all pages, 0 to 1: stored compressed, by size */
	double raw_share;
	double same_filled_share;
};

/* From what a store said about a sample. */
void rzc_estimate_make(struct rzc_estimate *estimate, const struct xvm_input *input);

/* Part of the original bytes that would be saved, 0 to 1; below 0: it would cost. */
double rzc_estimate_saved(const struct rzc_estimate *estimate);

void rzc_estimate_table(const struct xvm_input *input, const struct rzc_estimate *estimates,
			size_t count);

void rzc_estimate_json_add(json_t *root, const struct xvm_input *input,
			   const struct rzc_estimate *estimates, size_t count);

#endif
