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
 * Grains: a page is cut into equal grains, 1 to 16 of them, in which memory is obtained
 * and given back. Where a page is one grain, page_alloc gives the page with its memory. Where
 * it has more, page_alloc gives addresses only, and each grain gets memory by grains_take
 * before anything of it is touched:
 *
 *	page_alloc                  [ none ][ none ][ none ][ none ]
 *	grains_take(page, 1, 2)     [ none ][ here ][ here ][ none ]
 *	grains_give(page, 1, 1)     [ none ][ none ][ here ][ none ]
 *	pages_free(page, 1)         whatever is here goes back
 *
 * A grain is taken when its memory is the caller's, who counts it. Memory of grains that
 * nobody has taken, and that the system did not take back, is the provider's to count
 * (overhead_bytes).
 *
 * Sharing: several pools may draw from one provider. Each then has a page table as long as the
 * highest page number it was given; where meta_purge is there, memory is held only for the parts
 * of it that have a page of the pool. They share the slots of a window: each
 * keeps two for each of its shards, and callers' maps are counted together in slots_taken.
 *
 * Thread safety: the operations must be callable from several threads at once,
 * unless every pool over the provider was made without locking and is used by
 * one thread at a time. A pool calls them with locks of its own held; an operation
 * must not call back into a pool. Nobody but the one who was given a page asks anything
 * about that page.
 *
 * Complexity: each operation is to be O(log pages) and a few system calls, but pages_free,
 * which is O(count) beside what the system takes for the memory.
 */
#ifndef XVMALLOC_PROVIDER_H
#define XVMALLOC_PROVIDER_H

#include <xvmalloc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XV_PAGE_SHIFT_MIN 12U /* 4 KiB */
#define XV_PAGE_SHIFT_MAX 16U /* 64 KiB */

/* A page has 1, 2, 4, 8 or 16 grains. */
#define XV_PAGE_GRAINS_SHIFT_MAX 4U

/* Most pages a provider may number: a handle holds page number + 1 in 32 bits. */
#define XV_PAGES_MAX 0xFFFFFFFEU

struct xv_provider;

/* Provider operations. Those not marked optional must be set. */
struct xv_provider_ops {
	/*
	 * Take a page; store its number in *page. Where pages have several grains none of
	 * them has memory yet: nothing of a grain may be touched before grains_take.
	 * Returns 0, -XV_ENOMEM (no page left, or, where a page is one grain, the
	 * provider's cap is reached) or another error of errors.h, which the pool passes on.
	 * *page is untouched on error.
	 */
	int (*page_alloc)(struct xv_provider *self, uint32_t *page);

	/*
	 * Give back the `count` pages (at least 1) from number `first` on, which were all
	 * handed out to the caller and are not mapped, whichever of their grains are taken.
	 * One system call for the whole run where the system has one, so a pool should ask
	 * for runs as long as it can. Cannot fail: memory that the system does not take back
	 * (it is locked, or a filter of system calls says no) stays the provider's, which
	 * counts it in overhead_bytes until its grain is taken again. Returns the bytes of it:
	 * 0 as a rule.
	 */
	size_t (*pages_free)(struct xv_provider *self, uint32_t first, uint32_t count);

	/*
	 * Memory for the `count` grains (at least 1) from `first` on of a page that was handed
	 * out; none of them is taken. Contents are undefined. Returns 0, -XV_ENOMEM (the system
	 * has no memory, or the provider's cap is reached), -XV_EINVAL (no such grains of a page
	 * handed out, or one is taken) or another error of errors.h. On error nothing has
	 * changed. The page may be mapped. NULL where a page is one grain.
	 */
	int (*grains_take)(struct xv_provider *self, uint32_t page, uint32_t first, uint32_t count);

	/*
	 * The memory of the `count` taken grains from `first` on goes back. False: it could not
	 * (it is locked, a filter of system calls says no, or the grains are not taken); they
	 * stay taken, all of them, and the caller goes on counting them. Contents are
	 * undefined after either: after false too, they may be lost. The page may be mapped.
	 * NULL where a page is one grain.
	 */
	bool (*grains_give)(struct xv_provider *self, uint32_t page, uint32_t first,
			    uint32_t count);

	/*
	 * Make a page addressable; returns its first byte, aligned to 256 bytes or
	 * more, or NULL when no window slot is free. For no other reason may it fail: a pool
	 * keeps two slots for each of its shards, and takes it that its own maps succeed. Only
	 * taken grains may be touched. A page mapped twice shows the same bytes at the same
	 * address, and needs two unmaps. Optional where base is set (the pool then never calls
	 * it).
	 */
	void *(*page_map)(struct xv_provider *self, uint32_t page);

	/*
	 * End one map; addr is what page_map returned. Returns 0, or -XV_EINVAL when addr is
	 * no map of that page (nothing has changed then). Optional where base is set.
	 */
	int (*page_unmap)(struct xv_provider *self, uint32_t page, void *addr);

