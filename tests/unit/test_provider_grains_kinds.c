/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Grains of one kind of provider: what the system's page makes of them over mmap, and pages of a
 * window that are mapped meanwhile. The behaviour of all is test_provider_grains.c's.
 */
#include "provider_support.h"

#include "mmap_internal.h"
#include "provider_grains_support.h"

#include <xvmalloc/provider_highmem.h>

#define CAPACITY_BYTES (8 * MIB)

static struct xv_provider *mmap_on(size_t os_page_bytes, uint32_t page_bytes, uint64_t cap_bytes)
{
	struct xv_provider_mmap_options options;
	struct xvi_os_facts facts;
	struct xv_provider *provider = NULL;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = CAPACITY_BYTES;
	options.cap_bytes = cap_bytes;
	xvi_os_facts_get(&facts);
	facts.page_bytes = os_page_bytes;
	facts.huge_page_bytes = 0;
	assert_int_equal(xvi_provider_mmap_create_on(&provider, &options, &facts), 0);
	return provider;
}

static void mmap_grain_follows_the_os_page(void **state)
{
	static const struct {
		size_t os_page;
		uint32_t page, grains;
	} sizes[] = {
		{4096, 4096, 1},   {4096, 8192, 2},   {4096, 65536, 16}, {16384, 4096, 1},
		{16384, 16384, 1}, {16384, 32768, 2}, {16384, 65536, 4}, {65536, 4096, 1},
		{65536, 32768, 1}, {65536, 65536, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct xv_provider *provider;

		if (sizes[i].os_page < (size_t)sysconf(_SC_PAGESIZE))
			continue;
		provider = mmap_on(sizes[i].os_page, sizes[i].page, 0);
		assert_int_equal(xv_provider_page_grains(provider), sizes[i].grains);
		xv_provider_mmap_destroy(provider);
	}
}

static void mmap_cap_counts_grains_and_not_pages(void **state)
{
	struct xv_provider *provider = mmap_on(4096, 65536, 20 * 4096 + 4095);
	uint32_t page = 0;

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096)
		skip();
	assert_int_equal(provider->max_pages, CAPACITY_BYTES / 65536);
	assert_int_equal(pages_left(provider), 1);
	for (uint32_t i = 0; i < 10; i++)
		take(provider, alloc(provider), i, 2);
	assert_int_equal(pages_left(provider), 0);
	assert_int_equal(provider->ops->page_alloc(provider, &page), 0); /* addresses only */
	assert_int_equal(provider->ops->grains_take(provider, page, 0, 1), -XV_ENOMEM);
	give(provider, 3, 3, 1);
	assert_int_equal(provider->ops->grains_take(provider, page, 0, 2), -XV_ENOMEM);
	take(provider, page, 5, 1);
	provider->ops->pages_free(provider, 0, 2);
	take(provider, page, 0, 4);
	assert_int_equal(provider->ops->grains_take(provider, page, 4, 1), -XV_ENOMEM);
	xv_provider_mmap_destroy(provider);
}

static void mmap_small_provider_keeps_its_map_in_one_os_page(void **state)
{
	struct xv_provider_mmap_options options;
	struct xv_provider *provider = NULL;

	(void)state;
	xv_provider_mmap_options_init(&options);
	options.page_bytes = 65536;
	assert_int_equal(xv_provider_mmap_create(&provider, &options), 0);
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t grains = xv_provider_page_grains(provider);
		uint32_t page = alloc(provider);

		if (grains > 1)
			take(provider, page, i % grains, 1);
	}
	assert_int_equal(provider->ops->overhead_bytes(provider), sysconf(_SC_PAGESIZE));
	xv_provider_mmap_destroy(provider);
}

/* What can be read of a page, by grain, as bits. */
static uint32_t usable(struct xv_provider *provider, uint32_t page)
{
	size_t grain_bytes = (size_t)1 << provider->grain_shift;
	const char *at = (const char *)provider->base + ((size_t)page << provider->page_shift);
	uint32_t bits = 0;

	for (uint32_t i = 0; i < xv_provider_page_grains(provider); i++)
		bits |= (uint32_t)(signal_of_reading(at + i * grain_bytes) == 0) << i;
	return bits;
}

/* As on Windows, where the system promises memory for all that is committed. */
static struct xv_provider *mmap_charged(uint32_t page_bytes)
{
	struct xvi_os_facts facts;
	struct xv_provider_mmap_options options;
	struct xv_provider *provider = NULL;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = CAPACITY_BYTES;
	xvi_os_facts_get(&facts);
	facts.huge_page_bytes = 0;
	facts.charges_commits = true;
	assert_int_equal(xvi_provider_mmap_create_on(&provider, &options, &facts), 0);
	return provider;
}

