/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * dedup.c: identical pages kept once. See dedup.h.
 */
#include "dedup.h"

enum {
	BUCKETS_FIRST = 1024,
	RECORD_NONE = 0, /* links hold record + 1 */
};

struct record {
	uint64_t hash;
	uint32_t refs;
	uint32_t next;
};

struct rzi_dedup {
	struct rzi_memory *memory;
	pthread_mutex_t lock;
	struct rzi_sparse places;  /* _Atomic uint64_t */
	struct rzi_sparse records; /* struct record, under lock */
	uint32_t *bucket;
	uint32_t buckets; /* a power of two */
	uint32_t free;    /* first free record + 1 */
	uint32_t made;    /* records ever made; all behind are free */
	uint32_t
		gap; /* the first record below made that may lack a table; none if not below made */
	uint64_t in_use;
	uint64_t limit; /* most records */
};

/* Slots, plus records whose object is still to be freed, or that a writer has just made. */
static uint64_t dedup_limit(uint64_t pages)
{
	uint64_t limit = pages + 2 * CONTEXTS_MAX + CONTEXTS_MAX * (uint64_t)CONTEXT_RETIRED_FIRST;

	return limit < UINT32_MAX - 1 ? limit : UINT32_MAX - 1;
}

static struct record *dedup_record(const struct rzi_dedup *dedup, uint32_t record)
{
	return rzi_sparse_get(&dedup->records, record);
}

_Atomic uint64_t *rzi_dedup_place(const struct rzi_dedup *dedup, uint32_t record)
{
	return rzi_sparse_get(&dedup->places, record);
}

static void dedup_lock(struct rzi_dedup *dedup)
{
	(void)pthread_mutex_lock(&dedup->lock);
}

static void dedup_unlock(struct rzi_dedup *dedup)
{
	(void)pthread_mutex_unlock(&dedup->lock);
}

/* ---- create ---- */

static void dedup_free_tables(struct rzi_dedup *dedup)
{
	rzi_memory_free(dedup->memory, dedup->bucket, dedup->buckets * sizeof(*dedup->bucket));
	rzi_sparse_fini(&dedup->places);
	rzi_sparse_fini(&dedup->records);
	dedup->bucket = NULL;
	dedup->buckets = 0;
}

static int dedup_make_tables(struct rzi_dedup *dedup)
{
	int err = rzi_sparse_init(&dedup->places, dedup->memory, dedup->limit, sizeof(uint64_t), 0);

	if (err == 0)
		err = rzi_sparse_init(&dedup->records, dedup->memory, dedup->limit,
				      sizeof(struct record), 0);
	if (err != 0)
		return err;
	dedup->bucket =
		rzi_memory_alloc(dedup->memory, BUCKETS_FIRST * sizeof(*dedup->bucket), &err);
	if (dedup->bucket != NULL)
		dedup->buckets = BUCKETS_FIRST;
	return err;
}

int rzi_dedup_create(struct ramz *store)
{
	int err = -XV_ENOMEM;
	struct rzi_dedup *dedup = rzi_memory_alloc(&store->memory, sizeof(*dedup), &err);

	if (dedup == NULL)
		return err;
	if (pthread_mutex_init(&dedup->lock, NULL) != 0) {
		rzi_memory_free(&store->memory, dedup, sizeof(*dedup));
		return -XV_ENOMEM;
	}
	store->dedup = dedup;
	dedup->memory = &store->memory;
	dedup->limit = dedup_limit(rzi_pages(store));
	dedup->gap = UINT32_MAX;
	err = dedup_make_tables(dedup);
	if (err != 0)
		rzi_dedup_destroy(store);
	return err;
}

void rzi_dedup_destroy(struct ramz *store)
{
	struct rzi_dedup *dedup = store->dedup;

	if (dedup == NULL)
		return;
	dedup_free_tables(dedup);
	(void)pthread_mutex_destroy(&dedup->lock);
	rzi_memory_free(&store->memory, dedup, sizeof(*dedup));
	store->dedup = NULL;
}

