/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Providers, and a pool at its limit, in a process whose system calls are refused or limited:
 * they go on without, and what cannot go back is counted as held.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MCL_*, MAP_ANONYMOUS */
#endif
#include "provider_looks.h"

#include <xvmalloc/pool.h>

#include <sys/resource.h>

/* ---- system calls that are refused ---- */

static int without_madvise(void)
{
	struct xv_provider *provider;

	must_refuse(SYS_madvise, REFUSE_ANY, 0, refused_error);
	look(0);
	provider = mmap_make();
	(void)fill_drop_and_fill_again(provider);
	return 0;
}

static void mmap_without_madvise_counts_what_stays(void **state)
{
	static const int errors[] = {EPERM, ENOSYS, EINVAL};

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct looks looks;

		refused_error = errors[i];
		looks = look_at(without_madvise);
		check_honest(&looks, 5);
		assert_in_range(looks.at[3].said, ALL_BYTES, ALL_BYTES + MIB);
	}
}

static int without_memfd(void)
{
	struct xv_provider *provider;

	must_refuse(SYS_memfd_create, REFUSE_ANY, 0, refused_error);
	provider = highmem_make();
	fill(provider, 100);
	check(provider, 0, 100);
	return 0;
}

static void highmem_without_memfd_uses_a_file(void **state)
{
	static const int errors[] = {EPERM, ENOSYS};

	(void)state;
	if (under_valgrind())
		skip();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct looks looks;

		refused_error = errors[i];
		looks = look_at(without_memfd);
		check_honest(&looks, 0);
	}
}

static int without_fallocate(void)
{
	must_refuse(SYS_fallocate, REFUSE_ANY, 0, refused_error);
	look(0);
	return fill_drop_and_fill_again(highmem_make());
}

static void highmem_without_fallocate_goes_on_and_counts_what_stays(void **state)
{
	static const int errors[] = {EPERM, ENOSYS, EACCES, EOPNOTSUPP};

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct looks looks;

		refused_error = errors[i];
		looks = look_at(without_fallocate);
		if (looks.status == LOOK_SKIPPED)
			skip();
		assert_int_equal(looks.status, 0);
		for (int at = 1; at < 5; at++) {
			assert_int_equal(looks.at[at].memfd_bytes, ALL_BYTES);
			assert_in_range(looks.at[at].said, ALL_BYTES, ALL_BYTES + SLACK_BYTES);
		}
	}
}

/* The table of a pool shrinks; the system takes nothing back. */
static int meta_shrinks_in_vain(void)
{
	struct xv_provider *provider;
	char *base;

	must_refuse(SYS_madvise, REFUSE_ANY, 0, EPERM);
	look(0);
	provider = mmap_make();
	base = provider->ops->meta_reserve(provider, ALL_BYTES);
	ENSURE(base != NULL);
	ENSURE(provider->ops->meta_commit(provider, base, 0, ALL_BYTES) == 0);
	memset(base, 1, ALL_BYTES);
	must_refuse(REFUSE_MMAP, REFUSE_ANY, 0, EPERM);
	ENSURE(provider->ops->meta_commit(provider, base, ALL_BYTES, PAGE_BYTES) == 0);
	look(held(provider, 1));
	ENSURE(provider->ops->meta_commit(provider, base, PAGE_BYTES, ALL_BYTES / 2) == 0);
	ENSURE(bytes_are(base + PAGE_BYTES, 0, ALL_BYTES / 2 - PAGE_BYTES));
	look(held(provider, PAGES / 2));
	provider->ops->meta_release(provider, base, ALL_BYTES, ALL_BYTES / 2);
	look(held(provider, 0));
	return 0;
}

static void meta_memory_that_stays_is_counted_and_reads_as_zero(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(meta_shrinks_in_vain);
	check_honest(&looks, 4);
	assert_in_range(looks.at[1].said, ALL_BYTES, ALL_BYTES + MIB);
	assert_in_range(looks.at[3].said, 0, MIB);
}

/* ---- a pool at its limit ---- */

static uint32_t pool_shards;

static uint64_t pool_held(struct xv_pool *pool)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(pool, &stats);
	ENSURE(stats.held_bytes <= 2 * PAGES * KIB && stats.peak_held_bytes <= 2 * PAGES * KIB);
	return stats.held_bytes;
}

static uint32_t pool_fill(struct xv_pool *pool, xv_handle *handles)
{
	uint32_t count = 0;
	char object[3000];

	memset(object, 'x', sizeof(object));
	while (count < PAGES && xv_malloc(pool, sizeof(object), &handles[count]) == 0)
		ENSURE(xv_write(pool, handles[count++], 0, object, sizeof(object)) == 0);
	return count;
}

