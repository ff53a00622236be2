/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * find.c: from a key to its value; see find.h.
 */
#include "find.h"

#include "evict.h"

void rzi_place_init(const struct ramz_values *cache, struct rzi_place *place, const void *key,
		    size_t key_bytes)
{
	uint64_t hash = rzi_values_hash(cache, key, key_bytes);

	place->key = key;
	place->key_bytes = key_bytes;
	place->stripe = rzi_hash_stripe(cache, hash);
	place->word = rzi_hash_word(hash);
}

/* Load the bucket of the word, if there is one. */
static int place_load(struct ramz_values *cache, struct rzi_place *place)
{
	const struct rzi_stripe *stripe = place->stripe;

	place->bucket.count = 0;
	if (rzi_stripe_buckets(stripe) == 0)
		return 0;
	return rzi_bucket_load(cache, stripe, rzi_stripe_bucket(stripe, place->word),
			       &place->bucket);
}

/* Read the next record with the word, from entry *i on. */
static int place_next(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place,
		      uint32_t *i)
{
	struct rzi_bucket *bucket = &place->bucket;

	RZI_ASSERT(rzi_mutex_is_taken(&place->stripe->lock));
	while (*i < bucket->count) {
		int err = 0;

		if ((rzi_entry_word(bucket, *i) & WORD_MASK) != place->word) {
			++*i;
			continue;
		}
		err = rzi_worker_read(cache, worker, rzi_entry_id(bucket, *i), &place->record);
		if (err != 0)
			return err;
		if (!rzi_record_has_expired(&place->record, rzi_values_now(cache)))
			return 1;
		err = rzi_value_drop(cache, place->stripe, bucket, *i, &place->record);
		if (err != 0)
			return err;
		place->stripe->expired++;
	}
	return 0;
}

int rzi_find_likely(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place)
{
	int err = place_load(cache, place);

	place->entry = 0;
	return err != 0 ? err : place_next(cache, worker, place, &place->entry);
}

int rzi_place_verify(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place)
{
	place->plain = rzi_worker_decode(cache, worker, &place->record);
	if (place->plain == NULL)
		return -XV_EBADMSG;
	return place->record.key_bytes == place->key_bytes &&
	       memcmp(place->plain, place->key, place->key_bytes) == 0;
}

int rzi_find(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place)
{
	int found = rzi_find_likely(cache, worker, place);

	while (found == 1) {
		found = rzi_place_verify(cache, worker, place);
		if (found != 0)
			break;
		place->entry++;
		found = place_next(cache, worker, place, &place->entry);
	}
	return found;
}
