/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider_mmap.h: pages of anonymous memory, always addressable.
 *
 * The provider reserves address space for all pages when it is made. It commits memory as it hands
 * out pages, lowest number first. Memory of freed pages goes back to the system, so the resident
 * set of the process falls. A page larger than the OS page has grains of one OS page (at least a
 * sixteenth of the page), and memory comes and goes by grain.
 *
 * 64 KiB before the first page, and as much behind the OS page or huge page of the last one, there
 * is no access: a write that runs out of the pages ends the program before it meets the tables of
 * the library.
 *
 * All that holds for locked memory too (mlock, mlockall; on Linux 4.4 or later). Memory that the
 * system does not take back counts in overhead_bytes, and is used again when its page or grain is.
 * mlockall(MCL_CURRENT) brings in memory where nothing is taken; that counts only from the next
 * pages_free or grains_give on, which gives it back.
 *
 * On Windows the memory is that of VirtualAlloc. The system promises memory for all that is
 * committed, so a grain is committed when it is taken, which may fail with -XV_ENOMEM, and
 * decommitted when it is given back. There is no meta_purge, and huge_pages has no effect.
 */
#ifndef XVMALLOC_PROVIDER_MMAP_H
#define XVMALLOC_PROVIDER_MMAP_H

#include <xvmalloc/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xv_provider_mmap_options {
	uint32_t page_bytes; /* a power of two 4096 .. 65536; 0 = 65536. May be smaller than the OS
			      * page: memory then goes back when all pages of an OS page are free */
	uint64_t reserve_bytes; /* address space, rounded down to pages; 0 = 64 GiB on 64-bit, 1 GiB
				 * on 32-bit, or less, so that as much is left in one piece */
	uint64_t cap_bytes;     /* most bytes of grains taken at once, rounded down to grains; 0 =
				 * reserve_bytes */
	bool huge_pages; /* advise the kernel to use huge pages: faster, but memory goes back only
			  * in units of huge pages, and a page is one grain */
};

/* Options with every field at its default. */
XV_API void xv_provider_mmap_options_init(struct xv_provider_mmap_options *options);

/*
 * Make an mmap provider; options may be NULL for the defaults. Stores it in *out; end it with
 * xv_provider_mmap_destroy after every pool over it is gone. Returns 0, -XV_EINVAL (bad page_bytes,
 * null out, reserve_bytes or cap_bytes less than one page) or -XV_ENOMEM (no address space). Its
 * operations are thread-safe. O(1).
 */
XV_API XV_MUST_USE int xv_provider_mmap_create(struct xv_provider **out,
					       const struct xv_provider_mmap_options *options);

/* Give all memory back. NULL is allowed. Not while another thread uses it. */
XV_API void xv_provider_mmap_destroy(struct xv_provider *provider);

#ifdef __cplusplus
}
#endif
#endif
