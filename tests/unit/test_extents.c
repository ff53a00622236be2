/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Mapping objects of several parts: refusals of xv_map, extents, copies instead of maps,
 * and what pinned pages forbid. May call: public headers. One thread.
 */
#include "density.h"

#include <string.h>

enum { SMALL_PAGES = 24, EXTENTS = 16 };

static size_t split_size(const struct pool_fixture *f)
{
	return f->page_bytes * 3 / 8;
}

/* A pool with a split object (slot), a large one (slot + 1) and a small one (slot + 2). */
static uint32_t open_with_objects(struct density *d, struct pool_fixture *f, uint32_t flags)
{
	uint32_t slot;

	density_open(d, f, SMALL_PAGES, flags, 0);
	slot = density_make_holes(d, 4);
	density_malloc_split(d, slot, split_size(f));
	assert_int_equal(density_malloc(d, slot + 1, f->page_bytes + f->page_bytes / 3), 0);
	assert_int_equal(density_malloc(d, slot + 2, 100), 0);
	return slot;
}

static int map_extents(struct density *d, uint32_t slot, size_t offset, size_t length,
		       struct xv_extent *extents, unsigned max)
{
	int count = xv_map_extents(d->pool, d->slot[slot].handle, offset, length, extents, max);

	d->f->maps = d->f->fault.mapped_now;
	return count;
}

static void unmap_extents(struct density *d, const struct xv_extent *extents, int count)
{
	assert_int_equal(xv_unmap_extents(d->pool, extents, (unsigned)count), 0);
	d->f->maps = d->f->fault.mapped_now;
}

/* Are extents a view of these bytes? */
static void assert_extents_show(const struct xv_extent *extents, int count,
				const unsigned char *bytes, size_t length)
{
	size_t at = 0;

	for (int i = 0; i < count; i++) {
		assert_true(extents[i].bytes != 0);
		assert_true(at + extents[i].bytes <= length);
		assert_memory_equal(extents[i].ptr, bytes + at, extents[i].bytes);
		at += extents[i].bytes;
	}
	assert_int_equal(at, length);
}

static void map_of_what_has_several_parts_is_refused(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	void *ptr = &d;

	assert_int_equal(xv_map(d.pool, d.slot[slot].handle, &ptr), -XV_ESPLIT);
	assert_int_equal(xv_map(d.pool, d.slot[slot + 1].handle, &ptr), -XV_ESPLIT);
	assert_ptr_equal(ptr, &d);
	assert_int_equal(f->fault.mapped_now, 0);
	assert_non_null(strstr(xv_strerror(-XV_ESPLIT), "extents"));
	density_close(&d);
}

static void address_of_what_has_several_parts_is_null(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);

	assert_null(xv_address_of(d.pool, d.slot[slot].handle));
	assert_null(xv_address_of(d.pool, d.slot[slot + 1].handle));
	assert_non_null(xv_address_of(d.pool, d.slot[slot + 2].handle));
	density_close(&d);
}

static void map_or_copy_copies_what_has_several_parts(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	unsigned char *buffer = density_scratch();

	for (uint32_t i = slot; i < slot + 2; i++) {
		size_t size = d.slot[i].size;
		xv_handle handle = d.slot[i].handle;
		void *ptr = NULL;

		assert_int_equal(xv_map_or_copy(d.pool, handle, buffer, size - 1, &ptr),
				 -XV_ERANGE);
		assert_int_equal(xv_map_or_copy(d.pool, handle, NULL, size, &ptr), -XV_EINVAL);
		assert_null(ptr);
		buffer[size] = 0xA5;
		assert_int_equal(xv_map_or_copy(d.pool, handle, buffer, size, &ptr), 0);
		assert_ptr_equal(ptr, buffer);
		assert_memory_equal(buffer, density_bytes(&d, i), size);
		assert_int_equal(buffer[size], 0xA5);
		assert_int_equal(f->fault.mapped_now, 0);
	}
	density_close(&d);
}

static void map_or_copy_maps_what_is_one_block(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT) + 2;
	void *ptr = NULL;

	assert_int_equal(xv_map_or_copy(d.pool, d.slot[slot].handle, NULL, 0, &ptr), 0);
	assert_memory_equal(ptr, density_bytes(&d, slot), d.slot[slot].size);
	assert_int_equal(xv_unmap(d.pool, d.slot[slot].handle, ptr), 0);
	density_close(&d);
}

