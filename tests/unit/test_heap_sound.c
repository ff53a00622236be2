/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_heap_sound.c: a header whose length reaches over the beginning of another block is not
 * believed, as far as the proof tells without a search (start.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "heap_source.h"
#include "sound.h"

enum { BLOCKS_MOST = 400, BEHIND_MOST = 40, PAGE_BYTES = 65536 };

static struct heap_source source;
static struct xvi_heap *const heap = &source.heap;
static uint32_t unit_of[BLOCKS_MOST]; /* of blocks in page 0, side by side */

static bool is_sound(uint32_t i)
{
	uint32_t *words = heap_map(heap, 0);
	struct xvi_around around;
	bool sound = block_is_sound(heap, &heap->shape, heap_page(heap, 0), 0, words, unit_of[i],
				    &around);

	heap_unmap(heap, 0, words);
	return sound;
}

/* Block i, as if it reached to the end of block j. */
static bool is_sound_if_it_reached(uint32_t i, uint32_t j)
{
	uint32_t *words = heap_map(heap, 0);
	uint32_t header = words[unit_of[i]];
	uint32_t end = unit_of[j] + heap_block_units(heap, words[unit_of[j]]);
	bool sound;

	words[unit_of[i]] =
		block_with_content(header, (end - unit_of[i]) * UNIT_BYTES - BLOCK_HEADER_BYTES);
	sound = is_sound(i);
	words[unit_of[i]] = header;
	heap_unmap(heap, 0, words);
	return sound;
}

static void look_at_blocks(uint32_t alignment, uint32_t content)
{
	const struct heap_source_shape shape = {
		.page_shift = 16, .grain_shift = 12, .alignment = alignment, .prove = true};
	struct xvi_place place;
	uint32_t count = 0;

	heap_source_init(&source, &shape);
	while (count < BLOCKS_MOST && (count + 1) * (content + 16) < PAGE_BYTES) {
		assert_int_equal(xvi_heap_malloc(heap, content, 0, 1, HEAP_MAY_GROW, &place), 0);
		assert_int_equal(place.page, 0);
		unit_of[count++] = place.unit;
		heap_unmap(heap, 0, place.words);
	}
	for (uint32_t i = 0; i < count; i++) {
		bool in_other_kib = false;

		assert_true(is_sound(i));
		for (uint32_t j = i + 1; j < count && j < i + BEHIND_MOST; j++) {
			in_other_kib |= unit_of[j] >> START_SHIFT != unit_of[i] >> START_SHIFT;
			if (heap->shape.start_bits || in_other_kib)
				assert_false(is_sound_if_it_reached(i, j));
		}
	}
	heap_source_fini(&source);
}

static void a_header_that_reaches_over_blocks_is_not_sound(void **state)
{
	(void)state;
	for (uint32_t alignment = 4; alignment <= 16; alignment *= 2) {
		look_at_blocks(alignment, 140);
		look_at_blocks(alignment, 700);
		look_at_blocks(alignment, 3000);
		look_at_blocks(alignment, 9000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_that_reaches_over_blocks_is_not_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
