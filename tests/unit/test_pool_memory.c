/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Pools in the caller's memory: how much they need, that they stay inside it, and what
 * becomes of free blocks that find no room in the table. May call: public headers.
 */
#include "pool_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "shadow.h"

enum { GUARD_BYTES = 256, GUARD = 0xA7, OBJECTS_MAX = 1 << 17, FEW_PAGES = 6 };

static xv_handle handles[OBJECTS_MAX];

/* A buffer for the pool, guarded at both ends. */
struct guarded {
	unsigned char *raw;
	unsigned char *memory;
	size_t bytes;
};

static struct guarded guarded_make(size_t bytes, size_t shift)
{
	struct guarded g = {.bytes = bytes};

	g.raw = malloc(bytes + 2 * GUARD_BYTES + shift);
	assert_non_null(g.raw);
	memset(g.raw, GUARD, bytes + 2 * GUARD_BYTES + shift);
	g.memory = g.raw + GUARD_BYTES + shift;
	return g;
}

static void guarded_check(const struct guarded *g)
{
	for (size_t i = 1; i <= GUARD_BYTES; i++) {
		assert_int_equal(g->memory[-(ptrdiff_t)i], GUARD);
		assert_int_equal(g->memory[g->bytes + i - 1], GUARD);
	}
}

static struct xv_pool_options options_in(const struct pool_fixture *f, const struct guarded *g)
{
	struct xv_pool_options options;

	fixture_options(f, &options);
	options.memory = g->memory;
	options.memory_bytes = g->bytes;
	return options;
}

/* The fixture's pool anew, in this memory, over so many pages without meta calls. */
static void live_in(struct pool_fixture *f, const struct guarded *g, size_t pages)
{
	struct xv_pool_options options = options_in(f, g);

	fixture_remake(f, pages, &options, FAULT_NO_META);
}

/* End the pool before its memory. */
static void leave(struct pool_fixture *f, struct guarded *g)
{
	fixture_check(f);
	fixture_drop_pool(f);
	guarded_check(g);
	free(g->raw);
}

/* The provider as live_in makes it, for asking what a pool over it needs. */
static size_t enough_bytes(struct pool_fixture *f, size_t pages)
{
	struct xv_pool_options options;

	fixture_options(f, &options);
	fixture_remake(f, pages, NULL, 0);
	return xv_pool_memory_bytes(&f->fault.provider, &options);
}

static bool is_accepted(struct pool_fixture *f, const struct guarded *g, size_t bytes)
{
	struct xv_pool *const untouched = (struct xv_pool *)(uintptr_t)0x5A5A;
	struct xv_pool_options options = options_in(f, g);
	struct xv_pool *pool = untouched;
	int err;

	options.memory_bytes = bytes;
	err = xv_pool_create(&pool, &f->fault.provider, &options);
	if (err == 0) {
		xv_pool_destroy(pool);
		return true;
	}
	assert_int_equal(err, -XV_EINVAL);
	assert_ptr_equal(pool, untouched);
	return false;
}

/* The least that is accepted at this address. */
static size_t least_bytes(struct pool_fixture *f, const struct guarded *g)
{
	size_t no = 0, yes = g->bytes;

	assert_true(is_accepted(f, g, yes));
	while (no + 1 < yes) {
		size_t middle = no + (yes - no) / 2;

		if (is_accepted(f, g, middle))
			yes = middle;
		else
			no = middle;
	}
	return yes;
}