static void extents_show_any_range(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct density d;
		uint32_t slot = open_with_objects(&d, f, flags);

		for (unsigned i = 0; i < 40; i++) {
			uint32_t which = slot + i % 3;
			size_t size = d.slot[which].size;
			size_t offset = i < 3 ? 0 : random_below(&f->random, size);
			size_t length = i < 3 ? size : random_below(&f->random, size - offset + 1);
			struct xv_extent extents[EXTENTS];
			int count = map_extents(&d, which, offset, length, extents, EXTENTS);

			assert_in_range(count, length != 0, FRAGMENTS_MOST + 2);
			assert_extents_show(extents, count, density_bytes(&d, which) + offset,
					    length);
			unmap_extents(&d, extents, count);
			assert_int_equal(f->fault.mapped_now, 0);
		}
		density_close(&d);
	}
}

static void what_is_written_to_extents_is_read(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	struct xv_extent extents[EXTENTS];
	size_t at = 0;
	int count;

	count = map_extents(&d, slot, 0, d.slot[slot].size, extents, EXTENTS);
	assert_true(count > 1);
	d.slot[slot].pattern = 12345;
	for (int i = 0; i < count; i++) {
		memcpy(extents[i].ptr, density_bytes(&d, slot) + at, extents[i].bytes);
		at += extents[i].bytes;
	}
	unmap_extents(&d, extents, count);
	density_close(&d);
}

/* The pages that the object is in go back when it is freed: nothing pins them. */
static void refuse_extents(struct density *d, xv_handle handle, size_t offset, size_t length,
			   unsigned max, int err)
{
	struct xv_extent extents[EXTENTS];

	assert_int_equal(xv_map_extents(d->pool, handle, offset, length, extents, max), err);
	assert_int_equal(d->f->fault.mapped_now, 0);
	fixture_check(d->f);
}

static void refused_extents_leave_nothing_mapped(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	struct xv_extent extents[EXTENTS];

	for (uint32_t i = slot; i < slot + 3; i++) {
		xv_handle handle = d.slot[i].handle;
		size_t size = d.slot[i].size;
		int count = map_extents(&d, i, 0, size, extents, EXTENTS);

		unmap_extents(&d, extents, count);
		refuse_extents(&d, handle, 0, size, (unsigned)count - 1, -XV_ERANGE);
		refuse_extents(&d, handle, 0, size + 1, EXTENTS, -XV_ERANGE);
		refuse_extents(&d, handle, size, 1, EXTENTS, -XV_ERANGE);
		refuse_extents(&d, handle, SIZE_MAX, 2, EXTENTS, -XV_ERANGE);
		refuse_extents(&d, handle, 2, SIZE_MAX, EXTENTS, -XV_ERANGE);
		refuse_extents(&d, handle, size, 0, 0, 0);
		assert_int_equal(xv_map_extents(d.pool, handle, 0, size, NULL, 1), -XV_EINVAL);
	}
	refuse_extents(&d, XV_NULL_HANDLE, 0, 1, EXTENTS, -XV_EINVAL);
	density_close(&d);
}

static void unmap_refuses_extents_that_are_not_mapped(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	struct xv_extent extents[EXTENTS], wrong;
	int count = map_extents(&d, slot, 0, d.slot[slot].size, extents, EXTENTS);

	wrong = extents[0];
	wrong.ptr = NULL;
	assert_int_equal(xv_unmap_extents(d.pool, &wrong, 1), -XV_EINVAL);
	wrong = extents[0];
	wrong.offset += 4;
	assert_int_equal(xv_unmap_extents(d.pool, &wrong, 1), -XV_EINVAL);
	wrong = extents[0];
	wrong.page = 1U << 30;
	assert_int_equal(xv_unmap_extents(d.pool, &wrong, 1), -XV_EINVAL);
	assert_int_equal(xv_unmap_extents(d.pool, NULL, 1), -XV_EINVAL);
	assert_int_equal(xv_unmap_extents(d.pool, NULL, 0), 0);
	unmap_extents(&d, extents, count);
	assert_int_equal(xv_unmap_extents(d.pool, extents, (unsigned)count), -XV_EINVAL);
	density_close(&d);
}

/* Its pages stay while they are mapped, and go when they are not. */
static void object_freed_while_its_extents_are_mapped(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);

	for (uint32_t i = slot; i < slot + 2; i++) {
		size_t size = d.slot[i].size;
		struct xv_extent extents[EXTENTS];
		int count = map_extents(&d, i, 0, size, extents, EXTENTS);

		assert_true(count > 1);
		assert_int_equal(density_free(&d, i), 0);
		for (int e = 0; e < count; e++)
			memset(extents[e].ptr, 0, 1);
		assert_true(fixture_stats(f).pages != 0);
		unmap_extents(&d, extents, count);
		fixture_check(f);
	}
	density_close(&d);
}

/* ---- pins ---- */

