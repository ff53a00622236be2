/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Grains in a process whose memory is locked, or whose system calls are refused: what can go
 * back does, and what cannot is counted, grain by grain. Memory is looked at from outside.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MCL_* */
#endif
#include "refused_support.h"

#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

enum { PAGES = 256, GRAINS = 16 };

#define PAGE_BYTES ((size_t)65536)
#define GRAIN_BYTES ((size_t)4096)

static struct xv_provider *mmap_make(void)
{
	struct xv_provider_mmap_options options = {.page_bytes = PAGE_BYTES};
	struct xv_provider *provider = NULL;

	ENSURE(xv_provider_mmap_create(&provider, &options) == 0);
	if (xv_provider_page_grains(provider) != GRAINS)
		_exit(LOOK_SKIPPED);
	return provider;
}

static struct xv_provider *highmem_make(void)
{
	struct xv_provider_highmem_options options = {.page_bytes = PAGE_BYTES,
						      .max_bytes = PAGES * PAGE_BYTES};
	struct xv_provider *provider = NULL;

	ENSURE(xv_provider_highmem_create(&provider, &options) == 0);
	if (xv_provider_page_grains(provider) != GRAINS)
		_exit(LOOK_SKIPPED);
	return provider;
}

static char *page_at(struct xv_provider *provider, uint32_t page)
{
	char *at = provider->base != NULL ? (char *)provider->base + page * PAGE_BYTES
					  : provider->ops->page_map(provider, page);

	ENSURE(at != NULL);
	return at;
}

static void page_done(struct xv_provider *provider, uint32_t page, char *at)
{
	if (provider->base == NULL)
		ENSURE(provider->ops->page_unmap(provider, page, at) == 0);
}

/* Take a page, and every third of its grains, which are filled. */
static void fill(struct xv_provider *provider, uint32_t number)
{
	uint32_t page = UINT32_MAX;
	char *at;

	ENSURE(provider->ops->page_alloc(provider, &page) == 0 && page == number);
	for (uint32_t i = 0; i < GRAINS; i += 3)
		ENSURE(provider->ops->grains_take(provider, page, i, 1) == 0);
	at = page_at(provider, page);
	for (uint32_t i = 0; i < GRAINS; i += 3)
		memset(at + i * GRAIN_BYTES, (int)(page % 251) + 1, GRAIN_BYTES);
	page_done(provider, page, at);
}

enum { FILLED = 6 }; /* grains of a page: 0, 3, 6, 9, 12, 15 */

static void check(struct xv_provider *provider, uint32_t page, uint32_t from)
{
	char *at = page_at(provider, page);

	for (uint32_t i = from; i < GRAINS; i += 3)
		ENSURE(bytes_are(at + i * GRAIN_BYTES, (int)(page % 251) + 1, GRAIN_BYTES));
	page_done(provider, page, at);
}

static uint64_t held(struct xv_provider *provider, uint64_t grains)
{
	return provider->ops->overhead_bytes(provider) + grains * GRAIN_BYTES;
}

/* Filled; half of the grains given; half of the pages freed; all freed; filled again. */
static int life(struct xv_provider *provider, bool gives)
{
	uint64_t taken = (uint64_t)PAGES * FILLED;

	for (uint32_t page = 0; page < PAGES; page++)
		fill(provider, page);
	look(held(provider, taken));
	for (uint32_t page = 0; page < PAGES; page++) {
		for (uint32_t i = 0; i < FILLED / 2; i++)
			ENSURE(provider->ops->grains_give(provider, page, i * 3, 1) == gives);
		check(provider, page, 9);
	}
	ENSURE(provider->ops->stayed_bytes(provider) == 0);
	taken = gives ? taken / 2 : taken;
	look(held(provider, taken));
	provider->ops->pages_free(provider, PAGES / 2, PAGES / 2);
	for (uint32_t page = 0; page < PAGES / 2; page++)
		check(provider, page, 9);
	ENSURE(provider->ops->stayed_bytes(provider) == (gives ? 0 : taken / 2 * GRAIN_BYTES));
	look(held(provider, taken / 2));
	provider->ops->pages_free(provider, 0, PAGES / 2);
	ENSURE(provider->ops->stayed_bytes(provider) == (gives ? 0 : taken * GRAIN_BYTES));
	look(held(provider, 0));
	for (uint32_t page = 0; page < PAGES; page++)
		fill(provider, page);
	ENSURE(provider->ops->stayed_bytes(provider) == 0);
	look(held(provider, (uint64_t)PAGES * FILLED));
	return 0;
}

