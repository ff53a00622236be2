/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * evict.h: values that leave the cache, and the room that they make.
 *
 * Owns the hand and the tallies. May call index.h, record.h, memory.h, the handle table. Locking:
 * as said below. A step of the hand is O(4 buckets), about 128 entries.
 */
#ifndef RZI_VALUES_EVICT_H
#define RZI_VALUES_EVICT_H

#include "index.h"
#include "record.h"

/* ---- under the stripe's lock ---- */

/* A record comes or goes. */
void rzi_tally_add(struct rzi_stripe *stripe, const struct rzi_record *record);
void rzi_tally_subtract(struct rzi_stripe *stripe, const struct rzi_record *record);

/* Read the header of a record. False when it is damaged. */
bool rzi_record_load(struct ramz_values *cache, xv_id id, struct rzi_record *record);

/* Take entry i out of the bucket and free its record, whose header is `record`. Returns 0 or
 * -XV_EBADMSG. */
int rzi_value_drop(struct ramz_values *cache, struct rzi_stripe *stripe, struct rzi_bucket *bucket,
		   uint32_t i, const struct rzi_record *record);

/* Drop the values of a loaded bucket that have expired. Returns their number. */
uint32_t rzi_bucket_expire(struct ramz_values *cache, struct rzi_stripe *stripe,
			   struct rzi_bucket *bucket);

/* A value was set: every 16th time look for expired ones in the next bucket. */
void rzi_stripe_sweep(struct ramz_values *cache, struct rzi_stripe *stripe);

/* ---- with no stripe's lock ---- */

/* Make room for an object of some bytes, for which there was none; turn counts the attempts from 0.
 * Evicts more at each turn, and compacts from the third on. False: there is nothing left to do. */
bool rzi_evict_for(struct ramz_values *cache, size_t bytes, uint32_t turn);

/* Charge bytes to the account; evict and compact when they do not fit. False: they do not fit. */
bool rzi_evict_charge(struct ramz_values *cache, size_t bytes);

/* Evict until no more is held than the limit allows. Returns 0 or -XV_ENOSPC. */
int rzi_evict_to_limit(struct ramz_values *cache);

/* A call has freed something: now and then do a step of compaction. */
void rzi_compact_at_times(struct ramz_values *cache);

/* Do one step of compaction if it pays in upkeep. True: there is more to do. */
bool rzi_compact_step(struct ramz_values *cache);

uint64_t rzi_values_held(const struct ramz_values *cache);

#endif
