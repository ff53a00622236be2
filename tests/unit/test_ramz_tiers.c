/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Ages, tiers and dictionaries: what is recompressed, what stays, and that every page reads as it
 * was written, also after a save and a load.
 */
#include "test_ramz_memory_file.h"
#include "test_ramz_text.h"

enum { SLOTS = 1000, TIER = 2 };

static struct ramz *text_store(bool checksum, bool dedup)
{
	struct ramz *store = store_open_with(SLOTS, checksum, dedup);

	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	return store;
}

static struct ramz_recompress_report recompress(struct ramz *store, uint32_t tier, uint32_t min_age)
{
	struct ramz_recompress_options options = {.tier = tier, .min_age = min_age};
	struct ramz_recompress_report report;

	assert_int_equal(ramz_recompress(store, &options, &report), 0);
	return report;
}

static bool train(struct ramz *store, uint32_t tier)
{
	struct ramz_train_options options = {.tier = tier, .samples = 300};
	struct ramz_train_report report;

	assert_int_equal(ramz_train(store, &options, &report), 0);
	if (report.used) {
		assert_true(report.dictionary_bytes > 0);
		assert_true(report.with_bytes < report.without_bytes);
		assert_in_range(report.samples + report.tested, 8 * report.tested - 8, 300);
	}
	return report.used;
}

/* ---- ages ---- */

static void expect_ages(struct ramz *store, uint64_t young, uint32_t bucket, uint64_t old)
{
	struct ramz_ages ages;

	assert_int_equal(ramz_get_ages(store, &ages), 0);
	for (uint32_t i = 0; i < RAMZ_AGE_BUCKETS; i++)
		assert_int_equal(ages.pages[i], i == 0 ? young : i == bucket ? old : 0);
}

static void reading_or_writing_makes_a_page_young(void **state)
{
	struct ramz *store = store_open(1000);
	unsigned char part[100] = {1};

	(void)state;
	for (uint64_t slot = 0; slot < 600; slot++)
		store_put(store, slot, slot);
	expect_ages(store, 600, 1, 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(ramz_mark_idle(store), 0);
	expect_ages(store, 0, 2, 600);
	store_expect(store, 5, 5);
	store_put(store, 6, 7);
	assert_int_equal(ramz_write(store, 8 * PAGE + 10, part, sizeof(part), NULL), 0);
	assert_int_equal(ramz_read(store, 9 * PAGE + 10, part, sizeof(part)), 0);
	expect_ages(store, 4, 2, 596);
	assert_int_equal(ramz_discard(store, 5 * PAGE, 2 * PAGE), 0);
	expect_ages(store, 2, 2, 596);
	store_check(store); /* looking inside is no use */
	expect_ages(store, 2, 2, 596);
	store_close(store);
}

static void an_age_does_not_come_round(void **state)
{
	struct ramz *store = store_open(100000);

	(void)state;
	for (uint64_t slot = 0; slot < 100000; slot += 100)
		store_put(store, slot, slot + 2);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(ramz_mark_idle(store), 0);
		if (i >= 63)
			expect_ages(store, 0, RAMZ_AGE_BUCKETS - 1, 1000);
	}
	store_expect(store, 100, 102);
	expect_ages(store, 1, RAMZ_AGE_BUCKETS - 1, 999);
	assert_int_equal(ramz_age_floor(RAMZ_AGE_BUCKETS - 1), 64);
	store_close(store);
}

/* ---- recompression ---- */

