/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * table.h: the page table and the hole table grow in steps and give their end back;
 * records in use move down when the hole table shrinks. White box: src/core.
 */
#include "pool_fixture.h"

#include "free_list.h"
#include "pool_blocks.h"
#include "table.h"

enum { MANY_PAGES = 1200, STEP_RECORDS = TABLE_STEP_BYTES / 16, TAKEN = 3 * STEP_RECORDS };

static uint32_t taken[TAKEN];

static void take_records(struct pool_fixture *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		taken[i] = hole_take(f->pool);
		assert_int_not_equal(taken[i], 0);
		for (size_t j = i > 20 ? i - 20 : 0; j < i; j++)
			assert_int_not_equal(taken[i], taken[j]);
	}
}

static void give_records(struct pool_fixture *f, size_t count)
{
	for (size_t i = 0; i < count; i++)
		hole_give(f->pool, taken[i]);
}

static void record_0_is_never_handed_out(struct pool_fixture *f)
{
	assert_int_equal(f->pool->holes.capacity, 0);
	take_records(f, TAKEN);
	assert_int_equal(f->pool->holes.live, TAKEN);
	assert_true(f->pool->holes.capacity > TAKEN);
	give_records(f, TAKEN);
	assert_int_equal(f->pool->holes.live, 0);
}

static void records_are_used_again(struct pool_fixture *f)
{
	uint32_t capacity;

	take_records(f, TAKEN);
	capacity = f->pool->holes.capacity;
	for (size_t i = 0; i < 5; i++) {
		give_records(f, TAKEN);
		take_records(f, TAKEN);
	}
	assert_int_equal(f->pool->holes.capacity, capacity);
	give_records(f, TAKEN);
}

static void a_hole_table_without_memory_says_so(struct pool_fixture *f)
{
	fault_provider_fail(&f->fault, FAULT_META_COMMIT, 1, FAULT_ONCE);
	assert_int_equal(hole_take(f->pool), 0);
	assert_int_equal(f->pool->holes.live, 0);
	assert_int_equal(f->pool->holes.capacity, 0);
	assert_int_not_equal(hole_take(f->pool), 0);
	hole_give(f->pool, 1);
}

static void the_hole_table_ends_at_its_reservation(struct pool_fixture *f)
{
	uint32_t max = f->pool->holes.capacity_max;
	uint32_t count = 0, index, last = 0;

	/* Chain what is taken through `prev`, which belongs to the taker. */
	while ((index = hole_take(f->pool)) != 0) {
		f->pool->holes.records[index].prev = last;
		last = index;
		count++;
	}
	assert_int_equal(count, max - 1);
	for (; last != 0; last = index) {
		index = f->pool->holes.records[last].prev;
		hole_give(f->pool, last);
	}
	assert_int_equal(f->pool->holes.live, 0);
}

/* Holes of a real pool, so that records can move: every other of many objects freed. */
static size_t make_holes(struct pool_fixture *f, xv_handle *handles, size_t max)
{
	size_t count = 0;

	while (count < max && xv_malloc(f->pool, 12, &handles[count]) == 0)
		count++;
	for (size_t i = 0; i < count; i += 2)
		fixture_free(f, handles[i]);
	return count;
}

static void the_hole_table_shrinks_step_by_step(struct pool_fixture *f)
{
	static xv_handle handles[8 * STEP_RECORDS];
	size_t count = make_holes(f, handles, 8 * STEP_RECORDS);
	uint32_t capacity = f->pool->holes.capacity;

	assert_true(capacity >= 4 * STEP_RECORDS);
	assert_int_equal(xvi_hole_table_shrink(f->pool, capacity), 0);
	/* Fewer holes, in records all over the table. */
	for (size_t i = 1; i < count; i += 2) {
		if (i % 16 != 1)
			fixture_free(f, handles[i]);
	}
	while (xvi_hole_table_shrink(f->pool, 0) != 0)
		fixture_check(f);
	assert_true(f->pool->holes.capacity < capacity);
	assert_true(f->pool->holes.capacity - STEP_RECORDS <= f->pool->holes.live);
	for (size_t i = 1; i < count; i += 16)
		fixture_free(f, handles[i]);
	assert_int_equal(fixture_stats(f).objects, 0);
}

