/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Reaching what is inside objects: map, unmap, pins, read and write; and how many
 * pages are mapped inside and between calls. May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include <string.h>

#include <xvmalloc/provider_highmem.h>

#include "pattern.h"
#include "shadow.h"

enum { PAGE_BYTES_MAX = 65536, PINS_MAX = 65535, SLOTS_MAX = 64 };

static unsigned char scratch[PAGE_BYTES_MAX];

static void *map_object(struct pool_fixture *f, xv_handle handle)
{
	void *ptr = NULL;

	assert_int_equal(xv_map(f->pool, handle, &ptr), 0);
	assert_non_null(ptr);
	f->maps = f->fault.mapped_now;
	return ptr;
}

static void unmap_object(struct pool_fixture *f, xv_handle handle, void *ptr)
{
	assert_int_equal(xv_unmap(f->pool, handle, ptr), 0);
	f->maps = f->fault.mapped_now;
}

static void map_shows_what_was_written(struct pool_fixture *f)
{
	const size_t sizes[] = {1, 100, fixture_object_max(f) / 2, fixture_object_max(f)};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		xv_handle handle = fixture_malloc(f, sizes[i]);
		void *ptr = map_object(f, handle);

		assert_int_equal((uintptr_t)ptr % f->alignment, 0);
		pattern_fill(ptr, sizes[i], (uint32_t)i);
		fixture_check(f);
		unmap_object(f, handle, ptr);
		fixture_verify(f, handle, sizes[i], (uint32_t)i);
	}
	assert_int_equal(f->fault.mapped_now, 0);
}

static void maps_of_one_object_nest(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	void *first = map_object(f, handle);
	void *second = map_object(f, handle);

	pattern_fill(first, 100, 1);
	assert_true(pattern_matches(second, 100, 1));
	unmap_object(f, handle, second);
	assert_true(pattern_matches(first, 100, 1));
	unmap_object(f, handle, first);
	assert_int_equal(xv_unmap(f->pool, handle, first), -XV_EINVAL);
}

static void map_refuses_null(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	void *ptr = scratch;

	assert_int_equal(xv_map(f->pool, handle, NULL), -XV_EINVAL);
	assert_int_equal(xv_map(f->pool, XV_NULL_HANDLE, &ptr), -XV_EINVAL);
	assert_ptr_equal(ptr, scratch);
}

static void unmap_fails(struct pool_fixture *f, xv_handle handle, void *ptr)
{
	struct xv_pool_stats before = fixture_stats(f);

	assert_int_equal(xv_unmap(f->pool, handle, ptr), -XV_EINVAL);
	fixture_assert_unchanged(f, &before);
}

static void unmap_refuses_what_is_not_mapped(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	xv_handle whole = fixture_malloc(f, fixture_object_max(f));
	void *ptr = map_object(f, handle);

	unmap_fails(f, handle, NULL);
	unmap_fails(f, whole, ptr);
	unmap_fails(f, XV_NULL_HANDLE, ptr);
	unmap_fails(f, xv_handle_at(50, f->alignment), ptr);
	unmap_fails(f, xv_handle_at(1U << 30, f->alignment), ptr);
	unmap_fails(f, handle, (char *)ptr + 4);
	unmap_object(f, handle, ptr);
	unmap_fails(f, handle, ptr);
}

static void unmap_refuses_a_pointer_into_another_page(struct pool_fixture *f)
{
	xv_handle a = fixture_malloc(f, fixture_object_max(f));
	xv_handle b = fixture_malloc(f, fixture_object_max(f));
	void *a_ptr = map_object(f, a), *b_ptr = map_object(f, b);

	unmap_fails(f, a, b_ptr);
	unmap_fails(f, b, a_ptr);
	unmap_object(f, a, a_ptr);
	unmap_object(f, b, b_ptr);
}

static void unmap_refuses_a_pointer_off_by_a_multiple_of_256(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 1024);
	void *ptr = map_object(f, handle);

	unmap_fails(f, handle, (char *)ptr + 256);
	unmap_fails(f, handle, (char *)ptr + 512);
	unmap_object(f, handle, ptr);
}

/* ---- pins ---- */

/* Pages that are left when spare memory is given back. */
static size_t pages_after_trim(struct pool_fixture *f)
{
	(void)xv_pool_trim(f->pool);
	return f->fault.pages_now;
}

static void a_page_emptied_while_mapped_goes_with_its_unmap(struct pool_fixture *f)
{
	const size_t sizes[] = {100, fixture_object_max(f)};

	for (size_t i = 0; i < 2; i++) {
		xv_handle handle = fixture_malloc(f, sizes[i]);
		void *ptr = map_object(f, handle);

		fixture_free(f, handle);
		assert_int_equal(fixture_stats(f).objects, 0);
		assert_int_equal(pages_after_trim(f), 1);
		fixture_check(f);
		memset(ptr, 0xEE, 4);
		unmap_object(f, handle, ptr);
		assert_int_equal(pages_after_trim(f), 0);
		fixture_check(f);
	}
}

