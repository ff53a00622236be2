/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mmap.c: the provider of anonymous memory, always addressable.
 *
 * Owns: a reservation of address space for all pages, committed from its start as the highest page
 * number grows (where commits are charged: as grains are taken), and a control area (this record
 * and the map of grains). May call: os_memory.h, meta_memory.h, grain_map.h, hold.h, the platform
 * lock. Locking: one lock around map, commits and counters. Memory of pages and grains goes back
 * outside the lock, while they still count as taken, unless a thread waits to hold. Free pages are
 * hidden from the program (xvi_tools.h). Complexity: page_alloc O(log64 pages), a system call per
 * COMMIT_BYTES of growth; grains_take O(1), with a system call where commits are charged;
 * grains_give O(1) and pages_free O(log64 pages) for each page, and a system call, O(pages) the
 * first time after the process has locked its memory.
 *
 *   base                       committed_bytes     reserved_bytes, and a guard (mmap_plan.h)
 *   [ readable and writable    | no access ...................... ]
 *   [granule][granule][granule]   memory goes back in whole granules
 *
 * A granule is a grain, if pages are larger than the OS page. Otherwise it is an OS page, or a huge
 * page if asked for, with one or more pages, and is held while one of them is used. A granule has
 * stayed if nobody has taken it but the system did not take its memory back. Every granule with
 * memory is counted: taken, held or stayed.
 */
#include "mmap_internal.h"

#include "grain_map.h"
#include "hold.h"
#include "meta_memory.h"
#include "mmap_plan.h"
#include "xvi_lock.h"
#include "xvi_tools.h"

#include <string.h>

/* Growth step: small enough for strict overcommit, large enough to be rare. */
#define COMMIT_BYTES ((size_t)2 << 20)

struct mmap_provider {
	struct xv_provider provider; /* must be first */
	struct xv_provider_ops ops;
	struct xvi_lock lock;
	struct xvi_hold hold;
	struct xvi_grain_map map;
	struct xvi_meta_memory meta;
	size_t control_bytes;   /* this record and the map */
	size_t reserved_bytes;  /* address space from base, a multiple of granule_bytes */
	size_t committed_bytes; /* accessible from base, a multiple of the OS page */
	size_t granule_bytes;   /* unit in which memory goes back */
	uint32_t granule_pages; /* pages in a granule, a power of two; 1 for a page or a grain */
	uint32_t granules_held; /* granules with a used page, if a page is one grain */
	size_t os_page_bytes;
	bool charges_commits; /* space is committed when it is taken, decommitted when given back */
	bool locked;          /* the memory that was last given back was locked */
	bool control_is_there; /* all of the control area has memory, touched or not */
};

static struct mmap_provider *mmap_of(struct xv_provider *self)
{
	return (struct mmap_provider *)self;
}

static char *page_address(const struct mmap_provider *mm, uint32_t page)
{
	return (char *)mm->provider.base + ((size_t)page << mm->provider.page_shift);
}

static bool has_grains(const struct mmap_provider *mm)
{
	return mm->map.grains > 1;
}

static uint32_t granule_first_page(const struct mmap_provider *mm, uint32_t page)
{
	return page & ~(mm->granule_pages - 1);
}

/* If a page is one grain: has the granule of this page no used page? */
static bool granule_is_free(const struct mmap_provider *mm, uint32_t page)
{
	return xvi_page_bitmap_range_is_clear(&mm->map.pages, granule_first_page(mm, page),
					      mm->granule_pages);
}

/* Mark of the granule at this offset: of a grain, or of its first page. */
static uint32_t granule_bit(const struct mmap_provider *mm, size_t at)
{
	return 1U << (at / mm->granule_bytes % mm->map.grains);
}

static uint32_t page_of(const struct mmap_provider *mm, size_t at)
{
	return (uint32_t)(at >> mm->provider.page_shift);
}

static bool granule_is_nobodys(const struct mmap_provider *mm, size_t at)
{
	if (has_grains(mm))
		return (xvi_grain_taken(&mm->map, page_of(mm, at)) & granule_bit(mm, at)) == 0;
	return granule_is_free(mm, page_of(mm, at));
}

