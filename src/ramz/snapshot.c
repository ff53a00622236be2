/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * snapshot.c: see snapshot.h.
 */
#include "snapshot.h"

#include "backing.h"

/* The slot was absent: kept as this, since 0 means that nothing is kept. */
#define KEPT_ABSENT ENTRY_LOCK

/* ---- the walk ---- */

/* With snapshot.lock. */
static void snapshot_activate(struct ramz *store)
{
	struct rzi_snapshot *s = &store->snapshot;

	(void)pthread_mutex_lock(&store->admin);
	rzi_gate_close(store);
	RZI_ASSERT(!s->active && !atomic_load(&s->ready));
	s->active = true;
	s->pages = rzi_pages(store);
	atomic_store(&s->cursor, 0);
	atomic_store(&s->given_up, false);
	rzi_gate_open(store);
	(void)pthread_mutex_unlock(&store->admin);
}

void rzi_snapshot_begin(struct ramz *store)
{
	(void)pthread_mutex_lock(&store->snapshot.lock);
	snapshot_activate(store);
}

bool rzi_snapshot_try_begin(struct ramz *store)
{
	if (pthread_mutex_trylock(&store->snapshot.lock) != 0)
		return false;
	snapshot_activate(store);
	return true;
}

/* The place of the first slot >= *slot in the table, which becomes *slot; NULL: there is none. */
static struct rzi_kept *snapshot_first(struct rzi_snapshot *s, uint64_t *slot)
{
	*slot = atomic_load(&s->ready) ? rzi_sparse_next(&s->kept, *slot) : UINT64_MAX;
	return *slot < s->pages ? rzi_sparse_get(&s->kept, *slot) : NULL;
}

/* Free every kept entry. Returns whether there was one. */
static bool snapshot_free_kept(struct rzi_context *context)
{
	struct rzi_snapshot *s = &context->store->snapshot;
	struct rzi_kept *kept;
	bool any = false;

	for (uint64_t slot = 0; (kept = snapshot_first(s, &slot)) != NULL; slot++) {
		uint64_t entry = atomic_exchange(&kept->entry, 0);

		any = any || entry != 0;
		rzi_slot_release(context, entry & ~ENTRY_LOCK);
	}
	return any;
}

/* The end of the table, and of what is still kept. Gate closed: a reset, too, finds either a
 * snapshot with a table or neither. */
static void snapshot_deactivate(struct ramz *store)
{
	struct rzi_snapshot *s = &store->snapshot;
	struct rzi_context *context = rzi_enter_closed(store);

	RZI_ASSERT(s->active && atomic_load(&s->given_up));
	(void)snapshot_free_kept(context);
	rzi_leave_quietly(context);
	if (atomic_load(&s->ready))
		rzi_sparse_fini(&s->kept);
	atomic_store(&s->ready, false);
	if (store->backing != NULL)
		rzi_backing_unstick(store->backing);
	s->active = false;
}

void rzi_snapshot_end(struct ramz *store)
{
	struct rzi_context *context;

	/* Nothing more is kept; most of what is goes while others work. */
	atomic_store(&store->snapshot.given_up, true);
	context = rzi_enter(store);
	(void)snapshot_free_kept(context);
	rzi_leave(context);
	(void)pthread_mutex_lock(&store->admin);
	rzi_gate_close(store);
	snapshot_deactivate(store);
	rzi_gate_open(store);
	(void)pthread_mutex_unlock(&store->admin);
	(void)pthread_mutex_unlock(&store->snapshot.lock);
}

uint64_t rzi_snapshot_next(const struct ramz *store, uint64_t slot)
{
	const struct rzi_snapshot *s = &store->snapshot;
	uint64_t next = rzi_sparse_next(&store->slots, slot);
	uint64_t kept = atomic_load(&s->ready) ? rzi_sparse_next(&s->kept, slot) : UINT64_MAX;

	next = kept < next ? kept : next;
	return next < s->pages ? next : UINT64_MAX;
}

