/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free_list.h: rings, their order, the two levels of bitmaps and the search, against
 * a search through all records. White box: src/core, on a pool that is only lists and
 * records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "free_list.h"
#include "test_random.h"

enum { RECORDS = 400, STEPS = 6000 };

/* A pool of which only the lists, the records and one page record are real. */
struct lists {
	struct xv_pool pool;
	struct xvi_hole records[RECORDS];
	struct xvi_page page;
	void *memory;
	uint32_t page_bytes;
};

static void lists_make(struct lists *l, uint32_t page_bytes)
{
	memset(l, 0, sizeof(*l));
	l->page_bytes = page_bytes;
	l->memory = calloc(1, xvi_free_lists_bytes(page_bytes));
	assert_non_null(l->memory);
	xvi_free_lists_init(&l->pool.lists, page_bytes, l->memory);
	l->pool.holes.records = l->records;
	l->pool.pages.records = &l->page;
}

static void lists_end(struct lists *l)
{
	free(l->memory);
}

static void insert(struct lists *l, uint32_t index, uint32_t units)
{
	l->records[index].units = (uint16_t)units;
	free_list_insert(&l->pool, index);
}

static void take(struct lists *l, uint32_t index)
{
	free_list_remove(&l->pool, index);
	l->records[index].units = 0;
}

static uint32_t find(struct lists *l, uint32_t units)
{
	uint32_t index = free_list_find(&l->pool.lists, units);

	return index == 0 ? 0 : l->records[index].units;
}

static uint32_t largest(struct lists *l)
{
	uint32_t index = xvi_free_list_largest(&l->pool.lists);

	return index == 0 ? 0 : l->records[index].units;
}

static uint32_t best_of_all(const struct lists *l, uint32_t units)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < RECORDS; i++) {
		uint32_t have = l->records[i].units;

		if (have >= units && have != 0 && (best == 0 || have < best))
			best = have;
	}
	return best;
}

static uint32_t largest_of_all(const struct lists *l)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < RECORDS; i++)
		best = l->records[i].units > best ? l->records[i].units : best;
	return best;
}

/* Records of a list: linked both ways, all of its length. */
static size_t list_length(const struct lists *l, uint32_t list)
{
	uint32_t prev = 0;
	size_t length = 0;

	for (uint32_t at = l->pool.lists.heads[list]; at != 0; at = l->records[at].next) {
		assert_int_equal(l->records[at].units, list);
		assert_int_equal(l->records[at].prev, prev);
		prev = at;
		assert_true(++length < RECORDS);
	}
	return length;
}

