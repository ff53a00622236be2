/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * coding.c: generations begin and end; see coding.h, and values_impl.h for the order.
 */
#include "coding.h"

static uint32_t coding_old(const struct ramz_values *cache)
{
	return CODINGS - 1 - atomic_load(&cache->present);
}

uint64_t rzi_coding_old_values(struct ramz_values *cache)
{
	uint32_t old = coding_old(cache);
	uint64_t values = 0;

	for (uint32_t i = 0; i < STRIPES; i++) {
		rzi_stripe_lock(&cache->stripes[i]);
		values += cache->stripes[i].tally.coded[old];
		rzi_stripe_unlock(&cache->stripes[i]);
	}
	return values;
}

static void workers_drop(struct ramz_values *cache, uint32_t coding)
{
	struct rzi_worker *worker;

	for (uint32_t i = 0; (worker = rzi_worker_wait(cache, i)) != NULL; i++) {
		rzi_worker_context_drop(cache, worker, coding);
		rzi_worker_give(worker);
	}
}

static int workers_make(struct ramz_values *cache, uint32_t coding)
{
	struct rzi_worker *worker;
	int err = 0;

	for (uint32_t i = 0; err == 0 && (worker = rzi_worker_wait(cache, i)) != NULL; i++) {
		err = rzi_worker_context_make(cache, worker, coding);
		rzi_worker_give(worker);
	}
	return err;
}

/* A thread that took its worker before the present coding changed may still write an old value. */
static void workers_pass(struct ramz_values *cache)
{
	struct rzi_worker *worker;

	for (uint32_t i = 0; (worker = rzi_worker_wait(cache, i)) != NULL; i++)
		rzi_worker_give(worker);
}

bool rzi_coding_reap_old(struct ramz_values *cache)
{
	uint32_t old = coding_old(cache);
	struct rzi_values_coding *coding = &cache->coding[old];

	if (!coding->live)
		return true;
	if (rzi_coding_old_values(cache) != 0)
		return false;
	workers_pass(cache);
	if (rzi_coding_old_values(cache) != 0)
		return false;
	workers_drop(cache, old);
	rzi_dictionary_free(&cache->memory, coding->dictionary);
	coding->dictionary = NULL;
	coding->live = false;
	return true;
}

int rzi_coding_begin(struct ramz_values *cache, struct rzi_dictionary *dictionary)
{
	uint32_t at = coding_old(cache);
	struct rzi_values_coding *coding = &cache->coding[at];
	int err;

	if (!rzi_coding_reap_old(cache))
		return -XV_EBUSY;
	coding->dictionary = dictionary;
	err = workers_make(cache, at);
	if (err != 0) {
		workers_drop(cache, at);
		coding->dictionary = NULL;
		return err;
	}
	coding->live = true;
	atomic_store(&cache->present, at);
	cache->generation++;
	return 0;
}
