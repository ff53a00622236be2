/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_high_pages.c: pages with high numbers, on both sides of 16 GiB of addresses: handles, links
 * of pieces, records of holes and tables name them in full. May call: public headers. One
 * thread.
 */
#include "density.h"

#include <string.h>

enum { PAGES = 64, BELOW = 6 };

/* Pages of another provider, under higher numbers; never addressable without a map. */
struct high_provider {
	struct xv_provider provider;
	struct xv_provider_ops ops;
	struct xv_provider *inner;
	uint32_t first; /* number of the inner provider's page 0 */
};

static struct high_provider high;

static int high_page_alloc(struct xv_provider *self, uint32_t *page)
{
	uint32_t number;
	int err = high.inner->ops->page_alloc(high.inner, &number);

	(void)self;
	if (err == 0)
		*page = number + high.first;
	return err;
}

static size_t high_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	(void)self;
	return high.inner->ops->pages_free(high.inner, first - high.first, count);
}

static int high_grains_take(struct xv_provider *self, uint32_t page, uint32_t first, uint32_t count)
{
	(void)self;
	return high.inner->ops->grains_take(high.inner, page - high.first, first, count);
}

static bool high_grains_give(struct xv_provider *self, uint32_t page, uint32_t first,
			     uint32_t count)
{
	(void)self;
	return high.inner->ops->grains_give(high.inner, page - high.first, first, count);
}

static void *high_page_map(struct xv_provider *self, uint32_t page)
{
	(void)self;
	assert_true(page >= high.first && page - high.first < PAGES);
	return (char *)high.inner->base + ((size_t)(page - high.first) << high.inner->page_shift);
}

static int high_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	(void)self;
	(void)page;
	return addr != NULL ? 0 : -XV_EINVAL;
}

static void *high_meta_reserve(struct xv_provider *self, size_t max_bytes)
{
	(void)self;
	return high.inner->ops->meta_reserve(high.inner, max_bytes);
}

static int high_meta_commit(struct xv_provider *self, void *base, size_t old_bytes,
			    size_t new_bytes)
{
	(void)self;
	return high.inner->ops->meta_commit(high.inner, base, old_bytes, new_bytes);
}

static void high_meta_release(struct xv_provider *self, void *base, size_t max_bytes,
			      size_t committed_bytes)
{
	(void)self;
	high.inner->ops->meta_release(high.inner, base, max_bytes, committed_bytes);
}

static size_t high_overhead_bytes(struct xv_provider *self)
{
	(void)self;
	return high.inner->ops->overhead_bytes(high.inner);
}

/* In place of the fixture's provider, until close. */
static void high_open(struct pool_fixture *f)
{
	uint64_t border = ((uint64_t)1 << 34) / f->page_bytes;

	fixture_drop_pool(f);
	high = (struct high_provider){.inner = f->inner, .first = (uint32_t)border - BELOW};
	high.ops = (struct xv_provider_ops){
		.page_alloc = high_page_alloc,
		.pages_free = high_pages_free,
		.grains_take = high_grains_take,
		.grains_give = high_grains_give,
		.page_map = high_page_map,
		.page_unmap = high_page_unmap,
		.meta_reserve = high_meta_reserve,
		.meta_commit = high_meta_commit,
		.meta_release = high_meta_release,
		.overhead_bytes = high_overhead_bytes,
	};
	high.provider = (struct xv_provider){.ops = &high.ops,
					     .max_pages = border + PAGES,
					     .page_shift = f->inner->page_shift,
					     .grain_shift = f->inner->grain_shift,
					     .window_slots = 8};
	f->inner = &high.provider;
	fault_provider_init(&f->fault, f->inner, 0);
}

static void high_close(struct pool_fixture *f)
{
	fixture_drop_pool(f);
	f->inner = high.inner;
	fault_provider_init(&f->fault, f->inner, 0);
}

/* How many live objects lie below the border, and above. */
struct sides {
	uint32_t border;
	size_t objects[2];
};

static int count_side(void *context, xv_handle handle, size_t size)
{
	struct sides *sides = context;

	(void)size;
	sides->objects[xv_handle_page(handle) >= sides->border]++;
	return 0;
}

static void objects_lie_on_both_sides(struct density *d)
{
	struct sides sides = {.border = high.first + BELOW};

	assert_int_equal(xv_pool_walk(d->pool, count_side, &sides), 0);
	assert_int_equal(sides.objects[0] + sides.objects[1], d->live);
	assert_true(sides.objects[0] != 0 && sides.objects[1] != 0);
}

/* Split objects whose pieces lie on both sides of the border. */
static uint32_t make_split_objects(struct density *d)
{
	uint32_t slot = density_make_holes(d, 20);

	for (unsigned i = 0; i < 12; i++)
		density_malloc_split(d, slot++, d->f->page_bytes * 3 / 8 - i);
	objects_lie_on_both_sides(d);
	return slot;
}

static void pieces_past_16_gib_keep_their_bytes(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		for (uint32_t keyed = 0; keyed <= TEST_KEYED; keyed += TEST_KEYED) {
			struct density d;
			uint32_t slot;

			high_open(f);
			density_open_on(&d, f, flags | keyed);
			slot = make_split_objects(&d);
			assert_int_equal(density_malloc(&d, slot, f->page_bytes * 3), 0);
			assert_int_equal(density_realloc(&d, slot, f->page_bytes * 5), 0);
			assert_int_equal(density_realloc(&d, slot, f->page_bytes * 2), 0);
			density_verify(&d);
			density_close(&d);
			high_close(f);
		}
	}
}

static void objects_past_16_gib_are_named_by_place_alone(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot;

	high_open(f);
	density_open_on(&d, f, 0);
	slot = density_fill_pages(&d, 0, 12, f->page_bytes / 10);
	objects_lie_on_both_sides(&d);
	for (uint32_t i = 0; i < slot; i++) {
		xv_handle handle = d.slot[i].handle;

		assert_int_equal(xv_object_size(d.pool, xv_handle_at(xv_handle_page(handle),
								     xv_handle_offset(handle))),
				 d.slot[i].size);
	}
	density_close(&d);
	high_close(f);
}

static void compaction_moves_objects_past_16_gib(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot;

	high_open(f);
	density_open_on(&d, f, XV_POOL_SPLIT | XV_POOL_OWNERS);
	slot = make_split_objects(&d);
	assert_int_equal(density_malloc(&d, slot, f->page_bytes * 2 + 600), 0);
	for (uint32_t i = 0; i < slot - 12; i++) {
		if (i % 4 != 1 && d.slot[i].handle != XV_NULL_HANDLE)
			assert_int_equal(density_free(&d, i), 0);
	}
	(void)density_compact(&d, 1 << 20);
	assert_true(d.moved != 0);
	assert_int_equal(density_realloc(&d, slot - 1, f->page_bytes / 2), 0);
	density_close(&d);
	assert_in_range(f->fault.mapped_peak, 1, 2);
	high_close(f);
}

static const struct pool_test tests[] = {
	POOL_TEST(pieces_past_16_gib_keep_their_bytes, ON_MMAP),
	POOL_TEST(objects_past_16_gib_are_named_by_place_alone, ON_MMAP),
	POOL_TEST(compaction_moves_objects_past_16_gib, EACH_ALIGNMENT | ON_MMAP),
};

int main(int argc, char **argv)
{
	return pool_tests_run("high_pages", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
