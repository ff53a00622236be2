/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_object.c: what objects do, case by case: sizes, alignment, realloc, pins, errors that
 * change nothing, and a checker that ends. test_object_model.c does it at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "object_fixture.h"
#include "piece.h"
#include "test_random.h"

static struct object_fixture fixture;
static struct xvi_objects *const objects = &fixture.objects;

static const struct heap_source_shape usual = {
	.page_shift = 16, .grain_shift = 12, .alignment = 4, .prove = true};
static const struct heap_source_shape small_pages = {
	.page_shift = 12, .grain_shift = 12, .alignment = 4, .prove = true};

static unsigned char buffer[5 << 20];

static void fill(xv_handle handle, unsigned char seed)
{
	struct xvi_location at = fixture_find(&fixture, handle);
	size_t size = object_size(objects, &at);

	for (size_t i = 0; i < size; i++)
		buffer[i] = (unsigned char)(seed + i * 13 + (i >> 8));
	xvi_object_write(objects, &at, 0, buffer, size);
}

static void verify(xv_handle handle, unsigned char seed, size_t bytes)
{
	struct xvi_location at = fixture_find(&fixture, handle);

	xvi_object_read(objects, &at, 0, buffer, bytes);
	for (size_t i = 0; i < bytes; i++) {
		if (buffer[i] != (unsigned char)(seed + i * 13 + (i >> 8)))
			fail_msg("byte %zu differs", i);
	}
}

static size_t size_of(xv_handle handle)
{
	struct xvi_location at = fixture_find(&fixture, handle);

	return object_size(objects, &at);
}

static uint32_t kind_of(xv_handle handle)
{
	return block_kind(fixture_find(&fixture, handle).header);
}

/* ---- sizes ---- */

static void largest_object_is_a_block_or_a_gibibyte(void **state)
{
	xv_handle handle = 7;

	(void)state;
	fixture_open(&fixture, &usual, false, false);
	assert_int_equal(objects->max_size, 65532);
	assert_int_equal(xvi_object_malloc(objects, 65533, 1, 0, &handle), -XV_E2BIG);
	assert_int_equal(handle, 7);
	assert_int_equal(objects->failures, 0);
	assert_int_equal(xvi_object_malloc(objects, 65532, 1, 0, &handle), 0);
	assert_int_equal(xvi_object_realloc(objects, &handle, 65000), 0);
	assert_int_equal(xvi_object_realloc(objects, &handle, 65533), -XV_E2BIG);
	assert_int_equal(size_of(handle), 65000);
	assert_int_equal(xvi_object_realloc(objects, &handle, 65532), 0);
	assert_int_equal(size_of(handle), 65532);
	fixture_close(&fixture);
	fixture_open(&fixture, &usual, true, false);
	assert_int_equal(objects->max_size, 1 << 30);
	assert_int_equal(xvi_object_malloc(objects, (1 << 30) + 1, 1, 0, &handle), -XV_E2BIG);
	assert_int_equal(xvi_object_malloc(objects, 100000, 1, 0, &handle), 0);
	assert_int_equal(xvi_object_realloc(objects, &handle, (1 << 30) + 1), -XV_E2BIG);
	assert_int_equal(size_of(handle), 100000);
	assert_int_equal(objects->failures, 0);
	fixture_close(&fixture);
}

static void object_that_fills_a_page_is_one_piece(void **state)
{
	(void)state;
	fixture_open(&fixture, &small_pages, true, true);
	assert_int_equal(kind_of(fixture_make(&fixture, 0, objects->whole_max)), KIND_WHOLE);
	assert_int_equal(kind_of(fixture_make(&fixture, 1, objects->whole_max + 1)), KIND_FIRST);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

static void object_above_a_page_keeps_its_bytes(void **state)
{
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &small_pages, true, true);
	handle = fixture_make(&fixture, 0, 100000);
	assert_int_equal(size_of(handle), 100000);
	fill(handle, 1);
	fixture_check(&fixture);
	verify(handle, 1, 100000);
	assert_in_range(objects->rest_pieces, 24, 26);
	/* Headers, an owner and links are all that is not the object's. */
	assert_int_equal((uint64_t)objects->heap.used_units * UNIT_BYTES,
			 100000 + (objects->rest_pieces + 1) * BLOCK_HEADER_BYTES + 4 +
				 objects_link_bytes(objects));
	fixture_drop(&fixture, 0);
	assert_int_equal(objects->rest_pieces + objects->split_objects, 0);
	assert_int_equal(objects->heap.used_units, 0);
	fixture_close(&fixture);
}

