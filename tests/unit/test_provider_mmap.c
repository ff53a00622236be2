/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The mmap provider: its options, that memory really goes back to the system, and
 * pages smaller than the OS page, by a system described with larger ones.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mincore */
#endif
#include "address_space.h"
#include "provider_support.h"

#include "mmap_internal.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define GIB ((uint64_t)1 << 30)

static struct xv_provider *create(const struct xv_provider_mmap_options *options)
{
	struct xv_provider *provider = NULL;

	assert_int_equal(xv_provider_mmap_create(&provider, options), 0);
	assert_non_null(provider);
	return provider;
}

static struct xv_provider *create_on(const struct xv_provider_mmap_options *options,
				     size_t page_bytes, size_t huge_page_bytes)
{
	struct xvi_os_facts facts = {.page_bytes = page_bytes, .huge_page_bytes = huge_page_bytes};
	struct xv_provider *provider = NULL;

	assert_int_equal(xvi_provider_mmap_create_on(&provider, options, &facts), 0);
	return provider;
}

static struct xv_provider_mmap_options options_of(uint32_t page_bytes, uint64_t reserve_bytes)
{
	struct xv_provider_mmap_options options;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = reserve_bytes;
	return options;
}

static char *take(struct xv_provider *provider)
{
	uint32_t page = 0;

	assert_int_equal(page_take(provider, &page), 0);
	return (char *)provider->base + ((size_t)page << provider->page_shift);
}

static char *take_filled(struct xv_provider *provider)
{
	return memset(take(provider), 0x5A, xv_provider_page_bytes(provider));
}

/* The first `bytes` have so much memory, as the system tells. qemu-user with larger pages tells of
 * its host's pages instead, and writes as many bytes. */
static void assert_resident(const struct xv_provider *provider, size_t bytes, size_t expected)
{
	unsigned char in_core[4096];
	size_t os_page = (size_t)sysconf(_SC_PAGESIZE);
	size_t resident = 0;

	assert_true(bytes / 4096 <= sizeof(in_core));
	memset(in_core, 0xAA, sizeof(in_core));
	assert_int_equal(mincore(provider->base, bytes, in_core), 0);
	if (in_core[bytes / os_page] != 0xAA)
		return;
	for (size_t i = 0; i < bytes / os_page; i++)
		resident += (in_core[i] & 1) != 0 ? os_page : 0;
	assert_int_equal(resident, expected);
}

static void mmap_refuses_bad_options_with_einval(void **state)
{
	static const uint32_t bad_page_bytes[] = {1, 2048, 4095, 4097, 12288, 131072, UINT32_MAX};
	struct xv_provider *provider = NULL;
	struct xv_provider_mmap_options options;

	(void)state;
	assert_int_equal(xv_provider_mmap_create(NULL, NULL), -XV_EINVAL);
	for (size_t i = 0; i < sizeof(bad_page_bytes) / sizeof(bad_page_bytes[0]); i++) {
		options = options_of(bad_page_bytes[i], MIB);
		assert_int_equal(xv_provider_mmap_create(&provider, &options), -XV_EINVAL);
	}
	options = options_of(16384, 16383);
	assert_int_equal(xv_provider_mmap_create(&provider, &options), -XV_EINVAL);
	options = options_of(16384, 0);
	options.cap_bytes = 16383;
	assert_int_equal(xv_provider_mmap_create(&provider, &options), -XV_EINVAL);
	assert_null(provider);
	xv_provider_mmap_destroy(NULL);
}

static void mmap_refuses_more_address_space_than_there_is(void **state)
{
	struct xv_provider_mmap_options options = options_of(65536, (uint64_t)1 << 62);
	struct xv_provider *provider = NULL;

	(void)state;
	assert_int_equal(xv_provider_mmap_create(&provider, &options), -XV_ENOMEM);
	assert_null(provider);
}

static void mmap_defaults_are_those_of_the_header(void **state)
{
	struct xv_provider *provider = create(NULL);
	uint64_t bytes = provider->max_pages << provider->page_shift;

	(void)state;
	assert_int_equal(xv_provider_page_bytes(provider), 65536);
	/* Less where the system refuses. */
	assert_true(bytes >= MIB && bytes <= (sizeof(void *) > 4 ? 64 * GIB : GIB));
	assert_int_equal((uintptr_t)provider->base % (64 * KIB), 0);
	xv_provider_mmap_destroy(provider);
}

