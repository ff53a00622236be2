/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_quarantine.c: what level 2 adds: canaries, zeros in freed memory, places that are
 * chosen at random, and the quarantine. May call: public headers. One thread.
 */
#include "pool_hardening_support.h"

/* ---- level 2 ---- */

static void one_byte_too_many_is_told_at_the_next_call(void **state)
{
	(void)state;
	for (size_t size = 1; size < 70; size++) {
		xv_handle handle, other;

		pool_open(2, 0, (uint32_t)size);
		assert_int_equal(xv_malloc(pool, size, &handle), 0);
		assert_int_equal(xv_malloc(pool, size, &other), 0);
		assert_int_equal(xv_usable_size(pool, bytes_of(handle)), size);
		bytes_of(handle)[size - 1] ^= 1;
		assert_int_equal(xv_object_size(pool, handle), size);
		bytes_of(handle)[size] ^= 1;
		assert_int_equal(xv_object_size(pool, handle), -XV_EBADMSG);
		assert_int_equal(told.calls, 1);
		pool_close();
	}
}

static void canaries_follow_objects_that_are_resized(void **state)
{
	xv_handle handle;

	(void)state;
	pool_open(2, XV_POOL_SPLIT, 3);
	assert_int_equal(xv_malloc(pool, 10, &handle), 0);
	for (size_t i = 0; i < 4000; i++) {
		size_t size = 1 + i * 7919 % (i % 10 == 0 ? 200000 : 3000);

		assert_int_equal(xv_realloc(pool, &handle, size), 0);
		assert_int_equal(xv_object_size(pool, handle), size);
	}
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	assert_int_equal(xv_free(pool, handle), 0);
	assert_int_equal(told.calls, 0);
	pool_close();
}

static void freed_bytes_are_zero_and_stay_so(void **state)
{
	static const unsigned char zeros[SIZE];
	unsigned char *bytes;

	(void)state;
	pool_open(2, 0, 1);
	make_objects();
	bytes = bytes_of(handles[7]);
	assert_int_equal(xv_free(pool, handles[7]), 0);
	assert_memory_equal(bytes, zeros, SIZE);
	assert_int_equal(xv_free(pool, handles[7]), -XV_EINVAL);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	assert_int_equal(told.calls, 0);
	pool_close();
}

/* In place or not, what an object loses is zero. */
static void bytes_that_an_object_loses_are_zero(void **state)
{
	static const unsigned char zeros[SIZE];
	unsigned char *bytes;

	(void)state;
	pool_open(2, 0, 1);
	make_objects();
	bytes = bytes_of(handles[3]);
	assert_int_equal(xv_realloc(pool, &handles[3], 100), 0);
	assert_ptr_equal(bytes_of(handles[3]), bytes);
	/* Behind the canary stands a word of the hole, and one at its end. */
	assert_memory_equal(bytes + 112, zeros, SIZE - 112 - 4);
	assert_int_equal(bytes[99], 4);
	pool_close();
}

static void a_write_to_a_freed_object_is_told(void **state)
{
	struct xv_check_report report;

	(void)state;
	pool_open(2, 0, 1);
	make_objects();
	for (size_t i = 0; i < OBJECTS; i += 13) {
		unsigned char *bytes = bytes_of(handles[i]);

		assert_int_equal(xv_free(pool, handles[i]), 0);
		bytes[SIZE / 2] = 1;
	}
	assert_int_equal(told.calls, 0);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, &report), -XV_EBADMSG);
	assert_int_equal(report.invariant, 26);
	assert_true(told.calls > 0);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, &report), 0);
	pool_close();
	pool_open(2, 0, 1);
	make_objects();
	memset(bytes_of(handles[0]), 0, SIZE);
	assert_int_equal(xv_free(pool, handles[1]), 0);
	bytes_of(handles[0])[SIZE + 40] = 1; /* in the freed one */
	for (size_t i = 0; i < 2 * KEPT; i++) {
		xv_handle handle;

		assert_int_equal(xv_malloc(pool, 10, &handle), 0);
		assert_int_equal(xv_free(pool, handle), 0);
	}
	assert_true(told.calls > 0);
	pool_close();
}

