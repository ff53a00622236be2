/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Providers in a process whose memory is locked, or whose system calls are refused: what can
 * go back does, what cannot is counted as held, and nothing is lost. Memory is looked at from
 * outside of the process.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MCL_*, MAP_ANONYMOUS */
#endif
#include "provider_support.h"

#include "looked_at.h"
#include "refuse.h"

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGES = 8192, ADVICE_DONTNEED_LOCKED = 24 };

#define PAGE_BYTES ((size_t)4096)
#define ALL_BYTES (PAGES * PAGE_BYTES)
#define SLACK_BYTES (256 * KIB) /* of libc and stack, between two looks */
#define ENSURE(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%d: %s\n", __LINE__, #condition);                         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void lock_all(int flags)
{
	if (mlockall(flags) != 0)
		_exit(LOOK_SKIPPED);
}

static void must_refuse(int number, int argument, uint32_t value, int error)
{
	if (!refuse(number, argument, value, error))
		_exit(LOOK_SKIPPED);
}

static struct xv_provider *mmap_make(void)
{
	struct xv_provider *provider = NULL;

	ENSURE(xv_provider_mmap_create(&provider, NULL) == 0);
	return provider;
}

static struct xv_provider *highmem_make(void)
{
	struct xv_provider *provider = NULL;
	struct xv_provider_highmem_options options = {.max_bytes = ALL_BYTES};

	ENSURE(xv_provider_highmem_create(&provider, &options) == 0);
	return provider;
}

static char *page_at(struct xv_provider *provider, uint32_t page)
{
	return provider->base != NULL ? (char *)provider->base + page * PAGE_BYTES
				      : provider->ops->page_map(provider, page);
}

static void page_done(struct xv_provider *provider, uint32_t page, char *at)
{
	if (provider->base == NULL)
		ENSURE(provider->ops->page_unmap(provider, page, at) == 0);
}

static void fill(struct xv_provider *provider, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = UINT32_MAX;
		char *at;

		ENSURE(provider->ops->page_alloc(provider, &page) == 0);
		ENSURE(page == i);
		at = page_at(provider, page);
		ENSURE(at != NULL);
		memset(at, (int)(page % 251) + 1, PAGE_BYTES);
		page_done(provider, page, at);
	}
}

static void check(struct xv_provider *provider, uint32_t from, uint32_t end)
{
	for (uint32_t page = from; page < end; page++) {
		char *at = page_at(provider, page);

		ENSURE(at != NULL && bytes_are(at, (int)(page % 251) + 1, PAGE_BYTES));
		page_done(provider, page, at);
	}
}

static void drop(struct xv_provider *provider, uint32_t from, uint32_t end)
{
	for (uint32_t page = from; page < end; page++)
		provider->ops->page_free(provider, page);
}

/* What is held while so many pages are handed out. */
static uint64_t held(struct xv_provider *provider, uint32_t pages)
{
	return provider->ops->overhead_bytes(provider) + pages * PAGE_BYTES;
}

/* Full, half empty, empty, full again; what is kept is spare, and is used first. */
static int fill_drop_and_fill_again(struct xv_provider *provider)
{
	fill(provider, PAGES);
	look(held(provider, PAGES));
	drop(provider, PAGES / 2, PAGES);
	check(provider, 0, PAGES / 2);
	look(held(provider, PAGES / 2));
	drop(provider, 0, PAGES / 2);
	look(held(provider, 0));
	fill(provider, PAGES);
	check(provider, 0, PAGES);
	ENSURE(provider->ops->spare_bytes(provider) == 0);
	look(held(provider, PAGES));
	return 0;
}

/* After the first look, which is at what was there before: what is there by then is what is
 * said to be held. */
static void check_honest(const struct looks *looks, int count)
{
	if (looks->status == LOOK_SKIPPED)
		skip();
	assert_int_equal(looks->status, 0);
	assert_int_equal(looks->count, count);
	for (int i = 1; i < count; i++) {
		uint64_t there = looks->at[i].resident_bytes + SLACK_BYTES;
		uint64_t said = looks->at[0].resident_bytes + looks->at[i].said;

		assert_in_range(there, said, said + 2 * SLACK_BYTES);
	}
}

static bool memory_cannot_be_looked_at(void)
{
	return UNDER_SANITIZER || under_valgrind();
}

/* ---- locked memory ---- */

static int locked_before_it_is_made(void)
{
	lock_all(MCL_CURRENT | MCL_FUTURE);
	look(0);
	return fill_drop_and_fill_again(mmap_make());
}

static void mmap_locked_memory_goes_back_and_is_used_again(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_before_it_is_made);
	check_honest(&looks, 5);
	assert_in_range(looks.at[3].said, 0, MIB);
}

