/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Proving a handle table: the invariants of slot.h, by number. Takes the table's lock, asks
 * the pool; changes nothing. O(1), deep O(slots) apart from the pool.
 */
#include "table_impl.h"

static int broken(struct xv_check_report *report, uint32_t invariant, uint32_t index,
		  const char *message)
{
	report->invariant = invariant;
	report->page = UINT32_MAX;
	report->offset = index;
	report->message = message;
	return -XV_EBADMSG;
}

static int check_counts(const struct xv_handle_table *table, struct xv_check_report *report)
{
	if ((uint64_t)table->free_slots + table->used_slots + 1 != slot_count(&table->slots))
		return broken(report, 101, UINT32_MAX,
			      "free slots and slots in use are not all there are");
	return 0;
}

static int check_queue(const struct xv_handle_table *table, struct xv_check_report *report)
{
	const struct handle_slots *slots = &table->slots;
	uint32_t count = 0;
	uint32_t last = 0;

	for (uint64_t at = table->first_free; at != 0; at = slots->handles[at]) {
		if (at >= slot_count(slots) ||
		    (slot_load(slots, (uint32_t)at) & ~SLOT_GENERATION_MASK) != SLOT_FREE)
			return broken(report, 102, last, "a slot in the queue is not free");
		if (count++ == table->free_slots)
			break;
		last = (uint32_t)at;
	}
	if (count != table->free_slots || last != table->last_free)
		return broken(report, 102, last, "the queue does not hold the free slots");
	return 0;
}

static int check_slot(const struct xv_handle_table *table, uint32_t index,
		      struct xv_check_report *report)
{
	uint32_t state = slot_load(&table->slots, index);
	uint32_t owner;
	int err;

	if ((state & (SLOT_LOCKED | SLOT_CALLS_MASK)) != 0 ||
	    (state & SLOT_KIND_MASK) == SLOT_TAKEN)
		return broken(report, 104, index, "a slot is locked, in a call, or half made");
	if ((state & SLOT_KIND_MASK) == SLOT_FREE)
		return 0;
	err = xv_get_owner(table->pool, table->slots.handles[index], &owner);
	if (err == -XV_EAGAIN)
		return err;
	if (err != 0 || owner != index)
		return broken(report, 103, index, "a slot in use has no object, or another's");
	return 0;
}

static int check_locked(const struct xv_handle_table *table, enum xv_check_level level,
			struct xv_check_report *report)
{
	int err = check_counts(table, report);

	if (err != 0 || level != XV_CHECK_DEEP)
		return err;
	err = check_queue(table, report);
	for (uint32_t i = 1; err == 0 && i < slot_count(&table->slots); i++)
		err = check_slot(table, i, report);
	return err;
}

int xv_handle_table_check(struct xv_handle_table *table, enum xv_check_level level,
			  struct xv_check_report *report)
{
	struct xv_check_report unused;
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	if (report == NULL)
		report = &unused;
	err = xv_pool_check(table->pool, level, report);
	if (err != 0)
		return err;
	xvi_lock_acquire(&table->lock);
	err = check_locked(table, level, report);
	xvi_lock_release(&table->lock);
	return err;
}