static void work_a_while(struct pool_fixture *f)
{
	struct shadow shadow;

	shadow_init(&shadow, f->pool);
	for (size_t i = 0; i < 400; i++) {
		if (shadow.count == 0 || random_below(&f->random, 5) < 3)
			(void)shadow_malloc(&shadow, random_size(&f->random, fixture_object_max(f)),
					    0);
		else if (random_below(&f->random, 3) == 0)
			(void)shadow_realloc(&shadow, random_below(&f->random, shadow.count),
					     random_size(&f->random, fixture_object_max(f)));
		else
			assert_int_equal(
				shadow_free(&shadow, random_below(&f->random, shadow.count)), 0);
		if (i % 16 == 0)
			fixture_check(f);
	}
	(void)xv_pool_trim(f->pool);
	fixture_check(f);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static void a_pool_works_in_the_memory_it_asks_for(struct pool_fixture *f)
{
	struct guarded g = guarded_make(enough_bytes(f, FIXTURE_PAGES), 0);

	live_in(f, &g, FIXTURE_PAGES);
	assert_true(xv_pool_memory_bytes(&f->fault.provider, NULL) <= g.bytes);
	work_a_while(f);
	leave(f, &g);
}

static void the_memory_may_begin_anywhere(struct pool_fixture *f)
{
	for (size_t shift = 0; shift < 64; shift += 7) {
		struct guarded g = guarded_make(enough_bytes(f, FEW_PAGES), shift);

		live_in(f, &g, FEW_PAGES);
		work_a_while(f);
		leave(f, &g);
	}
}

static void the_memory_counts_as_held_once(struct pool_fixture *f)
{
	struct guarded g = guarded_make(enough_bytes(f, FEW_PAGES), 3);
	struct xv_pool_stats stats;

	live_in(f, &g, FEW_PAGES);
	(void)fixture_malloc(f, 100);
	stats = fixture_stats(f);
	assert_true(stats.table_bytes >= g.bytes);
	assert_int_equal(stats.held_bytes,
			 stats.table_bytes +
				 fixture_grain_bytes(f));
	assert_int_equal(xv_pool_reset(f->pool), 0);
	assert_true(fixture_stats(f).table_bytes >= g.bytes);
	leave(f, &g);
}

static void the_meta_calls_are_not_used(struct pool_fixture *f)
{
	struct guarded g = guarded_make(enough_bytes(f, FIXTURE_PAGES), 0);
	struct xv_pool_options options = options_in(f, &g);

	fixture_remake(f, FIXTURE_PAGES, &options, 0);
	work_a_while(f);
	assert_int_equal(f->fault.calls[FAULT_META_RESERVE], 0);
	assert_int_equal(f->fault.calls[FAULT_META_COMMIT], 0);
	leave(f, &g);
	assert_int_equal(f->fault.calls[FAULT_META_RELEASE], 0);
}

static void too_little_memory_is_refused_and_the_least_works(struct pool_fixture *f)
{
	for (size_t shift = 0; shift < 64; shift += 31) {
		struct guarded g = guarded_make(enough_bytes(f, FEW_PAGES), shift);
		size_t least = least_bytes(f, &g);
		struct guarded small = guarded_make(least + 63, shift);

		guarded_check(&g);
		free(g.raw);
		live_in(f, &small, FEW_PAGES);
		work_a_while(f);
		leave(f, &small);
	}
}

static void each_smaller_size_is_refused(struct pool_fixture *f)
{
	struct guarded g = guarded_make(enough_bytes(f, FEW_PAGES), 5);
	size_t least = least_bytes(f, &g);

	for (size_t bytes = 0; bytes < least; bytes += bytes + 300 < least ? 101 : 1)
		assert_false(is_accepted(f, &g, bytes));
	for (size_t bytes = least; bytes <= g.bytes; bytes += 37)
		assert_true(is_accepted(f, &g, bytes));
	guarded_check(&g);
	free(g.raw);
}

/* ---- more free blocks than the table has room for ---- */

/* A pool with the smallest table, full of objects of this size. Returns their count. */
static size_t fill_with_the_smallest_table(struct pool_fixture *f, struct guarded *g, size_t size)
{
	size_t least, count;

	*g = guarded_make(enough_bytes(f, FEW_PAGES), 0);
	least = least_bytes(f, g);
	free(g->raw);
	/* 64 bytes may go to alignment; a table of at most 20 records is left. */
	*g = guarded_make(least + 64, 0);
	live_in(f, g, FEW_PAGES);
	count = fixture_fill_up(f, size, handles, OBJECTS_MAX);
	assert_true(count < OBJECTS_MAX);
	return count;
}

static void free_works_without_room_in_the_table(struct pool_fixture *f)
{
	struct guarded g;
	size_t count = fill_with_the_smallest_table(f, &g, 60);

	for (size_t i = 0; i < count; i += 2) {
		fixture_free(f, handles[i]);
		assert_int_equal(xv_object_size(f->pool, handles[i]), -XV_EINVAL);
		assert_int_equal(xv_free(f->pool, handles[i]), -XV_EINVAL);
	}
	fixture_check(f);
	for (size_t i = 1; i < count; i += 2) {
		fixture_free(f, handles[i]);
		if (i % 32 == 1)
			fixture_check(f);
	}
	assert_int_equal(fixture_stats(f).objects, 0);
	leave(f, &g);
}

static void unlisted_blocks_merge_with_their_neighbours(struct pool_fixture *f)
{
	struct guarded g;
	size_t count = fill_with_the_smallest_table(f, &g, 60);
	size_t grown = 0;

	for (size_t i = 0; i + 2 < count; i += 3) {
		fixture_free(f, handles[i]);
		fixture_free(f, handles[i + 1]);
	}
	fixture_check(f);
	/* The last object of a page must move to grow, and may find no room. */
	for (size_t i = 2; i < count; i += 6)
		grown += xv_realloc(f->pool, &handles[i], 120) == 0;
	assert_true(grown > count / 8);
	fixture_check(f);
	for (size_t i = 2; i < count; i += 6)
		assert_int_equal(xv_realloc(f->pool, &handles[i], 20), 0);
	fixture_check(f);
	leave(f, &g);
}

static void work_goes_on_without_room_in_the_table(struct pool_fixture *f)
{
	struct guarded g;

	(void)fill_with_the_smallest_table(f, &g, 60);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	work_a_while(f);
	leave(f, &g);
}

/* The tables are in the memory, which is held already: so many pages fit. */
static void pages_under_a_limit_are(struct pool_fixture *f, size_t expected)
{
	struct guarded g = guarded_make(enough_bytes(f, FEW_PAGES), 0);
	xv_handle handle;
	size_t pages = 0;

	live_in(f, &g, FEW_PAGES);
	/* The provider's own tables are held from its first page on. */
	fixture_free(f, fixture_malloc(f, fixture_object_max(f)));
	(void)xv_pool_trim(f->pool);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes + expected * f->page_bytes);
	while (xv_malloc(f->pool, fixture_object_max(f), &handle) == 0)
		pages++;
	assert_int_equal(xv_malloc(f->pool, fixture_object_max(f), &handle), -XV_ENOSPC);
	assert_int_equal(pages, expected);
	leave(f, &g);
}

static void a_limit_counts_the_callers_memory_once(struct pool_fixture *f)
{
	for (size_t pages = 0; pages < FEW_PAGES; pages++)
		pages_under_a_limit_are(f, pages);
}

static const struct pool_test tests[] = {
	POOL_TEST(a_pool_works_in_the_memory_it_asks_for, EACH_ALIGNMENT),
	POOL_TEST(the_memory_may_begin_anywhere, 0),
	POOL_TEST(the_memory_counts_as_held_once, 0),
	POOL_TEST(the_meta_calls_are_not_used, 0),
	POOL_TEST(too_little_memory_is_refused_and_the_least_works, EACH_ALIGNMENT),
	POOL_TEST(each_smaller_size_is_refused, 0),
	POOL_TEST(free_works_without_room_in_the_table, EACH_ALIGNMENT),
	POOL_TEST(unlisted_blocks_merge_with_their_neighbours, EACH_ALIGNMENT),
	POOL_TEST(work_goes_on_without_room_in_the_table, EACH_ALIGNMENT),
	POOL_TEST(a_limit_counts_the_callers_memory_once, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_memory", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
