/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Identical pages kept once, and pages that only seem to be.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "test_ramz_support.h"

static struct ramz *open_sharing(uint64_t pages, bool checksum)
{
	struct ramz_options options;
	struct ramz *store;

	store_options(&options, pages);
	options.dedup = true;
	options.checksum = checksum;
	assert_int_equal(ramz_create(&store, &options), 0);
	return store;
}

static void identical_pages_share_one_object(void **state)
{
	struct ramz *store = open_sharing(100, true);
	struct ramz_page_info info;
	struct ramz_stats stats;

	(void)state;
	for (uint64_t slot = 0; slot < 100; slot++)
		store_put(store, slot, 2 + slot % 3); /* no same-filled ones */
	stats = store_stats(store);
	assert_int_equal(stats.pool.objects, 3);
	assert_int_equal(stats.pages_stored, 100);
	assert_int_equal(stats.pages_shared, 97);
	assert_int_equal(stats.dedup_hits, 97);
	assert_int_equal(ramz_page_info(store, 0, &info), 0);
	assert_int_equal(info.sharers, 34);
	for (uint64_t slot = 0; slot < 100; slot++)
		store_expect(store, slot, 2 + slot % 3);
	store_close(store);
}

static void a_shared_page_lives_as_long_as_its_last_slot(void **state)
{
	struct ramz *store = open_sharing(10, false);
	unsigned char byte = 1;

	(void)state;
	for (uint64_t slot = 0; slot < 10; slot++)
		store_put(store, slot, 5);
	/* A change of one is not a change of the others. */
	assert_int_equal(ramz_write(store, 4 * PAGE + 17, &byte, 1, NULL), 0);
	store_expect(store, 3, 5);
	store_expect(store, 5, 5);
	assert_int_equal(store_stats(store).pool.objects, 2);
	store_put(store, 4, 5);
	assert_int_equal(store_stats(store).pool.objects, 1);
	for (uint64_t slot = 0; slot < 9; slot++)
		assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
	store_expect(store, 9, 5);
	assert_int_equal(store_stats(store).pool.objects, 1);
	assert_int_equal(ramz_discard(store, 9 * PAGE, PAGE), 0);
	assert_int_equal(store_stats(store).pool.objects, 0);
	assert_int_equal(store_stats(store).pages_shared, 0);
	store_close(store);
}

static void sharing_crosses_codecs(void **state)
{
	const struct ramz_codec *codec;
	struct ramz *store = open_sharing(10, false);

	(void)state;
	store_put(store, 0, 3);
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		assert_int_equal(ramz_set_codec(store, codec, RAMZ_LEVEL_DEFAULT), 0);
		store_put(store, 1 + i, 3);
	}
	assert_int_equal(store_stats(store).pool.objects, 1);
	store_close(store);
}

static void many_pages_come_go_and_move(void **state)
{
	enum { SLOTS = 3000 };
	static uint64_t wanted[SLOTS];
	struct ramz *store = open_sharing(SLOTS, true);
	uint64_t seed = environment_number("XV_SEED", 11);

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	memset(wanted, 0, sizeof(wanted));
	for (int i = 0; i < 20000; i++) {
		uint64_t slot = random_below(&seed, SLOTS);

		if (random_below(&seed, 4) == 0) {
			assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
			wanted[slot] = 0;
		} else {
			wanted[slot] = 1 + random_below(&seed, 2500);
			store_put(store, slot, wanted[slot]);
		}
		if (i % 4000 == 0) {
			assert_int_equal(ramz_compact(store, 100000, NULL), 0);
			store_check(store);
		}
	}
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		if (wanted[slot] != 0)
			store_expect(store, slot, wanted[slot]);
		else
			store_expect_zero(store, slot);
	}
	assert_int_equal(ramz_resize(store, (uint64_t)100 * PAGE), 0);
	store_check(store);
	assert_int_equal(ramz_reset(store), 0);
	store_put(store, 7, 7);
	store_expect(store, 7, 7);
	store_close(store);
}

/*
 * Two pages that differ and have one XXH3. Of a long input, lane i of stripe n adds the lane itself
 * to one accumulator, and the product of the halves of (lane xor secret) to another. Where the
 * low half of that is 0 so is the product, whatever the high half; and one more in the high half of
 * the lane is made up for by one less in the same lane of the next stripe.
 */
static void colliding_pages(unsigned char *one, unsigned char *other)
{
	enum { STRIPE = 64, LANE = 8 };
	uint64_t key[2];

	page_partly_random(one, PAGE, PAGE / 2, 77);
	for (size_t n = 0; n < 2; n++) {
		memcpy(&key[n], XXH3_kSecret + n * LANE, LANE);
		key[n] = (key[n] & UINT32_MAX) | (uint64_t)1000 << 32;
		memcpy(one + n * STRIPE, &key[n], LANE);
	}
	memcpy(other, one, PAGE);
	for (size_t n = 0; n < 2; n++) {
		key[n] += n == 0 ? (uint64_t)1 << 32 : ~(((uint64_t)1 << 32) - 1);
		memcpy(other + n * STRIPE, &key[n], LANE);
	}
}

static void pages_of_one_hash_are_compared(void **state)
{
	unsigned char one[PAGE], other[PAGE], back[PAGE];
	struct ramz *store = open_sharing(4, true);

	(void)state;
	colliding_pages(one, other);
	assert_int_not_equal(memcmp(one, other, PAGE), 0);
	if (XXH3_64bits(one, PAGE) != XXH3_64bits(other, PAGE))
		skip(); /* another byte order, or another secret */
	assert_int_equal(ramz_write_page(store, 0, one), 0);
	assert_int_equal(ramz_write_page(store, 1, other), 0);
	assert_int_equal(ramz_write_page(store, 2, one), 0);
	assert_int_equal(ramz_write_page(store, 3, other), 0);
	for (uint64_t slot = 0; slot < 4; slot++) {
		assert_int_equal(ramz_read_page(store, slot, back), 0);
		assert_memory_equal(back, slot % 2 == 0 ? one : other, PAGE);
	}
	store_check(store);
	for (uint64_t slot = 0; slot < 4; slot++)
		assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
	assert_int_equal(store_stats(store).pool.objects, 0);
	store_close(store);
}

static void without_the_option_nothing_is_shared(void **state)
{
	struct ramz *store = store_open(10);

	(void)state;
	for (uint64_t slot = 0; slot < 10; slot++)
		store_put(store, slot, 5);
	assert_int_equal(store_stats(store).pool.objects, 10);
	assert_int_equal(store_stats(store).dedup_bytes, 0);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identical_pages_share_one_object),
		cmocka_unit_test(a_shared_page_lives_as_long_as_its_last_slot),
		cmocka_unit_test(sharing_crosses_codecs),
		cmocka_unit_test(many_pages_come_go_and_move),
		cmocka_unit_test(pages_of_one_hash_are_compared),
		cmocka_unit_test(without_the_option_nothing_is_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
