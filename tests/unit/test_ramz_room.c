/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Room at the hard limit: what holds nothing goes before a write is refused, and what is held is
 * what was obtained.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test_ramz_support.h"

#define TIB ((uint64_t)1 << 40)

enum { LEAF_SLOTS = 512, LEAF_BYTES = LEAF_SLOTS * PAGE, LIMIT = 8 << 20, DISTINCT = 64000 };

static struct ramz *open_with(uint64_t size_bytes, uint64_t hard, bool dedup)
{
	struct ramz_options options;
	struct ramz *store;

	store_options(&options, 1);
	options.size_bytes = size_bytes;
	options.hard_limit_bytes = hard;
	options.dedup = dedup;
	assert_int_equal(ramz_create(&store, &options), 0);
	return store;
}

/* Write 100 bytes in each leaf of the table until the limit; returns the leaves written. */
static uint64_t fill_leaves(struct ramz *store, uint64_t first)
{
	unsigned char bytes[100];

	for (uint64_t leaf = 0; leaf < TIB / LEAF_BYTES; leaf++) {
		int err;

		page_partly_random(bytes, sizeof(bytes), sizeof(bytes), leaf + 1);
		err = ramz_write(store, (first + leaf) * LEAF_BYTES, bytes, sizeof(bytes), NULL);
		if (err != 0) {
			assert_int_equal(err, -XV_ENOSPC);
			return leaf;
		}
	}
	fail_msg("the limit was never reached");
	return 0;
}

static void leaves_that_hold_nothing_go_before_a_write_is_refused(void **state)
{
	struct ramz *store = open_with(TIB, LIMIT, false);
	uint64_t leaves = fill_leaves(store, 0);
	unsigned char page[PAGE];

	(void)state;
	assert_true(leaves > 1000);
	assert_int_equal(ramz_discard(store, 0, leaves * LEAF_BYTES), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		page_partly_random(page, PAGE, 100, i + 1);
		assert_int_equal(ramz_write_page(store, (leaves + i) * LEAF_SLOTS, page), 0);
	}
	assert_true(store_stats(store).held_bytes <= LIMIT);
	for (uint64_t i = 0; i < 1000; i++) {
		unsigned char wanted[PAGE];

		page_partly_random(wanted, PAGE, 100, i + 1);
		assert_int_equal(ramz_read_page(store, (leaves + i) * LEAF_SLOTS, page), 0);
		assert_memory_equal(page, wanted, PAGE);
	}
	store_close(store);
}

/* Words that need the side table, one in each leaf of it. */
static void leaves_of_the_side_table_go(void **state)
{
	struct ramz *store = open_with(TIB, LIMIT, false);
	unsigned char page[PAGE];
	uint64_t leaf = 0;

	(void)state;
	for (int err = 0; err == 0; leaf++) {
		page_same(page, PAGE, UINT64_C(0xF123456789ABCDEF));
		err = ramz_write_page(store, leaf * LEAF_SLOTS, page);
		assert_true(err == 0 || err == -XV_ENOSPC);
	}
	assert_int_equal(ramz_discard(store, 0, leaf * LEAF_BYTES), 0);
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(ramz_write_page(store, (2 * leaf + i) * LEAF_SLOTS, page), 0);
	store_close(store);
}

static void an_end_that_was_refused_leaves_no_table_behind(void **state)
{
	struct ramz *store = open_with(TIB, LIMIT, false);
	uint64_t leaves = fill_leaves(store, 0);
	uint64_t table = store_stats(store).slot_table_bytes;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		unsigned char page[PAGE];

		page_partly_random(page, PAGE, PAGE, i);
		assert_int_equal(ramz_write_page(store, (leaves + 10 + i) * LEAF_SLOTS, page),
				 -XV_ENOSPC);
	}
	assert_int_equal(store_stats(store).slot_table_bytes, table);
	assert_int_equal(store_stats(store).hard_limit_hits, 101);
	store_close(store);
}

static void a_larger_table_gets_room(void **state)
{
	struct ramz *store = open_with(TIB / 16, LIMIT, false);
	uint64_t leaves = 0;
	unsigned char bytes[100] = {1};

	(void)state;
	while (ramz_write(store, leaves * LEAF_BYTES, bytes, sizeof(bytes), NULL) == 0)
		leaves++;
	assert_int_equal(ramz_discard(store, 0, leaves * LEAF_BYTES), 0);
	assert_int_equal(ramz_resize(store, 15 * TIB), 0);
	store_close(store);
}

