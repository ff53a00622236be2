/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_check.c: xv_pool_check names each invariant of pool_impl.h that is broken, and tells
 * where those of the layers below are, in whichever shard. White box: the pool's folder.
 */
#include "pool_fixture.h"

#include "pool_impl.h"

enum { OBJECTS = 40, SIZE = 700 };

static xv_handle handles[OBJECTS];

static void make_objects(struct pool_fixture *f)
{
	for (size_t i = 0; i < OBJECTS; i++)
		handles[i] = fixture_malloc(f, SIZE + i);
}

static void check_finds(struct pool_fixture *f, enum xv_check_level level, uint32_t invariant,
			uint32_t page)
{
	struct xv_check_report report;

	assert_int_equal(xv_pool_check(f->pool, level, &report), -XV_EBADMSG);
	assert_int_equal(report.invariant, invariant);
	assert_int_equal(report.page, page);
	assert_true(report.message[0] != '\0');
	assert_int_equal(xv_pool_check(f->pool, level, NULL), -XV_EBADMSG);
}

static void held_bytes_must_be_the_sum_of_the_parts(struct pool_fixture *f)
{
	uint64_t held;

	make_objects(f);
	held = f->pool->budget.held;
	f->pool->budget.held++;
	check_finds(f, XV_CHECK_DEEP, 31, UINT32_MAX);
	f->pool->budget.held--;
	fixture_check(f);
	f->pool->budget.held -= 4096;
	check_finds(f, XV_CHECK_DEEP, 31, UINT32_MAX);
	f->pool->budget.held = (uint64_t)f->pool->self_bytes;
	check_finds(f, XV_CHECK_QUICK, 31, UINT32_MAX);
	f->pool->budget.held = 0;
	check_finds(f, XV_CHECK_QUICK, 31, UINT32_MAX);
	f->pool->budget.held = held;
}

static void pages_must_be_their_shards(struct pool_fixture *f)
{
	uint32_t page;
	uint8_t owner;

	make_objects(f);
	page = xv_handle_page(handles[0]);
	owner = heap_page(&f->pool->first->objects.heap, page)->source;
	/* Nobody has it: its holes are in lists of the heap. */
	heap_page(&f->pool->first->objects.heap, page)->source = PAGE_NOBODY;
	check_finds(f, XV_CHECK_DEEP, 7, UINT32_MAX);
	heap_page(&f->pool->first->objects.heap, page)->source = owner;
	fixture_check(f);
}

/* A page that the table says is a shard's, and the shard has not. */
static void pages_in_the_table_must_be_there(struct pool_fixture *f)
{
	struct xvi_heap *heap = &f->pool->first->objects.heap;
	uint32_t page;

	make_objects(f);
	page = heap->page_limit;
	if (page >= xvi_atomic_load(&f->pool->pages.covered))
		return;
	heap_page(heap, page)->source = 1;
	check_finds(f, XV_CHECK_DEEP, 32, page);
	heap_page(heap, page)->source = PAGE_NOBODY;
	fixture_check(f);
}

static void promised_bytes_must_be_the_tables(struct pool_fixture *f)
{
	make_objects(f);
	f->pool->budget.promised += 64;
	check_finds(f, XV_CHECK_QUICK, 33, UINT32_MAX);
	check_finds(f, XV_CHECK_DEEP, 33, UINT32_MAX);
	f->pool->budget.promised -= 64;
	fixture_check(f);
}

static void pins_must_be_as_many_as_maps(struct pool_fixture *f)
{
	make_objects(f);
	f->pool->first->pins++;
	check_finds(f, XV_CHECK_DEEP, 34, UINT32_MAX);
	f->pool->first->pins--;
	heap_page(&f->pool->first->objects.heap, xv_handle_page(handles[3]))->pins++;
	check_finds(f, XV_CHECK_DEEP, 34, UINT32_MAX);
	heap_page(&f->pool->first->objects.heap, xv_handle_page(handles[3]))->pins--;
	fixture_check(f);
}

/* What the layers below find is told with page and offset. */
static void broken_block_is_told_with_its_place(struct pool_fixture *f)
{
	struct xvi_heap *heap = &f->pool->first->objects.heap;
	struct xv_check_report report;
	uint32_t page, offset, *words, keep;

	make_objects(f);
	page = xv_handle_page(handles[7]);
	offset = xv_handle_offset(handles[7]) - BLOCK_HEADER_BYTES;
	words = heap_map(heap, page);
	keep = words[offset / UNIT_BYTES];
	words[offset / UNIT_BYTES] = block_with_content(keep, 0);
	heap_unmap(heap, page, words);
	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, &report), -XV_EBADMSG);
	assert_int_equal(report.invariant, 5);
	assert_int_equal(report.page, page);
	assert_int_equal(report.offset, offset);
	assert_int_equal(f->fault.mapped_now, 0);
	words = heap_map(heap, page);
	words[offset / UNIT_BYTES] = keep;
	heap_unmap(heap, page, words);
	f->pool->first->objects.requested_bytes++;
	check_finds(f, XV_CHECK_DEEP, 25, UINT32_MAX);
	f->pool->first->objects.requested_bytes--;
}

static const struct pool_test tests[] = {
	POOL_TEST(held_bytes_must_be_the_sum_of_the_parts, 0),
	POOL_TEST(pages_must_be_their_shards, 0),
	POOL_TEST(pages_in_the_table_must_be_there, 0),
	POOL_TEST(promised_bytes_must_be_the_tables, 0),
	POOL_TEST(pins_must_be_as_many_as_maps, 0),
	POOL_TEST(broken_block_is_told_with_its_place, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_check", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