/* ---- buckets, under the lock ---- */

static void dedup_rehash(struct rzi_dedup *dedup, uint32_t *bucket, uint32_t buckets)
{
	RZI_ASSERT(buckets != 0 && (buckets & (buckets - 1)) == 0);
	for (uint32_t i = 0; i < dedup->buckets; i++) {
		for (uint32_t at = dedup->bucket[i]; at != RECORD_NONE;) {
			struct record *record = dedup_record(dedup, at - 1);
			uint32_t *head = &bucket[record->hash & (buckets - 1)];
			uint32_t next = record->next;

			record->next = *head;
			*head = at;
			at = next;
		}
	}
}

/* Change the number of buckets. Without memory for more, chains get longer. Fewer are given back
 * at once, so the limit is not asked for them. */
static void dedup_set_buckets(struct rzi_dedup *dedup, uint32_t buckets)
{
	size_t bytes = buckets * sizeof(*dedup->bucket);
	uint32_t *bucket;
	int err;

	RZI_ASSERT(rzi_mutex_is_taken(&dedup->lock));
	if (buckets == dedup->buckets)
		return;
	bucket = buckets < dedup->buckets ? rzi_memory_force(dedup->memory, bytes)
					  : rzi_memory_alloc(dedup->memory, bytes, &err);
	if (bucket == NULL)
		return;
	dedup_rehash(dedup, bucket, buckets);
	rzi_memory_free(dedup->memory, dedup->bucket, dedup->buckets * sizeof(*bucket));
	dedup->bucket = bucket;
	dedup->buckets = buckets;
}

/* As few as the records need. */
static uint32_t dedup_buckets_needed(const struct rzi_dedup *dedup)
{
	uint32_t buckets = BUCKETS_FIRST;

	while (buckets < dedup->buckets && buckets < dedup->in_use)
		buckets *= 2;
	return buckets;
}

void rzi_dedup_reset(struct ramz *store)
{
	struct rzi_dedup *dedup = store->dedup;

	if (dedup == NULL)
		return;
	/* A call for statistics does not wait at the gate. */
	dedup_lock(dedup);
	memset(dedup->bucket, 0, dedup->buckets * sizeof(*dedup->bucket));
	rzi_sparse_clear(&dedup->places);
	rzi_sparse_clear(&dedup->records);
	dedup->free = RECORD_NONE;
	dedup->made = 0;
	dedup->gap = UINT32_MAX;
	dedup->in_use = 0;
	dedup_set_buckets(dedup, BUCKETS_FIRST);
	dedup_unlock(dedup);
}

int rzi_dedup_resize(struct ramz *store, uint64_t pages)
{
	struct rzi_dedup *dedup = store->dedup;
	uint64_t limit = dedup_limit(pages);
	int err;

	if (dedup == NULL || limit <= dedup->limit)
		return 0;
	dedup_lock(dedup);
	err = rzi_sparse_resize(&dedup->places, limit);
	if (err == 0)
		err = rzi_sparse_resize(&dedup->records, limit);
	if (err == 0)
		dedup->limit = limit;
	dedup_unlock(dedup);
	return err;
}

/* ---- records, under the lock ---- */

static void dedup_push_free(struct rzi_dedup *dedup, uint32_t number)
{
	RZI_ASSERT(number < dedup->made && dedup_record(dedup, number)->refs == 0);
	dedup_record(dedup, number)->next = dedup->free;
	dedup->free = number + 1;
}

static int dedup_make_leaves(struct rzi_dedup *dedup, uint32_t number)
{
	int err = 0;

	if (rzi_sparse_make(&dedup->places, number, &err) == NULL ||
	    rzi_sparse_make(&dedup->records, number, &err) == NULL)
		return err;
	return 0;
}

