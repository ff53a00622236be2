/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * budget.h: the bytes that a pool holds, and their limit. Every byte is charged here before it is
 * taken from the provider, and discharged after it is given back.
 *
 *   held      memory that was obtained
 *   promised  memory that will be touched without asking: address space of the hole tables that
 *             is usable. It counts for the limit, so that a free never passes it
 *   stayed    memory of pages given back that the system did not take: it counts as held until it
 *             is taken again
 *
 * All change with a shard locked, so who has locked all of them may read. The lock guards the
 * page table too. With it held only the provider's meta calls and stayed_bytes are called. O(1).
 */
#ifndef XVI_BUDGET_H
#define XVI_BUDGET_H

#include "xvi_lock.h"

struct xvi_budget {
	struct xvi_lock lock;
	uint64_t limit; /* bytes; 0 = none */
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
 * Charge bytes held and bytes promised, or, below 0, discharge them. What stays of held bytes that
 * are discharged is `stayed`; below 0 it is how many of those charged may be in what stayed. 0, or
 * -XV_ENOSPC where more is charged than discharged and the limit would be passed. What all held
 * bytes grew by is added to *sum. The budget is locked.
 */
static inline int budget_change(struct xvi_budget *budget, int64_t held, int64_t promised,
				int64_t stayed, int64_t *sum)
{
	uint64_t all = budget_all_held(budget) + budget->promised;
	int64_t more;

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

/* The same where the budget is not locked. */
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
