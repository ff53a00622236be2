/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fault_provider.c: see fault_provider.h for what this owns, may call and how it is
 * locked. O(1) beside the provider inside.
 */
#include "fault_provider.h"

static struct fault_provider *fault_of(struct xv_provider *self)
{
	return (struct fault_provider *)self;
}

static bool plan_is_for(const struct fault_provider *fault, enum fault_op op)
{
	if (fault->plan_op == FAULT_ANY_BUT_MAPS)
		return op != FAULT_PAGE_MAP;
	return fault->plan_op == FAULT_ANY || fault->plan_op == op;
}

static bool plan_hits(struct fault_provider *fault, enum fault_op op)
{
	if (!fault->planned || !plan_is_for(fault, op))
		return false;
	if (fault->plan_calls_left > 0) {
		fault->plan_calls_left--;
		return false;
	}
	if (fault->plan_span == FAULT_ONCE)
		fault->planned = false;
	fault->injected++;
	return true;
}

/* Count a call of a failable operation; true when it must fail. */
static bool must_fail(struct fault_provider *fault, enum fault_op op)
{
	fault->calls[op]++;
	if (!plan_hits(fault, op))
		return false;
	fault->failures[op]++;
	return true;
}

static void count_up(uint32_t *now, uint32_t *peak)
{
	if (++*now > *peak)
		*peak = *now;
}

static int fault_page_alloc(struct xv_provider *self, uint32_t *page)
{
	struct fault_provider *fault = fault_of(self);
	int err;

	if (must_fail(fault, FAULT_PAGE_ALLOC))
		return -XV_ENOMEM;
	err = fault->inner->ops->page_alloc(fault->inner, page);
	if (err == 0)
		count_up(&fault->pages_now, &fault->pages_peak);
	else
		fault->failures[FAULT_PAGE_ALLOC]++;
	return err;
}

/* The record of a mapped page, or NULL. */
static struct fault_map *map_of(struct fault_provider *fault, uint32_t page)
{
	for (uint32_t i = 0; i < fault->mapped_now; i++) {
		if (fault->mapped[i].page == page)
			return &fault->mapped[i];
	}
	return NULL;
}

static void grains_note(struct fault_provider *fault, uint32_t page, uint32_t first, uint32_t count,
			bool taken)
{
	uint32_t mask = ((1U << count) - 1U) << first;

	page %= FAULT_PAGES_COUNTED;
	for (uint32_t i = first; i < first + count; i++) {
		bool was = ((uint32_t)fault->taken[page] >> i & 1U) != 0;

		fault->grains_now += (uint32_t)(taken && !was);
		fault->grains_now -= (uint32_t)(!taken && was);
	}
	fault->taken[page] =
		(uint16_t)(taken ? fault->taken[page] | mask : fault->taken[page] & ~mask);
}

static size_t fault_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	struct fault_provider *fault = fault_of(self);

	fault->calls[FAULT_PAGES_FREE]++;
	for (uint32_t i = 0; i < fault->mapped_now; i++)
		fault->misuse += fault->mapped[i].page - first < count;
	fault->pages_now -= count;
	for (uint32_t page = first; page < first + count; page++)
		grains_note(fault, page, 0, 16, false);
	return fault->inner->ops->pages_free(fault->inner, first, count);
}

static int fault_grains_take(struct xv_provider *self, uint32_t page, uint32_t first,
			     uint32_t count)
{
	struct fault_provider *fault = fault_of(self);
	int err;

	if (must_fail(fault, FAULT_GRAINS_TAKE))
		return -XV_ENOMEM;
	err = fault->inner->ops->grains_take(fault->inner, page, first, count);
	fault->failures[FAULT_GRAINS_TAKE] += err != 0;
	if (err == 0)
		grains_note(fault, page, first, count, true);
	return err;
}

static bool fault_grains_give(struct xv_provider *self, uint32_t page, uint32_t first,
			      uint32_t count)
{
	struct fault_provider *fault = fault_of(self);
	bool given;

	if (must_fail(fault, FAULT_GRAINS_GIVE))
		return false;
	given = fault->inner->ops->grains_give(fault->inner, page, first, count);
	fault->failures[FAULT_GRAINS_GIVE] += !given;
	if (given)
		grains_note(fault, page, first, count, false);
	return given;
}

/* A provider with a base may have no map operation of its own. */
static void *map_inner(struct fault_provider *fault, uint32_t page)
{
	struct xv_provider *inner = fault->inner;

	if (inner->base == NULL)
		return inner->ops->page_map(inner, page);
	return (char *)inner->base + ((size_t)page << inner->page_shift);
}

static bool slot_is_free(const struct fault_provider *fault)
{
	return fault->mapped_now < FAULT_SLOTS_MAX &&
	       fault->mapped_now < fault->provider.window_slots;
}

static void *fault_page_map(struct xv_provider *self, uint32_t page)
{
	struct fault_provider *fault = fault_of(self);
	struct fault_map *map = map_of(fault, page);
	void *address = NULL;

	if (must_fail(fault, FAULT_PAGE_MAP))
		return NULL;
	if (map != NULL || slot_is_free(fault))
		address = map_inner(fault, page);
	if (address == NULL) {
		fault->failures[FAULT_PAGE_MAP]++;
		return NULL;
	}
	if (map == NULL) {
		map = &fault->mapped[fault->mapped_now];
		*map = (struct fault_map){.page = page};
		count_up(&fault->mapped_now, &fault->mapped_peak);
		fault->mapped_ever++;
	}
	map->maps++;
	return address;
}