static void check_life(struct looks looks)
{
	check_honest(&looks, 6);
}

static int locked(void)
{
	lock_all(MCL_CURRENT | MCL_FUTURE);
	look(0);
	return life(mmap_make(), true);
}

static void mmap_locked_grains_go_back_and_are_not_there_before_they_are_taken(void **state)
{
	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	check_life(look_at(locked));
}

/* What was committed ahead cannot go back: kept grains of pages that nobody has. */
static int locked_and_stuck(void)
{
	struct xv_provider *provider;

	lock_all(MCL_CURRENT | MCL_FUTURE);
	must_refuse(SYS_madvise, 2, 24 /* MADV_DONTNEED_LOCKED */, EINVAL);
	must_refuse(SYS_mlock2, REFUSE_ANY, 0, ENOSYS);
	look(0);
	provider = mmap_make();
	fill(provider, 0);
	ENSURE(!provider->ops->grains_give(provider, 0, 3, 1));
	look(held(provider, FILLED));
	provider->ops->pages_free(provider, 0, 1);
	look(held(provider, 0));
	fill(provider, 0);
	look(held(provider, FILLED));
	return 0;
}

static void mmap_locked_grains_that_stay_are_counted(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_and_stuck);
	check_honest(&looks, 4);
	/* The step of commits, and all of the map. */
	assert_in_range(looks.at[1].said, 2 * MIB, 7 * MIB);
	assert_int_equal(looks.at[2].said, looks.at[1].said);
	assert_int_equal(looks.at[3].said, looks.at[1].said);
}

static int locked_when_full(void)
{
	struct xv_provider *provider;

	look(0);
	provider = mmap_make();
	for (uint32_t page = 0; page < PAGES; page++)
		fill(provider, page);
	lock_all(MCL_CURRENT | MCL_FUTURE);
	ENSURE(provider->ops->grains_give(provider, 5, 3, 1));
	for (uint32_t page = 0; page < PAGES; page++)
		check(provider, page, page == 5 ? 6 : 0);
	look(held(provider, (uint64_t)PAGES * FILLED - 1));
	return 0;
}

static void mmap_grains_that_locking_brought_in_go_again(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_when_full);
	if (looks.status == LOOK_SKIPPED)
		skip();
	assert_int_equal(looks.status, 0);
	assert_in_range(looks.at[1].said, 6 * MIB, 7 * MIB);
	/* Locking brings in all of libc and the stack too; 16 MiB of pages are not all there. */
	assert_in_range(looks.at[1].resident_bytes, looks.at[1].said,
			looks.at[0].resident_bytes + looks.at[1].said + 6 * MIB);
}

static int without_madvise(void)
{
	must_refuse(SYS_madvise, REFUSE_ANY, 0, EPERM);
	look(0);
	return life(mmap_make(), false);
}

static void mmap_without_madvise_counts_grains_that_stay(void **state)
{
	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	check_life(look_at(without_madvise));
}

/* Runs that are refused as a whole go page by page. */
static int with_two_pages_locked(void)
{
	struct xv_provider *provider;

	must_refuse(SYS_madvise, 2, 24 /* MADV_DONTNEED_LOCKED */, EINVAL);
	must_refuse(SYS_mlock2, REFUSE_ANY, 0, ENOSYS);
	look(0);
	provider = mmap_make();
	for (uint32_t page = 0; page < PAGES; page++)
		fill(provider, page);
	if (mlock(page_at(provider, 7), PAGE_BYTES) != 0 ||
	    mlock(page_at(provider, PAGES - 1), PAGE_BYTES) != 0)
		_exit(LOOK_SKIPPED);
	must_refuse(SYS_munlock, REFUSE_ANY, 0, EPERM);
	provider->ops->pages_free(provider, PAGES / 2, PAGES / 2);
	provider->ops->pages_free(provider, 0, PAGES / 2);
	/* mlock has brought in the pages' other grains too, which nobody had taken. */
	ENSURE(provider->ops->stayed_bytes(provider) == 2 * PAGE_BYTES);
	look(held(provider, 0));
	return 0;
}

static void mmap_run_with_a_locked_page_gives_back_all_others(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(with_two_pages_locked);
	check_honest(&looks, 2);
}

static uint32_t refused_error;

static int without_fallocate(void)
{
	must_refuse(SYS_fallocate, REFUSE_ANY, 0, (int)refused_error);
	look(0);
	return life(highmem_make(), false);
}

