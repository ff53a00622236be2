/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * eva_heap.c: for frama-c's Eva (eva.sh): words, lists, bits and masks of the heap for every
 * argument, and the whole heap from its start to its first block. Eva proves that nothing
 * overflows, is shifted too far, is read before it was written, or lies outside its object; and the
 * assertions. Longer lives of the heap are test_heap_all.c's: Eva was not seen to follow them in ten
 * minutes.
 */
#include "small_heap.h"

#include "hole.h"

#include <__fc_builtin.h>

enum { PAGE_UNITS_MAX = 1 << 14 };

static uint32_t any(uint32_t from, uint32_t to)
{
	return Frama_C_unsigned_int_interval(from, to);
}

/* ---- parts ---- */

static void words(void)
{
	uint32_t kind = any(0, BLOCK_KIND_MASK), content = any(0, BLOCK_CONTENT_MASK);
	uint32_t stamp = any(0, (1U << BLOCK_STAMP_WIDTH) - 1) << BLOCK_STAMP_SHIFT;
	uint32_t word = any(0, UINT32_MAX);
	uint32_t header = block_word(kind, content, stamp);
	uint32_t other = block_with_content(word, content) | block_with_kind(word, kind);
	uint32_t field = block_content(word), units = hole_value(hole_unlisted_word(content));

	//@ assert a_content_fits: field <= 65535;
	field = block_kind(word);
	//@ assert a_kind_fits: field <= 3;
	field = block_stamp(word);
	//@ assert a_stamp_fits: field <= 4095;
	//@ assert a_length_comes_back: units <= 65535;
	(void)header;
	(void)other;
}

/* Each length has a list that exists; the octave of each is told apart. */
static void lists(void)
{
	uint32_t units, list;

	//@ loop unroll 20;
	for (uint32_t low = 1; low <= PAGE_UNITS_MAX; low *= 2) {
		units = any(low, low < PAGE_UNITS_MAX ? 2 * low - 1 : low);
		list = list_of(units);
		//@ assert a_list_exists: list < 1281;
	}
}

/* The bits of grains, for every place in a page of 16 grains. */
static void grains(void)
{
	static struct xvi_heap heap;
	uint32_t bits;

	heap.shape.grain_shift = 10;
	heap.shape.grain_count = 16;
	heap.shape.end_unit = PAGE_UNITS_MAX;
	bits = grain_bits(any(0, 65535));
	//@ assert a_count_fits: bits <= 31;
	//@ loop unroll 16;
	for (uint32_t low = 0; low < PAGE_UNITS_MAX; low += 1024) {
		uint32_t from = any(low, low + 1023), to = any(low + 1024, PAGE_UNITS_MAX);

		(void)grain_mask(&heap.shape, from, to);
		(void)grain_mask_inside(&heap, from, to);
		to = any(low + 1, PAGE_UNITS_MAX);
		(void)grain_mask(&heap.shape, low, to);
		(void)grain_mask_inside(&heap, low, to);
	}
}

/* ---- the whole heap ---- */

static const struct small_shape shape = {.page_shift = 7,
					 .grain_shift = 3,
					 .alignment = 4,
					 .records = 160,
					 .prove = true,
					 .content = {1, 44, 49, 60, 124}};

/* The heap is made, takes a page, and cuts a block from it. */
static void first_block(void)
{
	struct small_step step = {.action = SMALL_MALLOC, .b = HEAP_MAY_GROW};
	const char *error;

	small_init(&shape);
	error = small_do(&shape, &step);
	//@ assert the_step_is_right: error == \null;
	(void)error;
}

int main(void)
{
	words();
	lists();
	grains();
	first_block();
	return 0;
}
