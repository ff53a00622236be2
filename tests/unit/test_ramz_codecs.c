/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The store's codec and level, changed while it holds pages of others.
 */
#include "test_ramz_support.h"

static void each_page_remembers_its_codec(void **state)
{
	const struct ramz_codec *codec;
	struct ramz_page_info info;
	struct ramz *store = store_open(64);
	int32_t level = 0;
	size_t codecs = 0;

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		assert_int_equal(ramz_set_codec(store, codec, codec->level_max), 0);
		assert_ptr_equal(ramz_get_codec(store, &level), codec);
		assert_int_equal(level, codec->level_max);
		store_put(store, i, 10 + 8 * i);
		codecs++;
	}
	for (size_t i = 0; i < codecs; i++) {
		store_expect(store, i, 10 + 8 * i);
		assert_int_equal(ramz_page_info(store, i, &info), 0);
		if (strcmp(ramz_codec_at(i)->name, "none") == 0)
			assert_int_equal(info.kind, RAMZ_PAGE_RAW);
		else
			assert_ptr_equal(info.codec, ramz_codec_at(i));
	}
	assert_int_equal(ramz_set_codec(store, NULL, 0), -XV_EINVAL);
	assert_int_equal(ramz_set_codec(NULL, ramz_codec_at(0), 0), -XV_EINVAL);
	assert_null(ramz_get_codec(NULL, NULL));
	store_close(store);
}

static void levels_change_what_is_kept(void **state)
{
	const struct ramz_codec *zstd = ramz_codec_by_name("zstd");
	unsigned char page[PAGE];
	struct ramz_page_info fast, dense;
	struct ramz *store = store_open(4);
	uint64_t seed = 5;

	(void)state;
	if (zstd == NULL)
		skip();
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (unsigned char)("etaoin shrdlu"[random_below(&seed, 13)]);
	assert_int_equal(ramz_set_codec(store, zstd, -7), 0);
	assert_int_equal(ramz_write_page(store, 0, page), 0);
	assert_int_equal(ramz_set_codec(store, zstd, 19), 0);
	assert_int_equal(ramz_write_page(store, 1, page), 0);
	assert_int_equal(ramz_page_info(store, 0, &fast), 0);
	assert_int_equal(ramz_page_info(store, 1, &dense), 0);
	assert_true(dense.stored_bytes < fast.stored_bytes);
	store_close(store);
}

static void more_codecs_than_there_is_room_for_are_refused(void **state)
{
	static struct ramz_codec codecs[RAMZ_CODECS_MAX + 1];
	struct ramz *store = store_open(64);

	(void)state;
	store_put(store, 60, 10);
	for (uint32_t i = 0; i <= RAMZ_CODECS_MAX; i++) {
		codecs[i] = *ramz_codec_at(0);
		codecs[i].id = 1000 + i;
		/* The store's own lz4 is one of them, and has a page. */
		assert_int_equal(ramz_set_codec(store, &codecs[i], RAMZ_LEVEL_DEFAULT),
				 i < RAMZ_CODECS_MAX - 1 ? 0 : -XV_E2BIG);
		if (i < RAMZ_CODECS_MAX - 1)
			store_put(store, i, 10 + i * 8);
	}
	/* Where no page is left of one it makes room. */
	assert_int_equal(ramz_discard(store, PAGE, PAGE), 0);
	assert_int_equal(ramz_set_codec(store, &codecs[RAMZ_CODECS_MAX], RAMZ_LEVEL_DEFAULT), 0);
	store_put(store, 1, 10 + 8);
	for (uint32_t i = 0; i < RAMZ_CODECS_MAX - 1; i++)
		store_expect(store, i, 10 + i * 8);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_page_remembers_its_codec),
		cmocka_unit_test(levels_change_what_is_kept),
		cmocka_unit_test(more_codecs_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
