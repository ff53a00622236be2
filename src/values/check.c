/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * check.c: proves the invariants of values_impl.h.
 *
 * Owns nothing. May call find.h, evict.h, the handle table's check. Locking: none is needed, no
 * other call runs. O(values + pages).
 */
#include "evict.h"
#include "find.h"

/* What is wrong with an entry, or NULL. Its record is added to the sums of `sum`. */
static const char *entry_check(struct ramz_values *cache, struct rzi_worker *worker,
			       struct rzi_stripe *stripe, const struct rzi_bucket *bucket,
			       uint32_t i, struct rzi_stripe *sum)
{
	uint32_t word = rzi_entry_word(bucket, i) & WORD_MASK;
	struct rzi_record record;
	const unsigned char *plain;
	uint64_t hash;

	if (rzi_stripe_bucket(stripe, word) != bucket->number)
		return "an entry of the index is in the wrong bucket";
	if (rzi_worker_read(cache, worker, rzi_entry_id(bucket, i), &record) != 0)
		return "an entry of the index leads to no record";
	if (!cache->coding[rzi_record_coding(&record)].live)
		return "a record has a coding that is gone";
	plain = rzi_worker_decode(cache, worker, &record);
	if (plain == NULL)
		return "a value cannot be decompressed";
	hash = rzi_values_hash(cache, plain, record.key_bytes);
	if (rzi_hash_stripe(cache, hash) != stripe || rzi_hash_word(hash) != word)
		return "a key is not where its hash leads";
	rzi_tally_add(sum, &record);
	return NULL;
}

/* Do two entries have one key? Only keys of one word need a look. */
static const char *bucket_check_keys(struct ramz_values *cache, struct rzi_worker *worker,
				     const struct rzi_bucket *bucket, uint32_t i)
{
	unsigned char key[RAMZ_VALUES_KEY_MAX];
	struct rzi_record record;
	const unsigned char *plain;
	uint32_t key_bytes;

	if (rzi_worker_read(cache, worker, rzi_entry_id(bucket, i), &record) != 0)
		return "an entry of the index leads to no record";
	plain = rzi_worker_decode(cache, worker, &record);
	key_bytes = record.key_bytes;
	if (plain == NULL || key_bytes > sizeof(key))
		return "a value cannot be decompressed";
	memcpy(key, plain, key_bytes);
	for (uint32_t j = 0; j < i; j++) {
		if (((rzi_entry_word(bucket, i) ^ rzi_entry_word(bucket, j)) & WORD_MASK) != 0 ||
		    rzi_worker_read(cache, worker, rzi_entry_id(bucket, j), &record) != 0)
			continue;
		plain = rzi_worker_decode(cache, worker, &record);
		if (plain != NULL && record.key_bytes == key_bytes &&
		    memcmp(plain, key, key_bytes) == 0)
			return "a key has two values";
	}
	return NULL;
}

static const char *stripe_check(struct ramz_values *cache, struct rzi_worker *worker,
				struct rzi_stripe *stripe)
{
	struct rzi_stripe sum = {.tally = {.values = 0}};
	struct rzi_bucket bucket;
	const char *wrong = NULL;

	for (uint32_t i = 0; i < rzi_stripe_buckets(stripe) && wrong == NULL; i++) {
		if (rzi_bucket_load(cache, stripe, i, &bucket) != 0)
			return "a bucket of the index cannot be read";
		for (uint32_t j = 0; j < bucket.count && wrong == NULL; j++) {
			wrong = entry_check(cache, worker, stripe, &bucket, j, &sum);
			if (wrong == NULL)
				wrong = bucket_check_keys(cache, worker, &bucket, j);
		}
	}
	if (wrong == NULL && memcmp(&sum.tally, &stripe->tally, sizeof(sum.tally)) != 0)
		wrong = "the sums of a stripe are wrong";
	return wrong;
}

int ramz_values_check(struct ramz_values *cache, const char **message)
{
	struct xv_check_report report = {.message = ""};
	const char *wrong = NULL;
	struct rzi_worker *worker;

	if (cache == NULL)
		return -XV_EINVAL;
	if (xv_handle_table_check(cache->table, XV_CHECK_DEEP, &report) != 0)
		wrong = report.message;
	worker = rzi_worker_take(cache);
	for (uint32_t i = 0; i < STRIPES && wrong == NULL; i++)
		wrong = stripe_check(cache, worker, &cache->stripes[i]);
	rzi_worker_give(worker);
	if (message != NULL)
		*message = wrong != NULL ? wrong : "";
	return wrong == NULL ? 0 : -XV_EBADMSG;
}
