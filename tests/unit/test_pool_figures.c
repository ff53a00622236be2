/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_figures.c: numbers that the headers promise (sizes, versions, error numbers, counts of
 * pages), what a pool passes on, and what it asks of a provider. May call: public headers. One
 * thread.
 */
#include "pool_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GIBIBYTE ((size_t)1 << 30)

/* ---- base.h, errors.h ---- */

static void error_numbers_are_those_of_the_system(struct pool_fixture *f)
{
	static const int numbers[][2] = {{XV_EINVAL, EINVAL},   {XV_ENOMEM, ENOMEM},
					 {XV_ENOSPC, ENOSPC},   {XV_E2BIG, E2BIG},
					 {XV_ERANGE, ERANGE},   {XV_EBUSY, EBUSY},
					 {XV_EAGAIN, EAGAIN},   {XV_ESPLIT, EXDEV},
					 {XV_EBADMSG, EBADMSG}, {XV_ENOTSUP, ENOTSUP}};

	(void)f;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(numbers[i][0], numbers[i][1]);
}

static void the_version_is_static_and_in_three_parts(struct pool_fixture *f)
{
	char parts[32];

	(void)f;
	(void)snprintf(parts, sizeof(parts), "%d.%d.%d", XV_VERSION_MAJOR, XV_VERSION_MINOR,
		       XV_VERSION_PATCH);
	assert_string_equal(xv_version(), parts);
	assert_string_equal(XV_VERSION_STRING, parts);
	assert_ptr_equal(xv_version(), xv_version());
}

/* ---- sizes ---- */

static size_t max_size_with(struct pool_fixture *f, uint32_t flags)
{
	struct xv_pool_options options;

	fixture_options(f, &options);
	options.flags = flags;
	fixture_remake(f, FIXTURE_PAGES, &options, 0);
	return xv_pool_max_size(f->pool);
}

static void the_largest_object_is_what_the_header_says(struct pool_fixture *f)
{
	size_t edges = f->alignment > 4 ? 16 : 0;

	assert_in_range(max_size_with(f, 0), f->page_bytes - 4 - edges, f->page_bytes - 4);
	assert_in_range(max_size_with(f, XV_POOL_OWNERS), f->page_bytes - 8 - edges,
			f->page_bytes - 8);
	assert_int_equal(max_size_with(f, XV_POOL_SPLIT), GIBIBYTE);
	assert_int_equal(xv_pool_max_size(NULL), 0);
}

static void malloc_aligned_gives_what_always_fits(struct pool_fixture *f)
{
	static const uint32_t flags[] = {0, XV_POOL_OWNERS | XV_POOL_SPLIT};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct xv_pool_options options;

		fixture_options(f, &options);
		options.flags = flags[i];
		fixture_remake(f, FIXTURE_PAGES, &options, 0);
		for (size_t alignment = 16; alignment <= 256; alignment *= 2) {
			size_t size = f->page_bytes - 2 * alignment - 16;
			xv_handle handle;

			assert_int_equal(xv_malloc_aligned(f->pool, size, alignment, &handle), 0);
			assert_int_equal(xv_handle_offset(handle) % alignment, 0);
			fixture_free(f, handle);
			assert_int_equal(
				xv_malloc_aligned(f->pool, f->page_bytes, alignment, &handle),
				-XV_E2BIG);
		}
	}
}

/* The pool, a record for each page, and 16 bytes for each KiB. */
static void the_memory_asked_for_is_what_the_header_says(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct xv_provider provider = *f->inner;
	size_t holes = 16 * f->page_bytes / 1024, few, many, record;

	fixture_options(f, &options);
	for (options.hardening = 0; options.hardening <= XV_HARDENING_MOST; options.hardening++) {
		provider.max_pages = 1000;
		few = xv_pool_memory_bytes(&provider, &options);
		provider.max_pages = 2000;
		many = xv_pool_memory_bytes(&provider, &options);
		record = (many - few) / 1000 - holes;
		assert_in_range(record, 28, f->alignment < 16 ? 92 : 540);
		assert_in_range(few - 1000 * (record + holes), 5 << 10, 8 << 10);
	}
	options.hardening = 1;
	assert_true(xv_pool_memory_bytes(&provider, NULL) > 0);
	assert_int_equal(xv_pool_memory_bytes(NULL, &options), 0);
	options.alignment = 5;
	assert_int_equal(xv_pool_memory_bytes(&provider, &options), 0);
	provider.page_shift = 3;
	assert_int_equal(xv_pool_memory_bytes(&provider, NULL), 0);
}

