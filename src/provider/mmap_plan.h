/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mmap_plan.h: sizes, grains and address space that follow from the options of the mmap provider on
 * a system.
 *
 * Owns: nothing. May call: os_memory.h, grain_map.h, page_size.h. Locking: none; no state.
 * Complexity: O(1); a few system calls to reserve.
 */
#ifndef XVI_MMAP_PLAN_H
#define XVI_MMAP_PLAN_H

#include "os_memory.h"

#include <xvmalloc/provider_mmap.h>

struct xvi_mmap_plan {
	uint32_t page_shift;
	uint32_t grain_shift;
	uint64_t reserve_bytes; /* a multiple of the page; includes a cap of whole pages */
	uint64_t grains_most;   /* the cap, in grains */
	bool may_shrink;        /* the size was our choice: less will do */
	bool huge_pages;
	size_t granule_bytes;
};

/* Returns 0, or -XV_EINVAL as xv_provider_mmap_create. */
int xvi_mmap_plan_make(struct xvi_mmap_plan *plan, const struct xv_provider_mmap_options *options,
		       const struct xvi_os_facts *facts);

/*
 * Reserve the address space of the plan, or less if may_shrink; the plan then has the new size.
 * NULL when there is none. A guard lies on both sides, since tables of the provider or of a pool
 * may be mapped next to it: a write that runs out of the pages must not get there.
 *
 *   [ guard: no access ][ base: the pages, in whole granules ][ guard: no access ]
 */
void *xvi_mmap_plan_reserve(struct xvi_mmap_plan *plan);

/* End the reservation at base of a plan with this size and these granules. */
void xvi_mmap_plan_release(void *base, uint64_t reserve_bytes, size_t granule_bytes);

static inline uint32_t xvi_mmap_plan_grains(const struct xvi_mmap_plan *plan)
{
	return 1U << (plan->page_shift - plan->grain_shift);
}

#endif