/* ---- what stays ---- */

static void distinct_page(unsigned char page[PAGE], uint64_t number)
{
	memset(page, 0x11, PAGE);
	memcpy(page + 8, &number, sizeof(number));
}

static void write_distinct(struct ramz *store, uint64_t first, uint64_t count)
{
	unsigned char page[PAGE];

	for (uint64_t i = first; i < first + count; i++) {
		distinct_page(page, i);
		assert_int_equal(ramz_write_page(store, i, page), 0);
	}
}

/* A store that was emptied holds what a new one does, and threads' contexts; the pool may keep a
 * page and a piece of its table. */
static void expect_as_new(struct ramz *store, uint64_t size_bytes, bool dedup)
{
	struct ramz *fresh = open_with(size_bytes, 0, dedup);
	struct ramz_stats is = store_stats(store), new = store_stats(fresh);

	assert_true(is.slot_table_bytes == new.slot_table_bytes);
	assert_true(is.dedup_bytes == new.dedup_bytes);
	assert_true(is.thread_bytes / is.contexts == new.thread_bytes / new.contexts);
	assert_true(is.pool.held_bytes <= new.pool.held_bytes + 16 * PAGE);
	store_close(fresh);
}

static void an_emptied_store_holds_what_a_new_one_does(void **state)
{
	(void)state;
	for (int dedup = 0; dedup < 2; dedup++) {
		uint64_t size = (uint64_t)DISTINCT * PAGE;
		struct ramz *store = open_with(size, 0, dedup != 0);

		for (int round = 0; round < 2; round++) {
			write_distinct(store, 0, DISTINCT);
			for (uint64_t i = 0; i < DISTINCT; i += 3) {
				unsigned char page[PAGE];

				page_same(page, PAGE, UINT64_C(0xF123456789ABCDEF) + i);
				assert_int_equal(ramz_write_page(store, i, page), 0);
			}
			assert_int_equal(ramz_discard(store, 0, size), 0);
			(void)ramz_trim(store);
			expect_as_new(store, size, dedup != 0);
		}
		store_close(store);
	}
}

static void tables_of_sharing_are_trimmed_in_part_and_used_again(void **state)
{
	struct ramz *store = open_with((uint64_t)DISTINCT * PAGE, 0, true);
	uint64_t full, less;
	unsigned char page[PAGE], wanted[PAGE];

	(void)state;
	write_distinct(store, 0, DISTINCT);
	full = store_stats(store).dedup_bytes;
	/* All but the first and last of every eighth thousand. */
	for (uint64_t i = 0; i < DISTINCT; i += 8000)
		assert_int_equal(ramz_discard(store, (i + 1) * PAGE, 7990 * (uint64_t)PAGE), 0);
	(void)ramz_trim(store);
	less = store_stats(store).dedup_bytes;
	assert_true(less < full / 2);
	store_check(store);
	write_distinct(store, 0, DISTINCT);
	assert_true(store_stats(store).dedup_bytes <= full);
	store_check(store);
	for (uint64_t i = 0; i < DISTINCT; i++) {
		distinct_page(wanted, i);
		assert_int_equal(ramz_read_page(store, i, page), 0);
		assert_memory_equal(page, wanted, PAGE);
	}
	store_close(store);
}

static void tables_of_sharing_go_before_a_write_is_refused(void **state)
{
	struct ramz *store = open_with((uint64_t)1 << 34, 4 << 20, true);
	unsigned char page[PAGE];
	uint64_t pages = 0, more = 0;

	(void)state;
	for (int err = 0; err == 0; pages++) {
		distinct_page(page, pages);
		err = ramz_write_page(store, pages, page);
		assert_true(err == 0 || err == -XV_ENOSPC);
	}
	assert_true(store_stats(store).dedup_bytes > 256 << 10);
	assert_int_equal(ramz_discard(store, 0, pages * PAGE), 0);
	/* Pages that do not compress need few tables and much of the pool. */
	for (int err = 0; err == 0; more++) {
		page_partly_random(page, PAGE, PAGE, more + 1);
		err = ramz_write_page(store, more, page);
		assert_true(err == 0 || err == -XV_ENOSPC);
	}
	assert_true(more * PAGE > (3 << 20) + (512 << 10));
	assert_true(store_stats(store).dedup_bytes < 128 << 10);
	store_close(store);
}

/* ---- the least limit ---- */