/* ---- counts ---- */

static void pages_taken_and_given_back_are_counted(struct pool_fixture *f)
{
	xv_handle handles[4 * FIXTURE_PAGES];
	struct xv_pool_stats stats;
	size_t count;

	count = fixture_fill_up(f, f->page_bytes / 8 * 7, handles, 4 * FIXTURE_PAGES);
	assert_in_range(count, 2, 4 * FIXTURE_PAGES);
	for (size_t i = 0; i < count; i++)
		fixture_free(f, handles[i]);
	(void)xv_pool_trim(f->pool);
	(void)fixture_malloc(f, 100);
	stats = fixture_stats(f);
	assert_true(stats.page_frees > 0);
	assert_int_equal(stats.page_allocs,
			 f->fault.calls[FAULT_PAGE_ALLOC] - f->fault.failures[FAULT_PAGE_ALLOC]);
	assert_int_equal(stats.page_allocs - stats.page_frees, f->fault.pages_now);
	assert_int_equal(stats.pages, f->fault.pages_now);
}

/* ---- maps ---- */

static void what_is_mapped_stays_addressable_after_unmap(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 64);
	unsigned char seen[64];
	void *ptr;

	assert_int_equal(xv_map(f->pool, handle, &ptr), 0);
	assert_int_equal(xv_unmap(f->pool, handle, ptr), 0);
	memset(ptr, 0x5A, 64);
	assert_int_equal(xv_read(f->pool, handle, 0, seen, 64), 0);
	assert_memory_equal(seen, ptr, 64);
	assert_ptr_equal(xv_address_of(f->pool, handle), ptr);
}

/* ---- the provider ---- */

/* An error that the pool has no use for. */
#define ODD_ERROR (-XV_EAGAIN)

static struct xv_provider_ops plain_ops;
static bool is_odd;

/* Of pages that are given back this many bytes stay, and in all of the provider this many. */
static size_t stay_bytes, all_stayed_bytes;

static size_t odd_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	(void)plain_ops.pages_free(self, first, count);
	return stay_bytes;
}

static size_t odd_stayed_bytes(struct xv_provider *self)
{
	(void)self;
	return all_stayed_bytes;
}

/* A pool counts what stayed of its pages: not what stayed of others', and not what others got. */
static void what_stayed_is_counted_until_others_have_it(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);

	plain_ops = f->fault.ops;
	f->fault.ops.pages_free = odd_pages_free;
	f->fault.ops.stayed_bytes = odd_stayed_bytes;
	stay_bytes = f->page_bytes;
	all_stayed_bytes = 10 * f->page_bytes;
	fixture_free(f, handle);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(fixture_stats(f).pages, 0);
	assert_int_equal(fixture_stats(f).spare_bytes, f->page_bytes);
	all_stayed_bytes = f->page_bytes / 2;
	assert_int_equal(fixture_stats(f).spare_bytes, f->page_bytes / 2);
	all_stayed_bytes = 0;
	assert_int_equal(fixture_stats(f).spare_bytes, 0);
	f->fault.ops = plain_ops;
}

static int odd_page_alloc(struct xv_provider *self, uint32_t *page)
{
	return is_odd ? ODD_ERROR : plain_ops.page_alloc(self, page);
}

static int odd_grains_take(struct xv_provider *self, uint32_t page, uint32_t first, uint32_t count)
{
	return is_odd ? ODD_ERROR : plain_ops.grains_take(self, page, first, count);
}

static int odd_meta_commit(struct xv_provider *self, void *base, size_t old_bytes, size_t new_bytes)
{
	return is_odd && new_bytes > old_bytes
		       ? ODD_ERROR
		       : plain_ops.meta_commit(self, base, old_bytes, new_bytes);
}

