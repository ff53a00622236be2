/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider.h: where a pool's pages come from.
 *
 * A provider hands out pages of one size, names them by number, and makes them addressable on
 * request. It also gives the memory for the pool's tables ("meta memory"), which is always
 * addressable. Three providers come with the library (provider_mmap.h, provider_highmem.h,
 * provider_buffer.h). None of them calls malloc, so that a program's malloc can be made of a pool.
 * To write your own, embed struct xv_provider as the first member of your state and set the
 * operations.
 *
 * Page numbers. A provider numbers its pages 0 .. max_pages - 1. It should hand out the lowest free
 * number first, since a pool's page table is an array indexed by page number. The contents of a
 * fresh page are undefined.
 *
 * Grains. A page is cut into 1 to 16 equal grains, in which memory is obtained and given back. If a
 * page is one grain, page_alloc gives the page with its memory. If it has more, page_alloc gives
 * addresses only, and grains_take must give a grain memory before anything in it is touched:
 *
 * 	page_alloc                  [ none ][ none ][ none ][ none ]
 * 	grains_take(page, 1, 2)     [ none ][ here ][ here ][ none ]
 * 	grains_give(page, 1, 1)     [ none ][ none ][ here ][ none ]
 * 	pages_free(page, 1)         the rest goes back
 *
 * The memory of a taken grain is the caller's, and the caller counts it. Stayed memory is memory of
 * grains that nobody has taken and that the system did not take back. The provider counts it
 * (overhead_bytes).
 *
 * Sharing. Several pools may share one provider. Each has a page table as long as its highest page
 * number; with meta_purge it holds memory only for the parts of the table that have pages of this
 * pool. The pools share the window slots: each keeps two for each of its shards, and
 * window_slots_taken counts these and the maps of all callers.
 *
 * Thread safety. Several threads may call the operations at once, unless each pool over the
 * provider was made without a lock and one thread at a time uses them all. A pool holds its locks
 * during an operation, which must not call a pool. Only the pool that was given a page names that
 * page.
 *
 * Complexity. Each operation should be O(log pages) and a few system calls, except pages_free:
 * O(count), plus the time the system needs to take the memory back.
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

/* Most pages of a provider: a handle holds page number + 1 in 32 bits. */
#define XV_PAGES_MAX 0xFFFFFFFEU

struct xv_provider;

/* The operations. All must be set, except those marked optional. */
struct xv_provider_ops {
	/*
	 * Take a page; store its number in *page. If pages have several grains, none of its grains
	 * has memory yet: nothing in a grain may be touched before grains_take. Returns 0,
	 * -XV_ENOMEM (no page left, or, if a page is one grain, the cap of the provider is reached)
	 * or another error of errors.h, which the pool passes on. *page is untouched on error.
	 */
	int (*page_alloc)(struct xv_provider *self, uint32_t *page);

	/*
	 * Give back the `count` pages (at least 1) from number `first` on. All were handed out to
	 * the caller and are not mapped; any of their grains may be taken. A provider uses one
	 * system call for the whole run if it can, so pools ask for long runs. Cannot fail. Memory
	 * that the system does not take back (locked memory; a filter of system calls) becomes
	 * stayed memory, which counts in overhead_bytes until its grain is taken again. Returns the
	 * stayed bytes of these pages, usually 0.
	 */
	size_t (*pages_free)(struct xv_provider *self, uint32_t first, uint32_t count);

	/*
	 * Get memory for the `count` grains (at least 1) from `first` on, in a page that was handed
	 * out. None of them may be taken. Their contents are undefined. Returns 0, -XV_ENOMEM (the
	 * system has no memory, or the cap of the provider is reached), -XV_EINVAL (the page was
	 * not handed out, has no such grains, or one is taken) or another error of errors.h. On
	 * error nothing has changed. The page may be mapped. NULL if a page is one grain.
	 */
	int (*grains_take)(struct xv_provider *self, uint32_t page, uint32_t first, uint32_t count);

	/*
	 * Give back the memory of the `count` taken grains from `first` on. Returns false when that
	 * fails (locked memory; a filter of system calls; grains that are not taken): then all of
	 * them stay taken, and the caller still counts them. The contents are undefined afterwards,
	 * after false too. The page may be mapped. NULL if a page is one grain.
	 */
	bool (*grains_give)(struct xv_provider *self, uint32_t page, uint32_t first,
			    uint32_t count);

	/*
	 * Make a page addressable. Returns its first byte, aligned to 256 bytes or more, or NULL
	 * when no window slot is free. It must not fail for another reason: a pool keeps two slots
	 * for each of its shards and relies on them. Only taken grains may be touched. A page that
	 * is mapped twice shows the same bytes at the same address, and needs two unmaps. Optional
	 * if base is set: the pool then never calls it.
	 */
	void *(*page_map)(struct xv_provider *self, uint32_t page);