static void idle_pages_go_into_the_tier_and_read_the_same(void **state)
{
	const struct ramz_codec *zstd = strong_codec();

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct ramz *store = text_store((kind & 1) != 0, (kind & 2) != 0);
		uint64_t before = store_stats(store).stored_bytes;
		struct ramz_recompress_report report;

		assert_int_equal(ramz_set_tier(store, TIER, zstd, 3), 0);
		assert_int_equal(ramz_mark_idle(store), 0);
		for (uint64_t slot = 0; slot < 100; slot++)
			expect_text(store, slot, slot); /* these are young */
		report = recompress(store, TIER, 1);
		assert_int_equal(report.recompressed, SLOTS - 100);
		assert_int_equal(report.next, UINT64_MAX);
		assert_int_equal(tier_info(store, TIER).pages, SLOTS - 100);
		assert_int_equal(tier_info(store, 0).pages, 100);
		assert_int_equal(before - store_stats(store).stored_bytes, report.saved_bytes);
		assert_int_equal(recompress(store, TIER, 1).tried, 0);
		store_check(store);
		for (uint64_t slot = 0; slot < SLOTS; slot++)
			expect_text(store, slot, slot);
		put_text(store, 500, 9999); /* written again: tier 0 again */
		assert_int_equal(tier_info(store, 0).pages, 101);
		store_close(store);
	}
}

static void what_does_not_get_shorter_is_tried_once(void **state)
{
	struct ramz *store = store_open(64);
	struct ramz_recompress_report report;

	(void)state;
	for (uint64_t slot = 0; slot < 64; slot++)
		store_put(store, slot, slot * 8 + 1); /* random bytes */
	assert_int_equal(ramz_set_tier(store, 1, ramz_codec_at(0), 9), 0);
	report = recompress(store, 1, 0);
	assert_int_equal(report.tried, 64);
	assert_int_equal(report.recompressed, 0);
	assert_int_equal(recompress(store, 1, 0).tried, 0);
	store_put(store, 3, 9); /* another page is another chance */
	assert_int_equal(ramz_compact(store, 0, NULL), 0);
	assert_int_equal(recompress(store, 1, 0).tried, 1);
	assert_int_equal(ramz_set_tier(store, 2, ramz_codec_at(0), 12), 0);
	assert_int_equal(recompress(store, 2, 0).tried, 64);
	store_close(store);
}

static void ranges_lengths_and_ends_are_kept_to(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	struct ramz *store = text_store(false, false);
	struct ramz_recompress_options options = {.tier = 1, .first = 100, .count = 50};
	struct ramz_recompress_report report;
	struct ramz_page_info info;

	(void)state;
	assert_int_equal(ramz_set_tier(store, 1, zstd, 1), 0);
	assert_int_equal(ramz_recompress(store, &options, &report), 0);
	assert_int_equal(report.recompressed, 50);
	assert_int_equal(ramz_page_info(store, 99, &info), 0);
	assert_ptr_equal(info.codec, ramz_codec_at(0));
	assert_int_equal(ramz_page_info(store, 149, &info), 0);
	assert_ptr_equal(info.codec, zstd);
	options = (struct ramz_recompress_options){.tier = 1, .min_bytes = PAGE};
	assert_int_equal(ramz_recompress(store, &options, &report), 0);
	assert_int_equal(report.tried, 0);
	options = (struct ramz_recompress_options){.tier = 1, .pages_max = 7};
	assert_int_equal(ramz_recompress(store, &options, &report), 0);
	assert_int_equal(report.recompressed, 7);
	assert_int_equal(report.next, 7);
	options = (struct ramz_recompress_options){
		.tier = 1, .first = report.next, .goal_bytes = store_stats(store).held_bytes};
	assert_int_equal(ramz_recompress(store, &options, &report), 0);
	assert_int_equal(report.tried, 0);
	store_close(store);
}

static void shared_pages_stay(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	struct ramz *store = text_store(false, true);

	(void)state;
	for (uint64_t slot = 0; slot < 20; slot++)
		put_text(store, slot, 900); /* as slot 900 */
	assert_int_equal(ramz_set_tier(store, 1, zstd, 3), 0);
	assert_int_equal(recompress(store, 1, 0).recompressed, SLOTS - 21);
	assert_int_equal(store_stats(store).pages_shared, 20);
	/* An identical page finds the recompressed one. */
	put_text(store, 0, 950);
	assert_int_equal(tier_info(store, 1).pages, SLOTS - 20);
	store_close(store);
}

static bool fails_once;

static int decompress_at_times(void *context, const void *src, size_t src_bytes, void *dst,
			       size_t dst_bytes)
{
	if (fails_once) {
		fails_once = false;
		return -XV_ENOMEM;
	}
	return ramz_codec_at(0)->decompress(context, src, src_bytes, dst, dst_bytes);
}