static void nested_maps_keep_an_emptied_page_until_the_last(struct pool_fixture *f)
{
	void *first, *second;
	xv_handle handle;

	handle = fixture_malloc(f, 100);
	first = map_object(f, handle);
	second = map_object(f, handle);
	fixture_free(f, handle);
	unmap_object(f, handle, first);
	assert_int_equal(pages_after_trim(f), 1);
	fixture_check(f);
	unmap_object(f, handle, second);
	assert_int_equal(pages_after_trim(f), 0);
}

static void a_page_emptied_while_mapped_can_be_used_again(struct pool_fixture *f)
{
	xv_handle handle, again;
	void *ptr;

	handle = fixture_malloc(f, 100);
	ptr = map_object(f, handle);
	fixture_free(f, handle);
	again = fixture_malloc(f, 50);
	assert_int_equal(xv_handle_page(again), xv_handle_page(handle));
	fixture_fill(f, again, 4);
	unmap_object(f, handle, ptr);
	assert_int_equal(pages_after_trim(f), 1);
	fixture_verify(f, again, 50, 4);
	fixture_free(f, again);
	assert_int_equal(pages_after_trim(f), 0);
}

static void a_pinned_empty_page_becomes_a_whole_object(struct pool_fixture *f)
{
	xv_handle handle, whole;
	void *ptr;

	handle = fixture_malloc(f, 100);
	ptr = map_object(f, handle);
	fixture_free(f, handle);
	whole = fixture_malloc(f, fixture_object_max(f));
	assert_int_equal(xv_handle_page(whole), xv_handle_page(handle));
	unmap_object(f, handle, ptr);
	fixture_fill(f, whole, 2);
	fixture_check(f);
	fixture_free(f, whole);
	assert_int_equal(pages_after_trim(f), 0);
}

static void trim_leaves_a_mapped_empty_page(struct pool_fixture *f)
{
	xv_handle mapped = fixture_malloc(f, fixture_object_max(f)), other = fixture_malloc(f, 100);
	void *ptr = map_object(f, mapped);

	fixture_free(f, mapped);
	fixture_free(f, other);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(f->fault.pages_now, 1);
	fixture_check(f);
	unmap_object(f, mapped, ptr);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(f->fault.pages_now, 0);
}

static void reset_is_refused_while_a_page_is_mapped(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	struct xv_pool_stats before = fixture_stats(f);
	void *ptr = map_object(f, handle);

	assert_int_equal(xv_pool_reset(f->pool), -XV_EBUSY);
	fixture_assert_unchanged(f, &before);
	unmap_object(f, handle, ptr);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	assert_int_equal(xv_object_size(f->pool, handle), -XV_EINVAL);
	assert_int_equal(fixture_stats(f).objects, 0);
}

static void reset_is_refused_while_an_emptied_page_is_mapped(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	void *ptr = map_object(f, handle);

	fixture_free(f, handle);
	assert_int_equal(xv_pool_reset(f->pool), -XV_EBUSY);
	unmap_object(f, handle, ptr);
	assert_int_equal(xv_pool_reset(f->pool), 0);
}

/* Maps of one page that the caller may have: a window keeps two slots to itself. */
static size_t maps_at_once(const struct pool_fixture *f)
{
	return f->which->has_base ? PINS_MAX : f->inner->window_slots - 2;
}

static void a_page_has_at_most_65535_maps(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	struct xv_pool_stats before = fixture_stats(f);
	void *ptr = NULL, *more = scratch;

	for (size_t i = 0; i < maps_at_once(f); i++)
		assert_int_equal(xv_map(f->pool, handle, &ptr), 0);
	f->maps = f->fault.mapped_now;
	assert_int_equal(xv_map(f->pool, handle, &more), -XV_EAGAIN);
	assert_ptr_equal(more, scratch);
	fixture_assert_unchanged(f, &before);
	for (size_t i = 0; i < maps_at_once(f); i++)
		assert_int_equal(xv_unmap(f->pool, handle, ptr), 0);
	f->maps = 0;
	assert_int_equal(xv_unmap(f->pool, handle, ptr), -XV_EINVAL);
}

