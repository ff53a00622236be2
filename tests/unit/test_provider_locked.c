/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Providers in a process whose memory is locked: it goes back all the same, what cannot is
 * counted as held, and nothing that a window shows is lost.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MCL_*, MAP_ANONYMOUS */
#endif
#include "provider_looks.h"

#include <sys/resource.h>

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
		ENSURE(kept->ops->stayed_bytes(kept) == 0);
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

	if (mlockall(MCL_FUTURE) != 0)
		_exit(LOOK_SKIPPED);
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
	must_refuse(REFUSE_MMAP, 2, PROT_NONE, refused_error);
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
	must_refuse(REFUSE_MMAP, 2, PROT_NONE, refused_error);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmap_locked_memory_goes_back_and_is_used_again),
		cmocka_unit_test(mmap_locked_memory_is_not_there_before_it_is_asked_for),
		cmocka_unit_test(mmap_memory_that_locking_brought_back_goes_again),
		cmocka_unit_test(mmap_locked_memory_goes_back_without_the_advice_and_stays_locked),
		cmocka_unit_test(mmap_locked_memory_that_stays_is_counted),
		cmocka_unit_test(mmap_two_providers_and_a_fork_do_not_disturb_each_other),
		cmocka_unit_test(highmem_window_loses_nothing_at_the_limit_of_locked_memory),
		cmocka_unit_test(highmem_window_loses_nothing_when_a_slot_cannot_be_emptied),
	};

	if (sysconf(_SC_PAGESIZE) != (long)PAGE_BYTES) {
		printf("skipped: figures are those of a system with pages of 4 KiB\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
