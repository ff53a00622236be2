/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_steps_pool.c: what base.h and pool.h promise of the cost of single calls, by steps, in pools
 * in a bad state. May call: public headers. One thread.
 */
#include "steps_pool.h"

static const uint32_t kinds[] = {0, XV_POOL_SPLIT | XV_POOL_OWNERS, KEYED};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* ---- O(1) ---- */

static void count_handles(struct state *s, struct costs *costs, xv_handle handle)
{
	unsigned char bytes[64], *ptr;
	const void *seen;
	void *mapped;
	uint32_t owner;
	int err;
	size_t size = (size_t)xv_object_size(s->pool, handle), part = size < 64 ? size : 64;

	COUNT(costs, "xv_object_size", (void)xv_object_size(s->pool, handle));
	COUNT(costs, "xv_set_owner", (void)xv_set_owner(s->pool, handle, 5));
	COUNT(costs, "xv_get_owner", err = xv_get_owner(s->pool, handle, &owner));
	assert_true(err == 0 || err == -XV_ENOTSUP);
	COUNT(costs, "xv_map", assert_int_equal(xv_map(s->pool, handle, &mapped), 0));
	COUNT(costs, "xv_unmap", assert_int_equal(xv_unmap(s->pool, handle, mapped), 0));
	COUNT(costs, "xv_read", assert_int_equal(xv_read(s->pool, handle, 0, bytes, part), 0));
	COUNT(costs, "xv_write", assert_int_equal(xv_write(s->pool, handle, 0, bytes, part), 0));
	COUNT(costs, "xv_peek",
	      assert_true(xv_peek(s->pool, handle, bytes, sizeof(bytes), &seen) > 0));
	COUNT(costs, "xv_address_of", ptr = xv_address_of(s->pool, handle));
	COUNT(costs, "xv_usable_size", assert_true(xv_usable_size(s->pool, ptr) >= size));
	COUNT(costs, "xv_handle_of", (void)xv_handle_of(s->pool, ptr));
	COUNT(costs, "xv_object_size, bad handle",
	      assert_int_equal(xv_object_size(s->pool, handle ^ UINT64_C(1) << 60), -XV_EINVAL));
}

static void count_makers(struct state *s, struct costs *costs, size_t size)
{
	xv_handle handle;
	void *ptr;

	COUNT(costs, "xv_malloc", assert_int_equal(xv_malloc(s->pool, size, &handle), 0));
	COUNT(costs, "xv_realloc", assert_int_equal(xv_realloc(s->pool, &handle, size + 40), 0));
	COUNT(costs, "xv_free", assert_int_equal(xv_free(s->pool, handle), 0));
	COUNT(costs, "xv_malloc_aligned",
	      assert_int_equal(xv_malloc_aligned(s->pool, size, 64, &handle), 0));
	assert_int_equal(xv_free(s->pool, handle), 0);
	COUNT(costs, "xv_calloc", assert_int_equal(xv_calloc(s->pool, 1, 500, &handle), 0));
	assert_int_equal(xv_free(s->pool, handle), 0);
	COUNT(costs, "xv_alloc", ptr = xv_alloc(s->pool, size));
	assert_non_null(ptr);
	COUNT(costs, "xv_resize", ptr = xv_resize(s->pool, ptr, size + 40));
	COUNT(costs, "xv_release", (void)xv_release(s->pool, ptr));
}

static void count_whole(struct state *s, struct costs *costs)
{
	COUNT(costs, "xv_pool_max_size", (void)xv_pool_max_size(s->pool));
	COUNT(costs, "xv_pool_set_limit", xv_pool_set_limit(s->pool, 0));
	COUNT(costs, "xv_pool_reset_peak", xv_pool_reset_peak(s->pool));
}

/* Objects change places with holes, and the state stays what it is. */
static void count_calls(struct state *s, struct costs *costs)
{
	for (size_t i = 0; i < TRIES; i++) {
		size_t at = random_below(&s->random, s->count);

		count_handles(s, costs, s->handles[at]);
		COUNT(costs, "xv_free, of a state",
		      assert_int_equal(xv_free(s->pool, s->handles[at]), 0));
		count_makers(s, costs, i % 4 == 1 ? A_LITTLE_MORE_BYTES : state_size(s, i));
		s->handles[at] = state_malloc(s, state_size(s, i));
	}
	count_whole(s, costs);
}

static void each_call_takes_as_many_steps_in_any_pool(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < KINDS; i++) {
		struct costs small = {0}, large = {0};
		struct state s;

		state_make(&s, kinds[i], SMALL_COUNT);
		count_calls(&s, &small);
		state_close(&s);
		state_make(&s, kinds[i], LARGE_COUNT);
		count_calls(&s, &large);
		state_close(&s);
		costs_are_constant(&small, &large);
	}
}