static void an_error_of_the_providers_own_is_passed_on(struct pool_fixture *f)
{
	size_t large = f->page_bytes / 8 * 7;
	xv_handle handle, small, before;
	struct xv_pool *other;

	small = fixture_malloc(f, f->page_bytes / 2);
	(void)fixture_malloc(f, f->page_bytes / 8 * 3);
	plain_ops = f->fault.ops;
	f->fault.ops.page_alloc = odd_page_alloc;
	if (plain_ops.grains_take != NULL)
		f->fault.ops.grains_take = odd_grains_take;
	f->fault.ops.meta_commit = odd_meta_commit;
	is_odd = true;
	before = handle = small;
	f->shared = true;
	assert_int_equal(xv_malloc(f->pool, large, &handle), ODD_ERROR);
	assert_int_equal(xv_malloc_aligned(f->pool, large, 64, &handle), ODD_ERROR);
	assert_int_equal(xv_calloc(f->pool, 1, large, &handle), ODD_ERROR);
	assert_int_equal(xv_realloc(f->pool, &small, large), ODD_ERROR);
	assert_int_equal(xv_pool_create(&other, &f->fault.provider, NULL), ODD_ERROR);
	assert_int_equal(handle, before);
	assert_int_equal(small, before);
	is_odd = false;
	f->fault.ops = plain_ops;
	assert_int_equal(xv_realloc(f->pool, &small, large), 0);
}

/* Of the optional calls none, and with a base neither map nor unmap. */
static void a_pool_calls_only_what_a_provider_must_have(struct pool_fixture *f)
{
	struct xv_pool_options options;
	xv_handle handles[200];

	fixture_options(f, &options);
	options.flags = XV_POOL_OWNERS;
	fixture_drop_pool(f);
	plain_ops = f->fault.ops;
	f->fault.ops.meta_purge = NULL;
	f->fault.ops.overhead_bytes = NULL;
	f->fault.ops.stayed_bytes = NULL;
	f->fault.ops.hold = NULL;
	f->fault.ops.release = NULL;
	if (f->fault.provider.base != NULL) {
		f->fault.ops.page_map = NULL;
		f->fault.ops.page_unmap = NULL;
	}
	fixture_make_pool(f, &options);
	for (size_t i = 0; i < 200; i++) {
		handles[i] = fixture_malloc(f, 1 + i * 4);
		fixture_fill(f, handles[i], (uint32_t)i);
	}
	xv_pool_lock_all(f->pool);
	xv_pool_unlock_all(f->pool);
	for (size_t i = 0; i < 200; i++) {
		fixture_verify(f, handles[i], 1 + i * 4, (uint32_t)i);
		if (i % 3 != 0)
			fixture_free(f, handles[i]);
	}
	(void)xv_pool_trim(f->pool);
	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, NULL), 0);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	fixture_drop_pool(f);
	f->fault.ops = plain_ops;
	fixture_make_pool(f, &options);
}

static size_t purge_nothing(struct xv_provider *self, void *base, size_t offset, size_t bytes)
{
	(void)self;
	(void)base;
	(void)offset;
	(void)bytes;
	return 0;
}

/* Records of pages lie in tables by chunk. However the last one ends, what stays is counted. */
static void memory_of_tables_that_stays_is_counted(struct pool_fixture *f)
{
	static xv_handle handles[64];

	/* Records of smaller pages are shorter: 64 of them do not reach the end of a chunk. */
	if (f->fault.ops.meta_purge == NULL || f->page_bytes != 65536)
		return;
	for (size_t pages = 1; pages <= 64; pages++) {
		size_t count;

		fixture_remake(f, pages, NULL, 0);
		f->fault.ops.meta_purge = purge_nothing;
		count = fixture_fill_up(f, f->page_bytes / 8 * 7, handles, 64);
		assert_in_range(count, 1, f->fault.provider.max_pages);
		while (count > 0) {
			fixture_free(f, handles[--count]);
			(void)xv_pool_trim(f->pool);
			assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, NULL), 0);
		}
	}
}

