/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * room.c: making room at the hard limit, and where the provider has no page: the one place that
 * does it.
 *
 * A call that is refused memory, its own or the pool's, undoes what it has done so far: nothing is
 * pinned, no lock is held, nothing is half made. Then it asks here, and begins again while the
 * answer is that there may be room now. What goes, in this order:
 *
 *   1  tables that hold nothing (the gate is closed for it: see rzi_park)
 *   2  codecs' contexts that were not used of late
 *   3  the pool's empty pages
 *   4  compaction, until some pages were gained or a cycle has ended
 *   5  codecs' contexts of all threads, where it is a codec's context that was refused
 *
 * Each is tried once for a call, but for compaction, which is tried while it gains; so a call that
 * must be refused is refused after a bounded time.
 *
 * A compaction that gained nothing is not begun again before the pool's slack (what it holds beyond
 * the requested bytes) is an eighth, and at least a grain, above the least it was since: looking
 * for what is not there costs a look at every page.
 *
 * Owns: the order. May call: context.h, compact.c, dedup.h, sparse.h, the pool.
 * Locking: none is held; 1 and 5 take the admin mutex and the gate. Complexity as of what is done.
 */
#include "dedup.h"
#include "store_impl.h"

enum {
	ROOM_COMPACTIONS_MAX = 16, /* for one call: others may take what it gained */
	ROOM_SLACK_SHIFT = 3,      /* an eighth */
};

/* ---- tables ---- */

static bool leaf_is_zero(const void *leaf)
{
	const _Atomic uint64_t *element = leaf;

	for (uint32_t i = 0; i < SPARSE_LEAF_COUNT; i++) {
		if (atomic_load_explicit(&element[i], memory_order_relaxed) != 0)
			return false;
	}
	return true;
}

uint64_t rzi_tables_idle_bytes(const struct ramz *store)
{
	uint64_t bytes =
		rzi_sparse_idle_bytes(&store->slots) + rzi_sparse_idle_bytes(&store->words);

	return store->dedup != NULL ? bytes + rzi_dedup_idle_bytes(store->dedup) : bytes;
}

void rzi_tables_trim(struct ramz *store)
{
	rzi_sparse_trim(&store->slots, leaf_is_zero);
	rzi_sparse_trim(&store->words, leaf_is_zero);
	if (store->dedup != NULL)
		rzi_dedup_trim(store, leaf_is_zero);
}

/* With the store for oneself. It may be that another call did the same while this one waited for
 * it; so there may be room in any case. */
static bool room_alone(struct rzi_context *context, bool codecs_too)
{
	struct ramz *store = context->store;

	rzi_park(context);
	(void)pthread_mutex_lock(&store->admin);
	if (codecs_too || rzi_tables_idle_bytes(store) != 0) {
		rzi_gate_close(store);
		if (codecs_too)
			rzi_contexts_trim(store);
		rzi_tables_trim(store);
		rzi_gate_open(store);
	}
	(void)pthread_mutex_unlock(&store->admin);
	rzi_unpark(context);
	return true;
}

static bool room_of_tables(struct rzi_context *context)
{
	return rzi_tables_idle_bytes(context->store) != 0 && room_alone(context, false);
}

/* ---- codecs' contexts ---- */

static bool room_of_idle_codecs(struct rzi_context *context)
{
	struct ramz *store = context->store;
	uint64_t bytes;

	if (atomic_load(&store->contexts.codec_bytes) == 0)
		return false;
	bytes = rzi_context_drop_codecs(context,
					rzi_setting_codec(atomic_load(&store->setting[0])));
	return bytes + rzi_contexts_drop_idle(store) != 0;
}

static bool room_of_codecs(struct rzi_context *context)
{
	return context->codec_refused && room_alone(context, true);
}

/* ---- the pool ---- */

static bool room_of_empty_pages(struct rzi_context *context)
{
	struct xv_pool *pool = context->store->pool;
	struct xv_pool_stats stats;

	xv_pool_get_stats(pool, &stats);
	return stats.spare_bytes != 0 && xv_pool_trim(pool) != 0;
}

static uint64_t room_slack(struct ramz *store)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(store->pool, &stats);
	return stats.held_bytes > stats.requested_bytes ? stats.held_bytes - stats.requested_bytes
							: 0;
}

/* Has compaction gained nothing, and too little was freed since? */
static bool room_is_hopeless(struct ramz *store)
{
	uint64_t least = atomic_load(&store->futile_slack);
	uint64_t grain_bytes =
		xv_provider_page_bytes(store->provider) / xv_provider_page_grains(store->provider);
	uint64_t slack, more;

	if (least == UINT64_MAX)
		return false;
	slack = room_slack(store);
	if (slack < least) {
		atomic_store(&store->futile_slack, slack);
		return true;
	}
	more = least >> ROOM_SLACK_SHIFT;
	return slack - least < (more > grain_bytes ? more : grain_bytes);
}

static bool room_of_compaction(struct rzi_context *context)
{
	struct ramz *store = context->store;

	if (!store->auto_compact || room_is_hopeless(store))
		return false;
	atomic_store(&store->futile_slack, UINT64_MAX);
	if (rzi_compact_for_room(context) != 0)
		return true;
	atomic_store(&store->futile_slack, room_slack(store));
	return false;
}

/* ---- all of it ---- */

bool rzi_room_make(struct rzi_context *context, struct rzi_room *room, int err)
{
	static bool (*const ways[])(struct rzi_context *) = {
		room_of_tables,     room_of_idle_codecs, room_of_empty_pages,
		room_of_compaction, room_of_codecs,
	};
	const uint32_t compaction = 3;

	if (err != -XV_ENOSPC && err != -XV_ENOMEM)
		return false;
	rzi_retired_free(context);
	while (room->way < sizeof(ways) / sizeof(ways[0])) {
		uint32_t way = room->way;
		bool made = ways[way](context);

		if (!made || way != compaction || ++room->compactions == ROOM_COMPACTIONS_MAX)
			room->way++;
		if (made)
			return true;
	}
	return false;
}

void rzi_room_make_alone(struct ramz *store)
{
	struct rzi_context *context = rzi_enter_closed(store);

	rzi_contexts_trim(store);
	rzi_tables_trim(store);
	(void)xv_pool_trim(store->pool);
	while (room_of_compaction(context))
		;
	rzi_leave_quietly(context);
}