static void least_limit_works_and_a_byte_less_is_refused(void **state)
{
	static unsigned char page[PAGE_MAX_BYTES];
	struct ramz *store;

	(void)state;
	page_partly_random(page, sizeof(page), sizeof(page), 9);
	for (uint32_t kind = 0; kind < 32; kind++) {
		struct ramz_options options;
		const char *reason;

		ramz_options_init(&options);
		options.page_bytes = (kind & 1) != 0 ? PAGE_MAX_BYTES : PAGE;
		options.dedup = (kind & 2) != 0;
		options.huge_pages = (kind & 4) != 0;
		options.checksum = (kind & 8) != 0;
		options.size_bytes = (kind & 16) != 0 ? TIB : 1;
		options.codec = ramz_codec_at(kind % 3);
		options.hard_limit_bytes = ramz_least_limit(&options);
		assert_true(options.hard_limit_bytes > options.page_bytes);
		assert_int_equal(ramz_options_check(&options, &reason), 0);
		assert_int_equal(ramz_create(&store, &options), 0);
		assert_int_equal(ramz_write_page(store, 0, page), 0);
		assert_true(store_stats(store).held_bytes <= options.hard_limit_bytes);
		store_close(store);
		options.hard_limit_bytes--;
		assert_int_equal(ramz_options_check(&options, &reason), -XV_EINVAL);
		assert_non_null(strstr(reason, "ramz_least_limit"));
		assert_int_equal(ramz_create(&store, &options), -XV_EINVAL);
	}
	assert_int_equal(ramz_least_limit(NULL), 0);
}

static void a_limit_may_be_lowered_below_what_is_held(void **state)
{
	struct ramz *store = open_with(TIB, 0, false);
	unsigned char page[PAGE];
	uint64_t next = 2;

	(void)state;
	store_put(store, 1, 1);
	assert_int_equal(ramz_set_limits(store, 0, 1), 0);
	page_partly_random(page, PAGE, PAGE, 1);
	/* What is held already may have room, at most an OS page. */
	while (next < 2 + 65536 / PAGE && ramz_write_page(store, next, page) == 0)
		next++;
	assert_int_equal(ramz_write_page(store, next, page), -XV_ENOSPC);
	store_expect(store, 1, 1);
	store_close(store);
}

/* ---- with others at work ---- */

enum { CROWD = 4, CROWD_LEAVES = 600 };

struct crowd {
	struct ramz *store;
	uint64_t rounds;
	_Atomic bool over;
	_Atomic uint64_t refused;
};

struct member {
	pthread_t thread;
	struct crowd *crowd;
	uint64_t index;
};

/* Pages of its own, a leaf apart: written, read, discarded, at the limit all the time. */
static void *member_run(void *context)
{
	struct member *member = context;
	struct crowd *crowd = member->crowd;
	unsigned char page[PAGE], back[PAGE];
	uint64_t seed = member->index + 1;

	for (uint64_t round = 0; round < crowd->rounds; round++) {
		uint64_t leaf = random_below(&seed, CROWD_LEAVES) * CROWD + member->index;
		uint64_t slot = leaf * LEAF_SLOTS + member->index;
		int err;

		page_partly_random(page, PAGE, 300, round + 1);
		err = ramz_write_page(crowd->store, slot, page);
		if (err != 0) {
			assert_int_equal(err, -XV_ENOSPC);
			atomic_fetch_add(&crowd->refused, 1);
			assert_int_equal(ramz_discard(crowd->store, leaf * LEAF_BYTES, LEAF_BYTES),
					 0);
			continue;
		}
		assert_int_equal(ramz_read_page(crowd->store, slot, back), 0);
		assert_memory_equal(page, back, PAGE);
		if (random_below(&seed, 3) != 0)
			assert_int_equal(ramz_discard(crowd->store, slot * PAGE, PAGE), 0);
	}
	return NULL;
}

/* Administration beside it. */
static void *manager_run(void *context)
{
	struct crowd *crowd = context;
	uint64_t size = ramz_size_bytes(crowd->store);

	for (uint64_t i = 0; !atomic_load(&crowd->over); i++) {
		struct ramz_stats stats;

		ramz_get_stats(crowd->store, &stats);
		if (i % 8 == 0)
			(void)ramz_trim(crowd->store);
		if (i % 8 == 4)
			assert_int_equal(ramz_resize(crowd->store, size + i % 16 * LEAF_BYTES), 0);
	}
	return NULL;
}

