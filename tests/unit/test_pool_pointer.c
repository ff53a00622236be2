/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The pointer calls: a pool as a heap over pages that are always addressable, and the
 * way between pointers and handles. May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include <string.h>

#include "pattern.h"

enum { POINTERS = 200 };

static void *alloc(struct pool_fixture *f, size_t size)
{
	void *ptr = xv_alloc(f->pool, size);

	assert_non_null(ptr);
	return ptr;
}

static void alloc_gives_aligned_memory_of_its_own(struct pool_fixture *f)
{
	unsigned char *ptrs[POINTERS];
	size_t sizes[POINTERS];

	for (size_t i = 0; i < POINTERS; i++) {
		sizes[i] = 1 + random_below(&f->random, 400);
		ptrs[i] = alloc(f, sizes[i]);
		assert_int_equal((uintptr_t)ptrs[i] % f->alignment, 0);
		assert_true(xv_usable_size(f->pool, ptrs[i]) >= sizes[i]);
		pattern_fill(ptrs[i], sizes[i], (uint32_t)i);
	}
	fixture_check(f);
	for (size_t i = 0; i < POINTERS; i++) {
		assert_true(pattern_matches(ptrs[i], sizes[i], (uint32_t)i));
		assert_int_equal(xv_release(f->pool, ptrs[i]), 0);
	}
	assert_int_equal(fixture_stats(f).objects, 0);
}

static void alloc_fails_as_malloc_does(struct pool_fixture *f)
{
	struct xv_pool_stats before = fixture_stats(f);

	assert_null(xv_alloc(f->pool, 0));
	assert_null(xv_alloc(f->pool, fixture_object_max(f) + 1));
	assert_null(xv_alloc_aligned(f->pool, 8, 3));
	assert_null(xv_alloc_aligned(f->pool, 8, 0));
	assert_null(xv_alloc_aligned(f->pool, 8, 512));
	assert_null(xv_alloc_aligned(f->pool, 0, 8));
	fixture_assert_unchanged(f, &before);
}

static void alloc_aligned_gives_every_alignment(struct pool_fixture *f)
{
	for (size_t alignment = 1; alignment <= 256; alignment *= 2) {
		void *beside = alloc(f, 9);
		void *ptr = xv_alloc_aligned(f->pool, 33, alignment);

		assert_non_null(ptr);
		assert_int_equal((uintptr_t)ptr % alignment, 0);
		memset(ptr, 0xAB, 33);
		fixture_check(f);
		assert_int_equal(xv_release(f->pool, beside), 0);
		assert_int_equal(xv_release(f->pool, ptr), 0);
	}
}

static void usable_size_reaches_to_the_block_end(struct pool_fixture *f)
{
	for (size_t size = 1; size < 100; size++) {
		unsigned char *ptr = alloc(f, size);
		unsigned char *beside = alloc(f, 1);
		size_t usable = xv_usable_size(f->pool, ptr);

		assert_in_range(usable, size, size + 27);
		assert_true(ptr + usable + 4 <= beside || beside < ptr);
		memset(ptr, 0xFF, usable);
		fixture_check(f);
		assert_int_equal(xv_release(f->pool, ptr), 0);
		assert_int_equal(xv_release(f->pool, beside), 0);
	}
	assert_int_equal(xv_usable_size(f->pool, alloc(f, fixture_object_max(f) - 1)),
			 fixture_object_max(f));
}

static void what_is_usable_can_be_had_in_place(struct pool_fixture *f)
{
	for (size_t size = 1; size < 100; size++) {
		void *ptr = alloc(f, size);
		size_t usable = xv_usable_size(f->pool, ptr);

		assert_ptr_equal(xv_resize(f->pool, ptr, usable), ptr);
		assert_int_equal(xv_usable_size(f->pool, ptr), usable);
	}
}