/* A page that could not be compared with its twin when it was written joins it now. */
static void a_page_that_joins_its_twin_saves_all_of_its_form(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	struct ramz *store = store_open_with(SLOTS, false, true);
	struct ramz_codec codec = *ramz_codec_at(0);
	struct ramz_recompress_report report;
	uint64_t before;

	(void)state;
	codec.decompress = decompress_at_times;
	assert_int_equal(ramz_set_codec(store, &codec, codec.level_default), 0);
	put_text(store, 0, 7);
	fails_once = true;
	put_text(store, 1, 7);
	assert_false(fails_once);
	assert_int_equal(store_stats(store).pages_shared, 0);
	assert_int_equal(ramz_set_tier(store, 1, zstd, 3), 0);
	before = store_stats(store).stored_bytes;
	report = recompress(store, 1, 0);
	assert_int_equal(report.recompressed, 1);
	assert_int_equal(store_stats(store).pages_shared, 1);
	assert_int_equal(before - store_stats(store).stored_bytes, report.saved_bytes);
	expect_text(store, 0, 7);
	expect_text(store, 1, 7);
	store_close(store);
}

static void bad_requests_are_refused(void **state)
{
	struct ramz_recompress_report report = {.next = 5};
	struct ramz *store = store_open(10);
	struct ramz_recompress_options options = {.tier = 1};
	struct ramz_train_options training = {.tier = 1};
	struct ramz_tier_info info;
	const struct ramz_codec *lz4 = ramz_codec_at(0);

	(void)state;
	assert_int_equal(ramz_recompress(store, &options, NULL), -XV_EINVAL); /* not set */
	assert_int_equal(ramz_train(store, &training, NULL), -XV_EINVAL);
	assert_int_equal(ramz_set_tier(store, 0, lz4, 9), -XV_EINVAL);
	assert_int_equal(ramz_set_tier(store, RAMZ_TIERS, lz4, 9), -XV_EINVAL);
	assert_int_equal(ramz_set_tier(store, 1, ramz_codec_by_name("none"), 0), -XV_EINVAL);
	assert_int_equal(ramz_set_tier(NULL, 1, lz4, 9), -XV_EINVAL);
	assert_int_equal(ramz_set_tier(store, 1, lz4, 9), 0);
	options.first = 10;
	assert_int_equal(ramz_recompress(store, &options, NULL), -XV_ERANGE);
	options.first = 0;
	options.min_age = RAMZ_AGE_MAX + 1;
	/* A caller's loop over next ends. */
	assert_int_equal(ramz_recompress(store, &options, &report), -XV_EINVAL);
	assert_true(report.next == UINT64_MAX);
	assert_int_equal(ramz_get_tier(store, RAMZ_TIERS, &info), -XV_EINVAL);
	for (unsigned lacks = 0; lacks < 4; lacks++) {
		struct ramz_codec three = *lz4;

		if (lacks == 0)
			three.digest_create = NULL;
		else if (lacks == 1)
			three.digest_destroy = NULL;
		else if (lacks == 2)
			three.digest_bytes = NULL;
		else
			three.context_create_with = NULL;
		assert_int_equal(ramz_set_tier(store, 2, &three, 9), -XV_EINVAL);
	}
	assert_int_equal(ramz_set_tier(store, 1, NULL, 0), 0);
	assert_null(tier_info(store, 1).codec);
	assert_int_equal(ramz_mark_idle(NULL), -XV_EINVAL);
	assert_int_equal(ramz_get_ages(store, NULL), -XV_EINVAL);
	store_close(store);
}

/* ---- dictionaries ---- */

static void *no_digest(const void *dictionary, size_t bytes)
{
	(void)dictionary, (void)bytes;
	return NULL;
}

