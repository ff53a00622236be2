/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The marks on held bytes: what is refused at the hard one, who is told at the soft one, and that
 * nothing stored is lost, with one thread and with many.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test_ramz_support.h"

enum { SLOTS = 20000, THREADS = 6, LIMIT = 4 << 20 };

struct told {
	struct ramz *store;
	uint64_t times;
	uint64_t held_bytes;
};

static void note_soft(void *context, struct ramz *store, uint64_t held_bytes)
{
	struct told *told = context;
	struct ramz_stats stats;

	told->store = store;
	told->times++;
	told->held_bytes = held_bytes;
	/* The store may be called from here. */
	ramz_get_stats(store, &stats);
	assert_true(stats.soft_limit_hits >= told->times);
}

static struct ramz *open_limited(uint64_t soft, uint64_t hard, struct told *told)
{
	struct ramz_options options;
	struct ramz *store;

	store_options(&options, SLOTS);
	options.soft_limit_bytes = soft;
	options.hard_limit_bytes = hard;
	options.on_soft_limit = note_soft;
	options.limit_context = told;
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(store_stats(store).soft_limit_bytes, soft);
	assert_int_equal(store_stats(store).hard_limit_bytes, hard);
	return store;
}

/* Write until the store is full; returns the first page that was refused. */
static uint64_t fill(struct ramz *store, uint64_t version)
{
	unsigned char page[PAGE];

	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		int err;

		page_fill(page, PAGE, slot + version * SLOTS);
		err = ramz_write_page(store, slot, page);
		if (err != 0) {
			assert_int_equal(err, -XV_ENOSPC);
			return slot;
		}
	}
	fail_msg("the limit was never reached");
	return 0;
}

static void hard_mark_refuses_and_keeps_everything(void **state)
{
	struct told told = {.times = 0};
	struct ramz *store = open_limited(0, LIMIT, &told);
	struct ramz_stats stats;
	uint64_t full = fill(store, 0);
	unsigned char page[PAGE];

	(void)state;
	stats = store_stats(store);
	assert_true(stats.held_bytes <= LIMIT);
	assert_true(stats.held_bytes >= LIMIT - LIMIT / 16);
	assert_int_equal(stats.hard_limit_hits, 1);
	assert_int_equal(stats.failed_writes, 1);
	assert_int_equal(stats.mm_stat.mem_limit, LIMIT);
	for (uint64_t slot = 0; slot < full; slot++)
		store_expect(store, slot, slot);
	store_expect_zero(store, full);
	/* An overwrite that is refused leaves the old page. */
	for (uint64_t slot = 2; slot < 400; slot += 8) {
		page_partly_random(page, PAGE, PAGE, slot);
		if (ramz_write_page(store, slot, page) == 0)
			continue;
		store_expect(store, slot, slot);
	}
	/* Same-filled pages need nothing. */
	page_same(page, PAGE, 3);
	assert_int_equal(ramz_write_page(store, full - 1, page), 0);
	assert_int_equal(told.times, 0);
	store_close(store);
}

static void discards_make_room_again(void **state)
{
	struct ramz *store = open_limited(0, LIMIT, NULL);
	uint64_t full = fill(store, 0);
	unsigned char page[PAGE];

	(void)state;
	/* Room in pieces only: it takes compaction or splitting to use it. */
	for (uint64_t slot = 0; slot < full; slot += 2)
		assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
	for (uint64_t slot = 0; slot < full; slot += 4) {
		page_fill(page, PAGE, slot);
		assert_int_equal(ramz_write_page(store, slot, page), 0);
	}
	for (uint64_t slot = 1; slot < full; slot += 2)
		store_expect(store, slot, slot);
	store_close(store);
}

