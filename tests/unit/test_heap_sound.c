/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_heap_sound.c: a header whose length reaches over the beginning of another block is not
 * believed, as far as the proof tells without a search (start.h). Whatever the words around a block
 * are, memory that is not there is not looked at, and the answer is the same on every machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "digest.h"
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

/* ---- any word ---- */

static uint64_t digest;

/* The answer for block i with this word at a unit, if its memory is there. */
static void look_with(uint32_t i, uint32_t unit, uint32_t word)
{
	uint32_t *words = heap_map(heap, 0);
	struct xvi_around around = {0, 0, 0, 0};
	uint32_t old;

	if (unit < heap->shape.end_unit && unit_is_hot(&heap->shape, heap_page(heap, 0), unit)) {
		old = words[unit];
		words[unit] = word;
		digest_add(&digest, block_is_sound(heap, &heap->shape, heap_page(heap, 0), 0, words,
						   unit_of[i], &around));
		digest_add(&digest, around.end ^ around.first);
		words[unit] = old;
	}
	heap_unmap(heap, 0, words);
}

static void look_with_words(uint32_t i, uint32_t unit, uint32_t units_behind)
{
	uint32_t *words = heap_map(heap, 0);
	bool is_there =
		unit < heap->shape.end_unit && unit_is_hot(&heap->shape, heap_page(heap, 0), unit);
	uint32_t old = is_there ? words[unit] : 0;

	for (uint32_t bit = 0; bit < 32; bit++)
		look_with(i, unit, old ^ 1U << bit);
	for (uint32_t units = 0; units < 40; units++) {
		look_with(i, unit, hole_unlisted_word(units * units * 11));
		look_with(i, unit, hole_listed_word(units));
	}
	for (uint32_t units = units_behind; units < units_behind + 3; units++) {
		look_with(i, unit, hole_unlisted_word(units));
		look_with(i, unit, old | BLOCK_PREV_FREE);
		look_with(i, unit, old & ~(uint32_t)BLOCK_PREV_FREE);
	}
	look_with(i, unit, 0);
	look_with(i, unit, UINT32_MAX);
	heap_unmap(heap, 0, words);
}

/* Blocks of all lengths, between holes of which some have no memory. */
static void any_word_gets_the_same_answer_everywhere(void **state)
{
	static const struct digest_known known = {1, 0x672AFC05B0550003U};
	uint64_t random = 3;

	(void)state;
	digest = 0;
	for (uint32_t round = 0; round < 9; round++) {
		const struct heap_source_shape shape = {.page_shift = 16,
							.grain_shift = 12,
							.alignment = 4U << round % 3,
							.prefix_bytes = round / 3 % 2 * 4,
							.prove = true};
		size_t most = round < 3 ? 300 : round < 6 ? 2000 : 9000;
		uint32_t count = 0, left = 0;
		struct xvi_place place;

		heap_source_init(&source, &shape);
		while (count < BLOCKS_MOST) {
			uint32_t content = 12 + (uint32_t)random_below(&random, most);

			assert_int_equal(
				xvi_heap_malloc(heap, content, 0, 1, HEAP_MAY_GROW, &place), 0);
			heap_unmap(heap, place.page, place.words);
			if (place.page != 0)
				break;
			unit_of[count++] = place.unit;
		}
		for (uint32_t i = 0; i < count; i++) {
			if (random_below(&random, 3) != 0)
				unit_of[left++] = unit_of[i];
			else
				xvi_heap_free(heap, 0, heap_map(heap, 0), unit_of[i]);
		}
		(void)xvi_heap_give_back(heap, 0);
		for (uint32_t i = 0; i < left; i++) {
			uint32_t *words = heap_map(heap, 0);
			uint32_t units = heap_block_units(heap, words[unit_of[i]]);

			heap_unmap(heap, 0, words);
			assert_true(is_sound(i));
			look_with_words(i, unit_of[i], units);
			if (unit_of[i] > heap->shape.first_unit)
				look_with_words(i, unit_of[i] - 1, units);
			look_with_words(i, unit_of[i] + units, units);
		}
		heap_source_fini(&source);
	}
	digest_verify(digest, 1, &known, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_that_reaches_over_blocks_is_not_sound),
		cmocka_unit_test(any_word_gets_the_same_answer_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
