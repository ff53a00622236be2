/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * train.c: train a dictionary on values of the cache, and use it if it pays.
 *
 * Every eighth value of the sample is left out of the training, to compare forms with the
 * dictionary and without it.
 *
 * Owns the sample during the call. May call index.h, worker.h, coding.h, dictionary.h. Locking: a
 * stripe's lock for a bucket while it samples, none while it trains, admin at the end. O(index +
 * sample).
 */
#include <stdlib.h>

#include "coding.h"
#include "evict.h"

enum {
	SAMPLE_SHARE = 64, /* the sample has this many times the bytes of the dictionary */
	SAMPLES_MAX = 1 << 16,
	SAMPLES_MIN = 64,
	TEST_ONE_IN = 8,
	GAIN_PERCENT = 3,
};

/* Values one behind the other. */
struct sample {
	unsigned char *plain;
	size_t *sizes;
	size_t bytes;
	size_t room;
	uint32_t count;
};

struct trainer {
	struct ramz_values *cache;
	struct rzi_worker *worker;
	size_t dictionary_bytes;
	uint64_t skip;   /* take one value in this many */
	uint64_t passed; /* values seen, count */
	struct sample train;
	struct sample test;
	struct ramz_values_train_report report;
};

/* ---- the sample ---- */

static int sample_init(struct sample *sample, size_t room)
{
	sample->room = room;
	sample->plain = malloc(room);
	sample->sizes = malloc(SAMPLES_MAX * sizeof(*sample->sizes));
	return sample->plain != NULL && sample->sizes != NULL ? 0 : -XV_ENOMEM;
}

static void sample_fini(struct sample *sample)
{
	free(sample->plain);
	free(sample->sizes);
}

static void sample_add(struct sample *sample, const unsigned char *plain, size_t bytes)
{
	if (sample->count == SAMPLES_MAX || bytes > sample->room - sample->bytes)
		return;
	memcpy(sample->plain + sample->bytes, plain, bytes);
	sample->sizes[sample->count++] = bytes;
	sample->bytes += bytes;
}

static void trainer_take(struct trainer *t, xv_id id)
{
	struct rzi_record record;
	const unsigned char *plain = NULL;
	struct sample *to =
		t->passed / t->skip % TEST_ONE_IN == TEST_ONE_IN - 1 ? &t->test : &t->train;

	if (rzi_worker_read(t->cache, t->worker, id, &record) == 0)
		plain = rzi_worker_decode(t->cache, t->worker, &record);
	if (plain != NULL)
		sample_add(to, plain, record.plain_bytes);
}

static void trainer_walk(struct trainer *t, struct rzi_stripe *stripe)
{
	struct rzi_bucket bucket;

	rzi_stripe_lock(stripe);
	for (uint32_t i = 0; i < rzi_stripe_buckets(stripe); i++) {
		if (rzi_bucket_load(t->cache, stripe, i, &bucket) != 0)
			continue;
		for (uint32_t j = 0; j < bucket.count; j++, t->passed++) {
			if (t->passed % t->skip == 0)
				trainer_take(t, rzi_entry_id(&bucket, j));
		}
	}
	rzi_stripe_unlock(stripe);
}

static void trainer_sample(struct trainer *t)
{
	struct ramz_values *cache = t->cache;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < STRIPES; i++) {
		rzi_stripe_lock(&cache->stripes[i]);
		bytes += cache->stripes[i].tally.plain_bytes;
		rzi_stripe_unlock(&cache->stripes[i]);
	}
	t->skip = bytes / t->train.room + 1;
	t->worker = rzi_worker_take(cache);
	for (uint32_t i = 0; i < STRIPES; i++)
		trainer_walk(t, &cache->stripes[i]);
	rzi_worker_give(t->worker);
	t->report.samples = t->train.count;
	t->report.tested = t->test.count;
}

/* ---- with and without ---- */

/* Bytes of the test values' forms with this context. */
static int trainer_measure(struct trainer *t, void *context, uint64_t *sum)
{
	const struct ramz_codec *codec = t->cache->codec;
	const unsigned char *at = t->test.plain;

	*sum = 0;
	for (uint32_t i = 0; i < t->test.count; at += t->test.sizes[i], i++) {
		size_t bytes = t->test.sizes[i];
		int got = codec->compress(context, at, bytes, t->worker->out, bytes);

		if (got < 0)
			return got;
		*sum += got != 0 ? (size_t)got : bytes;
	}
	return 0;
}

