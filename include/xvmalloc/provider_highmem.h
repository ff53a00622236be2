/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider_highmem.h: far more pages than are addressable at a time.
 *
 * Pages live in a memfd, or in an unlinked file where there is no memfd. A window of a few slots
 * shows them. Outside a map/unmap pair a page is inaccessible: a stale pointer faults and does not
 * read wrong data. So a 32-bit process can hold more than its address space, as xvmalloc held
 * highmem pages in 2009.
 *
 * A page larger than the OS page has grains of one OS page (at least a sixteenth of the page):
 * space in the file is taken and given back by grain.
 *
 * Each map and each unmap costs a system call. Only those who mapped a page can write through the
 * window. When the system refuses to remove a page from its slot (a limit on locked memory or on
 * maps), the provider closes the slot to access instead. When the system refuses that too, the page
 * stays visible there until the slot is used again.
 *
 * A map does not fail while a slot is free. When the system refuses to show a page (limits as
 * above), the provider reads the page into a buffer, and the last unmap writes it back. Each slot
 * has a buffer since the provider was made. All maps of a page at one time share one slot, so they
 * see the same bytes, in a buffer too. With a buffer a stale pointer reads old bytes and does not
 * fault. When the file cannot be written (a limit on its size that came later), the buffer keeps
 * the page, for further maps too, and its slot is not free until the write succeeds. A buffer
 * counts in overhead_bytes once it was used. Two things are not counted after
 * mlockall(MCL_CURRENT): the memory of all buffers, a page for each slot, and memory of grains that
 * were not taken in pages visible at that moment.
 *
 * On Windows each page is a section of the paging file, which goes back as a whole: a page is one
 * grain. A page is shown where the system finds room. A stale pointer faults until something else
 * is mapped there. If the system shows no view, page_map fails: there are no buffers.
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
	uint32_t page_bytes;   /* a power of two 4096 .. 65536, and a multiple of the OS page; 0 =
				* 65536 */
	uint64_t max_bytes;    /* most bytes of pages; 0 = 16 GiB. No memory is taken before use */
	uint32_t window_slots; /* pages that can be mapped at once, 2 .. 1024; 0 = 8 */
	const char *file_dir; /* not NULL: use an unlinked file in this directory, not a memfd; NULL
			       * on Windows */
};

/* What has happened since the provider was made. */
struct xv_provider_highmem_stats {
	uint64_t maps;         /* page_map calls that succeeded */
	uint64_t unmaps;       /* page_unmap calls that succeeded */
	uint64_t map_failures; /* page_map calls that found no free slot */
	uint64_t copies;       /* times a page was read into a buffer to be mapped there */
	uint32_t mapped_now;   /* pages mapped now */
	uint32_t mapped_peak;  /* most pages ever mapped at once */
	uint64_t misuse; /* calls that were refused: unmap of a page that is not mapped, free of a
			  * mapped or free page, map of a free page, grains taken twice, or given
			  * when they are not taken */
	uint64_t pages;  /* pages handed out now */
	uint64_t backing_bytes; /* bytes the backing file holds, as fstat tells; on Windows those of
				 * all pages */
};

/* Options with every field at its default. */
XV_API void xv_provider_highmem_options_init(struct xv_provider_highmem_options *options);

/*
 * Make a highmem provider; options may be NULL. Stores it in *out; end it with
 * xv_provider_highmem_destroy after every pool over it is gone. Returns 0, -XV_EINVAL (bad option,
 * or file_dir is no directory in which files can be made), -XV_ENOTSUP (file_dir on Windows) or
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