static int locked_with_one_page(void)
{
	struct xv_provider *provider;

	lock_all(MCL_CURRENT | MCL_FUTURE);
	look(0);
	provider = mmap_make();
	fill(provider, 1);
	look(held(provider, 1));
	return 0;
}

static void mmap_locked_memory_is_not_there_before_it_is_asked_for(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_with_one_page);
	check_honest(&looks, 2);
	assert_in_range(looks.at[1].said, 0, 64 * KIB);
}

/* What was given back comes again when all is locked; the next free sees to it. */
static int locked_when_it_is_empty(void)
{
	struct xv_provider *provider;

	look(0);
	provider = mmap_make();
	fill(provider, PAGES);
	drop(provider, 2, PAGES);
	lock_all(MCL_CURRENT | MCL_FUTURE);
	drop(provider, 1, 2);
	check(provider, 0, 1);
	look(held(provider, 1));
	return 0;
}

static void mmap_memory_that_locking_brought_back_goes_again(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_when_it_is_empty);
	if (looks.status == LOOK_SKIPPED)
		skip();
	assert_int_equal(looks.status, 0);
	assert_in_range(looks.at[1].said, 0, 128 * KIB);
	/* Locking brings in all of libc and the stack too. */
	assert_in_range(looks.at[1].resident_bytes, 0, looks.at[0].resident_bytes + 16 * MIB);
}

static bool range_is_locked(void *base, size_t bytes)
{
	return msync(base, bytes, MS_ASYNC | MS_INVALIDATE) != 0 && errno == EBUSY;
}

static int locked_on_an_older_system(void)
{
	struct xv_provider *provider;

	lock_all(MCL_CURRENT | MCL_FUTURE);
	must_refuse(SYS_madvise, 2, ADVICE_DONTNEED_LOCKED, EINVAL);
	look(0);
	provider = mmap_make();
	(void)fill_drop_and_fill_again(provider);
	for (uint32_t page = 0; page < PAGES; page += 64)
		ENSURE(range_is_locked(page_at(provider, page), PAGE_BYTES));
	return 0;
}

static void mmap_locked_memory_goes_back_without_the_advice_and_stays_locked(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_on_an_older_system);
	check_honest(&looks, 5);
	assert_in_range(looks.at[3].said, 0, MIB);
}

static int locked_on_a_much_older_system(void)
{
	lock_all(MCL_CURRENT | MCL_FUTURE);
	must_refuse(SYS_madvise, 2, ADVICE_DONTNEED_LOCKED, EINVAL);
	must_refuse(SYS_mlock2, REFUSE_ANY, 0, ENOSYS);
	look(0);
	return fill_drop_and_fill_again(mmap_make());
}

static void mmap_locked_memory_that_stays_is_counted(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_on_a_much_older_system);
	check_honest(&looks, 5);
	assert_in_range(looks.at[3].said, ALL_BYTES, ALL_BYTES + 6 * MIB);
}

static int locked_in_one_of_two(void)
{
	struct xv_provider *kept = mmap_make();
	struct xv_provider *dropped;
	int status = 0;
	pid_t child;

	lock_all(MCL_CURRENT | MCL_FUTURE);
	dropped = mmap_make();
	fill(kept, 100);
	fill(dropped, 100);
	drop(dropped, 0, 100);
	check(kept, 0, 100);
	child = fork(); /* where nothing is locked, and the pages are its own */
	if (child == 0) {
		check(kept, 0, 100);
		drop(kept, 0, 100);
		ENSURE(kept->ops->spare_bytes(kept) == 0);
		_exit(0);
	}
	ENSURE(waitpid(child, &status, 0) == child && status == 0);
	check(kept, 0, 100);
	return 0;
}

static void mmap_two_providers_and_a_fork_do_not_disturb_each_other(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(locked_in_one_of_two);
	check_honest(&looks, 0);
}

/* ---- system calls that are refused ---- */

static int refused_error;

static int without_madvise(void)
{
	struct xv_provider *provider;

	must_refuse(SYS_madvise, REFUSE_ANY, 0, refused_error);
	look(0);
	provider = mmap_make();
	(void)fill_drop_and_fill_again(provider);
	ENSURE(provider->ops->page_purge(provider, 0, 0, PAGE_BYTES) == 0);
	check(provider, 0, 1);
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
	must_refuse(SYS_mmap, REFUSE_ANY, 0, EPERM);
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
	ENSURE(xv_pool_can_fit(pool, 4000));
	ENSURE(pool_fill(pool, handles) >= count);
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

/* ---- a window whose slots cannot be emptied ---- */

enum { WINDOW_PAGES = 20 };

static uint64_t locked_now(void)
{
	char line[128];
	unsigned long kib = 0;
	FILE *file = fopen("/proc/self/status", "re");

	ENSURE(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "VmLck: %lu kB", &kib) == 1)
			break;
	}
	fclose(file);
	return (uint64_t)kib << 10;
}

