/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xv_realloc from outside: where an object stays, where it moves, what is kept, and
 * that a failure leaves it alone. May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include "pattern.h"
#include "shadow.h"

enum { OBJECTS_MAX = 256, PAGE_BYTES_MAX = 65536 };

static unsigned char scratch[PAGE_BYTES_MAX];

/* Realloc a filled object; says whether it stayed. The first bytes must be kept. */
static bool realloc_stays(struct pool_fixture *f, xv_handle *handle, size_t size)
{
	xv_handle old = *handle;
	size_t old_size = (size_t)xv_object_size(f->pool, old);
	size_t kept = old_size < size ? old_size : size;

	fixture_fill(f, old, 5);
	assert_int_equal(xv_realloc(f->pool, handle, size), 0);
	assert_int_equal(xv_object_size(f->pool, *handle), (int)size);
	assert_int_equal(xv_read(f->pool, *handle, 0, scratch, kept), 0);
	assert_true(pattern_matches(scratch, kept, 5));
	assert_int_equal(fixture_stats(f).requested_bytes >= size, 1);
	fixture_check(f);
	if (*handle != old)
		assert_int_equal(xv_object_size(f->pool, old), -XV_EINVAL);
	return *handle == old;
}

static void the_same_size_stays(struct pool_fixture *f)
{
	xv_handle block = fixture_malloc(f, 123), whole = fixture_malloc(f, fixture_object_max(f));

	assert_true(realloc_stays(f, &block, 123));
	assert_true(realloc_stays(f, &whole, fixture_object_max(f)));
}

static void shrinking_stays_and_frees_the_rest(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(10));
	uint64_t free_before;

	(void)fixture_malloc(f, size_of_16(1));
	free_before = fixture_stats(f).free_bytes;
	assert_true(realloc_stays(f, &handle, size_of_16(4)));
	assert_int_equal(fixture_stats(f).free_bytes, free_before + 96);
	assert_int_equal(fixture_stats(f).holes, 2);
	assert_int_equal(fixture_stats(f).requested_bytes, size_of_16(4) + size_of_16(1));
}

/* Less than a unit of the alignment's is no hole. */
static void shrinking_by_too_little_keeps_the_block(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(10));
	uint64_t free_before;

	(void)fixture_malloc(f, size_of_16(1));
	free_before = fixture_stats(f).free_bytes;
	for (size_t less = 1; less < f->alignment; less++)
		assert_true(realloc_stays(f, &handle, size_of_16(10) - less));
	assert_int_equal(fixture_stats(f).free_bytes, free_before);
	assert_true(realloc_stays(f, &handle, size_of_16(10)));
	assert_int_equal(fixture_stats(f).free_bytes, free_before);
}

static void shrinking_before_a_free_block_gives_it_all(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(10));
	uint64_t free_before = fixture_stats(f).free_bytes;

	assert_true(realloc_stays(f, &handle, size_of_16(10) - f->alignment));
	assert_int_equal(fixture_stats(f).free_bytes, free_before + f->alignment);
	assert_int_equal(fixture_stats(f).holes, 1);
}

static void growing_takes_a_part_of_the_free_block_behind(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(2));
	uint64_t free_before = fixture_stats(f).free_bytes;

	assert_true(realloc_stays(f, &handle, size_of_16(20)));
	assert_int_equal(fixture_stats(f).free_bytes, free_before - 18 * 16);
	assert_int_equal(fixture_stats(f).holes, 1);
}

static void growing_takes_all_of_the_free_block_behind(struct pool_fixture *f)
{
	for (size_t left = 0; left < 16; left += 4) {
		xv_handle handle = fixture_malloc(f, size_of_16(2));
		xv_handle behind = fixture_malloc(f, size_of_16(3));
		xv_handle wall = fixture_malloc(f, size_of_16(1));

		fixture_free(f, behind);
		assert_true(realloc_stays(f, &handle, size_of_16(5) - left));
		fixture_free(f, wall);
		fixture_free(f, handle);
		assert_int_equal(fixture_stats(f).objects, 0);
	}
}

