/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * provider_grains_support.h: the calls of a provider that must succeed in tests of its grains.
 * Include after cmocka.h.
 */
#ifndef PROVIDER_GRAINS_SUPPORT_H
#define PROVIDER_GRAINS_SUPPORT_H

#include <xvmalloc/provider.h>

static inline uint32_t alloc(struct xv_provider *provider)
{
	uint32_t page = UINT32_MAX;

	assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	return page;
}

static inline void take(struct xv_provider *provider, uint32_t page, uint32_t first, uint32_t count)
{
	assert_int_equal(provider->ops->grains_take(provider, page, first, count), 0);
}

static inline void give(struct xv_provider *provider, uint32_t page, uint32_t first, uint32_t count)
{
	assert_true(provider->ops->grains_give(provider, page, first, count));
}

static inline char *map(struct xv_provider *provider, uint32_t page)
{
	char *at = provider->ops->page_map(provider, page);

	assert_non_null(at);
	return at;
}

static inline void unmap(struct xv_provider *provider, uint32_t page, char *at)
{
	assert_int_equal(provider->ops->page_unmap(provider, page, at), 0);
}

#endif
