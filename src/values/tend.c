/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tend.c: upkeep in bounded steps: expired values go, values of the old generation move to the
 * present one, and compaction goes on.
 *
 * Owns the place of the walk. May call index.h, evict.h, worker.h, coding.h. Locking: admin for the
 * whole step; a stripe's lock for a bucket, in which each old value is compressed. O(values).
 */
#include "coding.h"
#include "evict.h"

struct tender {
	struct ramz_values *cache;
	struct rzi_worker *worker;
	struct ramz_values_tend_report report;
	size_t record_bytes; /* of the one for which there was no room */
};

/* The record in worker->in, with the present coding, in an object of its own. */
static int record_renew(struct tender *t, struct rzi_record *record, xv_id *id)
{
	struct ramz_values *cache = t->cache;
	const unsigned char *plain = rzi_worker_decode(cache, t->worker, record);
	unsigned char *at;
	int err;

	if (plain == NULL)
		return -XV_EBADMSG;
	if (plain != t->worker->plain)
		memcpy(t->worker->plain, plain, record->plain_bytes);
	err = rzi_worker_encode(cache, t->worker, record, &at);
	if (err != 0)
		return err;
	t->record_bytes = record->head_bytes + record->form_bytes;
	err = xv_id_malloc(cache->table, t->record_bytes, id);
	if (err != 0)
		return err;
	err = xv_id_write(cache->table, *id, 0, at, t->record_bytes);
	if (err != 0)
		(void)xv_id_free(cache->table, *id);
	return err;
}

/* Move entry i to the present generation. A damaged value is dropped: no call can read it, and its
 * generation could not end. */
static int entry_renew(struct tender *t, struct rzi_stripe *stripe, struct rzi_bucket *bucket,
		       uint32_t i)
{
	struct ramz_values *cache = t->cache;
	xv_id old_id = rzi_entry_id(bucket, i);
	struct rzi_record old, record;
	xv_id id;
	int err = rzi_worker_read(cache, t->worker, old_id, &old);

	if (err != 0 || rzi_record_coding(&old) == atomic_load(&cache->present))
		return err;
	record = old;
	err = record_renew(t, &record, &id);
	if (err == -XV_EBADMSG)
		(void)rzi_value_drop(cache, stripe, bucket, i, &old);
	if (err != 0)
		return err;
	err = rzi_entry_set_id(cache, stripe, bucket, i, id);
	if (err != 0) {
		(void)xv_id_free(cache->table, id);
		return err;
	}
	rzi_tally_subtract(stripe, &old);
	rzi_tally_add(stripe, &record);
	(void)xv_id_free(cache->table, old_id);
	t->report.recompressed++;
	return 0;
}

static int bucket_tend(struct tender *t, struct rzi_stripe *stripe, uint32_t number)
{
	struct rzi_bucket bucket;
	int err = rzi_bucket_load(t->cache, stripe, number, &bucket);

	RZI_ASSERT(rzi_mutex_is_taken(&stripe->lock));
	if (err != 0)
		return err;
	t->report.looked_at += bucket.count;
	t->report.expired += rzi_bucket_expire(t->cache, stripe, &bucket);
	for (uint32_t i = bucket.count; i-- > 0 && err == 0;) {
		if (stripe->tally.coded[CODINGS - 1 - atomic_load(&t->cache->present)] == 0)
			break;
		err = entry_renew(t, stripe, &bucket, i);
	}
	return err;
}

/* The next bucket of the walk. *end: that was the last one. */
static int tend_next(struct tender *t, bool *end)
{
	struct ramz_values *cache = t->cache;
	struct rzi_stripe *stripe = &cache->stripes[cache->tend_stripe];
	bool is_last;
	int err = 0;

	RZI_ASSERT(rzi_mutex_is_taken(&cache->admin) && cache->tend_stripe < STRIPES);
	rzi_stripe_lock(stripe);
	if (cache->tend_bucket < rzi_stripe_buckets(stripe))
		err = bucket_tend(t, stripe, cache->tend_bucket);
	is_last = cache->tend_bucket + 1 >= rzi_stripe_buckets(stripe);
	rzi_stripe_unlock(stripe);
	*end = false;
	if (err == -XV_ENOSPC || err == -XV_ENOMEM)
		return err; /* this bucket again */
	cache->tend_bucket = is_last ? 0 : cache->tend_bucket + 1;
	if (is_last)
		cache->tend_stripe = (cache->tend_stripe + 1) % STRIPES;
	*end = is_last && cache->tend_stripe == 0;
	return err;
}

/* Is there anything that a walk would find? */
static bool tend_pays(struct ramz_values *cache)
{
	uint64_t expiring = 0;

	for (uint32_t i = 0; i < STRIPES && expiring == 0; i++) {
		rzi_stripe_lock(&cache->stripes[i]);
		expiring = cache->stripes[i].tally.expiring;
		rzi_stripe_unlock(&cache->stripes[i]);
	}
	return expiring != 0 || rzi_coding_old_values(cache) != 0;
}

static int tend_walk(struct tender *t, uint32_t values)
{
	struct ramz_values *cache = t->cache;
	uint32_t turn = 0;
	bool end = false;
	int err = 0;

	t->worker = rzi_worker_take(cache);
	while (t->report.looked_at < values && !end && err == 0) {
		err = tend_next(t, &end);
		if ((err == -XV_ENOSPC || err == -XV_ENOMEM) &&
		    rzi_evict_for(cache, t->record_bytes, turn++))
			err = 0;
		else if (err == 0)
			turn = 0;
	}
	rzi_worker_give(t->worker);
	t->report.more = !end;
	return err;
}

int ramz_values_tend(struct ramz_values *cache, uint32_t values,
		     struct ramz_values_tend_report *report)
{
	struct tender t = {.cache = cache};
	int err = 0;

	if (cache == NULL || values == 0)
		return -XV_EINVAL;
	(void)pthread_mutex_lock(&cache->admin);
	if (tend_pays(cache))
		err = tend_walk(&t, values);
	atomic_fetch_add(&cache->recompressed, t.report.recompressed);
	if (!rzi_coding_reap_old(cache))
		t.report.more = true;
	(void)pthread_mutex_unlock(&cache->admin);
	if (rzi_compact_step(cache))
		t.report.more = true;
	if (report != NULL && err == 0)
		*report = t.report;
	return err;
}
