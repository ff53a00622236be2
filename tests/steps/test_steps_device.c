/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_steps_device.c: what backing.h promises of costs, by steps, over a device in memory. May
 * call: public headers. One thread.
 */
#include "steps.h"
#include "test_ramz_checkpoint.h"

enum {
	PAGES = 1024,
	TIMES = 4,
};

static struct ramz *state_make(uint64_t pages)
{
	struct ramz *store = store_open(pages);

	for (uint64_t i = 0; i < pages; i++)
		store_put(store, i, i);
	return store;
}

/* What the calls do is for pages; the segments of the device cost a little each. */
static void count_device(struct costs *costs, uint64_t pages, uint64_t segments)
{
	struct ramz_writeback_options all = {0};
	struct device *d = device_make(segments);
	struct ramz *store = state_make(pages), *opened;

	COUNT(costs, "ramz_backing_holds", assert_int_equal(ramz_backing_holds(&d->backing), 0));
	COUNT(costs, "ramz_attach", assert_int_equal(ramz_attach(store, &d->backing), 0));
	COUNT(costs, "ramz_writeback", assert_int_equal(ramz_writeback(store, &all, NULL), 0));
	COUNT(costs, "ramz_checkpoint", assert_int_equal(ramz_checkpoint(store), 0));
	ramz_destroy(store);
	COUNT(costs, "ramz_open",
	      assert_int_equal(ramz_open(&opened, NULL, NULL, 0, &d->backing, NULL), 0));
	COUNT(costs, "ramz_detach", assert_int_equal(ramz_detach(opened), 0));
	store_close(opened);
	device_free(d);
}

static void a_device_takes_steps_for_its_segments(void **unused)
{
	struct costs small = {0}, large = {0}, longer = {0};

	(void)unused;
	count_device(&small, PAGES, SEGMENTS);
	count_device(&large, TIMES * PAGES, TIMES * SEGMENTS);
	costs_are_linear(&small, &large, TIMES);
	/* A longer device alone. */
	count_device(&longer, PAGES, TIMES * SEGMENTS);
	assert_in_range(costs_of(&longer, "ramz_detach")->most, 1,
			costs_of(&small, "ramz_detach")->most * 3 / 2);
	assert_in_range(costs_of(&longer, "ramz_writeback")->most, 1,
			costs_of(&small, "ramz_writeback")->most * 3 / 2);
}

/* Only the pages that are asked for are looked at. */
static void a_writeback_takes_steps_for_the_pages_looked_at(void **unused)
{
	struct ramz_writeback_options part = {.first = 100, .count = 64};
	struct costs small = {0}, large = {0};

	(void)unused;
	for (uint64_t times = 1; times <= 16; times += 15) {
		struct device *d = device_make(SEGMENTS);
		struct ramz *store = state_make(times * PAGES);

		assert_int_equal(ramz_attach(store, &d->backing), 0);
		COUNT(times == 1 ? &small : &large, "ramz_writeback, a part",
		      assert_int_equal(ramz_writeback(store, &part, NULL), 0));
		ramz_destroy(store);
		device_free(d);
	}
	costs_are_constant(&small, &large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_takes_steps_for_its_segments),
		cmocka_unit_test(a_writeback_takes_steps_for_the_pages_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
