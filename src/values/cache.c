/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * cache.c: the cache as a whole: options, create and destroy, clock, hash, limit, statistics.
 *
 * Owns struct ramz_values. May call all files of this folder, the mmap provider, memory.h,
 * platform.h. Locking: as the header of each call says.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

#include <xvmalloc/provider_mmap.h>

#include "codec_list.h"
#include "evict.h"
#include "worker.h"

enum {
	BYTES_PER_ID = 64, /* of the provider: more values than this have no room */
	LEVEL_WITHOUT_ZSTD = 9,
};

/* ---- clock and hash ---- */

static uint64_t monotonic_ms(void *context)
{
	(void)context;
	return rzi_now_ns() / 1000000U;
}

uint64_t rzi_values_now(const struct ramz_values *cache)
{
	uint64_t now_ms = cache->now_ms(cache->clock_context);

	return now_ms > cache->began_ms ? now_ms - cache->began_ms : 0;
}

uint64_t rzi_values_hash(const struct ramz_values *cache, const void *key, size_t key_bytes)
{
	return XXH3_64bits_withSeed(key, key_bytes, cache->seed);
}

/* ---- create ---- */

void ramz_values_options_init(struct ramz_values_options *options)
{
	if (options == NULL)
		return;
	memset(options, 0, sizeof(*options));
	options->level = RAMZ_LEVEL_DEFAULT;
}

/* lz4 is for reading: its slow levels read as fast as the others, and are dense. */
static void cache_set_codec(struct ramz_values *cache, const struct ramz_values_options *options)
{
	const struct ramz_codec *codec = options->codec;
	int32_t level = options->level;

	if (codec == NULL)
		codec = ramz_codec_by_name("zstd");
	if (codec == NULL) {
		codec = ramz_codec_by_name("lz4");
		if (level == RAMZ_LEVEL_DEFAULT)
			level = LEVEL_WITHOUT_ZSTD;
	}
	cache->codec = codec->id != RZI_CODEC_NONE ? codec : NULL;
	cache->level = level;
}

static int cache_set(struct ramz_values *cache, const struct ramz_values_options *options)
{
	size_t value_max = options->max_value_bytes;

	if (value_max > RAMZ_VALUES_VALUE_MAX)
		return -XV_EINVAL;
	cache->value_max = value_max != 0 ? value_max : RAMZ_VALUES_VALUE_DEFAULT;
	cache->plain_max = cache->value_max + RAMZ_VALUES_KEY_MAX;
	cache->now_ms = options->now_ms != NULL ? options->now_ms : monotonic_ms;
	cache->clock_context = options->clock_context;
	cache->began_ms = cache->now_ms(cache->clock_context);
	cache_set_codec(cache, options);
	cache->coding[0].live = true;
	return rzi_random(&cache->seed, sizeof(cache->seed)) == 0 ? 0 : -XV_ENOTSUP;
}

static int table_create(struct ramz_values *cache, const struct ramz_values_options *options)
{
	struct xv_handle_table_options table;
	struct xv_provider *provider = options->provider;
	uint64_t ids;
	int err = 0;

	if (provider == NULL) {
		err = xv_provider_mmap_create(&provider, NULL);
		cache->owns_provider = err == 0;
	}
	if (err != 0)
		return err;
	cache->provider = provider;
	ids = (provider->max_pages << provider->page_shift) / BYTES_PER_ID;
	xv_handle_table_options_init(&table);
	table.max_ids = ids < XV_IDS_MAX ? (uint32_t)ids : XV_IDS_MAX;
	table.pool.limit_bytes = options->limit_bytes;
	return xv_handle_table_create(&cache->table, provider, &table);
}

static int stripes_create(struct ramz_values *cache)
{
	int err = 0;

	cache->stripes = rzi_memory_alloc(&cache->memory, STRIPES * sizeof(*cache->stripes), &err);
	for (uint32_t i = 0; i < STRIPES && err == 0; i++) {
		if (pthread_mutex_init(&cache->stripes[i].lock, NULL) != 0) {
			while (i-- > 0)
				(void)pthread_mutex_destroy(&cache->stripes[i].lock);
			rzi_memory_free(&cache->memory, cache->stripes,
					STRIPES * sizeof(*cache->stripes));
			cache->stripes = NULL;
			err = -XV_ENOMEM;
		}
	}
	return err;
}

static void stripes_destroy(struct ramz_values *cache)
{
	for (uint32_t i = 0; cache->stripes != NULL && i < STRIPES; i++) {
		rzi_stripe_fini(cache, &cache->stripes[i]);
		(void)pthread_mutex_destroy(&cache->stripes[i].lock);
	}
	rzi_memory_free(&cache->memory, cache->stripes, STRIPES * sizeof(*cache->stripes));
}

