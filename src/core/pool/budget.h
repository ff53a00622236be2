/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * budget.h: the bytes that a pool holds, and its limit. Every byte is charged here before it
 * is taken from the provider, and discharged after it is given back.
 *
 *   held      memory that was obtained
 *   promised  memory that will be touched without asking: address space of the hole tables that
 *             is usable. It counts for the limit, so that a free never passes it
 *   stayed    memory of pages given back that the system did not take: it counts as held until it
 *             is taken again
 *
 * Allowed is what leaves held + promised + stayed within the limit. The lock is the last one of a pool:
 * nothing is called with it held. O(1).
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

struct xvi_budget_reading {
	uint64_t limit, promised, stayed, peak;
	uint64_t held; /* with what stayed */
};

int xvi_budget_init(struct xvi_budget *budget, enum xv_lock_kind lock, uint64_t limit);
void xvi_budget_fini(struct xvi_budget *budget);

/* Charge bytes. 0 or -XV_ENOSPC. */
int xvi_budget_take(struct xvi_budget *budget, uint64_t bytes);
void xvi_budget_give(struct xvi_budget *budget, uint64_t bytes);

/* The same for memory of pages, which may be in what stayed, or stay. */
int xvi_budget_take_pages(struct xvi_budget *budget, uint64_t bytes);
void xvi_budget_give_pages(struct xvi_budget *budget, uint64_t bytes, uint64_t stayed);
/* There is no more than so much memory, all pools' over the provider, that did not go back. */
void xvi_budget_settle(struct xvi_budget *budget, uint64_t spare);

/* Promise bytes: 0 or -XV_ENOSPC. Promised bytes become held as they are touched, and are
 * promised again when their memory has gone back. */
int xvi_budget_promise(struct xvi_budget *budget, uint64_t bytes);
void xvi_budget_forgo(struct xvi_budget *budget, uint64_t bytes);
void xvi_budget_touch(struct xvi_budget *budget, uint64_t bytes);
void xvi_budget_untouch(struct xvi_budget *budget, uint64_t bytes);

struct xvi_budget_reading xvi_budget_read(struct xvi_budget *budget);
void xvi_budget_set_limit(struct xvi_budget *budget, uint64_t limit);
void xvi_budget_reset_peak(struct xvi_budget *budget);

#endif
