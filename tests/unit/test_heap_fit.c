/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_heap_fit.c: which hole a request takes. Up to the longest exact list it is the smallest
 * that fits; above, none is passed over that is in a lower list, nor is a page taken while a hole
 * of the request's own list fits that lies within its first eight.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "free_list.h"
#include "heap_source.h"
#include "test_random.h"

enum { ROUNDS = 6000, BLOCKS_MAX = 700, LOOKS = 8 };

struct block {
	uint32_t page;
	uint32_t unit;
};

static struct heap_source source;
static struct xvi_heap *const heap = &source.heap;
static struct block block[BLOCKS_MAX];
static uint32_t count;

static void drop(uint32_t i)
{
	xvi_heap_free(heap, block[i].page, heap_map(heap, block[i].page), block[i].unit);
	block[i] = block[--count];
}

/* The record of the smallest hole that fits, or 0: all are looked at. */
static uint32_t smallest(uint32_t units)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < heap->holes.high; i++) {
		uint32_t length = heap->holes.records[i].units;

		if (length >= units && (best == 0 || length < heap->holes.records[best].units))
			best = i;
	}
	return best;
}

static uint32_t list(uint32_t units)
{
	return list_for(&heap->shape, units);
}

/* Among the first holes of the request's own list, does one fit? */
static bool own_list_has(uint32_t units)
{
	uint32_t index = source.heads[list(units)];

	for (uint32_t i = 0; i < LOOKS && index != 0; i++) {
		if (heap->holes.records[index].units >= units)
			return true;
		index = heap->holes.records[index].next;
	}
	return false;
}

/* The hole that a block came out of, among those there were. */
static const struct xvi_hole *hole_at(const struct xvi_hole *holes, uint32_t high,
				      const struct xvi_place *place)
{
	for (uint32_t i = 1; i < high; i++) {
		if (holes[i].units != 0 && holes[i].page == place->page &&
		    holes[i].first == place->unit)
			return &holes[i];
	}
	return NULL;
}

static void request_is_served_best(uint32_t content)
{
	static struct xvi_hole before[1 << 14];
	uint32_t units = heap_units_for(heap, content);
	uint32_t high = heap->holes.high, pages = heap->page_count;
	uint32_t best = smallest(units);
	uint32_t best_units = best != 0 ? heap->holes.records[best].units : 0;
	bool own = own_list_has(units);
	bool listed_before = units >= heap->listed_min_units;
	const struct xvi_hole *from;
	struct xvi_place place;

	assert_true(high < sizeof(before) / sizeof(before[0]));
	if (high > 1) /* record 0 is there with the others */
		memcpy(before, source.holes, high * sizeof(before[0]));
	assert_int_equal(xvi_heap_malloc(heap, content, 0, 1, HEAP_MAY_GROW, &place), 0);
	heap_unmap(heap, place.page, place.words);
	block[count++] = (struct block){place.page, place.unit};
	if (heap->page_count != pages) {
		/* But for those of its own list none fits. */
		assert_true(!own && (best == 0 || list(best_units) == list(units)));
		assert_true(best == 0 || units >= LIST_EXACT_UNITS);
		return;
	}
	from = hole_at(before, high, &place);
	assert_non_null(from);
	if (best_units < LIST_EXACT_UNITS)
		assert_true(from->units == best_units || !listed_before);
	else if (list(best_units) != list(units) || own)
		assert_int_equal(list(from->units), list(best_units));
}

static void request_takes_the_smallest_hole_that_fits(void **state)
{
	static const struct heap_source_shape shapes[] = {
		{.page_shift = 16, .grain_shift = 12, .alignment = 4, .prove = true},
		{.page_shift = 16, .grain_shift = 12, .alignment = 16, .window = true},
		{.page_shift = 12, .grain_shift = 12, .alignment = 4, .prove = true},
		{.page_shift = 15, .grain_shift = 12, .alignment = 8},
	};
	uint64_t random = environment_number("XV_TEST_SEED", 1);

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		heap_source_init(&source, &shapes[i]);
		count = 0;
		for (uint32_t round = 0; round < ROUNDS / test_shorter(); round++) {
			size_t size = random_size(&random, heap_content_max(heap));

			/* More are freed than made once there are many. */
			while (count != 0 && (count == BLOCKS_MAX ||
					      random_below(&random, 2 * BLOCKS_MAX) < count))
				drop((uint32_t)random_below(&random, count));
			if (round % 500 == 250) {
				while (count > 50)
					drop((uint32_t)random_below(&random, count));
			}
			request_is_served_best((uint32_t)size);
		}
		assert_true(xvi_heap_check(heap, NULL));
		heap_source_fini(&source);
	}
}