/* Everything but the account and the admin lock. */
static int cache_fill(struct ramz_values *cache, const struct ramz_values_options *options)
{
	int err = table_create(cache, options);

	if (err != 0)
		return err;
	rzi_memory_set_table(&cache->memory, cache->table);
	err = stripes_create(cache);
	if (err == 0)
		err = rzi_workers_init(cache);
	if (err == 0 && options->limit_bytes != 0 && rzi_values_held(cache) > options->limit_bytes)
		err = -XV_ENOSPC;
	return err;
}

static void cache_empty(struct ramz_values *cache)
{
	if (cache->stripes != NULL)
		rzi_workers_fini(cache);
	stripes_destroy(cache);
	for (uint32_t i = 0; i < CODINGS; i++)
		rzi_dictionary_free(&cache->memory, cache->coding[i].dictionary);
	rzi_memory_set_table(&cache->memory, NULL);
	xv_handle_table_destroy(cache->table);
	if (cache->owns_provider)
		xv_provider_mmap_destroy(cache->provider);
}

static int cache_init(struct ramz_values *cache, const struct ramz_values_options *options)
{
	int err = cache_set(cache, options);

	if (err != 0)
		return err;
	err = rzi_memory_init(&cache->memory, sizeof(*cache));
	if (err != 0)
		return err;
	rzi_memory_set_limit(&cache->memory, options->limit_bytes);
	if (pthread_mutex_init(&cache->admin, NULL) != 0) {
		rzi_memory_fini(&cache->memory);
		return -XV_ENOMEM;
	}
	err = cache_fill(cache, options);
	if (err == 0)
		return 0;
	cache_empty(cache);
	(void)pthread_mutex_destroy(&cache->admin);
	rzi_memory_fini(&cache->memory);
	return err;
}

int ramz_values_create(struct ramz_values **out, const struct ramz_values_options *options)
{
	struct ramz_values_options defaults;
	struct ramz_values *cache;
	int err;

	if (options == NULL) {
		ramz_values_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL)
		return -XV_EINVAL;
	cache = calloc(1, sizeof(*cache));
	if (cache == NULL)
		return -XV_ENOMEM;
	err = cache_init(cache, options);
	if (err == 0)
		*out = cache;
	else
		free(cache);
	return err;
}

void ramz_values_destroy(struct ramz_values *cache)
{
	if (cache == NULL)
		return;
	cache_empty(cache);
	(void)pthread_mutex_destroy(&cache->admin);
	rzi_memory_fini(&cache->memory);
	free(cache);
}

/* ---- limit and statistics ---- */

int ramz_values_set_limit(struct ramz_values *cache, uint64_t limit_bytes)
{
	if (cache == NULL)
		return -XV_EINVAL;
	rzi_memory_set_limit(&cache->memory, limit_bytes);
	return rzi_evict_to_limit(cache);
}

static void stats_stripe(struct rzi_stripe *stripe, uint32_t present,
			 struct ramz_values_stats *stats)
{
	rzi_stripe_lock(stripe);
	stats->values += stripe->tally.values;
	stats->expiring += stripe->tally.expiring;
	stats->raw += stripe->tally.raw;
	stats->plain_bytes += stripe->tally.plain_bytes;
	stats->record_bytes += stripe->tally.record_bytes;
	stats->index_bytes +=
		(uint64_t)stripe->tally.values * ENTRY_BYTES + rzi_stripe_directory_bytes(stripe);
	stats->old_values += stripe->tally.coded[CODINGS - 1 - present];
	stats->evicted += stripe->evicted;
	stats->expired += stripe->expired;
	rzi_stripe_unlock(stripe);
}

int ramz_values_get_stats(struct ramz_values *cache, struct ramz_values_stats *stats)
{
	if (cache == NULL || stats == NULL)
		return -XV_EINVAL;
	memset(stats, 0, sizeof(*stats));
	(void)pthread_mutex_lock(&cache->admin);
	for (uint32_t i = 0; i < STRIPES; i++)
		stats_stripe(&cache->stripes[i], atomic_load(&cache->present), stats);
	for (uint32_t i = 0; i < CODINGS; i++) {
		if (cache->coding[i].dictionary != NULL)
			stats->dictionary_bytes += rzi_dictionary_held(cache->coding[i].dictionary);
	}
	stats->generation = cache->generation;
	stats->contexts = atomic_load(&cache->workers);
	for (uint32_t i = 0; i < stats->contexts; i++) {
		const struct rzi_worker *worker = atomic_load(&cache->worker[i]);

		stats->hits += atomic_load_explicit(&worker->hits, memory_order_relaxed);
		stats->misses += atomic_load_explicit(&worker->misses, memory_order_relaxed);
	}
	(void)pthread_mutex_unlock(&cache->admin);
	stats->recompressed = atomic_load(&cache->recompressed);
	stats->context_bytes = atomic_load(&cache->worker_bytes);
	stats->limit_bytes = cache->memory.hard_limit_bytes;
	xv_handle_table_get_stats(cache->table, &stats->table);
	stats->own_bytes = atomic_load(&cache->memory.bytes);
	stats->held_bytes = stats->table.held_bytes + stats->own_bytes;
	return 0;
}