static void a_freed_place_is_not_used_at_once(void **state)
{
	xv_handle first, second;

	(void)state;
	pool_open(2, 0, 1);
	assert_int_equal(xv_malloc(pool, 100, &first), 0);
	for (size_t i = 0; i < KEPT; i++) {
		assert_int_equal(xv_free(pool, first), 0);
		assert_int_equal(xv_malloc(pool, 100, &second), 0);
		assert_int_not_equal(xv_handle_offset(first), xv_handle_offset(second));
		first = second;
	}
	pool_close();
}

/* A freed place comes back when 64 others were freed after it, and that of a longer object at
 * once. */
static void sixty_four_freed_places_are_kept_apart(void **state)
{
	enum { LONG = 5000, MORE = 100 };
	xv_handle freed[KEPT + 1], made[MORE];
	struct xv_pool_stats before, after;
	size_t again = 0;

	(void)state;
	pool_open(2, 0, 1);
	for (size_t i = 0; i <= KEPT; i++)
		assert_int_equal(xv_malloc(pool, SIZE, &freed[i]), 0);
	xv_pool_get_stats(pool, &before);
	for (size_t i = 0; i <= KEPT; i++)
		assert_int_equal(xv_free(pool, freed[i]), 0);
	for (size_t i = 0; i < MORE; i++) {
		assert_int_equal(xv_malloc(pool, SIZE, &made[i]), 0);
		for (size_t n = 0; n <= KEPT; n++)
			again += (uint32_t)made[i] == (uint32_t)freed[n] &&
				 xv_handle_page(made[i]) == xv_handle_page(freed[n]);
	}
	assert_int_equal(again, 1); /* the first one */
	for (size_t i = 0; i < MORE; i++)
		assert_int_equal(xv_free(pool, made[i]), 0);
	xv_pool_get_stats(pool, &before);
	(void)xv_pool_trim(pool);
	xv_pool_get_stats(pool, &after);
	assert_int_equal(after.pages, 0);
	/* No more than they are long, and the pages that they lie in, of 16 objects each. */
	assert_in_range(before.held_bytes - after.held_bytes, KEPT * (size_t)SIZE, 12 * 65536);
	pool_close();
	pool_open(2, 0, 1);
	assert_int_equal(xv_malloc(pool, LONG, &freed[0]), 0);
	assert_int_equal(xv_malloc(pool, LONG, &freed[1]), 0);
	assert_int_equal(xv_free(pool, freed[0]), 0);
	assert_int_equal(xv_malloc(pool, LONG, &made[0]), 0);
	assert_int_equal((uint32_t)made[0], (uint32_t)freed[0]);
	pool_close();
}

/* What counts is the size of the object, whatever else its block has. */
static void the_longest_object_that_is_kept_has_4_kib(void **state)
{
	enum { MOST = 4096 };

	(void)state;
	for (uint32_t flags = 0; flags <= (XV_POOL_SPLIT | XV_POOL_OWNERS); flags++) {
		for (size_t size = MOST - 8; size <= MOST + 1; size++) {
			xv_handle before, freed;
			unsigned char *bytes;

			pool_open(2, flags, 1);
			assert_int_equal(xv_malloc(pool, size, &before), 0);
			assert_int_equal(xv_malloc(pool, size, &freed), 0);
			bytes = bytes_of(freed);
			assert_int_equal(xv_free(pool, freed), 0);
			bytes[size / 2] = 1;
			(void)xv_pool_trim(pool);
			assert_int_equal(told.calls, size <= MOST);
			pool_close();
		}
	}
}

