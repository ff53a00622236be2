/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pool_hardening_support.h: a pool over mmap that tells what it finds overwritten. May call: public
 * headers. One thread.
 */
#ifndef POOL_HARDENING_SUPPORT_H
#define POOL_HARDENING_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

enum { OBJECTS = 40, SIZE = 4000, KEPT = 64 };

static struct xv_provider *provider;
static struct xv_pool *pool;
static xv_handle handles[OBJECTS];

static struct {
	unsigned calls;
	uint32_t page;
	uint32_t offset;
	const char *message;
} told;

static inline void corrupted(void *context, uint32_t page, uint32_t offset, const char *message)
{
	assert_ptr_equal(context, &told);
	told.calls++;
	told.page = page;
	told.offset = offset;
	told.message = message;
}

static inline int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context, (void)owner, (void)from, (void)to;
	return 0;
}

static inline void pool_open(uint32_t hardening, uint32_t flags, uint32_t seed)
{
	static const struct xv_owner_ops owner_ops = {.relocated = relocated};
	struct xv_pool_options options;

	memset(&told, 0, sizeof(told));
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	xv_pool_options_init(&options);
	assert_int_equal(options.hardening, 1);
	options.hardening = hardening;
	options.flags = flags;
	options.owner_ops = (flags & XV_POOL_OWNERS) != 0 ? &owner_ops : NULL;
	options.seed = seed;
	options.shards = 1;
	options.corrupted = corrupted;
	options.corrupted_context = &told;
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
}

static inline void pool_close(void)
{
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

static inline unsigned char *bytes_of(xv_handle handle)
{
	unsigned char *bytes = xv_address_of(pool, handle);

	assert_non_null(bytes);
	return bytes;
}

static inline void make_objects(void)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		assert_int_equal(xv_malloc(pool, SIZE, &handles[i]), 0);
		memset(bytes_of(handles[i]), (int)i + 1, SIZE);
	}
}

#endif
