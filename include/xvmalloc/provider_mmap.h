/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider_mmap.h: pages of anonymous memory, always addressable.
 *
 * Address space for all pages is reserved when the provider is made; memory is
 * committed as pages are handed out, lowest number first, and goes back to the
 * system when they are freed, so the resident set of the process falls. A page larger than the
 * OS page has grains of one OS page (at least a sixteenth of the page), and each gets memory
 * and gives it back by itself. All that holds for locked memory too (mlock, mlockall; on
 * Linux 4.4 or later). What the system does not take back counts in overhead_bytes, and is used
 * again when its page or grain is. Only what mlockall(MCL_CURRENT) itself brings in where
 * nothing is taken counts from the next pages_free or grains_give on, which gives it back.
 */
#ifndef XVMALLOC_PROVIDER_MMAP_H
#define XVMALLOC_PROVIDER_MMAP_H

#include <xvmalloc/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xv_provider_mmap_options {
	uint32_t page_bytes;    /* bytes, a power of two 4096 .. 65536; 0 = 65536. May be
				 * smaller than the OS page: memory then goes back when
				 * all pages of an OS page are free */
	uint64_t reserve_bytes; /* address space, bytes; 0 = as much as is sensible (64 GiB
				 * on 64-bit, 1 GiB on 32-bit, less where the system
				 * refuses). Rounded down to pages */
	uint64_t cap_bytes;     /* most bytes of grains taken at once, rounded down to grains;
				 * 0 = reserve */
	bool huge_pages;        /* advise the kernel to back pages with huge pages: faster,
				 * but memory goes back only in huge-page units, and a page is
				 * one grain */
};

/* Options with every field at its default. */
XV_API void xv_provider_mmap_options_init(struct xv_provider_mmap_options *options);

/*
 * Make an mmap provider; options may be NULL for the defaults. Store it in *out;
 * end it with xv_provider_mmap_destroy, after every pool over it is gone.
 * Returns 0, -XV_EINVAL (bad page_bytes, null out, reserve or cap under one page)
 * or -XV_ENOMEM (no address space). Its operations are thread-safe. O(1).
 */
XV_API XV_MUST_USE int xv_provider_mmap_create(struct xv_provider **out,
					       const struct xv_provider_mmap_options *options);

/* Return all memory. NULL is allowed. Not while another thread uses it. */
XV_API void xv_provider_mmap_destroy(struct xv_provider *provider);

#ifdef __cplusplus
}
#endif
#endif
