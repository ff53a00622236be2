/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * highmem.c: the provider of pages that are seen only through a small window.
 *
 * Owns: a nameless file with the pages, a window of slots that show some of them, and a
 * control area (this record, the records of slots, the map of grains, a buffer for each slot). May
 * call: os_memory.h, backing_file.h, meta_memory.h, grain_map.h, hold.h, window.h, the platform
 * lock. Locking: one lock around everything, system calls included: no thread sees a slot halfway
 * between two pages. Complexity: page_alloc, page_map, page_unmap O(slots + log64 pages),
 * grains_take and grains_give O(1), and one or two system calls each; pages_free O(log64 pages) for
 * each page, O(slots), and a system call for each run between mapped pages.
 *
 * The window is in window.h. The file has a place for each page:
 *
 *   file    [page 0][page 1][page 2][ hole ][page 4] ...      max_pages of them
 */
#include <xvmalloc/provider_highmem.h>

#include "backing_file.h"
#include "grain_map.h"
#include "hold.h"
#include "meta_memory.h"
#include "os_memory.h"
#include "page_size.h"
#include "window.h"
#include "xvi_lock.h"

#define MAX_BYTES_DEFAULT ((uint64_t)16 << 30)
#define WINDOW_SLOTS_DEFAULT 8U
#define WINDOW_SLOTS_MIN 2U
#define WINDOW_SLOTS_MAX 1024U

struct highmem_provider {
	struct xv_provider provider; /* must be first */
	struct xv_provider_ops ops;
	struct xvi_lock lock;
	struct xvi_hold hold;
	struct xvi_backing_file file;
	struct xvi_grain_map map; /* stayed: the file did not give the space back */
	struct xvi_meta_memory meta;
	struct xv_provider_highmem_stats stats; /* pages and backing_bytes are set on reading */
	struct xvi_window window;
	size_t control_bytes;  /* this record, the slots, the map and the buffers */
	bool control_is_there; /* all of it has memory, touched or not */
	struct xvi_window_slot slots[];
};

static struct highmem_provider *highmem_of(struct xv_provider *self)
{
	return (struct highmem_provider *)self;
}

static uint64_t page_offset(const struct highmem_provider *hm, uint32_t page)
{
	return (uint64_t)page << hm->provider.page_shift;
}

static int page_alloc_locked(struct highmem_provider *hm, uint32_t *page)
{
	uint32_t lowest;
	int err = 0;

	if (!xvi_page_bitmap_lowest_free(&hm->map.pages, &lowest))
		return -XV_ENOMEM;
	if (hm->map.grains == 1)
		err = xvi_backing_take(&hm->file, page_offset(hm, lowest),
				       xv_provider_page_bytes(&hm->provider));
	if (err != 0)
		return err;
	if (hm->map.grains == 1)
		xvi_grain_set(&hm->map, lowest, 1, GRAIN_TAKEN);
	xvi_page_bitmap_set(&hm->map.pages, lowest);
	*page = lowest;
	return 0;
}

static int highmem_page_alloc(struct xv_provider *self, uint32_t *page)
{
	struct highmem_provider *hm = highmem_of(self);
	int err;

	xvi_lock_acquire(&hm->lock);
	err = page_alloc_locked(hm, page);
	xvi_lock_release(&hm->lock);
	return err;
}

static uint64_t grain_offset(const struct highmem_provider *hm, uint32_t page, uint32_t grain)
{
	return page_offset(hm, page) + ((uint64_t)grain << hm->provider.grain_shift);
}

static int grains_take_locked(struct highmem_provider *hm, uint32_t page, uint32_t first,
			      uint32_t count)
{
	int err;

	if (!xvi_grain_range_is(&hm->map, page, first, count, false)) {
		hm->stats.misuse++;
		return -XV_EINVAL;
	}
	err = xvi_backing_take(&hm->file, grain_offset(hm, page, first),
			       (size_t)count << hm->provider.grain_shift);
	if (err == 0)
		xvi_grain_set(&hm->map, page, xvi_grain_bits(first, count), GRAIN_TAKEN);
	return err;
}

static int highmem_grains_take(struct xv_provider *self, uint32_t page, uint32_t first,
			       uint32_t count)
{
	struct highmem_provider *hm = highmem_of(self);
	int err;

	xvi_lock_acquire(&hm->lock);
	err = grains_take_locked(hm, page, first, count);
	xvi_lock_release(&hm->lock);
	return err;
}