/* What cannot go back stays held, and can be used again all the same. */
static int pool_fills_up_twice(struct xv_provider *provider)
{
	static xv_handle handles[PAGES];
	struct xv_pool_options options;
	struct xv_pool *pool = NULL;
	uint32_t count;

	xv_pool_options_init(&options);
	options.limit_bytes = 2 * PAGES * KIB;
	options.shards = pool_shards;
	ENSURE(xv_pool_create(&pool, provider, &options) == 0);
	count = pool_fill(pool, handles);
	ENSURE(count > 1000 && count < PAGES);
	look(pool_held(pool));
	for (uint32_t i = 0; i < count; i++)
		ENSURE(xv_free(pool, handles[i]) == 0);
	look(pool_held(pool));
	/* The hole table may have grown by a page; of several shards each may keep some empty
	 * pages for itself. */
	ENSURE(pool_fill(pool, handles) >= (pool_shards == 1 ? count - 1 : count - count / 16));
	look(pool_held(pool));
	return 0;
}

static int pool_without_madvise(void)
{
	must_refuse(SYS_madvise, REFUSE_ANY, 0, EPERM);
	look(0);
	return pool_fills_up_twice(mmap_make());
}

static int pool_without_fallocate(void)
{
	must_refuse(SYS_fallocate, REFUSE_ANY, 0, EPERM);
	look(0);
	return pool_fills_up_twice(highmem_make());
}

static int pool_locked(void)
{
	lock_all(MCL_CURRENT | MCL_FUTURE);
	look(0);
	return pool_fills_up_twice(mmap_make());
}

static void pool_fills_up_to_its_limit_again_with_what_was_kept(void **state)
{
	static const uint32_t shards[] = {1, 4};

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	for (size_t i = 0; i < sizeof(shards) / sizeof(shards[0]); i++) {
		struct looks looks;

		pool_shards = shards[i];
		looks = look_at(pool_without_madvise);
		check_honest(&looks, 4);
		assert_in_range(looks.at[2].said, 15 * MIB, 16 * MIB);
		looks = look_at(pool_without_fallocate);
		if (looks.status == LOOK_SKIPPED)
			skip();
		assert_int_equal(looks.status, 0);
		assert_in_range(looks.at[2].memfd_bytes, 15 * MIB, looks.at[2].said);
		looks = look_at(pool_locked);
		check_honest(&looks, 4);
		assert_in_range(looks.at[2].said, 0, MIB);
	}
}

/* ---- limits that change while the provider lives ---- */

static int file_size_limit_comes_later(void)
{
	struct rlimit limit = {10 * PAGE_BYTES, 10 * PAGE_BYTES};
	struct xv_provider *provider = highmem_make();
	uint32_t page = UINT32_MAX;

	fill(provider, 10);
	ENSURE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	ENSURE(page_take(provider, &page) == -XV_ENOMEM && page == UINT32_MAX);
	check(provider, 0, 10);
	drop(provider, 3, 4);
	ENSURE(page_take(provider, &page) == 0 && page == 3);
	return 0;
}

static void highmem_stops_at_a_file_size_limit_that_came_later(void **state)
{
	struct looks looks = look_at(file_size_limit_comes_later);

	(void)state;
	check_honest(&looks, 0);
}

static int growth_is_cut_at_the_file_size_limit(void)
{
	struct rlimit limit = {MIB + 3 * PAGE_BYTES, MIB + 3 * PAGE_BYTES};
	struct xv_provider *provider = highmem_make();
	uint32_t page = UINT32_MAX;

	must_refuse(SYS_fallocate, REFUSE_ANY, 0, EPERM);
	fill(provider, 10);
	ENSURE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	for (uint32_t i = 10; i < 256 + 3; i++)
		ENSURE(page_take(provider, &page) == 0);
	ENSURE(page_take(provider, &page) == -XV_ENOMEM);
	return 0;
}

static void highmem_grows_by_less_under_a_file_size_limit(void **state)
{
	struct looks looks = look_at(growth_is_cut_at_the_file_size_limit);

	(void)state;
	check_honest(&looks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmap_without_madvise_counts_what_stays),
		cmocka_unit_test(highmem_without_memfd_uses_a_file),
		cmocka_unit_test(highmem_without_fallocate_goes_on_and_counts_what_stays),
		cmocka_unit_test(meta_memory_that_stays_is_counted_and_reads_as_zero),
		cmocka_unit_test(pool_fills_up_to_its_limit_again_with_what_was_kept),
		cmocka_unit_test(highmem_stops_at_a_file_size_limit_that_came_later),
		cmocka_unit_test(highmem_grows_by_less_under_a_file_size_limit),
	};

	if (sysconf(_SC_PAGESIZE) != (long)PAGE_BYTES) {
		printf("skipped: figures are those of a system with pages of 4 KiB\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