/* Holes of two lengths a unit apart: in whatever order they come, each serves its request. */
static void lengths_a_unit_apart_are_told_apart(void **state)
{
	static const struct heap_source_shape shape = {
		.page_shift = 16, .grain_shift = 12, .alignment = 4, .prove = true};
	enum { HOLES = 8, SHORT = 96, LONG = 100 };

	(void)state;
	for (uint32_t freed = 1; freed < 1U << HOLES; freed++) {
		struct xvi_place place, hole[HOLES];

		heap_source_init(&source, &shape);
		for (uint32_t i = 0; i < 2 * HOLES; i++) {
			uint32_t content = i % 2 == 1 ? 60 : i % 4 == 0 ? SHORT : LONG;

			assert_int_equal(
				xvi_heap_malloc(heap, content, 0, 1, HEAP_MAY_GROW, &place), 0);
			if (i % 2 == 0)
				hole[i / 2] = place;
		}
		for (uint32_t i = 0; i < HOLES; i++) {
			if ((freed >> i & 1U) != 0)
				xvi_heap_free(heap, hole[i].page, hole[i].words, hole[i].unit);
		}
		/* Those of even numbers are short. */
		assert_int_equal(xvi_heap_malloc(heap, LONG, 0, 1, HEAP_MAY_GROW, &place), 0);
		assert_int_equal(place.unit > hole[HOLES - 1].unit + 1 + LONG / UNIT_BYTES,
				 (freed & 0xAAU) == 0);
		assert_int_equal(xvi_heap_malloc(heap, SHORT, 0, 1, HEAP_MAY_GROW, &place), 0);
		for (uint32_t i = 1; (freed & 0x55U) != 0 && i < HOLES; i += 2)
			assert_int_not_equal(place.unit, hole[i].unit);
		heap_source_fini(&source);
	}
}

/* A hole shorter than any request so far has no record: whoever asks for so little finds it once
 * a neighbour was freed, and the memory is not lost. */
static void short_hole_joins_its_neighbour(void **state)
{
	static const struct heap_source_shape shape = {
		.page_shift = 16, .grain_shift = 12, .alignment = 4, .prove = true};
	struct xvi_place first, second, place;
	uint32_t live;

	(void)state;
	heap_source_init(&source, &shape);
	assert_int_equal(xvi_heap_malloc(heap, 76, 0, 1, HEAP_MAY_GROW, &first), 0);
	assert_int_equal(xvi_heap_malloc(heap, 76, 0, 1, HEAP_MAY_GROW, &second), 0);
	live = heap->holes.live;
	xvi_heap_free(heap, first.page, first.words, first.unit);
	assert_int_equal(heap->holes.live, live + 1);
	assert_int_equal(xvi_heap_malloc(heap, 60, 0, 1, HEAP_MAY_GROW, &place), 0);
	assert_int_equal(place.unit, first.unit);
	assert_int_equal(heap->holes.live, live); /* 16 bytes without a record */
	xvi_heap_free(heap, place.page, place.words, place.unit);
	assert_int_equal(xvi_heap_malloc(heap, 76, 0, 1, HEAP_MAY_GROW, &place), 0);
	assert_int_equal(place.unit, first.unit);
	assert_true(xvi_heap_check(heap, NULL));
	heap_source_fini(&source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_takes_the_smallest_hole_that_fits),
		cmocka_unit_test(lengths_a_unit_apart_are_told_apart),
		cmocka_unit_test(short_hole_joins_its_neighbour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