/* Make reserved space usable, if that was left for now, and its opposite. */
static int memory_take(const struct mmap_provider *mm, void *at, size_t bytes)
{
	return mm->charges_commits ? xvi_os_commit(at, bytes) : 0;
}

static struct xvi_os_discarded memory_give(const struct mmap_provider *mm, void *at, size_t bytes)
{
	return mm->charges_commits ? (struct xvi_os_discarded){.given = xvi_os_decommit(at, bytes)}
				   : xvi_os_discard(at, bytes);
}

/* Give back the granules in [from, end), which nobody has, or count them as stayed. A part that
 * fails must not keep the rest: try halves, down to a granule. */
static void discard_free(struct mmap_provider *mm, size_t from, size_t end)
{
	size_t middle = from + (end - from) / mm->granule_bytes / 2 * mm->granule_bytes;
	bool given;

	if (from >= end)
		return;
	given = xvi_os_discard((char *)mm->provider.base + from, end - from).given;
	if (!given && middle > from) {
		discard_free(mm, from, middle);
		discard_free(mm, middle, end);
		return;
	}
	for (size_t at = from; at < end; at += mm->granule_bytes)
		xvi_grain_set(&mm->map, page_of(mm, at), granule_bit(mm, at),
			      given ? GRAIN_ABSENT : GRAIN_STAYED);
}

/* Locked memory comes as soon as it is committed: give back what nobody asked for yet. */
static void discard_ahead(struct mmap_provider *mm, size_t from, size_t end)
{
	const char *last = (const char *)mm->provider.base + end - mm->os_page_bytes;

	if (from < end && xvi_os_resident_bytes(last, mm->os_page_bytes) != 0)
		discard_free(mm, from, end);
}

/* Make the first bytes of the space accessible, in large steps if possible. */
static int commit_through(struct mmap_provider *mm, size_t bytes)
{
	char *from = (char *)mm->provider.base + mm->committed_bytes;
	size_t free_from, end;

	if (mm->charges_commits || bytes <= mm->committed_bytes)
		return 0;
	end = xvi_round_up(bytes, COMMIT_BYTES);
	if (end > mm->reserved_bytes)
		end = mm->reserved_bytes;
	if (xvi_os_commit(from, end - mm->committed_bytes) != 0) {
		end = xvi_round_up(bytes, mm->granule_bytes);
		if (xvi_os_commit(from, end - mm->committed_bytes) != 0)
			return -XV_ENOMEM;
	}
	free_from = has_grains(mm) ? mm->committed_bytes : xvi_round_up(bytes, mm->granule_bytes);
	mm->committed_bytes = end;
	discard_ahead(mm, free_from, end);
	return 0;
}

/* A page of one grain is taken at once, and the granule around it is held. */
static int whole_page_take(struct mmap_provider *mm, uint32_t page)
{
	if (granule_is_free(mm, page)) {
		int err = memory_take(mm, page_address(mm, granule_first_page(mm, page)),
				      mm->granule_bytes);

		if (err != 0)
			return err;
		mm->granules_held++;
		xvi_grain_set(&mm->map, granule_first_page(mm, page), 1, GRAIN_ABSENT);
	}
	xvi_grain_set(&mm->map, page, 1, GRAIN_TAKEN);
	return 0;
}