int rzi_snapshot_look(struct rzi_context *context, uint64_t slot, struct rzi_view *view)
{
	struct rzi_snapshot *s = &context->store->snapshot;
	struct rzi_kept *kept;
	uint64_t entry = 0, word = 0;

	RZI_ASSERT(s->active && slot < s->pages);
	/* In this order: see snapshot.h. */
	rzi_view_take(context, slot, view);
	kept = atomic_load(&s->ready) ? rzi_sparse_get(&s->kept, slot) : NULL;
	/* The word before the place is free again. */
	if (kept != NULL && atomic_load(&kept->entry) != 0) {
		word = kept->word;
		entry = atomic_exchange(&kept->entry, 0);
	}
	/* Kept late, perhaps: of a later moment. */
	if (entry != 0 && atomic_load(&s->given_up)) {
		rzi_slot_release(context, entry & ~ENTRY_LOCK);
		entry = 0;
	}
	if (entry != 0) {
		rzi_view_drop(context, view);
		rzi_view_of_kept(context, entry & ~ENTRY_LOCK, word, view);
		return 0;
	}
	if (!atomic_load(&s->given_up))
		return 0;
	rzi_view_drop(context, view);
	return -XV_EBUSY;
}

void rzi_snapshot_done(struct rzi_context *context, uint64_t slot, const struct rzi_view *view)
{
	RZI_ASSERT(slot >= atomic_load(&context->store->snapshot.cursor)); /* the walk goes up */
	atomic_store(&context->store->snapshot.cursor, slot + 1);
	rzi_view_drop(context, view);
	if (view->is_kept)
		rzi_slot_release(context, view->slot_entry);
}

/* ---- writers ---- */

static bool snapshot_wants(const struct rzi_snapshot *s, uint64_t slot)
{
	return slot < s->pages && slot >= atomic_load(&s->cursor) && !atomic_load(&s->given_up);
}

/* Make the table. */
static bool snapshot_make_table(struct ramz *store)
{
	struct rzi_snapshot *s = &store->snapshot;
	int err = 0;

	(void)pthread_mutex_lock(&s->making);
	if (!atomic_load(&s->ready)) {
		err = rzi_sparse_init(&s->kept, &store->memory, s->pages, sizeof(struct rzi_kept),
				      0);
		atomic_store(&s->ready, err == 0);
	}
	(void)pthread_mutex_unlock(&s->making);
	return err == 0;
}

struct rzi_kept *rzi_snapshot_place(struct ramz *store, uint64_t slot)
{
	struct rzi_snapshot *s = &store->snapshot;
	struct rzi_kept *kept = NULL;
	int err;

	if (!s->active || !snapshot_wants(s, slot))
		return NULL;
	if (atomic_load(&s->ready) || snapshot_make_table(store))
		kept = rzi_sparse_make(&s->kept, slot, &err);
	if (kept == NULL)
		atomic_store(&s->given_up, true);
	return kept;
}

bool rzi_snapshot_keep(struct ramz *store, uint64_t slot, struct rzi_kept *kept, uint64_t entry,
		       uint64_t word)
{
	RZI_ASSERT(!rzi_entry_locked(entry)); /* R1 */
	if (!snapshot_wants(&store->snapshot, slot) || atomic_load(&kept->entry) != 0)
		return false;
	kept->word = word;
	atomic_store(&kept->entry, entry != 0 ? entry : KEPT_ABSENT);
	return true;
}

bool rzi_snapshot_give_up(struct rzi_context *context)
{
	struct rzi_snapshot *s = &context->store->snapshot;

	if (!s->active)
		return false;
	/* First the word, then the entries: a walk that finds one gone sees the word. */
	atomic_store(&s->given_up, true);
	return snapshot_free_kept(context);
}

void rzi_snapshot_for_each(struct ramz *store,
			   void (*each)(void *context, uint64_t slot, uint64_t entry),
			   void *context)
{
	struct rzi_kept *kept;

	for (uint64_t slot = 0; (kept = snapshot_first(&store->snapshot, &slot)) != NULL; slot++) {
		uint64_t entry = atomic_load(&kept->entry) & ~ENTRY_LOCK;

		if (entry != 0)
			each(context, slot, entry);
	}
}
