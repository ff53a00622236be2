/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * evict.c: eviction, expiry and compaction; see evict.h.
 */
#include "evict.h"

enum {
	HAND_BUCKETS = 4,  /* that a step of the hand looks at */
	EVICT_SLACK = 256, /* evicted beyond what is needed: a smaller hole may not fit */
	TURNS_MAX = 16,    /* the last one evicts 65,536 times the need */
	TURNS_COMPACT = 2, /* from this turn on compact, too */
	SETS_UNTIL_SWEEP = 16,
	FREES_UNTIL_COMPACT = 32,
	COMPACT_STEP = 32 << 10,
};

/* Compaction pays when it gives back this part of what is held: by the way, and in
 * ramz_values_tend, which nobody waits for. */
enum { COMPACT_SHARE = 8, COMPACT_SHARE_TEND = 64 };

#define COMPACT_LEAST ((uint64_t)64 << 10)

/* ---- records that come and go ---- */

void rzi_tally_add(struct rzi_stripe *stripe, const struct rzi_record *record)
{
	struct rzi_tally *tally = &stripe->tally;

	tally->values++;
	tally->plain_bytes += record->plain_bytes;
	tally->record_bytes += record->head_bytes + record->form_bytes;
	tally->expiring += (record->flags & RECORD_EXPIRES) != 0;
	tally->raw += rzi_record_is_raw(record);
	tally->coded[rzi_record_coding(record)]++;
}

void rzi_tally_subtract(struct rzi_stripe *stripe, const struct rzi_record *record)
{
	struct rzi_tally *tally = &stripe->tally;

	RZI_ASSERT(tally->values != 0 && tally->coded[rzi_record_coding(record)] != 0);
	RZI_ASSERT(tally->plain_bytes >= record->plain_bytes);
	RZI_ASSERT(tally->record_bytes >= record->head_bytes + record->form_bytes);
	tally->values--;
	tally->plain_bytes -= record->plain_bytes;
	tally->record_bytes -= record->head_bytes + record->form_bytes;
	tally->expiring -= (record->flags & RECORD_EXPIRES) != 0;
	tally->raw -= rzi_record_is_raw(record);
	tally->coded[rzi_record_coding(record)]--;
}

bool rzi_record_load(struct ramz_values *cache, xv_id id, struct rzi_record *record)
{
	unsigned char head[RECORD_HEAD_MAX];
	int size = xv_id_size(cache->table, id);
	size_t bytes = size < RECORD_HEAD_MAX ? (size_t)size : RECORD_HEAD_MAX;

	return size > 0 && xv_id_read(cache->table, id, 0, head, bytes) == 0 &&
	       rzi_record_parse(record, head, bytes, (size_t)size);
}

int rzi_value_drop(struct ramz_values *cache, struct rzi_stripe *stripe, struct rzi_bucket *bucket,
		   uint32_t i, const struct rzi_record *record)
{
	xv_id id = rzi_entry_id(bucket, i);
	int err = rzi_entry_remove(cache, stripe, bucket, i);

	if (err != 0)
		return err;
	rzi_tally_subtract(stripe, record);
	(void)xv_id_free(cache->table, id);
	atomic_fetch_add_explicit(&cache->frees, 1, memory_order_relaxed);
	return 0;
}

/* ---- expiry ---- */

uint32_t rzi_bucket_expire(struct ramz_values *cache, struct rzi_stripe *stripe,
			   struct rzi_bucket *bucket)
{
	uint64_t now_ms = rzi_values_now(cache);
	struct rzi_record record;
	uint32_t dropped = 0;

	for (uint32_t i = bucket->count; i-- > 0 && stripe->tally.expiring != 0;) {
		if (rzi_record_load(cache, rzi_entry_id(bucket, i), &record) &&
		    rzi_record_has_expired(&record, now_ms) &&
		    rzi_value_drop(cache, stripe, bucket, i, &record) == 0)
			dropped++;
	}
	stripe->expired += dropped;
	return dropped;
}

void rzi_stripe_sweep(struct ramz_values *cache, struct rzi_stripe *stripe)
{
	struct rzi_bucket bucket;

	if (stripe->tally.expiring == 0 || ++stripe->sets_until_sweep < SETS_UNTIL_SWEEP)
		return;
	stripe->sets_until_sweep = 0;
	if (stripe->sweep_bucket >= rzi_stripe_buckets(stripe))
		stripe->sweep_bucket = 0;
	if (rzi_bucket_load(cache, stripe, stripe->sweep_bucket++, &bucket) == 0)
		(void)rzi_bucket_expire(cache, stripe, &bucket);
}

/* ---- the hand ---- */

/* The hand passes over entries of a bucket until it has freed `want` bytes. Returns the bytes. */
static uint64_t bucket_evict(struct ramz_values *cache, struct rzi_stripe *stripe,
			     struct rzi_bucket *bucket, uint64_t want, bool all)
{
	struct rzi_record record;
	uint64_t freed = 0;
	uint32_t i = stripe->hand_entry;

