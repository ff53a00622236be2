/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of the codecs, on the pages of this program and its libraries: what they
 * hold is what a page store gets. Buffers are exactly as long as they are said to
 * be, so that AddressSanitizer and valgrind see any step outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ramz/codec.h>

#include "test_random.h"

#define PAGE 4096U
#define PAGES_MAX 400U
#define CANARY 0xA5U

static uint8_t *test_pages;
static size_t test_page_count;

/* Real pages: the program itself, which holds code, strings and tables. */
static int setup_pages(void **state)
{
	FILE *file = fopen("/proc/self/exe", "rb");

	(void)state;
	test_pages = malloc((size_t)PAGES_MAX * PAGE);
	if (file == NULL || test_pages == NULL)
		return -1;
	test_page_count = fread(test_pages, PAGE, PAGES_MAX, file);
	fclose(file);
	return test_page_count > 3 ? 0 : -1;
}

static int teardown_pages(void **state)
{
	(void)state;
	free(test_pages);
	return 0;
}

static const uint8_t *page_at(size_t index)
{
	return test_pages + index * PAGE;
}

static void random_page(uint8_t *page, uint64_t seed)
{
	for (size_t i = 0; i < PAGE; i += 8) {
		uint64_t word = random_next(&seed);

		memcpy(page + i, &word, 8);
	}
}

/* ---- the list ------------------------------------------------------------- */

static void codec_list_begins_with_lz4_and_ends(void **state)
{
	size_t count = 0;

	(void)state;
	assert_string_equal(ramz_codec_at(0)->name, "lz4");
	while (ramz_codec_at(count) != NULL)
		count++;
	assert_in_range(count, 2, 4);
	assert_null(ramz_codec_at(count + 100));
}

static void codec_lookups_agree(void **state)
{
	const struct ramz_codec *codec;

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		assert_ptr_equal(ramz_codec_by_name(codec->name), codec);
		assert_ptr_equal(ramz_codec_by_id(codec->id), codec);
		assert_true(codec->level_min <= codec->level_default);
		assert_true(codec->level_default <= codec->level_max);
	}
	assert_null(ramz_codec_by_name("deflate"));
	assert_null(ramz_codec_by_name(NULL));
	assert_null(ramz_codec_by_id(UINT32_MAX));
}

/* Objects on disk carry these: they must never change. */
static void codec_ids_are_fixed(void **state)
{
	(void)state;
	assert_int_equal(ramz_codec_by_name("none")->id, 0);
	assert_int_equal(ramz_codec_by_name("lz4")->id, 1);
	if (ramz_codec_by_name("lzo") != NULL)
		assert_int_equal(ramz_codec_by_name("lzo")->id, 2);
	if (ramz_codec_by_name("zstd") != NULL)
		assert_int_equal(ramz_codec_by_name("zstd")->id, 3);
}

static void codec_context_needs_a_page_size(void **state)
{
	const struct ramz_codec *codec;

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		assert_null(codec->context_create(0, RAMZ_LEVEL_DEFAULT));
		assert_null(codec->context_create(SIZE_MAX, RAMZ_LEVEL_DEFAULT));
		codec->context_destroy(NULL);
	}
}

/* ---- round trips ---------------------------------------------------------- */

/* Compress into exactly `room` bytes and check that not one more is touched. */
static int compress_guarded(const struct ramz_codec *codec, void *context, const void *page,
			    uint8_t *out, size_t room)
{
	int bytes;

	memset(out, CANARY, room + 8);
	bytes = codec->compress(context, page, PAGE, out, room);
	assert_true(bytes <= (int)room);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(out[room + i], CANARY);
	return bytes;
}

/* Decompress from a buffer of exactly `bytes` into one of exactly a page. */
static int decompress_exact(const struct ramz_codec *codec, void *context, const void *data,
			    size_t bytes, uint8_t *page)
{
	uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
	int result;

	assert_non_null(exact);
	memcpy(exact, data, bytes);
	result = codec->decompress(context, exact, bytes, page, PAGE);
	free(exact);
	return result;
}

static void roundtrip_level(const struct ramz_codec *codec, int32_t level, size_t step)
{
	void *context = codec->context_create(PAGE, level);
	uint8_t *page = malloc(PAGE);
	uint8_t *out = malloc(2 * PAGE + 8);
	uint64_t total = 0;

	assert_non_null(context);
	for (size_t i = 0; i < test_page_count; i += step) {
		int bytes = compress_guarded(codec, context, page_at(i), out, 2 * PAGE);

		assert_true(bytes > 0);
		total += (uint64_t)bytes;
		assert_int_equal(decompress_exact(codec, context, out, (size_t)bytes, page), 0);
		assert_memory_equal(page, page_at(i), PAGE);
	}
	if (level == RAMZ_LEVEL_DEFAULT && step == 1 && strcmp(codec->name, "none") != 0)
		assert_true(total < test_page_count * PAGE);
	codec->context_destroy(context);
	free(out);
	free(page);
}

