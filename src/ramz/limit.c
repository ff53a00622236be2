/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * limit.c: the soft limit on held bytes. The hard limit is the pool's limit plus the store's own
 * memory (memory.c).
 *
 * To ask the pool what it holds takes time. So a thread asks again only after as many writes as
 * could reach the soft limit if every thread wrote raw pages; near the limit that is each write.
 *
 * Locking: none. O(1), plus the pool's statistics at times.
 */
#include "store_impl.h"

enum { WATCH_WRITES_MAX = 4096 };

uint64_t rzi_held_bytes(struct ramz *store, const struct xv_pool_stats *pool)
{
	return pool->held_bytes + atomic_load(&store->memory.bytes);
}

/* Writes that this thread may do before it must look again. */
static uint32_t limit_distance(const struct ramz *store, uint64_t held_bytes, uint64_t limit)
{
	uint64_t room = limit > held_bytes ? limit - held_bytes : 0;
	uint64_t a_write = (uint64_t)store->page_bytes * 2;
	uint64_t writes = room / (a_write * (rzi_contexts_high(store) + 1));

	return writes < WATCH_WRITES_MAX ? (uint32_t)writes : WATCH_WRITES_MAX;
}

static void limit_look(struct rzi_context *context, uint64_t limit)
{
	struct ramz *store = context->store;
	struct xv_pool_stats pool;
	uint64_t held_bytes;

	xv_pool_get_stats(store->pool, &pool);
	held_bytes = rzi_held_bytes(store, &pool);
	if (held_bytes < limit) {
		atomic_store(&store->above_soft, false);
		context->writes_until_watch = limit_distance(store, held_bytes, limit);
		return;
	}
	/* Above the limit there is nothing to tell until held bytes were below it again: look at
	 * times. */
	context->writes_until_watch = WATCH_WRITES_MAX / 64;
	if (!atomic_exchange(&store->above_soft, true)) {
		rzi_count(&context->counters, COUNT_SOFT_HITS, 1);
		context->soft_held_bytes = held_bytes;
	}
}

void rzi_limit_watch(struct rzi_context *context)
{
	uint64_t limit =
		atomic_load_explicit(&context->store->soft_limit_bytes, memory_order_relaxed);

	if (limit == 0)
		return;
	if (context->writes_until_watch != 0)
		context->writes_until_watch--;
	else
		limit_look(context, limit);
}

void rzi_limit_changed(struct ramz *store)
{
	atomic_store(&store->above_soft, false);
	atomic_store(&store->futile_slack, UINT64_MAX);
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		if (context != NULL)
			context->writes_until_watch = 0;
	}
}

int ramz_set_limits(struct ramz *store, uint64_t soft_limit_bytes, uint64_t hard_limit_bytes)
{
	if (store == NULL || (hard_limit_bytes != 0 && soft_limit_bytes > hard_limit_bytes))
		return -XV_EINVAL;
	(void)pthread_mutex_lock(&store->admin);
	rzi_gate_close(store);
	atomic_store(&store->soft_limit_bytes, soft_limit_bytes);
	atomic_store(&store->hard_limit_bytes, hard_limit_bytes);
	rzi_memory_set_limit(&store->memory, hard_limit_bytes);
	rzi_limit_changed(store);
	rzi_gate_open(store);
	(void)pthread_mutex_unlock(&store->admin);
	return 0;
}
