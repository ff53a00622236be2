/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * values.c: the calls on one key.
 *
 * Owns nothing. May call find.h, evict.h, worker.h. Locking: each takes a worker, and then the lock
 * of the key's stripe; a get decompresses, and a set compresses, without the lock. O(key + value).
 */
#include "evict.h"
#include "find.h"
#include "worker.h"

/* ---- get ---- */

static void count(_Atomic uint64_t *counter)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, before + 1, memory_order_relaxed);
}

/* The value was read: the hand passes over it once. */
static int place_touch(struct ramz_values *cache, struct rzi_place *place)
{
	if ((rzi_entry_word(&place->bucket, place->entry) & ENTRY_READ) != 0)
		return 0;
	return rzi_entry_set_read(cache, place->stripe, &place->bucket, place->entry, true);
}

/* Find by rzi_find or rzi_find_likely. The record is copied under the lock, and decompressed
 * without. */
static int get_by(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place,
		  int (*find)(struct ramz_values *, struct rzi_worker *, struct rzi_place *))
{
	int found, err = 0;

	rzi_stripe_lock(place->stripe);
	found = find(cache, worker, place);
	if (found == 1)
		err = place_touch(cache, place);
	rzi_stripe_unlock(place->stripe);
	return err != 0 ? err : found;
}

static int get_copy(const struct rzi_place *place, void *buffer, size_t room, size_t *value_bytes)
{
	size_t bytes = place->record.plain_bytes - place->record.key_bytes;

	*value_bytes = bytes;
	if (bytes > room)
		return -XV_ERANGE;
	if (bytes != 0)
		memcpy(buffer, place->plain + place->record.key_bytes, bytes);
	return 1;
}

int ramz_values_get(struct ramz_values *cache, const void *key, size_t key_bytes, void *buffer,
		    size_t room, size_t *value_bytes)
{
	struct rzi_worker *worker;
	struct rzi_place place;
	int found;

	if (cache == NULL || key == NULL || key_bytes == 0 || value_bytes == NULL ||
	    (buffer == NULL && room != 0))
		return -XV_EINVAL;
	if (key_bytes > RAMZ_VALUES_KEY_MAX)
		return 0;
	rzi_place_init(cache, &place, key, key_bytes);
	worker = rzi_worker_take(cache);
	/* Usually the first record with the word is the key's. */
	found = get_by(cache, worker, &place, rzi_find_likely);
	if (found == 1) {
		found = rzi_place_verify(cache, worker, &place);
		if (found == 0) /* another key's */
			found = get_by(cache, worker, &place, rzi_find);
	}
	if (found >= 0)
		count(found == 1 ? &worker->hits : &worker->misses);
	if (found == 1)
		found = get_copy(&place, buffer, room, value_bytes);
	rzi_worker_give(worker);
	return found;
}

/* ---- set and expire ---- */

/* A time to live, as a record has it. */
static int record_expires(const struct ramz_values *cache, uint64_t ttl_ms,
			  struct rzi_record *record)
{
	record->flags &= ~(uint32_t)RECORD_EXPIRES;
	if (ttl_ms == RAMZ_VALUES_FOREVER)
		return 0;
	if (ttl_ms > RAMZ_VALUES_TTL_MAX)
		return -XV_ERANGE;
	record->flags |= RECORD_EXPIRES;
	record->expires_ms = rzi_values_now(cache) + ttl_ms;
	return record->expires_ms <= RECORD_TIME_MAX ? 0 : -XV_ERANGE;
}

/* Make the object of a record. */
static int record_store(struct ramz_values *cache, const struct rzi_record *record,
			const unsigned char *at, xv_id *id)
{
	size_t bytes = record->head_bytes + record->form_bytes;
	int err = xv_id_malloc(cache->table, bytes, id);

	if (err != 0)
		return err;
	err = xv_id_write(cache->table, *id, 0, at, bytes);
	if (err != 0)
		(void)xv_id_free(cache->table, *id);
	return err;
}

/* Replace the record that was found. */
static int place_replace(struct ramz_values *cache, struct rzi_place *place,
			 const struct rzi_record *record, const unsigned char *at)
{
	xv_id old = rzi_entry_id(&place->bucket, place->entry);
	xv_id id;
	int err = record_store(cache, record, at, &id);

	if (err != 0)
		return err;
	err = rzi_entry_set_id(cache, place->stripe, &place->bucket, place->entry, id);
	if (err != 0) {
		(void)xv_id_free(cache->table, id);
		return err;
	}
	rzi_tally_subtract(place->stripe, &place->record);
	rzi_tally_add(place->stripe, record);
	(void)xv_id_free(cache->table, old);
	atomic_fetch_add_explicit(&cache->frees, 1, memory_order_relaxed);
	return 0;
}

static int place_add(struct ramz_values *cache, struct rzi_place *place,
		     const struct rzi_record *record, const unsigned char *at)
{
	xv_id id;
	int err = record_store(cache, record, at, &id);

	if (err != 0)
		return err;
	err = rzi_stripe_add(cache, place->stripe, place->word, id);
	if (err == 0)
		rzi_tally_add(place->stripe, record);
	else
		(void)xv_id_free(cache->table, id);
	return err;
}

/* Errors that room can mend. */
static bool needs_room(int err)
{
	return err == -XV_ENOSPC || err == -XV_ENOMEM;
}

