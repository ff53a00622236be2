/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mmap.c: the provider of anonymous, always addressable memory.
 *
 * Owns: a reservation of address space for all pages, committed from its start as
 * the highest page number grows, and a control area (this record and the page
 * bitmap). May call: os_memory.h, meta_memory.h, page_bitmap.h, the platform
 * lock. Locking: one lock around bitmap, commits and counters; giving one page's memory back is
 * outside it, while the page still counts as handed out. Complexity: page_alloc O(log64 pages), a
 * system call per COMMIT_BYTES of growth; page_free O(log64 pages) and a system call, O(pages) the
 * first time after the process has locked its memory.
 *
 *   base                       committed_bytes                    reserved_bytes
 *   [ readable and writable    | no access ...................... ]
 *   [granule][granule][granule]   memory goes back in whole granules: the larger
 *   [p0][p1 ][p2][p3 ]            of page and OS page, or a huge page if asked for
 *
 * A granule without a used page is kept when the system did not take its memory
 * back. Every granule that has memory is counted: used, or kept.
 */
#include "mmap_internal.h"

#include "meta_memory.h"
#include "page_bitmap.h"
#include "page_size.h"
#include "xvi_lock.h"

#include <string.h>

#define BASE_ALIGNMENT ((size_t)64 << 10)
/* Growth step: small enough for strict overcommit, large enough to be rare. */
#define COMMIT_BYTES ((size_t)2 << 20)
#define RESERVE_BYTES_64BIT ((uint64_t)64 << 30)
#define RESERVE_BYTES_32BIT ((uint64_t)1 << 30)
#define RESERVE_BYTES_MIN ((uint64_t)1 << 20)
#define PAGE_BYTES_DEFAULT 4096U

struct mmap_provider {
	struct xv_provider provider; /* first: the public face */
	struct xvi_lock lock;
	struct xvi_page_bitmap used;
	struct xvi_meta_memory meta;
	size_t control_bytes;   /* mapped for this record and the bitmap */
	size_t reserved_bytes;  /* address space from base, a multiple of granule_bytes */
	size_t committed_bytes; /* accessible from base, a multiple of the OS page */
	size_t granule_bytes;   /* unit in which memory goes back, >= page */
	uint32_t granule_pages; /* pages in it, a power of two; 1 = each page by itself */
	uint32_t granules_held; /* granules with a used page */
	size_t os_page_bytes;
	bool huge_pages;       /* the granule is a huge page: nothing smaller goes back */
	bool locked;           /* so was the last granule that was freed */
	bool control_is_there; /* all of the control area is memory, touched or not */
};

static struct mmap_provider *mmap_of(struct xv_provider *self)
{
	return (struct mmap_provider *)self;
}

static char *page_address(const struct mmap_provider *mm, uint32_t page)
{
	return (char *)mm->provider.base + ((size_t)page << mm->provider.page_shift);
}

/* Give back the granules without a used page in [from, end), or count them as kept. */
static void discard_free(struct mmap_provider *mm, size_t from, size_t end)
{
	bool given =
		from >= end || xvi_os_discard((char *)mm->provider.base + from, end - from).given;

	for (size_t at = from; at < end; at += mm->granule_bytes)
		xvi_page_bitmap_set_kept(&mm->used, (uint32_t)(at >> mm->provider.page_shift),
					 !given);
}

/* Locked memory is there as soon as it is committed: what was not asked for yet goes back. */
static void discard_ahead(struct mmap_provider *mm, size_t from, size_t end)
{
	const char *last = (const char *)mm->provider.base + end - mm->os_page_bytes;

	if (from < end && xvi_os_resident_bytes(last, mm->os_page_bytes) != 0)
		discard_free(mm, from, end);
}

/* Make the first bytes of the space accessible; in large steps while they last. */
static int commit_through(struct mmap_provider *mm, size_t bytes)
{
	char *from = (char *)mm->provider.base + mm->committed_bytes;
	size_t end;

	if (bytes <= mm->committed_bytes)
		return 0;
	end = xvi_round_up(bytes, COMMIT_BYTES);
	if (end > mm->reserved_bytes)
		end = mm->reserved_bytes;
	if (xvi_os_commit(from, end - mm->committed_bytes) != 0) {
		end = xvi_round_up(bytes, mm->granule_bytes);
		if (xvi_os_commit(from, end - mm->committed_bytes) != 0)
			return -XV_ENOMEM;
	}
	mm->committed_bytes = end;
	discard_ahead(mm, xvi_round_up(bytes, mm->granule_bytes), end);
	return 0;
}

static uint32_t granule_first_page(const struct mmap_provider *mm, uint32_t page)
{
	return page & ~(mm->granule_pages - 1);
}

