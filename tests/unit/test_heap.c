/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* test_heap.c: what a heap does, case by case. test_heap_model.c does it at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "fast.h"
#include "heap_source.h"
#include "start.h"

static struct heap_source source;
static struct xvi_heap *const heap = &source.heap;

static const struct heap_source_shape usual = {
	.page_shift = 16, .grain_shift = 12, .alignment = 4, .prove = true};

struct block {
	uint32_t page;
	uint32_t unit;
};

static void check(void)
{
	struct xvi_heap_fault fault;

	if (!xvi_heap_check(heap, &fault))
		fail_msg("invariant %u, page %u, unit %u: %s", fault.invariant, fault.page,
			 fault.unit, fault.message);
}

static int try_malloc(uint32_t content, struct block *block)
{
	struct xvi_place place = {0};
	int err = xvi_heap_malloc(heap, content, 0, 1, HEAP_MAY_GROW, &place);

	if (err != 0)
		return err;
	*block = (struct block){place.page, place.unit};
	heap_unmap(heap, place.page, place.words);
	return 0;
}

static struct block make(uint32_t content)
{
	struct block block;

	assert_int_equal(try_malloc(content, &block), 0);
	return block;
}

static void drop(struct block block)
{
	uint32_t *words = heap_map(heap, block.page);

	xvi_heap_free(heap, block.page, words, block.unit);
}

static void freed_block_joins_both_neighbours(void **state)
{
	struct block block[5];

	(void)state;
	heap_source_init(&source, &usual);
	for (uint32_t i = 0; i < 5; i++)
		block[i] = make(196);
	assert_int_equal(heap->holes.live, 1); /* the end of the page */
	drop(block[1]);
	assert_int_equal(heap->holes.live, 2);
	drop(block[3]);
	assert_int_equal(heap->holes.live, 3);
	drop(block[2]);
	assert_int_equal(heap->holes.live, 2);
	check();
	/* The hole of three blocks is taken whole. */
	assert_int_equal(make(596).unit, block[1].unit);
	check();
	heap_source_fini(&source);
}

static void request_takes_the_smallest_hole(void **state)
{
	struct block small, large, again;

	(void)state;
	heap_source_init(&source, &usual);
	large = make(400);
	(void)make(100);
	small = make(300);
	(void)make(100);
	drop(large);
	drop(small);
	again = make(296);
	assert_int_equal(again.unit, small.unit);
	check();
	heap_source_fini(&source);
}

enum { SPARE_BLOCK = 3 * 4096 - 4, BLOCKS_OF_A_PAGE = 5, LEAST_SPARE = 8 };

/* Free the block in the middle of a page, which leaves a grain spare. */
static void spare_a_grain(struct block *blocks, uint32_t page)
{
	uint32_t before = (uint32_t)heap->spare_grains;

	drop(blocks[page * BLOCKS_OF_A_PAGE + 2]);
	assert_true(heap->spare_grains > before || before >= LEAST_SPARE);
	assert_true(heap->spare_grains <= LEAST_SPARE ||
		    heap->spare_grains <= (heap->committed_grains + 199) / 200);
	check();
}

/* A 200th of the grains stay, or eight; what is beyond that goes back from the oldest page. */
static void the_oldest_spare_grains_go_back(void **state)
{
	static const uint32_t pages[] = {20, 160, 300};
	static struct block blocks[300 * BLOCKS_OF_A_PAGE];

	(void)state;
	for (size_t n = 0; n < sizeof(pages) / sizeof(pages[0]); n++) {
		uint32_t first, most;

		heap_source_init(&source, &usual);
		for (uint32_t i = 0; i < pages[n] * BLOCKS_OF_A_PAGE; i++)
			blocks[i] = make(SPARE_BLOCK);
		first = (uint32_t)heap->committed_grains;
		most = first / 200 > LEAST_SPARE ? first / 200 : LEAST_SPARE;
		for (uint32_t i = 0; i < most; i++)
			spare_a_grain(blocks, i);
		assert_int_equal(heap->committed_grains, first);
		assert_int_equal(heap->spare_grains, most);
		spare_a_grain(blocks, most);
		assert_int_equal(heap->committed_grains, first - 1);
		for (uint32_t i = 0; i <= most; i++)
			assert_int_equal(
				grain_bits(heap_page(heap, blocks[i * 5].page)->committed),
				grain_bits(heap_page(heap, blocks[most * 5].page)->committed) -
					(i == 0));
		for (uint32_t i = 0; i < pages[n] * BLOCKS_OF_A_PAGE; i++) {
			if (i % BLOCKS_OF_A_PAGE != 2 || i / BLOCKS_OF_A_PAGE > most)
				drop(blocks[i]);
		}
		heap_source_fini(&source);
	}
}