/* No right to lock more than is locked now. */
static void limit_locked_memory(void)
{
	struct rlimit limit;

	if (getuid() == 0 && setuid(65534) != 0)
		_exit(LOOK_SKIPPED);
	limit.rlim_cur = limit.rlim_max = (rlim_t)locked_now();
	ENSURE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		_exit(LOOK_SKIPPED);
}

static int window_at_the_limit_of_locked_memory(void)
{
	struct xv_provider *provider;
	char *at;

	lock_all(MCL_FUTURE);
	provider = highmem_make();
	fill(provider, 1);
	at = page_at(provider, 0);
	limit_locked_memory();
	page_done(provider, 0, at);
	check(provider, 0, 1);
	drop(provider, 0, 1);
	fill(provider, WINDOW_PAGES);
	check(provider, 0, WINDOW_PAGES);
	return 0;
}

static void highmem_window_loses_nothing_at_the_limit_of_locked_memory(void **state)
{
	struct looks looks;

	(void)state;
	if (memory_cannot_be_looked_at())
		skip();
	looks = look_at(window_at_the_limit_of_locked_memory);
	check_honest(&looks, 0);
}

static int window_that_cannot_be_replaced(void)
{
	struct xv_provider *provider = highmem_make();
	char *at;

	fill(provider, WINDOW_PAGES);
	at = page_at(provider, 3);
	must_refuse(SYS_mmap, 2, PROT_NONE, refused_error);
	must_refuse(SYS_madvise, REFUSE_ANY, 0, EPERM);
	page_done(provider, 3, at);
	/* A stale pointer faults all the same, and the slot is used again. */
	ENSURE(signal_of_reading(at) == SIGSEGV);
	check(provider, 0, WINDOW_PAGES);
	return 0;
}

static int window_that_cannot_be_hidden(void)
{
	struct xv_provider *provider = highmem_make();
	char *at;

	fill(provider, WINDOW_PAGES);
	at = page_at(provider, 3);
	must_refuse(SYS_mmap, 2, PROT_NONE, refused_error);
	must_refuse(SYS_madvise, REFUSE_ANY, 0, EPERM);
	must_refuse(SYS_mprotect, REFUSE_ANY, 0, EPERM);
	page_done(provider, 3, at);
	check(provider, 0, WINDOW_PAGES);
	drop(provider, 3, 4);
	ENSURE(provider->ops->page_map(provider, 3) == NULL); /* free now */
	check(provider, 4, WINDOW_PAGES);
	return 0;
}

static void highmem_window_loses_nothing_when_a_slot_cannot_be_emptied(void **state)
{
	static const int errors[] = {EAGAIN, ENOMEM, EPERM};

	(void)state;
	if (under_valgrind())
		skip();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct looks looks;

		refused_error = errors[i];
		looks = look_at(window_that_cannot_be_replaced);
		check_honest(&looks, 0);
		looks = look_at(window_that_cannot_be_hidden);
		check_honest(&looks, 0);
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
	ENSURE(provider->ops->page_alloc(provider, &page) == -XV_ENOMEM && page == UINT32_MAX);
	check(provider, 0, 10);
	drop(provider, 3, 4);
	ENSURE(provider->ops->page_alloc(provider, &page) == 0 && page == 3);
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
		ENSURE(provider->ops->page_alloc(provider, &page) == 0);
	ENSURE(provider->ops->page_alloc(provider, &page) == -XV_ENOMEM);
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
		cmocka_unit_test(mmap_locked_memory_goes_back_and_is_used_again),
		cmocka_unit_test(mmap_locked_memory_is_not_there_before_it_is_asked_for),
		cmocka_unit_test(mmap_memory_that_locking_brought_back_goes_again),
		cmocka_unit_test(mmap_locked_memory_goes_back_without_the_advice_and_stays_locked),
		cmocka_unit_test(mmap_locked_memory_that_stays_is_counted),
		cmocka_unit_test(mmap_two_providers_and_a_fork_do_not_disturb_each_other),
		cmocka_unit_test(mmap_without_madvise_counts_what_stays),
		cmocka_unit_test(highmem_without_fallocate_goes_on_and_counts_what_stays),
		cmocka_unit_test(meta_memory_that_stays_is_counted_and_reads_as_zero),
		cmocka_unit_test(pool_fills_up_to_its_limit_again_with_what_was_kept),
		cmocka_unit_test(highmem_window_loses_nothing_at_the_limit_of_locked_memory),
		cmocka_unit_test(highmem_window_loses_nothing_when_a_slot_cannot_be_emptied),
		cmocka_unit_test(highmem_stops_at_a_file_size_limit_that_came_later),
		cmocka_unit_test(highmem_grows_by_less_under_a_file_size_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