	RZI_ASSERT(rzi_mutex_is_taken(&stripe->lock));
	while (i < bucket->count && freed < want) {
		if (!all && (rzi_entry_word(bucket, i) & ENTRY_READ) != 0) {
			(void)rzi_entry_set_read(cache, stripe, bucket, i, false);
			i++;
		} else if (rzi_record_load(cache, rzi_entry_id(bucket, i), &record) &&
			   rzi_value_drop(cache, stripe, bucket, i, &record) == 0) {
			freed += record.head_bytes + record.form_bytes;
			stripe->evicted++;
		} else {
			i++; /* damaged */
		}
	}
	stripe->hand_entry = i;
	return freed;
}

/* A step of the hand. With `all`, values that were read go as well. */
static uint64_t stripe_evict(struct ramz_values *cache, struct rzi_stripe *stripe, uint64_t want,
			     bool all)
{
	uint32_t buckets = rzi_stripe_buckets(stripe);
	struct rzi_bucket bucket;
	uint64_t freed = 0;

	for (uint32_t looked = 0; looked < HAND_BUCKETS && freed < want && buckets != 0;) {
		if (stripe->hand_bucket >= buckets)
			stripe->hand_bucket = 0;
		if (rzi_bucket_load(cache, stripe, stripe->hand_bucket, &bucket) != 0)
			bucket.count = 0;
		freed += bucket_evict(cache, stripe, &bucket, want - freed, all);
		if (stripe->hand_entry >= bucket.count) {
			stripe->hand_bucket++;
			stripe->hand_entry = 0;
			looked++;
		}
	}
	return freed;
}

/* Evict about `want` bytes. All stripes have their turns. Returns the bytes. */
static uint64_t evict(struct ramz_values *cache, uint64_t want)
{
	uint64_t freed = 0;
	uint64_t before;

	do {
		before = freed;
		for (uint32_t i = 0; i < STRIPES && freed < want; i++) {
			uint32_t at = atomic_fetch_add(&cache->hand, 1) % STRIPES;
			struct rzi_stripe *stripe = &cache->stripes[at];
			uint64_t got;

			rzi_stripe_lock(stripe);
			got = stripe_evict(cache, stripe, want - freed, false);
			if (got == 0)
				got = stripe_evict(cache, stripe, 1, true);
			rzi_stripe_unlock(stripe);
			freed += got;
		}
	} while (freed < want && freed != before);
	return freed;
}

/* ---- compaction ---- */

static bool compact_step(struct ramz_values *cache, uint32_t share)
{
	struct xv_compact_report report = {.more = false};
	uint64_t gain = xv_compactable(xv_handle_table_pool(cache->table));

	if (gain < COMPACT_LEAST || gain < rzi_values_held(cache) / share)
		return false;
	return xv_handle_table_compact(cache->table, COMPACT_STEP, &report) == 0 && report.more;
}

void rzi_compact_at_times(struct ramz_values *cache)
{
	if (atomic_load_explicit(&cache->frees, memory_order_relaxed) < FREES_UNTIL_COMPACT)
		return;
	atomic_store_explicit(&cache->frees, 0, memory_order_relaxed);
	(void)compact_step(cache, COMPACT_SHARE);
}

bool rzi_compact_step(struct ramz_values *cache)
{
	return compact_step(cache, COMPACT_SHARE_TEND);
}

/* One whole cycle. Returns the bytes by which the objects hold less. */
static uint64_t compact_all(struct ramz_values *cache)
{
	uint64_t before = rzi_values_held(cache);
	struct xv_compact_report report;
	uint64_t after;

	do {
		if (xv_handle_table_compact(cache->table, COMPACT_STEP, &report) != 0)
			break;
	} while (report.more);
	(void)xv_pool_trim(xv_handle_table_pool(cache->table));
	after = rzi_values_held(cache);
	return before > after ? before - after : 0;
}

/* ---- room ---- */

uint64_t rzi_values_held(const struct ramz_values *cache)
{
	struct xv_handle_table_stats stats;

	xv_handle_table_get_stats(cache->table, &stats);
	return stats.held_bytes + atomic_load(&cache->memory.bytes);
}

bool rzi_evict_for(struct ramz_values *cache, size_t bytes, uint32_t turn)
{
	uint64_t freed, gained = 0;

	if (turn >= TURNS_MAX)
		return false;
	freed = evict(cache, ((uint64_t)bytes + EVICT_SLACK) << turn);
	if (turn >= TURNS_COMPACT)
		gained = compact_all(cache);
	return freed + gained != 0;
}

bool rzi_evict_charge(struct ramz_values *cache, size_t bytes)
{
	uint32_t turn = TURNS_COMPACT;

	while (!rzi_memory_charge(&cache->memory, bytes, false)) {
		if (!rzi_evict_for(cache, bytes, turn++))
			return false;
	}
	return true;
}

int rzi_evict_to_limit(struct ramz_values *cache)
{
	uint64_t limit = cache->memory.hard_limit_bytes;
	uint64_t held = rzi_values_held(cache);

	while (limit != 0 && held > limit) {
		uint64_t want = held - limit;
		uint64_t freed;

		/* Headers, holes and tables go with the values: half is enough for a while. */
		if (want > COMPACT_LEAST)
			want /= 2;
		freed = evict(cache, want);

		if (compact_all(cache) + freed == 0)
			return -XV_ENOSPC;
		held = rzi_values_held(cache);
	}
	return 0;
}