static void memory_comes_and_goes_by_the_grain(void **state)
{
	struct block block[14];

	(void)state;
	heap_source_init(&source, &usual);
	block[0] = make(100);
	assert_int_equal(source.grains, 1);
	for (uint32_t i = 1; i < 14; i++)
		block[i] = make(4000);
	assert_in_range(source.grains, 13, 14);
	/* Kept: eight. */
	for (uint32_t i = 13; i >= 1; i--)
		drop(block[i]);
	check();
	assert_true(heap->spare_grains <= heap_spare_most(heap));
	assert_in_range(source.grains, 1, 10);
	(void)xvi_heap_give_back(heap, 0);
	assert_in_range(source.grains, 1, 2);
	check();
	drop(block[0]);
	assert_int_equal(heap->page_count, 1);
	(void)xvi_heap_give_back(heap, 0);
	assert_int_equal(heap->page_count, 0);
	assert_int_equal(source.grains, 0);
	check();
	heap_source_fini(&source);
}

static void grains_that_cannot_go_stay_counted_and_are_used_again(void **state)
{
	struct block block[16];

	(void)state;
	heap_source_init(&source, &usual);
	for (uint32_t i = 0; i < 16; i++)
		block[i] = make(4000);
	source.refuse_give = true;
	for (uint32_t i = 0; i < 16; i++)
		drop(block[i]);
	(void)xvi_heap_give_back(heap, 0);
	check();
	assert_int_equal(heap->committed_grains, source.grains);
	for (uint32_t i = 0; i < 16; i++)
		block[i] = make(4000);
	assert_int_equal(source.grains, 16);
	check();
	heap_source_fini(&source);
}

/* A record for each hole that blocks can leave is made sure of when they are made. */
static void free_needs_no_memory(void **state)
{
	static struct block block[2000];

	(void)state;
	heap_source_init(&source, &usual);
	for (uint32_t i = 0; i < 2000; i++)
		block[i] = make(60);
	source.fail_at = source.takes + 1;
	for (uint32_t i = 0; i < 2000; i += 2)
		drop(block[i]);
	assert_int_equal(source.fail_at, source.takes + 1);
	assert_true(heap->holes.live >= 1000);
	check();
	heap_source_fini(&source);
}

static void failed_malloc_changes_nothing(void **state)
{
	struct block block;
	uint64_t grains;
	uint32_t pages;

	(void)state;
	heap_source_init(&source, &usual);
	(void)make(5000);
	grains = source.grains;
	pages = heap->page_count;
	for (uint32_t at = 1; at < 3; at++) {
		source.fail_at = source.takes + at;
		if (try_malloc(61000, &block) != 0) {
			assert_int_equal(source.grains, grains);
			assert_int_equal(heap->page_count, pages);
		}
		check();
	}
	source.fail_at = 0;
	source.grains_most = source.grains;
	assert_int_equal(try_malloc(40000, &block), -XV_ENOSPC);
	assert_int_equal(source.grains, grains);
	check();
	heap_source_fini(&source);
}