static void read_and_write_work_at_the_most_maps(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	void *ptr = NULL;

	for (size_t i = 0; i < maps_at_once(f); i++)
		assert_int_equal(xv_map(f->pool, handle, &ptr), 0);
	f->maps = f->fault.mapped_now;
	fixture_fill(f, handle, 3);
	fixture_verify(f, handle, 100, 3);
	for (size_t i = 0; i < maps_at_once(f); i++)
		assert_int_equal(xv_unmap(f->pool, handle, ptr), 0);
	f->maps = 0;
}

/* ---- the window ---- */

/* Every call that needs a page but maps none for the caller, on an object of 200 bytes. */
static void calls_work(struct pool_fixture *f, xv_handle handle)
{
	xv_handle other;

	fixture_fill(f, handle, 3);
	fixture_verify(f, handle, 200, 3);
	other = fixture_malloc(f, 300);
	assert_int_equal(xv_realloc(f->pool, &other, fixture_object_max(f)), 0);
	fixture_free(f, other);
	assert_int_equal(xv_calloc(f->pool, 3, 100, &other), 0);
	fixture_free(f, other);
	fixture_check(f);
}

static void with_all_slots_taken_other_calls_still_work(struct pool_fixture *f)
{
	xv_handle handles[SLOTS_MAX], last;
	void *ptrs[SLOTS_MAX];
	size_t slots = maps_at_once(f);

	for (size_t i = 0; i <= slots; i++)
		handles[i] = fixture_malloc(f, f->page_bytes - 300);
	last = fixture_malloc(f, 200);
	for (size_t i = 0; i < slots; i++)
		ptrs[i] = map_object(f, handles[i]);
	assert_int_equal(xv_map(f->pool, handles[slots], &ptrs[slots]), -XV_EAGAIN);
	calls_work(f, last);
	for (size_t i = 0; i < slots; i++)
		unmap_object(f, handles[i], ptrs[i]);
	fixture_check(f);
}

static uint32_t peak(struct pool_fixture *f)
{
	struct xv_provider_highmem_stats stats;

	xv_provider_highmem_stats(f->inner, &stats);
	assert_int_equal(stats.mapped_now, 0);
	assert_int_equal(stats.misuse, 0);
	xv_provider_highmem_reset_peak(f->inner);
	return stats.mapped_peak;
}

static void one_random_call(struct pool_fixture *f, struct shadow *shadow)
{
	size_t size = random_size(&f->random, fixture_object_max(f));
	size_t which = shadow->count > 0 ? random_below(&f->random, shadow->count) : 0;

	if (shadow->count < 8)
		assert_int_equal(shadow_malloc(shadow, size, 0), 0);
	else if (random_below(&f->random, 4) == 0)
		(void)shadow_malloc(shadow, size, 0);
	else if (random_below(&f->random, 3) == 0)
		(void)shadow_calloc(shadow, size);
	else if (random_below(&f->random, 2) == 0)
		(void)shadow_realloc(shadow, which, size);
	else
		assert_int_equal(shadow_free(shadow, which), 0);
}

static int count_object(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	(void)size;
	++*(size_t *)context;
	return 0;
}

static void at_most_two_pages_are_mapped_inside_a_call_and_none_between(struct pool_fixture *f)
{
	struct shadow shadow;
	uint32_t most = 0;
	size_t visited = 0;

	shadow_init(&shadow, f->pool);
	(void)peak(f);
	for (size_t i = 0; i < 800; i++) {
		uint32_t mapped;

		one_random_call(f, &shadow);
		mapped = peak(f);
		assert_true(mapped <= 2);
		most = mapped > most ? mapped : most;
	}
	assert_int_equal(most, 2);
	assert_int_equal(xv_pool_walk(f->pool, count_object, &visited), 0);
	assert_int_equal(visited, shadow.count);
	(void)xv_pool_trim(f->pool);
	fixture_check(f);
	assert_true(peak(f) <= 1);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static void two_window_slots_are_enough(struct pool_fixture *f)
{
	struct shadow shadow;

	/* A third map at a time would be refused here. */
	fixture_remake(f, FIXTURE_PAGES, NULL, FAULT_HIDE_BASE);
	shadow_init(&shadow, f->pool);
	for (size_t i = 0; i < 800; i++)
		one_random_call(f, &shadow);
	assert_true(f->fault.mapped_peak <= 2);
	assert_int_equal(f->fault.failures[FAULT_PAGE_MAP], 0);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

/* ---- read and write ---- */

static void read_and_write_take_any_range_inside(struct pool_fixture *f)
{
	const size_t sizes[] = {37, fixture_object_max(f)};

	for (size_t i = 0; i < 2; i++) {
		xv_handle handle = fixture_malloc(f, sizes[i]);

		fixture_fill(f, handle, 1);
		assert_int_equal(xv_write(f->pool, handle, 7, "abc", 3), 0);
		assert_int_equal(xv_read(f->pool, handle, 0, scratch, sizes[i]), 0);
		assert_true(pattern_matches(scratch, 7, 1));
		assert_memory_equal(scratch + 7, "abc", 3);
		assert_int_equal(scratch[10], pattern_byte(1, 10));
		assert_int_equal(xv_read(f->pool, handle, sizes[i] - 1, scratch, 1), 0);
		assert_int_equal(scratch[0], pattern_byte(1, sizes[i] - 1));
	}
}

static void read_and_write_refuse_ranges_past_the_end(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 37);
	static const size_t bad[][2] = {
		{0, 38},       {37, 1},       {38, 0}, {1, 37},
		{SIZE_MAX, 1}, {1, SIZE_MAX}, {36, 2}, {SIZE_MAX, SIZE_MAX}};

	fixture_fill(f, handle, 1);
	memset(scratch, 0x11, 64);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(xv_read(f->pool, handle, bad[i][0], scratch, bad[i][1]),
				 -XV_ERANGE);
		assert_int_equal(xv_write(f->pool, handle, bad[i][0], scratch, bad[i][1]),
				 -XV_ERANGE);
	}
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(scratch[i], 0x11);
	fixture_verify(f, handle, 37, 1);
	assert_int_equal(f->fault.mapped_now, 0);
}

