/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A pool's life from outside: options, creation, destruction, and what every call
 * does with a null pool. May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include <stdlib.h>
#include <string.h>

static struct xv_pool *const untouched = (struct xv_pool *)(uintptr_t)0x5A5A;

/* Creation must fail like this, and leave its output alone. */
static void create_fails(struct xv_provider *provider, const struct xv_pool_options *options,
			 int err)
{
	struct xv_pool *pool = untouched;

	assert_int_equal(xv_pool_create(&pool, provider, options), err);
	assert_ptr_equal(pool, untouched);
}

static void options_init_sets_the_documented_defaults(struct pool_fixture *f)
{
	struct xv_pool_options options;

	(void)f;
	memset(&options, 0xFF, sizeof(options));
	xv_pool_options_init(&options);
	assert_int_equal(options.flags, 0);
	assert_null(options.owner_ops);
	assert_null(options.owner_context);
	assert_int_equal(options.alignment, 4);
	assert_int_equal(options.hardening, 1);
	assert_null(options.corrupted);
	assert_null(options.corrupted_context);
	assert_int_equal(options.lock, XV_LOCK_DEFAULT);
	assert_int_equal(options.shards, 0);
	assert_int_equal(options.seed, 0);
	assert_int_equal(options.limit_bytes, 0);
	assert_null(options.memory);
	assert_int_equal(options.memory_bytes, 0);
	xv_pool_options_init(NULL);
}

static void create_without_options_uses_the_defaults(struct pool_fixture *f)
{
	struct xv_pool *pool;
	xv_handle handle;

	f->shared = true;
	assert_int_equal(xv_pool_create(&pool, &f->fault.provider, NULL), 0);
	assert_int_equal(xv_malloc(pool, 1, &handle), 0);
	assert_int_equal(xv_handle_offset(handle), 4);
	assert_int_equal(xv_malloc(pool, 1, &handle), 0);
	/* Behind the first, or in another shard. */
	assert_true(xv_handle_offset(handle) == 12 || xv_handle_page(handle) != 0);
	xv_pool_destroy(pool);
}

static void alignment_0_means_4(struct pool_fixture *f)
{
	struct xv_pool_options options;
	xv_handle handle;

	xv_pool_options_init(&options);
	options.alignment = 0;
	fixture_remake(f, FIXTURE_PAGES, &options, 0);
	assert_int_equal(xv_malloc(f->pool, 1, &handle), 0);
	assert_int_equal(xv_handle_offset(handle), 4);
}

static void create_refuses_null_arguments(struct pool_fixture *f)
{
	assert_int_equal(xv_pool_create(NULL, &f->fault.provider, NULL), -XV_EINVAL);
	create_fails(NULL, NULL, -XV_EINVAL);
}

static void create_refuses_bad_options(struct pool_fixture *f)
{
	static const uint32_t bad_alignments[] = {1, 2, 3, 5, 12, 32, 64, 4096, UINT32_MAX};
	struct xv_pool_options options;

	for (size_t i = 0; i < sizeof(bad_alignments) / sizeof(bad_alignments[0]); i++) {
		fixture_options(f, &options);
		options.alignment = bad_alignments[i];
		create_fails(&f->fault.provider, &options, -XV_EINVAL);
		assert_int_equal(xv_pool_memory_bytes(&f->fault.provider, &options), 0);
	}
	for (uint32_t flag = 1; flag != 0; flag <<= 1) {
		fixture_options(f, &options);
		options.flags = flag;
		if ((flag & (XV_POOL_SPLIT | XV_POOL_OWNERS)) == 0)
			create_fails(&f->fault.provider, &options, -XV_EINVAL);
	}
	fixture_options(f, &options);
	options.lock = (enum xv_lock_kind)(XV_LOCK_MUTEX + 1);
	create_fails(&f->fault.provider, &options, -XV_EINVAL);
	options.lock = (enum xv_lock_kind) - 1;
	create_fails(&f->fault.provider, &options, -XV_EINVAL);
}

static void provider_is_refused(const struct xv_provider *provider)
{
	struct xv_provider copy = *provider;

	create_fails(&copy, NULL, -XV_EINVAL);
	assert_int_equal(xv_pool_memory_bytes(&copy, NULL), 0);
}

