/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What a pool takes and gives back: the limit, spare memory, trim, reset. May call:
 * public headers. One thread.
 */
#include "pool_fixture.h"

#include "shadow.h"

enum { PAGES_MAX = 256, SOME = 10, MANY = 40 };

static xv_handle handles[PAGES_MAX];

static void take_pages(struct pool_fixture *f, size_t count)
{
	for (size_t i = 0; i < count; i++)
		handles[i] =
			fixture_malloc(f, f->page_bytes / 2 + 100 + (i % 2) * f->page_bytes / 3);
	assert_int_equal(f->fault.pages_now, count);
}

static void give_pages(struct pool_fixture *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fixture_free(f, handles[i]);
		fixture_check(f);
	}
}

/* ---- spare memory ---- */

/* Eight grains, or one in 200 of those held. */
static void spare_memory_is_kept_within_its_bound(struct pool_fixture *f)
{
	uint64_t grain = fixture_grain_bytes(f);
	uint64_t kept = 0;

	if (provider_case_shares_os_pages(f->which))
		skip();
	take_pages(f, MANY);
	assert_int_equal(fixture_stats(f).spare_bytes, 0);
	for (size_t i = 0; i < MANY; i++) {
		fixture_free(f, handles[i]);
		fixture_check(f);
		assert_true(fixture_stats(f).spare_bytes <= 8 * grain);
		kept = fixture_stats(f).spare_bytes > kept ? fixture_stats(f).spare_bytes : kept;
	}
	/* Of a page all that is spare goes at once, which may be more than is kept. */
	assert_true(kept > 0 || f->page_bytes > 8 * grain);
	assert_int_equal(fixture_stats(f).held_bytes,
			 fixture_stats(f).table_bytes + fixture_stats(f).spare_bytes);
}

static void spare_memory_is_used_before_more_is_taken(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 3000);
	uint64_t held = fixture_stats(f).held_bytes;

	for (size_t i = 0; i < SOME; i++) {
		fixture_free(f, handle);
		assert_int_equal(fixture_stats(f).spare_bytes, fixture_grain_bytes(f));
		assert_int_equal(fixture_stats(f).held_bytes, held);
		handle = fixture_malloc(f, 3000);
		assert_int_equal(fixture_stats(f).spare_bytes, 0);
		assert_int_equal(fixture_stats(f).held_bytes, held);
	}
	assert_int_equal(fixture_stats(f).page_allocs, 1);
}

/* ---- limit ---- */

/* As many as the limit allows. */
static size_t fill_to_the_limit(struct pool_fixture *f, size_t size)
{
	static xv_handle all[30000];
	size_t count = 0;

	while (xv_malloc(f->pool, size, &all[count]) == 0)
		assert_true(++count < 30000);
	for (size_t i = 0; i < count; i++)
		fixture_free(f, all[i]);
	return count;
}

/* Records that small objects needed do not keep large ones out, but for a first 4 KiB of them, and
 * as many of the page table. */
static void what_small_objects_needed_is_there_for_large_ones(struct pool_fixture *f)
{
	size_t large = fixture_object_max(f), count;

	if (provider_case_shares_os_pages(f->which))
		skip();
	fixture_free(f, fixture_malloc(f, 8));
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes + 3 * (1 << 16) + 2 * 4096);
	count = fill_to_the_limit(f, large);
	assert_true(fill_to_the_limit(f, 8) > 5000);
	assert_true(fill_to_the_limit(f, large) >= count);
	fixture_check(f);
}