/* At the limit a request is served from a larger hole whose memory is there. */
static void request_at_the_limit_takes_memory_that_is_there(void **state)
{
	struct block first, block;

	(void)state;
	heap_source_init(&source, &usual);
	first = make(3000);
	(void)make(1000);
	drop(first);
	source.grains_most = source.grains;
	(void)make(900);
	assert_int_equal(try_malloc(4000, &block), -XV_ENOSPC);
	assert_int_equal(try_malloc(1500, &block), 0);
	check();
	heap_source_fini(&source);
}

static void every_place_but_a_blocks_beginning_is_refused(void **state)
{
	static struct block block[3000];
	uint32_t *words;
	uint32_t found = 0, count = 0;

	(void)state;
	heap_source_init(&source, &usual);
	/* 8 bytes and more: some begin at the last unit of a KiB, some alone in theirs. */
	for (uint32_t i = 0; heap->page_count < 2; i++) {
		block[count++] = make(i % 7 == 0 ? 2300 : 4 + i % 50);
		assert_in_range(count, 1, 2999);
	}
	for (uint32_t i = 0; i < count; i += 3)
		drop(block[i]);
	words = heap_map(heap, 0);
	for (uint32_t unit = 0; unit < heap->shape.end_unit; unit++)
		found += start_is(heap, &heap->shape, heap_page(heap, 0), 0, words, unit);
	count = 0;
	for (uint32_t unit = xvi_heap_next_used(heap, 0, words, 0); unit < heap->shape.end_unit;
	     unit = xvi_heap_next_used(heap, 0, words, unit)) {
		assert_true(start_is(heap, &heap->shape, heap_page(heap, 0), 0, words, unit));
		unit += heap_block_units(heap, words[unit]);
		count++;
	}
	assert_int_equal(found, count);
	heap_source_fini(&source);
}

static void block_grows_into_the_hole_behind_it_only(void **state)
{
	struct block a, b;
	struct xvi_place place = {0};

	(void)state;
	heap_source_init(&source, &usual);
	a = make(100);
	b = make(100);
	(void)make(100);
	place = (struct xvi_place){a.page, a.unit, heap_map(heap, a.page), 0};
	place.header = place.words[a.unit];
	assert_false(xvi_heap_resize(heap, &place, 104));
	drop(b);
	assert_true(xvi_heap_resize(heap, &place, 204));
	assert_false(xvi_heap_resize(heap, &place, 208));
	assert_true(xvi_heap_resize(heap, &place, 1));
	check();
	heap_source_fini(&source);
}

static void victims_holes_are_used_last(void **state)
{
	struct block a, b;

	(void)state;
	heap_source_init(&source, &usual);
	a = make(1000);
	(void)make(1000);
	drop(a);
	xvi_heap_victim_begin(heap, a.page);
	check();
	b = make(1000);
	assert_int_not_equal(b.page, a.page);
	/* But before a request fails. */
	source.grains_most = source.grains;
	source.shape.pages_max = 2;
	b = make(996);
	(void)make(1000);
	(void)b;
	check();
	heap_source_fini(&source);
}

static void hole_table_shrinks_when_it_is_trimmed(void **state)
{
	static struct block block[4000];

	(void)state;
	heap_source_init(&source, &usual);
	for (uint32_t i = 0; i < 4000; i++)
		block[i] = make(60);
	for (uint32_t i = 0; i < 4000; i += 2)
		drop(block[i]);
	for (uint32_t i = 1; i < 3900; i += 2)
		drop(block[i]);
	assert_true(heap->holes.high > 1900);
	xvi_heap_shrink_records(heap);
	assert_int_equal(heap->holes.high, heap->holes.live + 1);
	assert_true(heap->holes.ready <= 512);
	check();
	/* No record that was moved is taken for an unused one. */
	for (uint32_t i = 3901; i < 4000; i += 2)
		drop(block[i]);
	for (uint32_t i = 0; i < 400; i++)
		block[i] = make(60);
	for (uint32_t i = 0; i < 400; i += 2)
		drop(block[i]);
	check();
	heap_source_fini(&source);
}