/* Make the first trimmed leaf again, if there is one, and put its records on the free list. */
static int dedup_fill_gap(struct rzi_dedup *dedup)
{
	int err;

	while (dedup->gap < dedup->made && dedup_record(dedup, dedup->gap) != NULL)
		dedup->gap += SPARSE_LEAF_COUNT;
	if (dedup->gap >= dedup->made) {
		dedup->gap = UINT32_MAX;
		return 0;
	}
	err = dedup_make_leaves(dedup, dedup->gap);
	if (err != 0)
		return err;
	for (uint32_t i = SPARSE_LEAF_COUNT; i-- > 0;) {
		if (dedup->gap + i < dedup->made)
			dedup_push_free(dedup, dedup->gap + i);
	}
	return 0;
}

static int dedup_take_record(struct rzi_dedup *dedup, uint32_t *record)
{
	int err = 0;

	if (dedup->free == RECORD_NONE)
		err = dedup_fill_gap(dedup);
	if (err != 0)
		return err;
	if (dedup->free != RECORD_NONE) {
		*record = dedup->free - 1;
		dedup->free = dedup_record(dedup, *record)->next;
	} else {
		if (dedup->made >= dedup->limit)
			return -XV_ENOMEM;
		err = dedup_make_leaves(dedup, dedup->made);
		if (err != 0)
			return err;
		*record = dedup->made++;
	}
	RZI_ASSERT(*record < dedup->limit && dedup_record(dedup, *record)->refs == 0);
	rzi_sparse_use(&dedup->records, *record);
	dedup->in_use++;
	return 0;
}

static void dedup_chain(struct rzi_dedup *dedup, uint32_t number, uint64_t hash)
{
	struct record *record = dedup_record(dedup, number);
	uint32_t *head;

	RZI_ASSERT(rzi_mutex_is_taken(&dedup->lock) && record->refs == 0);
	if (dedup->in_use > dedup->buckets && dedup->buckets < UINT32_MAX / 4)
		dedup_set_buckets(dedup, dedup->buckets * 2);
	head = &dedup->bucket[hash & (dedup->buckets - 1)];
	record->hash = hash;
	record->refs = 1;
	record->next = *head;
	*head = number + 1;
}

static void dedup_unchain(struct rzi_dedup *dedup, uint32_t number)
{
	const struct record *record = dedup_record(dedup, number);
	uint32_t *link = &dedup->bucket[record->hash & (dedup->buckets - 1)];

	RZI_ASSERT(rzi_mutex_is_taken(&dedup->lock) && record->refs == 0);
	while (*link != number + 1) {
		RZI_ASSERT(*link != RECORD_NONE);
		link = &dedup_record(dedup, *link - 1)->next;
	}
	*link = record->next;
}

/* A record with this hash but `but`, with one more reference; UINT32_MAX for none. */
static uint32_t dedup_find(struct rzi_dedup *dedup, uint64_t hash, uint32_t but)
{
	uint32_t found = UINT32_MAX;

	dedup_lock(dedup);
	for (uint32_t at = dedup->bucket[hash & (dedup->buckets - 1)]; at != RECORD_NONE;) {
		struct record *record = dedup_record(dedup, at - 1);

		if (record->hash == hash && at - 1 != but) {
			record->refs++;
			found = at - 1;
			break;
		}
		at = record->next;
	}
	dedup_unlock(dedup);
	return found;
}

/* ---- pages ---- */

static void dedup_content_of(const struct rzi_dedup *dedup, uint32_t record,
			     struct rzi_content *content)
{
	uint64_t entry = atomic_load(rzi_dedup_place(dedup, record));

	content->entry = rzi_entry_of_record(record, entry);
	content->word = 0;
}

/* Protect the object of a record to which we have a reference. */
static uint64_t dedup_protect(struct rzi_context *context, uint32_t record)
{
	const _Atomic uint64_t *place = rzi_dedup_place(context->store->dedup, record);
	uint64_t entry = atomic_load(place);
	unsigned turns = 0;

	while (rzi_entry_locked(entry) || !rzi_protect(context, HAZARD_TWIN, place, entry)) {
		rzi_pause(&turns);
		entry = atomic_load(place);
	}
	return entry;
}