static bool granule_is_free(const struct mmap_provider *mm, uint32_t page)
{
	return xvi_page_bitmap_range_is_clear(&mm->used, granule_first_page(mm, page),
					      mm->granule_pages);
}

static int page_alloc_locked(struct mmap_provider *mm, uint32_t *page)
{
	uint32_t lowest;
	int err;

	if (!xvi_page_bitmap_lowest_free(&mm->used, &lowest))
		return -XV_ENOMEM;
	err = commit_through(mm, ((size_t)lowest + 1) << mm->provider.page_shift);
	if (err != 0)
		return err;
	if (granule_is_free(mm, lowest)) {
		mm->granules_held++;
		xvi_page_bitmap_set_kept(&mm->used, granule_first_page(mm, lowest), false);
	}
	xvi_page_bitmap_set(&mm->used, lowest);
	*page = lowest;
	return 0;
}

static int mmap_page_alloc(struct xv_provider *self, uint32_t *page)
{
	struct mmap_provider *mm = mmap_of(self);
	int err;

	xvi_lock_acquire(&mm->lock);
	err = page_alloc_locked(mm, page);
	xvi_lock_release(&mm->lock);
	return err;
}

static bool page_is_used(struct mmap_provider *mm, uint32_t page)
{
	bool used;

	xvi_lock_acquire(&mm->lock);
	used = xvi_page_bitmap_is_set(&mm->used, page);
	xvi_lock_release(&mm->lock);
	return used;
}

/* Give back the memory under a bitmap that nobody has touched. False when it stays. */
static bool discard_untouched(const struct xvi_page_bitmap *map, size_t os_page_bytes)
{
	size_t bytes;
	uintptr_t from = (uintptr_t)xvi_page_bitmap_untouched(map, &bytes);
	uintptr_t end = (from + bytes) & ~(uintptr_t)(os_page_bytes - 1);

	from = (from + os_page_bytes - 1) & ~(uintptr_t)(os_page_bytes - 1);
	return from >= end || xvi_os_discard((void *)from, end - from).given;
}

/* mlockall has put memory under all that was committed, free pages and bitmaps too. */
static void settle_locked(struct mmap_provider *mm)
{
	size_t from = 0;

	for (size_t at = 0; at < mm->committed_bytes; at += mm->granule_bytes) {
		if (granule_is_free(mm, (uint32_t)(at >> mm->provider.page_shift)))
			continue;
		discard_free(mm, from, at);
		from = at + mm->granule_bytes;
	}
	discard_free(mm, from, xvi_round_up(mm->committed_bytes, mm->granule_bytes));
	mm->control_is_there = !discard_untouched(&mm->used, mm->os_page_bytes);
}

/* A granule has lost its last used page, and this came of giving its memory back. */
static void granule_freed(struct mmap_provider *mm, uint32_t page,
			  struct xvi_os_discarded discarded)
{
	mm->granules_held--;
	xvi_page_bitmap_set_kept(&mm->used, granule_first_page(mm, page), !discarded.given);
	if (discarded.locked && !mm->locked)
		settle_locked(mm);
	mm->locked = discarded.locked;
}

static void mmap_page_free(struct xv_provider *self, uint32_t page)
{
	struct mmap_provider *mm = mmap_of(self);
	struct xvi_os_discarded discarded = {.given = false};

	if (!page_is_used(mm, page))
		return;
	/* Still ours here, so nobody can be given it while its memory goes. */
	if (mm->granule_pages == 1)
		discarded = xvi_os_discard(page_address(mm, page), mm->granule_bytes);
	xvi_lock_acquire(&mm->lock);
	xvi_page_bitmap_clear(&mm->used, page);
	if (granule_is_free(mm, page)) {
		if (mm->granule_pages > 1)
			discarded = xvi_os_discard(page_address(mm, granule_first_page(mm, page)),
						   mm->granule_bytes);
		granule_freed(mm, page, discarded);
	}
	xvi_lock_release(&mm->lock);
}

static void *mmap_page_map(struct xv_provider *self, uint32_t page)
{
	return page_address(mmap_of(self), page);
}

static int mmap_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	return addr == page_address(mmap_of(self), page) ? 0 : -XV_EINVAL;
}

/* Only whole OS pages inside the range go back. */
static size_t mmap_page_purge(struct xv_provider *self, uint32_t page, uint32_t offset,
			      size_t bytes)
{
	struct mmap_provider *mm = mmap_of(self);
	size_t page_bytes = xv_provider_page_bytes(self);
	size_t first, end;

	if (mm->huge_pages || offset > page_bytes || bytes > page_bytes - offset)
		return 0;
	first = xvi_round_up(offset, mm->os_page_bytes);
	end = (offset + bytes) & ~(mm->os_page_bytes - 1);
	if (first >= end || !page_is_used(mm, page))
		return 0;
	return xvi_os_discard(page_address(mm, page) + first, end - first).given ? end - first : 0;
}

