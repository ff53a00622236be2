/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * index.c: buckets and their growth; see index.h.
 */
#include "index.h"

enum {
	BUCKET_STEP = 8, /* entries by which the object of a bucket grows */
	ROOM_FIRST = 4,  /* buckets of a new directory */
	ROOM_MORE = 16,  /* and an eighth: what it grows by */
	LEVEL_MAX = WORD_BITS - 1,
	DIRECTORY_ENTRY_BYTES = sizeof(xv_id) + 1,
};

/* ---- entries of a loaded bucket ---- */

static unsigned char *entry_at(struct rzi_bucket *bucket, uint32_t i)
{
	return bucket->entries + (size_t)i * ENTRY_BYTES;
}

static void entry_write(struct rzi_bucket *bucket, uint32_t i, uint32_t word, xv_id id)
{
	unsigned char *at = entry_at(bucket, i);

	RZI_ASSERT((word & ~(uint32_t)(WORD_MASK | ENTRY_READ)) == 0 && id != XV_NULL_ID);
	memcpy(at, &id, sizeof(id));
	at[ENTRY_ID_BYTES] = (unsigned char)word;
	at[ENTRY_ID_BYTES + 1] = (unsigned char)(word >> 8);
	at[ENTRY_ID_BYTES + 2] = (unsigned char)(word >> 16);
}

/* Copy an entry, or a part of it, to the bucket's object. */
static int entry_store(struct ramz_values *cache, const struct rzi_stripe *stripe,
		       struct rzi_bucket *bucket, uint32_t i)
{
	int err = xv_id_write(cache->table, stripe->buckets[bucket->number],
			      (size_t)i * ENTRY_BYTES, entry_at(bucket, i), ENTRY_BYTES);

	return err == 0 ? 0 : -XV_EBADMSG;
}

int rzi_entry_set_id(struct ramz_values *cache, struct rzi_stripe *stripe,
		     struct rzi_bucket *bucket, uint32_t i, xv_id id)
{
	RZI_ASSERT(i < bucket->count && id != XV_NULL_ID);
	memcpy(entry_at(bucket, i), &id, sizeof(id));
	return entry_store(cache, stripe, bucket, i);
}

int rzi_entry_set_read(struct ramz_values *cache, struct rzi_stripe *stripe,
		       struct rzi_bucket *bucket, uint32_t i, bool read)
{
	uint32_t word = rzi_entry_word(bucket, i) & WORD_MASK;

	RZI_ASSERT(i < bucket->count);
	entry_write(bucket, i, word | (read ? ENTRY_READ : 0U), rzi_entry_id(bucket, i));
	return entry_store(cache, stripe, bucket, i);
}

/* ---- buckets ---- */

/* Bytes of a bucket's object. */
static size_t bucket_bytes(uint32_t count)
{
	return (size_t)((count + BUCKET_STEP - 1) / BUCKET_STEP * BUCKET_STEP) * ENTRY_BYTES;
}

uint32_t rzi_stripe_bucket(const struct rzi_stripe *stripe, uint32_t word)
{
	uint32_t number = word & ((1U << stripe->level) - 1);

	RZI_ASSERT(stripe->split < 1U << stripe->level);
	if (number < stripe->split)
		number = word & ((2U << stripe->level) - 1);
	return number;
}

int rzi_bucket_load(struct ramz_values *cache, const struct rzi_stripe *stripe, uint32_t number,
		    struct rzi_bucket *bucket)
{
	int bytes;

	RZI_ASSERT(number < rzi_stripe_buckets(stripe));
	bucket->number = number;
	bucket->count = stripe->counts[number];
	if (bucket->count == 0)
		return 0;
	bytes = xv_id_read_whole(cache->table, stripe->buckets[number], bucket->entries,
				 sizeof(bucket->entries));
	return bytes >= (int)bucket->count * ENTRY_BYTES ? 0 : -XV_EBADMSG;
}

