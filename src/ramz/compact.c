/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * compact.c: compaction of the pool, with the store's table as its owner.
 *
 * Policy of the automatic steps: a thread that has freed FREES_PER_STEP objects asks the pool what
 * compaction would give back. A cycle begins if that is an eighth of the pool's pages and 256 KiB.
 * Then each FREES_PER_STEP frees of any thread move about STEP_BYTES, until the cycle is over. A
 * cycle that gained little is followed by a rest. So a free pays for at most 1 KiB of copying. At
 * the hard limit, and when the provider has no page left, room.c calls compaction before a write is
 * refused.
 *
 * Owns: the owner calls, and the policy. May call: the pool. Locking: the owner calls run under the
 * pool's lock and never wait; see store_impl.h. One thread at a time does automatic steps. O(bytes
 * moved).
 */
#include "dedup.h"
#include "store_impl.h"

enum {
	FREES_PER_STEP = 32,
	FREES_TO_REST = 256,
	STEP_BYTES = 32 << 10,
	HAND_STEP_BYTES = 64 << 10,
	GAIN_MIN_BYTES = 256 << 10,
	GAIN_SHARE_SHIFT = 3, /* an eighth */
	CYCLES_MAX = 16,      /* of ramz_compact with 0 bytes */
	STEPS_AT_LIMIT = 8192,
	ROOM_BYTES = 128 << 10, /* two of the longest pages */
};

/* ---- owner calls ---- */

/* The place of the entry of this owner's object. */
static _Atomic uint64_t *compact_place(const struct ramz *store, uint32_t owner)
{
	return store->dedup != NULL ? rzi_dedup_place(store->dedup, owner) : rzi_slot(store, owner);
}

/* New value of the locked entry; the old one, unlocked, if the object must stay. */
static uint64_t compact_new_entry(const struct ramz *store, uint64_t entry, xv_handle from,
				  xv_handle to)
{
	uint64_t moved;

	RZI_ASSERT(!rzi_entry_locked(entry) && rzi_entry_kind(entry) == ENTRY_OBJECT); /* R2 */
	if (rzi_is_protected(store, from) ||
	    !rzi_entry_moved(entry & ~ENTRY_LOCK, to, store->pool_page_shift, &moved))
		return entry;
	return moved;
}

static int compact_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	const struct ramz *store = context;
	_Atomic uint64_t *place = compact_place(store, owner);
	uint64_t entry = place != NULL ? atomic_load(place) : 0;
	uint64_t next;

	if (rzi_entry_locked(entry) || rzi_entry_kind(entry) != ENTRY_OBJECT ||
	    rzi_handle(store, entry) != from ||
	    !atomic_compare_exchange_strong(place, &entry, entry | ENTRY_LOCK))
		return -XV_EBUSY;
	next = compact_new_entry(store, entry, from, to);
	atomic_store(place, next);
	return next != entry ? 0 : -XV_EBUSY;
}

const struct xv_owner_ops rzi_owner_ops = {
	.relocated = compact_relocated,
};

/* ---- steps ---- */

static int compact_step(struct rzi_context *context, size_t move_bytes,
			struct xv_compact_report *report)
{
	struct rzi_counters *counters = &context->counters;
	int err;

	*report = (struct xv_compact_report){.more = false};
	err = xv_compact(context->store->pool, move_bytes, report);
	if (err != 0)
		return err;
	rzi_count(counters, COUNT_COMPACT_STEPS, 1);
	rzi_count(counters, COUNT_COMPACT_MOVED, report->moved_bytes);
	rzi_count(counters, COUNT_COMPACT_FREED, report->freed_bytes);
	rzi_count(counters, COUNT_COMPACT_REFUSED, report->refused);
	return 0;
}

/* Is a cycle worth its cost? */
static bool compact_pays(struct ramz *store)
{
	uint64_t gain = xv_compactable(store->pool);
	struct xv_pool_stats stats;

	if (gain < GAIN_MIN_BYTES)
		return false;
	xv_pool_get_stats(store->pool, &stats);
	return gain >= (stats.held_bytes - stats.table_bytes) >> GAIN_SHARE_SHIFT;
}

static void compact_automatically(struct rzi_context *context)
{
	struct ramz *store = context->store;
	struct xv_compact_report report;

	context->frees_until_compact = FREES_PER_STEP;
	if (!atomic_load(&store->in_cycle) && !compact_pays(store))
		return;
	atomic_store(&store->in_cycle, true);
	if (compact_step(context, STEP_BYTES, &report) != 0 || report.more)
		return;
	atomic_store(&store->in_cycle, false);
	context->frees_until_compact = FREES_TO_REST;
}

void rzi_compact_maybe(struct rzi_context *context)
{
	struct ramz *store = context->store;

	if (!store->auto_compact)
		return;
	if (context->frees_until_compact != 0) {
		context->frees_until_compact--;
		return;
	}
	if (atomic_exchange(&store->compacting, true))
		return;
	compact_automatically(context);
	atomic_store(&store->compacting, false);
}

uint64_t rzi_compact_for_room(struct rzi_context *context)
{
	struct xv_compact_report report = {.more = true};
	uint64_t freed_bytes = 0;

	for (uint32_t i = 0; report.more && freed_bytes < ROOM_BYTES && i < STEPS_AT_LIMIT; i++) {
		if (compact_step(context, STEP_BYTES, &report) != 0)
			break;
		freed_bytes += report.freed_bytes;
	}
	return freed_bytes;
}

/* ---- by hand ---- */

static void compact_add(struct xv_compact_report *sum, const struct xv_compact_report *step)
{
	sum->moved_bytes += step->moved_bytes;
	sum->moved_blocks += step->moved_blocks;
	sum->freed_bytes += step->freed_bytes;
	sum->refused += step->refused;
	sum->pinned_pages += step->pinned_pages;
	sum->more = step->more;
}

/* Do steps until the cycle is over or, if bounded, *left bytes were moved. */
static int compact_cycle(struct ramz *store, uint64_t *left, bool bounded,
			 struct xv_compact_report *sum)
{
	struct xv_compact_report step = {.more = true};
	int err = 0;

	while (err == 0 && step.more && (!bounded || *left != 0)) {
		size_t bytes = bounded && *left < HAND_STEP_BYTES ? (size_t)*left : HAND_STEP_BYTES;
		struct rzi_context *context = rzi_enter(store);

		rzi_retired_free(context);
		err = compact_step(context, bytes, &step);
		rzi_leave(context);
		if (err == 0)
			compact_add(sum, &step);
		/* A step that moved nothing has looked at tables for as long. */
		*left -= *left < bytes ? *left : bytes;
	}
	return err;
}

int ramz_compact(struct ramz *store, uint64_t move_bytes, struct xv_compact_report *report)
{
	struct xv_compact_report sum = {.more = false};
	uint64_t left = move_bytes;
	int err = 0;

	if (store == NULL)
		return -XV_EINVAL;
	for (uint32_t cycle = 0; err == 0 && cycle < CYCLES_MAX; cycle++) {
		uint64_t freed_bytes = sum.freed_bytes;

		err = compact_cycle(store, &left, move_bytes != 0, &sum);
		if (move_bytes != 0 || sum.freed_bytes == freed_bytes)
			break;
	}
	if (report != NULL && err == 0)
		*report = sum;
	return err;
}
