/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * store.c: the store as a whole: create, destroy, and the calls that need it alone.
 *
 * Owns: the order in which parts are made and dropped. May call: everything else here. Locking:
 * administrative calls take the admin mutex and close the gate. Complexity: at each call.
 */
#include <stdlib.h>

#include <xvmalloc/provider_mmap.h>

#include "backing.h"
#include "dedup.h"
#include "dictionary.h"
#include "machine_memory.h"
#include "policy.h"
#include "snapshot.h"

/* What an entry can name. */
#define POOL_BYTES_MAX ((uint64_t)1 << (ENTRY_UNIT_BITS + ENTRY_UNIT_BYTES_SHIFT))
#define RESERVE_BYTES_MIN ((uint64_t)64 << 30)

/* ---- create ---- */

static uint32_t store_log2(uint32_t n)
{
	uint32_t log2 = 0;

	while ((n >> log2) > 1)
		log2++;
	return log2;
}

static uint64_t store_pages_for(const struct ramz *store, uint64_t size_bytes)
{
	return (size_bytes >> store->page_shift) +
	       ((size_bytes & (store->page_bytes - 1U)) != 0 ? 1 : 0);
}

static void store_take_options(struct ramz *store, const struct ramz_options *options)
{
	uint64_t size_bytes = options->size_bytes;
	uint32_t permille = options->raw_above_permille;

	store->page_bytes = options->page_bytes != 0 ? options->page_bytes : RAMZ_PAGE_BYTES_MIN;
	store->page_shift = store_log2(store->page_bytes);
	if (size_bytes == 0)
		size_bytes = ramz_memory_bytes() / 4;
	atomic_init(&store->pages, store_pages_for(store, size_bytes));
	if (permille == 0)
		permille = RAMZ_RAW_ABOVE_PERMILLE;
	/* A form as long as the page is no better than the page. */
	store->form_max = store->page_bytes * permille / 1000;
	if (store->form_max == store->page_bytes)
		store->form_max--;
	RZI_ASSERT(store->form_max < store->page_bytes);
	RZI_ASSERT(1U << store->page_shift == store->page_bytes);
	store->checksum = options->checksum;
	store->tail_bytes = options->checksum ? CHECKSUM_BYTES : 0;
	store->auto_compact = !options->no_auto_compact;
	store->on_soft_limit = options->on_soft_limit;
	store->limit_context = options->limit_context;
	atomic_init(&store->soft_limit_bytes, options->soft_limit_bytes);
	atomic_init(&store->hard_limit_bytes, options->hard_limit_bytes);
	atomic_init(&store->futile_slack, UINT64_MAX);
}

/* Address space for the pages: more than the store needs, so that it can grow. */
static int store_make_provider(struct ramz *store, bool huge_pages)
{
	struct xv_provider_mmap_options options;
	uint64_t size = rzi_pages(store) << store->page_shift;
	uint64_t memory = rzi_machine_bytes();
	int err;

	xv_provider_mmap_options_init(&options);
	options.huge_pages = huge_pages;
	if (sizeof(void *) > 4) {
		options.reserve_bytes = size > memory ? size : memory;
		options.reserve_bytes += options.reserve_bytes / 8 + RESERVE_BYTES_MIN;
		if (options.reserve_bytes > POOL_BYTES_MAX)
			options.reserve_bytes = POOL_BYTES_MAX;
	}
	err = xv_provider_mmap_create(&store->provider, &options);
	if (err == -XV_ENOMEM) {
		options.reserve_bytes = 0; /* as much as the system gives */
		err = xv_provider_mmap_create(&store->provider, &options);
	}
	store->own_provider = err == 0;
	return err;
}

static int store_make_pool(struct ramz *store, const struct ramz_options *options)
{
	struct xv_pool_options pool;
	int err = 0;

	store->provider = options->provider;
	if (store->provider == NULL)
		err = store_make_provider(store, options->huge_pages);
	if (err != 0)
		return err;
	store->pool_page_shift = store->provider->page_shift;
	xv_pool_options_init(&pool);
	pool.flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
	pool.hardening = 0; /* the store keeps its handles */
	pool.owner_ops = &rzi_owner_ops;
	pool.owner_context = store;
	pool.shards = options->shards;
	err = xv_pool_create(&store->pool, store->provider, &pool);
	if (err != 0)
		return err;
	rzi_memory_set_pool(&store->memory, store->pool);
	return 0;
}