/* Make the object of a bucket anew with the entries of `bucket`. */
static int bucket_make(struct ramz_values *cache, const struct rzi_bucket *bucket, xv_id *id)
{
	size_t bytes = (size_t)bucket->count * ENTRY_BYTES;
	int err;

	RZI_ASSERT(bucket->count != 0);
	err = xv_id_malloc(cache->table, bucket_bytes(bucket->count), id);
	if (err != 0)
		return err;
	err = xv_id_write(cache->table, *id, 0, bucket->entries, bytes);
	if (err != 0)
		(void)xv_id_free(cache->table, *id);
	return err == 0 ? 0 : -XV_EBADMSG;
}

/* Let the bucket have only its first `count` entries. Never fails: if the object cannot shrink
 * now, it does when the bucket next changes its length. */
static void bucket_cut(struct ramz_values *cache, struct rzi_stripe *stripe, uint32_t number,
		       uint32_t count)
{
	xv_id id = stripe->buckets[number];
	uint32_t before = stripe->counts[number];

	RZI_ASSERT(count <= before && id != XV_NULL_ID);
	stripe->counts[number] = (uint8_t)count;
	if (count == 0) {
		stripe->buckets[number] = XV_NULL_ID;
		(void)xv_id_free(cache->table, id);
	} else if (bucket_bytes(count) != bucket_bytes(before)) {
		int err = xv_id_realloc(cache->table, id, bucket_bytes(count));

		(void)err;
	}
}

int rzi_entry_remove(struct ramz_values *cache, struct rzi_stripe *stripe,
		     struct rzi_bucket *bucket, uint32_t i)
{
	uint32_t last = bucket->count - 1;
	int err = 0;

	RZI_ASSERT(rzi_mutex_is_taken(&stripe->lock));
	RZI_ASSERT(i <= last && bucket->count == stripe->counts[bucket->number]);
	if (i != last) {
		memcpy(entry_at(bucket, i), entry_at(bucket, last), ENTRY_BYTES);
		err = entry_store(cache, stripe, bucket, i);
	}
	if (err != 0)
		return err;
	bucket->count = last;
	bucket_cut(cache, stripe, bucket->number, last);
	return 0;
}

/* ---- the directory ---- */

static size_t directory_bytes(uint32_t room)
{
	return (size_t)room * DIRECTORY_ENTRY_BYTES;
}

size_t rzi_stripe_directory_bytes(const struct rzi_stripe *stripe)
{
	return stripe->room != 0 ? rzi_memory_rounded(directory_bytes(stripe->room)) : 0;
}

static int directory_grow(struct ramz_values *cache, struct rzi_stripe *stripe)
{
	uint32_t buckets = rzi_stripe_buckets(stripe);
	uint32_t room = buckets == 0 ? ROOM_FIRST : stripe->room + stripe->room / 8 + ROOM_MORE;
	xv_id *ids;
	int err = 0;

	if (buckets < stripe->room)
		return 0;
	ids = rzi_memory_alloc(&cache->memory, directory_bytes(room), &err);
	if (ids == NULL)
		return err;
	if (buckets != 0) {
		memcpy(ids, stripe->buckets, buckets * sizeof(*ids));
		memcpy(ids + room, stripe->counts, buckets);
		rzi_memory_free(&cache->memory, stripe->buckets, directory_bytes(stripe->room));
	}
	stripe->buckets = ids;
	stripe->counts = (uint8_t *)(ids + room);
	stripe->room = room;
	RZI_ASSERT(buckets < room);
	return 0;
}

void rzi_stripe_fini(struct ramz_values *cache, struct rzi_stripe *stripe)
{
	rzi_memory_free(&cache->memory, stripe->buckets, directory_bytes(stripe->room));
	stripe->buckets = NULL;
}

/* ---- growth ---- */

/* The first bucket that is not split yet gets a twin at the end; the next bit of the word decides
 * which entries move there. On error nothing has changed, but the directory may have more room. */
