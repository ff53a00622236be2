/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Objects larger than a page: every size, ranges, realloc, and failures
 * in the middle. May call: public headers. One thread.
 */
#include "density.h"

#include <string.h>

enum { SMALL_PAGES = 24, MIB = 1 << 20 };

/* Allocate, look, free; the pool is empty again. */
static void size_is_served(struct density *d, size_t size)
{
	struct xv_pool_stats stats;

	assert_int_equal(density_malloc(d, 0, size), 0);
	stats = fixture_stats(d->f);
	assert_int_equal(stats.objects, 1);
	assert_int_equal(stats.requested_bytes, size);
	/* Each page has a header and links. */
	assert_true(stats.pages * (d->f->page_bytes - 40) < size + d->f->page_bytes * 5 / 2);
	assert_true(density_is_good(d, 0));
	assert_int_equal(density_free(d, 0), 0);
	(void)xv_pool_trim(d->pool);
	stats = fixture_stats(d->f);
	assert_int_equal(stats.pages, 0);
}

/* Every single size where a page is small and there is time, else a sample. */
static void every_size_to_a_few_pages(struct pool_fixture *f)
{
	size_t to = f->page_bytes * 3 + 100;

	FOR_EACH_SPLIT_FLAGS(flags)
	{
		bool all = f->page_bytes == 4096 && f->alignment == 4 && flags != XV_POOL_SPLIT;
		size_t step = all ? (size_t)test_shorter() : f->page_bytes / 24 + 1;
		struct density d;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		for (size_t size = 1; size <= to; size += step)
			size_is_served(&d, size);
		density_close(&d);
	}
}

/* Around each border between pages, where a tail has no room for its header. */
static void every_size_around_page_borders(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct density d;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		for (size_t pages = 1; pages <= 3; pages += 2) {
			for (size_t size = f->page_bytes * pages - 40;
			     size <= f->page_bytes * pages + 40; size++)
				size_is_served(&d, size);
		}
		density_close(&d);
	}
}

static void sizes_to_the_largest(struct pool_fixture *f)
{
	size_t page = f->page_bytes;
	struct density d;
	size_t max;

	density_open(&d, f, DENSITY_BYTES_MAX / page + 8, XV_POOL_SPLIT | XV_POOL_OWNERS, 0);
	max = xv_pool_max_size(d.pool);
	assert_true(max >= MIB);
	assert_int_equal(max % page, 0);
	if (max > DENSITY_BYTES_MAX)
		max = DENSITY_BYTES_MAX;
	for (size_t size = page * 4; size < max; size = size * 5 / 4 + random_below(&f->random, 99))
		size_is_served(&d, size);
	size_is_served(&d, MIB);
	size_is_served(&d, max - page - 1);
	size_is_served(&d, max - 1);
	size_is_served(&d, max);
	density_close(&d);
}

static void size_above_the_largest_is_too_big(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	struct density d;
	size_t max;
	xv_handle handle = XV_NULL_HANDLE;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	max = xv_pool_max_size(d.pool);
	assert_int_equal(density_malloc(&d, 0, 100), 0);
	before = fixture_stats(f);
	assert_int_equal(density_malloc(&d, 1, max + 1), -XV_E2BIG);
	assert_int_equal(density_malloc(&d, 1, SIZE_MAX), -XV_E2BIG);
	assert_int_equal(density_malloc(&d, 1, SIZE_MAX - f->page_bytes), -XV_E2BIG);
	assert_int_equal(xv_calloc(d.pool, 2, max / 2 + 1, &handle), -XV_E2BIG);
	assert_int_equal(xv_calloc(d.pool, 3, SIZE_MAX / 2, &handle), -XV_E2BIG);
	assert_int_equal(density_realloc(&d, 0, max + 1), -XV_E2BIG);
	assert_int_equal(density_realloc(&d, 0, SIZE_MAX), -XV_E2BIG);
	fixture_assert_unchanged(f, &before);
	density_close(&d);
}

static void pool_without_splitting_ends_at_a_page(struct pool_fixture *f)
{
	struct density d;
	size_t max;

	density_open(&d, f, SMALL_PAGES, XV_POOL_OWNERS, 0);
	max = xv_pool_max_size(d.pool);
	assert_int_equal(max, f->page_bytes - 8);
	assert_int_equal(density_malloc(&d, 0, max + 1), -XV_E2BIG);
	assert_int_equal(density_malloc(&d, 0, max), 0);
	density_close(&d);
}

