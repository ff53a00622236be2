/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * values_impl.h: the cache of values inside: its words, layouts and invariants. Read this first.
 *
 *   record    the object of one value: a header, then the form (record.h)
 *   plain     a key and its value behind it: what is compressed
 *   form      the plain bytes, compressed, or as they are (raw)
 *   coding    the codec, with a dictionary or without one. There are two places for codings: one
 *             has the present generation, the other the one before, or nothing
 *   stripe    a 64th of the keys, by the highest 6 bits of the hash, with a lock
 *   word      the lowest 23 bits of the hash
 *   bucket    an object with the entries of one part of a stripe's words, in no order
 *   entry     7 bytes: the record's id, then 24 bits: the word, and whether the value was read
 *             since the hand last passed
 *   worker    what a thread has during a call: buffers and the codec's contexts
 *   hand      where eviction goes on
 *
 * The index is linear hashing (W. Litwin, VLDB 1980) in each stripe: with 2^level + split buckets,
 * the lowest level bits of a word choose the bucket, or level + 1 bits in the first `split` ones.
 * A bucket splits for every 32 values that are added. Entries have the whole word, so nothing else
 * is read then. Buckets are objects of the handle table, and grow and shrink by 8 entries. (By one
 * entry, the holes that they leave take 6 bytes more a value: bench/values.sh.)
 *
 * Locks, in this order: admin, a stripe's, the account's (memory.h), those of the handle table. A
 * thread takes one stripe's lock at a time. Who waits for a worker has no stripe's lock, and has no
 * worker. Who has a worker does not wait for admin.
 *
 * Life of a coding. A thread takes a worker, and only then looks which coding is the present one.
 * Whoever frees a coding (under admin) first waits, worker by worker, until each was free once.
 * From then on no thread writes values of another coding than the present one. Are there no values
 * of the old coding left then, none can appear, and nobody uses its contexts.
 *
 * Invariants (ramz_values_check finds what breaks them):
 *   - each entry's id is a live object of the handle table, with a record whose key has the
 *     stripe and the word of the entry, and the word belongs to the bucket
 *   - no key has two entries
 *   - a stripe's tally is the sum over its records
 *   - a record's coding is live, and each worker has a context for each live coding
 */
#ifndef RZI_VALUES_IMPL_H
#define RZI_VALUES_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <ramz/values.h>

#include "dictionary.h"
#include "memory.h"
#include "platform.h"

enum {
	STRIPE_BITS = 6,
	STRIPES = 1 << STRIPE_BITS,
	WORD_BITS = 23,
	WORD_MASK = (1 << WORD_BITS) - 1,
	ENTRY_READ = 1 << WORD_BITS, /* beside the word */
	ENTRY_BYTES = 7,
	ENTRY_ID_BYTES = 4,
	BUCKET_AVERAGE = 32,
	BUCKET_MAX = 255, /* entries; counts are bytes */
	BUCKET_BYTES_MAX = (BUCKET_MAX + 1) * ENTRY_BYTES, /* of its object */
	CODINGS = 2,
	WORKERS_MAX = 64,
	WORKERS_LIMIT_SHARE = 8, /* workers beside the first take at most this part of the limit */
};

struct rzi_record;

/* Sums over the records of a stripe. */
struct rzi_tally {
	uint64_t plain_bytes;
	uint64_t record_bytes;
	uint32_t values;
	uint32_t expiring;
	uint32_t raw;
	uint32_t coded[CODINGS]; /* raw ones have the coding that was tried */
};

struct rzi_stripe {
	pthread_mutex_t lock;
	xv_id *buckets;  /* objects of the buckets; XV_NULL_ID = empty. NULL = no bucket yet */
	uint8_t *counts; /* of entries, behind the ids in the same memory */
	uint32_t room;   /* buckets that the two have room for */
	uint32_t level;
	uint32_t split;
	uint32_t hand_bucket;
	uint32_t hand_entry;
	uint32_t sweep_bucket; /* where a write looks for expired values */
	uint32_t sets_until_sweep;
	struct rzi_tally tally;
	uint64_t evicted; /* ever, count */
	uint64_t expired;
};

struct rzi_values_coding {
	struct rzi_dictionary *dictionary; /* NULL = none */
	bool live;
};

/* A codec's context for one coding. */
struct rzi_worker_context {
	void *context; /* NULL = none: the coding is not live */
	size_t bytes;  /* charged */
};

struct rzi_worker {
	_Atomic bool taken;
	struct rzi_worker_context coding[CODINGS];
	unsigned char *plain;  /* a key and a value */
	unsigned char *in;     /* a record that was read */
	unsigned char *out;    /* a record that is made */
	_Atomic uint64_t hits; /* written by the taker alone */
	_Atomic uint64_t misses;
};

struct ramz_values {
	/* Constants after creation. */
	struct xv_provider *provider;
	bool owns_provider;
	struct xv_handle_table *table;
	const struct ramz_codec *codec; /* NULL = nothing is compressed */
	int32_t level;
	size_t value_max;
	size_t plain_max;
	uint64_t seed;
	uint64_t (*now_ms)(void *context);
	void *clock_context;
	uint64_t began_ms;

	struct rzi_memory memory;
	struct rzi_stripe *stripes; /* STRIPES of them */
	_Atomic uint32_t hand;      /* the stripe to evict from next */
	_Atomic uint32_t frees;     /* since the last look whether to compact */

	pthread_mutex_t admin; /* codings, new workers, the place of tend */
	struct rzi_values_coding coding[CODINGS];
	_Atomic uint32_t present; /* the coding of new records */
	uint64_t generation;
	uint32_t tend_stripe;
	uint32_t tend_bucket;
	_Atomic uint64_t recompressed;
	_Atomic(struct rzi_worker *) worker[WORKERS_MAX];
	_Atomic uint32_t workers;
	_Atomic uint64_t worker_bytes;
};

/* The hash of a key, and its parts. */
uint64_t rzi_values_hash(const struct ramz_values *cache, const void *key, size_t key_bytes);

static inline struct rzi_stripe *rzi_hash_stripe(const struct ramz_values *cache, uint64_t hash)
{
	return &cache->stripes[hash >> (64 - STRIPE_BITS)];
}

static inline uint32_t rzi_hash_word(uint64_t hash)
{
	return (uint32_t)hash & WORD_MASK;
}

static inline void rzi_stripe_lock(struct rzi_stripe *stripe)
{
	(void)pthread_mutex_lock(&stripe->lock);
}

static inline void rzi_stripe_unlock(struct rzi_stripe *stripe)
{
	(void)pthread_mutex_unlock(&stripe->lock);
}

/* Time since the cache was made, in ms. */
uint64_t rzi_values_now(const struct ramz_values *cache);

#endif