/* With any one of its parts mapped, the object may not move. */
static void realloc_of_an_object_with_a_mapped_part_is_busy(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT | XV_POOL_OWNERS);

	for (uint32_t i = slot; i < slot + 2; i++) {
		size_t size = d.slot[i].size;

		for (size_t offset = 0; offset < size; offset += size / 16) {
			struct xv_extent extent;
			int count = map_extents(&d, i, offset, 1, &extent, 1);

			assert_int_equal(count, 1);
			assert_int_equal(density_realloc(&d, i, size + 4096), -XV_EBUSY);
			assert_int_equal(density_realloc(&d, i, size / 2), -XV_EBUSY);
			assert_memory_equal(extent.ptr, density_bytes(&d, i) + offset, 1);
			unmap_extents(&d, &extent, 1);
		}
		assert_int_equal(density_realloc(&d, i, size + 4096), 0);
	}
	density_close(&d);
}

static void reset_is_busy_while_an_extent_is_mapped(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	struct xv_extent extents[EXTENTS];
	int count = map_extents(&d, slot + 1, f->page_bytes, 1, extents, EXTENTS);

	assert_int_equal(count, 1);
	assert_int_equal(xv_pool_reset(d.pool), -XV_EBUSY);
	unmap_extents(&d, extents, count);
	density_verify(&d);
	assert_int_equal(xv_pool_reset(d.pool), 0);
	for (uint32_t i = 0; i < DENSITY_SLOTS; i++)
		d.slot[i] = (struct density_slot){0};
	d.live = 0;
	d.requested_bytes = 0;
	/* The pool starts anew, with nothing of the old splits in its counters. */
	assert_int_equal(density_malloc(&d, 0, f->page_bytes * 2 + 100), 0);
	density_close(&d);
}

/* ---- windows ---- */

/* More parts than the window has slots for a caller. */
static void extents_beyond_the_window_leave_nothing_mapped(struct pool_fixture *f)
{
	struct density d;
	struct xv_extent extents[EXTENTS];
	size_t size = f->page_bytes * 12;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	assert_int_equal(density_malloc(&d, 0, size), 0);
	refuse_extents(&d, d.slot[0].handle, 0, size, EXTENTS, -XV_EAGAIN);
	assert_int_equal(map_extents(&d, 0, 0, f->page_bytes * 2, extents, EXTENTS), 2);
	/* The rest of the window is the pool's: it goes on working. */
	assert_true(density_is_good(&d, 0));
	assert_int_equal(density_malloc(&d, 1, f->page_bytes * 2 + 77), 0);
	density_verify(&d);
	unmap_extents(&d, extents, 2);
	density_close(&d);
}

/* A window of two pages suffices for everything but maps of several parts. */
static void two_slots_do(struct pool_fixture *f)
{
	struct density d;
	struct xv_extent extents[EXTENTS];
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT | XV_POOL_OWNERS, FAULT_HIDE_BASE);
	slot = density_make_holes(&d, 4);
	density_malloc_split(&d, slot, split_size(f));
	assert_int_equal(density_malloc(&d, slot + 1, f->page_bytes * 3 + 1000), 0);
	assert_int_equal(density_realloc(&d, slot, split_size(f) + 200), 0);
	assert_int_equal(density_realloc(&d, slot + 1, f->page_bytes * 2 + 10), 0);
	assert_int_equal(
		xv_map_extents(d.pool, d.slot[slot].handle, 0, d.slot[slot].size, extents, EXTENTS),
		-XV_EAGAIN);
	density_free_every(&d, 0, slot, 3);
	(void)density_compact(&d, 0);
	density_close(&d);
	assert_in_range(f->fault.mapped_peak, 1, 2);
	assert_int_equal(f->fault.misuse, 0);
}

static const struct pool_test tests[] = {
	POOL_TEST(map_of_what_has_several_parts_is_refused, EACH_ALIGNMENT),
	POOL_TEST(address_of_what_has_several_parts_is_null, WITH_BASE),
	POOL_TEST(map_or_copy_copies_what_has_several_parts, EACH_ALIGNMENT),
	POOL_TEST(map_or_copy_maps_what_is_one_block, 0),
	POOL_TEST(extents_show_any_range, EACH_ALIGNMENT),
	POOL_TEST(what_is_written_to_extents_is_read, EACH_ALIGNMENT),
	POOL_TEST(refused_extents_leave_nothing_mapped, EACH_ALIGNMENT),
	POOL_TEST(unmap_refuses_extents_that_are_not_mapped, 0),
	POOL_TEST(object_freed_while_its_extents_are_mapped, EACH_ALIGNMENT),
	POOL_TEST(realloc_of_an_object_with_a_mapped_part_is_busy, EACH_ALIGNMENT),
	POOL_TEST(reset_is_busy_while_an_extent_is_mapped, 0),
	POOL_TEST(extents_beyond_the_window_leave_nothing_mapped, WITHOUT_BASE),
	POOL_TEST(two_slots_do, EACH_ALIGNMENT | WITH_BASE),
};

int main(int argc, char **argv)
{
	return pool_tests_run("extents", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