/* As where the OS page has 64 KiB. */
static size_t purge_large_units(struct xv_provider *self, void *base, size_t offset, size_t bytes)
{
	struct xv_provider *inner = ((struct fault_provider *)(void *)self)->inner;
	size_t from = (offset + 65535) & ~(size_t)65535;
	size_t end = (offset + bytes) & ~(size_t)65535;

	return from < end ? inner->ops->meta_purge(inner, base, from, end - from) : 0;
}

/* The page table goes too, but for the units where it begins and ends, and those of held pages. */
static void page_table_goes_in_the_units_of_the_system(struct pool_fixture *f)
{
	enum { PAGES = 8192 };
	static xv_handle handles[PAGES];
	size_t count;

	/* Where tables keep their memory, nothing goes. */
	if (f->page_bytes != 4096 || f->inner->ops->meta_purge == NULL)
		return;
	fixture_remake(f, PAGES, NULL, 0);
	f->fault.ops.meta_purge = purge_large_units;
	count = fixture_fill_up(f, 3600, handles, PAGES);
	assert_int_equal(count, PAGES);
	assert_true(fixture_stats(f).table_bytes > 4 * 65536);
	for (size_t i = 0; i < count; i++) {
		if (i != count / 2)
			fixture_free(f, handles[i]);
	}
	assert_true(fixture_trimmed_stats(f).table_bytes <= 3 * 65536);
	fixture_check(f);
	fixture_free(f, handles[count / 2]);
	assert_true(fixture_trimmed_stats(f).table_bytes <= 2 * 65536);
	/* Pages may come and go anew. */
	assert_int_equal(fixture_fill_up(f, 3600, handles, PAGES), PAGES);
	fixture_check(f);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	assert_true(fixture_stats(f).table_bytes <= 2 * 65536);
}

/* Hole records whose memory is not purged go with their space. */
static void hole_records_that_stay_go_with_their_space(struct pool_fixture *f)
{
	enum { OBJECTS = 16384 };
	static xv_handle handles[OBJECTS];
	uint64_t full = 0;

	if (f->fault.ops.meta_purge == NULL)
		return;
	fixture_remake(f, (1 << 21) / f->page_bytes, NULL, 0);
	f->fault.ops.meta_purge = purge_nothing;
	for (size_t i = 0; i < OBJECTS; i++)
		handles[i] = fixture_malloc(f, 60);
	for (size_t first = 0; first < 2; first++) {
		for (size_t i = first; i < OBJECTS; i += 2)
			fixture_free(f, handles[i]);
		if (first == 0)
			full = fixture_stats(f).table_bytes;
	}
	assert_true(full > OBJECTS / 2 * 16);
	assert_true(fixture_trimmed_stats(f).table_bytes < full - OBJECTS / 2 * 16 + 3 * 4096);
}

static const struct pool_test tests[] = {
	POOL_TEST(error_numbers_are_those_of_the_system, ANYWHERE_ONCE),
	POOL_TEST(the_version_is_static_and_in_three_parts, ANYWHERE_ONCE),
	POOL_TEST(the_largest_object_is_what_the_header_says, EACH_ALIGNMENT),
	POOL_TEST(malloc_aligned_gives_what_always_fits, EACH_ALIGNMENT),
	POOL_TEST(the_memory_asked_for_is_what_the_header_says, EACH_ALIGNMENT),
	POOL_TEST(pages_taken_and_given_back_are_counted, 0),
	POOL_TEST(what_is_mapped_stays_addressable_after_unmap, WITH_BASE),
	POOL_TEST(what_stayed_is_counted_until_others_have_it, 0),
	POOL_TEST(an_error_of_the_providers_own_is_passed_on, 0),
	POOL_TEST(a_pool_calls_only_what_a_provider_must_have, 0),
	POOL_TEST(memory_of_tables_that_stays_is_counted, 0),
	POOL_TEST(page_table_goes_in_the_units_of_the_system, ON_MMAP),
	POOL_TEST(hole_records_that_stay_go_with_their_space, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_figures", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