static int stripe_split(struct ramz_values *cache, struct rzi_stripe *stripe)
{
	uint32_t number = stripe->split;
	struct rzi_bucket stays, moves = {.count = 0};
	uint32_t count;
	xv_id id = XV_NULL_ID;
	int err = directory_grow(cache, stripe);

	if (err == 0)
		err = rzi_bucket_load(cache, stripe, number, &stays);
	if (err != 0)
		return err;
	count = stays.count;
	stays.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		bool to_twin = (rzi_entry_word(&stays, i) >> stripe->level & 1) != 0;
		struct rzi_bucket *to = to_twin ? &moves : &stays;

		memmove(entry_at(to, to->count++), entry_at(&stays, i), ENTRY_BYTES);
	}
	if (moves.count != 0)
		err = bucket_make(cache, &moves, &id);
	if (err == 0 && moves.count != 0 && stays.count != 0)
		err = xv_id_write(cache->table, stripe->buckets[number], 0, stays.entries,
				  (size_t)stays.count * ENTRY_BYTES);
	if (err != 0)
		return err;
	RZI_ASSERT(rzi_stripe_buckets(stripe) < stripe->room &&
		   (moves.count == 0 || id != XV_NULL_ID));
	stripe->buckets[rzi_stripe_buckets(stripe)] = id;
	stripe->counts[rzi_stripe_buckets(stripe)] = (uint8_t)moves.count;
	if (moves.count != 0)
		bucket_cut(cache, stripe, number, stays.count);
	if (++stripe->split == 1U << stripe->level) {
		stripe->level++;
		stripe->split = 0;
	}
	return 0;
}

/* Give the object of a bucket room for one entry more. */
static int bucket_grow(struct ramz_values *cache, struct rzi_stripe *stripe, uint32_t number,
		       size_t bytes)
{
	struct rzi_bucket bucket;
	xv_id id;
	int err = xv_id_realloc(cache->table, stripe->buckets[number], bytes);

	if (err != -XV_EBUSY)
		return err;
	/* A neighbour in the page is in use. */
	err = xv_id_malloc(cache->table, bytes, &id);
	if (err != 0)
		return err;
	err = rzi_bucket_load(cache, stripe, number, &bucket);
	if (err == 0)
		err = xv_id_write(cache->table, id, 0, bucket.entries,
				  (size_t)bucket.count * ENTRY_BYTES);
	(void)xv_id_free(cache->table, err == 0 ? stripe->buckets[number] : id);
	if (err == 0)
		stripe->buckets[number] = id;
	return err;
}

static int stripe_append(struct ramz_values *cache, struct rzi_stripe *stripe, uint32_t word,
			 xv_id id)
{
	struct rzi_bucket one = {.number = rzi_stripe_bucket(stripe, word), .count = 1};
	uint32_t count = stripe->counts[one.number];
	int err;

	if (count == BUCKET_MAX)
		return -XV_ENOSPC;
	entry_write(&one, 0, word, id);
	if (count == 0) {
		err = bucket_make(cache, &one, &stripe->buckets[one.number]);
	} else {
		err = bucket_bytes(count + 1) != bucket_bytes(count)
			      ? bucket_grow(cache, stripe, one.number, bucket_bytes(count + 1))
			      : 0;
		if (err == 0)
			err = xv_id_write(cache->table, stripe->buckets[one.number],
					  (size_t)count * ENTRY_BYTES, one.entries, ENTRY_BYTES);
	}
	if (err == 0)
		stripe->counts[one.number] = (uint8_t)(count + 1);
	return err;
}

/* A split that fails is made up for by a later one: two are tried at a time. */
int rzi_stripe_add(struct ramz_values *cache, struct rzi_stripe *stripe, uint32_t word, xv_id id)
{
	int err = 0;

	RZI_ASSERT(rzi_mutex_is_taken(&stripe->lock) && word <= WORD_MASK);
	if (stripe->buckets == NULL)
		err = directory_grow(cache, stripe);
	for (int i = 0; i < 2 && err == 0; i++) {
		if (stripe->tally.values < BUCKET_AVERAGE * rzi_stripe_buckets(stripe) ||
		    stripe->level == LEVEL_MAX || stripe_split(cache, stripe) != 0)
			break;
	}
	return err != 0 ? err : stripe_append(cache, stripe, word, id);
}