static int page_alloc_locked(struct mmap_provider *mm, uint32_t *page)
{
	uint32_t lowest;
	int err;

	if (!xvi_page_bitmap_lowest_free(&mm->map.pages, &lowest))
		return -XV_ENOMEM;
	err = commit_through(mm, ((size_t)lowest + 1) << mm->provider.page_shift);
	if (err == 0 && !has_grains(mm))
		err = whole_page_take(mm, lowest);
	if (err != 0)
		return err;
	xvi_page_bitmap_set(&mm->map.pages, lowest);
	if (xvi_tools_watch())
		xvi_tools_show(page_address(mm, lowest), (size_t)1 << mm->provider.page_shift);
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

/* Give back the memory under an untouched part of a bitmap. False when it stays. */
static bool discard_untouched(const struct xvi_page_bitmap *map, size_t os_page_bytes)
{
	size_t bytes;
	uintptr_t from = (uintptr_t)xvi_page_bitmap_untouched(map, &bytes);
	uintptr_t end = (from + bytes) & ~(uintptr_t)(os_page_bytes - 1);

	from = (from + os_page_bytes - 1) & ~(uintptr_t)(os_page_bytes - 1);
	return from >= end || xvi_os_discard((void *)from, end - from).given;
}

/* mlockall has brought memory under all that was committed, even if nobody has it, and under
 * bitmaps. */
static void settle_locked(struct mmap_provider *mm)
{
	size_t from = 0;

	for (size_t at = 0; at < mm->committed_bytes; at += mm->granule_bytes) {
		if (granule_is_nobodys(mm, at))
			continue;
		discard_free(mm, from, at);
		from = at + mm->granule_bytes;
	}
	discard_free(mm, from, xvi_round_up(mm->committed_bytes, mm->granule_bytes));
	mm->control_is_there = !discard_untouched(&mm->map.pages, mm->os_page_bytes);
}

/* Memory was given back, or was not: is it locked now? */
static void note_locked(struct mmap_provider *mm, struct xvi_os_discarded discarded)
{
	if (discarded.locked && !mm->locked)
		settle_locked(mm);
	mm->locked = discarded.locked;
}

/* Free used pages that are one granule each, or several. They are the caller's until they are
 * cleared, so the lock is released while their memory goes. False when they do not go as a whole:
 * nothing has changed then, unless it is one page. Adds what stayed to *stayed. */
static bool pages_discard(struct mmap_provider *mm, uint32_t first, uint32_t count,
			  uint64_t *stayed)
{
	bool let_go = xvi_hold_let_go(&mm->hold, &mm->lock);
	struct xvi_os_discarded discarded =
		memory_give(mm, page_address(mm, first), (size_t)count << mm->provider.page_shift);

	xvi_hold_take_again(&mm->hold, &mm->lock, let_go);
	if (!discarded.given && count > 1)
		return false;
	for (uint32_t i = 0; i < count; i++)
		*stayed += xvi_grain_page_free(&mm->map, first + i, discarded.given);
	if (!has_grains(mm))
		mm->granules_held -= count;
	note_locked(mm, discarded);
	return true;
}

/* Free used pages of granules that have several pages: a granule goes with its last page. */
static void pages_discard_shared(struct mmap_provider *mm, uint32_t first, uint32_t count)
{
	uint32_t last = first + count - 1;
	uint32_t from = granule_first_page(mm, first);
	uint32_t end = granule_first_page(mm, last) + mm->granule_pages;
	struct xvi_os_discarded discarded;

	for (uint32_t i = 0; i < count; i++)
		(void)xvi_grain_page_free(&mm->map, first + i, true);
	if (!granule_is_free(mm, first))
		from += mm->granule_pages;
	if (from < end && !granule_is_free(mm, last))
		end -= mm->granule_pages;
	if (from >= end)
		return;
	discarded = memory_give(mm, page_address(mm, from),
				(size_t)(end - from) << mm->provider.page_shift);
	for (uint32_t page = from; page < end; page += mm->granule_pages) {
		mm->granules_held--;
		xvi_grain_set(&mm->map, page, 1, discarded.given ? GRAIN_ABSENT : GRAIN_STAYED);
	}
	note_locked(mm, discarded);
}

/* Held granules count whole: with huge pages this may be more than was ever touched. */
static size_t spare_locked(const struct mmap_provider *mm)
{
	size_t stayed = (size_t)mm->map.stayed * mm->granule_bytes;

	if (has_grains(mm))
		return stayed;
	return stayed + mm->granules_held * mm->granule_bytes -
	       ((size_t)mm->map.pages.used << mm->provider.page_shift);
}

/* Returns the bytes that stay: pages that do not go, or whose granule does not. */
static size_t run_free(struct mmap_provider *mm, uint32_t first, uint32_t count)
{
	size_t before = spare_locked(mm);
	uint64_t stayed = 0;

	if (mm->granule_pages > 1) {
		pages_discard_shared(mm, first, count);
		return spare_locked(mm) > before ? spare_locked(mm) - before : 0;
	}
	if (!pages_discard(mm, first, count, &stayed)) {
		for (uint32_t i = 0; i < count; i++)
			(void)pages_discard(mm, first + i, 1, &stayed);
	}
	return (size_t)stayed * mm->granule_bytes;
}

static size_t mmap_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	struct mmap_provider *mm = mmap_of(self);
	size_t stayed = 0;
	uint32_t end, run;

	xvi_lock_acquire(&mm->lock);
	end = xvi_page_bitmap_end(&mm->map.pages, first, count);
	while ((run = xvi_page_bitmap_run(&mm->map.pages, &first, end)) != 0) {
		if (xvi_tools_watch())
			xvi_tools_hide(page_address(mm, first),
				       (size_t)run << mm->provider.page_shift);
		stayed += run_free(mm, first, run);
		first += run;
	}
	xvi_lock_release(&mm->lock);
	return stayed;
}

