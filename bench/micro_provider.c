/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_provider.c: what a page costs, apart from any pool.
 *
 *   page/PROVIDER       take a page and memory for its first grain, write a word, give the page
 *                       back; 1,000 more pages are out all the time. Pages are of 64 KiB, the
 *                       buffer's of 4 KiB
 *   window/PROVIDER     map a page that is out and unmap it (highmem; the others' pages
 *                       are always addressable)
 *
 * Locking: none. O(1) an iteration.
 */
#include <string.h>
#include <sys/mman.h>

#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include "micro.h"

#define PAGES_OUT 1000U
#define BUFFER_BYTES ((size_t)64 << 20)

struct source {
	const char *name;
	struct xv_provider *(*create)(void);
	void (*destroy)(struct xv_provider *provider);
};

static struct xv_provider *mmap_create(void)
{
	struct xv_provider *provider = NULL;

	return xv_provider_mmap_create(&provider, NULL) == 0 ? provider : NULL;
}

static struct xv_provider *highmem_create(void)
{
	struct xv_provider *provider = NULL;

	return xv_provider_highmem_create(&provider, NULL) == 0 ? provider : NULL;
}

static struct xv_provider *buffer_create(void)
{
	struct xv_provider *provider = NULL;
	void *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (buffer == MAP_FAILED ||
	    xv_provider_buffer_init(&provider, buffer, BUFFER_BYTES, 4096) != 0)
		return NULL;
	return provider;
}

/* The provider's memory ends with the process: where it began is not to be had of it. */
static void buffer_destroy(struct xv_provider *provider)
{
	(void)provider;
}

static void *page_address(struct xv_provider *provider, uint32_t page)
{
	if (provider->base != NULL)
		return (char *)provider->base + ((size_t)page << provider->page_shift);
	return provider->ops->page_map(provider, page);
}

static void page_done(struct xv_provider *provider, uint32_t page, void *address)
{
	if (provider->base == NULL)
		(void)provider->ops->page_unmap(provider, page, address);
}

static int touch(struct xv_provider *provider, uint32_t page)
{
	void *address = page_address(provider, page);

	if (address == NULL)
		return -1;
	memset(address, 1, sizeof(uint64_t));
	page_done(provider, page, address);
	return 0;
}

static int take(struct xv_provider *provider, uint32_t *page)
{
	uint32_t grains = xv_provider_page_grains(provider);
	int err = provider->ops->page_alloc(provider, page);

	if (err == 0 && grains > 1)
		err = provider->ops->grains_take(provider, *page, 0, 1);
	return err;
}

static int take_and_give(struct xv_provider *provider)
{
	uint32_t page;
	int failures = take(provider, &page);

	if (failures == 0) {
		failures = touch(provider, page);
		provider->ops->pages_free(provider, page, 1);
	}
	return failures;
}

static int map_and_unmap(struct xv_provider *provider, uint32_t page)
{
	void *address = provider->ops->page_map(provider, page);

	return address == NULL ? -1 : provider->ops->page_unmap(provider, page, address);
}

static int take_pages(struct xv_provider *provider, uint32_t *pages)
{
	int failures = 0;

	for (unsigned i = 0; i < PAGES_OUT && failures == 0; i++) {
		failures = take(provider, &pages[i]);
		if (failures == 0)
			failures = touch(provider, pages[i]);
	}
	return failures;
}

static void page_body(struct micro_run *run, const void *context)
{
	const struct source *source = context;
	struct xv_provider *provider = source->create();
	uint32_t pages[PAGES_OUT];

	if (provider == NULL || take_pages(provider, pages) != 0) {
		micro_fail(run, "the provider could not be made");
		return;
	}
	while (micro_keep_running(run, 1)) {
		if (take_and_give(provider) != 0)
			micro_fail(run, "no page");
	}
	source->destroy(provider);
}

static void window_body(struct micro_run *run, const void *context)
{
	const struct source *source = context;
	struct xv_provider *provider = source->create();
	uint32_t pages[PAGES_OUT], turn = 0;

	if (provider == NULL || take_pages(provider, pages) != 0) {
		micro_fail(run, "the provider could not be made");
		return;
	}
	while (micro_keep_running(run, 1)) {
		if (map_and_unmap(provider, pages[turn++ % PAGES_OUT]) != 0)
			micro_fail(run, "no window slot");
	}
	source->destroy(provider);
}

void micro_add_providers(const struct micro_setup *setup)
{
	static const struct source sources[] = {
		{"mmap", mmap_create, xv_provider_mmap_destroy},
		{"highmem", highmem_create, xv_provider_highmem_destroy},
		{"buffer", buffer_create, buffer_destroy},
	};
	struct micro_entry window = {
		.name = "window/highmem", .body = window_body, .context = &sources[1]};
	static const char *const names[] = {"page/mmap", "page/highmem", "page/buffer"};

	(void)setup;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct micro_entry entry = {
			.name = names[i], .body = page_body, .context = &sources[i]};

		micro_register(&entry);
	}
	micro_register(&window);
}
