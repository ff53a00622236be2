/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* The page bitmap by itself: one to five levels, and the edges between words. */
#include "provider_support.h"

#include "page_bitmap.h"

static const uint32_t page_counts[] = {
	1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 64 * 4096 - 1, 64 * 4096, 64 * 4096 + 1,
};

#define PAGE_COUNTS (sizeof(page_counts) / sizeof(page_counts[0]))

static void *bitmap_make(struct xvi_page_bitmap *map, uint32_t pages)
{
	void *memory = calloc(1, xvi_page_bitmap_bytes(pages, 0));

	assert_non_null(memory);
	xvi_page_bitmap_init(map, memory, pages, 0);
	return memory;
}

static void page_bitmap_hands_out_every_page_in_order_and_then_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGE_COUNTS; i++) {
		struct xvi_page_bitmap map;
		void *memory = bitmap_make(&map, page_counts[i]);
		uint32_t page = UINT32_MAX;

		for (uint32_t expected = 0; expected < page_counts[i]; expected++) {
			assert_true(xvi_page_bitmap_lowest_free(&map, &page));
			assert_int_equal(page, expected);
			xvi_page_bitmap_set(&map, page);
		}
		assert_false(xvi_page_bitmap_lowest_free(&map, &page));
		assert_int_equal(map.used, page_counts[i]);
		free(memory);
	}
}

static void page_bitmap_finds_the_one_free_page_wherever_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGE_COUNTS; i++) {
		uint32_t pages = page_counts[i];
		uint32_t step = pages < 5000 ? 1 : 61;
		struct xvi_page_bitmap map;
		void *memory = bitmap_make(&map, pages);

		for (uint32_t page = 0; page < pages; page++)
			xvi_page_bitmap_set(&map, page);
		for (uint32_t freed = 0; freed < pages; freed += step) {
			uint32_t found = UINT32_MAX;

			xvi_page_bitmap_clear(&map, freed);
			assert_false(xvi_page_bitmap_is_set(&map, freed));
			assert_true(xvi_page_bitmap_lowest_free(&map, &found));
			assert_int_equal(found, freed);
			xvi_page_bitmap_set(&map, freed);
		}
		assert_false(xvi_page_bitmap_lowest_free(&map, &step));
		free(memory);
	}
}

static void page_bitmap_knows_nothing_past_its_last_page(void **state)
{
	struct xvi_page_bitmap map;
	void *memory = bitmap_make(&map, 65);

	(void)state;
	assert_false(xvi_page_bitmap_is_set(&map, 65));
	assert_false(xvi_page_bitmap_is_set(&map, UINT32_MAX));
	assert_true(xvi_page_bitmap_range_is_clear(&map, 65, UINT32_MAX));
	free(memory);
}

static bool range_is_clear_by_hand(const struct xvi_page_bitmap *map, uint32_t first,
				   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (xvi_page_bitmap_is_set(map, first + i))
			return false;
	}
	return true;
}

static void page_bitmap_range_agrees_with_single_pages(void **state)
{
	uint64_t random = test_seed("page_bitmap_range");
	struct xvi_page_bitmap map;
	void *memory = bitmap_make(&map, 300);

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		uint32_t page = (uint32_t)(test_random(&random) % 300);

		if (!xvi_page_bitmap_is_set(&map, page))
			xvi_page_bitmap_set(&map, page);
	}
	for (uint32_t first = 0; first < 310; first++) {
		for (uint32_t count = 0; count < 310; count++)
			assert_int_equal(xvi_page_bitmap_range_is_clear(&map, first, count),
					 range_is_clear_by_hand(&map, first, count));
	}
	free(memory);
}

/* 16 Mi pages: what 64 GiB of 4 KiB pages need. Four levels, 2 MiB + 32 KiB + ... */
static void page_bitmap_counts_only_the_memory_it_touched(void **state)
{
	uint32_t pages = 16U << 20;
	size_t bytes = xvi_page_bitmap_bytes(pages, 0);
	char *area = aligned_alloc(4096, 4096 + (bytes + 4095) / 4096 * 4096);
	struct xvi_page_bitmap map;

	(void)state;
	assert_non_null(area);
	memset(area, 0, 4096 + bytes);
	assert_int_equal(bytes, 8 * (262144 + 4096 + 64 + 1));
	xvi_page_bitmap_init(&map, area + 256, pages, 0);
	assert_int_equal(map.levels, 4);
	assert_int_equal(xvi_page_bitmap_touched_bytes(&map, area, 256, 4096), 4096);
	xvi_page_bitmap_set(&map, 0);
	/* Record, top and two levels in the first OS page; the leaves lie 32 KiB on. */
	assert_int_equal(xvi_page_bitmap_touched_bytes(&map, area, 256, 4096), 2 * 4096);
	xvi_page_bitmap_set(&map, 40000); /* 5000 bytes of leaves */
	assert_in_range(xvi_page_bitmap_touched_bytes(&map, area, 256, 4096), 3 * 4096, 4 * 4096);
	xvi_page_bitmap_set(&map, pages - 1);
	assert_in_range(xvi_page_bitmap_touched_bytes(&map, area, 256, 4096), bytes,
			bytes + 2 * 4096);
	free(area);
}

