/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Which free block a request takes, proved against a search of all of them: the
 * smallest that fits; and the pool grows only where none does. White box: src/core.
 */
#include "pool_fixture.h"

#include "pool_blocks.h"
#include "shadow.h"

enum { ROUNDS = 250, CHURN = 6 };

/* Frees and allocations that leave holes of many sizes. */
static void churn(struct pool_fixture *f, struct shadow *shadow)
{
	for (size_t i = 0; i < CHURN; i++) {
		if (shadow->count > 0 && random_below(&f->random, 9) < 4)
			assert_int_equal(
				shadow_free(shadow, random_below(&f->random, shadow->count)), 0);
		else
			(void)shadow_malloc(shadow, 1 + random_below(&f->random, f->page_bytes / 6),
					    0);
	}
}

/* Units of what the request must come out of; 0 for a new page. */
static uint32_t expected_source(struct pool_fixture *f, size_t size)
{
	uint32_t units = units_of_size(f->pool, size);

	return pool_best_fit(f->pool, units < f->pool->page_units ? units : f->pool->page_units);
}

/* Length of the free block that holds this unit. */
static uint32_t free_block_at(struct pool_fixture *f, const struct block_view *before, size_t count,
			      xv_handle handle)
{
	uint32_t unit = xv_handle_offset(handle) == 0 ? f->pool->first_unit : handle_unit(handle);

	for (size_t i = 0; i < count; i++) {
		if (before[i].free && before[i].page == xv_handle_page(handle) &&
		    before[i].unit == unit)
			return before[i].units;
	}
	return 0;
}

static size_t all_blocks(struct pool_fixture *f, struct block_view *blocks, size_t max)
{
	size_t count = 0;

	for (uint32_t page = 0; page < f->pool->pages.capacity; page++)
		count += page_blocks(f->pool, page, blocks + count, max - count);
	return count;
}

static void request_takes_the_best(struct pool_fixture *f, struct shadow *shadow, size_t size)
{
	static struct block_view before[1 << 16];
	size_t count = all_blocks(f, before, sizeof(before) / sizeof(before[0]));
	uint32_t expected = expected_source(f, size);
	uint64_t pages = fixture_stats(f).page_allocs;
	int err = shadow_malloc(shadow, size, 0);

	if (expected == 0) {
		assert_true(err == -XV_ENOMEM || fixture_stats(f).page_allocs == pages + 1);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(fixture_stats(f).page_allocs, pages);
	assert_int_equal(free_block_at(f, before, count, shadow->objects[shadow->count - 1].handle),
			 expected);
}

/* From its first small request on a pool lists small free blocks too. */
static void ask_for_little(struct pool_fixture *f)
{
	fixture_free(f, fixture_malloc(f, 1));
}

static void a_request_takes_the_smallest_block_that_fits(struct pool_fixture *f)
{
	struct shadow shadow;

	fixture_remake(f, 12, NULL, 0);
	ask_for_little(f);
	shadow_init(&shadow, f->pool);
	for (size_t i = 0; i < ROUNDS; i++) {
		churn(f, &shadow);
		request_takes_the_best(f, &shadow, random_size(&f->random, f->page_bytes));
	}
	fixture_check(f);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

/* Holes of 2i and of 2i + 1 units in one list: the order of freeing must not matter. */
static void a_list_of_two_lengths_gives_the_right_one(struct pool_fixture *f)
{
	enum { HOLES = 8, EVEN_SIZE = 36, ODD_SIZE = 40 };
	xv_handle holes[HOLES];
	xv_handle handle;

	for (unsigned freed = 0; freed < 1U << HOLES; freed += 5) {
		fixture_remake(f, FIXTURE_PAGES, NULL, 0);
		for (size_t i = 0; i < HOLES; i++) {
			holes[i] = fixture_malloc(f, i % 2 == 0 ? EVEN_SIZE : ODD_SIZE);
			(void)fixture_malloc(f, 1);
		}
		for (size_t i = 0; i < HOLES; i++) {
			if ((freed >> i & 1U) != 0)
				fixture_free(f, holes[i]);
		}
		fixture_check(f);
		handle = fixture_malloc(f, ODD_SIZE);
		if ((freed & 0xAAU) != 0)
			assert_int_equal(block_pad(page_word(f->pool, 0, handle_unit(handle))), 0);
		handle = fixture_malloc(f, EVEN_SIZE);
		if ((freed & 0x55U) != 0)
			assert_int_equal(block_pad(page_word(f->pool, 0, handle_unit(handle))), 0);
		fixture_check(f);
	}
}

/* Small free blocks are not listed before somebody asks for as little. */
static void a_small_request_finds_what_was_dust_before(struct pool_fixture *f)
{
	enum { PAGES = 20, DUST_SIZE = 28 };
	xv_handle handle;
	uint64_t pages;
	size_t count = 0;

	fixture_remake(f, PAGES, NULL, 0);
	/* Fill each page but for dust at its end. */
	while (xv_malloc(f->pool, fixture_block_max(f) - DUST_SIZE - 4, &handle) == 0)
		count++;
	assert_int_equal(fixture_stats(f).free_blocks, 0);
	assert_int_equal(fixture_stats(f).unlisted_bytes, fixture_stats(f).free_bytes);
	pages = fixture_stats(f).pages;
	for (size_t i = 0; i < count; i++)
		(void)fixture_malloc(f, DUST_SIZE);
	assert_int_equal(fixture_stats(f).pages, pages);
	assert_int_equal(fixture_stats(f).free_bytes, 0);
	assert_int_equal(xv_malloc(f->pool, DUST_SIZE, &handle), -XV_ENOMEM);
}

static const struct pool_test tests[] = {
	POOL_TEST(a_request_takes_the_smallest_block_that_fits, EACH_ALIGNMENT),
	POOL_TEST(a_small_request_finds_what_was_dust_before, EACH_ALIGNMENT),
	POOL_TEST(a_list_of_two_lengths_gives_the_right_one, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_fit", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
