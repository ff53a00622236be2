/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Allocating and freeing from outside: sizes, contents, alignment, zeroing, and the
 * errors of malloc, malloc_aligned, calloc and free. May call: public headers.
 */
#include "pool_fixture.h"

#include <string.h>

#include "pattern.h"
#include "shadow.h"

enum { PAGE_BYTES_MAX = 65536, OBJECTS_MAX = PAGE_BYTES_MAX / 8 * 2, KEPT_GRAINS = 8 };

static xv_handle handles[OBJECTS_MAX];

/* Every size on small pages, a sample and both ends on large ones. */
static size_t next_size(const struct pool_fixture *f, size_t size)
{
	if (size < 300 || f->page_bytes - size < 300)
		return size + 1;
	return size + (f->page_bytes == 4096 ? 1 : f->page_bytes / 512 + 1);
}

static void object_is_exact(struct pool_fixture *f, size_t size)
{
	xv_handle handle = fixture_malloc(f, size);

	assert_int_equal(xv_handle_offset(handle) % f->alignment, 0);
	assert_true(xv_handle_offset(handle) + size <= f->page_bytes);
	fixture_fill(f, handle, (uint32_t)size);
	fixture_verify(f, handle, size, (uint32_t)size);
	assert_int_equal(fixture_stats(f).requested_bytes, size);
	fixture_free(f, handle);
	assert_int_equal(xv_object_size(f->pool, handle), -XV_EINVAL);
}

static void malloc_gives_exactly_the_size_for_every_size(struct pool_fixture *f)
{
	for (size_t size = 1; size <= fixture_object_max(f); size = next_size(f, size)) {
		object_is_exact(f, size);
		if (size % 64 == 0)
			fixture_check(f);
	}
}

static void malloc_fails(struct pool_fixture *f, size_t size, int err)
{
	struct xv_pool_stats before = fixture_stats(f);
	xv_handle handle = 77;

	assert_int_equal(xv_malloc(f->pool, size, &handle), err);
	assert_int_equal(xv_malloc_aligned(f->pool, size, 8, &handle), err);
	assert_int_equal(xv_calloc(f->pool, 1, size, &handle), err);
	assert_int_equal(handle, 77);
	fixture_assert_unchanged(f, &before);
}

static void malloc_refuses_bad_sizes_and_null(struct pool_fixture *f)
{
	(void)fixture_malloc(f, 100);
	malloc_fails(f, 0, -XV_EINVAL);
	malloc_fails(f, fixture_object_max(f) + 1, -XV_E2BIG);
	malloc_fails(f, f->page_bytes + 1, -XV_E2BIG);
	malloc_fails(f, (size_t)1 << 20, -XV_E2BIG);
	malloc_fails(f, SIZE_MAX - 3, -XV_E2BIG);
	malloc_fails(f, SIZE_MAX, -XV_E2BIG);
	assert_int_equal(xv_malloc(f->pool, 8, NULL), -XV_EINVAL);
	assert_int_equal(xv_malloc_aligned(f->pool, 8, 8, NULL), -XV_EINVAL);
	assert_int_equal(xv_calloc(f->pool, 1, 8, NULL), -XV_EINVAL);
	assert_int_equal(fixture_stats(f).objects, 1);
}

static void malloc_without_a_page_left_says_so_and_changes_nothing(struct pool_fixture *f)
{
	size_t count = fixture_fill_up(f, fixture_object_max(f), handles, OBJECTS_MAX);

	assert_true(count >= FIXTURE_PAGES / 2);
	malloc_fails(f, 1, -XV_ENOMEM);
	malloc_fails(f, fixture_object_max(f) - 16, -XV_ENOMEM);
	assert_int_equal(fixture_stats(f).failures >= 6, 1);
	fixture_free(f, handles[0]);
	handles[0] = fixture_malloc(f, fixture_object_max(f));
	malloc_fails(f, 1, -XV_ENOMEM);
}

/* How many objects of this size fill one page. */
static size_t objects_in_first_page(struct pool_fixture *f, size_t size)
{
	size_t count = 0;
	xv_handle handle;

	while (xv_handle_page(handle = fixture_malloc(f, size)) == 0)
		handles[count++] = handle;
	fixture_free(f, handle);
	return count;
}

static void the_smallest_block_has_8_bytes_or_the_alignment(struct pool_fixture *f)
{
	size_t block = f->alignment < 8 ? 8 : f->alignment;
	size_t usable = fixture_object_max(f) + 4;
	size_t count = objects_in_first_page(f, 1);

	/* Every rest is a hole, however short. */
	assert_int_equal(count, usable / block);
	fixture_check(f);
	for (size_t i = 0; i < count; i++)
		fixture_free(f, handles[i]);
}

static void the_header_has_4_bytes(struct pool_fixture *f)
{
	size_t usable = f->page_bytes - (f->alignment - 4);
	size_t count = objects_in_first_page(f, size_of_16(4));
	struct xv_pool_stats stats = fixture_stats(f);

	assert_int_equal(count, usable / 64);
	assert_int_equal(stats.header_bytes, 4 * count);
}