static void limits_can_be_changed(void **state)
{
	struct ramz *store = open_limited(0, LIMIT, NULL);
	unsigned char page[PAGE];
	uint64_t full = fill(store, 0), more;

	(void)state;
	assert_int_equal(ramz_set_limits(store, 0, 2 * LIMIT), 0);
	more = fill(store, 0);
	assert_true(more > full * 3 / 2);
	assert_int_equal(ramz_set_limits(store, 0, LIMIT), 0);
	page_partly_random(page, PAGE, PAGE, 1);
	assert_int_equal(ramz_write_page(store, more + 5, page), -XV_ENOSPC);
	for (uint64_t slot = 0; slot < more; slot++)
		store_expect(store, slot, slot);
	assert_int_equal(ramz_set_limits(store, 2, 1), -XV_EINVAL);
	assert_int_equal(ramz_set_limits(store, 0, 0), 0);
	assert_int_equal(ramz_write_page(store, more + 5, page), 0);
	store_close(store);
}

static void soft_mark_is_told_once_each_time_it_is_passed(void **state)
{
	struct told told = {.times = 0};
	struct ramz *store = open_limited(LIMIT / 2, LIMIT, &told);
	uint64_t full = fill(store, 0);

	(void)state;
	assert_int_equal(told.times, 1);
	assert_ptr_equal(told.store, store);
	assert_true(told.held_bytes >= LIMIT / 2);
	assert_true(told.held_bytes <= LIMIT / 2 + 4 * PAGE);
	assert_int_equal(store_stats(store).soft_limit_hits, 1);
	/* Below it and up again. */
	assert_int_equal(ramz_discard(store, 0, full * PAGE), 0);
	for (int i = 0; i < 200; i++)
		store_put(store, SLOTS - 1, 2);
	(void)fill(store, 1);
	assert_int_equal(told.times, 2);
	store_close(store);
}

struct filler {
	pthread_t thread;
	struct ramz *store;
	uint64_t index;
	uint64_t stored;
	uint64_t refused;
};

static void *filler_run(void *context)
{
	struct filler *filler = context;
	unsigned char page[PAGE];

	for (uint64_t slot = filler->index; slot < SLOTS && filler->refused < 50; slot += THREADS) {
		int err;

		page_fill(page, PAGE, slot);
		err = ramz_write_page(filler->store, slot, page);
		if (err == -XV_ENOSPC) {
			filler->refused++;
			continue;
		}
		assert_int_equal(err, 0);
		filler->stored++;
	}
	return NULL;
}

static void many_threads_reach_the_limit_together(void **state)
{
	struct filler fillers[THREADS];
	struct told told = {.times = 0};
	struct ramz *store = open_limited(0, LIMIT, &told);
	struct ramz_stats stats;
	uint64_t stored = 0, refused = 0, zero = 0;

	(void)state;
	for (uint64_t i = 0; i < THREADS; i++) {
		fillers[i] = (struct filler){.store = store, .index = i};
		assert_int_equal(pthread_create(&fillers[i].thread, NULL, filler_run, &fillers[i]),
				 0);
	}
	for (uint64_t i = 0; i < THREADS; i++) {
		pthread_join(fillers[i].thread, NULL);
		stored += fillers[i].stored;
		refused += fillers[i].refused;
	}
	stats = store_stats(store);
	assert_true(refused > 0);
	assert_int_equal(stats.pages_stored, stored);
	assert_int_equal(stats.hard_limit_hits, refused);
	/* The limit holds to the page: only threads' own buffers are beyond it. */
	assert_true(stats.held_bytes <= LIMIT + stats.thread_bytes);
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		struct ramz_page_info info;

		assert_int_equal(ramz_page_info(store, slot, &info), 0);
		if (info.kind == RAMZ_PAGE_ABSENT)
			zero++;
		else
			store_expect(store, slot, slot);
	}
	assert_int_equal(zero, SLOTS - stored);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hard_mark_refuses_and_keeps_everything),
		cmocka_unit_test(discards_make_room_again),
		cmocka_unit_test(limits_can_be_changed),
		cmocka_unit_test(soft_mark_is_told_once_each_time_it_is_passed),
		cmocka_unit_test(many_threads_reach_the_limit_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