static void resize_moves_and_keeps_the_contents(struct pool_fixture *f)
{
	unsigned char *ptr = xv_resize(f->pool, NULL, 50);
	unsigned char *moved;

	assert_non_null(ptr);
	(void)alloc(f, 50);
	pattern_fill(ptr, 50, 1);
	moved = xv_resize(f->pool, ptr, 500);
	assert_non_null(moved);
	assert_ptr_not_equal(moved, ptr);
	assert_true(pattern_matches(moved, 50, 1));
	assert_int_equal(xv_usable_size(f->pool, ptr), 0);
	assert_int_equal(xv_release(f->pool, ptr), -XV_EINVAL);
	assert_ptr_equal(xv_resize(f->pool, moved, 20), moved);
	moved = xv_resize(f->pool, moved, fixture_object_max(f));
	assert_non_null(moved);
	assert_true(pattern_matches(moved, 20, 1));
}

static void resize_fails_and_changes_nothing(struct pool_fixture *f)
{
	unsigned char *ptr = alloc(f, 50);
	unsigned char *wall = alloc(f, 50);
	struct xv_pool_stats before = fixture_stats(f);
	char outside[64];

	assert_ptr_not_equal(wall, ptr);
	pattern_fill(ptr, 50, 1);
	assert_null(xv_resize(f->pool, ptr, 0));
	assert_null(xv_resize(f->pool, ptr, fixture_object_max(f) + 1));
	assert_null(xv_resize(f->pool, NULL, 0));
	assert_null(xv_resize(f->pool, outside + 16, 10));
	xv_pool_set_limit(f->pool, before.held_bytes);
	assert_null(xv_resize(f->pool, ptr, fixture_object_max(f)));
	fixture_assert_unchanged(f, &before);
	assert_true(pattern_matches(ptr, 50, 1));
}

static void release_of_null_does_nothing(struct pool_fixture *f)
{
	struct xv_pool_stats before = fixture_stats(f);

	assert_int_equal(xv_release(f->pool, NULL), 0);
	assert_int_equal(fixture_stats(f).bad_handles, before.bad_handles);
	fixture_assert_unchanged(f, &before);
}

/* ---- bad pointers ---- */

static void every_call_refuses(struct pool_fixture *f, void *ptr)
{
	struct xv_pool_stats before = fixture_stats(f);

	assert_int_equal(xv_release(f->pool, ptr), -XV_EINVAL);
	assert_int_equal(xv_usable_size(f->pool, ptr), 0);
	assert_int_equal(xv_handle_of(f->pool, ptr), XV_NULL_HANDLE);
	assert_null(xv_resize(f->pool, ptr, 10));
	fixture_assert_unchanged(f, &before);
}

static void wild_pointers_are_refused(struct pool_fixture *f)
{
	unsigned char *base = f->fault.provider.base;
	size_t space = (size_t)f->fault.provider.max_pages * f->page_bytes;
	char local[64];

	(void)alloc(f, 50);
	every_call_refuses(f, local + 16);
	every_call_refuses(f, (void *)(uintptr_t)16);
	every_call_refuses(f, (void *)(uintptr_t)-16);
	every_call_refuses(f, base - f->alignment);
	every_call_refuses(f, base);
	every_call_refuses(f, base + f->page_bytes);
	every_call_refuses(f, base + f->page_bytes + f->alignment);
	every_call_refuses(f, base + 40 * f->page_bytes + f->alignment);
	every_call_refuses(f, base + space);
	every_call_refuses(f, base + space + f->alignment);
}

static void interior_pointers_are_refused(struct pool_fixture *f)
{
	static const int fillings[] = {0x00, 0xFF};
	unsigned char *block = alloc(f, 700), *whole = alloc(f, fixture_object_max(f));

	(void)alloc(f, 20);
	for (size_t i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++) {
		memset(block, fillings[i], 700);
		memset(whole, fillings[i], fixture_object_max(f));
		for (size_t at = 1; at < 700; at++)
			assert_int_equal(xv_release(f->pool, block + at), -XV_EINVAL);
		for (size_t at = 1; at < fixture_object_max(f); at += 3)
			assert_int_equal(xv_release(f->pool, whole + at), -XV_EINVAL);
	}
	every_call_refuses(f, block + f->alignment);
	every_call_refuses(f, block - f->alignment);
	every_call_refuses(f, whole + f->alignment);
}

