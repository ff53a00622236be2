/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Quick reuse: what is kept, for whom, how much of it, and how it is given back. One
 * thread. May call: public headers.
 */
#include "reuse_support.h"

#include <string.h>

static bool share_is_kept(const struct xv_pool_stats *stats, uint32_t permille)
{
	return stats->reuse_bytes * 1000 <= stats->held_bytes * permille;
}

/* ---- options ---- */

static void the_share_has_a_most(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct xv_pool *pool = NULL;

	fixture_options(f, &options);
	options.reuse_permille = XV_REUSE_PERMILLE_MAX + 1;
	assert_int_equal(xv_pool_create(&pool, f->inner, &options), -XV_EINVAL);
	assert_null(pool);
	assert_int_equal(xv_pool_memory_bytes(f->inner, &options), 0);
	options.reuse_permille = XV_REUSE_PERMILLE_MAX;
	assert_int_equal(xv_pool_create(&pool, f->inner, &options), 0);
	xv_pool_destroy(pool);
}

/* Bytes kept with this share, when nine in ten of the objects of each page are freed. */
static uint64_t kept_at(struct pool_fixture *f, uint32_t permille)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats stats;

	open_reuse(f, 0, 0);
	xv_pool_set_reuse(f->pool, permille);
	for (uint32_t i = 0; i < OBJECTS; i++)
		handle[i] = fixture_malloc(f, 300);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % 10 != 0)
			fixture_free(f, handle[i]);
	}
	stats = fixture_stats(f);
	assert_true(share_is_kept(&stats, XV_REUSE_PERMILLE_MAX));
	return stats.reuse_bytes;
}

static void more_than_the_most_counts_as_the_most(struct pool_fixture *f)
{
	uint64_t most = kept_at(f, XV_REUSE_PERMILLE_MAX);

	assert_true(most > kept_at(f, XV_REUSE_PERMILLE_MAX / 2));
	assert_int_equal(kept_at(f, XV_REUSE_PERMILLE_MAX + 1), most);
	assert_int_equal(kept_at(f, UINT32_MAX - 1), most);
}

/* ---- the stock ---- */

static void a_freed_block_is_handed_out_again(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats before, after;

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++)
		handle[i] = fixture_malloc(f, 300);
	for (uint32_t i = 0; i < 30; i++)
		fixture_free(f, handle[7 * i]);
	before = fixture_stats(f);
	assert_int_equal(before.objects, OBJECTS - 30);
	assert_true(before.reuse_bytes >= 30 * 304);
	assert_int_equal(before.reuses, 0);
	fixture_check(f);
	for (uint32_t i = 0; i < 30; i++) {
		handle[7 * i] = fixture_malloc(f, 300);
		fixture_fill(f, handle[7 * i], i);
	}
	after = fixture_stats(f);
	assert_int_equal(after.reuses, 30);
	assert_int_equal(after.reuse_bytes, 0);
	assert_int_equal(after.pages, before.pages);
	for (uint32_t i = 0; i < 30; i++)
		fixture_verify(f, handle[7 * i], 300, i);
}

static void without_it_nothing_is_kept(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];

	open_reuse(f, 0, 0);
	some_live_some_freed(f, handle, 300);
	assert_int_equal(fixture_stats(f).reuse_bytes, 0);
	(void)fixture_malloc(f, 300);
	assert_int_equal(fixture_stats(f).reuses, 0);
}

/* What fits closely only: neither a much longer block nor a shorter one. */
static void a_block_is_for_what_fits_it_closely(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];

	open_reuse(f, 0, PERMILLE);
	some_live_some_freed(f, handle, 600);
	assert_true(fixture_stats(f).reuse_bytes != 0);
	(void)fixture_malloc(f, 400);
	(void)fixture_malloc(f, 700);
	assert_int_equal(fixture_stats(f).reuses, 0);
	/* Some have been given up before the pool grew. */
	assert_true(fixture_stats(f).reuse_bytes != 0);
	(void)fixture_malloc(f, 590);
	assert_int_equal(fixture_stats(f).reuses, 1);
	/* Of a small one a few bytes are much. */
	open_reuse(f, 0, PERMILLE);
	some_live_some_freed(f, handle, 100);
	assert_true(fixture_stats(f).reuse_bytes != 0);
	(void)fixture_malloc(f, 84);
	assert_int_equal(fixture_stats(f).reuses, 0);
	(void)fixture_malloc(f, 100);
	assert_int_equal(fixture_stats(f).reuses, 1);
}

