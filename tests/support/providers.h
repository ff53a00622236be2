/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * providers.h: every provider at every page size, for suites that run over all of
 * them.
 *
 *	for (size_t i = 0; i < PROVIDER_CASES; i++) {
 *		struct xv_provider *provider;
 *
 *		if (provider_case_create(&provider_cases[i], 16 << 20, &provider) != 0)
 *			continue;
 *		... provider_cases[i].name says which in messages ...
 *		provider_case_destroy(&provider_cases[i], provider);
 *	}
 */
#ifndef TEST_PROVIDERS_H
#define TEST_PROVIDERS_H

#include <xvmalloc/provider.h>

enum provider_kind {
	PROVIDER_MMAP,
	PROVIDER_HIGHMEM,
	PROVIDER_BUFFER,
};

struct provider_case {
	const char *name; /* such as "highmem/16K" */
	enum provider_kind kind;
	uint32_t page_bytes;
	bool has_base; /* pages are always addressable */
};

#define PROVIDER_CASES 9U

extern const struct provider_case provider_cases[PROVIDER_CASES];

/*
 * Make a provider for about bytes of pages; *out is untouched on error. Returns what
 * the provider's own call returns, and -XV_ENOTSUP for pages smaller than the OS
 * page where the provider cannot have them. The buffer provider's buffer starts at
 * an odd address and has room for the tables of a pool beside the pages.
 */
int provider_case_create(const struct provider_case *which, size_t bytes, struct xv_provider **out);

/* The system's unit of memory. */
size_t os_page_bytes(void);

/* Do several pages lie in an OS page? The memory of one that was freed then stays while others
 * are used, and counts. What figures come to is test_pool_os_page's. */
bool provider_case_shares_os_pages(const struct provider_case *which);

/* Where tests are to be shorter (XV_TEST_SHORTER), each runs with one size of highmem's pages, and
 * they take turns: this test's is `turn`. Where the system's pages are larger than the smallest,
 * not all sizes are there, and no test leaves one out. */
bool provider_case_has_turn(const struct provider_case *which, size_t turn);

/* End it, its buffer included. NULL is allowed. */
void provider_case_destroy(const struct provider_case *which, struct xv_provider *provider);

#endif
