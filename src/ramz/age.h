/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * age.h: how long a page was not touched.
 *
 * Beside each slot's entry lies a mark: the low 8 bits of the store's clock when the page was last
 * read or written. ramz_mark_idle moves the clock, so the age is the difference. It would wrap
 * after 256 moves. So each move looks at a 64th of the marks, and sets those older than
 * RAMZ_AGE_MAX to that age: no age passes RAMZ_AGE_MAX + 64.
 *
 * Owns the marks. May call: sparse.h. Locking: none; marks are relaxed atomics. A thread that read
 * the clock earlier may overwrite a newer mark: the page then looks older by that difference. O(1).
 */
#ifndef RZI_AGE_H
#define RZI_AGE_H

#include "store_impl.h"

/* The page was read or written. place is that of its entry. */
static inline void rzi_touch(const struct ramz *store, uint64_t slot, void *place)
{
	_Atomic uint8_t *mark = rzi_sparse_mark(&store->slots, place, slot);
	uint8_t now = (uint8_t)atomic_load_explicit(&store->clock, memory_order_relaxed);

	/* Most marks are up to date: do not take the cache line from other readers. */
	if (atomic_load_explicit(mark, memory_order_relaxed) != now)
		atomic_store_explicit(mark, now, memory_order_relaxed);
}

/* 0 .. RAMZ_AGE_MAX. */
static inline uint32_t rzi_age(const struct ramz *store, uint64_t slot, void *place)
{
	_Atomic uint8_t *mark = rzi_sparse_mark(&store->slots, place, slot);
	uint32_t clock = atomic_load_explicit(&store->clock, memory_order_relaxed);
	uint8_t age = (uint8_t)(clock - atomic_load_explicit(mark, memory_order_relaxed));

	return age < RAMZ_AGE_MAX ? age : RAMZ_AGE_MAX;
}

#endif
