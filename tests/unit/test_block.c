/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * block.h: the header word's fields keep apart, and say what they were given. White
 * box: src/core/block.h alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "block.h"

enum { UNIT_BITS_MIN = 10, UNIT_BITS_MAX = 14 };

static uint32_t used_word(unsigned unit_bits, uint32_t units, uint32_t pad, uint32_t kind)
{
	return block_resized(kind << BLOCK_KIND_SHIFT, unit_bits, units, pad);
}

static void a_used_word_gives_units_pad_and_kind_back(void **state)
{
	(void)state;
	for (unsigned bits = UNIT_BITS_MIN; bits <= UNIT_BITS_MAX; bits++) {
		for (uint32_t units = 1; units <= 1U << bits; units += units < 40 ? 1 : 37) {
			for (uint32_t pad = 0; pad <= BLOCK_PAD_MAX; pad++) {
				uint32_t kind = (units + pad) % BLOCK_KINDS;
				uint32_t word = used_word(bits, units, pad, kind);

				assert_int_equal(block_units(word, bits), units);
				assert_int_equal(block_pad(word), pad);
				assert_int_equal(block_kind(word), kind);
				assert_false(block_is_free(word));
				assert_false(block_prev_is_free(word));
			}
		}
	}
}

static void resizing_keeps_every_other_field(void **state)
{
	(void)state;
	for (unsigned bits = UNIT_BITS_MIN; bits <= UNIT_BITS_MAX; bits++) {
		uint32_t word = 0xFFFFFFFEU;
		uint32_t resized = block_resized(word, bits, 1, 0);

		assert_int_equal(block_units(resized, bits), 1);
		assert_int_equal(block_pad(resized), 0);
		assert_int_equal(block_check(resized), BLOCK_CHECK_MASK);
		assert_int_equal(block_kind(resized), BLOCK_KIND_MASK);
		assert_int_equal(block_generation(resized, bits), block_generation(word, bits));
		assert_true(block_prev_is_free(resized));
		assert_int_equal(block_resized(resized, bits, 1U << bits, BLOCK_PAD_MAX), word);
	}
}

static void the_content_is_what_header_and_pad_leave(void **state)
{
	(void)state;
	assert_int_equal(block_content_bytes(used_word(10, 2, 0, BLOCK_WHOLE), 10), 4);
	assert_int_equal(block_content_bytes(used_word(10, 2, 3, BLOCK_WHOLE), 10), 1);
	assert_int_equal(block_content_bytes(used_word(10, 1024, 0, BLOCK_WHOLE), 10), 4092);
	assert_int_equal(block_content_bytes(used_word(14, 16384, 31, BLOCK_WHOLE), 14), 65501);
	/* No header of ours: not to be taken for a large size. */
	assert_int_equal(block_content_bytes(used_word(10, 1, 31, BLOCK_WHOLE), 10), -31);
}

static void generations_use_the_bits_that_units_leave(void **state)
{
	(void)state;
	for (unsigned bits = UNIT_BITS_MIN; bits <= UNIT_BITS_MAX; bits++) {
		assert_int_equal(block_generation(UINT32_MAX, bits), (1U << (18 - bits)) - 1);
		assert_int_equal(block_generation(used_word(bits, 1U << bits, 31, 7), bits), 0);
	}
}

static void a_free_word_gives_kind_and_value_back(void **state)
{
	const uint32_t values[] = {0, 1, 2, 1000, 16384, (1U << BLOCK_FREE_VALUE_BITS) - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (uint32_t kind = FREE_LISTED; kind <= FREE_UNLISTED; kind++) {
			uint32_t word = block_free_word(kind, values[i]);

			assert_true(block_is_free(word));
			assert_false(block_prev_is_free(word));
			assert_int_equal(block_kind(word), kind);
			assert_int_equal(block_free_value(word), values[i]);
		}
	}
}

static void kinds_know_their_part_in_an_object(void **state)
{
	(void)state;
	assert_true(block_kind_is_head(BLOCK_WHOLE));
	assert_true(block_kind_is_head(BLOCK_HEAD));
	assert_true(block_kind_is_head(BLOCK_INDEX));
	assert_false(block_kind_is_head(BLOCK_MIDDLE));
	assert_false(block_kind_is_head(BLOCK_LAST));
	assert_true(block_kind_has_link(BLOCK_HEAD));
	assert_true(block_kind_has_link(BLOCK_MIDDLE));
	assert_true(block_kind_has_link(BLOCK_INDEX));
	assert_false(block_kind_has_link(BLOCK_LAST));
	assert_false(block_kind_has_link(BLOCK_WHOLE));
	assert_true(block_kind_is_fragment(BLOCK_HEAD));
	assert_true(block_kind_is_fragment(BLOCK_MIDDLE));
	assert_true(block_kind_is_fragment(BLOCK_LAST));
	assert_false(block_kind_is_fragment(BLOCK_WHOLE));
	assert_false(block_kind_is_fragment(BLOCK_INDEX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_used_word_gives_units_pad_and_kind_back),
		cmocka_unit_test(resizing_keeps_every_other_field),
		cmocka_unit_test(the_content_is_what_header_and_pad_leave),
		cmocka_unit_test(generations_use_the_bits_that_units_leave),
		cmocka_unit_test(a_free_word_gives_kind_and_value_back),
		cmocka_unit_test(kinds_know_their_part_in_an_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