static void one_step_of_the_hole_table_goes_too(void **state)
{
	static struct block block[300];

	(void)state;
	heap_source_init(&source, &usual);
	for (uint32_t i = 0; i < 300; i++)
		block[i] = make(60);
	assert_int_equal(source.records_ready, 2 * RECORD_STEP);
	for (uint32_t i = 300; i-- > 10;)
		drop(block[i]);
	assert_true(xvi_heap_give_all(heap));
	assert_int_equal(source.records_ready, RECORD_STEP);
	for (uint32_t i = 10; i < 300; i++)
		block[i] = make(60);
	for (uint32_t i = 300; i-- > 10;)
		drop(block[i]);
	xvi_heap_shrink_records(heap);
	assert_int_equal(source.records_ready, RECORD_STEP);
	check();
	heap_source_fini(&source);
}

static void records_in_use_stay_when_memory_is_given_back(void **state)
{
	static struct block block[4000];

	(void)state;
	heap_source_init(&source, &usual);
	for (uint32_t i = 0; i < 4000; i++)
		block[i] = make(60);
	for (uint32_t i = 0; i < 4000; i += 2)
		drop(block[i]);
	/* Few blocks and holes are left, but one of the last records is in use. */
	for (uint32_t i = 1; i < 3900; i += 2)
		drop(block[i]);
	assert_true(heap->holes.high > 1900);
	(void)xvi_heap_give_all(heap);
	assert_true(heap->holes.ready >= heap->holes.high);
	check();
	for (uint32_t i = 0; i < 100; i++)
		(void)make(60);
	check();
	heap_source_fini(&source);
}

/* One for each block, one for the page, and record 0. */
static void hole_table_is_used_to_its_last_record(void **state)
{
	struct heap_source_shape shape = usual;
	struct xvi_place place = {0};

	(void)state;
	shape.records_most = RECORD_STEP + 1;
	heap_source_init(&source, &shape);
	for (uint32_t i = 0; i < RECORD_STEP - 1; i++)
		(void)make(60);
	assert_int_equal(xvi_heap_malloc(heap, 60, 0, 1, HEAP_MAY_GROW, &place), -XV_ENOMEM);
	check();
	heap_source_fini(&source);
}

static void spare_memory_goes_before_a_request_fails(void **state)
{
	struct block first, second;

	(void)state;
	heap_source_init(&source, &usual);
	first = make(16000);
	(void)make(100);
	second = make(16000);
	(void)make(100);
	drop(first);
	drop(second);
	assert_true(heap->spare_grains >= 5);
	source.grains_most = source.grains;
	(void)make(18000); /* neither hole is long enough */
	check();
	heap_source_fini(&source);
}

static void spare_memory_goes_before_a_page_is_refused(void **state)
{
	struct block first, second;

	(void)state;
	heap_source_init(&source, &usual);
	first = make(16000);
	(void)make(100);
	second = make(16000);
	(void)make(33000);
	drop(first);
	drop(second);
	assert_true(heap->spare_grains >= 6);
	source.grains_most = source.grains;
	(void)make(18000);
	assert_int_equal(heap->page_count, 2);
	check();
	heap_source_fini(&source);
}

/* The next page has no memory. */
static void block_at_the_end_of_its_page_touches_nothing_behind(void **state)
{
	struct xvi_place place = {0};

	(void)state;
	heap_source_init(&source, &usual);
	(void)make(heap_content_max(heap) - 104);
	assert_true(heap_malloc_fast(heap, &heap->shape, 100, &place));
	heap_unmap(heap, place.page, place.words);
	assert_int_equal(place.unit + 26, heap->shape.end_unit);
	check();
	heap_source_fini(&source);
}

static void hole_of_the_shortest_length_asked_for_is_used_again(void **state)
{
	struct block first, again;

	(void)state;
	heap_source_init(&source, &usual);
	first = make(20);
	(void)make(20);
	drop(first);
	again = make(20);
	assert_int_equal(again.page, first.page);
	assert_int_equal(again.unit, first.unit);
	heap_source_fini(&source);
}