static void a_digest_without_memory_is_no_bad_request(void **state)
{
	struct ramz_codec codec = *strong_codec();
	struct ramz *store = text_store(false, false);
	struct ramz_train_options options = {.tier = 1, .samples = 300};

	(void)state;
	codec.digest_create = no_digest;
	assert_int_equal(ramz_set_tier(store, 1, &codec, 3), 0);
	assert_int_equal(ramz_train(store, &options, NULL), -XV_ENOMEM);
	assert_int_equal(tier_info(store, 1).dictionary_bytes, 0);
	store_close(store);
}

static void a_dictionary_is_used_where_pages_have_much_in_common(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	struct ramz *store = text_store(true, false), *plain = text_store(true, false);

	(void)state;
	assert_int_equal(ramz_set_tier(store, TIER, zstd, 3), 0);
	assert_int_equal(ramz_set_tier(plain, TIER, zstd, 3), 0);
	assert_true(train(store, TIER));
	assert_true(tier_info(store, TIER).dictionary_bytes > 0);
	assert_int_equal(recompress(store, TIER, 0).recompressed, SLOTS);
	(void)recompress(plain, TIER, 0);
	assert_true(store_stats(store).stored_bytes < store_stats(plain).stored_bytes);
	assert_true(store_stats(store).held_bytes < store_stats(plain).held_bytes);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		expect_text(store, slot, slot);
	store_close(store);
	store_close(plain);
}

static void no_dictionary_is_used_where_it_does_not_pay(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	struct ramz *store = store_open(SLOTS);
	struct ramz_train_options options = {.tier = 1};
	struct ramz_train_report report;
	unsigned char page[PAGE];
	uint64_t held;

	(void)state;
	assert_int_equal(ramz_set_tier(store, 1, zstd, 3), 0);
	assert_false(train(store, 1)); /* no page at all */
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		page_partly_random(page, PAGE, PAGE / 2, slot + 1);
		assert_int_equal(ramz_write_page(store, slot, page), 0);
	}
	held = store_stats(store).held_bytes;
	assert_int_equal(ramz_train(store, &options, &report), 0);
	assert_false(report.used);
	assert_int_equal(report.candidates, SLOTS);
	assert_int_equal(tier_info(store, 1).dictionary_bytes, 0);
	assert_int_equal(store_stats(store).held_bytes, held);
	store_close(store);
}

/* Text in capitals: no word of it is in a dictionary of put_text's. */
static void capitals_fill(unsigned char *page, uint64_t number)
{
	text_fill(page, number);
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (unsigned char)(page[i] == ' ' ? ' ' : page[i] - 'a' + 'A');
}

static void put_capitals_from(struct ramz *store, uint64_t first)
{
	unsigned char page[PAGE];

	for (uint64_t slot = first; slot < SLOTS; slot++) {
		capitals_fill(page, slot);
		assert_int_equal(ramz_write_page(store, slot, page), 0);
	}
}

static void a_dictionary_goes_with_its_last_page(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	struct ramz *store = text_store(false, false);
	uint64_t with_two;

	(void)state;
	assert_int_equal(ramz_set_tier(store, 1, zstd, 3), 0);
	assert_true(train(store, 1));
	(void)recompress(store, 1, 0);
	for (uint64_t slot = SLOTS / 4; slot < SLOTS; slot++)
		put_text(store, slot, slot + 5000);
	assert_false(train(store, 1)); /* of the same words: no better than the first */
	put_capitals_from(store, SLOTS / 4);
	assert_true(train(store, 1)); /* the second generation; a quarter is in the first */
	(void)ramz_trim(store);
	with_two = store_stats(store).dictionary_bytes;
	put_capitals_from(store, 0);
	(void)ramz_trim(store);
	assert_true(store_stats(store).dictionary_bytes < with_two * 2 / 3);
	/* As many generations as one likes, where no page is in the old ones. */
	for (uint32_t i = 0; i < RAMZ_CODECS_MAX + 2; i++) {
		put_capitals_from(store, 0);
		for (uint64_t slot = 0; i % 2 == 0 && slot < SLOTS; slot++)
			put_text(store, slot, slot + i);
		assert_true(train(store, 1));
	}
	(void)recompress(store, 1, 0);
	assert_int_equal(tier_info(store, 1).pages, SLOTS);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		expect_text(store, slot, slot + RAMZ_CODECS_MAX + 1);
	store_close(store);
}

