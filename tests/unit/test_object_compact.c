/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_object_compact.c: what compaction gains, what it leaves alone, that it works at the
 * limit, and that a step is bounded by its bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "digest.h"
#include "object_fixture.h"
#include "piece.h"
#include "test_random.h"

static struct object_fixture fixture;
static struct xvi_objects *const objects = &fixture.objects;

static const struct heap_source_shape usual = {
	.page_shift = 16, .grain_shift = 12, .alignment = 4, .prove = true};
static const struct heap_source_shape small_pages = {
	.page_shift = 12, .grain_shift = 12, .alignment = 4, .prove = true};

/* A whole cycle. */
static struct xv_compact_report cycle(size_t step_bytes)
{
	struct xv_compact_report report = {0};

	do
		xvi_objects_compact(objects, step_bytes, objects->heap.page_count, &report);
	while (report.more);
	assert_int_equal(objects->heap.victim, 0);
	fixture_check(&fixture);
	return report;
}

/* Objects of this size range, of which all but one in `keep` are freed. */
static void make_sparse(uint32_t count, uint32_t low, uint32_t high, uint32_t keep)
{
	uint64_t random = 5;

	for (uint32_t i = 0; i < count; i++)
		fixture_make(&fixture, i, low + random_below(&random, high - low));
	for (uint32_t i = 0; i < count; i++) {
		if (i % keep != 0)
			fixture_drop(&fixture, i);
	}
}

static void grains_free_all_spare(void)
{
	(void)xvi_heap_give_back(&objects->heap, 0);
}

/*
 * 20,000 objects of 2,040 bytes, every other freed, 10,000 of 2,060 added: those that are left
 * of the first fit beside each other, those added fit beside nothing.
 */
static void pairs_gain(const struct heap_source_shape *shape, uint64_t best_bytes)
{
	uint64_t before, gained, estimate;

	fixture_open(&fixture, shape, false, true);
	for (uint32_t i = 0; i < 20000; i++)
		fixture_make(&fixture, i, 2040);
	for (uint32_t i = 0; i < 20000; i += 2)
		fixture_drop(&fixture, i);
	for (uint32_t i = 0; i < 10000; i++)
		fixture_make(&fixture, 20000 + i, 2060);
	grains_free_all_spare();
	before = fixture.source.grains;
	estimate = xvi_objects_compactable(objects);
	(void)cycle(8192);
	gained = (before - fixture.source.grains) * 4096;
	assert_true(gained * 10 >= best_bytes * 9);
	assert_true(estimate <= 2 * gained);
	assert_true(estimate * 2 >= gained);
	/* All is gained: a cycle more gives nothing, and none is promised. */
	assert_true(xvi_objects_compactable(objects) <= 65536);
	before = fixture.source.grains;
	(void)cycle(8192);
	assert_in_range(fixture.source.grains, before - best_bytes / 4096 / 100, before + 1);
	fixture_close(&fixture);
}

static void objects_of_one_size_are_paired_without_splitting(void **state)
{
	(void)state;
	pairs_gain(&small_pages, (uint64_t)5000 * 4096);
	pairs_gain(&usual, (uint64_t)312 * 65536);
}

static void sparse_pages_are_emptied(void **state)
{
	static const struct heap_source_shape *const shapes[] = {&usual, &small_pages};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t used, estimate, before, gained;

		fixture_open(&fixture, shapes[i % 2], i / 2 == 0, true);
		make_sparse(20000, 300, 1800, 10);
		grains_free_all_spare();
		before = fixture.source.grains;
		estimate = xvi_objects_compactable(objects);
		(void)cycle(8192);
		used = objects->heap.used_units * UNIT_BYTES;
		/* With pages of 4 KiB and no splitting a quarter of an object is lost in each. */
		assert_true(fixture.source.grains * 4096 <
			    used / 100 * (shapes[i % 2] == &small_pages && i / 2 != 0 ? 112 : 103));
		gained = (before - fixture.source.grains) * 4096;
		assert_true(estimate <= 2 * gained && gained <= 2 * estimate);
		fixture_close(&fixture);
	}
}