static void mmap_commits_what_is_taken_where_commits_are_charged(void **state)
{
	struct xv_provider *provider = mmap_charged(65536);
	uint32_t page;

	(void)state;
	if (under_valgrind() || xv_provider_page_grains(provider) < 4)
		skip();
	for (uint32_t i = 0; i < 3; i++)
		page = alloc(provider);
	assert_int_equal(usable(provider, page), 0);
	take(provider, page, 1, 3);
	memset(map(provider, page) + ((size_t)1 << provider->grain_shift), 7,
	       (size_t)3 << provider->grain_shift);
	assert_int_equal(usable(provider, page), 0xE);
	assert_int_equal(usable(provider, page - 1), 0);
	give(provider, page, 2, 1);
	assert_int_equal(usable(provider, page), 0xA);
	take(provider, page, 2, 1);
	assert_int_equal(usable(provider, page), 0xE);
	assert_int_equal(provider->ops->pages_free(provider, 0, 3), 0);
	assert_int_equal(usable(provider, page), 0);
	assert_null(provider->ops->meta_purge);
	xv_provider_mmap_destroy(provider);
}

static void mmap_commits_whole_pages_where_commits_are_charged(void **state)
{
	struct xv_provider *provider = mmap_charged(4096);

	(void)state;
	if (under_valgrind() || sysconf(_SC_PAGESIZE) != 4096)
		skip();
	assert_int_equal(alloc(provider), 0);
	assert_int_equal(alloc(provider), 1);
	assert_int_equal(usable(provider, 1), 1);
	assert_int_equal(usable(provider, 2), 0);
	memset(map(provider, 0), 7, 2 * 4096);
	assert_int_equal(provider->ops->pages_free(provider, 0, 1), 0);
	assert_int_equal(usable(provider, 0), 0);
	assert_int_equal(usable(provider, 1), 1);
	assert_int_equal(alloc(provider), 0);
	assert_int_equal(usable(provider, 0), 1);
	xv_provider_mmap_destroy(provider);
}

static void highmem_grain_is_taken_and_given_while_its_page_is_mapped(void **state)
{
	struct xv_provider_highmem_options options = {.page_bytes = 65536, .max_bytes = MIB};
	struct xv_provider *provider = NULL;
	struct xv_provider_highmem_stats stats;
	uint32_t page, grains;
	char *at;

	(void)state;
	assert_int_equal(xv_provider_highmem_create(&provider, &options), 0);
	grains = xv_provider_page_grains(provider);
	page = alloc(provider);
	at = map(provider, page);
	for (uint32_t i = 0; i < grains && grains > 1; i++) {
		size_t bytes = 65536 / grains;

		take(provider, page, i, 1);
		memset(at + i * bytes, (int)i + 1, bytes);
		if (i % 2 != 0)
			give(provider, page, i, 1);
	}
	unmap(provider, page, at);
	xv_provider_highmem_stats(provider, &stats);
	assert_int_equal(stats.backing_bytes, grains > 1 ? 65536 / 2 : 65536);
	assert_int_equal(stats.misuse, 0);
	xv_provider_highmem_destroy(provider);
}

static void highmem_frees_a_run_around_mapped_pages(void **state)
{
	struct xv_provider_highmem_options options = {.max_bytes = 100 * (uint64_t)65536};
	struct xv_provider *provider = NULL;
	struct xv_provider_highmem_stats stats;
	char *first, *second;

	(void)state;
	assert_int_equal(xv_provider_highmem_create(&provider, &options), 0);
	for (uint32_t page = 0; page < 100; page++) {
		uint32_t number;

		assert_int_equal(page_take(provider, &number), 0);
	}
	first = map(provider, 71);
	second = map(provider, 30);
	memset(first, 1, xv_provider_page_bytes(provider));
	memset(second, 2, xv_provider_page_bytes(provider));
	provider->ops->pages_free(provider, 0, 100);
	xv_provider_highmem_stats(provider, &stats);
	assert_int_equal(stats.misuse, 1);
	assert_int_equal(stats.pages, 2);
	assert_int_equal(stats.backing_bytes, 2 * xv_provider_page_bytes(provider));
	assert_true(bytes_are(first, 1, xv_provider_page_bytes(provider)));
	assert_true(bytes_are(second, 2, xv_provider_page_bytes(provider)));
	unmap(provider, 71, first);
	unmap(provider, 30, second);
	provider->ops->pages_free(provider, 30, 1);
	provider->ops->pages_free(provider, 71, 1);
	xv_provider_highmem_stats(provider, &stats);
	assert_int_equal(stats.backing_bytes, 0);
	assert_int_equal(stats.misuse, 1);
	xv_provider_highmem_destroy(provider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmap_grain_follows_the_os_page),
		cmocka_unit_test(mmap_cap_counts_grains_and_not_pages),
		cmocka_unit_test(mmap_small_provider_keeps_its_map_in_one_os_page),
		cmocka_unit_test(mmap_commits_what_is_taken_where_commits_are_charged),
		cmocka_unit_test(mmap_commits_whole_pages_where_commits_are_charged),
		cmocka_unit_test(highmem_grain_is_taken_and_given_while_its_page_is_mapped),
		cmocka_unit_test(highmem_frees_a_run_around_mapped_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
