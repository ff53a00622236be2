/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_promises.c: costs and errors that the headers promise, by what can be counted: calls
 * of the provider, and, where pages have to be mapped, pages that a call looks at. May call:
 * public headers. One thread.
 */
#include "density.h"

#include <string.h>

enum {
	FEW_LOOKS = 6,  /* pages that a malloc and a free look at */
	FEW_CALLS = 16, /* of the provider, maps left out */
	PAIRS = 300,
	MEGABYTE = 1 << 20,
};

/* ---- time at the limit ---- */

/* Objects of many sizes up to the limit, every other of them freed: little room is left where the
 * large ones were. Returns how many are live. */
static size_t fill_to_the_limit(struct pool_fixture *f, size_t pages, xv_handle *handles,
				size_t most)
{
	size_t count = 0, live = 0;
	uint64_t tables;

	fixture_remake(f, pages + pages / 4, NULL, FAULT_HIDE_BASE);
	tables = fixture_stats(f).held_bytes + 65536 * 4;
	xv_pool_set_limit(f->pool, tables + pages * f->page_bytes);
	while (count < most &&
	       xv_malloc(f->pool, 100 + random_below(&f->random, 1900), &handles[count]) == 0)
		count++;
	for (size_t i = 0; i < count; i++) {
		if (i % 2 == 0)
			fixture_free(f, handles[i]);
		else
			handles[live++] = handles[i];
	}
	while (live < most && xv_malloc(f->pool, 60, &handles[live]) == 0)
		live++;
	assert_true(live < most);
	return live;
}

struct cost {
	uint64_t looks;
	uint64_t calls;
};

static struct cost cost_now(const struct pool_fixture *f)
{
	struct cost cost = {.looks = f->fault.calls[FAULT_PAGE_MAP]};

	for (unsigned op = 0; op < FAULT_OPS; op++) {
		if (op != FAULT_PAGE_MAP && op != FAULT_PAGE_UNMAP)
			cost.calls += f->fault.calls[op];
	}
	return cost;
}

/* The deep check of a debug build looks at every page, once in 4,096 calls. */
#if XV_DEBUG >= 2
enum { DEEP_CHECKS = 2 };
#else
enum { DEEP_CHECKS = 0 };
#endif
static int deep_checks;

static void cost_is_small(const struct pool_fixture *f, const struct cost *before)
{
	struct cost now = cost_now(f);

	if (now.looks - before->looks > FEW_LOOKS && deep_checks++ < DEEP_CHECKS)
		return;
	assert_in_range(now.looks - before->looks, 0, FEW_LOOKS);
	assert_in_range(now.calls - before->calls, 0, FEW_CALLS);
}

/* Whether it succeeds or fails, and however many pages there are. */
static void a_pair_at_the_limit_looks_at_few_pages(struct pool_fixture *f)
{
	static xv_handle handles[1 << 17];
	size_t pages = f->page_bytes == 4096 ? 2000 : 150;
	size_t live = fill_to_the_limit(f, pages, handles, sizeof(handles) / sizeof(handles[0]));
	size_t failed = 0, done = 0;

	deep_checks = 0;
	for (size_t i = 0; i < 4 * PAIRS; i++) {
		size_t at = random_below(&f->random, live);
		struct cost before = cost_now(f);
		xv_handle handle;
		int err = xv_malloc(f->pool, 40 + random_below(&f->random, f->page_bytes / 4 * 3),
				    &handle);

		cost_is_small(f, &before);
		assert_true(err == 0 || err == -XV_ENOSPC);
		before = cost_now(f);
		fixture_free(f, handles[at]);
		cost_is_small(f, &before);
		handles[at] = err == 0 ? handle : handles[live - 1];
		live -= err != 0;
		failed += err != 0;
		done += err == 0;
		if (i % 8 == 0 && xv_malloc(f->pool, 60, &handles[live]) == 0)
			live++;
	}
	assert_true(failed > 10 && done > PAIRS / 4);
	fixture_check(f);
}

/* ---- what is linear, and in what ---- */

static void destroy_gives_pages_back_in_runs(struct pool_fixture *f)
{
	uint64_t maps;

	(void)fixture_fill_up(f, f->page_bytes / 3, NULL, 0);
	assert_in_range(fixture_stats(f).pages, FIXTURE_PAGES, FIXTURE_PAGES + 200);
	f->fault.calls[FAULT_PAGES_FREE] = 0;
	f->fault.calls[FAULT_GRAINS_GIVE] = 0;
	maps = f->fault.calls[FAULT_PAGE_MAP];
	fixture_drop_pool(f);
	assert_int_equal(f->fault.calls[FAULT_PAGES_FREE], 1);
	assert_int_equal(f->fault.calls[FAULT_GRAINS_GIVE], 0);
	assert_int_equal(f->fault.calls[FAULT_PAGE_MAP], maps);
}