static void mmap_rounds_reserve_and_cap_down_to_pages(void **state)
{
	struct xv_provider_mmap_options options = options_of(16384, 100000);
	struct xv_provider *provider = create(&options);

	(void)state;
	assert_int_equal(provider->max_pages, 6);
	xv_provider_mmap_destroy(provider);
	options.cap_bytes = 65535;
	provider = create_on(&options, 16384, 0);
	assert_int_equal(provider->max_pages, 3);
	xv_provider_mmap_destroy(provider);
	options.cap_bytes = GIB;
	provider = create(&options);
	assert_int_equal(provider->max_pages, 6);
	xv_provider_mmap_destroy(provider);
}

static void mmap_stops_at_its_cap_and_goes_on_after_a_free(void **state)
{
	struct xv_provider_mmap_options options = options_of(4096, 0);
	struct xv_provider *provider;
	uint32_t page = 0;

	(void)state;
	options.cap_bytes = 5 * 4096;
	provider = create(&options);
	for (int i = 0; i < 5; i++)
		take(provider);
	assert_int_equal(pages_left(provider), 0);
	assert_int_equal(page_take(provider, &page), -XV_ENOMEM);
	provider->ops->pages_free(provider, 2, 1);
	assert_int_equal(page_take(provider, &page), 0);
	assert_int_equal(page, 2);
	xv_provider_mmap_destroy(provider);
}