/* Each alone in its page: canaries, headers and the grains around them stay. */
static void kept_objects_take_their_blocks_and_grains(void **state)
{
	enum { REST_OF_A_PAGE = 61200, LONG = 4096, BLOCK = 4096 + 4 + 4 + 8, GRAINS = 3 };
	xv_handle alone[KEPT], rest[KEPT];
	struct xv_pool_stats before, after;

	(void)state;
	pool_open(2, 0, 1);
	for (size_t i = 0; i < KEPT; i++) {
		assert_int_equal(xv_malloc(pool, REST_OF_A_PAGE, &rest[i]), 0);
		assert_int_equal(xv_malloc(pool, LONG, &alone[i]), 0);
	}
	for (size_t i = 0; i < KEPT; i++) {
		assert_int_equal(xv_free(pool, rest[i]), 0);
		assert_int_equal(xv_free(pool, alone[i]), 0);
	}
	xv_pool_get_stats(pool, &before);
	assert_int_equal(before.objects, 0);
	assert_int_equal(before.header_bytes, KEPT * 4);
	assert_in_range(before.rounding_bytes, KEPT * (LONG + 4), KEPT * BLOCK);
	(void)xv_pool_trim(pool);
	xv_pool_get_stats(pool, &after);
	assert_int_equal(after.rounding_bytes + after.header_bytes, 0);
	assert_in_range(before.held_bytes - after.held_bytes, KEPT * LONG,
			((uint64_t)(KEPT * GRAINS) << provider->grain_shift) + before.spare_bytes +
				before.table_bytes);
	pool_close();
}

/* Memory that the quarantine keeps is there for a request that finds none. */
static void the_quarantine_makes_room(void **state)
{
	struct xv_pool_stats stats;
	xv_handle handle;

	(void)state;
	pool_open(2, 0, 1);
	make_objects();
	xv_pool_get_stats(pool, &stats);
	xv_pool_set_limit(pool, stats.held_bytes);
	for (size_t i = 0; i < OBJECTS; i++)
		assert_int_equal(xv_free(pool, handles[i]), 0);
	for (size_t i = 0; i < OBJECTS; i++)
		assert_int_equal(xv_malloc(pool, SIZE, &handle), 0);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	pool_close();
}

/* Of ten equal holes any of the first eight may be taken, in another order with another seed. */
static void one_of_eight_equal_places_is_taken(void **state)
{
	enum { HOLES = 10, SEEDS = 100 };
	unsigned taken[HOLES] = {0}, places = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		xv_handle hole[HOLES], handle;

		pool_open(2, 0, seed);
		make_objects();
		for (size_t i = 0; i < HOLES; i++) {
			hole[i] = handles[1 + 2 * i];
			assert_int_equal(xv_free(pool, hole[i]), 0);
		}
		(void)xv_pool_trim(pool);
		assert_int_equal(xv_malloc(pool, SIZE, &handle), 0);
		for (size_t i = 0; i < HOLES; i++)
			taken[i] += xv_handle_page(handle) == xv_handle_page(hole[i]) &&
				    xv_handle_offset(handle) == xv_handle_offset(hole[i]);
		pool_close();
	}
	for (size_t i = 0; i < HOLES; i++)
		places += taken[i] > 0;
	assert_int_equal(places, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_byte_too_many_is_told_at_the_next_call),
		cmocka_unit_test(canaries_follow_objects_that_are_resized),
		cmocka_unit_test(freed_bytes_are_zero_and_stay_so),
		cmocka_unit_test(bytes_that_an_object_loses_are_zero),
		cmocka_unit_test(a_write_to_a_freed_object_is_told),
		cmocka_unit_test(a_freed_place_is_not_used_at_once),
		cmocka_unit_test(sixty_four_freed_places_are_kept_apart),
		cmocka_unit_test(the_longest_object_that_is_kept_has_4_kib),
		cmocka_unit_test(kept_objects_take_their_blocks_and_grains),
		cmocka_unit_test(the_quarantine_makes_room),
		cmocka_unit_test(one_of_eight_equal_places_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