static void reset_gives_pages_back_in_runs(struct pool_fixture *f)
{
	(void)fixture_fill_up(f, f->page_bytes / 3, NULL, 0);
	f->fault.calls[FAULT_PAGES_FREE] = 0;
	f->fault.calls[FAULT_PAGE_MAP] = 0;
	assert_int_equal(xv_pool_reset(f->pool), 0);
	assert_int_equal(f->fault.calls[FAULT_PAGES_FREE], 1);
	assert_int_equal(f->fault.calls[FAULT_PAGE_MAP], 0);
	assert_int_equal(fixture_stats(f).pages, 0);
}

static int count_one(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	(void)size;
	++*(size_t *)context;
	return 0;
}

/* A page is looked at anew for each batch of objects, and for each object once more: it may be gone
 * when its turn comes. */
static void a_walk_looks_at_each_object_once_or_twice(struct pool_fixture *f)
{
	size_t visited = 0, made;

	fixture_remake(f, 12, NULL, FAULT_HIDE_BASE);
	made = fixture_fill_up(f, 4, NULL, 0);
	f->fault.calls[FAULT_PAGE_MAP] = 0;
	assert_int_equal(xv_pool_walk(f->pool, count_one, &visited), 0);
	assert_int_equal(visited, made);
	assert_in_range(f->fault.calls[FAULT_PAGE_MAP], 1, made + made / 16 + 400);
}