/* Does the record have exactly this page? */
static bool dedup_is_same(struct rzi_context *context, uint32_t record, const void *page)
{
	uint64_t entry = dedup_protect(context, record);
	int err = rzi_object_read(context, entry, context->twin);

	rzi_unprotect(context, HAZARD_TWIN);
	return err == 0 && memcmp(context->twin, page, context->store->page_bytes) == 0;
}

static int dedup_make_object(struct rzi_context *context, uint32_t record, const void *page,
			     const struct rzi_packed *packed, uint64_t *entry)
{
	struct rzi_form form;
	int err;

	if (packed != NULL)
		return rzi_object_make_packed(context, record, packed->codec, packed->data,
					      packed->bytes, entry);
	err = rzi_compress(context, page, &form);
	return err == 0 ? rzi_object_make(context, record, &form, page, entry) : err;
}

/* Make a new record with its object. */
static int dedup_make(struct rzi_context *context, const void *page, uint64_t hash,
		      const struct rzi_packed *packed, uint32_t *record)
{
	struct rzi_dedup *dedup = context->store->dedup;
	uint64_t entry;
	int err;

	dedup_lock(dedup);
	err = dedup_take_record(dedup, record);
	dedup_unlock(dedup);
	if (err != 0)
		return err;
	err = dedup_make_object(context, *record, page, packed, &entry);
	if (err != 0) {
		rzi_dedup_release(dedup, *record);
		return err;
	}
	atomic_store(rzi_dedup_place(dedup, *record), entry);
	dedup_lock(dedup);
	dedup_chain(dedup, *record, hash);
	dedup_unlock(dedup);
	return 0;
}

int rzi_dedup_content(struct rzi_context *context, const void *page,
		      const struct rzi_packed *packed, uint32_t but, struct rzi_content *content)
{
	struct rzi_dedup *dedup = context->store->dedup;
	uint64_t hash = rzi_checksum(page, context->store->page_bytes);
	uint32_t record = dedup_find(dedup, hash, but);
	int err = 0;

	if (record != UINT32_MAX) {
		if (dedup_is_same(context, record, page)) {
			rzi_count(&context->counters, COUNT_DEDUP_HITS, 1);
			dedup_content_of(dedup, record, content);
			return 0;
		}
		rzi_dedup_unref(context, record);
	}
	err = dedup_make(context, page, hash, packed, &record);
	if (err == 0)
		dedup_content_of(dedup, record, content);
	return err;
}

/* Take the entry out of a place that only compaction can still find. */
static uint64_t dedup_clear_place(_Atomic uint64_t *place)
{
	uint64_t entry = atomic_load(place);
	unsigned turns = 0;

	while (rzi_entry_locked(entry) || !atomic_compare_exchange_strong(place, &entry, 0)) {
		rzi_pause(&turns);
		entry = atomic_load(place);
	}
	RZI_ASSERT(rzi_entry_kind(entry) == ENTRY_OBJECT); /* R4 */
	return entry;
}

void rzi_dedup_unref(struct rzi_context *context, uint32_t number)
{
	struct rzi_dedup *dedup = context->store->dedup;
	bool last;

	dedup_lock(dedup);
	RZI_ASSERT(dedup_record(dedup, number)->refs != 0); /* R4 */
	last = --dedup_record(dedup, number)->refs == 0;
	if (last)
		dedup_unchain(dedup, number);
	dedup_unlock(dedup);
	if (last)
		rzi_object_free(context, dedup_clear_place(rzi_dedup_place(dedup, number)), number);
}

void rzi_dedup_release(struct rzi_dedup *dedup, uint32_t number)
{
	dedup_lock(dedup);
	dedup_push_free(dedup, number);
	rzi_sparse_unuse(&dedup->records, number);
	RZI_ASSERT(dedup->in_use != 0);
	dedup->in_use--;
	dedup_unlock(dedup);
}

