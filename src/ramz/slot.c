/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * slot.c: look at a slot, and change it. The rules are in store_impl.h.
 *
 * Owns: the order of loads and stores on entries, and the gauges. May call: object.c, dedup.c,
 * sparse.h. Locking: none; an entry's lock bit is set for some instructions. O(1).
 */
#include "backing.h"
#include "dedup.h"
#include "snapshot.h"

/* The pool's header is about this far before an object. */
#define OBJECT_HEADER_BYTES 8U

/* ---- protection ---- */

bool rzi_protect(struct rzi_context *context, uint32_t hazard, const _Atomic uint64_t *place,
		 uint64_t entry)
{
	RZI_ASSERT(rzi_entry_kind(entry) == ENTRY_OBJECT && !rzi_entry_locked(entry));
	RZI_ASSERT(atomic_load(&context->hazard[hazard]) == XV_NULL_HANDLE);
	atomic_store(&context->hazard[hazard], rzi_handle(context->store, entry));
	if (atomic_load(place) == entry)
		return true;
	rzi_unprotect(context, hazard);
	return false;
}

void rzi_unprotect(struct rzi_context *context, uint32_t hazard)
{
	atomic_store_explicit(&context->hazard[hazard], XV_NULL_HANDLE, memory_order_release);
}

/* ---- looking ---- */

/* Read the word of a side entry while the entry is locked. False: it has changed. */
static bool slot_read_side(const struct ramz *store, uint64_t slot, _Atomic uint64_t *place,
			   uint64_t entry, uint64_t *word)
{
	const uint64_t *side = rzi_sparse_get(&store->words, slot);
	uint64_t there = entry;

	if (!atomic_compare_exchange_strong(place, &there, entry | ENTRY_LOCK))
		return false;
	*word = *side;
	atomic_store(place, entry);
	return true;
}

/* Protect the object of the record that the slot names. False: try again. */
static bool slot_protect_record(struct rzi_context *context, const _Atomic uint64_t *place,
				struct rzi_view *view)
{
	const _Atomic uint64_t *object =
		rzi_dedup_place(context->store->dedup, rzi_entry_record(view->slot_entry));
	uint64_t entry = atomic_load(object);

	if (rzi_entry_locked(entry) || rzi_entry_kind(entry) != ENTRY_OBJECT ||
	    !rzi_protect(context, view->hazard, object, entry))
		return false;
	if (atomic_load(place) != view->slot_entry) {
		rzi_unprotect(context, view->hazard);
		return false;
	}
	view->entry = entry;
	return true;
}

/* Take a view of an entry that was just loaded. False: it has changed. */
static bool slot_view_entry(struct rzi_context *context, uint64_t slot, _Atomic uint64_t *place,
			    struct rzi_view *view)
{
	uint64_t entry = view->slot_entry;

	if (rzi_entry_locked(entry))
		return false;
	view->entry = entry;
	if (rzi_entry_kind(entry) == ENTRY_OBJECT)
		return rzi_protect(context, view->hazard, place, entry);
	if (rzi_entry_is_record(entry))
		return slot_protect_record(context, place, view);
	if (rzi_entry_is_side(entry))
		return slot_read_side(context->store, slot, place, entry, &view->word);
	view->word = rzi_entry_kind(entry) == ENTRY_SAME ? rzi_entry_word(entry) : 0;
	return true;
}

void rzi_view_take(struct rzi_context *context, uint64_t slot, struct rzi_view *view)
{
	_Atomic uint64_t *place = rzi_slot(context->store, slot);
	unsigned turns = 0;

	*view = (struct rzi_view){.hazard = HAZARD_SLOT};
	if (place == NULL)
		return;
	view->slot_entry = atomic_load(place);
	while (!slot_view_entry(context, slot, place, view)) {
		rzi_pause(&turns);
		view->slot_entry = atomic_load(place);
	}
}

void rzi_view_of_kept(struct rzi_context *context, uint64_t entry, uint64_t word,
		      struct rzi_view *view)
{
	_Atomic uint64_t place = entry;
	unsigned turns = 0;

