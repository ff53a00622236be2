/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * index.h: from a word to the ids of the records that may have it.
 *
 * Owns the buckets of the stripes. May call the handle table and memory.h. Locking: the caller has
 * the stripe's lock. O(entries of a bucket): 32 on average. A new bucket now and then copies the
 * stripe's directory, O(values of the stripe / 32) for every 16 or more buckets.
 */
#ifndef RZI_VALUES_INDEX_H
#define RZI_VALUES_INDEX_H

#include "values_impl.h"

/* One bucket, read from its object. */
struct rzi_bucket {
	uint32_t number;
	uint32_t count;
	unsigned char entries[BUCKET_BYTES_MAX];
};

static inline uint32_t rzi_stripe_buckets(const struct rzi_stripe *stripe)
{
	return stripe->buckets != NULL ? (1U << stripe->level) + stripe->split : 0;
}

static inline xv_id rzi_entry_id(const struct rzi_bucket *bucket, uint32_t i)
{
	xv_id id;

	memcpy(&id, bucket->entries + (size_t)i * ENTRY_BYTES, sizeof(id));
	return id;
}

/* The word, and ENTRY_READ. */
static inline uint32_t rzi_entry_word(const struct rzi_bucket *bucket, uint32_t i)
{
	const unsigned char *at = bucket->entries + (size_t)i * ENTRY_BYTES + ENTRY_ID_BYTES;

	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
}

/* The bucket of a word in a stripe that has buckets. */
uint32_t rzi_stripe_bucket(const struct rzi_stripe *stripe, uint32_t word);

/* Read bucket number `number`. Returns 0 or -XV_EBADMSG. */
int rzi_bucket_load(struct ramz_values *cache, const struct rzi_stripe *stripe, uint32_t number,
		    struct rzi_bucket *bucket);

/* Put a new id into entry i of a loaded bucket, or set or clear ENTRY_READ; in both, the object and
 * the copy. Returns 0 or -XV_EBADMSG. */
int rzi_entry_set_id(struct ramz_values *cache, struct rzi_stripe *stripe,
		     struct rzi_bucket *bucket, uint32_t i, xv_id id);
int rzi_entry_set_read(struct ramz_values *cache, struct rzi_stripe *stripe,
		       struct rzi_bucket *bucket, uint32_t i, bool read);

/* Take entry i out of a loaded bucket; the last one moves to its place. The record stays. Returns 0
 * or -XV_EBADMSG. */
int rzi_entry_remove(struct ramz_values *cache, struct rzi_stripe *stripe,
		     struct rzi_bucket *bucket, uint32_t i);

/* Add an entry. Returns 0, -XV_ENOMEM, -XV_ENOSPC or -XV_EBADMSG; nothing has changed then. */
int rzi_stripe_add(struct ramz_values *cache, struct rzi_stripe *stripe, uint32_t word, xv_id id);

/* Free the directory. The buckets go with the handle table. */
void rzi_stripe_fini(struct ramz_values *cache, struct rzi_stripe *stripe);

/* Bytes of a stripe's directory. */
size_t rzi_stripe_directory_bytes(const struct rzi_stripe *stripe);

#endif
