/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_provider_no_malloc.c: a program whose malloc is made of a pool needs libraries that do not
 * call malloc. This program's malloc counts, and hands on to the one of glibc. May call: public
 * headers. One thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strdup under -std=c11 */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

void *__libc_malloc(size_t size); /* NOLINT: a name of glibc */

static volatile unsigned mallocs; /* a compiler knows that strdup changes nothing here */

/* Visible, so that libc calls it too. */
XV_API void *malloc(size_t size)
{
	mallocs++;
	return __libc_malloc(size);
}

/* A life of a pool: small, large and resized objects, and all that it gives back. */
static void use(struct xv_provider *provider, uint32_t hardening)
{
	enum { OBJECTS = 500 };
	struct xv_pool_options options;
	struct xv_pool *pool;
	xv_handle handles[OBJECTS];

	xv_pool_options_init(&options);
	options.hardening = hardening;
	options.flags = XV_POOL_SPLIT;
	if (xv_pool_create(&pool, provider, &options) != 0)
		abort();
	for (size_t i = 0; i < OBJECTS; i++) {
		if (xv_malloc(pool, 1 + i * 911 % 100000, &handles[i]) != 0 ||
		    xv_realloc(pool, &handles[i], 1 + i * 577 % 70000) != 0)
			abort();
	}
	for (size_t i = 0; i < OBJECTS; i++)
		(void)xv_free(pool, handles[i]);
	(void)xv_pool_trim(pool);
	xv_pool_destroy(pool);
}

/* Those that libc makes for it. */
static void this_program_counts_its_mallocs(void **state)
{
	char *volatile copy;

	(void)state;
	mallocs = 0;
	copy = strdup("in libc");
	assert_int_equal(mallocs, 1);
	free(copy);
}

static void mmap_and_its_pools_do_not_call_malloc(void **state)
{
	unsigned before = mallocs;

	(void)state;
	for (uint32_t hardening = 0; hardening <= XV_HARDENING_MOST; hardening++) {
		struct xv_provider *provider;

		if (xv_provider_mmap_create(&provider, NULL) != 0)
			abort();
		use(provider, hardening);
		xv_provider_mmap_destroy(provider);
	}
	assert_int_equal(mallocs, before);
}

static void highmem_and_its_pools_do_not_call_malloc(void **state)
{
	struct xv_provider_highmem_options options;
	struct xv_provider *provider;
	unsigned before = mallocs;

	(void)state;
	xv_provider_highmem_options_init(&options);
	if (xv_provider_highmem_create(&provider, &options) != 0)
		abort();
	use(provider, 1);
	xv_provider_highmem_destroy(provider);
	assert_int_equal(mallocs, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_program_counts_its_mallocs),
		cmocka_unit_test(mmap_and_its_pools_do_not_call_malloc),
		cmocka_unit_test(highmem_and_its_pools_do_not_call_malloc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