static int store_make_codec(struct ramz *store, const struct ramz_options *options)
{
	const struct ramz_codec *codec = options->codec != NULL ? options->codec : ramz_codec_at(0);
	int index = rzi_coding_index(store, codec, 0, NULL);

	if (index < 0)
		return index;
	if (!rzi_codec_works(store, codec, options->level))
		return -XV_ENOMEM;
	atomic_store(&store->setting[0], rzi_setting((uint32_t)index, options->level));
	return 0;
}

/* Make everything after the memory account. */
static int store_make_parts(struct ramz *store, const struct ramz_options *options)
{
	uint64_t pages = rzi_pages(store);
	int err = store_make_pool(store, options);

	if (err == 0)
		err = rzi_sparse_init(&store->slots, &store->memory, pages, sizeof(uint64_t), 1);
	if (err == 0)
		err = rzi_sparse_init(&store->words, &store->memory, pages, sizeof(uint64_t), 0);
	if (err == 0 && options->dedup)
		err = rzi_dedup_create(store);
	if (err == 0)
		err = store_make_codec(store, options);
	if (err == 0)
		err = rzi_policy_create(store);
	if (err == 0)
		err = rzi_contexts_init(store);
	return err;
}

static void store_drop_parts(struct ramz *store)
{
	rzi_policy_destroy(store);
	rzi_backing_destroy(store);
	rzi_codings_fini(store);
	rzi_dedup_destroy(store);
	rzi_sparse_fini(&store->words);
	rzi_sparse_fini(&store->slots);
	rzi_memory_set_pool(&store->memory, NULL);
	xv_pool_destroy(store->pool);
	if (store->own_provider)
		xv_provider_mmap_destroy(store->provider);
}

static void store_free(struct ramz *store)
{
	(void)pthread_mutex_destroy(&store->snapshot.making);
	(void)pthread_mutex_destroy(&store->snapshot.lock);
	(void)pthread_mutex_destroy(&store->backing_writing);
	rzi_memory_fini(&store->memory);
	(void)pthread_mutex_destroy(&store->admin);
	free(store);
}

int rzi_store_create(struct ramz **out, const struct ramz_options *options)
{
	struct ramz *store = calloc(1, sizeof(*store));
	int err;

	if (store == NULL)
		return -XV_ENOMEM;
	if (pthread_mutex_init(&store->admin, NULL) != 0) {
		free(store);
		return -XV_ENOMEM;
	}
	(void)pthread_mutex_init(&store->backing_writing, NULL);
	(void)pthread_mutex_init(&store->snapshot.lock, NULL);
	(void)pthread_mutex_init(&store->snapshot.making, NULL);
	err = rzi_memory_init(&store->memory, sizeof(*store));
	if (err != 0) {
		(void)pthread_mutex_destroy(&store->admin);
		free(store);
		return err;
	}
	store_take_options(store, options);
	err = store_make_parts(store, options);
	if (err != 0) {
		store_drop_parts(store);
		store_free(store);
		return err;
	}
	rzi_memory_set_limit(&store->memory, options->hard_limit_bytes);
	*out = store;
	return 0;
}

int ramz_create(struct ramz **out, const struct ramz_options *options)
{
	struct ramz_options defaults;
	int err;

	if (out == NULL)
		return -XV_EINVAL;
	if (options == NULL) {
		ramz_options_init(&defaults);
		options = &defaults;
	}
	err = ramz_options_check(options, NULL);
	return err == 0 ? rzi_store_create(out, options) : err;
}

void ramz_destroy(struct ramz *store)
{
	if (store == NULL)
		return;
	rzi_policy_destroy(store);
	rzi_contexts_fini(store);
	store_drop_parts(store);
	store_free(store);
}

/* ---- numbers ---- */

uint64_t ramz_size_bytes(const struct ramz *store)
{
	return store != NULL ? rzi_pages(store) << store->page_shift : 0;
}