/* Put a record in worker->out in its place, and make room for it if need be. */
static int set_record(struct ramz_values *cache, struct rzi_worker *worker, struct rzi_place *place,
		      const struct rzi_record *record, const unsigned char *at)
{
	size_t bytes = record->head_bytes + record->form_bytes;
	int err;

	for (uint32_t turn = 0;; turn++) {
		rzi_stripe_lock(place->stripe);
		err = rzi_find(cache, worker, place);
		if (err >= 0)
			err = err == 1 ? place_replace(cache, place, record, at)
				       : place_add(cache, place, record, at);
		if (err == 0)
			rzi_stripe_sweep(cache, place->stripe);
		rzi_stripe_unlock(place->stripe);
		if (!needs_room(err) || !rzi_evict_for(cache, bytes, turn))
			return err;
	}
}

int ramz_values_set(struct ramz_values *cache, const void *key, size_t key_bytes, const void *value,
		    size_t value_bytes, uint64_t ttl_ms)
{
	struct rzi_record record = {.flags = 0};
	struct rzi_worker *worker;
	struct rzi_place place;
	unsigned char *at;
	int err;

	if (cache == NULL || key == NULL || key_bytes == 0 || (value == NULL && value_bytes != 0))
		return -XV_EINVAL;
	if (key_bytes > RAMZ_VALUES_KEY_MAX || value_bytes > cache->value_max)
		return -XV_E2BIG;
	err = record_expires(cache, ttl_ms, &record);
	if (err != 0)
		return err;
	record.key_bytes = (uint32_t)key_bytes;
	record.plain_bytes = (uint32_t)(key_bytes + value_bytes);
	rzi_place_init(cache, &place, key, key_bytes);
	worker = rzi_worker_take(cache);
	memcpy(worker->plain, key, key_bytes);
	if (value_bytes != 0)
		memcpy(worker->plain + key_bytes, value, value_bytes);
	err = rzi_worker_encode(cache, worker, &record, &at);
	if (err == 0)
		err = set_record(cache, worker, &place, &record, at);
	rzi_worker_give(worker);
	rzi_compact_at_times(cache);
	return err;
}

/* The record that was found, with another time. */
static int place_expire(struct ramz_values *cache, struct rzi_worker *worker,
			struct rzi_place *place, uint64_t ttl_ms, size_t *bytes)
{
	const struct rzi_record *old = &place->record;
	struct rzi_record record = *old;
	int err = record_expires(cache, ttl_ms, &record);

	if (err != 0)
		return err;
	*bytes = rzi_record_write(&record, worker->out) + record.form_bytes;
	memcpy(worker->out + record.head_bytes, worker->in + RECORD_ROOM + old->head_bytes,
	       record.form_bytes);
	return place_replace(cache, place, &record, worker->out);
}

int ramz_values_expire(struct ramz_values *cache, const void *key, size_t key_bytes,
		       uint64_t ttl_ms)
{
	struct rzi_worker *worker;
	struct rzi_place place;
	int found, err = 0;

	if (cache == NULL || key == NULL || key_bytes == 0)
		return -XV_EINVAL;
	if (ttl_ms > RAMZ_VALUES_TTL_MAX)
		return -XV_ERANGE;
	if (key_bytes > RAMZ_VALUES_KEY_MAX)
		return 0;
	rzi_place_init(cache, &place, key, key_bytes);
	worker = rzi_worker_take(cache);
	for (uint32_t turn = 0;; turn++) {
		size_t bytes = 0;

		rzi_stripe_lock(place.stripe);
		found = rzi_find(cache, worker, &place);
		if (found == 1)
			err = place_expire(cache, worker, &place, ttl_ms, &bytes);
		rzi_stripe_unlock(place.stripe);
		if (found != 1 || !needs_room(err) || !rzi_evict_for(cache, bytes, turn))
			break;
	}
	rzi_worker_give(worker);
	rzi_compact_at_times(cache);
	return found == 1 && err != 0 ? err : found;
}

/* ---- delete and ttl ---- */

int ramz_values_delete(struct ramz_values *cache, const void *key, size_t key_bytes)
{
	struct rzi_worker *worker;
	struct rzi_place place;
	int found, err = 0;

	if (cache == NULL || key == NULL || key_bytes == 0)
		return -XV_EINVAL;
	if (key_bytes > RAMZ_VALUES_KEY_MAX)
		return 0;
	rzi_place_init(cache, &place, key, key_bytes);
	worker = rzi_worker_take(cache);
	rzi_stripe_lock(place.stripe);
	found = rzi_find(cache, worker, &place);
	if (found == 1)
		err = rzi_value_drop(cache, place.stripe, &place.bucket, place.entry,
				     &place.record);
	rzi_stripe_unlock(place.stripe);
	rzi_worker_give(worker);
	rzi_compact_at_times(cache);
	return err != 0 ? err : found;
}

int ramz_values_ttl(struct ramz_values *cache, const void *key, size_t key_bytes, uint64_t *ttl_ms)
{
	struct rzi_worker *worker;
	struct rzi_place place;
	int found;

	if (cache == NULL || key == NULL || key_bytes == 0)
		return -XV_EINVAL;
	if (key_bytes > RAMZ_VALUES_KEY_MAX)
		return 0;
	rzi_place_init(cache, &place, key, key_bytes);
	worker = rzi_worker_take(cache);
	rzi_stripe_lock(place.stripe);
	found = rzi_find(cache, worker, &place);
	rzi_stripe_unlock(place.stripe);
	rzi_worker_give(worker);
	if (found == 1 && ttl_ms != NULL) {
		uint64_t now_ms = rzi_values_now(cache);
		uint64_t at_ms = place.record.expires_ms;

		*ttl_ms = RAMZ_VALUES_FOREVER;
		if ((place.record.flags & RECORD_EXPIRES) != 0)
			*ttl_ms = at_ms > now_ms ? at_ms - now_ms : 1;
	}
	return found;
}