/* ---- giving memory back ---- */

uint64_t rzi_dedup_idle_bytes(struct rzi_dedup *dedup)
{
	uint64_t bytes, buckets;

	dedup_lock(dedup);
	/* A leaf of records has a leaf of places beside it. */
	bytes = rzi_sparse_idle_bytes(&dedup->records) *
		(sizeof(struct record) + sizeof(uint64_t)) / sizeof(struct record);
	buckets = dedup_buckets_needed(dedup);
	if (buckets < dedup->buckets / 2)
		bytes += (dedup->buckets - buckets) * sizeof(*dedup->bucket);
	dedup_unlock(dedup);
	return bytes;
}

/* No record of the leaf is in use: none is being made, and none waits for its object to be
 * freed. */
static bool records_are_idle(const void *leaf)
{
	const struct record *record = leaf;

	for (uint32_t i = 0; i < SPARSE_LEAF_COUNT; i++) {
		if (record[i].refs != 0)
			return false;
	}
	return true;
}

/* Make the free list anew, from the records that still have a table. */
static void dedup_list_free(struct rzi_dedup *dedup)
{
	while (dedup->made != 0 && dedup_record(dedup, dedup->made - 1) == NULL)
		dedup->made = (dedup->made - 1) & ~(uint32_t)(SPARSE_LEAF_COUNT - 1);
	dedup->free = RECORD_NONE;
	dedup->gap = 0;
	for (uint32_t number = dedup->made; number-- > 0;) {
		const struct record *record = dedup_record(dedup, number);

		if (record != NULL && record->refs == 0)
			dedup_push_free(dedup, number);
	}
}

static bool dedup_any_waits(const struct ramz *store)
{
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		const struct rzi_context *context = rzi_context_at(store, i);

		if (context != NULL && context->retired_count != 0)
			return true;
	}
	return false;
}

void rzi_dedup_trim(struct ramz *store, bool (*place_is_idle)(const void *leaf))
{
	struct rzi_dedup *dedup = store->dedup;

	RZI_ASSERT(atomic_load(&store->contexts.closed));
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		if (context != NULL)
			rzi_retired_free(context);
	}
	if (dedup_any_waits(store))
		return;
	dedup_lock(dedup);
	rzi_sparse_trim(&dedup->places, place_is_idle);
	rzi_sparse_trim(&dedup->records, records_are_idle);
	dedup_list_free(dedup);
	dedup_set_buckets(dedup, dedup_buckets_needed(dedup));
	dedup_unlock(dedup);
}

/* ---- numbers ---- */

uint32_t rzi_dedup_refs(struct rzi_dedup *dedup, uint32_t number)
{
	const struct record *record;
	uint32_t refs;

	dedup_lock(dedup);
	record = number < dedup->made ? dedup_record(dedup, number) : NULL;
	refs = record != NULL ? record->refs : 0;
	dedup_unlock(dedup);
	return refs;
}

uint64_t rzi_dedup_records(struct rzi_dedup *dedup)
{
	uint64_t in_use;

	dedup_lock(dedup);
	in_use = dedup->in_use;
	dedup_unlock(dedup);
	return in_use;
}

uint64_t rzi_dedup_bytes(struct rzi_dedup *dedup)
{
	uint64_t bytes;

	dedup_lock(dedup);
	bytes = rzi_memory_rounded(sizeof(*dedup)) +
		rzi_memory_rounded(dedup->buckets * sizeof(*dedup->bucket)) +
		atomic_load(&dedup->places.bytes) + atomic_load(&dedup->records.bytes);
	dedup_unlock(dedup);
	return bytes;
}

uint32_t rzi_dedup_made(struct rzi_dedup *dedup)
{
	uint32_t made;

	dedup_lock(dedup);
	made = dedup->made;
	dedup_unlock(dedup);
	return made;
}