static void codec_round_trips_real_pages_at_every_kind_of_level(void **state)
{
	static const int32_t levels[] = {RAMZ_LEVEL_DEFAULT, -64, -1, 0, 1, 2, 3, 9};
	const struct ramz_codec *codec;

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		for (size_t k = 0; k < sizeof(levels) / sizeof(levels[0]); k++)
			roundtrip_level(codec, levels[k], 1);
		/* The ends of the range, which clamp. */
		roundtrip_level(codec, INT32_MIN + 1, 16);
		roundtrip_level(codec, INT32_MAX, 16);
	}
}

static int compressed_bytes(const struct ramz_codec *codec, void *context)
{
	uint8_t out[2 * PAGE];
	int bytes = 0;

	for (size_t i = 0; i < test_page_count; i++)
		bytes += codec->compress(context, page_at(i), PAGE, out, sizeof(out));
	codec->context_destroy(context);
	return bytes;
}

static void codec_level_changes_the_result(void **state)
{
	static const char *const names[] = {"lz4", "zstd"};

	(void)state;
	for (size_t n = 0; n < 2; n++) {
		const struct ramz_codec *codec = ramz_codec_by_name(names[n]);
		void *digest = codec != NULL && codec->digest_create != NULL
				       ? codec->digest_create(page_at(1), PAGE)
				       : NULL;

		if (codec == NULL)
			continue;
		assert_true(compressed_bytes(codec, codec->context_create(PAGE, 9)) <
			    compressed_bytes(codec, codec->context_create(PAGE, -20)));
		if (digest == NULL)
			continue;
		assert_true(compressed_bytes(codec, codec->context_create_with(PAGE, 9, digest)) <
			    compressed_bytes(codec, codec->context_create_with(PAGE, 3, digest)));
		codec->digest_destroy(digest);
	}
}

static void codec_says_0_when_the_result_does_not_fit(void **state)
{
	const struct ramz_codec *codec;
	uint8_t *out = malloc(PAGE + 8);
	uint8_t page[PAGE];

	(void)state;
	random_page(page, 7);
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		void *context = codec->context_create(PAGE, RAMZ_LEVEL_DEFAULT);
		static const size_t rooms[] = {PAGE - 1, 3072, 100, 1, 0};

		for (size_t k = 0; k < sizeof(rooms) / sizeof(rooms[0]); k++)
			assert_int_equal(compress_guarded(codec, context, page, out, rooms[k]), 0);
		codec->context_destroy(context);
	}
	free(out);
}

/* The exact size fits, one byte less does not: for each codec, on each real page. */
static void codec_never_writes_past_the_room_it_has(void **state)
{
	const struct ramz_codec *codec;
	uint8_t *out = malloc(2 * PAGE + 8);

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		void *context = codec->context_create(PAGE, RAMZ_LEVEL_DEFAULT);

		for (size_t p = 0; p < test_page_count; p += 7) {
			int bytes = compress_guarded(codec, context, page_at(p), out, 2 * PAGE);

			for (int room = bytes - 1; room > 0; room -= 1 + room / 3)
				assert_true(compress_guarded(codec, context, page_at(p), out,
							     (size_t)room) <= room);
		}
		codec->context_destroy(context);
	}
	free(out);
}

static void codec_refuses_more_than_its_page(void **state)
{
	const struct ramz_codec *codec;
	uint8_t out[3 * PAGE];

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		void *context = codec->context_create(PAGE, RAMZ_LEVEL_DEFAULT);

		assert_int_equal(codec->compress(context, page_at(0), PAGE + 1, out, sizeof(out)),
				 -XV_EINVAL);
		assert_int_equal(codec->compress(context, page_at(0), 0, out, sizeof(out)),
				 -XV_EINVAL);
		codec->context_destroy(context);
	}
}

/* ---- damaged input -------------------------------------------------------- */

static void check_damaged(const struct ramz_codec *codec, void *context, const uint8_t *data,
			  size_t bytes)
{
	uint8_t *page = malloc(PAGE);
	int result = decompress_exact(codec, context, data, bytes, page);

	/* A flipped literal still decompresses; all else is told. */
	assert_true(result == 0 || result == -XV_EBADMSG);
	free(page);
}

static void codec_truncated_input_is_refused(void **state)
{
	const struct ramz_codec *codec;
	uint8_t out[2 * PAGE];

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		void *context = codec->context_create(PAGE, RAMZ_LEVEL_DEFAULT);
		uint8_t *page = malloc(PAGE);
		int bytes = codec->compress(context, page_at(1), PAGE, out, sizeof(out));

		for (int cut = 0; cut < bytes; cut++)
			assert_int_equal(decompress_exact(codec, context, out, (size_t)cut, page),
					 -XV_EBADMSG);
		free(page);
		codec->context_destroy(context);
	}
}