static int fault_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	struct fault_provider *fault = fault_of(self);
	struct fault_map *map = map_of(fault, page);

	fault->calls[FAULT_PAGE_UNMAP]++;
	if (map == NULL) {
		fault->misuse++;
		return -XV_EINVAL;
	}
	if (fault->inner->base == NULL &&
	    fault->inner->ops->page_unmap(fault->inner, page, addr) != 0)
		return -XV_EINVAL;
	if (--map->maps == 0)
		*map = fault->mapped[--fault->mapped_now];
	return 0;
}

static size_t fault_meta_purge(struct xv_provider *self, void *base, size_t offset, size_t bytes)
{
	struct fault_provider *fault = fault_of(self);

	fault->calls[FAULT_META_PURGE]++;
	return fault->inner->ops->meta_purge(fault->inner, base, offset, bytes);
}

static void *fault_meta_reserve(struct xv_provider *self, size_t max_bytes)
{
	struct fault_provider *fault = fault_of(self);
	void *base;

	if (must_fail(fault, FAULT_META_RESERVE))
		return NULL;
	base = fault->inner->ops->meta_reserve(fault->inner, max_bytes);
	if (base != NULL)
		fault->meta_reservations_now++;
	else
		fault->failures[FAULT_META_RESERVE]++;
	return base;
}

static int fault_meta_commit(struct xv_provider *self, void *base, size_t old_bytes,
			     size_t new_bytes)
{
	struct fault_provider *fault = fault_of(self);
	int err;

	if (new_bytes <= old_bytes)
		fault->calls[FAULT_META_COMMIT]++;
	else if (must_fail(fault, FAULT_META_COMMIT))
		return -XV_ENOMEM;
	err = fault->inner->ops->meta_commit(fault->inner, base, old_bytes, new_bytes);
	if (err == 0)
		fault->meta_committed_now += (uint64_t)new_bytes - old_bytes;
	else
		fault->failures[FAULT_META_COMMIT]++;
	return err;
}

static void fault_meta_release(struct xv_provider *self, void *base, size_t max_bytes,
			       size_t committed_bytes)
{
	struct fault_provider *fault = fault_of(self);

	fault->calls[FAULT_META_RELEASE]++;
	fault->meta_reservations_now--;
	fault->meta_committed_now -= committed_bytes;
	fault->inner->ops->meta_release(fault->inner, base, max_bytes, committed_bytes);
}

static size_t fault_overhead_bytes(struct xv_provider *self)
{
	struct fault_provider *fault = fault_of(self);

	fault->calls[FAULT_OVERHEAD_BYTES]++;
	return fault->inner->ops->overhead_bytes(fault->inner);
}

static size_t fault_spare_bytes(struct xv_provider *self)
{
	struct fault_provider *fault = fault_of(self);

	return fault->inner->ops->stayed_bytes(fault->inner);
}

static void fault_hold(struct xv_provider *self, uint32_t times)
{
	fault_of(self)->inner->ops->hold(fault_of(self)->inner, times);
}

static uint32_t fault_release(struct xv_provider *self)
{
	return fault_of(self)->inner->ops->release(fault_of(self)->inner);
}

/* An optional operation is there when the provider inside has it. */
static void ops_fill(struct xv_provider_ops *ops, const struct xv_provider_ops *inner,
		     uint32_t flags)
{
	bool meta = inner->meta_reserve != NULL && (flags & FAULT_NO_META) == 0;
	bool purge = meta && inner->meta_purge != NULL && (flags & FAULT_NO_PURGE) == 0;

	*ops = (struct xv_provider_ops){
		.page_alloc = fault_page_alloc,
		.pages_free = fault_pages_free,
		.grains_take = inner->grains_take != NULL ? fault_grains_take : NULL,
		.grains_give = inner->grains_give != NULL ? fault_grains_give : NULL,
		.page_map = fault_page_map,
		.page_unmap = fault_page_unmap,
		.meta_reserve = meta ? fault_meta_reserve : NULL,
		.meta_commit = meta ? fault_meta_commit : NULL,
		.meta_release = meta ? fault_meta_release : NULL,
		.meta_purge = purge ? fault_meta_purge : NULL,
		.overhead_bytes = inner->overhead_bytes != NULL ? fault_overhead_bytes : NULL,
		.stayed_bytes = inner->stayed_bytes != NULL ? fault_spare_bytes : NULL,
		.hold = inner->hold != NULL ? fault_hold : NULL,
		.release = inner->release != NULL ? fault_release : NULL,
	};
}

void fault_provider_init(struct fault_provider *fault, struct xv_provider *inner, uint32_t flags)
{
	*fault = (struct fault_provider){.inner = inner, .provider = *inner};
	ops_fill(&fault->ops, inner->ops, flags);
	fault->provider.ops = &fault->ops;
	if ((flags & FAULT_HIDE_BASE) != 0 && inner->base != NULL) {
		fault->provider.base = NULL;
		fault->provider.window_slots = FAULT_HIDDEN_BASE_SLOTS;
	}
}

void fault_provider_fail(struct fault_provider *fault, enum fault_op op, uint64_t nth,
			 enum fault_span span)
{
	fault->plan_op = op;
	fault->plan_span = span;
	fault->plan_calls_left = nth > 0 ? nth - 1 : 0;
	fault->planned = true;
	fault->injected = 0;
}

void fault_provider_heal(struct fault_provider *fault)
{
	fault->planned = false;
}

void fault_provider_reset_peak(struct fault_provider *fault)
{
	fault->mapped_peak = fault->mapped_now;
}