/* Nothing may be taken from the source: 11% are free, and come back. */
static void compaction_works_at_the_limit(void **state)
{
	static const struct heap_source_shape *const shapes[] = {&usual, &small_pages};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t before, free_bytes;

		fixture_open(&fixture, shapes[i % 2], i / 2 == 0, true);
		make_sparse(10000, 300, 1800, 1);
		for (uint32_t k = 0; k < 10000; k += 9)
			fixture_drop(&fixture, k);
		fixture.source.grains_most = before = fixture.source.grains;
		free_bytes = heap_free_units(&objects->heap) * UNIT_BYTES;
		(void)cycle(8192);
		assert_true((before - fixture.source.grains) * 4096 * 2 >
			    free_bytes * (i / 2 == 0 || shapes[i % 2] == &usual));
		assert_true(fixture.source.grains < before);
		fixture_close(&fixture);
	}
}

static void step_is_bounded_by_its_bytes(void **state)
{
	struct xv_compact_report report = {.more = true};
	uint32_t steps = 0;

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	make_sparse(30000, 300, 1800, 5);
	while (report.more) {
		uint64_t moved = report.moved_bytes;
		uint64_t blocks = report.moved_blocks;
		uint64_t given = fixture.source.given;

		xvi_objects_compact(objects, 1, objects->heap.page_count, &report);
		assert_true(report.moved_bytes - moved <= 4096 + 1800);
		assert_true(report.moved_blocks - blocks <= 4096 / 64 + 1);
		/* A step gives back grains of victims, and spare grains at the end. */
		assert_true(fixture.source.given - given <=
			    16 + heap_spare_most(&objects->heap) + SPARE_MIN_GRAINS);
		steps++;
	}
	assert_true(steps > report.moved_bytes / 8192);
	fixture_close(&fixture);
}

static void step_of_any_length_is_taken(void **state)
{
	struct xv_compact_report report = {.more = true};

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	make_sparse(3000, 300, 1800, 5);
	xvi_objects_compact(objects, SIZE_MAX, objects->heap.page_count, &report);
	assert_false(report.more);
	assert_true(report.moved_blocks > 0);
	fixture_close(&fixture);
}

/*
 * Which pages are emptied, how far, and where their blocks go: the digest of three cycles of heaps
 * that were overwritten, and half and nine tenths freed. What a cycle moves stays
 * within three times what it gains.
 */
static void cycles_move_the_same_everywhere(void **state)
{
	static const struct digest_known known = {1, 0xA4154BAB97BE30B7U};
	uint64_t digest = 0, random = 3;
	uint32_t owners;

	(void)state;
	for (uint32_t i = 0; i < 12; i++) {
		struct heap_source_shape shape = {.page_shift = i % 3 == 0 ? 12 : 16,
						  .grain_shift = i % 3 == 1 ? 16 : 12,
						  .alignment = 4U << i / 4,
						  .prove = i % 2 == 0};

		size_t most = i == 5 ? 30000 : i == 4 || i == 11 ? 40000 : 3000;

		owners = i % 3 == 0 || most > 3000 ? 3000 : 12000;
		fixture_open(&fixture, &shape, i / 3 % 2 == 0, true);
		for (uint32_t k = 0; k < owners; k++)
			fixture_make(&fixture, k, random_size(&random, most));
		/* Of large ones much is free before the first cycle, which no figure of the last
		 * one foretells. */
		for (uint32_t round = most > 3000; round < 3; round++) {
			struct xv_compact_report report;
			uint64_t before;

			for (uint32_t k = 0; k < owners; k++) {
				uint32_t owner = (uint32_t)random_below(&random, owners);

				if (fixture.handle[owner] != XV_NULL_HANDLE)
					fixture_drop(&fixture, owner);
				if (round == 0 || (round == 1 && k % 4 == 0))
					fixture_make(&fixture, owner, random_size(&random, most));
			}
			before = fixture.source.grains;
			digest_add(&digest, xvi_objects_compactable(objects));
			report = cycle(8192);
			digest_add(&digest, report.moved_bytes);
			digest_add(&digest, report.moved_blocks);
			digest_add(&digest, fixture.source.grains);
			digest_add(&digest, objects->heap.page_limit);
			digest_add(&digest, xvi_objects_compactable(objects));
			if (round != 0)
				assert_true(report.moved_bytes <
					    3 * (before - fixture.source.grains)
						    << shape.grain_shift);
		}
		if (getenv("XV_TEST_VERBOSE") != NULL)
			print_message("after shape %u: digest %llX\n", i,
				      (unsigned long long)digest);
		fixture_close(&fixture);
	}
	digest_verify(digest, 1, &known, 1);
}