static void rest_of_the_shortest_length_asked_for_is_used_again(void **state)
{
	struct block first, again;
	struct xvi_place place = {0};

	(void)state;
	heap_source_init(&source, &usual);
	first = make(44);
	(void)make(20);
	drop(first);
	assert_true(heap_malloc_fast(heap, &heap->shape, 20, &place));
	heap_unmap(heap, place.page, place.words);
	assert_int_equal(place.unit, first.unit);
	again = make(20);
	assert_int_equal(again.unit, first.unit + 6);
	check();
	heap_source_fini(&source);
}

static void free_units_are_those_beside_blocks(void **state)
{
	struct block first;

	(void)state;
	heap_source_init(&source, &usual);
	assert_int_equal(heap_free_units(heap), 0);
	first = make(heap_content_max(heap));
	assert_int_equal(heap_free_units(heap), 0);
	(void)make(100); /* 26 units of a grain of 1,024 */
	assert_int_equal(heap_free_units(heap), 998);
	drop(first);
	assert_int_equal(heap_free_units(heap), 998);
	check();
	heap_source_fini(&source);
}

/* How many of the places of equal holes a block of their length gets, one at a time. */
static uint32_t places_taken(bool scatter)
{
	enum { BLOCKS = 64, TURNS = 500 };
	struct xvi_heap_config config = {.scatter = false};
	struct block block[BLOCKS];
	bool seen[BLOCKS] = {false};
	uint32_t places = 0;

	heap_source_open(&source, &usual, &config);
	config.scatter = scatter;
	xvi_heap_init(heap, &config);
	for (uint32_t i = 0; i < BLOCKS; i++)
		block[i] = make(196);
	for (uint32_t i = 0; i < BLOCKS; i += 2)
		drop(block[i]);
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		struct block one = make(196);

		for (uint32_t i = 0; i < BLOCKS; i += 2) {
			if (one.unit == block[i].unit && !seen[i]) {
				seen[i] = true;
				places++;
			}
		}
		drop(one);
	}
	check();
	heap_source_fini(&source);
	return places;
}

static void equal_holes_are_taken_at_random_in_a_scattered_heap(void **state)
{
	(void)state;
	assert_int_equal(places_taken(false), 1);
	assert_true(places_taken(true) >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freed_block_joins_both_neighbours),
		cmocka_unit_test(request_takes_the_smallest_hole),
		cmocka_unit_test(the_oldest_spare_grains_go_back),
		cmocka_unit_test(memory_comes_and_goes_by_the_grain),
		cmocka_unit_test(grains_that_cannot_go_stay_counted_and_are_used_again),
		cmocka_unit_test(free_needs_no_memory),
		cmocka_unit_test(failed_malloc_changes_nothing),
		cmocka_unit_test(request_at_the_limit_takes_memory_that_is_there),
		cmocka_unit_test(every_place_but_a_blocks_beginning_is_refused),
		cmocka_unit_test(block_grows_into_the_hole_behind_it_only),
		cmocka_unit_test(victims_holes_are_used_last),
		cmocka_unit_test(hole_table_shrinks_when_it_is_trimmed),
		cmocka_unit_test(one_step_of_the_hole_table_goes_too),
		cmocka_unit_test(spare_memory_goes_before_a_page_is_refused),
		cmocka_unit_test(block_at_the_end_of_its_page_touches_nothing_behind),
		cmocka_unit_test(records_in_use_stay_when_memory_is_given_back),
		cmocka_unit_test(rest_of_the_shortest_length_asked_for_is_used_again),
		cmocka_unit_test(free_units_are_those_beside_blocks),
		cmocka_unit_test(equal_holes_are_taken_at_random_in_a_scattered_heap),
		cmocka_unit_test(spare_memory_goes_before_a_request_fails),
		cmocka_unit_test(hole_of_the_shortest_length_asked_for_is_used_again),
		cmocka_unit_test(hole_table_is_used_to_its_last_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