static void object_is_laid_over_holes_when_the_heap_cannot_grow(void **state)
{
	struct heap_source_shape shape = small_pages;
	uint32_t count = 0;
	xv_handle handle;

	(void)state;
	shape.pages_max = 4;
	fixture_open(&fixture, &shape, true, true);
	while (xvi_object_malloc(objects, 200, 1, count, &fixture.handle[count]) == 0)
		count++;
	for (uint32_t i = 0; i < count; i += 2)
		fixture_drop(&fixture, i);
	assert_true(xvi_heap_largest(&objects->heap) < 300);
	handle = fixture_make(&fixture, 0, 600);
	assert_int_equal(kind_of(handle), KIND_FIRST);
	fill(handle, 9);
	fixture_check(&fixture);
	verify(handle, 9, 600);
	fixture_close(&fixture);
}

/* ---- alignment ---- */

static void alignment_is_kept_for_life(void **state)
{
	struct xv_compact_report report = {0};
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	for (uint32_t i = 1; i < 2000; i++)
		fixture_make(&fixture, i, 100 + i % 7 * 30);
	assert_int_equal(xvi_object_malloc(objects, 300, 256, 0, &handle), 0);
	fixture.handle[0] = handle;
	assert_int_equal(xv_handle_offset(handle) % 256, 0);
	fill(handle, 4);
	for (uint32_t i = 1; i < 2000; i++) {
		if (i % 5 != 0)
			fixture_drop(&fixture, i);
	}
	do
		xvi_objects_compact(objects, 8192, objects->heap.page_count, &report);
	while (report.more);
	assert_true(report.moved_blocks != 0);
	assert_int_equal(fixture.handle[0], handle);
	for (size_t size = 400; size < 60000; size += 3000) {
		size_t before = size_of(handle);

		assert_int_equal(xvi_object_realloc(objects, &handle, size), 0);
		assert_int_equal(xv_handle_offset(handle) % 256, 0);
		assert_int_equal(kind_of(handle), KIND_FIXED);
		verify(handle, 4, before < size ? before : size);
		fill(handle, 4);
	}
	assert_int_equal(xvi_object_realloc(objects, &handle, 70000), -XV_E2BIG);
	assert_int_equal(xvi_object_malloc(objects, 65532 - 4, 256, 0, &handle), -XV_E2BIG);
	fixture_close(&fixture);
}

/* ---- realloc ---- */

static void object_that_realloc_moves_is_no_new_one(void **state)
{
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	handle = fixture_make(&fixture, 0, 100);
	(void)fixture_make(&fixture, 1, 100);
	assert_int_equal(xvi_object_realloc(objects, &fixture.handle[0], 5000), 0);
	assert_true(fixture.handle[0] != handle);
	assert_int_equal(objects->mallocs, 2);
	fixture_close(&fixture);
}

static void realloc_to_the_same_size_changes_nothing(void **state)
{
	struct xvi_pin pin;
	xv_handle handle, before;

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	handle = before = fixture_make(&fixture, 0, 1 << 20);
	fill(handle, 3);
	fixture.source.grains_most = fixture.source.grains; /* nothing can be had */
	assert_int_equal(xvi_object_pin(objects, handle, 0, &pin), 0);
	assert_int_equal(xvi_object_realloc(objects, &handle, 1 << 20), 0);
	assert_int_equal(handle, before);
	verify(handle, 3, 1 << 20);
	assert_true(xvi_object_unpin(objects, pin.piece.page));
	fixture_close(&fixture);
}

/* Where there is room behind it, an object changes though its page is pinned. */
static void realloc_in_place_minds_no_pins(void **state)
{
	struct xvi_pin pin;
	xv_handle handle, other, before;

	(void)state;
	fixture_open(&fixture, &usual, true, false);
	other = fixture_make(&fixture, 0, 100);
	handle = before = fixture_make(&fixture, 1, 1000);
	assert_int_equal(xvi_object_pin(objects, other, 0, &pin), 0);
	assert_int_equal(xvi_object_realloc(objects, &handle, 500), 0);
	assert_int_equal(xvi_object_realloc(objects, &handle, 5000), 0);
	assert_int_equal(handle, before);
	/* The other one would have to move. */
	assert_int_equal(xvi_object_realloc(objects, &other, 5000), -XV_EBUSY);
	assert_int_equal(size_of(other), 100);
	assert_true(xvi_object_unpin(objects, pin.piece.page));
	assert_int_equal(xvi_object_realloc(objects, &other, 5000), 0);
	fixture_close(&fixture);
}

