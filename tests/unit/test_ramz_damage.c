/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Damaged pages: bytes of objects are changed in the provider's memory, behind the store's back.
 * With checksums a read then fails; without them it never leaves the page. XV_SEED repeats a run.
 */
#include <xvmalloc/provider_mmap.h>

#include "test_ramz_support.h"

enum { RANDOM_BYTES = 2000, POOL_PAGES = 64 };

struct scene {
	struct xv_provider *provider;
	struct ramz *store;
	unsigned char page[PAGE];
};

static void open_scene(struct scene *s, const struct ramz_codec *codec, bool checksum)
{
	struct xv_provider_mmap_options mmap_options;
	struct ramz_options options;

	xv_provider_mmap_options_init(&mmap_options);
	mmap_options.reserve_bytes = POOL_PAGES * PAGE;
	assert_int_equal(xv_provider_mmap_create(&s->provider, &mmap_options), 0);
	store_options(&options, 16);
	options.provider = s->provider;
	options.codec = codec;
	options.checksum = checksum;
	assert_int_equal(ramz_create(&s->store, &options), 0);
}

static void close_scene(struct scene *s)
{
	ramz_destroy(s->store);
	xv_provider_mmap_destroy(s->provider);
}

/* Where the first random bytes of the page lie in the pool: every codec keeps them as they are. */
static unsigned char *find_object(struct scene *s)
{
	unsigned char *base = s->provider->base;

	for (size_t at = 0; at + RANDOM_BYTES < POOL_PAGES * PAGE; at++) {
		if (memcmp(base + at, s->page + 16, 64) == 0)
			return base + at;
	}
	return NULL;
}

static void write_one(struct scene *s, uint64_t seed)
{
	page_partly_random(s->page, PAGE, RANDOM_BYTES, seed);
	assert_int_equal(ramz_write_page(s->store, 0, s->page), 0);
}

static void checksums_notice_every_changed_byte(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 9);
	const struct ramz_codec *codec;

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	for (size_t c = 0; (codec = ramz_codec_at(c)) != NULL; c++) {
		struct ramz_check_report report;
		struct scene s;
		unsigned char *object, back[PAGE];

		open_scene(&s, codec, true);
		write_one(&s, seed);
		object = find_object(&s);
		assert_non_null(object);
		for (size_t i = 0; i < RANDOM_BYTES - 32; i += 1 + random_below(&seed, 9)) {
			unsigned char bit = (unsigned char)(1U << random_below(&seed, 8));

			object[i] ^= bit;
			assert_int_equal(ramz_read_page(s.store, 0, back), -XV_EBADMSG);
			assert_int_equal(ramz_check(s.store, XV_CHECK_DEEP, &report), -XV_EBADMSG);
			assert_int_equal(report.page, 0);
			assert_int_equal(report.invariant, 3);
			object[i] ^= bit;
			assert_int_equal(ramz_read_page(s.store, 0, back), 0);
			assert_memory_equal(back, s.page, PAGE);
		}
		assert_true(store_stats(s.store).bad_pages > 100);
		assert_int_equal(store_stats(s.store).bad_pages, store_stats(s.store).failed_reads);
		/* A part of a damaged page cannot be written, the whole of it can. */
		object[5] ^= 1;
		assert_int_equal(ramz_write(s.store, 3000, back, 10, NULL), -XV_EBADMSG);
		assert_int_equal(ramz_write_page(s.store, 0, s.page), 0);
		assert_int_equal(ramz_read_page(s.store, 0, back), 0);
		store_check(s.store);
		close_scene(&s);
	}
}

static void no_damage_makes_a_codec_leave_the_page(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 10);
	const struct ramz_codec *codec;
	uint64_t refused = 0;

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	for (size_t c = 0; (codec = ramz_codec_at(c)) != NULL; c++) {
		struct scene s;
		unsigned char *object, *guarded = malloc(PAGE);
		/* A raw page has nothing before its bytes. */
		ptrdiff_t before = strcmp(codec->name, "none") == 0 ? 16 : 20;

		open_scene(&s, codec, false);
		write_one(&s, seed);
		object = find_object(&s);
		assert_non_null(object);
		for (int i = 0; i < 3000; i++) {
			int err;
			/* Mostly where the codec keeps its lengths: at both ends. */
			size_t at = random_below(&seed, 24);

			if (random_below(&seed, 2) != 0)
				at += RANDOM_BYTES - 24;
			object[(ptrdiff_t)at - before] = (unsigned char)random_next(&seed);
			err = ramz_read_page(s.store, 0, guarded);
			assert_true(err == 0 || err == -XV_EBADMSG);
			refused += err != 0;
		}
		free(guarded);
		close_scene(&s);
	}
	assert_true(refused > 0);
}

static void a_lost_object_is_damage(void **state)
{
	struct scene s;
	unsigned char back[PAGE], *object;

	(void)state;
	open_scene(&s, ramz_codec_at(0), false);
	write_one(&s, 4);
	object = find_object(&s);
	assert_non_null(object);
	/* Header and owner word of the block, and all before it. */
	memset((unsigned char *)s.provider->base, 0,
	       (size_t)(object - (unsigned char *)s.provider->base));
	assert_int_equal(ramz_read_page(s.store, 0, back), -XV_EBADMSG);
	assert_int_equal(ramz_check(s.store, XV_CHECK_DEEP, NULL), -XV_EBADMSG);
	close_scene(&s);
}

/* A check says what is broken and where, as often as it is asked. */
static void a_check_tells_what_it_found(void **state)
{
	struct ramz_check_report report;
	struct scene s;
	unsigned char *object;

	(void)state;
	open_scene(&s, ramz_codec_at(0), true);
	memset(&report, 0xA5, sizeof(report));
	assert_int_equal(ramz_check(s.store, XV_CHECK_DEEP, &report), 0);
	assert_int_equal(report.invariant, 0);
	assert_true(report.page == UINT64_MAX);
	assert_string_equal(report.message, "");
	assert_int_equal(report.pool.invariant, 0);
	assert_int_equal(ramz_check(s.store, (enum xv_check_level)9, &report), -XV_EINVAL);
	page_partly_random(s.page, PAGE, RANDOM_BYTES, 4);
	assert_int_equal(ramz_write_page(s.store, 11, s.page), 0);
	object = find_object(&s);
	assert_non_null(object);
	object[9] ^= 1;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ramz_check(s.store, XV_CHECK_QUICK, &report), 0);
		assert_int_equal(ramz_check(s.store, XV_CHECK_DEEP, &report), -XV_EBADMSG);
		assert_int_equal(report.page, 11);
		assert_int_equal(report.invariant, 3);
		assert_true(strlen(report.message) > 0);
	}
	object[9] ^= 1;
	/* The header of the pool's block. */
	memset(s.provider->base, 0x5A, 4);
	assert_int_equal(ramz_check(s.store, XV_CHECK_DEEP, &report), -XV_EBADMSG);
	assert_int_equal(report.invariant, 0);
	assert_int_not_equal(report.pool.invariant, 0);
	close_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_notice_every_changed_byte),
		cmocka_unit_test(no_damage_makes_a_codec_leave_the_page),
		cmocka_unit_test(a_lost_object_is_damage),
		cmocka_unit_test(a_check_tells_what_it_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