static void create_refuses_a_provider_with_bad_numbers(struct pool_fixture *f)
{
	struct xv_provider bad = f->fault.provider;

	bad.ops = NULL;
	provider_is_refused(&bad);
	bad = f->fault.provider;
	bad.page_shift = XV_PAGE_SHIFT_MIN - 1;
	provider_is_refused(&bad);
	bad.page_shift = XV_PAGE_SHIFT_MAX + 1;
	provider_is_refused(&bad);
	bad = f->fault.provider;
	bad.max_pages = 0;
	provider_is_refused(&bad);
	bad.max_pages = (uint64_t)XV_PAGES_MAX + 1;
	provider_is_refused(&bad);
	bad = f->fault.provider;
	bad.grain_shift = bad.page_shift + 1;
	provider_is_refused(&bad);
	bad.grain_shift = bad.page_shift - XV_PAGE_GRAINS_SHIFT_MAX - 1;
	provider_is_refused(&bad);
	bad = f->fault.provider;
	bad.base = NULL;
	bad.window_slots = 1;
	provider_is_refused(&bad);
}

static void create_refuses_a_provider_without_its_operations(struct pool_fixture *f)
{
	struct xv_provider_ops ops = f->fault.ops;
	struct xv_provider bad = f->fault.provider;

	bad.ops = &ops;
	bad.window_slots = 2;
	ops.page_alloc = NULL;
	provider_is_refused(&bad);
	ops = f->fault.ops;
	ops.pages_free = NULL;
	provider_is_refused(&bad);
	bad.base = NULL;
	ops = f->fault.ops;
	ops.page_map = NULL;
	provider_is_refused(&bad);
	ops = f->fault.ops;
	ops.page_unmap = NULL;
	provider_is_refused(&bad);
}

/* A limit of what an empty pool holds is enough, and a byte less is not. */
static void create_refuses_a_limit_below_an_empty_pool(struct pool_fixture *f)
{
	struct xv_pool_options options;

	fixture_options(f, &options);
	options.shards = 1;
	options.limit_bytes = fixture_stats(f).held_bytes;
	fixture_drop_pool(f);
	fixture_make_pool(f, &options);
	options.limit_bytes = fixture_stats(f).held_bytes;
	fixture_drop_pool(f);
	fixture_make_pool(f, &options);
	options.limit_bytes--;
	fixture_drop_pool(f);
	create_fails(&f->fault.provider, &options, -XV_ENOSPC);
}

static void create_without_meta_calls_needs_memory(struct pool_fixture *f)
{
	struct xv_provider_ops ops = f->fault.ops;
	struct xv_provider provider = f->fault.provider;

	provider.ops = &ops;
	ops.meta_reserve = NULL;
	create_fails(&provider, NULL, -XV_ENOTSUP);
	ops = f->fault.ops;
	ops.meta_commit = NULL;
	create_fails(&provider, NULL, -XV_ENOTSUP);
	ops = f->fault.ops;
	ops.meta_release = NULL;
	create_fails(&provider, NULL, -XV_ENOTSUP);
}

static void every_kind_of_lock_works(struct pool_fixture *f)
{
	static const enum xv_lock_kind kinds[] = {XV_LOCK_DEFAULT, XV_LOCK_NONE, XV_LOCK_SPIN,
						  XV_LOCK_MUTEX};
	struct xv_pool_options options;
	xv_handle handle;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fixture_options(f, &options);
		options.lock = kinds[i];
		fixture_remake(f, FIXTURE_PAGES, &options, 0);
		handle = fixture_malloc(f, 100);
		fixture_fill(f, handle, 7);
		fixture_verify(f, handle, 100, 7);
		fixture_free(f, handle);
		fixture_check(f);
	}
}

static void a_new_pool_holds_no_page(struct pool_fixture *f)
{
	struct xv_pool_stats stats = fixture_stats(f);

	assert_int_equal(stats.pages, 0);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.requested_bytes, 0);
	assert_int_equal(stats.held_bytes, stats.table_bytes);
	assert_int_equal(stats.peak_held_bytes, stats.held_bytes);
	assert_int_equal(f->fault.calls[FAULT_PAGE_ALLOC], 0);
	assert_int_equal(xv_pool_max_size(f->pool), fixture_object_max(f));
	fixture_check(f);
}

