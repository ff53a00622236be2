/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mmap_plan.c: see mmap_plan.h.
 */
#include "mmap_plan.h"

#include "grain_map.h"
#include "page_size.h"

#define BASE_ALIGNMENT ((size_t)64 << 10)
#define RESERVE_BYTES_64BIT ((uint64_t)64 << 30)
#define RESERVE_BYTES_32BIT ((uint64_t)1 << 30)
#define RESERVE_BYTES_MIN ((uint64_t)1 << 20)

void xv_provider_mmap_options_init(struct xv_provider_mmap_options *options)
{
	*options = (struct xv_provider_mmap_options){.page_bytes = XVI_PAGE_BYTES_DEFAULT};
}

static size_t larger_of(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Memory goes back by the OS page: in parts of a page, or for several pages together. */
static void plan_set_grains(struct xvi_mmap_plan *plan, uint32_t page_bytes, bool huge_pages,
			    const struct xvi_os_facts *facts)
{
	plan->huge_pages = huge_pages && facts->huge_page_bytes != 0;
	plan->grain_shift = plan->page_shift;
	plan->granule_bytes = larger_of(page_bytes, plan->huge_pages ? facts->huge_page_bytes
								     : facts->page_bytes);
	if (plan->huge_pages)
		return;
	plan->grain_shift -= xvi_grain_count_shift(page_bytes, facts->page_bytes);
	if (plan->grain_shift < plan->page_shift)
		plan->granule_bytes = (size_t)1 << plan->grain_shift;
}

int xvi_mmap_plan_make(struct xvi_mmap_plan *plan, const struct xv_provider_mmap_options *options,
		       const struct xvi_os_facts *facts)
{
	uint32_t page_bytes =
		options->page_bytes != 0 ? options->page_bytes : XVI_PAGE_BYTES_DEFAULT;
	uint64_t reserve = options->reserve_bytes;

	plan->page_shift = xvi_page_shift(page_bytes);
	if (plan->page_shift == 0 || (reserve != 0 && reserve < page_bytes) ||
	    (options->cap_bytes != 0 && options->cap_bytes < page_bytes))
		return -XV_EINVAL;
	plan->may_shrink = reserve == 0;
	if (reserve == 0)
		reserve = sizeof(size_t) > 4 ? RESERVE_BYTES_64BIT : RESERVE_BYTES_32BIT;
	plan_set_grains(plan, page_bytes, options->huge_pages, facts);
	/* The lowest number comes first, so a cap of n pages is the same as having n pages. */
	if (plan->grain_shift == plan->page_shift && options->cap_bytes != 0 &&
	    options->cap_bytes < reserve)
		reserve = options->cap_bytes;
	plan->reserve_bytes = (uint64_t)xvi_page_count(reserve, plan->page_shift)
			      << plan->page_shift;
	plan->grains_most =
		options->cap_bytes != 0 ? options->cap_bytes >> plan->grain_shift : UINT64_MAX;
	return 0;
}

/* Of a guard, and so the alignment of the reservation is that of the base. */
static size_t guard_bytes(size_t granule_bytes)
{
	return larger_of(BASE_ALIGNMENT, granule_bytes);
}

/* The reservation with both guards. */
static uint64_t guarded_bytes(uint64_t reserve_bytes, size_t granule_bytes)
{
	uint64_t granules = (reserve_bytes + granule_bytes - 1) & ~(uint64_t)(granule_bytes - 1);

	return granules + 2 * (uint64_t)guard_bytes(granule_bytes);
}

static void *reserve(uint64_t bytes, size_t alignment)
{
	return bytes <= SIZE_MAX ? xvi_os_reserve((size_t)bytes, alignment) : NULL;
}

/* A mapping ends only as a whole (on Windows), so it cannot be taken and then cut. */
static bool can_reserve(uint64_t bytes, size_t alignment)
{
	void *base = reserve(bytes, alignment);

	if (base != NULL)
		xvi_os_release(base, (size_t)bytes);
	return base != NULL;
}

void *xvi_mmap_plan_reserve(struct xvi_mmap_plan *plan)
{
	size_t guard = guard_bytes(plan->granule_bytes);

	for (;;) {
		uint64_t bytes = guarded_bytes(plan->reserve_bytes, plan->granule_bytes);
		char *start = NULL;

		/* A size that was our choice leaves as much as it takes. */
		if (!plan->may_shrink || can_reserve(2 * bytes, guard))
			start = reserve(bytes, guard);
		if (start != NULL)
			return start + guard;
		if (!plan->may_shrink || plan->reserve_bytes <= RESERVE_BYTES_MIN)
			return NULL;
		plan->reserve_bytes = (plan->reserve_bytes / 2) >> plan->page_shift
									   << plan->page_shift;
	}
}

void xvi_mmap_plan_release(void *base, uint64_t reserve_bytes, size_t granule_bytes)
{
	xvi_os_release((char *)base - guard_bytes(granule_bytes),
		       (size_t)guarded_bytes(reserve_bytes, granule_bytes));
}
