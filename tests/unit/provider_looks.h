/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * provider_looks.h: providers in child processes whose memory is locked, or whose system calls
 * are refused, and which are looked at from outside.
 */
#ifndef PROVIDER_LOOKS_H
#define PROVIDER_LOOKS_H

#include "refused_support.h"

#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

enum { PAGES = 8192, ADVICE_DONTNEED_LOCKED = 24 };

#define PAGE_BYTES ((size_t)4096)
#define ALL_BYTES (PAGES * PAGE_BYTES)

static inline struct xv_provider *mmap_make(void)
{
	struct xv_provider *provider = NULL;
	struct xv_provider_mmap_options options = {.page_bytes = PAGE_BYTES};

	ENSURE(xv_provider_mmap_create(&provider, &options) == 0);
	return provider;
}

static inline struct xv_provider *highmem_make(void)
{
	struct xv_provider *provider = NULL;
	struct xv_provider_highmem_options options = {.page_bytes = PAGE_BYTES,
						      .max_bytes = ALL_BYTES};

	ENSURE(xv_provider_highmem_create(&provider, &options) == 0);
	return provider;
}

static inline char *page_at(struct xv_provider *provider, uint32_t page)
{
	return provider->base != NULL ? (char *)provider->base + page * PAGE_BYTES
				      : provider->ops->page_map(provider, page);
}

static inline void page_done(struct xv_provider *provider, uint32_t page, char *at)
{
	if (provider->base == NULL)
		ENSURE(provider->ops->page_unmap(provider, page, at) == 0);
}

static inline void fill(struct xv_provider *provider, uint32_t count)
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

static inline void check(struct xv_provider *provider, uint32_t from, uint32_t end)
{
	for (uint32_t page = from; page < end; page++) {
		char *at = page_at(provider, page);

		ENSURE(at != NULL && bytes_are(at, (int)(page % 251) + 1, PAGE_BYTES));
		page_done(provider, page, at);
	}
}

static inline void drop(struct xv_provider *provider, uint32_t from, uint32_t end)
{
	for (uint32_t page = from; page < end; page++)
		provider->ops->pages_free(provider, page, 1);
}

/* What is held while so many pages are handed out. */
static inline uint64_t held(struct xv_provider *provider, uint32_t pages)
{
	return provider->ops->overhead_bytes(provider) + pages * PAGE_BYTES;
}

/* Full, half empty, empty, full again; what is kept is spare, and is used first. */
static inline int fill_drop_and_fill_again(struct xv_provider *provider)
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
	ENSURE(provider->ops->stayed_bytes(provider) == 0);
	look(held(provider, PAGES));
	return 0;
}

/* What calls are refused with, of a test that tries several. */
static int refused_error;

#endif