static void a_provider_of_one_page_is_enough(struct pool_fixture *f)
{
	xv_handle handle;

	fixture_remake(f, 1, NULL, 0);
	handle = fixture_malloc(f, fixture_object_max(f));
	fixture_fill(f, handle, 1);
	fixture_verify(f, handle, fixture_object_max(f), 1);
	fixture_free(f, handle);
	for (size_t i = 0; i < 20; i++)
		fixture_fill(f, fixture_malloc(f, 100), 2);
	fixture_check(f);
}

static void destroy_gives_everything_back(struct pool_fixture *f)
{
	for (size_t i = 0; i < 40; i++)
		fixture_fill(f, fixture_malloc(f, random_size(&f->random, fixture_object_max(f))),
			     1);
	assert_true(f->fault.pages_now > 0);
	fixture_drop_pool(f);
}

static void destroy_of_null_is_allowed(struct pool_fixture *f)
{
	(void)f;
	xv_pool_destroy(NULL);
}

static int never_called(void *context, xv_handle handle, size_t size)
{
	(void)context;
	(void)handle;
	(void)size;
	fail();
	return 0;
}

static void object_calls_refuse_a_null_pool(struct pool_fixture *f)
{
	xv_handle handle = 77;
	const void *seen;
	uint32_t owner;
	char byte = 0;
	void *ptr = &byte;

	(void)f;
	assert_int_equal(xv_malloc(NULL, 1, &handle), -XV_EINVAL);
	assert_int_equal(xv_malloc_aligned(NULL, 1, 8, &handle), -XV_EINVAL);
	assert_int_equal(xv_malloc_owned(NULL, 1, 1, &handle), -XV_EINVAL);
	assert_int_equal(xv_calloc(NULL, 1, 1, &handle), -XV_EINVAL);
	assert_int_equal(xv_set_owner(NULL, handle, 1), -XV_EINVAL);
	assert_int_equal(xv_get_owner(NULL, handle, &owner), -XV_EINVAL);
	assert_int_equal(xv_peek(NULL, handle, &byte, 1, &seen), -XV_EINVAL);
	assert_int_equal(xv_free(NULL, handle), -XV_EINVAL);
	assert_int_equal(xv_realloc(NULL, &handle, 1), -XV_EINVAL);
	assert_int_equal(xv_object_size(NULL, handle), -XV_EINVAL);
	assert_int_equal(xv_map(NULL, handle, &ptr), -XV_EINVAL);
	assert_int_equal(xv_unmap(NULL, handle, ptr), -XV_EINVAL);
	assert_int_equal(xv_read(NULL, handle, 0, &byte, 1), -XV_EINVAL);
	assert_int_equal(xv_write(NULL, handle, 0, &byte, 1), -XV_EINVAL);
	assert_int_equal(handle, 77);
	assert_ptr_equal(ptr, &byte);
}

static void pointer_calls_refuse_a_null_pool(struct pool_fixture *f)
{
	char byte;

	(void)f;
	assert_null(xv_alloc(NULL, 1));
	assert_null(xv_alloc_aligned(NULL, 1, 8));
	assert_int_equal(xv_release(NULL, &byte), -XV_EINVAL);
	assert_int_equal(xv_release(NULL, NULL), -XV_EINVAL);
	assert_null(xv_resize(NULL, &byte, 1));
	assert_null(xv_resize(NULL, NULL, 1));
	assert_int_equal(xv_usable_size(NULL, &byte), 0);
	assert_int_equal(xv_handle_of(NULL, &byte), XV_NULL_HANDLE);
	assert_null(xv_address_of(NULL, 77));
}

static void pool_calls_refuse_a_null_pool(struct pool_fixture *f)
{
	struct xv_check_report report = {99, 99, 99, NULL};
	struct xv_pool_stats stats;

	memset(&stats, 0xFF, sizeof(stats));
	assert_int_equal(xv_pool_max_size(NULL), 0);
	assert_int_equal(xv_pool_walk(NULL, never_called, NULL), -XV_EINVAL);
	assert_int_equal(xv_pool_walk(f->pool, NULL, NULL), -XV_EINVAL);
	assert_int_equal(xv_pool_trim(NULL), 0);
	assert_int_equal(xv_pool_reset(NULL), -XV_EINVAL);
	assert_int_equal(xv_pool_check(NULL, XV_CHECK_DEEP, &report), -XV_EINVAL);
	assert_int_equal(xv_pool_check(NULL, XV_CHECK_DEEP, NULL), -XV_EINVAL);
	assert_int_equal(xv_pool_check(f->pool, (enum xv_check_level)9, NULL), -XV_EINVAL);
	xv_pool_set_limit(NULL, 1);
	xv_pool_reset_peak(NULL);
	xv_pool_lock_all(NULL);
	xv_pool_unlock_all(NULL);
	assert_int_equal(xv_compact(NULL, 0, NULL), -XV_EINVAL);
	assert_int_equal(xv_compactable(NULL), 0);
	xv_pool_get_stats(f->pool, NULL);
	xv_pool_get_stats(NULL, &stats);
	assert_int_equal(stats.held_bytes, 0);
	assert_int_equal(stats.page_bytes, 0);
}