static uint64_t mmap_pages_available(struct xv_provider *self)
{
	struct mmap_provider *mm = mmap_of(self);
	uint64_t pages;

	xvi_lock_acquire(&mm->lock);
	pages = mm->used.pages - mm->used.used;
	xvi_lock_release(&mm->lock);
	return pages;
}

static void *mmap_meta_reserve(struct xv_provider *self, size_t max_bytes)
{
	return xvi_meta_reserve(&mmap_of(self)->meta, max_bytes);
}

static int mmap_meta_commit(struct xv_provider *self, void *base, size_t old_bytes,
			    size_t new_bytes)
{
	struct mmap_provider *mm = mmap_of(self);
	int err;

	xvi_lock_acquire(&mm->lock);
	err = xvi_meta_commit(&mm->meta, base, old_bytes, new_bytes);
	xvi_lock_release(&mm->lock);
	return err;
}

static void mmap_meta_release(struct xv_provider *self, void *base, size_t max_bytes,
			      size_t committed_bytes)
{
	struct mmap_provider *mm = mmap_of(self);

	xvi_lock_acquire(&mm->lock);
	xvi_meta_release(&mm->meta, base, max_bytes, committed_bytes);
	xvi_lock_release(&mm->lock);
}

/* Held granules count whole: with huge pages more than was ever touched, perhaps. */
static size_t spare_locked(const struct mmap_provider *mm)
{
	return ((size_t)mm->granules_held + mm->used.kept) * mm->granule_bytes -
	       ((size_t)mm->used.used << mm->provider.page_shift);
}

static size_t mmap_spare_bytes(struct xv_provider *self)
{
	struct mmap_provider *mm = mmap_of(self);
	size_t bytes;

	xvi_lock_acquire(&mm->lock);
	bytes = spare_locked(mm);
	xvi_lock_release(&mm->lock);
	return bytes;
}

/* Record and bitmap, as far as there is memory under them. */
static size_t control_held_bytes(const struct mmap_provider *mm)
{
	if (mm->control_is_there)
		return mm->control_bytes;
	return xvi_page_bitmap_touched_bytes(&mm->used, mm, sizeof(*mm), mm->os_page_bytes);
}

static size_t mmap_overhead_bytes(struct xv_provider *self)
{
	struct mmap_provider *mm = mmap_of(self);
	size_t bytes;

	xvi_lock_acquire(&mm->lock);
	bytes = control_held_bytes(mm);
	bytes += xvi_meta_overhead_bytes(&mm->meta) + spare_locked(mm);
	xvi_lock_release(&mm->lock);
	return bytes;
}

static const struct xv_provider_ops mmap_ops = {
	.page_alloc = mmap_page_alloc,
	.page_free = mmap_page_free,
	.page_map = mmap_page_map,
	.page_unmap = mmap_page_unmap,
	.page_purge = mmap_page_purge,
	.pages_available = mmap_pages_available,
	.meta_reserve = mmap_meta_reserve,
	.meta_commit = mmap_meta_commit,
	.meta_release = mmap_meta_release,
	.overhead_bytes = mmap_overhead_bytes,
	.spare_bytes = mmap_spare_bytes,
};

void xv_provider_mmap_options_init(struct xv_provider_mmap_options *options)
{
	*options = (struct xv_provider_mmap_options){.page_bytes = PAGE_BYTES_DEFAULT};
}

/* What the options come to. */
struct mmap_plan {
	uint32_t page_shift;
	uint64_t reserve_bytes; /* a multiple of the page; the cap is in it */
	bool may_shrink;        /* the size was our choice: less is acceptable */
	bool huge_pages;
	size_t granule_bytes;
};

static size_t larger_of(size_t a, size_t b)
{
	return a > b ? a : b;
}

static int plan_make(struct mmap_plan *plan, const struct xv_provider_mmap_options *options,
		     const struct xvi_os_facts *facts)
{
	uint32_t page_bytes = options->page_bytes != 0 ? options->page_bytes : PAGE_BYTES_DEFAULT;
	uint64_t reserve = options->reserve_bytes;

	plan->page_shift = xvi_page_shift(page_bytes);
	if (plan->page_shift == 0 || (reserve != 0 && reserve < page_bytes) ||
	    (options->cap_bytes != 0 && options->cap_bytes < page_bytes))
		return -XV_EINVAL;
	plan->may_shrink = reserve == 0;
	if (reserve == 0)
		reserve = sizeof(size_t) > 4 ? RESERVE_BYTES_64BIT : RESERVE_BYTES_32BIT;
	/* Lowest number first: a cap of n pages is the same as having only n pages. */
	if (options->cap_bytes != 0 && options->cap_bytes < reserve)
		reserve = options->cap_bytes;
	plan->reserve_bytes = (uint64_t)xvi_page_count(reserve, plan->page_shift)
			      << plan->page_shift;
	plan->huge_pages = options->huge_pages && facts->huge_page_bytes != 0;
	plan->granule_bytes = larger_of(page_bytes, plan->huge_pages ? facts->huge_page_bytes
								     : facts->page_bytes);
	return 0;
}