static int grains_take_locked(struct mmap_provider *mm, uint32_t page, uint32_t first,
			      uint32_t count)
{
	int err;

	if (!xvi_grain_range_is(&mm->map, page, first, count, false))
		return -XV_EINVAL;
	if (count > mm->map.most - mm->map.taken)
		return -XV_ENOMEM;
	err = memory_take(mm, page_address(mm, page) + first * mm->granule_bytes,
			  count * mm->granule_bytes);
	if (err == 0)
		xvi_grain_set(&mm->map, page, xvi_grain_bits(first, count), GRAIN_TAKEN);
	return err;
}

/* If the space became accessible with the page, memory comes when it is touched. */
static int mmap_grains_take(struct xv_provider *self, uint32_t page, uint32_t first, uint32_t count)
{
	struct mmap_provider *mm = mmap_of(self);
	int err;

	xvi_lock_acquire(&mm->lock);
	err = grains_take_locked(mm, page, first, count);
	xvi_lock_release(&mm->lock);
	return err;
}

/* The grains stay taken until their memory is gone, so nobody gets them while the lock is
 * released. */
static bool grains_give_locked(struct mmap_provider *mm, uint32_t page, uint32_t first,
			       uint32_t count)
{
	struct xvi_os_discarded discarded;
	bool let_go;

	if (!xvi_grain_range_is(&mm->map, page, first, count, true))
		return false;
	let_go = xvi_hold_let_go(&mm->hold, &mm->lock);
	discarded = memory_give(mm, page_address(mm, page) + first * mm->granule_bytes,
				count * mm->granule_bytes);
	xvi_hold_take_again(&mm->hold, &mm->lock, let_go);
	if (discarded.given)
		xvi_grain_set(&mm->map, page, xvi_grain_bits(first, count), GRAIN_ABSENT);
	note_locked(mm, discarded);
	return discarded.given;
}

static bool mmap_grains_give(struct xv_provider *self, uint32_t page, uint32_t first,
			     uint32_t count)
{
	struct mmap_provider *mm = mmap_of(self);
	bool given;

	xvi_lock_acquire(&mm->lock);
	given = grains_give_locked(mm, page, first, count);
	xvi_lock_release(&mm->lock);
	return given;
}

static void *mmap_page_map(struct xv_provider *self, uint32_t page)
{
	return page_address(mmap_of(self), page);
}

static int mmap_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	return addr == page_address(mmap_of(self), page) ? 0 : -XV_EINVAL;
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

static size_t mmap_meta_purge(struct xv_provider *self, void *base, size_t offset, size_t bytes)
{
	return xvi_meta_purge(&mmap_of(self)->meta, base, offset, bytes);
}

static size_t mmap_stayed_bytes(struct xv_provider *self)
{
	struct mmap_provider *mm = mmap_of(self);
	size_t bytes;

	xvi_lock_acquire(&mm->lock);
	bytes = spare_locked(mm);
	xvi_lock_release(&mm->lock);
	return bytes;
}

