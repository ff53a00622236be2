/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * find.h: from a key to its value.
 *
 * Owns nothing. May call index.h, worker.h, evict.h. Locking: the caller has the stripe's lock and
 * a worker. O(entries of a bucket), and a decompression for each entry with the word of the key.
 */
#ifndef RZI_VALUES_FIND_H
#define RZI_VALUES_FIND_H

#include "index.h"
#include "worker.h"

/* A key, and where its value is. */
struct rzi_place {
	const void *key;
	size_t key_bytes;
	struct rzi_stripe *stripe;
	uint32_t word;
	/* Of the value that was found: */
	struct rzi_bucket bucket;
	uint32_t entry;
	struct rzi_record record;
	const unsigned char *plain; /* in the worker */
};

void rzi_place_init(const struct ramz_values *cache, struct rzi_place *place, const void *key,
		    size_t key_bytes);

/*
 * Read the first record that may be the key's into worker->in, without looking at its key. Drops
 * values that have expired. Returns 1, 0 when there is none, or an error.
 */
int rzi_find_likely(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place);

/* Find the key's record, and decompress it. Returns 1, 0 when there is none, or an error. */
int rzi_find(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place);

/* Decompress the record in worker->in. Returns 1 when it is the key's, 0 when it is another's, or
 * -XV_EBADMSG. Needs no lock. */
int rzi_place_verify(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place);

#endif