static void ranges_read_and_write(struct pool_fixture *f)
{
	size_t size = f->page_bytes * 5 + f->page_bytes / 3;
	unsigned char *shadow = test_malloc(size);
	struct density d;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	assert_int_equal(density_malloc(&d, 0, size), 0);
	memcpy(shadow, density_bytes(&d, 0), size);
	for (unsigned i = 0; i < 300; i++) {
		/* Half of them begin or end near a border between pages. */
		size_t offset = i % 2 == 0 ? random_below(&f->random, size)
					   : f->page_bytes * (1 + i % 5) - i % 7;
		size_t length = random_below(&f->random, i % 3 == 0 ? 20 : size);
		unsigned char *scratch = density_scratch();

		if (length > size - offset)
			length = size - offset;
		assert_int_equal(xv_read(d.pool, d.slot[0].handle, offset, scratch, length), 0);
		assert_memory_equal(scratch, shadow + offset, length);
		assert_int_equal(
			xv_write(d.pool, d.slot[0].handle, offset, density_noise(i), length), 0);
		memcpy(shadow + offset, density_noise(i), length);
	}
	assert_int_equal(xv_read(d.pool, d.slot[0].handle, size, shadow, 1), -XV_ERANGE);
	assert_int_equal(xv_read(d.pool, d.slot[0].handle, SIZE_MAX, shadow, 1), -XV_ERANGE);
	assert_int_equal(xv_write(d.pool, d.slot[0].handle, 1, shadow, size), -XV_ERANGE);
	assert_int_equal(xv_read(d.pool, d.slot[0].handle, 0, density_scratch(), size), 0);
	assert_memory_equal(density_scratch(), shadow, size);
	assert_int_equal(xv_write(d.pool, d.slot[0].handle, 0, density_bytes(&d, 0), size), 0);
	test_free(shadow);
	density_close(&d);
}

/* The tail goes into holes, and everything comes back. */
static void free_gives_everything_back(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct xv_pool_stats before, after;
		struct density d;
		uint32_t slot;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		slot = density_make_holes(&d, 4);
		before = fixture_trimmed_stats(f);
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(
				density_malloc(&d, slot + i, f->page_bytes * (i + 1) + 200 * i), 0);
		density_verify(&d);
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(density_free(&d, slot + i), 0);
		after = fixture_trimmed_stats(f);
		density_assert_same(&after, &before);
		density_close(&d);
	}
}

static void freed_large_object_is_dead(struct pool_fixture *f)
{
	struct density d;
	xv_handle handle;
	char byte;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	assert_int_equal(density_malloc(&d, 1, 64), 0);
	assert_int_equal(density_malloc(&d, 0, f->page_bytes * 3), 0);
	handle = d.slot[0].handle;
	assert_int_equal(density_free(&d, 0), 0);
	assert_int_equal(xv_free(d.pool, handle), -XV_EINVAL);
	assert_int_equal(xv_read(d.pool, handle, 0, &byte, 1), -XV_EINVAL);
	density_close(&d);
}

/* A page of a large object is no object of its own, whatever place in it a handle names. */
static void handle_into_a_part_is_refused(struct pool_fixture *f)
{
	struct density d;
	xv_handle object;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	assert_int_equal(density_malloc(&d, 0, f->page_bytes * 3), 0);
	object = d.slot[0].handle;
	for (uint32_t page = 0; page < SMALL_PAGES; page++) {
		for (uint32_t offset = 0; offset < 32; offset += 4) {
			xv_handle handle = xv_handle_at(page, offset);

			if (page == xv_handle_page(object) && offset == xv_handle_offset(object))
				continue;
			assert_int_equal(xv_object_size(d.pool, handle), -XV_EINVAL);
			assert_int_equal(xv_free(d.pool, handle), -XV_EINVAL);
		}
	}
	density_close(&d);
}

static void realloc_up_and_down_keeps_contents(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct density d;
		size_t sizes[] = {10,
				  f->page_bytes + 1,
				  f->page_bytes * 4,
				  f->page_bytes * 4 + 300,
				  f->page_bytes * 3 - 1,
				  f->page_bytes,
				  f->page_bytes * 6 + f->page_bytes / 2,
				  f->page_bytes / 2,
				  f->page_bytes * 2,
				  1};

		density_open(&d, f, SMALL_PAGES, flags, 0);
		assert_int_equal(density_malloc(&d, 0, 500), 0);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			assert_int_equal(density_realloc(&d, 0, sizes[i]), 0);
			density_verify(&d);
		}
		density_close(&d);
	}
}

