/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider_highmem.h: far more pages than are ever addressable.
 *
 * Pages live in a memfd (or, where there is none, in an unlinked file) and are
 * seen only through a window of a few page slots. A page outside a map/unmap pair
 * is inaccessible: a stale pointer faults instead of reading wrong data. A 32-bit
 * process can so hold more than its address space, as xvmalloc held highmem
 * pages in 2009.
 *
 * A page larger than the OS page has grains of one OS page (at least a sixteenth of the
 * page): space in the file is taken and given back by grain.
 *
 * Each map and each unmap costs a system call. Nothing is ever written through the window
 * but by those who mapped a page: where the system refuses to take a page off its slot
 * (a limit on locked memory or on maps), the slot is closed to access instead; where that is
 * refused too, the page stays to be seen there until the slot is used again.
 *
 * A map does not fail while a slot is free: where the system refuses to show a page (limits as
 * above), it is read into a buffer, one for each slot that was made with the provider, and
 * written back by the last unmap. All maps of a page at one time share one slot, so they see
 * the same bytes, in a buffer too. What is not so with a buffer: a stale pointer reads old
 * bytes instead of faulting. Where the file cannot be written (a limit on its size that came
 * later), the buffer keeps the page, for further maps too, and its slot is not free until
 * it can. A buffer that was used once counts in overhead_bytes. What is not counted: after
 * mlockall(MCL_CURRENT) all buffers have memory, a page for each slot, and pages seen at that
 * moment have it in grains that were not taken.
 *
 * After fork() both processes see the same pages: use the provider in one of them only.
 */
#ifndef XVMALLOC_PROVIDER_HIGHMEM_H
#define XVMALLOC_PROVIDER_HIGHMEM_H

#include <xvmalloc/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xv_provider_highmem_options {
	uint32_t page_bytes;   /* bytes, a power of two 4096 .. 65536, a multiple of the OS
				* page; 0 = 65536 */
	uint64_t max_bytes;    /* most bytes of pages; 0 = 16 GiB. Nothing is taken before use */
	uint32_t window_slots; /* pages that can be mapped at once, 2 .. 1024; 0 = 8 */
	const char *file_dir;  /* not NULL: use an unlinked file in this directory, not a memfd */
};

/* What the provider has seen since it was made. */
struct xv_provider_highmem_stats {
	uint64_t maps;          /* page_map calls that succeeded */
	uint64_t unmaps;        /* page_unmap calls that succeeded */
	uint64_t map_failures;  /* page_map calls that found no slot */
	uint64_t copies;        /* times a page was read into a buffer, to be mapped there */
	uint32_t mapped_now;    /* pages mapped now */
	uint32_t mapped_peak;   /* most pages ever mapped at once */
	uint64_t misuse;        /* unmap of what is not mapped, free of a mapped or free page, map
				 * of a free page, grains taken twice or given when they are not
				 * taken: refused and counted, once a call */
	uint64_t pages;         /* pages handed out now */
	uint64_t backing_bytes; /* bytes the backing file holds, as fstat tells */
};

/* Options with every field at its default. */
XV_API void xv_provider_highmem_options_init(struct xv_provider_highmem_options *options);

/*
 * Make a highmem provider; options may be NULL. Store it in *out; end it with
 * xv_provider_highmem_destroy after every pool over it is gone. Returns 0,
 * -XV_EINVAL (bad option, or file_dir is no directory in which files can be made) or
 * -XV_ENOMEM (no memory, no file descriptor left, or the system makes no such file). Its operations
 * are thread-safe. O(1).
 */
XV_API XV_MUST_USE int
xv_provider_highmem_create(struct xv_provider **out,
			   const struct xv_provider_highmem_options *options);

/* Close the backing file and the window. NULL is allowed. */
XV_API void xv_provider_highmem_destroy(struct xv_provider *provider);

/* Read the counters. provider must come from xv_provider_highmem_create. */
XV_API void xv_provider_highmem_stats(struct xv_provider *provider,
				      struct xv_provider_highmem_stats *stats);

/* Set mapped_peak to mapped_now, so that a test can watch one call. */
XV_API void xv_provider_highmem_reset_peak(struct xv_provider *provider);

#ifdef __cplusplus
}
#endif
#endif