static void codec_wrong_page_size_is_refused(void **state)
{
	const struct ramz_codec *codec;
	uint8_t out[2 * PAGE];
	uint8_t page[2 * PAGE];

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		void *context = codec->context_create(2 * PAGE, RAMZ_LEVEL_DEFAULT);
		int bytes = codec->compress(context, page_at(1), PAGE, out, sizeof(out));

		assert_true(bytes > 0);
		assert_int_equal(codec->decompress(context, out, (size_t)bytes, page, PAGE - 1),
				 -XV_EBADMSG);
		assert_int_equal(codec->decompress(context, out, (size_t)bytes, page, PAGE + 1),
				 -XV_EBADMSG);
		assert_int_equal(codec->decompress(context, out, (size_t)bytes, page, PAGE), 0);
		codec->context_destroy(context);
	}
}

static void codec_survives_random_damage(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 20261121);
	const struct ramz_codec *codec;
	uint8_t out[2 * PAGE];

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		void *context = codec->context_create(PAGE, RAMZ_LEVEL_DEFAULT);

		for (int round = 0; round < 3000; round++) {
			size_t p = random_below(&seed, test_page_count);
			int bytes = codec->compress(context, page_at(p), PAGE, out, sizeof(out));
			size_t flips = 1 + random_below(&seed, 8);

			assert_true(bytes > 0);
			for (size_t k = 0; k < flips; k++)
				out[random_below(&seed, (size_t)bytes)] ^=
					(uint8_t)(1U << random_below(&seed, 8));
			check_damaged(codec, context, out, 1 + random_below(&seed, (size_t)bytes));
			check_damaged(codec, context, out, (size_t)bytes);
		}
		codec->context_destroy(context);
	}
}

static void codec_survives_noise_as_input(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 20261121);
	const struct ramz_codec *codec;
	uint8_t noise[PAGE];

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		void *context = codec->context_create(PAGE, RAMZ_LEVEL_DEFAULT);

		for (int round = 0; round < 1000; round++) {
			random_page(noise, random_next(&seed));
			check_damaged(codec, context, noise, random_below(&seed, PAGE));
		}
		/* The context still works. */
		codec->context_destroy(context);
		roundtrip_level(codec, RAMZ_LEVEL_DEFAULT, 32);
	}
}

/* ---- same-filled ---------------------------------------------------------- */

static void same_filled_finds_every_repeated_word(void **state)
{
	static const uint64_t words[] = {0, UINT64_MAX, UINT64_C(0x0123456789ABCDEF), 1};
	uint64_t page[PAGE / 8];
	uint64_t word;

	(void)state;
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		for (size_t i = 0; i < PAGE / 8; i++)
			page[i] = words[w];
		word = ~words[w];
		assert_true(ramz_page_is_same_filled(page, PAGE, &word));
		assert_true(word == words[w]);
		assert_true(ramz_page_is_same_filled(page, PAGE, NULL));
		assert_true(ramz_page_is_same_filled(page, 8, NULL));
	}
}

static void same_filled_sees_one_bit_anywhere(void **state)
{
	uint64_t page[PAGE / 8];
	uint64_t word = 42;

	(void)state;
	for (size_t i = 0; i < PAGE / 8; i++) {
		memset(page, 0x5A, sizeof(page));
		page[i] ^= UINT64_C(1) << (i % 64);
		assert_false(ramz_page_is_same_filled(page, PAGE, &word));
	}
	assert_true(word == 42);
}

/* A shorter period than a word is a repeated word; a longer one is not. */
static void same_filled_period_is_a_word(void **state)
{
	uint8_t page[PAGE];

	(void)state;
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (uint8_t)(i % 4);
	assert_true(ramz_page_is_same_filled(page, PAGE, NULL));
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (uint8_t)(i % 16);
	assert_false(ramz_page_is_same_filled(page, PAGE, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codec_list_begins_with_lz4_and_ends),
		cmocka_unit_test(codec_lookups_agree),
		cmocka_unit_test(codec_ids_are_fixed),
		cmocka_unit_test(codec_context_needs_a_page_size),
		cmocka_unit_test(codec_round_trips_real_pages_at_every_kind_of_level),
		cmocka_unit_test(codec_level_changes_the_result),
		cmocka_unit_test(codec_says_0_when_the_result_does_not_fit),
		cmocka_unit_test(codec_never_writes_past_the_room_it_has),
		cmocka_unit_test(codec_refuses_more_than_its_page),
		cmocka_unit_test(codec_truncated_input_is_refused),
		cmocka_unit_test(codec_wrong_page_size_is_refused),
		cmocka_unit_test(codec_survives_random_damage),
		cmocka_unit_test(codec_survives_noise_as_input),
		cmocka_unit_test(same_filled_finds_every_repeated_word),
		cmocka_unit_test(same_filled_sees_one_bit_anywhere),
		cmocka_unit_test(same_filled_period_is_a_word),
	};

	return cmocka_run_group_tests(tests, setup_pages, teardown_pages);
}
