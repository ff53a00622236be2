/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fault_provider.h: a provider around another one that fails when told to, and
 * counts what is asked of it.
 *
 * Owns: nothing; the provider inside stays the caller's and must outlive this one.
 * May call: the operations of the provider inside.
 * Locking: none; for one thread at a time.
 *
 *	struct fault_provider fault;
 *
 *	fault_provider_init(&fault, inner, 0);
 *	fault_provider_fail(&fault, FAULT_PAGE_ALLOC, 3, FAULT_ONCE);
 *	xv_pool_create(&pool, &fault.provider, NULL);
 *	... the third page_alloc from here on fails, the fourth does not ...
 *
 * To fail every operation that can, one after the other: FAULT_ANY, with n = 1, 2,
 * 3 ... until fault.injected stays 0.
 */
#ifndef FAULT_PROVIDER_H
#define FAULT_PROVIDER_H

#include <xvmalloc/provider.h>

enum fault_op {
	FAULT_PAGE_ALLOC,
	FAULT_GRAINS_TAKE,
	FAULT_GRAINS_GIVE,
	FAULT_PAGE_MAP,
	FAULT_META_RESERVE,
	FAULT_META_COMMIT, /* growing ones only: shrinking cannot fail */
	FAULT_FAILABLE,    /* those above can be told to fail */
	FAULT_PAGES_FREE = FAULT_FAILABLE,
	FAULT_PAGE_UNMAP,
	FAULT_META_RELEASE,
	FAULT_META_PURGE,
	FAULT_OVERHEAD_BYTES,
	FAULT_OPS,
	FAULT_ANY = FAULT_OPS, /* for fault_provider_fail: any of the failable ones */
	FAULT_ANY_BUT_MAPS,    /* of them, those that a provider may fail at any time */
};

enum fault_span {
	FAULT_ONCE,    /* that call fails, later ones do not */
	FAULT_FOREVER, /* that call and all later ones fail */
};

/* Any that a pool is to live with: it has slots of the window for itself, and a provider fails to
 * map for want of a slot only. */
#define FAULT_POOL_MEETS FAULT_ANY_BUT_MAPS

/* For fault_provider_init. */
#define FAULT_HIDE_BASE                                                                            \
	0x1U                /* an always-mapped provider looks like one that maps, with            \
			     * FAULT_HIDDEN_BASE_SLOTS slots that really run out */
#define FAULT_NO_META 0x2U  /* no meta operations */
#define FAULT_NO_PURGE 0x4U /* no meta_purge */

#define FAULT_HIDDEN_BASE_SLOTS 2U
#define FAULT_PAGES_COUNTED 4096U /* page numbers in use lie within so many */
#define FAULT_SLOTS_MAX 64U /* pages mapped at once, also where the provider inside has more */

struct fault_map {
	uint32_t page;
	uint32_t maps; /* not yet ended */
};

struct fault_provider {
	struct xv_provider provider; /* first: give &fault.provider to the pool */
	struct xv_provider_ops ops;
	struct xv_provider *inner;

	/* The plan: see fault_provider_fail. */
	enum fault_op plan_op;
	enum fault_span plan_span;
	uint64_t plan_calls_left; /* calls that still succeed before the first failure */
	bool planned;
	uint64_t injected; /* calls failed by the plan, since it was made */

	/* Counters since init; the caller may set them to 0, but for the _now ones. */
	uint64_t calls[FAULT_OPS];    /* calls of each operation, failed ones included */
	uint64_t failures[FAULT_OPS]; /* calls that failed, by plan or by themselves */
	uint32_t pages_now;           /* pages handed out */
	uint32_t pages_peak;
	uint32_t grains_now; /* taken, in pages of several grains */
	uint16_t taken[FAULT_PAGES_COUNTED];
	uint32_t mapped_now; /* pages mapped; one mapped twice counts once */
	uint32_t mapped_peak;
	uint64_t mapped_ever;                     /* times that a page became mapped */
	struct fault_map mapped[FAULT_SLOTS_MAX]; /* the first mapped_now of them */
	uint64_t misuse; /* pages_free of a mapped page, page_unmap of one that is not */
	uint32_t meta_reservations_now;
	uint64_t meta_committed_now; /* bytes, all reservations */
};

/* Wrap inner. flags is a sum of FAULT_* flags. No plan is set: nothing fails. */
void fault_provider_init(struct fault_provider *fault, struct xv_provider *inner, uint32_t flags);

/*
 * From now on, let the nth call (1 = the next) of this operation fail, once or for
 * ever: page_alloc, grains_take and meta_commit with -XV_ENOMEM, grains_give with false,
 * page_map and meta_reserve with NULL, before anything is asked of the provider inside.
 * Replaces an earlier plan and sets injected to 0.
 */
void fault_provider_fail(struct fault_provider *fault, enum fault_op op, uint64_t nth,
			 enum fault_span span);

/* Drop the plan: nothing fails any more. injected keeps its value. */
void fault_provider_heal(struct fault_provider *fault);

/* Set mapped_peak to mapped_now, so that a test can watch one call. */
void fault_provider_reset_peak(struct fault_provider *fault);

#endif