static void room_is_made_while_others_are_in_the_tables(void **state)
{
	(void)state;
	for (int dedup = 0; dedup < 2; dedup++) {
		struct ramz *store = open_with(TIB, 3 << 20, dedup != 0);
		struct crowd crowd = {.store = store, .rounds = test_repeats("XV_ROUNDS", 3000)};
		struct member members[CROWD];
		pthread_t manager;

		for (uint64_t i = 0; i < CROWD; i++) {
			members[i] = (struct member){.crowd = &crowd, .index = i};
			assert_int_equal(
				pthread_create(&members[i].thread, NULL, member_run, &members[i]),
				0);
		}
		assert_int_equal(pthread_create(&manager, NULL, manager_run, &crowd), 0);
		for (uint64_t i = 0; i < CROWD; i++)
			pthread_join(members[i].thread, NULL);
		atomic_store(&crowd.over, true);
		pthread_join(manager, NULL);
		store_close(store);
	}
}

/* Statistics are asked for while the store is reset: nothing that they read is half changed. */
static void *ask_for_statistics(void *context)
{
	struct crowd *crowd = context;

	while (!atomic_load(&crowd->over)) {
		struct ramz_stats stats;
		struct ramz_histogram histogram;

		ramz_get_stats(crowd->store, &stats);
		assert_true(stats.dedup_bytes < TIB);
		assert_int_equal(ramz_get_histogram(crowd->store, RAMZ_HISTOGRAM_SIZE, &histogram),
				 0);
	}
	return NULL;
}

static void statistics_may_be_asked_for_beside_everything(void **state)
{
	struct ramz *store = open_with((uint64_t)DISTINCT * PAGE, 0, true);
	struct crowd crowd = {.store = store};
	pthread_t asker;

	(void)state;
	assert_int_equal(pthread_create(&asker, NULL, ask_for_statistics, &crowd), 0);
	for (uint64_t i = 0; i < 20; i++) {
		write_distinct(store, 0, 3000);
		assert_int_equal(ramz_resize(store, (uint64_t)(DISTINCT + i * 1000) * PAGE), 0);
		assert_int_equal(ramz_set_limits(store, 0, i % 2 != 0 ? TIB : 0), 0);
		assert_int_equal(ramz_set_codec(store, ramz_codec_at(i % 2), RAMZ_LEVEL_DEFAULT),
				 0);
		(void)ramz_trim(store);
		assert_int_equal(ramz_reset(store), 0);
	}
	atomic_store(&crowd.over, true);
	pthread_join(asker, NULL);
	store_close(store);
}

/* Writes and reads; what is refused for want of room does not matter. */
static void *use_store(void *store)
{
	unsigned char page[PAGE];

	for (uint64_t i = 0; i < 300; i++) {
		memset(page, (int)i, sizeof(page));
		page[i] = 1;
		(void)!ramz_write_page(store, i % 64, page);
		(void)!ramz_read_page(store, i % 64, page);
	}
	return NULL;
}

/* What threads took to work with does not keep an empty store from being written to. */
static void least_limit_works_after_many_threads(void **state)
{
	struct ramz_options options;
	unsigned char page[PAGE];
	pthread_t thread[16];
	struct ramz *store;

	(void)state;
	ramz_options_init(&options);
	options.size_bytes = (uint64_t)PAGE * 1024;
	options.hard_limit_bytes = ramz_least_limit(&options);
	assert_int_equal(ramz_create(&store, &options), 0);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use_store, store), 0);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(ramz_discard(store, 0, options.size_bytes), 0);
	(void)ramz_trim(store);
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (unsigned char)(i * 2654435761U >> 13);
	assert_int_equal(ramz_write_page(store, 7, page), 0);
	ramz_destroy(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_that_hold_nothing_go_before_a_write_is_refused),
		cmocka_unit_test(leaves_of_the_side_table_go),
		cmocka_unit_test(an_end_that_was_refused_leaves_no_table_behind),
		cmocka_unit_test(a_larger_table_gets_room),
		cmocka_unit_test(an_emptied_store_holds_what_a_new_one_does),
		cmocka_unit_test(tables_of_sharing_are_trimmed_in_part_and_used_again),
		cmocka_unit_test(tables_of_sharing_go_before_a_write_is_refused),
		cmocka_unit_test(least_limit_works_and_a_byte_less_is_refused),
		cmocka_unit_test(least_limit_works_after_many_threads),
		cmocka_unit_test(a_limit_may_be_lowered_below_what_is_held),
		cmocka_unit_test(room_is_made_while_others_are_in_the_tables),
		cmocka_unit_test(statistics_may_be_asked_for_beside_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