static void counters_follow_the_objects(struct pool_fixture *f)
{
	struct xv_pool_stats stats;
	xv_handle a = fixture_malloc(f, 100);
	xv_handle b = fixture_malloc(f, 200);
	xv_handle c = fixture_malloc(f, fixture_object_max(f));

	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 3);
	assert_int_equal(stats.mallocs, 3);
	assert_int_equal(stats.frees, 0);
	assert_int_equal(stats.pages, 2);
	assert_int_equal(stats.requested_bytes, 300 + fixture_object_max(f));
	assert_int_equal(stats.header_bytes, 12);
	assert_int_equal(stats.spare_bytes, 0);
	fixture_free(f, a);
	fixture_free(f, b);
	fixture_free(f, c);
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.frees, 3);
	assert_int_equal(stats.requested_bytes, 0);
	assert_true(stats.spare_bytes <= KEPT_GRAINS * fixture_grain_bytes(f));
	assert_int_equal(stats.held_bytes, stats.table_bytes + stats.spare_bytes);
	assert_int_equal(stats.free_bytes, 0);
}

static void neighbours_keep_their_contents(struct pool_fixture *f)
{
	struct shadow shadow;

	shadow_init(&shadow, f->pool);
	while (shadow_malloc(&shadow, random_size(&f->random, fixture_object_max(f)), 0) == 0) {
		/* until it is full */
	}
	shadow_verify_all(&shadow);
	fixture_check(f);
	for (size_t i = 0; i < shadow.count; i++)
		assert_int_equal(shadow_free(&shadow, i), 0);
	shadow_verify_all(&shadow);
	fixture_check(f);
	shadow_free_all(&shadow);
	assert_int_equal(fixture_stats(f).objects, 0);
	shadow_fini(&shadow);
}

/* ---- calloc ---- */

static void make_pages_dirty(struct pool_fixture *f)
{
	xv_handle a = fixture_malloc(f, fixture_object_max(f));
	xv_handle b = fixture_malloc(f, f->page_bytes / 2);

	fixture_fill(f, a, 1);
	fixture_fill(f, b, 2);
	fixture_free(f, a);
	fixture_free(f, b);
}

static void calloc_is_zero(struct pool_fixture *f, size_t count, size_t size)
{
	static unsigned char read[PAGE_BYTES_MAX];
	static const unsigned char zeros[PAGE_BYTES_MAX];
	xv_handle handle;

	assert_int_equal(xv_calloc(f->pool, count, size, &handle), 0);
	assert_int_equal(xv_object_size(f->pool, handle), (int)(count * size));
	assert_int_equal(xv_read(f->pool, handle, 0, read, count * size), 0);
	assert_memory_equal(read, zeros, count * size);
	fixture_free(f, handle);
}

static void calloc_zeroes_memory_that_was_used_before(struct pool_fixture *f)
{
	make_pages_dirty(f);
	calloc_is_zero(f, 1, 1);
	calloc_is_zero(f, 10, 13);
	calloc_is_zero(f, fixture_object_max(f) / 4 - 1, 4);
	make_pages_dirty(f);
	calloc_is_zero(f, fixture_object_max(f), 1);
	calloc_is_zero(f, 1, fixture_object_max(f) - 1);
}

static void calloc_refuses_products_that_are_too_large(struct pool_fixture *f)
{
	struct xv_pool_stats before = fixture_stats(f);
	xv_handle handle = 77;

	assert_int_equal(xv_calloc(f->pool, f->page_bytes, 2, &handle), -XV_E2BIG);
	assert_int_equal(xv_calloc(f->pool, SIZE_MAX, 2, &handle), -XV_E2BIG);
	assert_int_equal(xv_calloc(f->pool, 2, SIZE_MAX, &handle), -XV_E2BIG);
	assert_int_equal(xv_calloc(f->pool, SIZE_MAX / 2 + 1, 2, &handle), -XV_E2BIG);
	assert_int_equal(xv_calloc(f->pool, SIZE_MAX / 16 + 1, 16, &handle), -XV_E2BIG);
	assert_int_equal(xv_calloc(f->pool, 0, 4, &handle), -XV_EINVAL);
	assert_int_equal(xv_calloc(f->pool, 4, 0, &handle), -XV_EINVAL);
	assert_int_equal(handle, 77);
	fixture_assert_unchanged(f, &before);
}

/* ---- aligned ---- */

/* Must so large an object be had at this alignment? */
static bool fits_aligned(const struct pool_fixture *f, size_t size, size_t alignment)
{
	if (alignment <= f->alignment && size <= fixture_object_max(f))
		return true;
	return size + alignment + 32 <= f->page_bytes;
}

