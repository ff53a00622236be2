/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * How blocks are cut from a page and merged again, seen from inside: the layout of
 * the page after each case, invariants 2 to 6 of pool_impl.h by the deep check. White
 * box: src/core. One thread.
 */
#include "pool_fixture.h"

#include "pool_blocks.h"

enum { FIVE = 5, ORDERS = 120 };

/* Five objects of 16, 32, 48, 64 and 80 bytes of block, and the rest of the page. */
static void make_five(struct pool_fixture *f, xv_handle handles[FIVE])
{
	for (size_t i = 0; i < FIVE; i++)
		handles[i] = fixture_malloc(f, size_of_16(i + 1));
	assert_string_equal(page_layout(f->pool, 0), "UUUUUf");
}

static void free_gives(struct pool_fixture *f, xv_handle handle, const char *layout)
{
	fixture_free(f, handle);
	assert_string_equal(page_layout(f->pool, 0), layout);
	fixture_check(f);
}

static bool prev_free_of(struct pool_fixture *f, xv_handle handle)
{
	return block_prev_is_free(page_word(f->pool, 0, handle_unit(handle)));
}

static void free_between_used_blocks_merges_nothing(struct pool_fixture *f)
{
	xv_handle h[FIVE];

	make_five(f, h);
	free_gives(f, h[1], "UfUUUf");
	assert_int_equal(fixture_stats(f).free_blocks, 2);
	assert_true(prev_free_of(f, h[2]));
	assert_false(prev_free_of(f, h[0]));
	assert_false(prev_free_of(f, h[3]));
}

static void free_merges_with_the_block_before(struct pool_fixture *f)
{
	xv_handle h[FIVE];

	make_five(f, h);
	free_gives(f, h[1], "UfUUUf");
	free_gives(f, h[2], "UfUUf");
	assert_int_equal(fixture_stats(f).free_blocks, 2);
	assert_int_equal(xvi_any_units(f->pool, page_word(f->pool, 0, handle_unit(h[1]))), 20);
	assert_true(prev_free_of(f, h[3]));
}

static void free_merges_with_the_block_behind(struct pool_fixture *f)
{
	xv_handle h[FIVE];

	make_five(f, h);
	free_gives(f, h[2], "UUfUUf");
	free_gives(f, h[1], "UfUUf");
	assert_int_equal(fixture_stats(f).free_blocks, 2);
	assert_int_equal(xvi_any_units(f->pool, page_word(f->pool, 0, handle_unit(h[1]))), 20);
	assert_true(prev_free_of(f, h[3]));
}

static void free_merges_both_neighbours(struct pool_fixture *f)
{
	xv_handle h[FIVE];

	make_five(f, h);
	free_gives(f, h[1], "UfUUUf");
	free_gives(f, h[3], "UfUfUf");
	assert_int_equal(fixture_stats(f).free_blocks, 3);
	free_gives(f, h[2], "UfUf");
	assert_int_equal(fixture_stats(f).free_blocks, 2);
	assert_int_equal(xvi_any_units(f->pool, page_word(f->pool, 0, handle_unit(h[1]))), 36);
	assert_true(prev_free_of(f, h[4]));
}

static void free_of_the_first_block_has_nothing_before_it(struct pool_fixture *f)
{
	xv_handle h[FIVE];

	make_five(f, h);
	free_gives(f, h[0], "fUUUUf");
	free_gives(f, h[1], "fUUUf");
	assert_true(prev_free_of(f, h[2]));
}

static void free_of_the_last_block_merges_into_the_page_end(struct pool_fixture *f)
{
	xv_handle h[FIVE];

	make_five(f, h);
	free_gives(f, h[4], "UUUUf");
	free_gives(f, h[3], "UUUf");
	assert_int_equal(fixture_stats(f).free_blocks, 1);
}

static void free_of_a_block_at_the_page_end_writes_nothing_behind_it(struct pool_fixture *f)
{
	xv_handle first = fixture_malloc(f, size_of_16(2));
	xv_handle second = fixture_malloc(f, fixture_block_max(f) - 32);

	assert_string_equal(page_layout(f->pool, 0), "UU");
	free_gives(f, second, "Uf");
	second = fixture_malloc(f, fixture_block_max(f) - 32);
	free_gives(f, first, "fU");
	assert_true(prev_free_of(f, second));
}