static uint32_t *last_header(uint32_t page)
{
	const struct xvi_heap *heap = &objects->heap;
	uint32_t *words = (uint32_t *)(void *)(fixture.source.base + ((size_t)page << 16));
	uint32_t unit = xvi_heap_next_used(heap, page, words, heap->shape.first_unit);
	uint32_t last = 0;

	for (; unit < heap->shape.end_unit; unit = page_next_used(heap, page, words, unit))
		last = unit;
	return words + last;
}

/* Before a block of it moves. */
static void a_page_whose_blocks_lead_nowhere_is_closed(void **state)
{
	static uint32_t *place[64], header[64];
	static xv_handle before[600];
	struct xv_compact_report report = {0};
	uint32_t pages;

	(void)state;
	fixture_open(&fixture, &usual, false, true);
	make_sparse(600, 300, 1800, 8);
	pages = objects->heap.page_limit;
	assert_in_range(pages, 8, 64);
	memcpy(before, fixture.handle, sizeof(before));
	for (uint32_t page = 0; page < pages; page += 4) {
		place[page] = last_header(page);
		header[page] = *place[page];
		*place[page] = block_word(KIND_WHOLE, 65000, header[page] & BLOCK_STAMP_BITS);
	}
	do
		xvi_objects_compact(objects, 8192, pages, &report);
	while (report.more);
	assert_true(report.moved_blocks != 0);
	for (uint32_t i = 0; i < 600; i++) {
		if (xv_handle_page(before[i]) % 4 == 0)
			assert_true(fixture.handle[i] == before[i]);
	}
	assert_true(objects->heap.closed_pages != 0);
	for (uint32_t page = 0; page < pages; page += 4) {
		if (!heap_is_closed(&objects->heap, page))
			*place[page] = header[page];
	}
	fixture_close(&fixture);
}

static void owners_that_refuse_keep_their_objects(void **state)
{
	struct xv_compact_report report;
	static xv_handle before[FIXTURE_OWNERS];

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	make_sparse(5000, 300, 1800, 8);
	memcpy(before, fixture.handle, sizeof(before));
	fixture.refuse = true;
	report = cycle(8192);
	assert_true(report.refused != 0);
	assert_int_equal(report.moved_blocks, 0);
	assert_memory_equal(before, fixture.handle, sizeof(before));
	fixture.refuse = false;
	report = cycle(8192);
	assert_int_equal(report.refused, 0);
	assert_true(report.moved_blocks != 0);
	fixture_close(&fixture);
}

/* Objects without owner, aligned ones, and those in pinned pages; the others move away. */
static void what_cannot_move_stays(void **state)
{
	struct xv_compact_report report;
	struct xvi_pin pin;
	xv_handle unowned, aligned, pinned;

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	make_sparse(3000, 300, 1800, 1);
	assert_int_equal(xvi_object_malloc(objects, 500, 1, XV_NO_OWNER, &unowned), 0);
	for (uint32_t i = 3000; i < 6000; i++)
		fixture_make(&fixture, i, 700);
	assert_int_equal(xvi_object_malloc(objects, 500, 64, 6000, &aligned), 0);
	for (uint32_t i = 6001; i < 9000; i++)
		fixture_make(&fixture, i, 900);
	pinned = fixture.handle[8888];
	assert_int_equal(xvi_object_pin(objects, pinned, 0, &pin), 0);
	for (uint32_t i = 0; i < 9000; i++) {
		if (i % 11 != 0 && i != 6000)
			fixture_drop(&fixture, i);
	}
	assert_int_equal(pinned, fixture.handle[8888]);
	report = cycle(8192);
	assert_true(report.moved_blocks != 0 && report.pinned_pages != 0);
	assert_int_equal(pinned, fixture.handle[8888]);
	(void)fixture_find(&fixture, unowned);
	(void)fixture_find(&fixture, aligned);
	(void)fixture_find(&fixture, pinned);
	assert_true(xvi_object_unpin(objects, pin.piece.page));
	fixture_close(&fixture);
}