static void check_report_is_optional_and_says_when_nothing_is_broken(struct pool_fixture *f)
{
	struct xv_check_report report = {99, 99, 99, NULL};

	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, NULL), 0);
	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_QUICK, &report), 0);
	assert_int_equal(report.invariant, 0);
	assert_int_equal(report.page, UINT32_MAX);
	assert_string_equal(report.message, "");
}

static void every_error_has_its_own_text(struct pool_fixture *f)
{
	static const int errors[] = {0,           -XV_EINVAL, -XV_ENOMEM,  -XV_ENOSPC,
				     -XV_E2BIG,   -XV_ERANGE, -XV_EBUSY,   -XV_EAGAIN,
				     -XV_ENOTSUP, -XV_ESPLIT, -XV_EBADMSG, -9999};
	size_t count = sizeof(errors) / sizeof(errors[0]);

	(void)f;
	for (size_t i = 0; i < count; i++) {
		assert_true(strlen(xv_strerror(errors[i])) > 0);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(xv_strerror(errors[i]), xv_strerror(errors[j]));
	}
	assert_string_equal(xv_version(), XV_VERSION_STRING);
}

static void handle_at_takes_apart_into_page_and_offset(struct pool_fixture *f)
{
	(void)f;
	assert_int_equal(xv_handle_page(xv_handle_at(0, 4)), 0);
	assert_int_equal(xv_handle_offset(xv_handle_at(0, 4)), 4);
	assert_int_equal(xv_handle_page(xv_handle_at(0xFFFFFFFEU, 0xFFFF)), 0xFFFFFFFEU);
	assert_int_equal(xv_handle_offset(xv_handle_at(0xFFFFFFFEU, 0xFFFF)), 0xFFFF);
	assert_int_equal(xv_handle_at(0, 0x10000), XV_NULL_HANDLE);
	assert_int_equal(xv_handle_at(UINT32_MAX, 4), XV_NULL_HANDLE);
}

static const struct pool_test tests[] = {
	POOL_TEST(options_init_sets_the_documented_defaults, ANYWHERE_ONCE),
	POOL_TEST(create_without_options_uses_the_defaults, 0),
	POOL_TEST(alignment_0_means_4, 0),
	POOL_TEST(create_refuses_null_arguments, 0),
	POOL_TEST(create_refuses_bad_options, 0),
	POOL_TEST(create_refuses_a_provider_with_bad_numbers, 0),
	POOL_TEST(create_refuses_a_provider_without_its_operations, 0),
	POOL_TEST(create_refuses_a_limit_below_an_empty_pool, 0),
	POOL_TEST(create_without_meta_calls_needs_memory, 0),
	POOL_TEST(every_kind_of_lock_works, EACH_ALIGNMENT),
	POOL_TEST(a_new_pool_holds_no_page, EACH_ALIGNMENT),
	POOL_TEST(a_provider_of_one_page_is_enough, EACH_ALIGNMENT),
	POOL_TEST(destroy_gives_everything_back, EACH_ALIGNMENT),
	POOL_TEST(destroy_of_null_is_allowed, ANYWHERE_ONCE),
	POOL_TEST(object_calls_refuse_a_null_pool, ANYWHERE_ONCE),
	POOL_TEST(pointer_calls_refuse_a_null_pool, ANYWHERE_ONCE),
	POOL_TEST(pool_calls_refuse_a_null_pool, ANYWHERE_ONCE),
	POOL_TEST(check_report_is_optional_and_says_when_nothing_is_broken, 0),
	POOL_TEST(every_error_has_its_own_text, ANYWHERE_ONCE),
	POOL_TEST(handle_at_takes_apart_into_page_and_offset, ANYWHERE_ONCE),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_create", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
