/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider.h: where a pool's pages come from.
 *
 * A provider hands out pages of one size, names them by number, and makes them
 * addressable on request. It also gives the memory for the pool's tables
 * ("meta"), which is always addressable. Three come with the library
 * (provider_mmap.h, provider_highmem.h, provider_buffer.h); write your own by
 * embedding struct xv_provider as the first member of your state and filling in
 * the operations.
 *
 * Page numbers: a provider numbers its pages 0 .. max_pages - 1 and should hand
 * out the lowest free number first, since a pool's page table is an array
 * indexed by page number. Contents of a fresh page are undefined.
 *
 * Sharing: several pools may draw from one provider. Each then has a page table
 * as long as the highest page number it was given.
 *
 * Thread safety: the operations must be callable from several threads at once,
 * unless every pool over the provider was made without locking and is used by
 * one thread at a time. A pool calls them with its own lock held; an operation
 * must not call back into a pool.
 */
#ifndef XVMALLOC_PROVIDER_H
#define XVMALLOC_PROVIDER_H

#include <xvmalloc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XV_PAGE_SHIFT_MIN 12U /* 4 KiB */
#define XV_PAGE_SHIFT_MAX 16U /* 64 KiB */

/* Most pages a provider may number: a handle holds page number + 1 in 32 bits. */
#define XV_PAGES_MAX 0xFFFFFFFEU

struct xv_provider;

/* Provider operations. Those not marked optional must be set. */
struct xv_provider_ops {
	/*
	 * Take a page; store its number in *page. Returns 0, -XV_ENOMEM (no page
	 * left, or the provider's cap is reached) or another negative errno, which
	 * the pool passes on. *page is untouched on error.
	 */
	int (*page_alloc)(struct xv_provider *self, uint32_t *page);

	/*
	 * Give a page back. It is not mapped. Cannot fail: memory that the system does
	 * not take back (it is locked, or a filter of system calls says no) stays the
	 * provider's, which counts it in overhead_bytes until the page is handed out again.
	 */
	void (*page_free)(struct xv_provider *self, uint32_t page);

	/*
	 * Make a page addressable; returns its first byte, aligned to 256 bytes or
	 * more, or NULL when no window slot is free. A page mapped twice needs two
	 * unmaps. Optional where base is set (the pool then never calls it).
	 */
	void *(*page_map)(struct xv_provider *self, uint32_t page);

	/*
	 * End one map; addr is what page_map returned. Returns 0, or -XV_EINVAL when addr is
	 * no map of that page (nothing has changed then). Optional where base is set.
	 */
	int (*page_unmap)(struct xv_provider *self, uint32_t page, void *addr);

	/*
	 * Optional. The contents of [offset, offset + bytes) of a page that stays
	 * allocated no longer matter; the provider may give the memory under them
	 * back to the system. Returns the bytes that the system took back (0 when none).
	 */
	size_t (*page_purge)(struct xv_provider *self, uint32_t page, uint32_t offset,
			     size_t bytes);

	/*
	 * Optional. How many pages page_alloc could still give, were nobody else to
	 * take one: the pool's can_fit asks. NULL means "unknown": the pool then
	 * answers for a pool that cannot grow.
	 */
	uint64_t (*pages_available)(struct xv_provider *self);

	/*
	 * Meta memory, for the pool and its tables; always addressable, aligned to
	 * 64 bytes. Optional as a group: without it every pool must be given its own
	 * memory (xv_pool_options.memory).
	 *
	 * meta_reserve: address space for up to max_bytes, nothing usable yet.
	 *   Returns NULL when there is none.
	 * meta_commit: of the reservation at base, the first new_bytes (instead of
	 *   the first old_bytes) are to be usable. Bytes that become usable read as
	 *   zero. Shrinking cannot fail. Returns 0 or a negative errno.
	 * meta_release: the reservation ends; committed_bytes of it were usable.
	 */
	void *(*meta_reserve)(struct xv_provider *self, size_t max_bytes);
	int (*meta_commit)(struct xv_provider *self, void *base, size_t old_bytes,
			   size_t new_bytes);
	void (*meta_release)(struct xv_provider *self, void *base, size_t max_bytes,
			     size_t committed_bytes);

	/*
	 * Optional. Bytes the provider itself holds beside pages and committed meta
	 * (bitmaps, rounding of commits, memory of free pages): counted in a pool's
	 * held bytes.
	 */
	size_t (*overhead_bytes)(struct xv_provider *self);

	/*
	 * Optional. The part of overhead_bytes that is memory of free pages: page_alloc
	 * may hand such a page out, and no more is held than before. A pool at its limit
	 * asks. NULL means 0.
	 */
	size_t (*spare_bytes)(struct xv_provider *self);
};

/* meta_reserve takes real memory at once, so the pool asks for small tables. */
#define XV_PROVIDER_META_IS_SCARCE 0x1U

/*
 * A provider. Fields are set when it is made and constant afterwards.
 */
struct xv_provider {
	const struct xv_provider_ops *ops;
	void *base;          /* not NULL: page p is always addressable at
			      * base + (p << page_shift), which is 256-byte aligned */
	uint64_t max_pages;  /* pages, 1 .. XV_PAGES_MAX */
	uint32_t page_shift; /* log2 of the page size, XV_PAGE_SHIFT_MIN .. _MAX */
	uint32_t map_slots;  /* pages that can be mapped at once, at least 2; not used
			      * where base is set */
	uint32_t flags;      /* XV_PROVIDER_* */
};

/* Page size in bytes. O(1). */
static inline size_t xv_provider_page_bytes(const struct xv_provider *provider)
{
	return (size_t)1 << provider->page_shift;
}

#ifdef __cplusplus
}
#endif
#endif