/* Who reads or writes a pinned part goes on with the bytes that are left. */
static void a_pinned_object_that_gets_shorter_has_fewer_bytes(void **state)
{
	struct xvi_pin pin;
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &usual, false, false);
	handle = fixture_make(&fixture, 0, 1000);
	assert_int_equal(xvi_object_pin(objects, handle, 200, &pin), 0);
	assert_int_equal(pin.bytes, 800);
	assert_int_equal(xvi_object_pin_again(objects, &pin), 0);
	assert_int_equal(pin.bytes, 800);
	for (size_t size = 500; size >= 100; size -= 100) {
		assert_int_equal(xvi_object_realloc(objects, &handle, size), 0);
		assert_int_equal(xvi_object_pin_again(objects, &pin), 0);
		assert_int_equal(pin.bytes, size > 200 ? size - 200 : 0);
	}
	assert_true(xvi_object_unpin(objects, pin.piece.page));
	fixture_close(&fixture);
}

/* The copies are counted by the memory they take. */
static void object_grown_by_small_steps_is_not_copied_each_time(void **state)
{
	static const struct heap_source_shape *const shapes[] = {&usual, &small_pages};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t page_bytes = 1U << shapes[i]->page_shift;
		uint32_t moves = 0;
		xv_handle handle;

		fixture_open(&fixture, shapes[i], true, true);
		handle = fixture_make(&fixture, 0, 1000);
		fill(handle, 8);
		for (size_t size = 2000; size <= 4000000; size += 1000) {
			xv_handle before = handle;

			assert_int_equal(xvi_object_realloc(objects, &handle, size), 0);
			moves += handle != before;
		}
		verify(handle, 8, 1000);
		assert_true(fixture.source.taken * 4096 < 3 * 4000000);
		/* So too where something else lies behind its end each time. */
		for (size_t size = 4001000; size <= 6000000; size += 1000) {
			fixture_make(&fixture, (uint32_t)(size / 1000), 50);
			assert_int_equal(xvi_object_realloc(objects, &handle, size), 0);
		}
		assert_true(moves <= page_bytes / 1000 + 1);
		assert_true(objects->rest_pieces < 3 * 6000000 / 2 / page_bytes);
		fixture_close(&fixture);
	}
}

static void shorter_object_gives_its_pieces_back(void **state)
{
	xv_handle handle, before;

	(void)state;
	fixture_open(&fixture, &small_pages, true, true);
	handle = before = fixture_make(&fixture, 0, 50000);
	fill(handle, 5);
	assert_int_equal(xvi_object_realloc(objects, &handle, 20000), 0);
	fixture_check(&fixture);
	verify(handle, 5, 20000);
	assert_in_range(objects->rest_pieces, 4, 5);
	assert_int_equal(xvi_object_realloc(objects, &handle, 1000), 0);
	verify(handle, 5, 1000);
	assert_int_equal(kind_of(handle), KIND_WHOLE);
	assert_int_equal(handle, before);
	assert_int_equal(objects->rest_pieces + objects->split_objects, 0);
	assert_int_equal(objects->requested_bytes, 1000);
	fixture_close(&fixture);
}

/* ---- errors ---- */

/* A page below the first of this heap is another's, whatever its record says. */
static void objects_of_pages_below_the_first_are_refused(void **state)
{
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &usual, false, false);
	handle = fixture_make(&fixture, 1, 100);
	assert_int_equal(xv_handle_page(handle), 0);
	objects->heap.page_base = 1;
	assert_int_equal(objects->free(objects, handle), -XV_EINVAL);
	objects->heap.page_base = 0;
	assert_int_equal(objects->free(objects, handle), 0);
	fixture_close(&fixture);
}

static void failed_calls_change_nothing(void **state)
{
	bool done = false;

	(void)state;
	for (uint64_t n = 0; !done; n++) {
		xv_handle handle = 99, grown;
		uint64_t used;

		fixture_open(&fixture, &small_pages, true, true);
		grown = fixture_make(&fixture, 1, 3000);
		fill(grown, 2);
		used = objects->heap.used_units;
		fixture.source.grains_most = fixture.source.grains + n;
		if (xvi_object_malloc(objects, 30000, 1, 0, &handle) != 0) {
			assert_int_equal(handle, 99);
			assert_int_equal(objects_count(objects), 1);
			assert_int_equal(objects->heap.used_units, used);
			assert_int_equal(objects->failures, 1);
		} else {
			assert_int_equal(size_of(handle), 30000);
			done = n > 8;
		}
		fixture_check(&fixture);
		handle = grown;
		fixture.source.grains_most = fixture.source.grains + n;
		if (xvi_object_realloc(objects, &grown, 30000) != 0) {
			assert_int_equal(grown, handle);
			assert_int_equal(size_of(grown), 3000);
		}
		verify(grown, 2, 3000);
		fixture_close(&fixture);
	}
}