/* They may be wanted for the next block; at the end they go back. */
static void grains_stay_spare_while_a_cycle_lasts(void **state)
{
	struct xv_compact_report report = {.more = false};
	uint64_t most = 0;

	(void)state;
	fixture_open(&fixture, &usual, false, true);
	make_sparse(20000, 300, 1800, 10);
	grains_free_all_spare();
	do {
		xvi_objects_compact(objects, 1, objects->heap.page_count, &report);
		if (report.more && objects->heap.victim == 0 && objects->heap.spare_grains > most)
			most = objects->heap.spare_grains;
	} while (report.more);
	assert_true(most >= SPARE_MIN_GRAINS);
	assert_int_equal(objects->heap.spare_grains, 0);
	fixture_close(&fixture);
}

/* A page that cannot be emptied is not begun with. */
static void what_lies_beside_it_stays_too(void **state)
{
	xv_handle unowned;

	(void)state;
	fixture_open(&fixture, &small_pages, false, true);
	for (uint32_t i = 0; i < 300; i++) {
		fixture_make(&fixture, i, 1000);
		if (i % 3 == 2)
			assert_int_equal(xvi_object_malloc(objects, 900, 1, XV_NO_OWNER, &unowned),
					 0);
	}
	for (uint32_t i = 0; i < 300; i++) {
		if (i % 3 != 0)
			fixture_drop(&fixture, i);
	}
	assert_int_equal(cycle(8192).moved_blocks, 0);
	fixture_close(&fixture);
}

/* A chain that is read piece by piece stays together while compaction runs. */
static void later_pieces_move_without_asking(void **state)
{
	struct xv_compact_report report = {0};
	unsigned char byte;
	struct xvi_location at;
	struct xvi_pin pin;
	size_t offset = 0;

	(void)state;
	fixture_open(&fixture, &small_pages, true, true);
	make_sparse(4000, 300, 1800, 1);
	fixture_make(&fixture, 5000, 60000);
	at = fixture_find(&fixture, fixture.handle[5000]);
	for (uint32_t i = 0; i < 60000; i++) {
		byte = (unsigned char)(i / 100);
		xvi_object_write(objects, &at, i, &byte, 1);
	}
	for (uint32_t i = 0; i < 4000; i++) {
		if (i % 6 != 0)
			fixture_drop(&fixture, i);
	}
	assert_int_equal(xvi_object_pin(objects, fixture.handle[5000], 0, &pin), 0);
	for (;;) {
		const unsigned char *page =
			fixture.source.base + ((size_t)pin.piece.page << 12) + pin.offset;

		xvi_objects_compact(objects, 60000, objects->heap.page_count, &report);
		for (uint32_t i = 0; i < pin.bytes; i++)
			assert_int_equal(page[i], (unsigned char)((offset + i) / 100));
		offset += pin.bytes;
		if (offset == 60000)
			break;
		assert_int_equal(xvi_object_pin_next(objects, &pin), 0);
	}
	assert_int_equal(offset, 60000);
	assert_true(xvi_object_unpin(objects, pin.piece.page));
	fixture_close(&fixture);
}

/* At the limit objects are laid over the holes while there are enough: also where the last few
 * bytes of one find a hole that is too short for a piece. */