/* Without spare memory that could go back: it would be counted as well. */
static void count_refusals(struct state *s, struct costs *costs)
{
	xv_handle handle = XV_NULL_HANDLE;
	size_t refused = 0;

	(void)xv_pool_trim(s->pool);
	xv_pool_set_limit(s->pool, 1);
	while (xv_malloc(s->pool, A_LITTLE_MORE_BYTES, &handle) == 0)
		continue; /* until all holes of its list are too short */
	for (size_t i = 0; i < TRIES; i++) {
		size_t size = i % 2 == 0 ? A_LITTLE_MORE_BYTES
					 : 7000 + random_below(&s->random, PAGE_BYTES - 8000);
		size_t at = random_below(&s->random, s->count);
		int err;

		COUNT(costs, "xv_malloc, refused", err = xv_malloc(s->pool, size, &handle));
		refused += err == -XV_ENOSPC; /* else it filled a hole, and stays */
		COUNT(costs, "xv_realloc, refused",
		      err = xv_realloc(s->pool, &s->handles[at], size));
		refused += err == -XV_ENOSPC;
	}
	assert_true(refused > TRIES);
}

static void a_request_that_finds_no_memory_takes_bounded_steps(void **unused)
{
	static const uint32_t flags[] = {0, KEYED};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct costs small = {0}, large = {0};
		struct state s;

		state_make(&s, flags[i], 3 * SMALL_COUNT); /* more than it looks at */
		count_refusals(&s, &small);
		state_close(&s);
		state_make(&s, flags[i], LARGE_COUNT);
		count_refusals(&s, &large);
		state_close(&s);
		costs_are_constant(&small, &large);
	}
}

/* ---- places and proofs ---- */

enum { BLOCKS_OF_A_STEP = 12 };

/* A page full of the shortest blocks; the last one is named by its place alone. */
static void a_place_alone_is_found_in_an_eighth_of_a_page_of_steps(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < KINDS; i++) {
		struct costs costs = {0};
		struct state s;
		xv_handle last = XV_NULL_HANDLE, handle;
		const struct cost *cost;
		void *address;

		state_open(&s, kinds[i]);
		for (;;) {
			handle = state_malloc(&s, 1);
			if (last != XV_NULL_HANDLE &&
			    xv_handle_page(handle) != xv_handle_page(last))
				break;
			last = handle;
		}
		handle = xv_handle_at(xv_handle_page(last), xv_handle_offset(last));
		assert_true(xv_handle_offset(last) > PAGE_BYTES - 300);
		COUNT(&costs, "place", assert_int_equal(xv_object_size(s.pool, handle), 1));
		COUNT(&costs, "handle", assert_int_equal(xv_object_size(s.pool, last), 1));
		address = xv_address_of(s.pool, last);
		COUNT(&costs, "handle_of", assert_int_equal(xv_handle_of(s.pool, address), last));
		/* A step of the walk is a few basic blocks. With the proof it begins in the KiB. */
		cost = costs_of(&costs, "place");
		if (kinds[i] == KEYED)
			assert_in_range(cost->most, PAGE_BYTES / 8,
					BLOCKS_OF_A_STEP * (PAGE_BYTES / 8) + 200);
		else
			assert_in_range(cost->most, 1, BLOCKS_OF_A_STEP * (1024 / 8) + 200);
		assert_in_range(costs_of(&costs, "handle_of")->most, 1, cost->most + 200);
		assert_in_range(costs_of(&costs, "handle")->most, 1,
				BLOCKS_OF_A_STEP * (1024 / 8) + 200);
		state_close(&s);
	}
}

static uint64_t steps_of_pairs(uint32_t flags)
{
	uint64_t before, steps = 0;
	struct state s;

	state_make(&s, flags, SMALL_COUNT);
	for (size_t i = 0; i < TRIES; i++) {
		size_t at = random_below(&s.random, s.count);

		before = steps_taken;
		assert_int_equal(xv_free(s.pool, s.handles[at]), 0);
		steps += steps_taken - before;
		s.handles[at] = state_malloc(&s, state_size(&s, i));
	}
	state_close(&s);
	return steps;
}

/* A page's record: a byte less for each KiB. */
static void a_keyed_pool_takes_fewer_steps_and_shorter_records(void **unused)
{
	struct xv_pool_options options;
	struct xv_provider *provider;
	size_t exact, keyed;

	(void)unused;
	assert_true(steps_of_pairs(KEYED) < steps_of_pairs(0));
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	xv_pool_options_init(&options);
	exact = xv_pool_memory_bytes(provider, &options);
	options.hardening = 0;
	keyed = xv_pool_memory_bytes(provider, &options);
	assert_int_equal(exact - keyed, provider->max_pages * (PAGE_BYTES / 1024));
	xv_provider_mmap_destroy(provider);
}

/* ---- refusals ---- */

/* A page full of objects of this size, and a handle that is stale. Keyed, nothing is looked at. */
static void count_refusal(struct costs *costs, uint32_t flags, size_t size)
{
	xv_handle handle;
	struct state s;

	state_open(&s, flags);
	handle = state_malloc(&s, size);
	while (xv_handle_page(state_malloc(&s, size)) == xv_handle_page(handle))
		continue;
	assert_int_equal(xv_free(s.pool, handle), 0);
	COUNT(costs, "xv_free, refused", assert_int_equal(xv_free(s.pool, handle), -XV_EINVAL));
	COUNT(costs, "xv_object_size, refused",
	      assert_int_equal(xv_object_size(s.pool, handle), -XV_EINVAL));
	state_close(&s);
}

