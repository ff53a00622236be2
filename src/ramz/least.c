/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * least.c: the least hard limit with which a store works.
 *
 * It depends on codec, page size, size, provider and the pool's rules, so it is tried rather than
 * computed: a store without a limit is made and written to, and what it held becomes the limit of
 * another one.
 *
 * May call: store.c. Locking: none; no other thread sees the stores. O(1).
 */
#include <stdlib.h>

#include "store_impl.h"

enum {
	LEAST_STEP_BYTES = 4096,
	LEAST_STEPS_MAX = 256, /* 1 MiB */
};

/* A page that does not compress. */
static unsigned char *least_page(size_t bytes)
{
	unsigned char *page = malloc(bytes);
	uint64_t state = 0x9E3779B97F4A7C15U;

	for (size_t i = 0; page != NULL && i < bytes; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		page[i] = (unsigned char)(state >> 32);
	}
	return page;
}

/* Write one page to a store with this limit. *held_bytes is the most that it held. */
static int least_try(const struct ramz_options *options, uint64_t limit_bytes, uint64_t *held_bytes)
{
	struct ramz_options mine = *options;
	struct xv_pool_stats pool;
	unsigned char *page;
	struct ramz *store;
	int err;

	mine.soft_limit_bytes = 0;
	mine.hard_limit_bytes = limit_bytes;
	err = rzi_store_create(&store, &mine);
	if (err != 0)
		return err;
	page = least_page(store->page_bytes);
	err = page != NULL ? ramz_write_page(store, 0, page) : -XV_ENOMEM;
	xv_pool_get_stats(store->pool, &pool);
	*held_bytes = atomic_load(&store->memory.bytes) + pool.peak_held_bytes;
	free(page);
	ramz_destroy(store);
	return err;
}

uint64_t rzi_least_limit(const struct ramz_options *options)
{
	uint64_t least_bytes = 0, held_bytes;
	int err = least_try(options, 0, &least_bytes);

	for (uint32_t i = 0; err == 0 && i < LEAST_STEPS_MAX; i++) {
		err = least_try(options, least_bytes, &held_bytes);
		/* Add the share of further contexts: see context.c. */
		if (err == 0)
			return least_bytes + least_bytes / (CONTEXT_LIMIT_SHARE - 1) + 1;
		if (err == -XV_ENOSPC) {
			least_bytes += LEAST_STEP_BYTES;
			err = 0;
		}
	}
	return 0;
}

uint64_t ramz_least_limit(const struct ramz_options *options)
{
	struct ramz_options mine;

	if (options == NULL)
		return 0;
	mine = *options;
	mine.soft_limit_bytes = 0;
	mine.hard_limit_bytes = 0;
	return ramz_options_check(&mine, NULL) == 0 ? rzi_least_limit(&mine) : 0;
}
