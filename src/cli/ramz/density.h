/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * density.h: what a store takes for the pages of an input: full, and after 90% of it was
 * discarded at random and the rest compacted.
 *
 * Owns the store while it measures. Locking: none. O(pages).
 */
#ifndef RAMZ_CLI_DENSITY_H
#define RAMZ_CLI_DENSITY_H

#include <ramz/ramz.h>

#include "codecs.h"
#include "pages_of.h"

/* Memory of a store at one moment, bytes; the last four are parts of held_bytes. */
struct rzc_footprint {
	uint64_t stored_pages; /* that have an object: compressed and raw */
	uint64_t stored_bytes; /* compressed and raw forms */
	uint64_t held_bytes;
	uint64_t pool_bytes; /* objects, their headers and owner words, free space, tables */
	uint64_t slot_table_bytes;
	uint64_t thread_bytes;
	uint64_t store_bytes;
};

struct rzc_density {
	uint64_t pages; /* written: a sample of the input's where it was too long */
	uint64_t same_filled;
	uint64_t raw;
	uint64_t base_bytes; /* held with the first object: what even a small store takes */
	double write_us;     /* mean of a page, same-filled ones included */
	struct rzc_footprint full;
	struct rzc_footprint sparse; /* after the discards and compaction; 0 when not asked for */
	double compact_ms;
	struct ramz_histogram sizes; /* bytes of the forms */
};

/*
 * Write up to max_pages pages of the input, spread evenly, to a new store with the codec;
 * where `sparse` is asked for, discard 90% of them, drawn from seed, and compact. Returns 0,
 * or XVF_FAILED after saying why.
 */
int rzc_density_measure(const struct rzc_input *input, const struct rzc_codec *codec,
			uint64_t max_pages, bool sparse, uint64_t seed,
			struct rzc_density *density);

/* Held bytes for each byte stored; 0 where nothing is. */
double rzc_density_full(const struct rzc_density *density);

/* The same after discards and compaction, without the slot table, whose range is alive. */
double rzc_density_sparse(const struct rzc_density *density);

/* Bytes of the pages written for each byte of their forms; 0 where there are none. */
double rzc_density_ratio(const struct rzc_density *density);

/* Make a store for `pages` pages with this codec, everything else at its default. Returns 0
 * or XVF_FAILED after saying why. */
int rzc_store_make(struct ramz **out, uint64_t pages, const struct rzc_codec *codec);

/* What an error number of the store means. */
const char *rzc_store_error(int err);

/* Put the first `count` numbers into an order drawn from random. */
void rzc_shuffle(uint32_t *numbers, size_t count, struct xvf_random *random);

#endif