static void read_and_write_of_nothing_check_the_handle(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 37);

	assert_int_equal(xv_read(f->pool, handle, 0, NULL, 0), 0);
	assert_int_equal(xv_write(f->pool, handle, 37, NULL, 0), 0);
	assert_int_equal(xv_read(f->pool, XV_NULL_HANDLE, 0, NULL, 0), -XV_EINVAL);
	assert_int_equal(xv_write(f->pool, XV_NULL_HANDLE, 0, NULL, 0), -XV_EINVAL);
	assert_int_equal(xv_read(f->pool, handle, 0, NULL, 1), -XV_EINVAL);
	assert_int_equal(xv_write(f->pool, handle, 0, NULL, 1), -XV_EINVAL);
}

/* Each map costs a call of the system: a check of many small objects takes a few a page. */
static void a_check_maps_a_page_a_few_times(struct pool_fixture *f)
{
	enum { MAPS_OF_A_PAGE = 4 };
	uint64_t before;

	while (fixture_stats(f).pages < 4)
		(void)fixture_malloc(f, 24);
	before = f->fault.mapped_ever;
	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, NULL), 0);
	assert_true(f->fault.mapped_ever - before <= MAPS_OF_A_PAGE * fixture_stats(f).pages);
}

static const struct pool_test tests[] = {
	POOL_TEST(a_check_maps_a_page_a_few_times, WITHOUT_BASE),
	POOL_TEST(map_shows_what_was_written, EACH_ALIGNMENT),
	POOL_TEST(maps_of_one_object_nest, EACH_ALIGNMENT),
	POOL_TEST(map_refuses_null, 0),
	POOL_TEST(unmap_refuses_what_is_not_mapped, EACH_ALIGNMENT),
	POOL_TEST(unmap_refuses_a_pointer_into_another_page, EACH_ALIGNMENT),
	POOL_TEST(unmap_refuses_a_pointer_off_by_a_multiple_of_256, EACH_ALIGNMENT),
	POOL_TEST(a_page_emptied_while_mapped_goes_with_its_unmap, EACH_ALIGNMENT),
	POOL_TEST(nested_maps_keep_an_emptied_page_until_the_last, 0),
	POOL_TEST(a_page_emptied_while_mapped_can_be_used_again, EACH_ALIGNMENT),
	POOL_TEST(a_pinned_empty_page_becomes_a_whole_object, 0),
	POOL_TEST(trim_leaves_a_mapped_empty_page, EACH_ALIGNMENT),
	POOL_TEST(reset_is_refused_while_a_page_is_mapped, EACH_ALIGNMENT),
	POOL_TEST(reset_is_refused_while_an_emptied_page_is_mapped, 0),
	POOL_TEST(a_page_has_at_most_65535_maps, 0),
	POOL_TEST(read_and_write_work_at_the_most_maps, WITHOUT_BASE),
	POOL_TEST(with_all_slots_taken_other_calls_still_work, WITHOUT_BASE | EACH_ALIGNMENT),
	POOL_TEST(at_most_two_pages_are_mapped_inside_a_call_and_none_between,
		  WITHOUT_BASE | EACH_ALIGNMENT),
	POOL_TEST(two_window_slots_are_enough, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(read_and_write_take_any_range_inside, EACH_ALIGNMENT),
	POOL_TEST(read_and_write_refuse_ranges_past_the_end, EACH_ALIGNMENT),
	POOL_TEST(read_and_write_of_nothing_check_the_handle, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_map", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
