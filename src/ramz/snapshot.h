/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * snapshot.h: the store as it was at one moment, for a walk over its pages while writes go on.
 *
 * It begins with the gate closed, so no call is half done. From then on whoever replaces the page
 * of a slot that the walk has not come to puts the slot's old entry into a table, under the entry's
 * lock bit, before the new one shows. The walk looks at the slot first and at the table then, so it
 * finds the old entry in one of them. A change that leaves the page as it is (another form, another
 * place) keeps nothing.
 *
 * What is kept takes memory. When a write would be refused for it, the snapshot is given up: the
 * walk ends with -XV_EBUSY, and no write fails for a snapshot's sake.
 *
 * One walk at a time has it. Owns the table. May call: slot.c, sparse.h. Locking: `lock` is held by
 * the walk; `active` changes with the gate closed; the rest is atomic. O(1), and O(pages kept) to
 * give up and to end.
 */
#ifndef RZI_SNAPSHOT_H
#define RZI_SNAPSHOT_H

#include "store_impl.h"

/* Begin a walk: wait until no other has the snapshot. End it. Not in a call on the store. */
void rzi_snapshot_begin(struct ramz *store);
bool rzi_snapshot_try_begin(struct ramz *store); /* false: another has it */
void rzi_snapshot_end(struct ramz *store);

/* The first slot >= slot that may hold a page; UINT64_MAX: there is none. In a call on the store.
 */
uint64_t rzi_snapshot_next(const struct ramz *store, uint64_t slot);

/* What the slot held. Returns 0, or -XV_EBUSY when the snapshot was given up. rzi_snapshot_done
 * drops the view; it is the walk's last look at the slot. rzi_view_drop is enough to look again, if
 * view->is_kept is not set. */
int rzi_snapshot_look(struct rzi_context *context, uint64_t slot, struct rzi_view *view);
void rzi_snapshot_done(struct rzi_context *context, uint64_t slot, const struct rzi_view *view);

/* Where the slot's entry is kept when it is replaced; NULL: it need not be. */
struct rzi_kept *rzi_snapshot_place(struct ramz *store, uint64_t slot);

/* Put the locked slot's entry there, unless one is there. Returns whether it was kept. */
bool rzi_snapshot_keep(struct ramz *store, uint64_t slot, struct rzi_kept *kept, uint64_t entry,
		       uint64_t word);

/* Give the snapshot up and free what is kept. Returns whether anything was. */
bool rzi_snapshot_give_up(struct rzi_context *context);

/* Call `each` for the entry of every kept page. Gate closed. */
void rzi_snapshot_for_each(struct ramz *store,
			   void (*each)(void *context, uint64_t slot, uint64_t entry),
			   void *context);

#endif