static void calloc_is_all_zero(struct pool_fixture *f)
{
	size_t size = f->page_bytes * 3 + 700;
	xv_handle handle = XV_NULL_HANDLE;
	struct density d;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	assert_int_equal(density_malloc(&d, 0, size), 0);
	assert_int_equal(density_free(&d, 0), 0);
	assert_int_equal(xv_calloc(d.pool, 1, size, &handle), 0);
	assert_int_equal(xv_read(d.pool, handle, 0, density_scratch(), size), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(density_scratch()[i], 0);
	assert_int_equal(xv_free(d.pool, handle), 0);
	density_close(&d);
}

/* ---- failures ---- */

/* Let each operation of the provider fail in turn: the call fails with everything as
 * it was, or succeeds. Returns how many failed. */
static unsigned malloc_with_each_failure(struct density *d, uint32_t slot, size_t size,
					 enum fault_op op)
{
	struct xv_pool_stats before = fixture_trimmed_stats(d->f);
	unsigned failed = 0;

	for (uint64_t n = 1;; n++) {
		int err;

		/* The pool tries again when it has given back what it can. */
		fault_provider_fail(&d->f->fault, op, n, FAULT_FOREVER);
		err = density_malloc(d, slot, size);
		fault_provider_heal(&d->f->fault);
		if (err == 0)
			assert_int_equal(density_free(d, slot), 0);
		else
			assert_true(err == -XV_ENOMEM || err == -XV_EAGAIN);
		failed += err != 0;
		fixture_check(d->f);
		if (d->f->fault.injected == 0)
			return failed;
		if (err != 0) {
			struct xv_pool_stats after = fixture_trimmed_stats(d->f);

			density_assert_same(&after, &before);
		}
	}
}

static void failure_in_the_middle_leaves_nothing_behind(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct density d;
		uint32_t slot;

		density_open(&d, f, SMALL_PAGES, flags, FAULT_HIDE_BASE);
		slot = density_make_holes(&d, 4);
		/* What can be is laid into the holes; maps of the pool's own never fail. */
		assert_true(malloc_with_each_failure(&d, slot, f->page_bytes * 5 + 900,
						     FAULT_PAGE_ALLOC) >= 2);
		(void)malloc_with_each_failure(&d, slot, f->page_bytes * 5 + 900,
					       FAULT_GRAINS_TAKE);
		(void)malloc_with_each_failure(&d, slot, f->page_bytes * 5 + 900,
					       FAULT_META_COMMIT);
		density_close(&d);
	}
}

static void limit_in_the_middle_leaves_nothing_behind(struct pool_fixture *f)
{
	struct xv_pool_stats before, after;
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 4);
	before = fixture_trimmed_stats(f);
	/* The holes take a part. */
	for (size_t pages = 0; pages < 4; pages++) {
		xv_pool_set_limit(d.pool, before.held_bytes + pages * f->page_bytes);
		assert_int_equal(density_malloc(&d, slot, f->page_bytes * 6), -XV_ENOSPC);
		after = fixture_trimmed_stats(f);
		density_assert_same(&after, &before);
	}
	density_close(&d);
}

static const struct pool_test tests[] = {
	POOL_TEST(every_size_to_a_few_pages, EACH_ALIGNMENT),
	POOL_TEST(every_size_around_page_borders, EACH_ALIGNMENT),
	POOL_TEST(sizes_to_the_largest, 0),
	POOL_TEST(size_above_the_largest_is_too_big, 0),
	POOL_TEST(pool_without_splitting_ends_at_a_page, 0),
	POOL_TEST(ranges_read_and_write, EACH_ALIGNMENT),
	POOL_TEST(free_gives_everything_back, EACH_ALIGNMENT),
	POOL_TEST(freed_large_object_is_dead, 0),
	POOL_TEST(handle_into_a_part_is_refused, EACH_ALIGNMENT),
	POOL_TEST(realloc_up_and_down_keeps_contents, EACH_ALIGNMENT),
	POOL_TEST(calloc_is_all_zero, 0),
	POOL_TEST(failure_in_the_middle_leaves_nothing_behind, EACH_ALIGNMENT),
	POOL_TEST(limit_in_the_middle_leaves_nothing_behind, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("large", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
