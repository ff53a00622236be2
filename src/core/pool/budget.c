/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* budget.c: held bytes and their limit; see budget.h. */
#include "budget.h"

int xvi_budget_init(struct xvi_budget *budget, enum xv_lock_kind lock, uint64_t limit)
{
	budget->limit = limit;
	budget->held = 0;
	budget->promised = 0;
	budget->stayed = 0;
	budget->peak = 0;
	return xvi_lock_init(&budget->lock, lock);
}

void xvi_budget_fini(struct xvi_budget *budget)
{
	xvi_lock_fini(&budget->lock);
}

static void note_peak(struct xvi_budget *budget)
{
	if (budget->held + budget->stayed > budget->peak)
		budget->peak = budget->held + budget->stayed;
}

/* Add so much to *part, held or promised; `again` of it is in what stayed. */
static int charge(struct xvi_budget *budget, uint64_t *part, uint64_t bytes, uint64_t again)
{
	uint64_t all = budget->held + budget->promised + budget->stayed - again;

	if (budget->limit != 0 && (all > budget->limit || bytes > budget->limit - all))
		return -XV_ENOSPC;
	*part += bytes;
	budget->stayed -= again;
	note_peak(budget);
	return 0;
}

int xvi_budget_take(struct xvi_budget *budget, uint64_t bytes)
{
	int err;

	xvi_lock_acquire(&budget->lock);
	err = charge(budget, &budget->held, bytes, 0);
	xvi_lock_release(&budget->lock);
	return err;
}

void xvi_budget_give(struct xvi_budget *budget, uint64_t bytes)
{
	xvi_budget_give_pages(budget, bytes, 0);
}

int xvi_budget_take_pages(struct xvi_budget *budget, uint64_t bytes)
{
	int err;

	xvi_lock_acquire(&budget->lock);
	err = charge(budget, &budget->held, bytes,
		     bytes < budget->stayed ? bytes : budget->stayed);
	xvi_lock_release(&budget->lock);
	return err;
}

void xvi_budget_give_pages(struct xvi_budget *budget, uint64_t bytes, uint64_t stayed)
{
	xvi_lock_acquire(&budget->lock);
	budget->held -= bytes;
	budget->stayed += stayed;
	xvi_lock_release(&budget->lock);
}

void xvi_budget_settle(struct xvi_budget *budget, uint64_t spare)
{
	xvi_lock_acquire(&budget->lock);
	if (budget->stayed > spare)
		budget->stayed = spare;
	xvi_lock_release(&budget->lock);
}

int xvi_budget_promise(struct xvi_budget *budget, uint64_t bytes)
{
	int err;

	xvi_lock_acquire(&budget->lock);
	err = charge(budget, &budget->promised, bytes, 0);
	xvi_lock_release(&budget->lock);
	return err;
}

void xvi_budget_forgo(struct xvi_budget *budget, uint64_t bytes)
{
	xvi_lock_acquire(&budget->lock);
	budget->promised -= bytes;
	xvi_lock_release(&budget->lock);
}

void xvi_budget_touch(struct xvi_budget *budget, uint64_t bytes)
{
	xvi_lock_acquire(&budget->lock);
	budget->promised -= bytes;
	budget->held += bytes;
	note_peak(budget);
	xvi_lock_release(&budget->lock);
}

void xvi_budget_untouch(struct xvi_budget *budget, uint64_t bytes)
{
	xvi_lock_acquire(&budget->lock);
	budget->held -= bytes;
	budget->promised += bytes;
	xvi_lock_release(&budget->lock);
}

struct xvi_budget_reading xvi_budget_read(struct xvi_budget *budget)
{
	struct xvi_budget_reading reading;

	xvi_lock_acquire(&budget->lock);
	reading.limit = budget->limit;
	reading.held = budget->held + budget->stayed;
	reading.stayed = budget->stayed;
	reading.promised = budget->promised;
	reading.peak = budget->peak;
	xvi_lock_release(&budget->lock);
	return reading;
}

void xvi_budget_set_limit(struct xvi_budget *budget, uint64_t limit)
{
	xvi_lock_acquire(&budget->lock);
	budget->limit = limit;
	xvi_lock_release(&budget->lock);
}

void xvi_budget_reset_peak(struct xvi_budget *budget)
{
	xvi_lock_acquire(&budget->lock);
	budget->peak = budget->held + budget->stayed;
	xvi_lock_release(&budget->lock);
}