static void a_second_release_is_refused(struct pool_fixture *f)
{
	void *ptrs[3], *wall;
	static const size_t orders[4][3] = {{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}};

	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 3; j++)
			ptrs[j] = alloc(f, 60);
		wall = alloc(f, 60);
		for (size_t j = 0; j < 3; j++) {
			assert_int_equal(xv_release(f->pool, ptrs[orders[i][j]]), 0);
			for (size_t k = 0; k <= j; k++)
				every_call_refuses(f, ptrs[orders[i][k]]);
		}
		assert_int_equal(xv_release(f->pool, wall), 0);
		every_call_refuses(f, wall);
	}
}

static void a_pointer_into_a_page_that_went_back_is_refused(struct pool_fixture *f)
{
	void *block = alloc(f, 60), *whole = alloc(f, fixture_object_max(f));

	assert_int_equal(xv_release(f->pool, block), 0);
	assert_int_equal(xv_release(f->pool, whole), 0);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(f->fault.pages_now, 0);
	every_call_refuses(f, block);
	every_call_refuses(f, whole);
}

/* ---- pointers and handles ---- */

static void handle_of_and_address_of_are_each_others_inverse(struct pool_fixture *f)
{
	const size_t sizes[] = {1, 60, 700, fixture_object_max(f)};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *ptr = alloc(f, sizes[i]);
		xv_handle handle = xv_handle_of(f->pool, ptr);

		assert_int_not_equal(handle, XV_NULL_HANDLE);
		assert_ptr_equal(xv_address_of(f->pool, handle), ptr);
		assert_int_equal(xv_object_size(f->pool, handle), (int)sizes[i]);
		assert_int_equal(xv_handle_of(f->pool, ptr + f->alignment), XV_NULL_HANDLE);
		fixture_fill(f, handle, 8);
		assert_true(pattern_matches(ptr, sizes[i], 8));
		fixture_free(f, handle);
		assert_null(xv_address_of(f->pool, handle));
		assert_int_equal(xv_handle_of(f->pool, ptr), XV_NULL_HANDLE);
	}
	assert_int_equal(xv_handle_of(f->pool, NULL), XV_NULL_HANDLE);
	assert_null(xv_address_of(f->pool, XV_NULL_HANDLE));
}

static void handle_of_gives_the_handle_that_malloc_gave(struct pool_fixture *f)
{
	for (size_t i = 0; i < 50; i++) {
		xv_handle handle =
			fixture_malloc(f, random_size(&f->random, fixture_object_max(f)));
		void *ptr = xv_address_of(f->pool, handle);

		assert_int_equal(xv_handle_of(f->pool, ptr), handle);
		if (i % 3 == 0)
			assert_int_equal(xv_release(f->pool, ptr), 0);
	}
}

static void without_a_base_there_are_no_pointers(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 60);
	char byte;

	assert_null(xv_alloc(f->pool, 8));
	assert_null(xv_alloc_aligned(f->pool, 8, 8));
	assert_int_equal(xv_release(f->pool, &byte), -XV_ENOTSUP);
	assert_int_equal(xv_release(f->pool, NULL), -XV_ENOTSUP);
	assert_null(xv_resize(f->pool, &byte, 8));
	assert_null(xv_resize(f->pool, NULL, 8));
	assert_int_equal(xv_usable_size(f->pool, &byte), 0);
	assert_int_equal(xv_handle_of(f->pool, &byte), XV_NULL_HANDLE);
	assert_null(xv_address_of(f->pool, handle));
	assert_int_equal(fixture_stats(f).objects, 1);
}

static const struct pool_test tests[] = {
	POOL_TEST(alloc_gives_aligned_memory_of_its_own, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(alloc_fails_as_malloc_does, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(alloc_aligned_gives_every_alignment, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(usable_size_reaches_to_the_block_end, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(what_is_usable_can_be_had_in_place, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(resize_moves_and_keeps_the_contents, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(resize_fails_and_changes_nothing, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(release_of_null_does_nothing, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(wild_pointers_are_refused, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(interior_pointers_are_refused, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_second_release_is_refused, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_pointer_into_a_page_that_went_back_is_refused, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(handle_of_and_address_of_are_each_others_inverse, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(handle_of_gives_the_handle_that_malloc_gave, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(without_a_base_there_are_no_pointers, WITHOUT_BASE | EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_pointer", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