static void growing_to_the_page_end_stays(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 1);

	assert_true(realloc_stays(f, &handle, fixture_object_max(f)));
	/* The edges of a page count as free. */
	assert_int_equal(fixture_stats(f).free_bytes, f->page_bytes - fixture_object_max(f) - 4);
	assert_true(realloc_stays(f, &handle, 1));
}

static void growing_before_a_used_block_moves(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(2));
	xv_handle wall = fixture_malloc(f, size_of_16(1));
	struct xv_pool_stats before = fixture_stats(f);

	assert_false(realloc_stays(f, &handle, size_of_16(3)));
	assert_int_equal(fixture_stats(f).mallocs, before.mallocs);
	assert_int_equal(fixture_stats(f).frees, before.frees);
	fixture_free(f, wall);
	fixture_free(f, handle);
}

static void growing_before_a_free_block_too_small_moves(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(2));
	xv_handle behind = fixture_malloc(f, size_of_16(2));

	(void)fixture_malloc(f, size_of_16(1));
	fixture_free(f, behind);
	assert_false(realloc_stays(f, &handle, size_of_16(4) + 1));
}

static void a_handle_from_page_and_offset_can_be_resized(struct pool_fixture *f)
{
	xv_handle real = fixture_malloc(f, 40);
	xv_handle made = xv_handle_at(xv_handle_page(real), xv_handle_offset(real));
	xv_handle same = made;

	(void)fixture_malloc(f, 40);
	assert_int_equal(xv_realloc(f->pool, &made, 30), 0);
	assert_int_equal(made, same);
	assert_int_equal(xv_realloc(f->pool, &made, 3000), 0);
	assert_int_not_equal(made, same);
	assert_int_equal(xv_object_size(f->pool, made), 3000);
	assert_int_equal(xv_object_size(f->pool, real), -XV_EINVAL);
}

/* ---- errors ---- */

static void realloc_fails(struct pool_fixture *f, xv_handle handle, size_t size, int err)
{
	struct xv_pool_stats before = fixture_stats(f);
	xv_handle copy = handle;

	assert_int_equal(xv_realloc(f->pool, &copy, size), err);
	assert_int_equal(copy, handle);
	fixture_assert_unchanged(f, &before);
}

static void realloc_refuses_bad_arguments(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	xv_handle dead = fixture_malloc(f, 100);

	fixture_fill(f, handle, 6);
	fixture_free(f, dead);
	realloc_fails(f, handle, 0, -XV_EINVAL);
	realloc_fails(f, handle, fixture_object_max(f) + 1, -XV_E2BIG);
	realloc_fails(f, handle, SIZE_MAX, -XV_E2BIG);
	realloc_fails(f, dead, 10, -XV_EINVAL);
	realloc_fails(f, XV_NULL_HANDLE, 10, -XV_EINVAL);
	assert_int_equal(xv_realloc(f->pool, NULL, 10), -XV_EINVAL);
	fixture_verify(f, handle, 100, 6);
}

static void realloc_without_room_leaves_the_object(struct pool_fixture *f)
{
	xv_handle handles[OBJECTS_MAX];
	xv_handle small = fixture_malloc(f, 100);

	(void)fixture_malloc(f, fixture_object_max(f) - 104 - 12);
	fixture_fill_up(f, fixture_object_max(f), handles, OBJECTS_MAX);
	fixture_fill(f, small, 6);
	fixture_fill(f, handles[3], 7);
	realloc_fails(f, small, fixture_object_max(f), -XV_ENOMEM);
	realloc_fails(f, small, 3000, -XV_ENOMEM);
	fixture_verify(f, small, 100, 6);
	fixture_verify(f, handles[3], fixture_object_max(f), 7);
	/* What can be done in place still can. */
	assert_int_equal(xv_realloc(f->pool, &small, 50), 0);
	assert_int_equal(xv_realloc(f->pool, &handles[3], fixture_object_max(f) - 1), 0);
}