/* Reserve what the plan says, halving where that is allowed; the plan learns it. */
static void *reserve_space(struct mmap_plan *plan)
{
	size_t alignment = larger_of(BASE_ALIGNMENT, plan->granule_bytes);

	for (;;) {
		uint64_t bytes = plan->reserve_bytes + plan->granule_bytes - 1;
		void *base = NULL;

		bytes &= ~(uint64_t)(plan->granule_bytes - 1);
		if (bytes <= SIZE_MAX / 2)
			base = xvi_os_reserve((size_t)bytes, alignment);
		if (base != NULL || !plan->may_shrink || plan->reserve_bytes <= RESERVE_BYTES_MIN)
			return base;
		plan->reserve_bytes = (plan->reserve_bytes / 2) >> plan->page_shift
									   << plan->page_shift;
	}
}

static void provider_fill(struct mmap_provider *mm, const struct mmap_plan *plan, void *base,
			  const struct xvi_os_facts *facts)
{
	uint32_t pages = (uint32_t)(plan->reserve_bytes >> plan->page_shift);

	mm->provider = (struct xv_provider){
		.ops = &mmap_ops,
		.base = base,
		.max_pages = pages,
		.page_shift = plan->page_shift,
		.map_slots = UINT32_MAX,
	};
	mm->granule_bytes = plan->granule_bytes;
	mm->granule_pages = (uint32_t)(plan->granule_bytes >> plan->page_shift);
	mm->reserved_bytes = xvi_round_up((size_t)plan->reserve_bytes, plan->granule_bytes);
	mm->os_page_bytes = facts->page_bytes;
	mm->huge_pages = plan->huge_pages;
	xvi_page_bitmap_init_kept(&mm->used, mm + 1, pages);
	xvi_meta_init(&mm->meta, facts->page_bytes);
	/* Without a word a system may back one touched page with a huge one. */
	xvi_os_advise_huge(base, mm->reserved_bytes, plan->huge_pages);
}

static struct mmap_provider *control_make(const struct mmap_plan *plan, size_t os_page_bytes)
{
	uint32_t pages = (uint32_t)(plan->reserve_bytes >> plan->page_shift);
	size_t bytes = xvi_round_up(
		sizeof(struct mmap_provider) + xvi_page_bitmap_bytes_kept(pages), os_page_bytes);
	bool all_there;
	struct mmap_provider *mm = xvi_os_map_zeroed(bytes, &all_there);

	if (mm == NULL)
		return NULL;
	mm->control_bytes = bytes;
	mm->control_is_there = all_there;
	if (xvi_lock_init(&mm->lock, XV_LOCK_DEFAULT) != 0) {
		xvi_os_release(mm, bytes);
		return NULL;
	}
	return mm;
}

int xvi_provider_mmap_create_on(struct xv_provider **out,
				const struct xv_provider_mmap_options *options,
				const struct xvi_os_facts *facts)
{
	struct xv_provider_mmap_options defaults;
	struct mmap_provider *mm;
	struct mmap_plan plan;
	void *base;
	int err;

	if (out == NULL)
		return -XV_EINVAL;
	xv_provider_mmap_options_init(&defaults);
	err = plan_make(&plan, options != NULL ? options : &defaults, facts);
	if (err != 0)
		return err;
	base = reserve_space(&plan);
	if (base == NULL)
		return -XV_ENOMEM;
	mm = control_make(&plan, facts->page_bytes);
	if (mm == NULL) {
		xvi_os_release(base, xvi_round_up((size_t)plan.reserve_bytes, plan.granule_bytes));
		return -XV_ENOMEM;
	}
	provider_fill(mm, &plan, base, facts);
	*out = &mm->provider;
	return 0;
}

int xv_provider_mmap_create(struct xv_provider **out,
			    const struct xv_provider_mmap_options *options)
{
	struct xvi_os_facts facts;

	xvi_os_facts_get(&facts);
	return xvi_provider_mmap_create_on(out, options, &facts);
}

void xv_provider_mmap_destroy(struct xv_provider *provider)
{
	struct mmap_provider *mm;

	if (provider == NULL)
		return;
	mm = mmap_of(provider);
	xvi_os_release(provider->base, mm->reserved_bytes);
	xvi_lock_fini(&mm->lock);
	xvi_os_release(mm, mm->control_bytes);
}