/* *with_context_bytes is what each worker takes for the dictionary. */
static int trainer_compare(struct trainer *t, const struct rzi_dictionary *dictionary,
			   uint64_t *context_bytes)
{
	struct ramz_values *cache = t->cache;
	void *with = cache->codec->context_create_with(cache->plain_max, cache->level,
						       dictionary->digest);
	int err;

	if (with == NULL)
		return -XV_ENOMEM;
	t->worker = rzi_worker_take(cache);
	err = trainer_measure(t, t->worker->coding[atomic_load(&cache->present)].context,
			      &t->report.without_bytes);
	if (err == 0)
		err = trainer_measure(t, with, &t->report.with_bytes);
	rzi_worker_give(t->worker);
	*context_bytes = cache->codec->context_bytes(with);
	cache->codec->context_destroy(with);
	return err;
}

static bool trainer_pays(const struct trainer *t, uint64_t takes_bytes)
{
	const struct ramz_values_train_report *r = &t->report;

	return r->with_bytes * 100 <= r->without_bytes * (100 - GAIN_PERCENT) &&
	       (r->without_bytes - r->with_bytes) * t->passed / r->tested > takes_bytes;
}

/* ---- the call ---- */

static int dictionary_make(struct trainer *t, const void *bytes, size_t count,
			   struct rzi_dictionary **out)
{
	struct ramz_values *cache = t->cache;
	uint32_t turn = 0;
	int err;

	do {
		err = rzi_dictionary_make(&cache->memory, cache->codec, bytes, count, out);
	} while (err == -XV_ENOSPC && rzi_evict_for(cache, 2 * count, turn++));
	return err == -XV_EINVAL ? -XV_ENOMEM : err; /* the trainer makes good ones */
}

static int trainer_use(struct trainer *t, struct rzi_dictionary *dictionary)
{
	struct ramz_values *cache = t->cache;
	int err;

	(void)pthread_mutex_lock(&cache->admin);
	err = rzi_coding_begin(cache, dictionary);
	(void)pthread_mutex_unlock(&cache->admin);
	t->report.used = err == 0;
	return err;
}

static int trainer_train(struct trainer *t, unsigned char *bytes)
{
	size_t count = t->dictionary_bytes;
	struct rzi_dictionary *dictionary;
	uint64_t takes_bytes = 0;
	int err =
		rzi_dictionary_train(t->train.plain, t->train.sizes, t->train.count, bytes, &count);

	if (err != 0) /* values without anything in common are no error */
		return err == -XV_EINVAL ? 0 : err;
	err = dictionary_make(t, bytes, count, &dictionary);
	if (err != 0)
		return err;
	t->report.dictionary_bytes = (uint32_t)count;
	err = trainer_compare(t, dictionary, &takes_bytes);
	takes_bytes += rzi_dictionary_held(dictionary);
	if (err == 0 && trainer_pays(t, takes_bytes))
		err = trainer_use(t, dictionary);
	if (!t->report.used)
		rzi_dictionary_free(&t->cache->memory, dictionary);
	return err;
}

static int trainer_run(struct trainer *t)
{
	size_t room = t->dictionary_bytes * SAMPLE_SHARE;
	unsigned char *bytes = malloc(t->dictionary_bytes);
	int err = bytes != NULL ? sample_init(&t->train, room) : -XV_ENOMEM;

	if (err == 0)
		err = sample_init(&t->test, room / TEST_ONE_IN + t->cache->plain_max);
	if (err == 0)
		trainer_sample(t);
	if (err == 0 && t->train.count >= SAMPLES_MIN && t->test.count != 0)
		err = trainer_train(t, bytes);
	sample_fini(&t->train);
	sample_fini(&t->test);
	free(bytes);
	rzi_give_back_heap();
	return err;
}

int ramz_values_train(struct ramz_values *cache, size_t dictionary_bytes,
		      struct ramz_values_train_report *report)
{
	struct trainer t = {.cache = cache, .dictionary_bytes = dictionary_bytes};
	bool has_place;
	int err;

	if (dictionary_bytes == 0)
		t.dictionary_bytes = RAMZ_VALUES_DICTIONARY_MAX;
	if (cache == NULL || t.dictionary_bytes < RAMZ_VALUES_DICTIONARY_MIN ||
	    t.dictionary_bytes > RAMZ_VALUES_DICTIONARY_MAX)
		return -XV_EINVAL;
	if (cache->codec == NULL || cache->codec->digest_create == NULL)
		return -XV_ENOTSUP;
	(void)pthread_mutex_lock(&cache->admin);
	has_place = rzi_coding_reap_old(cache);
	(void)pthread_mutex_unlock(&cache->admin);
	if (!has_place)
		return -XV_EBUSY;
	err = trainer_run(&t);
	if (report != NULL && err == 0)
		*report = t.report;
	return err;
}