	RZI_ASSERT(!rzi_entry_locked(entry)); /* R1 */
	*view = (struct rzi_view){.slot_entry = entry,
				  .entry = entry,
				  .word = word,
				  .hazard = HAZARD_SLOT,
				  .is_kept = true};
	if (rzi_entry_is_side(entry))
		return;
	while (!slot_view_entry(context, UINT64_MAX, &place, view))
		rzi_pause(&turns);
}

void rzi_view_drop(struct rzi_context *context, const struct rzi_view *view)
{
	if (rzi_view_has_object(view))
		rzi_unprotect(context, view->hazard);
}

/* ---- prefetching ---- */

/* Where the slot's object and its header begin; NULL without object, or if pages are not always
 * addressable. The object may be gone: only for prefetching. */
static const char *slot_object_place(const struct ramz *store, uint64_t slot)
{
	const _Atomic uint64_t *place = rzi_slot(store, slot);
	const char *base = store->provider->base;
	uint64_t entry, byte;

	if (place == NULL || base == NULL)
		return NULL;
	entry = atomic_load_explicit(place, memory_order_relaxed);
	if (rzi_entry_kind(entry) != ENTRY_OBJECT)
		return NULL;
	byte = rzi_entry_byte(entry);
	return base + (byte > OBJECT_HEADER_BYTES ? byte - OBJECT_HEADER_BYTES : 0);
}

void rzi_slot_expect_change(const struct ramz *store, uint64_t slot)
{
	const char *at = slot_object_place(store, slot);

	if (at != NULL)
		RZI_PREFETCH_WRITE(at);
}

void rzi_slot_expect_read(const struct ramz *store, uint64_t slot)
{
	const char *at = slot_object_place(store, slot);

	if (at != NULL)
		rzi_prefetch(at);
}

/* ---- changing ---- */

void rzi_slot_gauge(struct rzi_context *context, uint64_t entry, uint64_t by)
{
	struct rzi_counters *counters = &context->counters;

	RZI_ASSERT(by == 1 || by == (uint64_t)-1);
	if (rzi_entry_kind(entry) == ENTRY_ABSENT)
		return;
	if (rzi_entry_is_same(entry)) {
		rzi_count(counters, COUNT_SAME, by);
		if (!rzi_entry_is_side(entry) && rzi_entry_word(entry) == 0)
			rzi_count(counters, COUNT_ZERO, by);
		return;
	}
	rzi_count(counters, (enum rzi_counter)(COUNT_RAW + rzi_entry_codec(entry)), by);
	if (rzi_entry_good(entry))
		rzi_count(counters, COUNT_GOOD, by);
	if (rzi_entry_is_record(entry))
		rzi_count(counters, COUNT_SHARED, by);
	if (rzi_entry_is_backed(entry))
		rzi_count(counters, COUNT_BACKED, by);
}

void rzi_slot_release(struct rzi_context *context, uint64_t entry)
{
	RZI_ASSERT(!rzi_entry_locked(entry)); /* R1 */
	if (rzi_entry_kind(entry) == ENTRY_OBJECT)
		rzi_object_free(context, entry, UINT32_MAX);
	else if (rzi_entry_is_record(entry))
		rzi_dedup_unref(context, rzi_entry_record(entry));
	else if (rzi_entry_is_backed(entry))
		rzi_backing_release(context->store, entry);
	else
		return;
	rzi_compact_maybe(context);
}

/* A change of a slot. */
struct slot_change {
	struct ramz *store;
	uint64_t slot;
	_Atomic uint64_t *place;
	const struct rzi_content *content;
	const struct rzi_view *expected; /* NULL = whatever is there */
	struct rzi_kept *keep;           /* for a snapshot; NULL = none wants the old entry */
	bool kept;
};

static struct slot_change slot_change_of(struct ramz *store, uint64_t slot,
					 const struct rzi_content *content,
					 const struct rzi_view *expected)
{
	return (struct slot_change){
		.store = store,
		.slot = slot,
		.place = rzi_slot(store, slot),
		.content = content,
		.expected = expected,
		.keep = content->same_page ? NULL : rzi_snapshot_place(store, slot),
	};
}