/* The header of a live object is overwritten: its page is closed. */
static void count_closing(struct costs *costs, size_t count)
{
	struct xv_pool_stats stats;
	unsigned char *bytes;
	struct state s;

	state_make(&s, 0, count);
	bytes = xv_address_of(s.pool, s.handles[count / 2]);
	memset(bytes - 4, 0xFF, 4);
	COUNT(costs, "xv_free, of a closed page",
	      assert_int_equal(xv_free(s.pool, s.handles[count / 2]), -XV_EBADMSG));
	xv_pool_get_stats(s.pool, &stats);
	assert_int_equal(stats.closed_pages, 1);
	state_close(&s);
}

static void a_refusal_takes_steps_for_the_blocks_of_a_page(void **unused)
{
	struct costs few = {0}, many = {0};

	(void)unused;
	count_refusal(&few, 0, 636);
	count_refusal(&many, 0, 36); /* 16 times as many */
	costs_are_linear(&few, &many, TIMES);
	few = many = (struct costs){0};
	count_refusal(&few, KEYED, 636);
	count_refusal(&many, KEYED, 36);
	costs_are_constant(&few, &many);
	few = many = (struct costs){0};
	count_closing(&few, SMALL_COUNT);
	count_closing(&many, LARGE_COUNT);
	costs_are_linear(&few, &many, TIMES);
}

/* ---- pieces ---- */

static void count_pieces(struct state *s, struct costs *costs, size_t size)
{
	unsigned char *bytes = calloc(1, size);
	const void *seen;
	xv_handle handle;
	int got;

	assert_non_null(bytes);
	COUNT(costs, "xv_malloc", assert_int_equal(xv_malloc(s->pool, size, &handle), 0));
	COUNT(costs, "xv_read, to the end",
	      assert_int_equal(xv_read(s->pool, handle, size - 9, bytes, 9), 0));
	COUNT(costs, "xv_write, all",
	      assert_int_equal(xv_write(s->pool, handle, 0, bytes, size), 0));
	COUNT(costs, "xv_peek", got = xv_peek(s->pool, handle, bytes, size, &seen));
	assert_int_equal(got, size);
	COUNT(costs, "xv_realloc", assert_int_equal(xv_realloc(s->pool, &handle, size - 70), 0));
	COUNT(costs, "xv_realloc", assert_int_equal(xv_realloc(s->pool, &handle, size + 70), 0));
	COUNT(costs, "xv_free", assert_int_equal(xv_free(s->pool, handle), 0));
	assert_int_equal(xv_calloc(s->pool, 1, size, &handle), 0);
	assert_int_equal(xv_free(s->pool, handle), 0);
	free(bytes);
}

static void calls_on_large_objects_take_steps_for_each_piece(void **unused)
{
	struct costs few = {0}, many = {0};
	uint64_t before;
	xv_handle handle;
	struct state s;
	char byte;

	(void)unused;
	state_make(&s, XV_POOL_SPLIT | XV_POOL_OWNERS, SMALL_COUNT);
	count_pieces(&s, &few, 20 * PAGE_BYTES);
	count_pieces(&s, &many, 8 * 20 * PAGE_BYTES);
	costs_are_linear(&few, &many, 8);
	/* What lies behind is not looked at. */
	assert_int_equal(xv_malloc(s.pool, 200 * PAGE_BYTES, &handle), 0);
	before = steps_taken;
	assert_int_equal(xv_read(s.pool, handle, 0, &byte, 1), 0);
	assert_int_equal(xv_object_size(s.pool, handle), 200 * PAGE_BYTES);
	assert_in_range(steps_taken - before, 1, 700);
	state_close(&s);
}

/* ---- handles ---- */

/* These are compiled into the caller: a constant number of operations, here as elsewhere. */
static void handles_are_taken_apart_in_constant_steps(void **unused)
{
	uint64_t before = steps_taken;

	(void)unused;
	for (uint32_t page = 0; page < 1000; page++) {
		xv_handle handle = xv_handle_at(page * 1000, 4 * page);

		assert_int_equal(xv_handle_page(handle), page * 1000);
		assert_int_equal(xv_handle_offset(handle), 4 * page);
	}
	assert_int_equal(steps_taken, before); /* nothing of the library is called */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_takes_as_many_steps_in_any_pool),
		cmocka_unit_test(a_request_that_finds_no_memory_takes_bounded_steps),
		cmocka_unit_test(a_place_alone_is_found_in_an_eighth_of_a_page_of_steps),
		cmocka_unit_test(a_keyed_pool_takes_fewer_steps_and_shorter_records),
		cmocka_unit_test(a_refusal_takes_steps_for_the_blocks_of_a_page),
		cmocka_unit_test(calls_on_large_objects_take_steps_for_each_piece),
		cmocka_unit_test(handles_are_taken_apart_in_constant_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