	/* End one map; addr is what page_map returned. Returns 0, or -XV_EINVAL when addr is no
	 * map of that page (nothing has changed then). Optional if base is set. */
	int (*page_unmap)(struct xv_provider *self, uint32_t page, void *addr);

	/*
	 * Meta memory, for the pool and its tables. Always addressable, aligned to 64 bytes. The
	 * three are optional as a group: without them every pool needs xv_pool_options.memory.
	 *
	 * meta_reserve: reserve address space for max_bytes. Nothing is usable yet. Returns NULL
	 * when there is none.
	 *
	 * meta_commit: make the first new_bytes of the reservation at base usable, instead of the
	 * first old_bytes. Bytes that become usable read as zero. Shrinking cannot fail. Returns 0
	 * or an error of errors.h.
	 *
	 * meta_release: end the reservation, of which committed_bytes were usable.
	 */
	void *(*meta_reserve)(struct xv_provider *self, size_t max_bytes);
	int (*meta_commit)(struct xv_provider *self, void *base, size_t old_bytes,
			   size_t new_bytes);
	void (*meta_release)(struct xv_provider *self, void *base, size_t max_bytes,
			     size_t committed_bytes);

	/*
	 * Optional; for tables with unused parts in the middle. The caller no longer needs the
	 * contents of [offset, offset + bytes) in the committed part of the reservation at base.
	 * The whole OS pages inside that range read as zero from now on; the rest of it is
	 * unchanged. All of it stays usable and committed. Returns the bytes whose memory went back
	 * to the system, a multiple of the OS page; 0 if the system took none. The caller stops
	 * counting these bytes. Touching them brings memory back, and the caller then counts it
	 * again.
	 */
	size_t (*meta_purge)(struct xv_provider *self, void *base, size_t offset, size_t bytes);

	/*
	 * Optional. Bytes that the provider itself holds: bitmaps, rounding of commits, stayed
	 * memory. Taken grains (pages, if a page is one grain) and committed meta memory are not
	 * included. Pools do not count these bytes, since pools that share a provider would all
	 * count them. But each counts what stayed of the pages that it gave back.
	 */
	size_t (*overhead_bytes)(struct xv_provider *self);

	/* Optional. The stayed bytes, a part of overhead_bytes. A page or grain that is taken may
	 * get stayed memory, and the process then holds no more than before. A pool asks for this
	 * number when pages that it gave back have left memory. NULL means 0. */
	size_t (*stayed_bytes)(struct xv_provider *self);

	/*
	 * Optional, both or none. For fork(), so that the child finds a consistent provider.
	 *
	 * hold: the calling thread holds the provider `times` (at least 1) more times. Waits while
	 * another thread holds it and until no operation changes it. Operations of other threads
	 * then wait. The holder calls no operation except these two, and waits for no thread that
	 * may be inside an operation, such as one that has the lock of a pool.
	 *
	 * release: end all holds of the calling thread. Returns their number, 0 if it has none. In
	 * the child of a fork() the only thread has the holds of the thread that forked.
	 *
	 * So a pool that is locked for a fork, while the thread may hold the provider for another
	 * pool, calls release, locks itself, and holds once more than before.
	 */
	void (*hold)(struct xv_provider *self, uint32_t times);
	uint32_t (*release)(struct xv_provider *self);
};

/* meta_reserve takes real memory at once. A pool then has one shard, and takes all of its tables
 * when it is made, of the size that xv_pool_memory_bytes tells. */
#define XV_PROVIDER_META_IS_SCARCE 0x1U

/* A provider. Its fields are constant once it is made, except window_slots_taken. */
struct xv_provider {
	const struct xv_provider_ops *ops;
	void *base; /* not NULL: page p is always addressable at base + (p << page_shift), aligned
		     * to 256 bytes */
	uint64_t max_pages;    /* pages, 1 .. XV_PAGES_MAX */
	uint32_t page_shift;   /* log2 of the page size, XV_PAGE_SHIFT_MIN .. _MAX */
	uint32_t grain_shift;  /* log2 of the grain size, from page_shift - XV_PAGE_GRAINS_SHIFT_MAX
				* to page_shift; 0 means page_shift */
	uint32_t window_slots; /* pages that can be mapped at once, at least 2 for each pool; unused
				* if base is set */
	uint32_t flags;        /* XV_PROVIDER_* */
	uint32_t window_slots_taken; /* slots that pools keep and that callers have mapped; pools
				      * change it; 0 at first */
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
