/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate.h: what ramz estimate tells. Locking: none.
 */
#ifndef RAMZ_CLI_ESTIMATE_H
#define RAMZ_CLI_ESTIMATE_H

#include <ramz/ramz.h>

#include "codecs.h"
#include "json.h"

/* Classes of compressed sizes: sixteenths of a page. */
#define RZC_SIZE_CLASSES 16U

/* What a store said of the pages that were written to it in one form. */
struct rzc_density {
	uint64_t pages; /* a sample of the input's where it was too long */
	uint64_t same_filled, raw;
	uint64_t base_bytes;   /* what even a small store takes: all but the pool and the slots, and
				* those with the first object */
	uint64_t stored_bytes; /* compressed and raw forms */
	uint64_t held_bytes;   /* everything that the store holds, compacted */
	uint64_t dictionary_bytes; /* of the dictionary, without what is made from it; 0 = none */
	double write_us; /* mean of a page with an object: to write it, or to put it into a tier */
	double read_us;
	uint64_t classes[RZC_SIZE_CLASSES]; /* compressed pages by the length of the form */
};

/* One form on one input. Bytes are of the whole input, scaled up from the pages seen. */
struct rzc_estimate {
	const char *form; /* hot, warm, cold: of tier 0, 1, 2 */
	const struct xvm_codec *codec;
	struct rzc_density density;
	double original_bytes;
	double compressed_bytes;        /* forms alone */
	double held_bytes;              /* what a store would hold */
	double saved;                   /* of the original bytes, 0 to 1; below 0: it would cost */
	double share[RZC_SIZE_CLASSES]; /* of all pages, 0 to 1: stored compressed, by size */
	double raw_share;
	double same_filled_share;
};

/* The rest of an estimate, from its density and the input. */
void rzc_estimate_make(struct rzc_estimate *estimate, const struct xvm_input *input);

void rzc_estimate_table(const struct xvm_input *input, const struct rzc_estimate *estimates,
			size_t count);

/* Add an input and its estimates to the arrays "inputs" and "results" of a document. */
void rzc_estimate_json(json_t *root, const struct xvm_input *input,
		       const struct rzc_estimate *estimates, size_t count);

#endif