static bool grains_give_locked(struct highmem_provider *hm, uint32_t page, uint32_t first,
			       uint32_t count)
{
	if (!xvi_grain_range_is(&hm->map, page, first, count, true)) {
		hm->stats.misuse++;
		return false;
	}
	if (!xvi_backing_give(&hm->file, grain_offset(hm, page, first),
			      (size_t)count << hm->provider.grain_shift))
		return false;
	xvi_grain_set(&hm->map, page, xvi_grain_bits(first, count), GRAIN_ABSENT);
	return true;
}

static bool highmem_grains_give(struct xv_provider *self, uint32_t page, uint32_t first,
				uint32_t count)
{
	struct highmem_provider *hm = highmem_of(self);
	bool given;

	xvi_lock_acquire(&hm->lock);
	given = grains_give_locked(hm, page, first, count);
	xvi_lock_release(&hm->lock);
	return given;
}

static void run_free(struct highmem_provider *hm, uint32_t first, uint32_t count)
{
	bool given = xvi_backing_give(&hm->file, page_offset(hm, first),
				      (uint64_t)count << hm->provider.page_shift);

	for (uint32_t i = 0; i < count; i++)
		(void)xvi_grain_page_free(&hm->map, first + i, given);
}

/* Free and mapped pages stay as they are, and count as misuse. */
static void pages_free_locked(struct highmem_provider *hm, uint32_t first, uint32_t count)
{
	uint32_t end = xvi_page_bitmap_end(&hm->map.pages, first, count);
	uint32_t freed = 0;
	uint32_t run;

	while ((run = xvi_page_bitmap_run(&hm->map.pages, &first, end)) != 0) {
		uint32_t mapped = xvi_window_mapped(&hm->window, first, first + run);

		if (mapped > first)
			run_free(hm, first, mapped - first);
		freed += mapped - first;
		first = mapped < first + run ? mapped + 1 : mapped;
	}
	hm->stats.misuse += freed != count;
}

static size_t highmem_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	struct highmem_provider *hm = highmem_of(self);
	uint64_t stayed;

	xvi_lock_acquire(&hm->lock);
	stayed = hm->map.stayed;
	pages_free_locked(hm, first, count);
	stayed = hm->map.stayed > stayed ? hm->map.stayed - stayed : 0;
	xvi_lock_release(&hm->lock);
	return (size_t)stayed << self->grain_shift;
}

static void *page_map_locked(struct highmem_provider *hm, uint32_t page)
{
	if (!xvi_page_bitmap_is_set(&hm->map.pages, page)) {
		hm->stats.misuse++;
		return NULL;
	}
	return xvi_window_map(&hm->window, page);
}

static void *highmem_page_map(struct xv_provider *self, uint32_t page)
{
	struct highmem_provider *hm = highmem_of(self);
	void *address;

	xvi_lock_acquire(&hm->lock);
	address = page_map_locked(hm, page);
	xvi_lock_release(&hm->lock);
	return address;
}

static int highmem_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	struct highmem_provider *hm = highmem_of(self);
	int err;

	xvi_lock_acquire(&hm->lock);
	err = xvi_window_unmap(&hm->window, page, addr);
	xvi_lock_release(&hm->lock);
	return err;
}

static void *highmem_meta_reserve(struct xv_provider *self, size_t max_bytes)
{
	return xvi_meta_reserve(&highmem_of(self)->meta, max_bytes);
}

static int highmem_meta_commit(struct xv_provider *self, void *base, size_t old_bytes,
			       size_t new_bytes)
{
	struct highmem_provider *hm = highmem_of(self);
	int err;

	xvi_lock_acquire(&hm->lock);
	err = xvi_meta_commit(&hm->meta, base, old_bytes, new_bytes);
	xvi_lock_release(&hm->lock);
	return err;
}

static void highmem_meta_release(struct xv_provider *self, void *base, size_t max_bytes,
				 size_t committed_bytes)
{
	struct highmem_provider *hm = highmem_of(self);

	xvi_lock_acquire(&hm->lock);
	xvi_meta_release(&hm->meta, base, max_bytes, committed_bytes);
	xvi_lock_release(&hm->lock);
}

