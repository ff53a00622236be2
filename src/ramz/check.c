/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * check.c: proves the store's invariants. The numbers are those of store_impl.h.
 *
 * Never repairs, never asserts. May call: everything that reads. Locking: the deep check has the
 * store alone. O(everything).
 */
#include <stdlib.h>

#include "backing.h"
#include "dedup.h"
#include "snapshot.h"

enum { ALL_GAUGES = COUNT_GAUGES };

struct checker {
	struct rzi_context *context;
	struct ramz_check_report *report;
	uint64_t gauge[ALL_GAUGES];
	uint64_t objects;      /* objects of slots; each record counts once */
	uint32_t *refs;        /* by record */
	uint64_t records;      /* length of refs */
	uint64_t backed_bytes; /* of forms that entries name */
};

static int check_fails(struct checker *checker, uint32_t invariant, uint64_t page,
		       const char *message)
{
	checker->report->invariant = invariant;
	checker->report->page = page;
	checker->report->message = message;
	return -XV_EBADMSG;
}

/* ---- one slot ---- */

static void check_tally(struct checker *checker, uint64_t entry)
{
	if (rzi_entry_is_same(entry)) {
		checker->gauge[COUNT_SAME]++;
		checker->gauge[COUNT_ZERO] +=
			!rzi_entry_is_side(entry) && rzi_entry_word(entry) == 0;
		return;
	}
	checker->gauge[COUNT_RAW + rzi_entry_codec(entry)]++;
	checker->gauge[COUNT_GOOD] += rzi_entry_good(entry);
	checker->gauge[COUNT_SHARED] += rzi_entry_is_record(entry);
	checker->gauge[COUNT_BACKED] += rzi_entry_is_backed(entry);
	if (rzi_entry_is_backed(entry))
		checker->backed_bytes += rzi_backing_form_bytes(entry);
}

static int check_object(struct checker *checker, uint64_t slot, uint32_t owner, uint64_t entry)
{
	struct ramz *store = checker->context->store;
	uint32_t found_owner = XV_NO_OWNER;
	int bytes = rzi_object_bytes(store, entry);
	int err;

	if (bytes == -XV_EAGAIN)
		return bytes;
	if (bytes < 0 || xv_get_owner(store->pool, rzi_handle(store, entry), &found_owner) != 0)
		return check_fails(checker, 2, slot, "R2: the entry names no object of the pool");
	if (found_owner != owner)
		return check_fails(checker, 2, slot, "R2: the object has another owner");
	if ((rzi_entry_codec(entry) == 0) != (bytes == (int)store->page_bytes))
		return check_fails(checker, 3, slot, "R3: an object's length is not its kind's");
	if (rzi_entry_good(entry) != (bytes <= (int)store->page_bytes / 2))
		return check_fails(checker, 3, slot, "R3: `good` does not fit the length");
	err = rzi_object_read(checker->context, entry, checker->context->page);
	if (err == -XV_EBADMSG)
		return check_fails(checker, 3, slot,
				   "R3: an object does not decompress to a page "
				   "with its checksum");
	return err;
}

static int check_record(struct checker *checker, uint64_t slot, uint64_t entry)
{
	struct rzi_dedup *dedup = checker->context->store->dedup;
	uint32_t record = rzi_entry_record(entry);
	uint64_t object;

	if (dedup == NULL || record >= checker->records || rzi_dedup_place(dedup, record) == NULL)
		return check_fails(checker, 4, slot, "R4: the entry names no record");
	object = atomic_load(rzi_dedup_place(dedup, record));
	if (rzi_entry_kind(object) != ENTRY_OBJECT || rzi_entry_locked(object) ||
	    rzi_entry_codec(object) != rzi_entry_codec(entry) ||
	    rzi_entry_good(object) != rzi_entry_good(entry))
		return check_fails(checker, 4, slot, "R4: slot and record do not agree");
	if (checker->refs[record]++ != 0)
		return 0;
	checker->objects++;
	return check_object(checker, slot, record, object);
}

static int check_slot(struct checker *checker, uint64_t slot)
{
	const struct ramz *store = checker->context->store;
	uint64_t entry = atomic_load(rzi_slot(store, slot));

	if (entry == 0)
		return 0;
	if (rzi_entry_locked(entry) || rzi_entry_kind(entry) == ENTRY_ABSENT)
		return check_fails(checker, 1, slot, "R1: an entry is locked, or of no kind");
	if (slot >= rzi_pages(store))
		return check_fails(checker, 1, slot, "R1: a slot behind the end holds something");
	check_tally(checker, entry);
	if (rzi_entry_kind(entry) == ENTRY_OBJECT) {
		checker->objects++;
		return check_object(checker, slot, (uint32_t)slot, entry);
	}
	if (rzi_entry_is_record(entry))
		return check_record(checker, slot, entry);
	if (rzi_entry_is_side(entry) && rzi_sparse_get(&store->words, slot) == NULL)
		return check_fails(checker, 1, slot, "R1: a word is not in the side table");
	return 0;
}

/* ---- the whole ---- */

/* Check an existing leaf, from its first slot on. */
static int check_leaf(struct checker *checker, uint64_t first)
{
	const struct ramz *store = checker->context->store;
	uint32_t used = 0;
	int err = 0;

	for (uint64_t slot = first; err == 0 && slot < first + SPARSE_LEAF_COUNT; slot++) {
		err = check_slot(checker, slot);
		used += atomic_load(rzi_slot(store, slot)) != 0;
	}
	if (err == 0 && used != rzi_sparse_used(&store->slots, first))
		return check_fails(checker, 8, first,
				   "R8: a leaf has other entries in use than "
				   "it is told to have");
	return err;
}

