/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_extents.c: the extents told to nbdkit, against a model of the contents.
 */
#include "extents.h"
#include "test_nbdkit_support.h"

enum { PAGE = 4096, PAGES = 700, HOLE = NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO };

static struct nbdkit_extents extents;

static size_t ask(struct rzn_disk *disk, uint64_t offset, uint32_t count, bool one_only)
{
	extents.count = 0;
	assert_int_equal(rzn_disk_extents(disk, count, offset, one_only, &extents), 0);
	return extents.count;
}

/* Runs of pages of one kind; returns in is_data which hold something but zeros. */
static void fill_at_random(struct rzn_disk *disk, bool is_data[PAGES], uint64_t *state)
{
	char page[PAGE];
	size_t run = 0, kind = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		if (run == 0) {
			run = 1 + random_below(state, random_below(state, 8) == 0 ? 200 : 5);
			kind = random_below(state, 5);
		}
		run--;
		page_of_noise(page, PAGE, i);
		if (kind == 1)
			memset(page, 0, PAGE);
		if (kind == 2)
			memset(page, 1 + (int)(i & 0x7F), PAGE);
		if (kind != 0)
			assert_int_equal(ramz_write_page(disk->store, i, page), 0);
		if (kind == 4)
			assert_int_equal(ramz_discard(disk->store, i * PAGE, PAGE), 0);
		is_data[i] = kind == 2 || kind == 3;
	}
}

/* Each extent begins where the one before ended, is of the right kind, and as long as can be. */
static void check_answer(const bool is_data[PAGES], uint64_t offset, uint32_t count, bool one_only)
{
	uint64_t at = offset, end = offset + count;

	assert_true(extents.count >= 1);
	for (size_t i = 0; i < extents.count; i++) {
		const struct extent *e = &extents.list[i];

		assert_int_equal(e->offset, at);
		assert_true(e->bytes > 0 && e->bytes <= end - at);
		for (uint64_t p = at / PAGE; p <= (at + e->bytes - 1) / PAGE; p++)
			assert_int_equal(e->kind, is_data[p] ? 0 : HOLE);
		if (i > 0)
			assert_int_not_equal(e->kind, extents.list[i - 1].kind);
		at += e->bytes;
	}
	if (one_only)
		assert_int_equal(extents.count, 1);
	if (at != end)
		assert_true(one_only && at % PAGE == 0 &&
			    is_data[at / PAGE] != (extents.list[0].kind == 0));
}

static void extents_agree_with_the_contents(void **unused)
{
	uint64_t state = environment_number("XV_SEED", 20261122);
	bool is_data[PAGES];
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	print_message("XV_SEED=%llu\n", (unsigned long long)state);
	for (int round = 0; round < 20; round++) {
		disk_of(&disk, &config, PARAMETERS("size=2867200")); /* PAGES pages */
		fill_at_random(&disk, is_data, &state);
		for (int query = 0; query < 300; query++) {
			size_t offset = random_below(&state, (size_t)PAGES * PAGE);
			uint32_t count =
				1 + (uint32_t)random_below(&state, (size_t)PAGES * PAGE - offset);
			bool one_only = random_below(&state, 3) == 0;

			ask(&disk, offset, count, one_only);
			check_answer(is_data, offset, count, one_only);
		}
		disk_end(&disk, &config);
	}
}

static void extents_of_an_empty_tebibyte_are_one_hole(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1T"));
	for (uint64_t offset = 0; offset < 1ULL << 40; offset += 0xFFFFF000U) {
		uint64_t left = (1ULL << 40) - offset;
		uint32_t count = left < 0xFFFFF000U ? (uint32_t)left : 0xFFFFF000U;

		assert_int_equal(ask(&disk, offset, count, false), 1);
		assert_int_equal(extents.list[0].offset, offset);
		assert_int_equal(extents.list[0].bytes, count);
		assert_int_equal(extents.list[0].kind, HOLE);
	}
	disk_end(&disk, &config);
}

/* An answer for a full disk stops early, and the next question goes on from there. */
static void extents_of_a_full_disk_come_in_parts(void **unused)
{
	enum { MANY = 300000 };
	uint64_t page[PAGE / 8], at = 0;
	struct rzn_config config;
	struct rzn_disk disk;
	unsigned answers = 0;

	(void)unused;
	memset(page, 7, sizeof(page));
	disk_of(&disk, &config, PARAMETERS("size=1228800000")); /* MANY pages */
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(ramz_write_page(disk.store, i, page), 0);
	while (at < (uint64_t)MANY * PAGE) {
		assert_int_equal(ask(&disk, at, (uint32_t)((uint64_t)MANY * PAGE - at), false), 1);
		assert_int_equal(extents.list[0].offset, at);
		assert_int_equal(extents.list[0].kind, 0);
		at += extents.list[0].bytes;
		answers++;
	}
	assert_int_equal(at, (uint64_t)MANY * PAGE);
	assert_in_range(answers, 2, 4);
	disk_end(&disk, &config);
}

/* Every second page: more extents than one answer has. */
static void extents_of_a_striped_disk_come_in_parts(void **unused)
{
	enum { STRIPES = 40000 };
	uint64_t page[PAGE / 8], at = 0;
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	memset(page, 7, sizeof(page));
	disk_of(&disk, &config, PARAMETERS("size=163840000")); /* STRIPES pages */
	for (uint64_t i = 1; i < STRIPES; i += 2)
		assert_int_equal(ramz_write_page(disk.store, i, page), 0);
	while (at < (uint64_t)STRIPES * PAGE) {
		size_t count = ask(&disk, at, (uint32_t)((uint64_t)STRIPES * PAGE - at), false);

		assert_in_range(count, 1, STRIPES / 2);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(extents.list[i].offset, at);
			assert_int_equal(extents.list[i].bytes, PAGE);
			assert_int_equal(extents.list[i].kind, at / PAGE % 2 == 1 ? 0 : HOLE);
			at += PAGE;
		}
	}
	assert_int_equal(at, (uint64_t)STRIPES * PAGE);
	disk_end(&disk, &config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extents_agree_with_the_contents),
		cmocka_unit_test(extents_of_an_empty_tebibyte_are_one_hole),
		cmocka_unit_test(extents_of_a_full_disk_come_in_parts),
		cmocka_unit_test(extents_of_a_striped_disk_come_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