static void the_limit_is_never_passed(struct pool_fixture *f)
{
	struct shadow shadow;
	uint64_t limit;

	shadow_init(&shadow, f->pool);
	limit = fixture_stats(f).held_bytes + 20 * f->page_bytes + 8192;
	xv_pool_set_limit(f->pool, limit);
	for (size_t i = 0; i < 600; i++) {
		int err = shadow_malloc(&shadow, random_size(&f->random, fixture_object_max(f)), 0);

		assert_true(err == 0 || err == -XV_ENOSPC);
		assert_true(fixture_stats(f).held_bytes <= limit);
		assert_true(fixture_stats(f).peak_held_bytes <= limit);
		if (err != 0)
			assert_int_equal(
				shadow_free(&shadow, random_below(&f->random, shadow.count)), 0);
	}
	assert_true(fixture_stats(f).failures > 0);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static void malloc_beyond_the_limit_says_so_and_changes_nothing(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	xv_handle handle = 77;

	take_pages(f, 4);
	before = fixture_stats(f);
	xv_pool_set_limit(f->pool, before.held_bytes + f->page_bytes - 1);
	assert_int_equal(xv_malloc(f->pool, fixture_object_max(f), &handle), -XV_ENOSPC);
	assert_int_equal(xv_malloc_aligned(f->pool, f->page_bytes - 300, 64, &handle), -XV_ENOSPC);
	assert_int_equal(xv_calloc(f->pool, 1, fixture_object_max(f), &handle), -XV_ENOSPC);
	assert_int_equal(handle, 77);
	assert_int_equal(fixture_stats(f).failures, before.failures + 3);
	fixture_assert_unchanged(f, &before);
	(void)fixture_malloc(f, 64);
	xv_pool_set_limit(f->pool, 0);
	(void)fixture_malloc(f, fixture_object_max(f));
}

/* Each is counted once, and none that is refused for its arguments. */
static void each_failure_is_counted_once(struct pool_fixture *f)
{
	struct xv_pool_options options;
	size_t large;
	xv_handle small, handle = 77;
	uint64_t before, tries = 5;
	void *ptr = NULL;

	fixture_options(f, &options);
	options.flags = XV_POOL_OWNERS;
	fixture_remake(f, FIXTURE_PAGES, &options, 0);
	large = xv_pool_max_size(f->pool);
	small = fixture_malloc(f, 50);
	(void)fixture_malloc(f, 200); /* in its way */
	if (f->inner->base != NULL)
		ptr = xv_alloc(f->pool, 50);
	(void)xv_pool_trim(f->pool);
	xv_pool_set_limit(f->pool, 1);
	before = fixture_stats(f).failures;
	assert_int_equal(xv_malloc(f->pool, large, &handle), -XV_ENOSPC);
	assert_int_equal(xv_malloc_owned(f->pool, large, 1, &handle), -XV_ENOSPC);
	assert_int_equal(xv_malloc_aligned(f->pool, f->page_bytes - 144, 64, &handle), -XV_ENOSPC);
	assert_int_equal(xv_calloc(f->pool, 1, large, &handle), -XV_ENOSPC);
	assert_int_equal(xv_realloc(f->pool, &small, large), -XV_ENOSPC);
	if (f->inner->base != NULL) {
		assert_null(xv_alloc(f->pool, large));
		assert_null(xv_alloc_aligned(f->pool, f->page_bytes - 144, 64));
		assert_null(xv_resize(f->pool, ptr, large));
		tries += 3;
	}
	assert_int_equal(xv_malloc(f->pool, 0, &handle), -XV_EINVAL);
	assert_int_equal(xv_malloc(f->pool, large + 1, &handle), -XV_E2BIG);
	assert_int_equal(xv_realloc(f->pool, &small, large + 1), -XV_E2BIG);
	assert_int_equal(fixture_stats(f).failures, before + tries);
}

/* A page that the provider refuses costs nothing of the limit, however often it does. */
static void refusals_of_the_provider_cost_nothing_of_the_limit(struct pool_fixture *f)
{
	enum { REFUSALS = 20000, MARGIN = 8192 };
	size_t size = f->page_bytes / 8 * 7, count;
	xv_handle handle;

	if (f->page_bytes != 4096)
		return;
	count = fixture_fill_up(f, size, handles, PAGES_MAX);
	assert_in_range(count, 1, PAGES_MAX);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes + MARGIN);
	for (size_t i = 0; i < REFUSALS; i++)
		assert_int_equal(xv_malloc(f->pool, size, &handle), -XV_ENOMEM);
	for (size_t i = 0; i < count; i++)
		fixture_free(f, handles[i]);
	(void)xv_pool_trim(f->pool);
	for (size_t i = 0; i < count; i++)
		handles[i] = fixture_malloc(f, size);
}

static void the_limit_of_the_options_holds(struct pool_fixture *f)
{
	struct xv_pool_options options;
	xv_handle handle;

	fixture_options(f, &options);
	options.limit_bytes = fixture_stats(f).held_bytes + 3 * f->page_bytes + 8192;
	fixture_remake(f, FIXTURE_PAGES, &options, 0);
	for (size_t i = 0; i < 3; i++)
		(void)fixture_malloc(f, fixture_object_max(f));
	while (xv_malloc(f->pool, fixture_object_max(f), &handle) == 0) {
		/* 4 KiB pages: two more */
	}
	assert_true(fixture_stats(f).held_bytes <= options.limit_bytes);
}

static void a_limit_below_what_is_held_frees_nothing(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	xv_handle handle;

	take_pages(f, 4);
	before = fixture_stats(f);
	xv_pool_set_limit(f->pool, 1);
	fixture_assert_unchanged(f, &before);
	assert_int_equal(xv_malloc(f->pool, fixture_object_max(f), &handle), -XV_ENOSPC);
	(void)fixture_malloc(f, 64);
	give_pages(f, 4);
}

