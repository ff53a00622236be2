/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * budget.h: the bytes that a pool holds, and their limit. A byte is charged here before it is taken
 * from the provider, and discharged after it is given back.
 *
 *   held      memory that was obtained
 *   promised  memory that may be touched without asking: usable address space of the hole tables.
 *             It counts for the limit, so that a free never passes it
 *   stayed    memory of pages given back that the system did not take: it counts as held until
 *             a page gets it again
 *
 * All change with a shard locked, so a thread that has locked all shards may read them. The lock
 * also guards the page table. A thread that holds it calls only the provider's meta calls and
 * stayed_bytes. O(1).
 */
#ifndef XVI_BUDGET_H
#define XVI_BUDGET_H

#include "xvi_lock.h"

struct xvi_budget {
	struct xvi_lock lock;
	uint64_t limit; /* bytes; 0 = no limit */
	uint64_t held;
	uint64_t promised;
	uint64_t stayed;
	uint64_t peak; /* of held + stayed */
};

static inline uint64_t budget_all_held(const struct xvi_budget *budget)
{
	return budget->held + budget->stayed;
}

/*
 * Charge held and promised bytes; a value below 0 discharges. If held bytes are discharged,
 * `stayed` of them stay with the provider. If they are charged, -`stayed` of them may be stayed
 * memory. Returns 0, or -XV_ENOSPC when the sum grows past the limit. Adds to *sum what all held
 * bytes grew by. The budget is locked.
 */
static inline int budget_change(struct xvi_budget *budget, int64_t held, int64_t promised,
				int64_t stayed, int64_t *sum)
{
	uint64_t all = budget_all_held(budget) + budget->promised;
	int64_t more;

	XVI_ASSERT(xvi_lock_is_taken(&budget->lock));
	XVI_ASSERT(held >= 0 || (uint64_t)-held <= budget->held);
	XVI_ASSERT(promised >= 0 || (uint64_t)-promised <= budget->promised);
	if (stayed < 0 && (uint64_t)-stayed > budget->stayed)
		stayed = -(int64_t)budget->stayed;
	more = held + promised + (stayed < 0 ? stayed : 0);
	if (more > 0 && budget->limit != 0 &&
	    (all > budget->limit || (uint64_t)more > budget->limit - all))
		return -XV_ENOSPC;
	budget->held += (uint64_t)held;
	budget->promised += (uint64_t)promised;
	budget->stayed += (uint64_t)stayed;
	if (budget_all_held(budget) > budget->peak)
		budget->peak = budget_all_held(budget);
	*sum += held + stayed;
	return 0;
}

/* The same if the budget is not locked. */
static inline int budget_charge(struct xvi_budget *budget, int64_t held, int64_t promised,
				int64_t stayed, int64_t *sum)
{
	int err;

	xvi_lock_acquire(&budget->lock);
	err = budget_change(budget, held, promised, stayed, sum);
	xvi_lock_release(&budget->lock);
	return err;
}

#endif