static void holes_are_used_up_before_a_request_fails(void **state)
{
	uint64_t free_bytes;
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	make_sparse(4000, 300, 1800, 2);
	fixture.source.grains_most = fixture.source.grains;
	while (xvi_object_malloc(objects, 2000, 1, XV_NO_OWNER, &handle) == 0)
		;
	free_bytes = heap_free_units(&objects->heap) * UNIT_BYTES;
	assert_true(free_bytes < fixture.source.grains * 4096 / 10);
	fixture_close(&fixture);
}

/* Is this place still a piece of the object? */
static bool object_has_piece(xv_handle handle, const struct xvi_location *piece)
{
	struct xvi_location at = fixture_find(&fixture, handle);

	while (at.page != LINK_NONE && (at.page != piece->page || at.unit != piece->unit))
		at = fixture_next(&fixture, &at);
	return at.page != LINK_NONE && block_stamp(at.header) == block_stamp(piece->header);
}

/* An object that is put together from its pieces takes none that somebody reads or writes. */
static void pinned_piece_stays_when_the_first_one_may_move(void **state)
{
	enum { CHAINS = 200, CHAIN_BYTES = 2000, EVERY = 8, PINS = CHAINS / EVERY };
	struct xvi_pin pin[PINS];
	uint32_t split;

	(void)state;
	fixture_open(&fixture, &usual, true, true);
	make_sparse(4000, 300, 1800, 2);
	fixture.source.grains_most = fixture.source.grains;
	for (uint32_t i = 0; i < CHAINS; i++)
		fixture_make(&fixture, 5000 + i, CHAIN_BYTES);
	split = objects->split_objects;
	assert_true(split > CHAINS / 2);
	for (uint32_t i = 0; i < 4000; i += 2) {
		if (i % 10 != 0)
			fixture_drop(&fixture, i);
	}
	for (uint32_t i = 0; i < PINS; i++)
		assert_int_equal(xvi_object_pin(objects, fixture.handle[5000 + i * EVERY],
						CHAIN_BYTES - 1, &pin[i]),
				 0);
	(void)cycle(8192);
	assert_true(objects->split_objects < split);
	for (uint32_t i = 0; i < PINS; i++) {
		assert_true(object_has_piece(fixture.handle[5000 + i * EVERY], &pin[i].piece));
		assert_true(xvi_object_unpin(objects, pin[i].piece.page));
	}
	fixture_close(&fixture);
}

/* The victim's holes are used before a request fails. */
static void malloc_in_a_cycle_finds_what_the_victim_holds(void **state)
{
	struct xv_compact_report report = {0};

	(void)state;
	fixture_open(&fixture, &small_pages, false, true);
	make_sparse(400, 900, 910, 2);
	fixture.source.grains_most = fixture.source.grains;
	do
		xvi_objects_compact(objects, 1, objects->heap.page_count, &report);
	while (objects->heap.victim == 0 && report.more);
	for (uint32_t i = 1; i < 400; i += 2)
		fixture_make(&fixture, i, 900);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_of_one_size_are_paired_without_splitting),
		cmocka_unit_test(sparse_pages_are_emptied),
		cmocka_unit_test(compaction_works_at_the_limit),
		cmocka_unit_test(step_is_bounded_by_its_bytes),
		cmocka_unit_test(step_of_any_length_is_taken),
		cmocka_unit_test(cycles_move_the_same_everywhere),
		cmocka_unit_test(a_page_whose_blocks_lead_nowhere_is_closed),
		cmocka_unit_test(owners_that_refuse_keep_their_objects),
		cmocka_unit_test(what_cannot_move_stays),
		cmocka_unit_test(grains_stay_spare_while_a_cycle_lasts),
		cmocka_unit_test(what_lies_beside_it_stays_too),
		cmocka_unit_test(later_pieces_move_without_asking),
		cmocka_unit_test(holes_are_used_up_before_a_request_fails),
		cmocka_unit_test(pinned_piece_stays_when_the_first_one_may_move),
		cmocka_unit_test(malloc_in_a_cycle_finds_what_the_victim_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