static bool default_space_is_halved_under_a_limit(void)
{
	struct rlimit limit = {(rlim_t)GIB, (rlim_t)GIB};
	struct xv_provider_mmap_options options = options_of(4096, 2 * GIB);
	struct xv_provider *provider = NULL;
	uint32_t page;

	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return false;
	/* Asked for, it is all or nothing. */
	if (xv_provider_mmap_create(&provider, &options) != -XV_ENOMEM)
		return false;
	if (xv_provider_mmap_create(&provider, NULL) != 0)
		return false;
	if (provider->max_pages << provider->page_shift < 128 * MIB ||
	    page_take(provider, &page) != 0)
		return false;
	/* However many there are, the last one left as much as it took: threads need stacks. */
	for (int i = 0; i < 4; i++) {
		void *left;

		if (xv_provider_mmap_create(&provider, NULL) != 0)
			return false;
		left = mmap(NULL, (size_t)provider->max_pages << provider->page_shift, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (left == MAP_FAILED)
			return false;
		munmap(left, (size_t)provider->max_pages << provider->page_shift);
	}
	return true;
}

static void mmap_takes_less_address_space_where_the_system_refuses(void **state)
{
	(void)state;
	if (UNDER_SANITIZER || under_valgrind() || under_emulator())
		skip(); /* the tools' own address space is over the limit */
	assert_true(true_in_child(default_space_is_halved_under_a_limit));
}

/* Strict overcommit, as a limit on this process: growth ends in an error. */
static bool commit_fails_without_harm(void)
{
	struct xv_provider_mmap_options options = options_of(4096, 256 * MIB);
	struct rlimit limit = {16 * MIB, 16 * MIB};
	struct xv_provider *provider = NULL;
	uint32_t pages = 0;
	uint32_t page;

	if (xv_provider_mmap_create(&provider, &options) != 0 ||
	    setrlimit(RLIMIT_DATA, &limit) != 0)
		return false;
	while (page_take(provider, &page) == 0)
		pages++;
	provider->ops->pages_free(provider, pages / 2, 1);
	return pages > 0 && pages < 16 * MIB / 4096 && page_take(provider, &page) == 0 &&
	       page == pages / 2 && page_take(provider, &page) == -XV_ENOMEM;
}

static void mmap_reports_enomem_when_the_system_commits_no_more(void **state)
{
	(void)state;
	if (UNDER_SANITIZER || under_valgrind() || under_emulator())
		skip();
	assert_true(true_in_child(commit_fails_without_harm));
}

static void mmap_resident_set_falls_when_pages_are_freed(void **state)
{
	struct xv_provider *provider = create(NULL);
	uint32_t pages = 32 * MIB / 4096;
	size_t before = resident_bytes();
	size_t full;

	(void)state;
	for (uint32_t i = 0; i < pages; i++)
		take_filled(provider);
	full = resident_bytes();
	for (uint32_t i = 0; i < pages; i++)
		provider->ops->pages_free(provider, i, 1);
	if (before != 0) {
		assert_true(full >= before + 30 * MIB);
		assert_true(resident_bytes() + 30 * MIB <= full);
	}
	xv_provider_mmap_destroy(provider);
}

static void mmap_untouched_provider_holds_next_to_nothing(void **state)
{
	size_t before = resident_bytes();
	struct xv_provider *provider = create(NULL);

	(void)state;
	take(provider);
	if (!UNDER_SANITIZER && !under_valgrind())
		assert_true(resident_bytes() <= before + 256 * KIB);
	assert_true(provider->ops->overhead_bytes(provider) <= 4 * (size_t)sysconf(_SC_PAGESIZE));
	xv_provider_mmap_destroy(provider);
}

static void mmap_freed_page_leaves_its_neighbours_alone(void **state)
{
	struct xv_provider_mmap_options options = options_of(4096, MIB);
	struct xv_provider *provider = create(&options);
	char *first = take_filled(provider);

	(void)state;
	take_filled(provider);
	take_filled(provider);
	provider->ops->pages_free(provider, 1, 1);
	assert_true(bytes_are(first, 0x5A, 4096));
	assert_true(bytes_are(first + 8192, 0x5A, 4096));
	if (sysconf(_SC_PAGESIZE) == 4096)
		assert_resident(provider, 12288, 8192);
	xv_provider_mmap_destroy(provider);
}

/* Four 4 KiB pages to an OS page of 16 KiB, or as many as the system has. */
static void mmap_small_pages_go_back_when_their_os_page_is_free(void **state)
{
	size_t os_page = sysconf(_SC_PAGESIZE) > 16384 ? (size_t)sysconf(_SC_PAGESIZE) : 16384;
	uint32_t together = (uint32_t)(os_page / 4096);
	struct xv_provider_mmap_options options = options_of(4096, MIB);
	struct xv_provider *provider = create_on(&options, os_page, 0);
	size_t empty = provider->ops->overhead_bytes(provider);

	(void)state;
	for (uint32_t i = 0; i < 2 * together; i++)
		take_filled(provider);
	assert_resident(provider, 2 * os_page, 2 * os_page);
	for (uint32_t i = 0; i < together; i++) {
		if (i != 2)
			provider->ops->pages_free(provider, i, 1);
	}
	assert_resident(provider, 2 * os_page, 2 * os_page);
	assert_int_equal(provider->ops->overhead_bytes(provider), empty + os_page - 4096);
	provider->ops->pages_free(provider, 2, 1);
	assert_resident(provider, 2 * os_page, os_page);
	assert_true(bytes_are((char *)provider->base + os_page, 0x5A, os_page));
	assert_int_equal(provider->ops->overhead_bytes(provider), empty);
	xv_provider_mmap_destroy(provider);
}

static void mmap_small_pages_count_the_rest_of_their_os_page_as_overhead(void **state)
{
	struct xv_provider_mmap_options options = options_of(4096, MIB);
	struct xv_provider *provider = create_on(&options, 65536, 0);
	size_t first;

	(void)state;
	take(provider);
	first = provider->ops->overhead_bytes(provider);
	assert_true(first >= 65536 - 4096);
	take(provider);
	assert_int_equal(provider->ops->overhead_bytes(provider), first - 4096);
	provider->ops->pages_free(provider, 0, 1);
	assert_int_equal(provider->ops->overhead_bytes(provider), first);
	provider->ops->pages_free(provider, 1, 1);
	assert_int_equal(provider->ops->overhead_bytes(provider), first - (65536 - 4096));
	xv_provider_mmap_destroy(provider);
}

static void mmap_last_os_page_may_hold_fewer_pages(void **state)
{
	struct xv_provider_mmap_options options = options_of(4096, 3 * 4096);
	struct xv_provider *provider = create_on(&options, 16384, 0);
	uint32_t page = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		take_filled(provider);
	assert_int_equal(page_take(provider, &page), -XV_ENOMEM);
	for (uint32_t i = 0; i < 3; i++)
		provider->ops->pages_free(provider, i, 1);
	assert_resident(provider, 16384, 0);
	xv_provider_mmap_destroy(provider);
}

static void mmap_huge_pages_go_back_whole_and_have_no_grains(void **state)
{
	struct xv_provider_mmap_options options = options_of(65536, 8 * MIB);
	struct xv_provider *provider;
	size_t huge = 2 * MIB;

	(void)state;
	options.huge_pages = true;
	provider = create_on(&options, (size_t)sysconf(_SC_PAGESIZE), huge);
	assert_int_equal((uintptr_t)provider->base % huge, 0);
	for (int i = 0; i < 32; i++)
		take_filled(provider);
	assert_null(provider->ops->grains_give);
	for (uint32_t i = 0; i < 31; i++)
		provider->ops->pages_free(provider, i, 1);
	assert_resident(provider, huge, huge);
	assert_true(provider->ops->overhead_bytes(provider) >= huge - 65536);
	provider->ops->pages_free(provider, 31, 1);
	assert_resident(provider, huge, 0);
	xv_provider_mmap_destroy(provider);
}

static void mmap_works_with_the_systems_own_huge_pages(void **state)
{
	struct xv_provider_mmap_options options = options_of(4096, 16 * MIB);
	struct xv_provider *provider;

	(void)state;
	options.huge_pages = true;
	provider = create(&options);
	for (int i = 0; i < 2048; i++)
		take_filled(provider);
	for (uint32_t i = 0; i < 2048; i++)
		provider->ops->pages_free(provider, i, 1);
	assert_resident(provider, 8 * MIB, 0);
	xv_provider_mmap_destroy(provider);
}

static void mmap_pages_never_handed_out_are_inaccessible(void **state)
{
	struct xv_provider_mmap_options options = options_of(4096, 64 * MIB);
	struct xv_provider *provider = create(&options);

	(void)state;
	take(provider);
	if (!under_valgrind())
		assert_int_equal(signal_of_reading((char *)provider->base + 32 * MIB), SIGSEGV);
	xv_provider_mmap_destroy(provider);
}

/* Pages of 4 KiB, of 64 KiB, and huge ones. */
static void mmap_no_access_beside_the_pages(void **state)
{
	const uint32_t page_bytes[] = {4096, 65536, 65536};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct xv_provider_mmap_options options = options_of(page_bytes[i], 2 * MIB);
		struct xv_provider *provider;
		char *base, *end;
		uint32_t page;

		options.huge_pages = i == 2;
		provider = create(&options);
		base = provider->base;
		end = base + 2 * MIB;
		while (page_take(provider, &page) == 0)
			;
		if (!under_valgrind()) {
			assert_int_equal(signal_of_reading(base - 1), SIGSEGV);
			assert_int_equal(signal_of_reading(base - 64 * KIB), SIGSEGV);
			assert_int_equal(signal_of_reading(end), SIGSEGV);
			assert_int_equal(signal_of_reading(end + 64 * KIB - 1), SIGSEGV);
			assert_int_equal(signal_of_reading(end - 1), 0);
		}
		xv_provider_mmap_destroy(provider);
	}
}