static int window_life(void)
{
	look(0);
	return life(highmem_make(), true);
}

/* Pages that are seen have only the grains that were taken. */
static int locked_window_life(void)
{
	lock_all(MCL_CURRENT | MCL_FUTURE);
	return window_life();
}

static void file_holds_what_is_said(int (*child)(void))
{
	struct looks looks = look_at(child);

	if (looks.status == LOOK_SKIPPED)
		skip();
	assert_int_equal(looks.status, 0);
	for (int i = 1; i < 6; i++)
		assert_in_range(looks.at[i].memfd_bytes + SLACK_BYTES, looks.at[i].said,
				looks.at[i].said + 2 * SLACK_BYTES);
	assert_int_equal(looks.at[1].memfd_bytes, PAGES * FILLED * GRAIN_BYTES);
	assert_int_equal(looks.at[2].memfd_bytes, PAGES * FILLED / 2 * GRAIN_BYTES);
	assert_int_equal(looks.at[4].memfd_bytes, 0);
}

static void highmem_file_holds_what_is_said(void **state)
{
	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	file_holds_what_is_said(window_life);
}

static void highmem_file_holds_what_is_said_where_memory_is_locked(void **state)
{
	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	file_holds_what_is_said(locked_window_life);
}

static void highmem_without_fallocate_counts_grains_that_stay(void **state)
{
	static const uint32_t errors[] = {EPERM, ENOSYS, EOPNOTSUPP};

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
		for (int at = 1; at < 6; at++) {
			assert_int_equal(looks.at[at].memfd_bytes, PAGES * FILLED * GRAIN_BYTES);
			assert_in_range(looks.at[at].said, looks.at[at].memfd_bytes,
					looks.at[at].memfd_bytes + SLACK_BYTES);
		}
	}
}

static int purge_in_vain(void)
{
	struct xv_provider *provider;
	char *base;

	must_refuse(SYS_madvise, REFUSE_ANY, 0, EPERM);
	look(0);
	provider = mmap_make();
	base = provider->ops->meta_reserve(provider, 8 * MIB);
	ENSURE(base != NULL && provider->ops->meta_commit(provider, base, 0, 8 * MIB) == 0);
	memset(base, 1, 8 * MIB);
	ENSURE(provider->ops->meta_purge(provider, base, MIB, 4 * MIB) == 0);
	ENSURE(bytes_are(base, 1, MIB) && bytes_are(base + MIB, 0, 4 * MIB) &&
	       bytes_are(base + 5 * MIB, 1, 3 * MIB));
	look(provider->ops->overhead_bytes(provider) + 8 * MIB);
	return 0;
}

static int purge_of_locked(void)
{
	struct xv_provider *provider;
	char *base;

	lock_all(MCL_CURRENT | MCL_FUTURE);
	look(0);
	provider = mmap_make();
	base = provider->ops->meta_reserve(provider, 8 * MIB);
	ENSURE(base != NULL && provider->ops->meta_commit(provider, base, 0, 8 * MIB) == 0);
	memset(base, 1, 8 * MIB);
	ENSURE(provider->ops->meta_purge(provider, base, MIB, 4 * MIB) == 4 * MIB);
	look(provider->ops->overhead_bytes(provider) + 4 * MIB);
	ENSURE(bytes_are(base, 1, MIB) && bytes_are(base + MIB, 0, 4 * MIB) &&
	       bytes_are(base + 5 * MIB, 1, 3 * MIB));
	return 0;
}

static void purged_meta_reads_as_zero_whether_it_went_back_or_not(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(purge_in_vain);
	check_honest(&looks, 2);
	looks = look_at(purge_of_locked);
	check_honest(&looks, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			mmap_locked_grains_go_back_and_are_not_there_before_they_are_taken),
		cmocka_unit_test(mmap_locked_grains_that_stay_are_counted),
		cmocka_unit_test(mmap_grains_that_locking_brought_in_go_again),
		cmocka_unit_test(mmap_without_madvise_counts_grains_that_stay),
		cmocka_unit_test(mmap_run_with_a_locked_page_gives_back_all_others),
		cmocka_unit_test(highmem_file_holds_what_is_said),
		cmocka_unit_test(highmem_file_holds_what_is_said_where_memory_is_locked),
		cmocka_unit_test(highmem_without_fallocate_counts_grains_that_stay),
		cmocka_unit_test(purged_meta_reads_as_zero_whether_it_went_back_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
