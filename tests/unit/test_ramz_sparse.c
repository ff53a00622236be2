/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Stores much larger than memory: what they take depends on the pages, not on the size.
 */
#include "test_ramz_support.h"

#define TIB ((uint64_t)1 << 40)

static void open_or_skip(struct ramz **store, uint64_t size_bytes, uint32_t page_bytes)
{
	struct ramz_options options;
	int err;

	store_options(&options, 1);
	options.size_bytes = size_bytes;
	options.page_bytes = page_bytes;
	err = ramz_create(store, &options);
	if (err == -XV_ENOMEM)
		skip(); /* no address space */
	assert_int_equal(err, 0);
}

static void a_tib_with_few_pages_takes_little(void **state)
{
	enum { PAGES = 1000 };
	static uint64_t slot[PAGES];
	uint64_t seed = environment_number("XV_SEED", 77);
	struct ramz *store;
	struct ramz_stats stats;

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	open_or_skip(&store, TIB, PAGE);
	stats = store_stats(store);
	assert_true(stats.held_bytes < 512 << 10);
	for (uint64_t i = 0; i < PAGES; i++) {
		slot[i] = random_below(&seed, TIB / PAGE / PAGES) + i * (TIB / PAGE / PAGES);
		store_put(store, slot[i], i);
	}
	stats = store_stats(store);
	/* A leaf and a mid for each page at worst, and what is stored. */
	assert_true(stats.slot_table_bytes < PAGES * (uint64_t)3 * 4096 + (64 << 10));
	assert_true(stats.held_bytes < stats.stored_bytes + PAGES * (uint64_t)3 * 4096 + (2 << 20));
	for (uint64_t i = 0; i < PAGES; i++)
		store_expect(store, slot[i], i);
	store_expect_zero(store, slot[3] + 1);
	store_put(store, TIB / PAGE - 1, 5);
	store_expect(store, TIB / PAGE - 1, 5);
	/* Dropping it all does not take a look at each of its slots. */
	assert_int_equal(ramz_discard(store, 0, TIB), 0);
	assert_int_equal(store_stats(store).notify_free, TIB / PAGE);
	assert_true(ramz_trim(store) > 0);
	assert_true(store_stats(store).slot_table_bytes < 64 << 10);
	store_close(store);
}

static void dense_pages_take_eight_bytes_of_table_each(void **state)
{
	struct ramz *store;

	(void)state;
	open_or_skip(&store, TIB, PAGE);
	for (uint64_t slot = 0; slot < 16384; slot++)
		store_put(store, 123456789 + slot, 8); /* same-filled */
	assert_true(store_stats(store).slot_table_bytes <
		    16384 * 8 * 11 / 10 + (64 << 10) + 16384 * 8);
	store_close(store);
}

static void the_largest_store_works_and_a_larger_one_does_not(void **state)
{
	struct ramz_options options;
	struct ramz *store;

	(void)state;
	open_or_skip(&store, RAMZ_PAGES_MAX * PAGE, PAGE);
	store_put(store, RAMZ_PAGES_MAX - 1, 3);
	store_put(store, 0, 4);
	store_expect(store, RAMZ_PAGES_MAX - 1, 3);
	store_expect(store, 0, 4);
	assert_int_equal(ramz_resize(store, RAMZ_PAGES_MAX * PAGE + 1), -XV_E2BIG);
	store_close(store);
	store_options(&options, 1);
	options.size_bytes = RAMZ_PAGES_MAX * PAGE + 1;
	assert_int_equal(ramz_create(&store, &options), -XV_E2BIG);
	open_or_skip(&store, RAMZ_PAGES_MAX * PAGE + 1, 2 * PAGE);
	ramz_destroy(store);
}

static void growing_and_shrinking_a_sparse_store(void **state)
{
	struct ramz *store;

	(void)state;
	open_or_skip(&store, TIB, PAGE);
	for (uint64_t slot = 0; slot < 64; slot++)
		store_put(store, slot * 4000000, slot);
	assert_int_equal(ramz_resize(store, (uint64_t)4000001 * PAGE), 0);
	assert_int_equal(store_stats(store).pages_stored, 2);
	assert_int_equal(ramz_resize(store, 4 * TIB), 0);
	store_expect(store, 4000000, 1);
	store_expect_zero(store, 8000000);
	store_close(store);
}

static void a_part_behind_the_new_end_goes(void **state)
{
	uint64_t table_bytes;
	struct ramz *store;

	(void)state;
	open_or_skip(&store, (uint64_t)1024 * PAGE, PAGE);
	store_put(store, 511, 8);
	table_bytes = store_stats(store).slot_table_bytes;
	store_put(store, 512, 8);
	assert_true(store_stats(store).slot_table_bytes > table_bytes);
	assert_int_equal(ramz_resize(store, (uint64_t)512 * PAGE), 0);
	assert_int_equal(store_stats(store).slot_table_bytes, table_bytes);
	store_expect(store, 511, 8);
	store_close(store);
}

#ifdef TEST_WRAPS_ALLOC
/* ---- two that make the same part of the table: the linker leads rzi_aligned_alloc here ---- */

static struct ramz *other_writes; /* into this one, while the next memory is taken */

void *__real_rzi_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_rzi_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_rzi_aligned_alloc(size_t alignment, size_t bytes)
{
	struct ramz *store = other_writes;

	other_writes = NULL;
	if (store != NULL)
		store_put(store, 1, 8);
	return __real_rzi_aligned_alloc(alignment, bytes);
}

static void of_a_part_that_is_made_twice_one_is_left(void **state)
{
	uint64_t table_bytes[2];

	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		struct ramz *store;

		open_or_skip(&store, TIB, PAGE);
		store_put(store, TIB / PAGE - 1, 8); /* what else a write needs is there */
		other_writes = twice ? store : NULL;
		store_put(store, 0, 8);
		assert_null(other_writes);
		store_put(store, 1, 8);
		store_expect(store, 0, 8);
		store_expect(store, 1, 8);
		table_bytes[twice] = store_stats(store).slot_table_bytes;
		store_close(store);
	}
	assert_int_equal(table_bytes[0], table_bytes[1]);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tib_with_few_pages_takes_little),
		cmocka_unit_test(dense_pages_take_eight_bytes_of_table_each),
		cmocka_unit_test(the_largest_store_works_and_a_larger_one_does_not),
		cmocka_unit_test(growing_and_shrinking_a_sparse_store),
		cmocka_unit_test(a_part_behind_the_new_end_goes),
#ifdef TEST_WRAPS_ALLOC
		cmocka_unit_test(of_a_part_that_is_made_twice_one_is_left),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