static void mmap_meta_past_its_commit_is_inaccessible(void **state)
{
	struct xv_provider *provider = create(NULL);
	char *meta = provider->ops->meta_reserve(provider, MIB);

	(void)state;
	assert_non_null(meta);
	assert_int_equal(provider->ops->meta_commit(provider, meta, 0, 256 * KIB), 0);
	assert_int_equal(provider->ops->meta_commit(provider, meta, 256 * KIB, 64 * KIB), 0);
	if (!under_valgrind()) {
		assert_int_equal(signal_of_reading(meta), 0);
		assert_int_equal(signal_of_reading(meta + 64 * KIB), SIGSEGV);
	}
	provider->ops->meta_release(provider, meta, MIB, 64 * KIB);
	xv_provider_mmap_destroy(provider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmap_refuses_bad_options_with_einval),
		cmocka_unit_test(mmap_refuses_more_address_space_than_there_is),
		cmocka_unit_test(mmap_defaults_are_those_of_the_header),
		cmocka_unit_test(mmap_rounds_reserve_and_cap_down_to_pages),
		cmocka_unit_test(mmap_stops_at_its_cap_and_goes_on_after_a_free),
		cmocka_unit_test(mmap_takes_less_address_space_where_the_system_refuses),
		cmocka_unit_test(mmap_reports_enomem_when_the_system_commits_no_more),
		cmocka_unit_test(mmap_resident_set_falls_when_pages_are_freed),
		cmocka_unit_test(mmap_untouched_provider_holds_next_to_nothing),
		cmocka_unit_test(mmap_freed_page_leaves_its_neighbours_alone),
		cmocka_unit_test(mmap_small_pages_go_back_when_their_os_page_is_free),
		cmocka_unit_test(mmap_small_pages_count_the_rest_of_their_os_page_as_overhead),
		cmocka_unit_test(mmap_last_os_page_may_hold_fewer_pages),
		cmocka_unit_test(mmap_huge_pages_go_back_whole_and_have_no_grains),
		cmocka_unit_test(mmap_works_with_the_systems_own_huge_pages),
		cmocka_unit_test(mmap_pages_never_handed_out_are_inaccessible),
		cmocka_unit_test(mmap_no_access_beside_the_pages),
		cmocka_unit_test(mmap_meta_past_its_commit_is_inaccessible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
