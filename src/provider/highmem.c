/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * highmem.c: the provider of pages that are seen only through a small window.
 *
 * Owns: a nameless file with the pages, a window of slots in inaccessible address
 * space, and a control area (this record, the slots' records, the page bitmap).
 * May call: os_memory.h, backing_file.h, meta_memory.h, page_bitmap.h, the
 * platform lock.
 * Locking: one lock around everything, system calls included: two threads never
 * see a slot change hands half-way.
 * Complexity: page_alloc, page_free, page_map, page_unmap O(slots + log64 pages)
 * and one or two system calls each.
 *
 *   file    [page 0][page 1][page 2][ hole ][page 4] ...      max_pages of them
 *                      |________________        |
 *   window  [ no access ][ page 2 ][ no access ][ page 4 ]    map_slots of them
 *
 * A page mapped twice shares one slot, which counts its maps.
 */
#include <xvmalloc/provider_highmem.h>

#include "backing_file.h"
#include "meta_memory.h"
#include "os_memory.h"
#include "page_bitmap.h"
#include "page_size.h"
#include "xvi_lock.h"

#define PAGE_BYTES_DEFAULT 4096U
#define MAX_BYTES_DEFAULT ((uint64_t)16 << 30)
#define WINDOW_ALIGNMENT ((size_t)64 << 10)
#define WINDOW_SLOTS_DEFAULT 8U
#define WINDOW_SLOTS_MIN 2U
#define WINDOW_SLOTS_MAX 1024U

struct window_slot {
	uint32_t page; /* meaningful while maps > 0 */
	uint32_t maps; /* page_map calls not yet ended; 0 = the slot is free, and shows nothing
			* (or, where the system refused that, a page that nobody asks for) */
};

struct highmem_provider {
	struct xv_provider provider; /* first: the public face */
	struct xvi_lock lock;
	struct xvi_backing_file file;
	struct xvi_page_bitmap used; /* kept: free, but the file did not give the space back */
	struct xvi_meta_memory meta;
	struct xv_provider_highmem_stats stats; /* pages and backing_bytes: filled on reading */
	char *window;
	size_t control_bytes;  /* mapped for this record, the slots and the bitmap */
	bool control_is_there; /* all of it is memory, touched or not */
	struct window_slot slots[];
};

static struct highmem_provider *highmem_of(struct xv_provider *self)
{
	return (struct highmem_provider *)self;
}

static uint64_t page_offset(const struct highmem_provider *hm, uint32_t page)
{
	return (uint64_t)page << hm->provider.page_shift;
}

static void *slot_address(const struct highmem_provider *hm, uint32_t slot)
{
	return hm->window + ((size_t)slot << hm->provider.page_shift);
}

/* The slot that shows this page, else a free one, else map_slots. */
static uint32_t slot_for(const struct highmem_provider *hm, uint32_t page)
{
	uint32_t slots = hm->provider.map_slots;
	uint32_t free_slot = slots;

	for (uint32_t i = slots; i-- > 0;) {
		if (hm->slots[i].maps == 0)
			free_slot = i;
		else if (hm->slots[i].page == page)
			return i;
	}
	return free_slot;
}

static bool page_is_mapped(const struct highmem_provider *hm, uint32_t page)
{
	uint32_t slot = slot_for(hm, page);

	return slot < hm->provider.map_slots && hm->slots[slot].maps > 0;
}

static int page_alloc_locked(struct highmem_provider *hm, uint32_t *page)
{
	uint32_t lowest;
	int err;

	if (!xvi_page_bitmap_lowest_free(&hm->used, &lowest))
		return -XV_ENOMEM;
	err = xvi_backing_take(&hm->file, page_offset(hm, lowest),
			       xv_provider_page_bytes(&hm->provider));
	if (err != 0)
		return err;
	xvi_page_bitmap_set_kept(&hm->used, lowest, false);
	xvi_page_bitmap_set(&hm->used, lowest);
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

static void page_free_locked(struct highmem_provider *hm, uint32_t page)
{
	if (!xvi_page_bitmap_is_set(&hm->used, page) || page_is_mapped(hm, page)) {
		hm->stats.misuse++;
		return;
	}
	if (!xvi_backing_give(&hm->file, page_offset(hm, page),
			      xv_provider_page_bytes(&hm->provider)))
		xvi_page_bitmap_set_kept(&hm->used, page, true);
	xvi_page_bitmap_clear(&hm->used, page);
}

static void highmem_page_free(struct xv_provider *self, uint32_t page)
{
	struct highmem_provider *hm = highmem_of(self);

	xvi_lock_acquire(&hm->lock);
	page_free_locked(hm, page);
	xvi_lock_release(&hm->lock);
}

static void count_slot_taken(struct xv_provider_highmem_stats *stats)
{
	stats->mapped_now++;
	if (stats->mapped_now > stats->mapped_peak)
		stats->mapped_peak = stats->mapped_now;
}

static void *page_map_locked(struct highmem_provider *hm, uint32_t page)
{
	uint32_t slot;

	if (!xvi_page_bitmap_is_set(&hm->used, page)) {
		hm->stats.misuse++;
		return NULL;
	}
	slot = slot_for(hm, page);
	if (slot == hm->provider.map_slots || hm->slots[slot].maps == UINT32_MAX ||
	    (hm->slots[slot].maps == 0 &&
	     !xvi_os_map_over(slot_address(hm, slot), xv_provider_page_bytes(&hm->provider),
			      hm->file.fd, page_offset(hm, page)))) {
		hm->stats.map_failures++;
		return NULL;
	}
	if (hm->slots[slot].maps++ == 0)
		count_slot_taken(&hm->stats);
	hm->slots[slot].page = page;
	hm->stats.maps++;
	return slot_address(hm, slot);
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

static int page_unmap_locked(struct highmem_provider *hm, uint32_t page, void *addr)
{
	uint32_t slot = slot_for(hm, page);

	if (slot == hm->provider.map_slots || hm->slots[slot].maps == 0 ||
	    addr != slot_address(hm, slot)) {
		hm->stats.misuse++;
		return -XV_EINVAL;
	}
	hm->stats.unmaps++;
	if (--hm->slots[slot].maps > 0)
		return 0;
	xvi_os_hide(addr, xv_provider_page_bytes(&hm->provider));
	hm->stats.mapped_now--;
	return 0;
}

static int highmem_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	struct highmem_provider *hm = highmem_of(self);
	int err;

	xvi_lock_acquire(&hm->lock);
	err = page_unmap_locked(hm, page, addr);
	xvi_lock_release(&hm->lock);
	return err;
}

static uint64_t highmem_pages_available(struct xv_provider *self)
{
	struct highmem_provider *hm = highmem_of(self);
	uint64_t pages;

	xvi_lock_acquire(&hm->lock);
	pages = hm->used.pages - hm->used.used;
	xvi_lock_release(&hm->lock);
	return pages;
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

static size_t slots_end_bytes(uint32_t slots)
{
	return sizeof(struct highmem_provider) + slots * sizeof(struct window_slot);
}

/* Record, slots and bitmap, as far as there is memory under them. */
static size_t control_held_bytes(const struct highmem_provider *hm)
{
	if (hm->control_is_there)
		return hm->control_bytes;
	return xvi_page_bitmap_touched_bytes(&hm->used, hm, slots_end_bytes(hm->provider.map_slots),
					     hm->meta.os_page_bytes);
}

static size_t highmem_overhead_bytes(struct xv_provider *self)
{
	struct highmem_provider *hm = highmem_of(self);
	size_t bytes;

	xvi_lock_acquire(&hm->lock);
	bytes = control_held_bytes(hm);
	bytes += xvi_meta_overhead_bytes(&hm->meta);
	bytes += (size_t)hm->used.kept << self->page_shift;
	xvi_lock_release(&hm->lock);
	return bytes;
}

static size_t highmem_spare_bytes(struct xv_provider *self)
{
	struct highmem_provider *hm = highmem_of(self);
	size_t bytes;

	xvi_lock_acquire(&hm->lock);
	bytes = (size_t)hm->used.kept << self->page_shift;
	xvi_lock_release(&hm->lock);
	return bytes;
}

static const struct xv_provider_ops highmem_ops = {
	.page_alloc = highmem_page_alloc,
	.page_free = highmem_page_free,
	.page_map = highmem_page_map,
	.page_unmap = highmem_page_unmap,
	.pages_available = highmem_pages_available,
	.meta_reserve = highmem_meta_reserve,
	.meta_commit = highmem_meta_commit,
	.meta_release = highmem_meta_release,
	.overhead_bytes = highmem_overhead_bytes,
	.spare_bytes = highmem_spare_bytes,
};

void xv_provider_highmem_options_init(struct xv_provider_highmem_options *options)
{
	*options = (struct xv_provider_highmem_options){
		.max_bytes = MAX_BYTES_DEFAULT,
		.window_slots = WINDOW_SLOTS_DEFAULT,
	};
}

/* What the options come to. */
struct highmem_plan {
	uint32_t page_shift;
	uint32_t pages;
	uint32_t slots;
	size_t os_page_bytes;
	const char *file_dir;
};

static int plan_make(struct highmem_plan *plan, const struct xv_provider_highmem_options *options,
		     size_t os_page_bytes)
{
	uint32_t page_bytes = options->page_bytes;
	uint64_t max_bytes = options->max_bytes != 0 ? options->max_bytes : MAX_BYTES_DEFAULT;

	if (page_bytes == 0)
		page_bytes = os_page_bytes > PAGE_BYTES_DEFAULT ? (uint32_t)os_page_bytes
								: PAGE_BYTES_DEFAULT;
	plan->page_shift = xvi_page_shift(page_bytes);
	plan->slots = options->window_slots != 0 ? options->window_slots : WINDOW_SLOTS_DEFAULT;
	plan->pages = xvi_page_count(max_bytes, plan->page_shift);
	plan->os_page_bytes = os_page_bytes;
	plan->file_dir = options->file_dir;
	if (plan->page_shift == 0 || page_bytes % os_page_bytes != 0 || plan->pages == 0 ||
	    plan->slots < WINDOW_SLOTS_MIN || plan->slots > WINDOW_SLOTS_MAX)
		return -XV_EINVAL;
	return 0;
}

static struct highmem_provider *control_make(const struct highmem_plan *plan)
{
	size_t bytes =
		xvi_round_up(slots_end_bytes(plan->slots) + xvi_page_bitmap_bytes_kept(plan->pages),
			     plan->os_page_bytes);
	bool all_there;
	struct highmem_provider *hm = xvi_os_map_zeroed(bytes, &all_there);

	if (hm == NULL)
		return NULL;
	hm->control_bytes = bytes;
	hm->control_is_there = all_there;
	if (xvi_lock_init(&hm->lock, XV_LOCK_DEFAULT) != 0) {
		xvi_os_release(hm, bytes);
		return NULL;
	}
	hm->provider = (struct xv_provider){
		.ops = &highmem_ops,
		.max_pages = plan->pages,
		.page_shift = plan->page_shift,
		.map_slots = plan->slots,
	};
	xvi_page_bitmap_init_kept(&hm->used, (char *)hm + slots_end_bytes(plan->slots),
				  plan->pages);
	xvi_meta_init(&hm->meta, plan->os_page_bytes);
	return hm;
}

static void control_destroy(struct highmem_provider *hm)
{
	xvi_lock_fini(&hm->lock);
	xvi_os_release(hm, hm->control_bytes);
}

static size_t window_bytes(const struct highmem_provider *hm)
{
	return (size_t)hm->provider.map_slots << hm->provider.page_shift;
}

/* File and window; on error neither is left. */
static int open_parts(struct highmem_provider *hm, const char *file_dir)
{
	int err = xvi_backing_open(&hm->file, file_dir);

	if (err != 0)
		return err;
	hm->window = xvi_os_reserve(window_bytes(hm), WINDOW_ALIGNMENT);
	if (hm->window != NULL)
		return 0;
	xvi_backing_close(&hm->file);
	return -XV_ENOMEM;
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
	err = plan_make(&plan, options != NULL ? options : &defaults, facts.page_bytes);
	if (err != 0)
		return err;
	hm = control_make(&plan);
	if (hm == NULL)
		return -XV_ENOMEM;
	err = open_parts(hm, plan.file_dir);
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
	xvi_os_release(hm->window, window_bytes(hm));
	xvi_backing_close(&hm->file);
	control_destroy(hm);
}

void xv_provider_highmem_stats(struct xv_provider *provider,
			       struct xv_provider_highmem_stats *stats)
{
	struct highmem_provider *hm = highmem_of(provider);

	xvi_lock_acquire(&hm->lock);
	*stats = hm->stats;
	stats->pages = hm->used.used;
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