/* What lies before a byte is passed over, not what lies behind. */
static void the_start_of_a_large_object_is_read_alone(struct pool_fixture *f)
{
	unsigned char bytes[100];
	struct density d;
	uint64_t looks;

	density_open(&d, f, 2 * MEGABYTE / f->page_bytes, XV_POOL_SPLIT, FAULT_HIDE_BASE);
	assert_int_equal(density_malloc(&d, 0, MEGABYTE), 0);
	looks = f->fault.calls[FAULT_PAGE_MAP];
	assert_int_equal(xv_read(d.pool, d.slot[0].handle, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(xv_write(d.pool, d.slot[0].handle, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(xv_object_size(d.pool, d.slot[0].handle), MEGABYTE);
	assert_in_range(f->fault.calls[FAULT_PAGE_MAP] - looks, 1, 16);
	density_close(&d);
}

/* However many pages there are, unmapping looks at none but its own. */
static void unmap_looks_at_nothing_else(struct pool_fixture *f)
{
	static xv_handle handles[FIXTURE_PAGES * 8];
	size_t count = fixture_fill_up(f, f->page_bytes / 8 * 7, handles, FIXTURE_PAGES * 8);
	void *ptr[2];

	assert_true(count >= 20 && count <= FIXTURE_PAGES * 8);
	assert_int_equal(xv_map(f->pool, handles[0], &ptr[0]), 0);
	assert_int_equal(xv_map(f->pool, handles[1], &ptr[1]), 0);
	for (size_t i = 0; i < count; i++)
		fixture_free(f, handles[i]);
	for (size_t i = 0; i < 2; i++) {
		struct cost before = cost_now(f);

		assert_int_equal(xv_unmap(f->pool, handles[i], ptr[i]), 0);
		cost_is_small(f, &before);
	}
}

/* ---- errors change nothing ---- */

static void every_maker_fails(struct pool_fixture *f, size_t size, int expected)
{
	struct xv_pool_stats before = fixture_stats(f);
	xv_handle handle = 77;

	assert_int_equal(xv_malloc(f->pool, size, &handle), expected);
	assert_int_equal(xv_malloc_owned(f->pool, size, 5, &handle), expected);
	assert_int_equal(xv_malloc_aligned(f->pool, size, 64, &handle), expected);
	assert_int_equal(xv_calloc(f->pool, 1, size, &handle), expected);
	assert_int_equal(handle, 77);
	fixture_assert_unchanged(f, &before);
}

static void a_failed_call_leaves_the_handle_alone(struct pool_fixture *f)
{
	struct xv_pool_options options;
	static xv_handle handles[1024];
	size_t large = f->page_bytes / 8 * 7, count;
	xv_handle handle;
	uint32_t owner = 9;

	if (provider_case_shares_os_pages(f->which))
		skip();
	fixture_options(f, &options);
	options.flags = XV_POOL_OWNERS;
	fixture_remake(f, 10, &options, 0);
	every_maker_fails(f, 0, -XV_EINVAL);
	every_maker_fails(f, xv_pool_max_size(f->pool) + 1, -XV_E2BIG);
	count = fixture_fill_up(f, large, handles, 1024);
	assert_in_range(count, 1, 1024);
	every_maker_fails(f, large, -XV_ENOMEM);
	fixture_free(f, handles[count - 1]);
	(void)xv_pool_trim(f->pool);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	every_maker_fails(f, large, -XV_ENOSPC);
	/* So with an object that cannot grow, and one that is none. */
	assert_int_equal(xv_malloc(f->pool, 50, &handle), 0);
	for (unsigned i = 0; i < 3; i++) {
		xv_handle same = handle;

		assert_int_equal(xv_realloc(f->pool, &same,
					    i == 0   ? large
					    : i == 1 ? 0
						     : SIZE_MAX),
				 i == 0   ? -XV_ENOSPC
				 : i == 1 ? -XV_EINVAL
					  : -XV_E2BIG);
		assert_int_equal(same, handle);
		assert_int_equal(xv_object_size(f->pool, handle), 50);
	}
	fixture_free(f, handle);
	assert_int_equal(xv_realloc(f->pool, &handle, 10), -XV_EINVAL);
	assert_int_equal(xv_get_owner(f->pool, handle, &owner), -XV_EINVAL);
	assert_int_equal(owner, 9);
}

/* A handle of page and offset alone knows no generation: the proof refuses it all the same. */
static void an_untagged_handle_is_freed_once(struct pool_fixture *f)
{
	for (uint32_t keyed = 0; keyed <= TEST_KEYED; keyed += TEST_KEYED) {
		struct xv_pool_options options;
		xv_handle handle, plain;

		fixture_options(f, &options);
		options_set_flags(&options, keyed);
		fixture_remake(f, FIXTURE_PAGES, &options, 0);
		(void)fixture_malloc(f, 100);
		handle = fixture_malloc(f, 100);
		(void)fixture_malloc(f, 100);
		plain = xv_handle_at(xv_handle_page(handle), xv_handle_offset(handle));
		fixture_free(f, plain);
		assert_int_equal(xv_free(f->pool, plain), -XV_EINVAL);
		assert_int_equal(xv_free(f->pool, handle), -XV_EINVAL);
		assert_int_equal(xv_object_size(f->pool, plain), -XV_EINVAL);
		assert_int_equal(fixture_stats(f).objects, 2);
	}
}

/* ---- the limit ---- */

/* Limits that are no multiple of anything; work of all kinds, and calls that fail. */
static void the_limit_is_kept_to_the_byte(struct pool_fixture *f)
{
	static const uint32_t flags[] = {0, XV_POOL_SPLIT | XV_POOL_OWNERS, TEST_KEYED};

	for (unsigned round = 0; round < 6; round++) {
		uint64_t limit;
		struct density d;

		density_open(&d, f, FIXTURE_PAGES, flags[round % 3], 0);
		limit = fixture_stats(f).held_bytes + 12 * f->page_bytes + 4096 * 5 +
			random_below(&f->random, 8192);
		xv_pool_set_limit(d.pool, limit);
		for (unsigned i = 0; i < 500; i++) {
			uint32_t slot = (uint32_t)random_below(&f->random, 400);
			size_t size = 1 + random_below(&f->random, f->page_bytes / 3);

			if (round >= 3 && i % 7 == 0)
				fault_provider_fail(&f->fault, FAULT_ANY_BUT_MAPS,
						    1 + random_below(&f->random, 3), FAULT_ONCE);
			if (d.slot[slot].handle == XV_NULL_HANDLE)
				(void)density_malloc(&d, slot, size);
			else if (random_below(&f->random, 3) == 0)
				(void)density_realloc(&d, slot, size);
			else
				assert_int_equal(density_free(&d, slot), 0);
			fault_provider_heal(&f->fault);
			assert_true(fixture_stats(f).held_bytes <= limit);
		}
		assert_true(fixture_stats(f).peak_held_bytes <= limit);
		xv_pool_set_limit(d.pool, 0);
		density_close(&d);
	}
}

/* Freeing takes records of holes into use, whose memory the limit counted before. */
static void the_limit_is_kept_while_objects_are_freed(struct pool_fixture *f)
{
	static xv_handle handles[1 << 16];
	size_t count = 0;
	uint64_t limit;

	limit = fixture_stats(f).held_bytes + 20 * f->page_bytes + 4096 * 3 + 77;
	xv_pool_set_limit(f->pool, limit);
	while (count < 1 << 16 && xv_malloc(f->pool, 20, &handles[count]) == 0)
		count++;
	assert_true(count > 1000);
	for (size_t i = 0; i < count; i += 2) {
		fixture_free(f, handles[i]);
		assert_true(fixture_stats(f).held_bytes <= limit);
	}
	assert_true(fixture_stats(f).peak_held_bytes <= limit);
	fixture_check(f);
}

/* ---- alignment and owners ---- */

/* Offset and contents; what is asked for may be the pool's own alignment, too. */
static void aligned_objects_stay_aligned_in_compaction(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		static xv_handle handles[400];
		struct density d;
		uint32_t slot = 0;

		density_open(&d, f, 60, flags | XV_POOL_OWNERS, 0);
		for (size_t i = 0; i < 120; i++) {
			size_t alignment = (size_t)1 << i % 9, size = 30 + i * 7 % 500;

			assert_int_equal(xv_malloc_aligned(d.pool, size, alignment, &handles[i]),
					 0);
			fixture_fill(f, handles[i], (uint32_t)i);
			assert_int_equal(xv_set_owner(d.pool, handles[i], DENSITY_SLOTS - 1), 0);
			for (unsigned k = 0; k < 4; k++)
				assert_int_equal(density_malloc(&d, slot++, 100 + i), 0);
		}
		for (uint32_t i = 0; i < slot; i++) {
			if (i % 4 != 0)
				assert_int_equal(density_free(&d, i), 0);
		}
		d.slot[DENSITY_SLOTS - 1].stubborn = true; /* who is asked at all, refuses */
		(void)density_compact(&d, 0);
		for (size_t i = 0; i < 120; i++) {
			size_t alignment = (size_t)1 << i % 9, size = 30 + i * 7 % 500;

			fixture_verify(f, handles[i], size, (uint32_t)i);
			assert_int_equal(xv_handle_offset(handles[i]) % alignment, 0);
			assert_int_equal(xv_realloc(d.pool, &handles[i], size + 300), 0);
			assert_int_equal(xv_handle_offset(handles[i]) % (alignment > f->alignment
										 ? alignment
										 : f->alignment),
					 0);
			fixture_free(f, handles[i]);
		}
		d.slot[DENSITY_SLOTS - 1].stubborn = false;
		density_close(&d);
	}
}

/* ---- pools beside each other ---- */

static void another_pool_costs_nothing(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	struct xv_pool *other;
	xv_handle handles[30];

	(void)fixture_malloc(f, 100);
	before = fixture_stats(f);
	f->shared = true;
	assert_int_equal(xv_pool_create(&other, &f->fault.provider, NULL), 0);
	for (size_t i = 0; i < 30; i++)
		assert_int_equal(xv_malloc(other, f->page_bytes / 2, &handles[i]), 0);
	assert_int_equal(fixture_stats(f).held_bytes, before.held_bytes);
	for (size_t i = 0; i < 30; i += 2)
		assert_int_equal(xv_free(other, handles[i]), 0);
	assert_int_equal(fixture_stats(f).held_bytes, before.held_bytes);
	assert_int_equal(fixture_stats(f).table_bytes, before.table_bytes);
	xv_pool_destroy(other);
	fixture_assert_unchanged(f, &before);
	assert_int_equal(fixture_stats(f).held_bytes, before.held_bytes);
}

static const struct pool_test tests[] = {
	POOL_TEST(a_pair_at_the_limit_looks_at_few_pages, ON_MMAP),
	POOL_TEST(destroy_gives_pages_back_in_runs, 0),
	POOL_TEST(reset_gives_pages_back_in_runs, 0),
	POOL_TEST(a_walk_looks_at_each_object_once_or_twice, WITH_BASE),
	POOL_TEST(the_start_of_a_large_object_is_read_alone, ON_MMAP),
	POOL_TEST(unmap_looks_at_nothing_else, 0),
	POOL_TEST(a_failed_call_leaves_the_handle_alone, 0),
	POOL_TEST(an_untagged_handle_is_freed_once, EACH_ALIGNMENT),
	POOL_TEST(the_limit_is_kept_to_the_byte, 0),
	POOL_TEST(the_limit_is_kept_while_objects_are_freed, 0),
	POOL_TEST(aligned_objects_stay_aligned_in_compaction, EACH_ALIGNMENT),
	POOL_TEST(another_pool_costs_nothing, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_promises", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