/* The size is what was asked for, whatever the block has room for. */
static void sizes_stay_exact(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	static size_t size[OBJECTS];
	uint64_t requested = 0;
	uint32_t slack = 0;

	open_reuse(f, 0, PERMILLE);
	for (uint32_t round = 0; round < 6; round++) {
		for (uint32_t i = round % 3; i < OBJECTS; i += 1 + round % 3) {
			if (handle[i] != XV_NULL_HANDLE)
				fixture_free(f, handle[i]);
			requested -= size[i];
			size[i] = 1000 - random_below(&f->random, 30);
			requested += size[i];
			handle[i] = fixture_malloc(f, size[i]);
			fixture_fill(f, handle[i], i);
		}
		assert_int_equal(fixture_stats(f).requested_bytes, requested);
		fixture_check(f);
		for (uint32_t i = 0; i < OBJECTS; i++) {
			size_t usable;

			if (handle[i] == XV_NULL_HANDLE)
				continue;
			fixture_verify(f, handle[i], size[i], i);
			usable = xv_usable_size(f->pool, xv_address_of(f->pool, handle[i]));
			assert_in_range(usable, size[i], size[i] + 32 + f->alignment);
			slack += usable > size[i] + f->alignment;
		}
	}
	assert_true(fixture_stats(f).reuses > OBJECTS / 4);
	assert_true(slack != 0);
	memset(handle, 0, sizeof(handle));
	memset(size, 0, sizeof(size));
}

static void payloads_stay_aligned(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];

	open_reuse(f, 0, PERMILLE);
	some_live_some_freed(f, handle, 300);
	for (uint32_t i = 0; i < OBJECTS; i += 3) {
		handle[i] = fixture_malloc(f, 297 + i % 8);
		assert_int_equal(xv_handle_offset(handle[i]) % f->alignment, 0);
	}
	assert_true(fixture_stats(f).reuses != 0);
	/* More than the pool's own alignment is not left to the stock. */
	for (uint32_t i = 0; i < OBJECTS; i++)
		fixture_free(f, handle[i]);
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(xv_malloc_aligned(f->pool, 300, 64, &handle[i]), 0);
		assert_int_equal(xv_handle_offset(handle[i]) % 64, 0);
	}
}

static void zeroed_objects_are_zero(struct pool_fixture *f)
{
	static const unsigned char zeros[300];
	static xv_handle handle[OBJECTS];
	unsigned char bytes[300];

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		handle[i] = fixture_malloc(f, 300);
		fixture_fill(f, handle[i], i);
	}
	for (uint32_t i = 0; i < OBJECTS; i += 2)
		fixture_free(f, handle[i]);
	for (uint32_t i = 0; i < OBJECTS; i += 2) {
		assert_int_equal(xv_calloc(f->pool, 3, 100, &handle[i]), 0);
		assert_int_equal(xv_read(f->pool, handle[i], 0, bytes, 300), 0);
		assert_memory_equal(bytes, zeros, 300);
	}
}

static void the_share_is_kept_to(struct pool_fixture *f)
{
	static const uint32_t shares[] = {1, 10, 50, 500};
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats stats;
	uint64_t most;

	for (uint32_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++) {
		open_reuse(f, 0, shares[s]);
		memset(handle, 0, sizeof(handle));
		most = 0;
		for (uint32_t i = 0; i < 4000; i++) {
			size_t at = random_below(&f->random, OBJECTS);

			if (handle[at] != XV_NULL_HANDLE) {
				fixture_free(f, handle[at]);
				handle[at] = XV_NULL_HANDLE;
			} else {
				handle[at] = fixture_malloc(
					f, 1 + random_below(&f->random, f->page_bytes / 4));
			}
			stats = fixture_stats(f);
			assert_true(share_is_kept(&stats, shares[s]));
			most = stats.reuse_bytes > most ? stats.reuse_bytes : most;
		}
		/* It is used, too, where it allows more than a few blocks. */
		assert_true(most != 0 || shares[s] < XV_REUSE_PERMILLE_MAX);
	}
}

/* ---- giving it back ---- */