static void pages_of_an_older_dictionary_are_due_again(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	unsigned char page[PAGE], wanted[PAGE];

	(void)state;
	for (unsigned dedup = 0; dedup < 2; dedup++) {
		struct ramz *store = text_store(true, dedup != 0);
		struct ramz_recompress_report report;
		uint64_t held, dictionaries;

		assert_int_equal(ramz_set_tier(store, TIER, zstd, 3), 0);
		assert_true(train(store, TIER));
		put_capitals_from(store, 0);
		assert_int_equal(recompress(store, TIER, 0).recompressed, SLOTS);
		assert_int_equal(recompress(store, TIER, 0).tried, 0);
		(void)ramz_trim(store);
		held = store_stats(store).held_bytes;
		dictionaries = store_stats(store).dictionary_bytes;
		assert_true(train(store, TIER)); /* on capitals */
		assert_true(store_stats(store).dictionary_bytes > dictionaries * 3 / 2);
		report = recompress(store, TIER, 0);
		assert_int_equal(report.recompressed, SLOTS);
		assert_int_equal(tier_info(store, TIER).pages, SLOTS);
		/* The older dictionary went by itself. */
		assert_true(store_stats(store).dictionary_bytes < dictionaries * 3 / 2);
		(void)ramz_trim(store);
		assert_true(store_stats(store).held_bytes + report.saved_bytes / 2 < held);
		assert_false(train(store, TIER)); /* of the same words: no better */
		assert_int_equal(recompress(store, TIER, 0).tried, 0);
		for (uint64_t slot = 0; slot < SLOTS; slot++) {
			capitals_fill(wanted, slot);
			assert_int_equal(ramz_read_page(store, slot, page), 0);
			assert_memory_equal(page, wanted, PAGE);
		}
		store_close(store);
	}
}

/* Blocks of random bytes, the same ones in each page in another order. */
static void blocks_fill(unsigned char *page, uint64_t number)
{
	enum { BLOCK = 64, BLOCKS = 256 };
	uint64_t seed = number + 5;

	for (size_t at = 0; at < PAGE; at += BLOCK) {
		uint64_t block = random_below(&seed, BLOCKS) + 1;

		page_partly_random(page + at, BLOCK, BLOCK, block * 1000003);
	}
}

static void what_did_not_get_shorter_is_tried_with_a_new_dictionary(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	unsigned char page[PAGE], wanted[PAGE];

	(void)state;
	for (unsigned dedup = 0; dedup < 2; dedup++) {
		struct ramz *store = store_open_with(SLOTS, false, dedup != 0);

		for (uint64_t slot = 0; slot < SLOTS; slot++) {
			blocks_fill(page, slot);
			assert_int_equal(ramz_write_page(store, slot, page), 0);
		}
		assert_int_equal(ramz_set_tier(store, TIER, zstd, 3), 0);
		(void)recompress(store, TIER, 0);
		assert_int_equal(recompress(store, TIER, 0).tried, 0);
		assert_true(train(store, TIER));
		(void)recompress(store, TIER, 0);
		assert_int_equal(tier_info(store, TIER).pages, SLOTS);
		for (uint64_t slot = 0; slot < SLOTS; slot++) {
			blocks_fill(wanted, slot);
			assert_int_equal(ramz_read_page(store, slot, page), 0);
			assert_memory_equal(page, wanted, PAGE);
		}
		store_close(store);
	}
}

static void lz4_reads_with_a_dictionary(void **state)
{
	const struct ramz_codec *trainer = strong_codec(); /* whose it is */
	struct ramz *store = text_store(true, false);

	(void)state, (void)trainer;
	for (int32_t level = 1; level <= 9; level += 8) {
		assert_int_equal(
			ramz_set_tier(store, 1 + (uint32_t)level / 9, ramz_codec_at(0), level), 0);
		assert_true(train(store, 1 + (uint32_t)level / 9));
		assert_true(recompress(store, 1 + (uint32_t)level / 9, 0).recompressed > 0);
		for (uint64_t slot = 0; slot < SLOTS; slot++)
			expect_text(store, slot, slot);
	}
	store_close(store);
}

