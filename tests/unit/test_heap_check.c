/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_heap_check.c: the heap's checker. Each invariant of heap.h is broken on purpose, in every
 * way that the checker looks at: it names the number, and page and unit where there are such; it
 * changes nothing, it comes to an end, and what it follows never leads outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "heap_damages.h"

enum {
	KEPT_BYTES = 4096, /* of a page: its first grain */
	KEPT_HOLES = 64,
	STRIDE_MAX = 544,
};

static struct xvi_heap *const heap = &damaged.heap;

static const struct heap_source_shape shapes[] = {
	{.page_shift = 16, .grain_shift = 12, .alignment = 4, .prove = true},
	{.page_shift = 16, .grain_shift = 12, .alignment = 16, .prefix_bytes = 4, .window = true},
	{.page_shift = 14, .grain_shift = 12, .alignment = 8, .prove = true, .window = true},
	{.page_shift = 16, .grain_shift = 12, .alignment = 16, .prove = true},
	{.page_shift = 12, .grain_shift = 12, .alignment = 4, .prove = true},
	{.page_shift = 12, .grain_shift = 12, .alignment = 16},
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void *page_at(uint32_t page)
{
	return damaged.base + ((size_t)page << heap->shape.page_shift);
}

/* All that the checker reads. The third page has nothing of its own. */
struct copy {
	struct xvi_heap heap;
	unsigned char pages[DAMAGED_PAGES * STRIDE_MAX];
	struct xvi_hole holes[KEPT_HOLES];
	uint32_t heads[LIST_COUNT_MAX];
	unsigned char words[2][KEPT_BYTES];
};

static void copy_take(struct copy *copy)
{
	assert_true(heap->shape.page_stride <= STRIDE_MAX && heap->holes.high < KEPT_HOLES);
	copy->heap = *heap;
	memcpy(copy->pages, damaged.records, (size_t)DAMAGED_PAGES * heap->shape.page_stride);
	memcpy(copy->holes, damaged.holes, sizeof(copy->holes));
	memcpy(copy->heads, damaged.heads, sizeof(copy->heads));
	for (uint32_t page = 0; page < 2; page++)
		memcpy(copy->words[page], page_at(page), KEPT_BYTES);
}

static void copy_restore(const struct copy *copy)
{
	*heap = copy->heap;
	memcpy(damaged.records, copy->pages, (size_t)DAMAGED_PAGES * heap->shape.page_stride);
	memcpy(damaged.holes, copy->holes, sizeof(copy->holes));
	memcpy(damaged.heads, copy->heads, sizeof(copy->heads));
	for (uint32_t page = 0; page < 2; page++)
		memcpy(page_at(page), copy->words[page], KEPT_BYTES);
}

static bool copy_is_as_now(const struct copy *copy)
{
	return memcmp(&copy->heap, heap, sizeof(*heap)) == 0 &&
	       memcmp(copy->pages, damaged.records,
		      (size_t)DAMAGED_PAGES * heap->shape.page_stride) == 0 &&
	       memcmp(copy->holes, damaged.holes, sizeof(copy->holes)) == 0 &&
	       memcmp(copy->heads, damaged.heads, sizeof(copy->heads)) == 0 &&
	       memcmp(copy->words[0], page_at(0), KEPT_BYTES) == 0 &&
	       memcmp(copy->words[1], page_at(1), KEPT_BYTES) == 0;
}

static bool runs_here(const struct damage *damage)
{
	return ((damage->where & WITH_PROOF) == 0 || heap->shape.prove) &&
	       ((damage->where & WITHOUT_PROOF) == 0 || !heap->shape.prove) &&
	       ((damage->where & WITH_BYTES) == 0 || !heap->shape.start_bits) &&
	       ((damage->where & WITH_GRAINS) == 0 || heap->shape.grain_count > 1) &&
	       ((damage->where & WITHOUT_GRAINS) == 0 || heap->shape.grain_count == 1);
}

static bool fault_is_right(const struct damage *damage, int at, const struct xvi_heap_fault *fault)
{
	uint32_t page = (damage->where & FULL) != 0 ? FULL_PAGE : BLOCK_PAGE;
	bool named = damage->invariant == 0 || fault->invariant == damage->invariant;
	bool right = named && fault->message[0] != '\0' &&
		     (at != NO_PAGE || fault->page == UINT32_MAX) &&
		     (at < IN_PAGE || at == NO_PAGE || fault->page == page) &&
		     (at < 0 || fault->unit == (uint32_t)at);

	if (!right)
		print_error("%s: invariant %u not %u, page %u, unit %u not %d: %s\n", damage->name,
			    fault->invariant, damage->invariant, fault->page, fault->unit, at,
			    fault->message);
	return right;
}

static void each_broken_invariant_is_named_and_left_as_it_is(void **state)
{
	static struct copy whole, broken;
	struct xvi_heap_fault fault;
	bool all = true;

	(void)state;
	for (uint32_t shape = 0; shape < SHAPES; shape++) {
		damaged_make(&shapes[shape]);
		copy_take(&whole);
		for (size_t i = 0; i < damage_count; i++) {
			int at;

			if (!runs_here(&damages[i]))
				continue;
			assert_true(xvi_heap_check(heap, NULL));
			at = damages[i].make();
			copy_take(&broken);
			memset(&fault, 0x5A, sizeof(fault));
			if (xvi_heap_check(heap, &fault)) {
				print_error("%s: not found\n", damages[i].name);
				all = false;
			} else {
				all = fault_is_right(&damages[i], at, &fault) && all;
			}
			assert_true(copy_is_as_now(&broken));
			assert_int_equal(damaged.maps, 0);
			copy_restore(&whole);
		}
		assert_true(xvi_heap_check(heap, &fault));
		assert_int_equal(fault.invariant, 0);
		heap_source_fini(&damaged);
	}
	assert_true(all);
}

static void a_closed_page_counts_as_its_record_says(void **state)
{
	struct xvi_heap_fault fault;

	(void)state;
	for (uint32_t shape = 0; shape < SHAPES; shape++) {
		damaged_make(&shapes[shape]);
		assert_false(xvi_heap_close_unsound(heap, BLOCK_PAGE));
		for (uint32_t i = 0; i < 2; i++) {
			xvi_heap_close(heap, BLOCK_PAGE, 1, "a test wants it closed");
			assert_int_equal(heap->closed_pages, 1);
			assert_int_equal(damaged.closed, 1);
			assert_true(xvi_heap_check(heap, NULL));
		}
		heap_page(heap, BLOCK_PAGE)->hot ^= 1;
		assert_false(xvi_heap_check(heap, &fault));
		assert_int_equal(fault.invariant, 9);
		assert_int_equal(fault.page, BLOCK_PAGE);
		heap_page(heap, BLOCK_PAGE)->hot ^= 1;
		heap->used_units++;
		assert_false(xvi_heap_check(heap, &fault));
		assert_int_equal(fault.invariant, 10);
		heap->used_units--;
		heap_source_fini(&damaged);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_broken_invariant_is_named_and_left_as_it_is),
		cmocka_unit_test(a_closed_page_counts_as_its_record_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
