/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_sqlite_codec.c: the codec lz4-hex.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xvmalloc/errors.h>

#include "hex_codec.h"
#include "test_random.h"

enum { PAGE = 4096, ROOM = 2 * PAGE };

static const struct ramz_codec *const codec = &rzs_hex_codec;

/* A page of words and runs of digits of any length, in one of several mixtures. */
static void page_make(unsigned char page[PAGE], uint64_t *random)
{
	static const char *const digits[] = {"0123456789abcdef", "0123456789ABCDEF",
					     "0123456789abcDEF"};
	size_t kind = random_below(random, 4), at = 0;

	while (at < PAGE) {
		size_t length = 1 + random_below(random, kind == 3 ? 2 * PAGE : 100);
		const char *digit = digits[random_below(random, 3)];
		bool hex = kind == 0 ? false : kind == 3 || random_below(random, 2) == 0;

		for (size_t i = 0; i < length && at < PAGE; i++, at++)
			page[at] = hex ? (unsigned char)digit[random_below(random, 16)]
				       : (unsigned char)(kind == 1 ? random_next(random)
								   : 'g' + i % 16);
	}
}

static int form_make(void *context, const unsigned char *page, unsigned char form[ROOM])
{
	int bytes = codec->compress(context, page, PAGE, form, ROOM);

	assert_true(bytes > 0);
	return bytes;
}

static void pages_come_back(void **state)
{
	uint64_t random = environment_number("XV_TEST_SEED", 1);
	unsigned char page[PAGE], dictionary[3 * PAGE], form[ROOM], back[PAGE];

	(void)state;
	for (int i = 0; i < 3; i++)
		page_make(dictionary + i * PAGE, &random);
	for (int with = 0; with < 2; with++) {
		void *digest = codec->digest_create(dictionary, sizeof(dictionary));
		void *context = with == 0 ? codec->context_create(PAGE, 9)
					  : codec->context_create_with(PAGE, 9, digest);

		for (int i = 0; i < 300; i++) {
			int bytes;

			page_make(page, &random);
			bytes = form_make(context, page, form);
			memset(back, 0xee, sizeof(back));
			assert_int_equal(
				codec->decompress(context, form, (size_t)bytes, back, PAGE), 0);
			assert_memory_equal(back, page, PAGE);
			/* Less room than the form needs: no form, or a shorter one. */
			bytes = codec->compress(context, page, PAGE, form, (size_t)bytes - 1);
			assert_int_equal(bytes, 0);
		}
		codec->context_destroy(context);
		codec->digest_destroy(digest);
	}
}

static void digits_take_half(void **state)
{
	uint64_t random = 7;
	unsigned char page[PAGE], form[ROOM];
	void *context = codec->context_create(PAGE, 9);
	const struct ramz_codec *lz4 = ramz_codec_by_name("lz4");
	void *other = lz4->context_create(PAGE, 9);

	(void)state;
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (unsigned char)"0123456789abcdef"[random_below(&random, 16)];
	assert_true(form_make(context, page, form) < PAGE / 2 + 100);
	assert_true(lz4->compress(other, page, PAGE, form, ROOM) > PAGE * 2 / 3);
	/* Digits that repeat are lz4's. */
	memset(page, '0', PAGE);
	assert_true(form_make(context, page, form) < 50);
	codec->context_destroy(context);
	lz4->context_destroy(other);
}

/* Whatever the form says: no byte outside of it or of the page is touched (sanitizers see that). */
static void damaged_forms_are_refused_or_read(void **state)
{
	uint64_t random = environment_number("XV_TEST_SEED", 3);
	unsigned char page[PAGE], form[ROOM];
	void *context = codec->context_create(PAGE, 9);
	int refused = 0;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		size_t bytes, cut;
		unsigned char *copy, *back = malloc(PAGE);
		int err;

		page_make(page, &random);
		bytes = (size_t)form_make(context, page, form);
		cut = random_below(&random, 4) == 0 ? random_below(&random, bytes) : bytes;
		copy = malloc(cut > 0 ? cut : 1);
		memcpy(copy, form, cut);
		for (int change = 0; cut > 0 && change < 3; change++)
			copy[random_below(&random, change == 0 ? (cut < 8 ? cut : 8) : cut)] =
				(unsigned char)random_next(&random);
		err = codec->decompress(context, copy, cut, back, PAGE);
		assert_true(err == 0 || err == -XV_EBADMSG);
		refused += err != 0;
		free(copy);
		free(back);
	}
	assert_true(refused > 1000);
	codec->context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_come_back),
		cmocka_unit_test(digits_take_half),
		cmocka_unit_test(damaged_forms_are_refused_or_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