/* ---- saved and loaded ---- */

static struct ramz *save_and_load(struct ramz *store, bool dedup)
{
	struct ramz_options options;
	struct memory_file file;
	struct ramz *loaded = NULL;
	const char *reason = NULL;

	save(store, &file);
	store_options(&options, 1);
	options.dedup = dedup;
	assert_int_equal(load(&file, &options, &loaded, &reason), 0);
	free(file.bytes);
	return loaded;
}

static void tiers_and_dictionaries_are_saved_with_the_store(void **state)
{
	const struct ramz_codec *zstd = strong_codec();

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct ramz *store = text_store((kind & 1) != 0, false), *loaded;

		assert_int_equal(ramz_set_tier(store, 1, ramz_codec_at(0), 9), 0);
		assert_int_equal(ramz_set_tier(store, 2, zstd, 8), 0);
		assert_true(train(store, 1));
		assert_true(train(store, 2));
		assert_int_equal(ramz_mark_idle(store), 0);
		for (uint64_t slot = 0; slot < 300; slot++)
			expect_text(store, slot, slot);
		(void)recompress(store, 2, 1);
		(void)recompress(store, 1, 0);
		loaded = save_and_load(store, (kind & 2) != 0);
		for (uint32_t tier = 0; tier < RAMZ_TIERS; tier++) {
			struct ramz_tier_info was = tier_info(store, tier);
			struct ramz_tier_info is = tier_info(loaded, tier);

			assert_ptr_equal(is.codec, was.codec);
			assert_int_equal(is.level, was.level);
			assert_int_equal(is.dictionary_bytes, was.dictionary_bytes);
			assert_int_equal(is.pages, was.pages);
		}
		for (uint64_t slot = 0; slot < SLOTS; slot++)
			expect_text(loaded, slot, slot);
		store_close(store);
		put_text(loaded, 1, 7000);
		assert_int_equal(recompress(loaded, 2, 0).recompressed > 0, 1);
		store_close(loaded);
	}
}

/* Every byte of a dictionary's block counts. */
static void a_damaged_dictionary_is_refused(void **state)
{
	const struct ramz_codec *zstd = strong_codec();
	struct ramz *store = text_store(false, false), *loaded;
	struct memory_file file;
	struct ramz_options options;
	const char *reason = NULL;

	(void)state;
	assert_int_equal(ramz_set_tier(store, 1, zstd, 3), 0);
	assert_true(train(store, 1));
	(void)recompress(store, 1, 0);
	save(store, &file);
	store_options(&options, 1);
	for (size_t at = 256; at < 60000; at += 997) {
		file.bytes[at] ^= 0x10;
		file.at = 0;
		assert_int_equal(load(&file, &options, &loaded, &reason), -XV_EBADMSG);
		file.bytes[at] ^= 0x10;
	}
	free(file.bytes);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_or_writing_makes_a_page_young),
		cmocka_unit_test(an_age_does_not_come_round),
		cmocka_unit_test(idle_pages_go_into_the_tier_and_read_the_same),
		cmocka_unit_test(what_does_not_get_shorter_is_tried_once),
		cmocka_unit_test(ranges_lengths_and_ends_are_kept_to),
		cmocka_unit_test(shared_pages_stay),
		cmocka_unit_test(a_page_that_joins_its_twin_saves_all_of_its_form),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(a_digest_without_memory_is_no_bad_request),
		cmocka_unit_test(a_dictionary_is_used_where_pages_have_much_in_common),
		cmocka_unit_test(no_dictionary_is_used_where_it_does_not_pay),
		cmocka_unit_test(a_dictionary_goes_with_its_last_page),
		cmocka_unit_test(pages_of_an_older_dictionary_are_due_again),
		cmocka_unit_test(what_did_not_get_shorter_is_tried_with_a_new_dictionary),
		cmocka_unit_test(lz4_reads_with_a_dictionary),
		cmocka_unit_test(tiers_and_dictionaries_are_saved_with_the_store),
		cmocka_unit_test(a_damaged_dictionary_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