static void turned_off_it_keeps_nothing(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats before, after;

	open_reuse(f, 0, PERMILLE);
	some_live_some_freed(f, handle, 300);
	before = fixture_stats(f);
	assert_true(before.reuse_bytes != 0);
	xv_pool_set_reuse(f->pool, 0);
	after = fixture_stats(f);
	assert_int_equal(after.reuse_bytes, 0);
	assert_true(after.free_bytes + after.reserve_bytes >=
		    before.free_bytes + before.reserve_bytes);
	assert_int_equal(after.requested_bytes, before.requested_bytes);
	fixture_check(f);
	/* And from now on a free is a free. */
	fixture_free(f, handle[1]);
	assert_int_equal(fixture_stats(f).reuse_bytes, 0);
	for (uint32_t i = 2; i < OBJECTS; i++) {
		if (handle[i] != XV_NULL_HANDLE)
			fixture_free(f, handle[i]);
	}
	assert_true(fixture_stats(f).pages <= 2);
	xv_pool_set_reuse(f->pool, PERMILLE);
	some_live_some_freed(f, handle, 300);
	assert_true(fixture_stats(f).reuse_bytes != 0);
}

static void a_trim_gives_it_back(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats before, after;

	open_reuse(f, 0, XV_REUSE_PERMILLE_MAX);
	some_live_some_freed(f, handle, 300);
	for (uint32_t i = 0; i < OBJECTS / 2; i++) {
		if (handle[i] != XV_NULL_HANDLE)
			fixture_free(f, handle[i]);
	}
	before = fixture_stats(f);
	assert_true(before.reuse_bytes > f->page_bytes);
	assert_true(xv_pool_trim(f->pool) > 0);
	after = fixture_stats(f);
	assert_int_equal(after.reuse_bytes, 0);
	assert_int_equal(after.reserve_bytes, 0);
	assert_true(after.pages < before.pages);
	assert_int_equal(after.objects, before.objects);
}

static void a_reset_forgets_it(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats stats;

	open_reuse(f, 0, PERMILLE);
	some_live_some_freed(f, handle, 300);
	fixture_free(f, handle[1]);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	stats = fixture_stats(f);
	assert_int_equal(stats.objects + stats.reuse_bytes + stats.pages, 0);
	assert_int_equal(stats.bad_handles, 0);
	fixture_check(f);
	some_live_some_freed(f, handle, 300);
	assert_true(fixture_stats(f).reuse_bytes != 0);
}

static void a_pool_ends_with_frees_that_wait(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];

	open_reuse(f, 0, PERMILLE);
	some_live_some_freed(f, handle, 300);
	fixture_free(f, handle[1]);
	fixture_drop_pool(f);
}

/* A lower limit frees nothing by itself; the stock is then used up before a request
 * fails. */
static void a_request_fails_only_when_nothing_is_kept(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats before;
	size_t size = f->page_bytes / 2;
	xv_handle got;

	open_reuse(f, 0, XV_REUSE_PERMILLE_MAX);
	for (uint32_t i = 0; i < OBJECTS; i++)
		handle[i] = fixture_malloc(f, 300);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	for (uint32_t i = 0; i < OBJECTS / 2; i++)
		fixture_free(f, handle[i]);
	before = fixture_stats(f);
	assert_true(before.reuse_bytes > f->page_bytes);
	for (uint32_t i = 0; i < OBJECTS / 2 * 300 / f->page_bytes / 2; i++) {
		assert_true(xv_pool_can_fit(f->pool, size));
		got = fixture_malloc(f, size);
		assert_int_equal(xv_object_size(f->pool, got), (int)size);
	}
	assert_true(fixture_stats(f).held_bytes <= before.held_bytes);
	while (xv_malloc(f->pool, 300, &got) == 0)
		;
	assert_int_equal(fixture_stats(f).reuse_bytes, 0);
	assert_false(xv_pool_can_fit(f->pool, 300));
}

/* Of objects that are not a block, too: the only free page is that of a free that waits. */
static void frees_that_wait_are_done_before_a_request_fails(struct pool_fixture *f)
{
	xv_handle handle, other;

	open_reuse(f, XV_POOL_SPLIT, PERMILLE);
	other = fixture_malloc(f, 100);
	handle = fixture_malloc(f, f->page_bytes);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	fixture_free(f, handle);
	handle = fixture_malloc(f, f->page_bytes);
	fixture_free(f, handle);
	xv_pool_set_limit(f->pool, 0);
	handle = fixture_malloc(f, 5 * f->page_bytes / 2);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	fixture_free(f, handle);
	handle = fixture_malloc(f, 5 * f->page_bytes / 2);
	fixture_free(f, handle);
	handle = fixture_malloc(f, f->page_bytes - 500);
	fixture_free(f, handle);
	fixture_free(f, other);
	handle = fixture_malloc(f, 2 * f->page_bytes);
	fixture_free(f, handle);
	assert_int_equal(fixture_stats(f).objects, 0);
	assert_int_equal(fixture_stats(f).failures, 0);
}