size_t ramz_page_bytes(const struct ramz *store)
{
	return store != NULL ? store->page_bytes : 0;
}

const struct ramz_codec *ramz_get_codec(const struct ramz *store, int32_t *level)
{
	uint64_t setting;
	uint32_t index;

	if (store == NULL)
		return NULL;
	setting = atomic_load(&store->setting[0]);
	index = rzi_setting_codec(setting);
	if (level != NULL)
		*level = rzi_setting_level(setting);
	return index == 0 ? ramz_codec_by_name("none") : rzi_coding_codec(store, index);
}

/* ---- administrative calls ---- */

static void store_close(struct ramz *store)
{
	(void)pthread_mutex_lock(&store->admin);
	rzi_gate_close(store);
}

static void store_open(struct ramz *store)
{
	rzi_gate_open(store);
	(void)pthread_mutex_unlock(&store->admin);
}

/* The codec's index for a tier, if a context for it can be made. */
static int store_coding(struct ramz *store, uint32_t tier, const struct ramz_codec *codec,
			int32_t level)
{
	int index;

	RZI_ASSERT(rzi_mutex_is_taken(&store->admin));
	if (!rzi_codec_works(store, codec, level))
		return -XV_ENOMEM;
	index = rzi_coding_index(store, codec, tier, NULL);
	if (index != -XV_E2BIG)
		return index;
	rzi_gate_close(store);
	rzi_codings_reap(store);
	rzi_gate_open(store);
	return rzi_coding_index(store, codec, tier, NULL);
}

static bool store_takes_codec(const struct ramz *store, const struct ramz_codec *codec)
{
	struct ramz_options options;

	ramz_options_init(&options);
	options.codec = codec;
	options.size_bytes = store->page_bytes;
	return ramz_options_check(&options, NULL) == 0;
}

static int store_set_tier(struct ramz *store, uint32_t tier, const struct ramz_codec *codec,
			  int32_t level)
{
	int index;

	(void)pthread_mutex_lock(&store->admin);
	index = store_coding(store, tier, codec, level);
	if (index >= 0)
		atomic_store(&store->setting[tier], rzi_setting((uint32_t)index, level));
	(void)pthread_mutex_unlock(&store->admin);
	if (index >= 0 && tier != 0)
		rzi_policy_news(store);
	return index < 0 ? index : 0;
}

int ramz_set_codec(struct ramz *store, const struct ramz_codec *codec, int32_t level)
{
	if (store == NULL || codec == NULL || !store_takes_codec(store, codec))
		return -XV_EINVAL;
	return store_set_tier(store, 0, codec, level);
}

int ramz_set_tier(struct ramz *store, uint32_t tier, const struct ramz_codec *codec, int32_t level)
{
	if (store == NULL || tier == 0 || tier >= RAMZ_TIERS)
		return -XV_EINVAL;
	if (codec == NULL) {
		atomic_store(&store->setting[tier], 0);
		return 0;
	}
	if (codec->id == 0 || !store_takes_codec(store, codec))
		return -XV_EINVAL;
	return store_set_tier(store, tier, codec, level);
}

int ramz_get_tier(struct ramz *store, uint32_t tier, struct ramz_tier_info *info)
{
	struct ramz_tier_info found = {.codec = NULL};
	uint32_t index;

	if (store == NULL || info == NULL || tier >= RAMZ_TIERS)
		return -XV_EINVAL;
	/* No coding is freed meanwhile. */
	(void)pthread_mutex_lock(&store->admin);
	found.level = rzi_setting_level(atomic_load(&store->setting[tier]));
	index = rzi_setting_codec(atomic_load(&store->setting[tier]));
	if (index != 0) {
		const struct rzi_coding *coding = &store->coding[index];

		found.codec = atomic_load(&coding->codec);
		if (found.level == RAMZ_LEVEL_DEFAULT)
			found.level = found.codec->level_default;
		found.dictionary_bytes = coding->dictionary != NULL ? coding->dictionary->count : 0;
	}
	for (uint32_t i = 1; i < CODECS; i++) {
		if (atomic_load(&store->coding[i].codec) != NULL && store->coding[i].tier == tier)
			found.pages += rzi_counter_sum(store, (enum rzi_counter)(COUNT_RAW + i));
	}
	(void)pthread_mutex_unlock(&store->admin);
	*info = found;
	return 0;
}