/* Marks have no effect on which pages are free, and lie beside what was written. */
static void page_bitmap_keeps_marks_beside_the_pages_own_bits(void **state)
{
	enum { PAGES = 9000 };

	(void)state;
	for (uint32_t mark_bits = 1; mark_bits <= 32; mark_bits *= 2) {
		size_t bytes = (xvi_page_bitmap_bytes(PAGES, mark_bits) + 4095) / 4096 * 4096;
		uint32_t all = (uint32_t)(((uint64_t)1 << mark_bits) - 1);
		char *area = aligned_alloc(4096, bytes);
		struct xvi_page_bitmap map;
		size_t touched;

		assert_non_null(area);
		memset(area, 0, bytes);
		xvi_page_bitmap_init(&map, area, PAGES, mark_bits);
		for (uint32_t page = 0; page < PAGES; page++)
			xvi_page_bitmap_set(&map, page);
		touched = xvi_page_bitmap_touched_bytes(&map, area, 0, 64);
		for (uint32_t page = 0; page < PAGES; page++)
			xvi_page_bitmap_set_marks(&map, page, page * 0x9E3779B1U & all);
		assert_int_equal(xvi_page_bitmap_touched_bytes(&map, area, 0, 64), touched);
		for (uint32_t page = 0; page < PAGES; page += 3)
			xvi_page_bitmap_clear(&map, page);
		for (uint32_t page = 0; page < PAGES; page++) {
			assert_int_equal(xvi_page_bitmap_marks(&map, page),
					 page * 0x9E3779B1U & all);
			assert_int_equal(xvi_page_bitmap_is_set(&map, page), page % 3 != 0);
			xvi_page_bitmap_set_marks(&map, page, 0);
		}
		assert_int_equal(map.used, PAGES - PAGES / 3);
		free(area);
	}
}

static void page_bitmap_finds_runs_of_pages_handed_out(void **state)
{
	static const struct {
		uint32_t from, end, first, count;
	} cases[] = {
		{0, 200, 3, 2},     {3, 200, 3, 2},     {4, 200, 4, 1},     {5, 200, 60, 70},
		{60, 100, 60, 40},  {61, 62, 61, 1},    {130, 200, 199, 1}, {130, 199, 199, 0},
		{200, 200, 200, 0}, {250, 200, 250, 0},
	};
	struct xvi_page_bitmap map;
	void *memory = bitmap_make(&map, 200);

	(void)state;
	for (uint32_t page = 0; page < 200; page++) {
		if (page == 3 || page == 4 || (page >= 60 && page < 130) || page == 199)
			xvi_page_bitmap_set(&map, page);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t first = cases[i].from;

		assert_int_equal(xvi_page_bitmap_run(&map, &first, cases[i].end), cases[i].count);
		assert_int_equal(first, cases[i].first);
	}
	assert_int_equal(xvi_page_bitmap_end(&map, 10, 20), 30);
	assert_int_equal(xvi_page_bitmap_end(&map, 10, UINT32_MAX), 200);
	assert_int_equal(xvi_page_bitmap_end(&map, UINT32_MAX, 1), 200);
	free(memory);
}

static void page_bitmap_agrees_with_a_shadow_over_random_operations(void **state)
{
	enum { PAGES = 9000, OPERATIONS = 200000 };
	uint64_t random = test_seed("page_bitmap_shadow");
	struct xvi_page_bitmap map;
	void *memory = bitmap_make(&map, PAGES);
	static bool used[PAGES];
	uint32_t lowest = 0;

	(void)state;
	for (int i = 0; i < OPERATIONS; i++) {
		uint32_t page = (uint32_t)(test_random(&random) % PAGES);

		if (used[page] && test_random(&random) % 8 < 3) {
			xvi_page_bitmap_clear(&map, page);
			used[page] = false;
			lowest = page < lowest ? page : lowest;
			continue;
		}
		while (lowest < PAGES && used[lowest])
			lowest++;
		if (lowest == PAGES) {
			assert_false(xvi_page_bitmap_lowest_free(&map, &page));
			continue;
		}
		assert_true(xvi_page_bitmap_lowest_free(&map, &page));
		assert_int_equal(page, lowest);
		xvi_page_bitmap_set(&map, page);
		used[page] = true;
	}
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_bitmap_hands_out_every_page_in_order_and_then_none),
		cmocka_unit_test(page_bitmap_finds_the_one_free_page_wherever_it_is),
		cmocka_unit_test(page_bitmap_knows_nothing_past_its_last_page),
		cmocka_unit_test(page_bitmap_range_agrees_with_single_pages),
		cmocka_unit_test(page_bitmap_counts_only_the_memory_it_touched),
		cmocka_unit_test(page_bitmap_keeps_marks_beside_the_pages_own_bits),
		cmocka_unit_test(page_bitmap_finds_runs_of_pages_handed_out),
		cmocka_unit_test(page_bitmap_agrees_with_a_shadow_over_random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