static void freeing_all_gives_the_page_to_the_reserve(struct pool_fixture *f)
{
	xv_handle h[FIVE];

	make_five(f, h);
	free_gives(f, h[0], "fUUUUf");
	free_gives(f, h[2], "fUfUUf");
	free_gives(f, h[4], "fUfUf");
	free_gives(f, h[3], "fUf");
	free_gives(f, h[1], "f");
	assert_int_equal(fixture_stats(f).pages, 1);
	assert_int_equal(fixture_stats(f).reserve_bytes, f->page_bytes);
	assert_int_equal(f->pool->pages.records[0].used_units, 0);
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

static void free_in_every_order_leaves_one_free_block(struct pool_fixture *f)
{
	xv_handle h[FIVE], wall = XV_NULL_HANDLE;
	size_t order[FIVE];

	for (unsigned n = 0; n < ORDERS; n++) {
		make_five(f, h);
		if (n % 2 == 1)
			wall = fixture_malloc(f, size_of_16(3));
		order_of(n, order);
		for (size_t i = 0; i < FIVE; i++) {
			fixture_free(f, h[order[i]]);
			fixture_check(f);
		}
		assert_string_equal(page_layout(f->pool, 0), n % 2 == 1 ? "fUf" : "f");
		if (n % 2 == 1)
			fixture_free(f, wall);
	}
}

/* ---- cutting ---- */

/* A hole of this many bytes between used blocks, then an object from it. */
static xv_handle carve_from_hole(struct pool_fixture *f, size_t hole_bytes, size_t size)
{
	xv_handle hole = fixture_malloc(f, hole_bytes - 4);
	xv_handle carved;

	(void)fixture_malloc(f, size_of_16(1));
	fixture_free(f, hole);
	assert_string_equal(page_layout(f->pool, 0), "fUf");
	carved = fixture_malloc(f, size);
	assert_int_equal(handle_unit(carved), handle_unit(hole));
	fixture_check(f);
	return carved;
}

static uint32_t pad_of(struct pool_fixture *f, xv_handle handle)
{
	return block_pad(page_word(f->pool, 0, handle_unit(handle)));
}

static void a_rest_under_16_bytes_stays_as_pad(struct pool_fixture *f)
{
	for (size_t rest = f->alignment; rest < 16; rest += f->alignment) {
		xv_handle carved;

		fixture_remake(f, FIXTURE_PAGES, NULL, 0);
		carved = carve_from_hole(f, 160, 156 - rest);
		assert_string_equal(page_layout(f->pool, 0), "UUf");
		assert_int_equal(pad_of(f, carved), rest);
		assert_int_equal(xv_object_size(f->pool, carved), 156 - (int)rest);
		assert_int_equal(fixture_stats(f).rounding_bytes,
				 rest + f->page_bytes - fixture_block_max(f) - 4);
		free_gives(f, carved, "fUf");
	}
}

static void a_rest_of_16_bytes_becomes_a_free_block(struct pool_fixture *f)
{
	xv_handle carved = carve_from_hole(f, 160, 156 - 16);

	assert_string_equal(page_layout(f->pool, 0), "UfUf");
	assert_int_equal(pad_of(f, carved), 0);
	free_gives(f, carved, "fUf");
}

static void a_hole_is_cut_from_its_front(struct pool_fixture *f)
{
	xv_handle carved = carve_from_hole(f, 320, size_of_16(3));
	xv_handle next = fixture_malloc(f, size_of_16(2));

	assert_int_equal(handle_unit(next), handle_unit(carved) + 12);
	assert_string_equal(page_layout(f->pool, 0), "UUfUf");
}

static void a_hole_that_fits_exactly_leaves_nothing(struct pool_fixture *f)
{
	xv_handle carved = carve_from_hole(f, 160, 156);

	assert_string_equal(page_layout(f->pool, 0), "UUf");
	assert_int_equal(fixture_stats(f).free_blocks, 1);
	free_gives(f, carved, "fUf");
}

static void size_and_pad_make_up_the_block(struct pool_fixture *f)
{
	for (size_t size = 1; size < 200; size++) {
		xv_handle handle = fixture_malloc(f, size);
		uint32_t word = page_word(f->pool, 0, handle_unit(handle));
		uint32_t units = block_units(word, f->pool->unit_bits);

		assert_int_equal(units, units_of_size(f->pool, size));
		assert_int_equal(block_pad(word), units * 4 - 4 - size);
		fixture_free(f, handle);
	}
}

static void the_smallest_free_block_is_found_again(struct pool_fixture *f)
{
	xv_handle a = fixture_malloc(f, 1), b = fixture_malloc(f, 1), c = fixture_malloc(f, 1);

	free_gives(f, b, "UfUf");
	assert_int_equal(xvi_any_units(f->pool, page_word(f->pool, 0, handle_unit(b))),
			 f->pool->block_min_units);
	assert_true(block_prev_is_free(page_word(f->pool, 0, handle_unit(c))));
	b = fixture_malloc(f, 4);
	assert_string_equal(page_layout(f->pool, 0), "UUUf");
	assert_int_equal(handle_unit(b) - handle_unit(a), f->pool->block_min_units);
}

static void an_aligned_block_leaves_its_lead_free(struct pool_fixture *f)
{
	xv_handle first = fixture_malloc(f, size_of_16(1));
	xv_handle aligned;

	assert_int_equal(xv_malloc_aligned(f->pool, size_of_16(2), 256, &aligned), 0);
	assert_string_equal(page_layout(f->pool, 0), "UfUf");
	assert_int_equal(xv_handle_offset(aligned), 256);
	assert_true(prev_free_of(f, aligned));
	fixture_check(f);
	free_gives(f, first, "fUf");
	free_gives(f, aligned, "f");
}

static void a_lead_too_small_for_a_free_block_is_skipped(struct pool_fixture *f)
{
	xv_handle aligned;
	uint32_t lead;

	/* Behind a first block of these bytes the payload would miss 32 by little. */
	for (size_t first = 8; first <= 64; first += 4) {
		fixture_remake(f, FIXTURE_PAGES, NULL, 0);
		(void)fixture_malloc(f, first);
		assert_int_equal(xv_malloc_aligned(f->pool, 20, 32, &aligned), 0);
		assert_int_equal(xv_handle_offset(aligned) % 32, 0);
		fixture_check(f);
		lead = prev_free_of(f, aligned)
			       ? xvi_any_units(f->pool,
					       page_word(f->pool, 0, handle_unit(aligned) - 1))
			       : 0;
		assert_true(lead == 0 || lead >= BLOCK_SPLIT_MIN_UNITS);
	}
}

/* ---- headers that are no more ---- */

static void a_freed_header_does_not_pass_for_one(struct pool_fixture *f)
{
	xv_handle h[FIVE];
	const size_t order[FIVE] = {1, 3, 2, 4, 0};

	make_five(f, h);
	(void)fixture_malloc(f, size_of_16(1));
	for (size_t i = 0; i < FIVE; i++) {
		fixture_free(f, h[order[i]]);
		for (size_t j = 0; j <= i; j++)
			assert_true(block_is_free(page_word(f->pool, 0, handle_unit(h[order[j]]))));
	}
}

static void the_header_of_the_last_object_dies_with_its_page(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, size_of_16(1));

	fixture_free(f, handle);
	assert_string_equal(page_layout(f->pool, 0), "f");
	assert_true(block_is_free(page_word(f->pool, 0, handle_unit(handle))));
}