/* The part of record and bitmap that has memory. */
static size_t control_held_bytes(const struct mmap_provider *mm)
{
	if (mm->control_is_there)
		return mm->control_bytes;
	return xvi_page_bitmap_touched_bytes(&mm->map.pages, mm, sizeof(*mm), mm->os_page_bytes);
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

static void mmap_hold(struct xv_provider *self, uint32_t times)
{
	xvi_hold(&mmap_of(self)->hold, &mmap_of(self)->lock, times);
}

static uint32_t mmap_release(struct xv_provider *self)
{
	return xvi_hold_release(&mmap_of(self)->hold, &mmap_of(self)->lock);
}

/* All operations; a provider may leave out some. */
static const struct xv_provider_ops all_ops = {
	.page_alloc = mmap_page_alloc,
	.pages_free = mmap_pages_free,
	.page_map = mmap_page_map,
	.page_unmap = mmap_page_unmap,
	.meta_reserve = mmap_meta_reserve,
	.meta_commit = mmap_meta_commit,
	.meta_release = mmap_meta_release,
	.meta_purge = mmap_meta_purge,
	.overhead_bytes = mmap_overhead_bytes,
	.stayed_bytes = mmap_stayed_bytes,
	.hold = mmap_hold,
	.release = mmap_release,
	.grains_take = mmap_grains_take,
	.grains_give = mmap_grains_give,
};

static void provider_fill(struct mmap_provider *mm, const struct xvi_mmap_plan *plan, void *base,
			  const struct xvi_os_facts *facts)
{
	uint32_t pages = (uint32_t)(plan->reserve_bytes >> plan->page_shift);
	uint32_t grains = xvi_mmap_plan_grains(plan);

	mm->ops = all_ops;
	xvi_grain_ops_fit(&mm->ops, grains > 1, facts->charges_commits);
	mm->provider = (struct xv_provider){
		.ops = &mm->ops,
		.base = base,
		.max_pages = pages,
		.page_shift = plan->page_shift,
		.grain_shift = plan->grain_shift,
		.window_slots = UINT32_MAX,
	};
	mm->granule_bytes = plan->granule_bytes;
	mm->granule_pages = grains > 1 ? 1 : (uint32_t)(plan->granule_bytes >> plan->page_shift);
	mm->reserved_bytes = xvi_round_up((size_t)plan->reserve_bytes, plan->granule_bytes);
	mm->os_page_bytes = facts->page_bytes;
	mm->charges_commits = facts->charges_commits;
	xvi_grain_map_init(&mm->map, mm + 1, pages, grains, plan->grains_most);
	xvi_meta_init(&mm->meta, facts->page_bytes);
	/* Otherwise a system may back one touched page with a huge page. */
	xvi_os_advise_huge(base, mm->reserved_bytes, plan->huge_pages);
}

static struct mmap_provider *control_make(const struct xvi_mmap_plan *plan, size_t os_page_bytes)
{
	uint32_t pages = (uint32_t)(plan->reserve_bytes >> plan->page_shift);
	size_t bytes = xvi_round_up(sizeof(struct mmap_provider) +
					    xvi_grain_map_bytes(pages, xvi_mmap_plan_grains(plan)),
				    os_page_bytes);
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
	struct xvi_mmap_plan plan;
	void *base;
	int err;

	if (out == NULL)
		return -XV_EINVAL;
	xv_provider_mmap_options_init(&defaults);
	err = xvi_mmap_plan_make(&plan, options != NULL ? options : &defaults, facts);
	if (err != 0)
		return err;
	base = xvi_mmap_plan_reserve(&plan);
	if (base == NULL)
		return -XV_ENOMEM;
	mm = control_make(&plan, facts->page_bytes);
	if (mm == NULL) {
		xvi_mmap_plan_release(base, plan.reserve_bytes, plan.granule_bytes);
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
	if (xvi_tools_watch()) /* what gets these addresses next knows nothing of it */
		xvi_tools_show(provider->base, mm->committed_bytes);
	xvi_mmap_plan_release(provider->base, mm->reserved_bytes, mm->granule_bytes);
	xvi_lock_fini(&mm->lock);
	xvi_os_release(mm, mm->control_bytes);
}
