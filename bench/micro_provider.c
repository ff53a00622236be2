/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_provider.c: what a page costs, apart from any pool.
 *
 *   page/PROVIDER   take a page of 64 KiB and memory for its first grain, write a word, give
 *                   the page back; 1,000 more pages are out all the time
 *
 * Locking: none. O(1) an iteration.
 */
#include <string.h>

#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include "micro.h"

#define PAGES_OUT 1000U

struct source {
	const char *name;
	int (*create)(struct xv_provider **provider);
	void (*destroy)(struct xv_provider *provider);
};

static int mmap_create(struct xv_provider **provider)
{
	return xv_provider_mmap_create(provider, NULL);
}

static int highmem_create(struct xv_provider **provider)
{
	return xv_provider_highmem_create(provider, NULL);
}

static void *page_address(struct xv_provider *provider, uint32_t page)
{
	if (provider->base != NULL)
		return (char *)provider->base + ((size_t)page << provider->page_shift);
	return provider->ops->page_map(provider, page);
}

static int touch(struct xv_provider *provider, uint32_t page)
{
	void *address = page_address(provider, page);

	if (address == NULL)
		return -1;
	memset(address, 1, sizeof(uint64_t));
	return provider->base != NULL ? 0 : provider->ops->page_unmap(provider, page, address);
}

static int take(struct xv_provider *provider, uint32_t *page)
{
	int err = provider->ops->page_alloc(provider, page);

	if (err == 0)
		err = provider->ops->grains_take(provider, *page, 0, 1);
	return err == 0 ? touch(provider, *page) : err;
}

static void page_body(struct micro_run *run, void *context)
{
	const struct source *source = context;
	struct xv_provider *provider;
	uint32_t page;
	int failures = source->create(&provider);

	if (failures != 0) {
		micro_fail(run, "the provider could not be made");
		return;
	}
	for (unsigned i = 0; i < PAGES_OUT; i++)
		failures |= take(provider, &page);
	while (failures == 0 && micro_keep_running(run, 1)) {
		failures = take(provider, &page);
		provider->ops->pages_free(provider, page, 1);
	}
	source->destroy(provider);
	micro_check(run, failures);
}

void micro_add_providers(void)
{
	static struct source sources[] = {
		{"page/mmap", mmap_create, xv_provider_mmap_destroy},
		{"page/highmem", highmem_create, xv_provider_highmem_destroy},
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		micro_register(sources[i].name, page_body, &sources[i], 1, 0);
}