static size_t highmem_meta_purge(struct xv_provider *self, void *base, size_t offset, size_t bytes)
{
	return xvi_meta_purge(&highmem_of(self)->meta, base, offset, bytes);
}

/* Where the map of grains begins. */
static size_t slots_end_bytes(uint32_t slots)
{
	return xvi_round_up(sizeof(struct highmem_provider) +
				    slots * sizeof(struct xvi_window_slot),
			    sizeof(uint64_t));
}

/* The part of record, slots, map and buffers that has memory. */
static size_t control_held_bytes(const struct highmem_provider *hm)
{
	if (hm->control_is_there)
		return hm->control_bytes;
	return xvi_page_bitmap_touched_bytes(&hm->map.pages, hm,
					     slots_end_bytes(hm->provider.window_slots),
					     hm->meta.os_page_bytes) +
	       ((size_t)hm->window.buffers_used << hm->provider.page_shift);
}

static size_t highmem_overhead_bytes(struct xv_provider *self)
{
	struct highmem_provider *hm = highmem_of(self);
	size_t bytes;

	xvi_lock_acquire(&hm->lock);
	bytes = control_held_bytes(hm);
	bytes += xvi_meta_overhead_bytes(&hm->meta) + xvi_backing_overhead_bytes(&hm->file);
	bytes += (size_t)hm->map.stayed << self->grain_shift;
	xvi_lock_release(&hm->lock);
	return bytes;
}

static size_t highmem_stayed_bytes(struct xv_provider *self)
{
	struct highmem_provider *hm = highmem_of(self);
	size_t bytes;

	xvi_lock_acquire(&hm->lock);
	bytes = (size_t)hm->map.stayed << self->grain_shift;
	xvi_lock_release(&hm->lock);
	return bytes;
}

static void highmem_hold(struct xv_provider *self, uint32_t times)
{
	xvi_hold(&highmem_of(self)->hold, &highmem_of(self)->lock, times);
}

static uint32_t highmem_release(struct xv_provider *self)
{
	return xvi_hold_release(&highmem_of(self)->hold, &highmem_of(self)->lock);
}

/* All operations; a provider may leave out some. */
static const struct xv_provider_ops all_ops = {
	.page_alloc = highmem_page_alloc,
	.pages_free = highmem_pages_free,
	.page_map = highmem_page_map,
	.page_unmap = highmem_page_unmap,
	.meta_reserve = highmem_meta_reserve,
	.meta_commit = highmem_meta_commit,
	.meta_release = highmem_meta_release,
	.meta_purge = highmem_meta_purge,
	.overhead_bytes = highmem_overhead_bytes,
	.stayed_bytes = highmem_stayed_bytes,
	.hold = highmem_hold,
	.release = highmem_release,
	.grains_take = highmem_grains_take,
	.grains_give = highmem_grains_give,
};

void xv_provider_highmem_options_init(struct xv_provider_highmem_options *options)
{
	*options = (struct xv_provider_highmem_options){
		.max_bytes = MAX_BYTES_DEFAULT,
		.window_slots = WINDOW_SLOTS_DEFAULT,
	};
}

/* What follows from the options. */
struct highmem_plan {
	uint32_t page_shift;
	uint32_t grain_shift;
	uint32_t pages;
	uint32_t slots;
	size_t os_page_bytes;
	bool charges_commits;
	const char *file_dir;
};

static int plan_make(struct highmem_plan *plan, const struct xv_provider_highmem_options *options,
		     const struct xvi_os_facts *facts)
{
	uint32_t page_bytes =
		options->page_bytes != 0 ? options->page_bytes : XVI_PAGE_BYTES_DEFAULT;
	uint64_t max_bytes = options->max_bytes != 0 ? options->max_bytes : MAX_BYTES_DEFAULT;

	plan->page_shift = xvi_page_shift(page_bytes);
	plan->slots = options->window_slots != 0 ? options->window_slots : WINDOW_SLOTS_DEFAULT;
	plan->pages = xvi_page_count(max_bytes, plan->page_shift);
	plan->os_page_bytes = facts->page_bytes;
	plan->charges_commits = facts->charges_commits;
	plan->file_dir = options->file_dir;
	if (plan->page_shift == 0 || page_bytes % facts->page_bytes != 0 || plan->pages == 0 ||
	    plan->slots < WINDOW_SLOTS_MIN || plan->slots > WINDOW_SLOTS_MAX)
		return -XV_EINVAL;
	plan->grain_shift =
		plan->page_shift -
		xvi_grain_count_shift(page_bytes,
				      xvi_backing_unit_bytes(page_bytes, facts->page_bytes));
	return 0;
}