	/*
	 * Meta memory, for the pool and its tables; always addressable, aligned to
	 * 64 bytes. Optional as a group: without it every pool must be given its own
	 * memory (xv_pool_options.memory).
	 *
	 * meta_reserve: address space for up to max_bytes, nothing usable yet.
	 *   Returns NULL when there is none.
	 * meta_commit: of the reservation at base, the first new_bytes (instead of
	 *   the first old_bytes) are to be usable. Bytes that become usable read as
	 *   zero. Shrinking cannot fail. Returns 0 or an error of errors.h.
	 * meta_release: the reservation ends; committed_bytes of it were usable.
	 */
	void *(*meta_reserve)(struct xv_provider *self, size_t max_bytes);
	int (*meta_commit)(struct xv_provider *self, void *base, size_t old_bytes,
			   size_t new_bytes);
	void (*meta_release)(struct xv_provider *self, void *base, size_t max_bytes,
			     size_t committed_bytes);

	/*
	 * Optional, for tables with holes in the middle. Of the committed part of the
	 * reservation at base the contents of [offset, offset + bytes) are not needed: the
	 * whole OS pages inside that range read as zero from now on, the rest of it is
	 * unchanged. They stay usable and committed. Returns the bytes whose memory went back to
	 * the system, a multiple of the OS page; 0 when it did not take any. Memory is there
	 * again as it is touched: the caller, who stops counting these bytes, counts it then.
	 */
	size_t (*meta_purge)(struct xv_provider *self, void *base, size_t offset, size_t bytes);

	/*
	 * Optional. Bytes the provider itself holds beside taken grains (where a page is one
	 * grain: pages handed out) and committed meta: bitmaps, rounding of commits, memory of
	 * grains that nobody has taken. Pools do not count it, or pools that share a provider would
	 * all count the same; but for what stayed of pages that they gave back.
	 */
	size_t (*overhead_bytes)(struct xv_provider *self);

	/*
	 * Optional. The part of overhead_bytes that is memory of grains that nobody has taken:
	 * a page or grain taken may get that memory, and no more is held than before. A pool
	 * whose pages did not go back as a whole asks. NULL means 0.
	 */
	size_t (*stayed_bytes)(struct xv_provider *self);

	/*
	 * Optional, both or none: for fork(), so that the child finds the provider in one piece.
	 *
	 * hold: the calling thread holds the provider `times` more times (at least 1). Waits
	 *   while another thread holds it, and until no operation is changing it; operations of
	 *   other threads then wait. Who holds calls no operation but these two, and waits for
	 *   nobody who may be inside an operation, such as the one who has a pool's lock.
	 * release: ends all holds of the calling thread, and returns how many they were; 0 when
	 *   it has none. In the child of a fork() the one thread has what the forking one had.
	 *
	 * So a pool that is locked for a fork, while the thread may hold the provider for
	 * another pool, releases, locks itself, and holds once more than before.
	 */
	void (*hold)(struct xv_provider *self, uint32_t times);
	uint32_t (*release)(struct xv_provider *self);
};

/* meta_reserve takes real memory at once: a pool then has one shard, and takes all of its tables
 * when it is made, of the size that xv_pool_memory_bytes tells. */
#define XV_PROVIDER_META_IS_SCARCE 0x1U

/*
 * A provider. Fields are set when it is made and constant afterwards.
 */
struct xv_provider {
	const struct xv_provider_ops *ops;
	void *base;           /* not NULL: page p is always addressable at
			       * base + (p << page_shift), which is 256-byte aligned */
	uint64_t max_pages;   /* pages, 1 .. XV_PAGES_MAX */
	uint32_t page_shift;  /* log2 of the page size, XV_PAGE_SHIFT_MIN .. _MAX */
	uint32_t grain_shift; /* log2 of the grain size, at most page_shift, and at least
			       * page_shift - XV_PAGE_GRAINS_SHIFT_MAX; 0 means page_shift */
	uint32_t map_slots;   /* pages that can be mapped at once, at least 2 for each pool; not
			       * used where base is set */
	uint32_t flags;       /* XV_PROVIDER_* */
	uint32_t slots_taken; /* not constant: the pools count there what they keep of map_slots
			       * and what callers have mapped; 0 at first */
};

/* Page size in bytes. O(1). */
static inline size_t xv_provider_page_bytes(const struct xv_provider *provider)
{
	return (size_t)1 << provider->page_shift;
}

/* Grains in a page, 1 .. 16. O(1). */
static inline uint32_t xv_provider_page_grains(const struct xv_provider *provider)
{
	return provider->grain_shift != 0 ? 1U << (provider->page_shift - provider->grain_shift)
					  : 1U;
}

#ifdef __cplusplus
}
#endif
#endif