int ramz_flush(struct ramz *store)
{
	if (store == NULL)
		return -XV_EINVAL;
	(void)pthread_mutex_lock(&store->admin);
	rzi_contexts_drain(store);
	(void)pthread_mutex_unlock(&store->admin);
	return 0;
}

/* Empty the slots behind a new end. Gate closed. */
static void store_drop_behind(struct ramz *store, uint64_t pages)
{
	struct rzi_context *context = rzi_enter_closed(store);
	uint64_t slot = rzi_sparse_next(&store->slots, pages);

	while (slot < rzi_pages(store)) {
		(void)rzi_slot_clear(context, slot);
		slot = rzi_sparse_after(&store->slots, slot);
	}
	rzi_leave_quietly(context);
}

/* Gate closed. */
static int store_resize(struct ramz *store, uint64_t pages)
{
	int err;

	RZI_ASSERT(atomic_load(&store->contexts.closed));
	if (pages < rzi_pages(store)) {
		store_drop_behind(store, pages);
		atomic_store(&store->pages, pages);
	}
	err = rzi_sparse_resize(&store->slots, pages);
	if (err == 0)
		err = rzi_sparse_resize(&store->words, pages);
	if (err == 0)
		err = rzi_dedup_resize(store, pages);
	if (err == 0)
		atomic_store(&store->pages, pages);
	return err;
}

int ramz_resize(struct ramz *store, uint64_t size_bytes)
{
	int err;

	if (store == NULL || size_bytes == 0)
		return -XV_EINVAL;
	if (size_bytes > RAMZ_PAGES_MAX << store->page_shift)
		return -XV_E2BIG;
	store_close(store);
	err = store_resize(store, store_pages_for(store, size_bytes));
	if (err == -XV_ENOSPC) {
		rzi_room_make_alone(store);
		err = store_resize(store, store_pages_for(store, size_bytes));
	}
	store_open(store);
	return err;
}

/* Contexts forget the pages that are gone. Gate closed. */
static void store_forget(struct ramz *store, bool objects_too)
{
	RZI_ASSERT(atomic_load(&store->contexts.closed));
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		if (context == NULL)
			continue;
		if (objects_too)
			context->retired_count = 0;
		context->writes_until_watch = 0;
		context->frees_until_compact = 0;
		rzi_counters_clear(&context->counters);
	}
	atomic_store(&store->above_soft, false);
	atomic_store(&store->futile_slack, UINT64_MAX);
	atomic_store(&store->in_cycle, false);
}

/* All pages at once. Gate closed. */
static int store_drop_all(struct ramz *store)
{
	int err = xv_pool_reset(store->pool);

	RZI_ASSERT(!store->snapshot.active);
	if (err != 0)
		return err;
	rzi_sparse_clear(&store->slots);
	rzi_sparse_clear(&store->words);
	rzi_backing_reset(store);
	if (store->dedup != NULL)
		rzi_dedup_reset(store);
	store_forget(store, true);
	return 0;
}

int ramz_reset(struct ramz *store)
{
	int err = 0;

	if (store == NULL)
		return -XV_EINVAL;
	store_close(store);
	if (store->snapshot.active) {
		store_drop_behind(store, 0); /* page by page: a snapshot keeps them */
		rzi_contexts_trim(store);    /* which frees what waits */
		store_forget(store, false);
		xv_pool_reset_peak(store->pool);
	} else {
		err = store_drop_all(store);
	}
	store_open(store);
	return err;
}

uint64_t ramz_trim(struct ramz *store)
{
	uint64_t own, bytes;

	if (store == NULL)
		return 0;
	store_close(store);
	own = atomic_load(&store->memory.bytes);
	rzi_contexts_trim(store);
	rzi_codings_reap(store);
	rzi_tables_trim(store);
	bytes = own - atomic_load(&store->memory.bytes);
	bytes += xv_pool_trim(store->pool);
	store_open(store);
	return bytes;
}