/* Swap entries of which one has a side word, or is kept; false: the slot has changed. */
static bool slot_swap_locked(struct slot_change *change, uint64_t from)
{
	struct ramz *store = change->store;
	uint64_t *side = rzi_sparse_get(&store->words, change->slot);
	bool was_side = rzi_entry_is_side(from),
	     is_side = rzi_entry_is_side(change->content->entry);
	uint64_t there = from;

	if (!atomic_compare_exchange_strong(change->place, &there, from | ENTRY_LOCK))
		return false;
	if (change->expected != NULL && was_side && *side != change->expected->word) {
		atomic_store(change->place, from);
		return false;
	}
	RZI_ASSERT(!rzi_entry_locked(from)); /* R1 */
	if (change->keep != NULL)
		change->kept = rzi_snapshot_keep(store, change->slot, change->keep, from,
						 was_side ? *side : 0);
	/* 0 if it is unused: see rzi_tables_trim. */
	if (was_side || is_side)
		*side = is_side ? change->content->word : 0;
	atomic_store(change->place, change->content->entry);
	if (is_side && !was_side)
		rzi_sparse_use(&store->words, change->slot);
	else if (was_side && !is_side)
		rzi_sparse_unuse(&store->words, change->slot);
	return true;
}

/* Try once to replace the unlocked entry `from`. */
static bool slot_swap(struct slot_change *change, uint64_t from)
{
	if (change->keep != NULL || rzi_entry_is_side(from) ||
	    rzi_entry_is_side(change->content->entry))
		return slot_swap_locked(change, from);
	return atomic_compare_exchange_strong(change->place, &from, change->content->entry);
}

/* Replace the slot's entry, whatever it is, and return it. */
static uint64_t slot_exchange(struct slot_change *change)
{
	uint64_t from = atomic_load(change->place);
	unsigned turns = 0;

	while (rzi_entry_locked(from) || !slot_swap(change, from)) {
		rzi_pause(&turns);
		from = atomic_load(change->place);
	}
	return from;
}

/* Replace what the view saw. Another thread may set the lock bit and restore the entry. */
static bool slot_replace(struct slot_change *change)
{
	uint64_t from = change->expected->slot_entry;
	unsigned turns = 0;

	while (!slot_swap(change, from)) {
		if (atomic_load(change->place) != (from | ENTRY_LOCK))
			return false;
		rzi_pause(&turns);
	}
	return true;
}

int rzi_slot_make(struct ramz *store, uint64_t slot)
{
	int err = 0;

	return rzi_sparse_make(&store->slots, slot, &err) != NULL ? 0 : err;
}

int rzi_publish(struct rzi_context *context, uint64_t slot, const struct rzi_content *content,
		const struct rzi_view *expected)
{
	struct ramz *store = context->store;
	struct slot_change change = slot_change_of(store, slot, content, expected);
	uint64_t from;

	RZI_ASSERT(!rzi_entry_locked(content->entry)); /* R1 */
	RZI_ASSERT(change.place != NULL && (expected == NULL || !expected->is_kept));
	if (expected == NULL) {
		from = slot_exchange(&change);
	} else {
		bool replaced = slot_replace(&change);

		rzi_view_drop(context, expected);
		if (!replaced)
			return -XV_EBUSY;
		from = expected->slot_entry;
	}
	if (from == 0)
		rzi_sparse_use(&store->slots, slot);
	rzi_slot_gauge(context, content->entry, 1);
	rzi_slot_gauge(context, from, (uint64_t)-1);
	if (!change.kept)
		rzi_slot_release(context, from);
	return 0;
}

bool rzi_slot_clear(struct rzi_context *context, uint64_t slot)
{
	static const struct rzi_content nothing = {.entry = 0};
	_Atomic uint64_t *place = rzi_slot(context->store, slot);
	struct slot_change change;
	uint64_t from;

	if (place == NULL || atomic_load(place) == 0)
		return false;
	change = slot_change_of(context->store, slot, &nothing, NULL);
	from = slot_exchange(&change);
	if (from != 0)
		rzi_sparse_unuse(&context->store->slots, slot);
	rzi_slot_gauge(context, from, (uint64_t)-1);
	if (!change.kept)
		rzi_slot_release(context, from);
	return rzi_entry_kind(from) != ENTRY_ABSENT;
}