static void room_is_told_truly(struct pool_fixture *f, uint32_t flags)
{
	static xv_handle handle[OBJECTS];
	uint32_t fits = 0, not = 0;

	open_reuse(f, flags, PERMILLE);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes + 40 * f->page_bytes);
	memset(handle, 0, sizeof(handle));
	for (uint32_t i = 0; i < 3000; i++) {
		size_t at = random_below(&f->random, OBJECTS);
		size_t size = 1 + random_below(&f->random, f->page_bytes / 4);
		bool told;

		if (handle[at] != XV_NULL_HANDLE) {
			fixture_free(f, handle[at]);
			handle[at] = XV_NULL_HANDLE;
			continue;
		}
		if (i % 8 != 0) {
			(void)!xv_malloc(f->pool, size, &handle[at]);
			continue;
		}
		size = i % 16 == 0 ? size : xv_pool_largest_allocatable(f->pool) + i / 16 % 2;
		told = size != 0 && xv_pool_can_fit(f->pool, size);
		assert_int_equal(told, xv_malloc(f->pool, size, &handle[at]) == 0);
		fits += told;
		not += !told;
		/* What is very large goes again. */
		if (told && size > f->page_bytes / 4) {
			fixture_free(f, handle[at]);
			handle[at] = XV_NULL_HANDLE;
		}
	}
	assert_true(fits != 0 && not != 0);
}

static void can_fit_is_true_with_a_stock_in_hand(struct pool_fixture *f)
{
	room_is_told_truly(f, 0);
	room_is_told_truly(f, XV_POOL_SPLIT);
}

/* ---- elsewhere ---- */

/* Where a page must be mapped to be looked at nothing is kept, and nothing waits. */
static void behind_a_window_it_is_off(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];

	open_reuse(f, 0, PERMILLE);
	for (uint32_t times = 0; times < 2; times++) {
		some_live_some_freed(f, handle, 300);
		assert_int_equal(fixture_stats(f).reuse_bytes, 0);
		fixture_free(f, handle[1]);
		assert_int_equal(xv_free(f->pool, handle[1]), -XV_EINVAL);
		(void)fixture_malloc(f, 300);
		assert_int_equal(fixture_stats(f).reuses, 0);
		xv_pool_set_reuse(f->pool, PERMILLE);
	}
}

/* Without a record a block cannot be kept: it is freed. */
static void without_records_blocks_are_freed(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++)
		handle[i] = fixture_malloc(f, 100);
	fault_provider_fail(&f->fault, FAULT_META_COMMIT, 1, FAULT_FOREVER);
	for (uint32_t i = 0; i < OBJECTS; i += 2)
		fixture_free(f, handle[i]);
	assert_int_equal(fixture_stats(f).objects, OBJECTS / 2);
	fixture_check(f);
	fault_provider_heal(&f->fault);
	for (uint32_t i = 1; i < OBJECTS; i += 2)
		fixture_free(f, handle[i]);
	assert_int_equal(fixture_stats(f).objects, 0);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(fixture_stats(f).pages, 0);
}

static const struct pool_test tests[] = {
	POOL_TEST(the_share_has_a_most, ON_MMAP),
	POOL_TEST(more_than_the_most_counts_as_the_most, WITH_BASE),
	POOL_TEST(a_freed_block_is_handed_out_again, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(without_it_nothing_is_kept, 0),
	POOL_TEST(a_block_is_for_what_fits_it_closely, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(sizes_stay_exact, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(payloads_stay_aligned, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(zeroed_objects_are_zero, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(the_share_is_kept_to, WITH_BASE),
	POOL_TEST(turned_off_it_keeps_nothing, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_trim_gives_it_back, WITH_BASE),
	POOL_TEST(a_reset_forgets_it, WITH_BASE),
	POOL_TEST(a_pool_ends_with_frees_that_wait, WITH_BASE),
	POOL_TEST(a_request_fails_only_when_nothing_is_kept, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(frees_that_wait_are_done_before_a_request_fails, WITH_BASE),
	POOL_TEST(can_fit_is_true_with_a_stock_in_hand, WITH_BASE),
	POOL_TEST(behind_a_window_it_is_off, WITHOUT_BASE),
	POOL_TEST(without_records_blocks_are_freed, ON_MMAP),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_reuse", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
