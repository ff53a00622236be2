/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * room.c: make room at the hard limit, or when the provider has no page. Only this file does it.
 *
 * A call whose memory is refused, its own or the pool's, undoes its work: it protects nothing, has
 * no lock, and leaves nothing half made. Then it calls rzi_room_make, and begins again while that
 * says that there may be room. What goes, in this order:
 *
 *   1  tables that hold nothing (the gate is closed for it: see rzi_park)
 *   2  codec contexts that were not used lately
 *   3  the pool's empty pages
 *   4  compaction, until some pages are gained or a cycle ends
 *   5  codec contexts of all threads, if a codec context was refused
 *   6  the policy, if its thread runs: wait for it, at most as long as it says
 *   7  a snapshot, with the pages that only it keeps
 *
 * A call tries each once, and compaction while it gains; so a refusal comes after a bounded time.
 *
 * A compaction that gained nothing begins again only when the pool's slack (held bytes less
 * requested bytes) is an eighth, and at least a grain, above its least since then: to find nothing
 * costs a look at every page.
 *
 * Owns: the order. May call: context.h, compact.c, dedup.h, sparse.h, the pool. Locking: the caller
 * has none; 1 and 5 take the admin mutex and the gate. Complexity: that of what is done.
 */
#include "dedup.h"
#include "policy.h"
#include "snapshot.h"

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
	RZI_ASSERT(atomic_load(&store->contexts.closed));
	rzi_sparse_trim(&store->slots, leaf_is_zero);
	rzi_sparse_trim(&store->words, leaf_is_zero);
	if (store->dedup != NULL)
		rzi_dedup_trim(store, leaf_is_zero);
}

/* Make room with the store alone. Another call may have done the same while this one waited, so
 * there may be room in any case. */
static bool room_alone(struct rzi_context *context, bool codecs_too)
{
	struct ramz *store = context->store;

	rzi_park(context);
	(void)pthread_mutex_lock(&store->admin);
	if (codecs_too || rzi_tables_idle_bytes(store) != 0) {
		rzi_gate_close(store);
		if (codecs_too)
			rzi_contexts_trim(store);
		rzi_codings_reap(store);
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

/* ---- codec contexts ---- */

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

/* ---- the whole order ---- */

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
	if (err == -XV_ENOSPC && rzi_policy_wait(context, &room->deadline_ns))
		return true;
	return rzi_snapshot_give_up(context);
}

void rzi_room_make_alone(struct ramz *store)
{
	struct rzi_context *context = rzi_enter_closed(store);

	rzi_contexts_trim(store);
	rzi_tables_trim(store);
	(void)xv_pool_trim(store->pool);
	while (room_of_compaction(context) || rzi_snapshot_give_up(context))
		;
	rzi_leave_quietly(context);
}