static int check_slots(struct checker *checker)
{
	const struct ramz *store = checker->context->store;
	uint64_t slot = rzi_sparse_next(&store->slots, 0);
	int err = 0;

	while (err == 0 && slot != UINT64_MAX) {
		err = check_leaf(checker, slot);
		slot = rzi_sparse_next(&store->slots, slot + SPARSE_LEAF_COUNT);
	}
	return err;
}

static int check_records(struct checker *checker)
{
	struct rzi_dedup *dedup = checker->context->store->dedup;

	for (uint64_t i = 0; i < checker->records; i++) {
		if (rzi_dedup_refs(dedup, (uint32_t)i) != checker->refs[i])
			return check_fails(checker, 4, UINT64_MAX,
					   "R4: a record's references are not the slots that "
					   "name it");
	}
	return 0;
}

static int check_gauges(struct checker *checker)
{
	const struct ramz *store = checker->context->store;

	for (uint32_t gauge = 0; gauge < ALL_GAUGES; gauge++) {
		if (rzi_counter_sum(store, (enum rzi_counter)gauge) != checker->gauge[gauge])
			return check_fails(checker, 5, UINT64_MAX,
					   "R5: a gauge is not what the slots add up to");
	}
	return 0;
}

/* Count objects that wait to be freed; no hazard word may be set. */
static int check_contexts(struct checker *checker, uint64_t *waiting)
{
	const struct ramz *store = checker->context->store;

	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		const struct rzi_context *context = rzi_context_at(store, i);

		if (context == NULL)
			continue;
		*waiting += context->retired_count;
		for (uint32_t j = 0; j < CONTEXT_HAZARDS; j++) {
			if (atomic_load(&context->hazard[j]) != XV_NULL_HANDLE)
				return check_fails(checker, 7, UINT64_MAX,
						   "R7: a hazard word is set and no call is "
						   "running");
		}
	}
	return 0;
}

static int check_objects(struct checker *checker)
{
	struct xv_pool_stats stats;
	uint64_t waiting = 0;
	int err = check_contexts(checker, &waiting);

	if (err != 0)
		return err;
	xv_pool_get_stats(checker->context->store->pool, &stats);
	if (stats.objects - stats.remote_waiting != checker->objects + waiting)
		return check_fails(checker, 6, UINT64_MAX,
				   "R6: the pool has other objects than the slots name");
	return 0;
}

static int check_segments(struct checker *checker)
{
	struct rzi_backing *b = checker->context->store->backing;
	uint64_t live_bytes = 0;
	uint32_t free_count = 0;
	bool listed;

	if (b == NULL)
		return 0;
	/* A writeback takes and closes segments outside of the store's calls. */
	(void)pthread_mutex_lock(&b->lock);
	for (uint32_t i = rzi_backing_first(b); i < b->segments; i++) {
		live_bytes += rzi_segment_at(b, i)->live_bytes;
		free_count += rzi_segment_at(b, i)->state == SEGMENT_FREE;
	}
	listed = free_count == b->free_count;
	(void)pthread_mutex_unlock(&b->lock);
	if (live_bytes != checker->backed_bytes)
		return check_fails(checker, 10, UINT64_MAX,
				   "B1: segments have other live bytes than the entries name");
	if (!listed)
		return check_fails(checker, 10, UINT64_MAX,
				   "B2: the free list has other segments than the free ones");
	return 0;
}

/* A page that only a snapshot keeps. */
static void check_kept(void *context, uint64_t slot, uint64_t entry)
{
	struct checker *checker = context;

	(void)slot;
	if (rzi_entry_kind(entry) == ENTRY_OBJECT)
		checker->objects++;
	else if (rzi_entry_is_record(entry) && rzi_entry_record(entry) < checker->records)
		checker->objects += checker->refs[rzi_entry_record(entry)]++ == 0;
	else if (rzi_entry_is_backed(entry))
		checker->backed_bytes += rzi_backing_form_bytes(entry);
}

static int check_deep(struct checker *checker)
{
	int err = check_slots(checker);

	rzi_snapshot_for_each(checker->context->store, check_kept, checker);
	if (err == 0)
		err = check_records(checker);
	if (err == 0)
		err = check_gauges(checker);
	if (err == 0)
		err = check_segments(checker);
	return err == 0 ? check_objects(checker) : err;
}

static int check_closed(struct ramz *store, struct ramz_check_report *report)
{
	struct checker checker = {.report = report};
	int err;

	if (store->dedup != NULL)
		checker.records = rzi_dedup_made(store->dedup);
	checker.refs = calloc((size_t)checker.records + 1, sizeof(*checker.refs));
	if (checker.refs == NULL)
		return -XV_ENOMEM;
	checker.context = rzi_enter_closed(store);
	err = check_deep(&checker);
	rzi_leave_quietly(checker.context);
	free(checker.refs);
	return err;
}

int ramz_check(struct ramz *store, enum xv_check_level level, struct ramz_check_report *report)
{
	struct ramz_check_report unasked;
	int err;

	if (store == NULL)
		return -XV_EINVAL;
	if (report == NULL)
		report = &unasked;
	*report = (struct ramz_check_report){.page = UINT64_MAX, .message = ""};
	report->pool.message = "";
	if (level == XV_CHECK_QUICK)
		return xv_pool_check(store->pool, level, &report->pool);
	(void)pthread_mutex_lock(&store->admin);
	rzi_gate_close(store);
	err = xv_pool_check(store->pool, level, &report->pool);
	if (err == -XV_EBADMSG)
		report->message = "the pool is broken";
	if (err == 0)
		err = check_closed(store, report);
	rzi_gate_open(store);
	(void)pthread_mutex_unlock(&store->admin);
	return err;
}