static bool bit_is_set(const uint64_t *bits, uint32_t i)
{
	return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static void lists_check(const struct lists *l, size_t count)
{
	const struct xvi_free_lists *lists = &l->pool.lists;
	size_t found = 0;

	for (uint32_t list = 0; list < lists->list_count; list++) {
		size_t length = list_length(l, list);

		assert_int_equal(bit_is_set(lists->list_bits, list), length != 0);
		assert_int_equal(bit_is_set(lists->word_bits, list / 64),
				 lists->list_bits[list / 64] != 0);
		found += length;
	}
	assert_int_equal(found, count);
}

static const uint32_t page_sizes[] = {4096, 8192, 16384, 32768, 65536};
enum { PAGE_SIZES = sizeof(page_sizes) / sizeof(page_sizes[0]) };

static void nothing_is_found_in_empty_lists(void **state)
{
	struct lists l;

	(void)state;
	for (size_t i = 0; i < PAGE_SIZES; i++) {
		lists_make(&l, page_sizes[i]);
		for (uint32_t units = 0; units <= page_sizes[i] / 4 + 8; units++)
			assert_int_equal(find(&l, units), 0);
		assert_int_equal(largest(&l), 0);
		lists_check(&l, 0);
		lists_end(&l);
	}
}

static void one_block_is_found_by_all_that_fit(void **state)
{
	struct lists l;

	(void)state;
	for (size_t i = 0; i < PAGE_SIZES; i++) {
		uint32_t units_max = page_sizes[i] / 4;

		lists_make(&l, page_sizes[i]);
		for (uint32_t units = 2; units <= units_max; units += units < 70 ? 1 : 31) {
			insert(&l, 1, units);
			assert_int_equal(find(&l, 1), units);
			assert_int_equal(find(&l, units - 1), units);
			assert_int_equal(find(&l, units), units);
			assert_int_equal(find(&l, units + 1), 0);
			assert_int_equal(largest(&l), units);
			take(&l, 1);
			assert_int_equal(find(&l, 1), 0);
		}
		insert(&l, 1, units_max);
		assert_int_equal(find(&l, 2), units_max);
		lists_check(&l, 1);
		lists_end(&l);
	}
}

static void lengths_a_unit_apart_are_told_apart(void **state)
{
	struct lists l;

	(void)state;
	/* Every order of inserting two of each. */
	for (unsigned order = 0; order < 16; order++) {
		lists_make(&l, 4096);
		for (uint32_t i = 0; i < 4; i++) {
			insert(&l, i + 1, 20 + (order >> i & 1U));
			lists_check(&l, i + 1);
			assert_int_equal(find(&l, 20), best_of_all(&l, 20));
			assert_int_equal(find(&l, 21), best_of_all(&l, 21));
		}
		for (uint32_t i = 0; i < 4; i++) {
			take(&l, (i + order) % 4 + 1);
			lists_check(&l, 3 - i);
			assert_int_equal(find(&l, 20), best_of_all(&l, 20));
			assert_int_equal(find(&l, 21), best_of_all(&l, 21));
		}
		lists_end(&l);
	}
}

static void the_newest_of_a_length_is_taken_first(void **state)
{
	struct lists l;

	(void)state;
	lists_make(&l, 4096);
	for (uint32_t i = 1; i <= 5; i++)
		insert(&l, i, 33);
	for (uint32_t i = 5; i >= 1; i--) {
		assert_int_equal(free_list_find(&l.pool.lists, 33), i);
		assert_int_equal(free_list_pop(&l.pool, &l.pool.lists, 33), i);
		l.records[i].units = 0;
		lists_check(&l, i - 1);
	}
	lists_end(&l);
}

static void step(struct lists *l, uint64_t *random, size_t *count)
{
	uint32_t index = 1 + (uint32_t)random_below(random, RECORDS - 1);
	uint32_t spread = (uint32_t)random_below(random, 3) == 0 ? l->page_bytes / 4 : 40;

	if (l->records[index].units == 0) {
		insert(l, index, 2 + (uint32_t)random_below(random, spread - 1));
		(*count)++;
	} else {
		take(l, index);
		(*count)--;
	}
}

static void the_best_fit_is_found_among_many(void **state)
{
	uint64_t random = environment_number("XV_SEED", 1);
	struct lists l;

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)random);
	for (size_t i = 0; i < PAGE_SIZES; i++) {
		size_t count = 0;

		lists_make(&l, page_sizes[i]);
		for (size_t n = 0; n < STEPS; n++) {
			uint32_t units = 1 + (uint32_t)random_below(&random, page_sizes[i] / 4);

			step(&l, &random, &count);
			assert_int_equal(find(&l, units), best_of_all(&l, units));
			assert_int_equal(find(&l, units % 44), best_of_all(&l, units % 44));
			assert_int_equal(largest(&l), largest_of_all(&l));
			if (n % 500 == 0)
				lists_check(&l, count);
		}
		xvi_free_lists_clear(&l.pool.lists);
		lists_check(&l, 0);
		lists_end(&l);
	}
}

static void lists_without_memory_are_empty_and_can_be_cleared(void **state)
{
	struct xvi_free_lists lists;

	(void)state;
	memset(&lists, 0, sizeof(lists));
	xvi_free_lists_clear(&lists);
	assert_int_equal(xvi_free_list_largest(&lists), 0);
	assert_int_equal(free_list_next(&lists, 0), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_found_in_empty_lists),
		cmocka_unit_test(one_block_is_found_by_all_that_fit),
		cmocka_unit_test(lengths_a_unit_apart_are_told_apart),
		cmocka_unit_test(the_newest_of_a_length_is_taken_first),
		cmocka_unit_test(the_best_fit_is_found_among_many),
		cmocka_unit_test(lists_without_memory_are_empty_and_can_be_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
