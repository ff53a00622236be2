/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_steps_provider.c: what provider.h and the headers of the three providers promise of costs,
 * by steps. May call: public headers. One thread.
 */
#include "steps.h"

#include <stdlib.h>

#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

enum {
	SMALL_PAGES = 256,
	TIMES = 64,
	LARGE_PAGES = TIMES * SMALL_PAGES,
	MOST_PAGES = sizeof(void *) > 4 ? 1 << 20 : 1 << 13,
	BUFFER_PAGE_BYTES = 4096,
};

/* ---- making ---- */

static struct xv_provider *make_mmap(uint64_t pages)
{
	struct xv_provider_mmap_options options;
	struct xv_provider *provider;

	xv_provider_mmap_options_init(&options);
	options.reserve_bytes = pages << 16;
	if (xv_provider_mmap_create(&provider, &options) == -XV_ENOMEM)
		skip(); /* no address space, under valgrind */
	return provider;
}

static struct xv_provider *make_highmem(uint64_t pages)
{
	struct xv_provider_highmem_options options;
	struct xv_provider *provider;

	xv_provider_highmem_options_init(&options);
	options.max_bytes = pages << 16;
	if (xv_provider_highmem_create(&provider, &options) == -XV_ENOMEM)
		skip();
	return provider;
}

static void a_provider_is_made_in_as_many_steps_for_any_size(void **unused)
{
	struct costs small = {0}, large = {0};
	struct xv_provider *provider;

	(void)unused;
	COUNT(&small, "mmap", provider = make_mmap(SMALL_PAGES));
	xv_provider_mmap_destroy(provider);
	COUNT(&large, "mmap", provider = make_mmap(MOST_PAGES));
	xv_provider_mmap_destroy(provider);
	COUNT(&small, "highmem", provider = make_highmem(SMALL_PAGES));
	xv_provider_highmem_destroy(provider);
	COUNT(&large, "highmem", provider = make_highmem(MOST_PAGES));
	xv_provider_highmem_destroy(provider);
	costs_are_constant(&small, &large);
}

/* A few steps for each word of the bitmap, which has a bit for each page. */
static void a_buffer_is_made_in_steps_for_its_pages(void **unused)
{
	uint64_t before, steps[2];

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		size_t bytes = (size_t)BUFFER_PAGE_BYTES * (i == 0 ? SMALL_PAGES : LARGE_PAGES);
		struct xv_provider *provider;
		void *buffer = malloc(bytes);

		assert_non_null(buffer);
		before = steps_taken;
		assert_int_equal(
			xv_provider_buffer_init(&provider, buffer, bytes, BUFFER_PAGE_BYTES), 0);
		steps[i] = steps_taken - before;
		free(buffer);
	}
	assert_in_range(steps[1], 1, steps[0] + 4 * (LARGE_PAGES / 32) + 100);
}

/* ---- operations ---- */

/* All pages are taken; then one that lies anywhere is given back and taken again. */
static void count_operations(struct costs *costs, struct xv_provider *p, uint32_t pages)
{
	uint32_t page;
	void *mapped;

	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(p->ops->page_alloc(p, &page), 0);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t freed = (uint32_t)((uint64_t)i * 7919 % pages);

		COUNT(costs, "pages_free", (void)p->ops->pages_free(p, freed, 1));
		COUNT(costs, "page_alloc", assert_int_equal(p->ops->page_alloc(p, &page), 0));
		assert_int_equal(page, freed);
		if (p->ops->grains_take != NULL) {
			COUNT(costs, "grains_take",
			      assert_int_equal(p->ops->grains_take(p, page, 0, 1), 0));
			COUNT(costs, "grains_give",
			      assert_true(p->ops->grains_give(p, page, 0, 1)));
		}
		if (p->ops->page_map != NULL) {
			COUNT(costs, "page_map", mapped = p->ops->page_map(p, page));
			assert_non_null(mapped);
			COUNT(costs, "page_unmap",
			      assert_int_equal(p->ops->page_unmap(p, page, mapped), 0));
		}
	}
	COUNT(costs, "overhead_bytes", (void)p->ops->overhead_bytes(p));
}

static void an_operation_takes_as_many_steps_among_any_pages(void **unused)
{
	struct costs small = {0}, large = {0};
	struct xv_provider *p;

	(void)unused;
	p = make_mmap(SMALL_PAGES);
	count_operations(&small, p, SMALL_PAGES);
	xv_provider_mmap_destroy(p);
	p = make_mmap(LARGE_PAGES / 4);
	count_operations(&large, p, LARGE_PAGES / 4);
	xv_provider_mmap_destroy(p);
	costs_are_constant(&small, &large);
	small = large = (struct costs){0};
	p = make_highmem(SMALL_PAGES);
	count_operations(&small, p, SMALL_PAGES);
	xv_provider_highmem_destroy(p);
	p = make_highmem(LARGE_PAGES);
	count_operations(&large, p, LARGE_PAGES);
	xv_provider_highmem_destroy(p);
	costs_are_constant(&small, &large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_provider_is_made_in_as_many_steps_for_any_size),
		cmocka_unit_test(a_buffer_is_made_in_steps_for_its_pages),
		cmocka_unit_test(an_operation_takes_as_many_steps_among_any_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