static void aligned_object(struct pool_fixture *f, size_t size, size_t alignment)
{
	struct xv_pool_stats before = fixture_stats(f);
	xv_handle handle = 77;
	int err = xv_malloc_aligned(f->pool, size, alignment, &handle);

	if (err != 0) {
		assert_int_equal(err, -XV_E2BIG);
		assert_false(fits_aligned(f, size, alignment));
		assert_int_equal(handle, 77);
		fixture_assert_unchanged(f, &before);
		return;
	}
	assert_int_equal(xv_handle_offset(handle) % alignment, 0);
	assert_int_equal(xv_handle_offset(handle) % f->alignment, 0);
	fixture_fill(f, handle, (uint32_t)(size + alignment));
	fixture_verify(f, handle, size, (uint32_t)(size + alignment));
	fixture_check(f);
	fixture_free(f, handle);
}

static void aligned_objects_of(struct pool_fixture *f, size_t alignment)
{
	const size_t sizes[] = {1,
				3,
				100,
				f->page_bytes / 2,
				f->page_bytes - 2 * alignment - 32,
				f->page_bytes - alignment - 8,
				f->page_bytes - alignment,
				f->page_bytes - 36,
				f->page_bytes - 32,
				f->page_bytes - 4,
				f->page_bytes};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		aligned_object(f, sizes[i], alignment);
		/* Again where the free block does not begin with the page. */
		xv_handle before = fixture_malloc(f, 1 + random_below(&f->random, 300));

		aligned_object(f, sizes[i], alignment);
		fixture_free(f, before);
	}
}

static void malloc_aligned_gives_every_alignment_up_to_256(struct pool_fixture *f)
{
	for (size_t alignment = 1; alignment <= 256; alignment *= 2)
		aligned_objects_of(f, alignment);
}

static void malloc_aligned_keeps_what_is_beside_it(struct pool_fixture *f)
{
	struct shadow shadow;

	shadow_init(&shadow, f->pool);
	for (size_t i = 0; i < 600; i++) {
		(void)shadow_malloc(&shadow, 1 + random_below(&f->random, f->page_bytes / 16),
				    (size_t)1 << random_below(&f->random, 9));
		if (i % 3 == 0)
			assert_int_equal(
				shadow_free(&shadow, random_below(&f->random, shadow.count)), 0);
	}
	fixture_check(f);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static void malloc_aligned_refuses_bad_alignments(struct pool_fixture *f)
{
	static const size_t bad[] = {0, 3, 5, 6, 24, 255, 257, 512, SIZE_MAX};
	struct xv_pool_stats before = fixture_stats(f);
	xv_handle handle = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(xv_malloc_aligned(f->pool, 8, bad[i], &handle), -XV_EINVAL);
	assert_int_equal(handle, 77);
	fixture_assert_unchanged(f, &before);
}

static void malloc_aligned_to_what_the_pool_gives_anyway_costs_nothing(struct pool_fixture *f)
{
	xv_handle handle;

	assert_int_equal(xv_malloc_aligned(f->pool, size_of_16(2), f->alignment, &handle), 0);
	assert_int_equal(xv_handle_offset(handle), f->alignment);
	assert_int_equal(fixture_stats(f).holes, 1);
}

/* ---- handles made from page and offset ---- */

static void a_handle_from_page_and_offset_is_as_good(struct pool_fixture *f)
{
	const size_t sizes[] = {1, 50, 700, fixture_object_max(f) / 2, fixture_object_max(f)};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		xv_handle real = fixture_malloc(f, sizes[i]);
		xv_handle made = xv_handle_at(xv_handle_page(real), xv_handle_offset(real));

		assert_int_not_equal(real, made);
		fixture_fill(f, made, 9);
		fixture_verify(f, made, sizes[i], 9);
		fixture_verify(f, real, sizes[i], 9);
		if (i % 2 == 0)
			fixture_free(f, made);
	}
	assert_int_equal(fixture_stats(f).objects, 2);
}

static const struct pool_test tests[] = {
	POOL_TEST(malloc_gives_exactly_the_size_for_every_size, EACH_ALIGNMENT),
	POOL_TEST(malloc_refuses_bad_sizes_and_null, EACH_ALIGNMENT),
	POOL_TEST(malloc_without_a_page_left_says_so_and_changes_nothing, EACH_ALIGNMENT),
	POOL_TEST(the_smallest_block_has_8_bytes_or_the_alignment, EACH_ALIGNMENT),
	POOL_TEST(the_header_has_4_bytes, EACH_ALIGNMENT),
	POOL_TEST(counters_follow_the_objects, EACH_ALIGNMENT),
	POOL_TEST(neighbours_keep_their_contents, EACH_ALIGNMENT),
	POOL_TEST(calloc_zeroes_memory_that_was_used_before, EACH_ALIGNMENT),
	POOL_TEST(calloc_refuses_products_that_are_too_large, EACH_ALIGNMENT),
	POOL_TEST(malloc_aligned_gives_every_alignment_up_to_256, EACH_ALIGNMENT),
	POOL_TEST(malloc_aligned_keeps_what_is_beside_it, EACH_ALIGNMENT),
	POOL_TEST(malloc_aligned_refuses_bad_alignments, EACH_ALIGNMENT),
	POOL_TEST(malloc_aligned_to_what_the_pool_gives_anyway_costs_nothing, EACH_ALIGNMENT),
	POOL_TEST(a_handle_from_page_and_offset_is_as_good, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_alloc", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