static struct highmem_provider *control_make(const struct highmem_plan *plan)
{
	uint32_t grains = 1U << (plan->page_shift - plan->grain_shift);
	size_t buffers_at = xvi_round_up(slots_end_bytes(plan->slots) +
						 xvi_grain_map_bytes(plan->pages, grains),
					 plan->os_page_bytes);
	size_t bytes = buffers_at;
	bool all_there;
	struct highmem_provider *hm;

	if (xvi_backing_copies())
		bytes += (size_t)plan->slots << plan->page_shift;
	hm = xvi_os_map_zeroed(bytes, &all_there);
	if (hm == NULL)
		return NULL;
	hm->control_bytes = bytes;
	hm->control_is_there = all_there;
	if (xvi_lock_init(&hm->lock, XV_LOCK_DEFAULT) != 0) {
		xvi_os_release(hm, bytes);
		return NULL;
	}
	hm->ops = all_ops;
	xvi_grain_ops_fit(&hm->ops, grains > 1, plan->charges_commits);
	hm->provider = (struct xv_provider){
		.ops = &hm->ops,
		.max_pages = plan->pages,
		.page_shift = plan->page_shift,
		.grain_shift = plan->grain_shift,
		.window_slots = plan->slots,
	};
	xvi_grain_map_init(&hm->map, (char *)hm + slots_end_bytes(plan->slots), plan->pages, grains,
			   UINT64_MAX);
	hm->window = (struct xvi_window){
		.slots = hm->slots,
		.slot_count = plan->slots,
		.page_shift = plan->page_shift,
		.grain_shift = plan->grain_shift,
		.buffers = xvi_backing_copies() ? (char *)hm + buffers_at : NULL,
		.file = &hm->file,
		.map = &hm->map,
		.stats = &hm->stats,
	};
	xvi_meta_init(&hm->meta, plan->os_page_bytes);
	return hm;
}

static void control_destroy(struct highmem_provider *hm)
{
	xvi_lock_fini(&hm->lock);
	xvi_os_release(hm, hm->control_bytes);
}

int xv_provider_highmem_create(struct xv_provider **out,
			       const struct xv_provider_highmem_options *options)
{
	struct xv_provider_highmem_options defaults;
	struct highmem_provider *hm;
	struct highmem_plan plan;
	struct xvi_os_facts facts;
	int err;

	if (out == NULL)
		return -XV_EINVAL;
	xv_provider_highmem_options_init(&defaults);
	xvi_os_facts_get(&facts);
	err = plan_make(&plan, options != NULL ? options : &defaults, &facts);
	if (err != 0)
		return err;
	hm = control_make(&plan);
	if (hm == NULL)
		return -XV_ENOMEM;
	err = xvi_backing_open(&hm->file, plan.file_dir,
			       &(struct xvi_backing_shape){.page_shift = plan.page_shift,
							   .pages = plan.pages,
							   .views = plan.slots});
	if (err != 0) {
		control_destroy(hm);
		return err;
	}
	*out = &hm->provider;
	return 0;
}

void xv_provider_highmem_destroy(struct xv_provider *provider)
{
	struct highmem_provider *hm;

	if (provider == NULL)
		return;
	hm = highmem_of(provider);
	xvi_backing_close(&hm->file);
	control_destroy(hm);
}

void xv_provider_highmem_stats(struct xv_provider *provider,
			       struct xv_provider_highmem_stats *stats)
{
	struct highmem_provider *hm = highmem_of(provider);

	xvi_lock_acquire(&hm->lock);
	*stats = hm->stats;
	stats->pages = hm->map.pages.used;
	stats->backing_bytes = xvi_backing_held_bytes(&hm->file);
	xvi_lock_release(&hm->lock);
}

void xv_provider_highmem_reset_peak(struct xv_provider *provider)
{
	struct highmem_provider *hm = highmem_of(provider);

	xvi_lock_acquire(&hm->lock);
	hm->stats.mapped_peak = hm->stats.mapped_now;
	xvi_lock_release(&hm->lock);
}
