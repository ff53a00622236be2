/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * age.c: the clock, and pages by age; see age.h.
 */
#include "age.h"

/* A move of the clock looks at one leaf in 64. */
enum { LEAVES_A_ROUND = 64 };

_Static_assert(RAMZ_AGE_MAX + 2 * LEAVES_A_ROUND <= UINT8_MAX, "an age could come round");

/* Hold back the marks of a leaf that are too old. */
static void age_hold_back(struct ramz *store, uint64_t first, uint32_t clock)
{
	_Atomic uint8_t *mark = rzi_sparse_mark(&store->slots, rzi_slot(store, first), first);

	for (uint32_t i = 0; i < SPARSE_LEAF_COUNT; i++) {
		uint8_t there = atomic_load_explicit(&mark[i], memory_order_relaxed);

		if ((uint8_t)(clock - there) > RAMZ_AGE_MAX)
			(void)atomic_compare_exchange_strong(&mark[i], &there,
							     (uint8_t)(clock - RAMZ_AGE_MAX));
	}
}

int ramz_mark_idle(struct ramz *store)
{
	struct rzi_context *context;
	uint32_t clock;
	uint64_t slot;

	if (store == NULL)
		return -XV_EINVAL;
	context = rzi_enter(store);
	clock = atomic_fetch_add(&store->clock, 1) + 1;
	slot = rzi_sparse_next(&store->slots, 0);
	while (slot != UINT64_MAX) {
		if (((slot >> SPARSE_LEAF_SHIFT) ^ clock) % LEAVES_A_ROUND == 0)
			age_hold_back(store, slot & ~(uint64_t)(SPARSE_LEAF_COUNT - 1), clock);
		slot = rzi_sparse_next(&store->slots, (slot | (SPARSE_LEAF_COUNT - 1)) + 1);
	}
	rzi_leave(context);
	return 0;
}

uint32_t ramz_age_floor(uint32_t bucket)
{
	if (bucket >= RAMZ_AGE_BUCKETS)
		return UINT32_MAX;
	return bucket == 0 ? 0 : 1U << (bucket - 1);
}

_Static_assert(RAMZ_AGE_MAX < 1U << (RAMZ_AGE_BUCKETS - 1), "each age has a bucket");

static uint32_t age_bucket(uint32_t age)
{
	return age == 0 ? 0 : rzi_log2(age) + 1;
}

int ramz_get_ages(struct ramz *store, struct ramz_ages *ages)
{
	struct ramz_ages found = {{0}};
	struct rzi_context *context;
	uint64_t slot;

	if (store == NULL || ages == NULL)
		return -XV_EINVAL;
	context = rzi_enter(store);
	slot = rzi_sparse_next(&store->slots, 0);
	while (slot < rzi_pages(store)) {
		_Atomic uint64_t *place = rzi_slot(store, slot);

		if (atomic_load_explicit(place, memory_order_relaxed) != 0)
			found.pages[age_bucket(rzi_age(store, slot, place))]++;
		slot = rzi_sparse_after(&store->slots, slot);
	}
	rzi_leave(context);
	*ages = found;
	return 0;
}