static void realloc_beyond_the_limit_leaves_the_object(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);

	(void)fixture_malloc(f, 100);
	fixture_fill(f, handle, 6);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	realloc_fails(f, handle, fixture_object_max(f), -XV_ENOSPC);
	fixture_verify(f, handle, 100, 6);
}

static void a_mapped_object_is_resized_in_place_but_not_moved(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(4));
	xv_handle beside = fixture_malloc(f, size_of_16(1));
	xv_handle whole = fixture_malloc(f, fixture_object_max(f));
	void *ptr, *whole_ptr;

	assert_int_equal(xv_map(f->pool, beside, &ptr), 0);
	assert_int_equal(xv_map(f->pool, whole, &whole_ptr), 0);
	f->maps = f->fault.mapped_now;
	realloc_fails(f, handle, size_of_16(5), -XV_EBUSY);
	realloc_fails(f, handle, fixture_object_max(f), -XV_EBUSY);
	assert_true(realloc_stays(f, &whole, 8));
	assert_true(realloc_stays(f, &handle, size_of_16(2)));
	assert_true(realloc_stays(f, &handle, size_of_16(4)));
	assert_true(realloc_stays(f, &whole, fixture_object_max(f) - 1));
	assert_int_equal(xv_unmap(f->pool, whole, whole_ptr), 0);
	assert_int_equal(xv_unmap(f->pool, beside, ptr), 0);
	f->maps = 0;
	assert_false(realloc_stays(f, &handle, size_of_16(5)));
}

/* ---- all of it, many times ---- */

static void many_reallocs_keep_all_contents(struct pool_fixture *f)
{
	struct shadow shadow;

	shadow_init(&shadow, f->pool);
	for (size_t i = 0; i < 24; i++)
		assert_int_equal(shadow_malloc(&shadow, 1 + random_below(&f->random, 300), 0), 0);
	for (size_t i = 0; i < 600; i++) {
		size_t which = random_below(&f->random, shadow.count);

		assert_int_equal(shadow_realloc(&shadow, which,
						random_size(&f->random, fixture_object_max(f))),
				 0);
		if (i % 32 == 0) {
			fixture_check(f);
			shadow_verify_all(&shadow);
		}
	}
	assert_int_equal(fixture_stats(f).requested_bytes, shadow.requested_bytes);
	assert_int_equal(fixture_stats(f).objects, shadow.count);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static const struct pool_test tests[] = {
	POOL_TEST(the_same_size_stays, EACH_ALIGNMENT),
	POOL_TEST(shrinking_stays_and_frees_the_rest, EACH_ALIGNMENT),
	POOL_TEST(shrinking_by_too_little_keeps_the_block, EACH_ALIGNMENT),
	POOL_TEST(shrinking_before_a_free_block_gives_it_all, EACH_ALIGNMENT),
	POOL_TEST(growing_takes_a_part_of_the_free_block_behind, EACH_ALIGNMENT),
	POOL_TEST(growing_takes_all_of_the_free_block_behind, EACH_ALIGNMENT),
	POOL_TEST(growing_to_the_page_end_stays, EACH_ALIGNMENT),
	POOL_TEST(growing_before_a_used_block_moves, EACH_ALIGNMENT),
	POOL_TEST(growing_before_a_free_block_too_small_moves, EACH_ALIGNMENT),
	POOL_TEST(a_handle_from_page_and_offset_can_be_resized, EACH_ALIGNMENT),
	POOL_TEST(realloc_refuses_bad_arguments, EACH_ALIGNMENT),
	POOL_TEST(realloc_without_room_leaves_the_object, EACH_ALIGNMENT),
	POOL_TEST(realloc_beyond_the_limit_leaves_the_object, EACH_ALIGNMENT),
	POOL_TEST(a_mapped_object_is_resized_in_place_but_not_moved, EACH_ALIGNMENT),
	POOL_TEST(many_reallocs_keep_all_contents, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_realloc", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