static void the_hole_table_stays_when_a_page_cannot_be_mapped(struct pool_fixture *f)
{
	static xv_handle handles[8 * STEP_RECORDS];
	size_t count;
	uint32_t capacity;

	fixture_remake(f, FIXTURE_PAGES, NULL, FAULT_HIDE_BASE);
	count = make_holes(f, handles, 8 * STEP_RECORDS);
	capacity = f->pool->holes.capacity;
	for (size_t i = 1; i < count / 2; i += 2)
		fixture_free(f, handles[i]);
	for (uint64_t nth = 1; nth < 60; nth += 7) {
		fault_provider_fail(&f->fault, FAULT_PAGE_MAP, nth, FAULT_ONCE);
		(void)xvi_hole_table_shrink(f->pool, 0);
		fault_provider_heal(&f->fault);
		fixture_check(f);
	}
	while (xvi_hole_table_shrink(f->pool, 0) != 0)
		fixture_check(f);
	assert_true(f->pool->holes.capacity <= capacity);
}

/* ---- the page table ---- */

static void the_page_table_covers_what_is_asked(struct pool_fixture *f)
{
	uint32_t capacity;

	fixture_remake(f, MANY_PAGES, NULL, 0);
	assert_int_equal(f->pool->pages.capacity, 0);
	assert_int_equal(xvi_page_table_cover(f->pool, 0), 0);
	capacity = f->pool->pages.capacity;
	assert_int_equal(capacity, TABLE_STEP_BYTES / sizeof(struct xvi_page));
	assert_int_equal(xvi_page_table_cover(f->pool, capacity - 1), 0);
	assert_int_equal(f->pool->pages.capacity, capacity);
	assert_int_equal(xvi_page_table_cover(f->pool, capacity), 0);
	assert_int_equal(f->pool->pages.capacity, 2 * capacity);
	assert_int_equal(xvi_page_table_cover(f->pool, MANY_PAGES - 1), 0);
	assert_true(f->pool->pages.capacity >= MANY_PAGES);
	assert_int_equal(xvi_page_table_cover(f->pool, f->pool->pages.capacity_max), -XV_ENOMEM);
	assert_int_equal(xvi_page_table_cover(f->pool, UINT32_MAX - 1), -XV_ENOMEM);
	assert_true(xvi_page_table_trim(f->pool) > 0);
	assert_int_equal(f->pool->pages.capacity, 0);
	assert_int_equal(xvi_page_table_trim(f->pool), 0);
}

static void the_page_table_keeps_records_of_pages_in_use(struct pool_fixture *f)
{
	static xv_handle handles[MANY_PAGES];
	uint32_t step = TABLE_STEP_BYTES / sizeof(struct xvi_page);

	fixture_remake(f, MANY_PAGES, NULL, 0);
	for (size_t i = 0; i < 2 * step + 5; i++)
		handles[i] = fixture_malloc(f, f->page_bytes);
	for (size_t i = step + 1; i < 2 * step + 5; i++)
		fixture_free(f, handles[i]);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(f->pool->pages.capacity, 2 * step < f->pool->pages.capacity_max
							  ? 2 * step
							  : f->pool->pages.capacity_max);
	fixture_check(f);
	fixture_free(f, handles[step]);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(f->pool->pages.capacity, step);
	assert_int_equal(xv_object_size(f->pool, handles[0]), (int)f->page_bytes);
	assert_int_equal(xv_object_size(f->pool, handles[step]), -XV_EINVAL);
}

static const struct pool_test tests[] = {
	POOL_TEST(record_0_is_never_handed_out, ON_MMAP),
	POOL_TEST(records_are_used_again, ON_MMAP),
	POOL_TEST(a_hole_table_without_memory_says_so, 0),
	POOL_TEST(the_hole_table_ends_at_its_reservation, ON_MMAP),
	POOL_TEST(the_hole_table_shrinks_step_by_step, ON_MMAP),
	POOL_TEST(the_hole_table_stays_when_a_page_cannot_be_mapped, ON_MMAP),
	POOL_TEST(the_page_table_covers_what_is_asked, ON_MMAP),
	POOL_TEST(the_page_table_keeps_records_of_pages_in_use, ON_MMAP),
};

int main(int argc, char **argv)
{
	return pool_tests_run("tables", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