static void free_needs_no_memory(void **state)
{
	(void)state;
	fixture_open(&fixture, &small_pages, true, true);
	for (uint32_t i = 0; i < 500; i++)
		fixture_make(&fixture, i, 40 + i * 37 % 9000);
	fixture.source.grains_most = 0;
	for (uint32_t i = 0; i < 500; i++) {
		fixture.source.fail_at = fixture.source.takes + 1;
		fixture_drop(&fixture, i * 7 % 500);
	}
	assert_int_equal(objects->heap.used_units, 0);
	fixture_close(&fixture);
}

/* ---- reading ---- */

static void pinned_memory_outlives_its_object(void **state)
{
	struct xvi_pin pin;
	xv_handle handle;
	const unsigned char *page;

	(void)state;
	fixture_open(&fixture, &small_pages, true, false);
	handle = fixture_make(&fixture, 0, 20000);
	fill(handle, 6);
	assert_int_equal(xvi_object_pin(objects, handle, 0, &pin), 0);
	page = fixture.source.base + ((size_t)pin.piece.page << 12);
	fixture_drop(&fixture, 0);
	(void)xvi_heap_give_back(&objects->heap, 0);
	assert_int_equal(page[pin.offset + 100], (unsigned char)(6 + 1300)); /* does not trap */
	assert_int_equal(xvi_object_pin_next(objects, &pin), -XV_EINVAL);
	assert_true(xvi_object_unpin(objects, pin.piece.page));
	(void)xvi_heap_give_back(&objects->heap, 0);
	assert_int_equal(fixture.source.grains, 0);
	assert_false(xvi_object_unpin(objects, pin.piece.page));
	fixture_close(&fixture);
}

static void pins_of_a_page_are_bounded(void **state)
{
	struct xvi_pin pin;
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &usual, false, false);
	handle = fixture_make(&fixture, 0, 100);
	for (uint32_t i = 0; i < UINT16_MAX; i++)
		assert_int_equal(xvi_object_pin(objects, handle, 0, &pin), 0);
	assert_int_equal(xvi_object_pin(objects, handle, 0, &pin), -XV_EAGAIN);
	for (uint32_t i = 0; i < UINT16_MAX; i++)
		assert_true(xvi_object_unpin(objects, pin.piece.page));
	assert_false(xvi_object_unpin(objects, pin.piece.page));
	fixture_close(&fixture);
}

static void objects_of_two_heaps_are_copied(void **state)
{
	static struct object_fixture second;
	struct heap_source_shape window = small_pages;
	struct xvi_location from, to;
	xv_handle copy;

	(void)state;
	window.window = true;
	fixture_open(&fixture, &usual, true, true);
	fixture_open(&second, &window, true, false);
	fill(fixture_make(&fixture, 0, 150000), 7);
	copy = fixture_make(&second, 0, 160000);
	from = fixture_find(&fixture, fixture.handle[0]);
	to = fixture_find(&second, copy);
	xvi_object_write(&second.objects, &to, 0, NULL, 160000);
	xvi_object_copy(&second.objects, &to, objects, &from, 150000);
	verify(fixture.handle[0], 7, 150000);
	memset(buffer + 150000, 1, 10000);
	xvi_object_read(&second.objects, &to, 150000, buffer + 150000, 10000);
	for (uint32_t i = 150000; i < 160000; i++)
		assert_int_equal(buffer[i], 0);
	xvi_object_read(&second.objects, &to, 0, buffer + 160000, 150000);
	assert_memory_equal(buffer, buffer + 160000, 150000);
	fixture_close(&second);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(largest_object_is_a_block_or_a_gibibyte),
		cmocka_unit_test(object_that_fills_a_page_is_one_piece),
		cmocka_unit_test(object_above_a_page_keeps_its_bytes),
		cmocka_unit_test(object_is_laid_over_holes_when_the_heap_cannot_grow),
		cmocka_unit_test(alignment_is_kept_for_life),
		cmocka_unit_test(object_that_realloc_moves_is_no_new_one),
		cmocka_unit_test(realloc_to_the_same_size_changes_nothing),
		cmocka_unit_test(realloc_in_place_minds_no_pins),
		cmocka_unit_test(a_pinned_object_that_gets_shorter_has_fewer_bytes),
		cmocka_unit_test(object_grown_by_small_steps_is_not_copied_each_time),
		cmocka_unit_test(shorter_object_gives_its_pieces_back),
		cmocka_unit_test(objects_of_pages_below_the_first_are_refused),
		cmocka_unit_test(failed_calls_change_nothing),
		cmocka_unit_test(free_needs_no_memory),
		cmocka_unit_test(pinned_memory_outlives_its_object),
		cmocka_unit_test(pins_of_a_page_are_bounded),
		cmocka_unit_test(objects_of_two_heaps_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