static void a_used_header_tells_kind_check_and_generation(struct pool_fixture *f)
{
	xv_handle first = fixture_malloc(f, size_of_16(1));
	xv_handle second = fixture_malloc(f, size_of_16(1));
	uint32_t a = page_word(f->pool, 0, handle_unit(first));
	uint32_t b = page_word(f->pool, 0, handle_unit(second));

	assert_int_equal(block_kind(a), BLOCK_WHOLE);
	assert_int_equal(block_check(a),
			 xvi_place_hash(f->pool, 0, handle_unit(first)) & BLOCK_CHECK_MASK);
	assert_int_equal(block_generation(b, f->pool->unit_bits),
			 block_generation(a, f->pool->unit_bits) + 1);
}

static const struct pool_test tests[] = {
	POOL_TEST(free_between_used_blocks_merges_nothing, EACH_ALIGNMENT),
	POOL_TEST(free_merges_with_the_block_before, EACH_ALIGNMENT),
	POOL_TEST(free_merges_with_the_block_behind, EACH_ALIGNMENT),
	POOL_TEST(free_merges_both_neighbours, EACH_ALIGNMENT),
	POOL_TEST(free_of_the_first_block_has_nothing_before_it, EACH_ALIGNMENT),
	POOL_TEST(free_of_the_last_block_merges_into_the_page_end, EACH_ALIGNMENT),
	POOL_TEST(free_of_a_block_at_the_page_end_writes_nothing_behind_it, EACH_ALIGNMENT),
	POOL_TEST(freeing_all_gives_the_page_to_the_reserve, EACH_ALIGNMENT),
	POOL_TEST(free_in_every_order_leaves_one_free_block, EACH_ALIGNMENT),
	POOL_TEST(a_rest_under_16_bytes_stays_as_pad, EACH_ALIGNMENT),
	POOL_TEST(a_rest_of_16_bytes_becomes_a_free_block, EACH_ALIGNMENT),
	POOL_TEST(a_hole_is_cut_from_its_front, EACH_ALIGNMENT),
	POOL_TEST(a_hole_that_fits_exactly_leaves_nothing, EACH_ALIGNMENT),
	POOL_TEST(size_and_pad_make_up_the_block, EACH_ALIGNMENT),
	POOL_TEST(the_smallest_free_block_is_found_again, EACH_ALIGNMENT),
	POOL_TEST(an_aligned_block_leaves_its_lead_free, EACH_ALIGNMENT),
	POOL_TEST(a_lead_too_small_for_a_free_block_is_skipped, EACH_ALIGNMENT),
	POOL_TEST(a_freed_header_does_not_pass_for_one, EACH_ALIGNMENT),
	POOL_TEST(the_header_of_the_last_object_dies_with_its_page, EACH_ALIGNMENT),
	POOL_TEST(a_used_header_tells_kind_check_and_generation, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_merge", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
