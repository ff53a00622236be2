/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_fit.c: what the public calls show of how memory is used again: the smallest hole that
 * fits is taken, from its front; all that is freed joins into one; statistics say where each
 * byte is.
 */
#include "pool_fixture.h"

enum { FIVE = 5, ORDERS = 120, HOLES = 11, HANDLES = 1 << 16 };

static bool is_same_place(xv_handle a, xv_handle b)
{
	return xv_handle_page(a) == xv_handle_page(b) && xv_handle_offset(a) == xv_handle_offset(b);
}

/* Objects of 10 * 16, 11 * 16, ... bytes of block, freed in random order, walls in between. */
static void make_holes(struct pool_fixture *f, xv_handle holes[HOLES])
{
	bool freed[HOLES] = {false};

	for (size_t i = 0; i < HOLES; i++) {
		holes[i] = fixture_malloc(f, size_of_16(10 + i));
		(void)fixture_malloc(f, size_of_16(4));
	}
	for (size_t left = HOLES; left != 0;) {
		size_t i = random_below(&f->random, HOLES);

		if (!freed[i]) {
			fixture_free(f, holes[i]);
			freed[i] = true;
			left--;
		}
	}
}

static void a_request_takes_the_smallest_hole_that_fits(struct pool_fixture *f)
{
	xv_handle holes[HOLES];

	for (size_t first = 0; first < HOLES; first++) {
		fixture_remake(f, FIXTURE_PAGES, NULL, 0);
		make_holes(f, holes);
		/* The same or a little less, and then the next larger ones. */
		for (size_t i = first; i < HOLES; i++) {
			size_t size = size_of_16(10 + first) - random_below(&f->random, 10);

			assert_true(is_same_place(fixture_malloc(f, size), holes[i]));
		}
		fixture_check(f);
	}
}

static void a_hole_is_used_from_its_front(struct pool_fixture *f)
{
	xv_handle hole = fixture_malloc(f, size_of_16(40)), first, second;

	(void)fixture_malloc(f, size_of_16(4));
	fixture_free(f, hole);
	first = fixture_malloc(f, size_of_16(10));
	second = fixture_malloc(f, size_of_16(10));
	assert_true(is_same_place(first, hole));
	assert_true(is_same_place(
		second, xv_handle_at(xv_handle_page(hole), xv_handle_offset(hole) + 160)));
}

/* The n-th order of five numbers. */
static void order_of(unsigned n, size_t order[FIVE])
{
	size_t left[FIVE] = {0, 1, 2, 3, 4};

	for (unsigned i = 0; i < FIVE; i++) {
		unsigned at = n % (FIVE - i);

		n /= FIVE - i;
		order[i] = left[at];
		for (unsigned j = at; j + 1 < FIVE - i; j++)
			left[j] = left[j + 1];
	}
}

static void what_is_freed_in_any_order_joins_into_one(struct pool_fixture *f)
{
	xv_handle h[FIVE], wall;
	size_t order[FIVE];

	for (unsigned n = 0; n < ORDERS; n++) {
		for (size_t i = 0; i < FIVE; i++)
			h[i] = fixture_malloc(f, size_of_16(10 + i));
		wall = fixture_malloc(f, size_of_16(10));
		order_of(n, order);
		for (size_t i = 0; i < FIVE; i++) {
			fixture_free(f, h[order[i]]);
			fixture_check(f);
		}
		/* 60 times 16 bytes, and the rest of the page. */
		assert_int_equal(fixture_stats(f).holes, 2);
		h[0] = fixture_malloc(f, size_of_16(60));
		assert_int_equal(fixture_stats(f).holes, 1);
		fixture_free(f, h[0]);
		fixture_free(f, wall);
	}
}

/* Pages full of small objects, freed at random, hold as many of the largest as fresh ones. */
static void freed_pages_hold_the_largest_objects_again(struct pool_fixture *f)
{
	static xv_handle handles[HANDLES];
	size_t count, largest;

	fixture_remake(f, 12, NULL, 0);
	largest = fixture_fill_up(f, xv_pool_max_size(f->pool), NULL, 0);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	for (unsigned round = 0; round < 3; round++) {
		count = fixture_fill_up(f, 24 + 40 * round, handles, HANDLES);
		assert_in_range(count, 1, HANDLES);
		while (count != 0) {
			size_t i = random_below(&f->random, count);

			fixture_free(f, handles[i]);
			handles[i] = handles[--count];
		}
		fixture_check(f);
		assert_int_equal(fixture_fill_up(f, xv_pool_max_size(f->pool), handles, HANDLES),
				 (int)largest);
		for (size_t i = 0; i < largest; i++)
			fixture_free(f, handles[i]);
	}
}

/* Of one object: header, rounding to the alignment, and the rest of what holds it is free. */
static void every_byte_of_one_object_is_accounted_for(struct pool_fixture *f)
{
	for (size_t size = 1; size < 200; size++) {
		xv_handle handle = fixture_malloc(f, size);
		size_t block = (size + 4 + f->alignment - 1) / f->alignment * f->alignment;
		struct xv_pool_stats s = fixture_trimmed_stats(f);

		assert_int_equal(s.objects, 1);
		assert_int_equal(s.requested_bytes, size);
		assert_int_equal(s.header_bytes, 4);
		assert_int_equal(s.owner_bytes + s.link_bytes + s.spare_bytes, 0);
		assert_int_equal(s.rounding_bytes, block - 4 - size);
		assert_int_equal(s.rounding_bytes + s.free_bytes + size + 4,
				 fixture_grain_bytes(f));
		fixture_check(f);
		fixture_free(f, handle);
		s = fixture_stats(f);
		assert_int_equal(s.free_bytes + s.rounding_bytes + s.header_bytes, 0);
		assert_int_equal(s.spare_bytes, fixture_grain_bytes(f));
	}
}

static const struct pool_test tests[] = {
	POOL_TEST(a_request_takes_the_smallest_hole_that_fits, EACH_ALIGNMENT),
	POOL_TEST(a_hole_is_used_from_its_front, EACH_ALIGNMENT),
	POOL_TEST(what_is_freed_in_any_order_joins_into_one, EACH_ALIGNMENT),
	POOL_TEST(freed_pages_hold_the_largest_objects_again, EACH_ALIGNMENT),
	POOL_TEST(every_byte_of_one_object_is_accounted_for, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_fit", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