static void under_a_limit_freeing_always_works(struct pool_fixture *f)
{
	size_t count = 0;

	while (count < PAGES_MAX && f->fault.pages_now < 8)
		handles[count++] = fixture_malloc(f, f->page_bytes / 24);
	xv_pool_set_limit(f->pool, 1);
	for (size_t i = 0; i < count; i += 2)
		fixture_free(f, handles[i]);
	fixture_check(f);
	for (size_t i = 1; i < count; i += 2)
		fixture_free(f, handles[i]);
	assert_int_equal(fixture_stats(f).objects, 0);
}

/* ---- trim ---- */

static void trim_gives_spare_memory_back(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	size_t given;

	take_pages(f, SOME);
	give_pages(f, SOME);
	before = fixture_stats(f);
	given = xv_pool_trim(f->pool);
	assert_true(given >= before.spare_bytes);
	assert_int_equal(fixture_stats(f).pages, 0);
	assert_int_equal(fixture_stats(f).held_bytes, before.held_bytes - given);
	fixture_check(f);
	assert_int_equal(xv_pool_trim(f->pool), 0);
	take_pages(f, SOME);
}

static void trim_keeps_pages_with_objects(struct pool_fixture *f)
{
	struct shadow shadow;

	if (provider_case_shares_os_pages(f->which))
		skip();
	shadow_init(&shadow, f->pool);
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(
			shadow_malloc(&shadow, random_size(&f->random, fixture_object_max(f)), 0),
			0);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(shadow_free(&shadow, random_below(&f->random, shadow.count)), 0);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(fixture_stats(f).spare_bytes, 0);
	fixture_check(f);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

/* Small objects, as many as there is room for up to max, and every other one freed. */
static void make_many_holes(struct shadow *shadow, struct pool_fixture *f, size_t max)
{
	shadow_init(shadow, f->pool);
	while (shadow->count < max && shadow_malloc(shadow, 8, 0) == 0) {
		/* on */
	}
	for (size_t i = shadow->count; i-- > 0;) {
		if (i % 2 == 0)
			assert_int_equal(shadow_free(shadow, i), 0);
	}
}

/* Many small holes, so that their table grows; then few. */
static void trim_gives_the_tables_back(struct pool_fixture *f)
{
	struct shadow shadow;
	uint64_t table_full;

	make_many_holes(&shadow, f, 1400);
	table_full = fixture_stats(f).table_bytes;
	shadow_free_all(&shadow);
	for (size_t i = 0; i < 30; i++)
		assert_int_equal(shadow_malloc(&shadow, 100, 0), 0);
	for (size_t i = 0; i < 15; i++)
		assert_int_equal(shadow_free(&shadow, i), 0);
	(void)xv_pool_trim(f->pool);
	if (f->which->kind != PROVIDER_BUFFER)
		assert_true(fixture_stats(f).table_bytes < table_full);
	fixture_check(f);
	shadow_verify_all(&shadow);
	while (shadow.count < 700 && shadow_malloc(&shadow, 24, 0) == 0) {
		/* the tables grow again */
	}
	fixture_check(f);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

/* Holes that live in records at the table's end move to its start. */
static void trim_moves_hole_records_down(struct pool_fixture *f)
{
	struct shadow shadow;
	uint64_t blocks;

	make_many_holes(&shadow, f, 1800);
	while (shadow.count > 300)
		assert_int_equal(shadow_free(&shadow, 0), 0);
	blocks = fixture_stats(f).holes;
	(void)xv_pool_trim(f->pool);
	assert_true(fixture_stats(f).holes <= blocks);
	fixture_check(f);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	assert_int_equal(fixture_stats(f).objects, 0);
	shadow_fini(&shadow);
}

/* ---- reset ---- */

static void reset_frees_all_and_the_pool_goes_on(struct pool_fixture *f)
{
	struct shadow shadow;

	for (size_t round = 0; round < 3; round++) {
		uint64_t frees = fixture_stats(f).frees;

		shadow_init(&shadow, f->pool);
		for (size_t i = 0; i < 60; i++)
			assert_int_equal(
				shadow_malloc(&shadow,
					      random_size(&f->random, fixture_object_max(f)), 0),
				0);
		for (size_t i = 0; i < 20; i++)
			assert_int_equal(shadow_free(&shadow, i), 0);
		shadow_verify_all(&shadow);
		assert_int_equal(xv_pool_reset(f->pool), 0);
		assert_int_equal(f->fault.pages_now, 0);
		assert_int_equal(fixture_stats(f).objects, 0);
		assert_int_equal(fixture_stats(f).requested_bytes, 0);
		assert_int_equal(fixture_stats(f).frees, frees + 60);
		assert_int_equal(fixture_stats(f).peak_held_bytes, fixture_stats(f).held_bytes);
		fixture_check(f);
		shadow_fini(&shadow);
	}
}

static void the_peak_begins_anew_and_nothing_else(struct pool_fixture *f)
{
	struct xv_pool_stats before, after;
	xv_handle handle[20];

	xv_pool_reset_peak(NULL);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(xv_malloc(f->pool, f->page_bytes / 2, &handle[i]), 0);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(xv_free(f->pool, handle[i]), 0);
	(void)xv_pool_trim(f->pool);
	before = fixture_stats(f);
	xv_pool_reset_peak(f->pool);
	after = fixture_stats(f);
	assert_int_equal(after.peak_held_bytes, after.held_bytes);
	assert_true(after.peak_held_bytes < before.peak_held_bytes);
	before.peak_held_bytes = after.peak_held_bytes;
	assert_memory_equal(&before, &after, sizeof(after));
	assert_int_equal(xv_malloc(f->pool, f->page_bytes / 2, &handle[0]), 0);
	assert_true(fixture_stats(f).peak_held_bytes > after.peak_held_bytes);
	assert_int_equal(xv_free(f->pool, handle[0]), 0);
	fixture_check(f);
}

static void reset_keeps_limit_and_options(struct pool_fixture *f)
{
	xv_handle handle;

	(void)fixture_malloc(f, fixture_object_max(f));
	assert_int_equal(xv_pool_reset(f->pool), 0);
	assert_int_equal(fixture_stats(f).peak_held_bytes, fixture_stats(f).held_bytes);
	handle = fixture_malloc(f, 1);
	assert_int_equal(xv_handle_offset(handle), f->alignment);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	while (xv_malloc(f->pool, fixture_object_max(f), &handle) == 0) {
		/* one page at most, if its tables leave room */
	}
	assert_int_equal(xv_malloc(f->pool, fixture_object_max(f), &handle), -XV_ENOSPC);
}

static void reset_of_an_empty_pool_is_allowed(struct pool_fixture *f)
{
	assert_int_equal(xv_pool_reset(f->pool), 0);
	fixture_check(f);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	(void)fixture_malloc(f, 10);
}

/* ---- truth ---- */

static void statistics_are_true_at_every_step(struct pool_fixture *f)
{
	struct shadow shadow;

	shadow_init(&shadow, f->pool);
	for (size_t i = 0; i < 300; i++) {
		if (shadow.count == 0 || random_below(&f->random, 5) < 3)
			(void)shadow_malloc(&shadow, random_size(&f->random, fixture_object_max(f)),
					    0);
		else
			assert_int_equal(
				shadow_free(&shadow, random_below(&f->random, shadow.count)), 0);
		fixture_check(f);
		assert_int_equal(fixture_stats(f).objects, shadow.count);
		assert_int_equal(fixture_stats(f).requested_bytes, shadow.requested_bytes);
	}
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static const struct pool_test tests[] = {
	POOL_TEST(spare_memory_is_kept_within_its_bound, EACH_ALIGNMENT),
	POOL_TEST(spare_memory_is_used_before_more_is_taken, EACH_ALIGNMENT),
	POOL_TEST(what_small_objects_needed_is_there_for_large_ones, EACH_ALIGNMENT),
	POOL_TEST(the_limit_is_never_passed, EACH_ALIGNMENT),
	POOL_TEST(malloc_beyond_the_limit_says_so_and_changes_nothing, EACH_ALIGNMENT),
	POOL_TEST(each_failure_is_counted_once, 0),
	POOL_TEST(refusals_of_the_provider_cost_nothing_of_the_limit, ON_MMAP),
	POOL_TEST(the_limit_of_the_options_holds, 0),
	POOL_TEST(a_limit_below_what_is_held_frees_nothing, EACH_ALIGNMENT),
	POOL_TEST(under_a_limit_freeing_always_works, EACH_ALIGNMENT),
	POOL_TEST(trim_gives_spare_memory_back, EACH_ALIGNMENT),
	POOL_TEST(trim_keeps_pages_with_objects, EACH_ALIGNMENT),
	POOL_TEST(trim_gives_the_tables_back, 0),
	POOL_TEST(trim_moves_hole_records_down, 0),
	POOL_TEST(reset_frees_all_and_the_pool_goes_on, EACH_ALIGNMENT),
	POOL_TEST(the_peak_begins_anew_and_nothing_else, 0),
	POOL_TEST(reset_keeps_limit_and_options, EACH_ALIGNMENT),
	POOL_TEST(reset_of_an_empty_pool_is_allowed, 0),
	POOL_TEST(statistics_are_true_at_every_step, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_limits", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
