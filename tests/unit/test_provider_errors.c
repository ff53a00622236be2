/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Whatever a system says when it refuses a provider's call, the provider says -XV_ENOMEM, or
 * nothing is wrong: no error outside errors.h comes out. Each case is a child process.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MCL_*, MAP_ANONYMOUS */
#endif
#include "refused_support.h"

#include "providers.h"

static uint32_t refused_error;
static size_t refused_case;

static bool is_of_the_table(int err)
{
	return err == 0 || err == -XV_ENOMEM;
}

static struct xv_provider *provider_make(void)
{
	struct xv_provider *provider = NULL;

	ENSURE(provider_case_create(&provider_cases[refused_case], 16 * MIB, &provider) == 0);
	return provider;
}

static int without_mprotect(void)
{
	struct xv_provider *provider = provider_make();
	uint32_t page = 7;
	void *meta = provider->ops->meta_reserve(provider, MIB);
	size_t overhead;
	int err;

	ENSURE(meta != NULL);
	must_refuse(SYS_mprotect, REFUSE_ANY, 0, (int)refused_error);
	overhead = provider->ops->overhead_bytes(provider);
	ENSURE(provider->ops->meta_commit(provider, meta, 0, 100) == -XV_ENOMEM);
	ENSURE(provider->ops->overhead_bytes(provider) == overhead);
	err = provider->ops->page_alloc(provider, &page);
	ENSURE(err == 0 || (err == -XV_ENOMEM && page == 7));
	ENSURE((err == 0) == (provider_cases[refused_case].kind == PROVIDER_HIGHMEM));
	return 0;
}

/* Neither ahead of use nor by length does the file get space. */
static int without_growth(void)
{
	struct xv_provider *provider = provider_make();
	uint32_t page;

	must_refuse(SYS_fallocate, REFUSE_ANY, 0, (int)refused_error);
	must_refuse(SYS_ftruncate, REFUSE_ANY, 0, (int)refused_error);
	for (int i = 0; i < 3; i++)
		ENSURE(is_of_the_table(page_take(provider, &page)));
	return 0;
}

static int without_space(void)
{
	struct xv_provider *provider = provider_make();
	uint32_t page;

	must_refuse(SYS_fallocate, REFUSE_ANY, 0, (int)refused_error);
	for (int i = 0; i < 3; i++)
		ENSURE(is_of_the_table(page_take(provider, &page)));
	return 0;
}

static int without_maps(void)
{
	struct xv_provider *provider = NULL;

	must_refuse(REFUSE_MMAP, REFUSE_ANY, 0, (int)refused_error);
	ENSURE(provider_case_create(&provider_cases[refused_case], 16 * MIB, &provider) ==
	       -XV_ENOMEM);
	return 0;
}

static int without_files(void)
{
	struct xv_provider *provider = NULL;

	must_refuse(SYS_memfd_create, REFUSE_ANY, 0, (int)refused_error);
	must_refuse(SYS_openat, REFUSE_ANY, 0, (int)refused_error);
#if defined(SYS_open)
	must_refuse(SYS_open, REFUSE_ANY, 0, (int)refused_error);
#endif
	ENSURE(is_of_the_table(
		provider_case_create(&provider_cases[refused_case], 16 * MIB, &provider)));
	return 0;
}

/* The case of every provider over a system, with every error. */
static void refused_all(int (*child)(void))
{
	static const uint32_t errors[] = {EPERM, EACCES, ENOSYS, EAGAIN, EIO, EMFILE, ENOENT};

	if (under_valgrind() || UNDER_SANITIZER)
		skip(); /* they make such calls themselves */
	for (refused_case = 0; refused_case < PROVIDER_CASES; refused_case++) {
		if (provider_cases[refused_case].kind == PROVIDER_BUFFER)
			continue;
		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
			struct looks looks;

			refused_error = errors[i];
			looks = look_at(child);
			if (looks.status == LOOK_SKIPPED)
				skip();
			assert_int_equal(looks.status, 0);
		}
	}
}

static void a_refused_mprotect_is_no_memory(void **state)
{
	(void)state;
	refused_all(without_mprotect);
}

static void a_file_that_cannot_grow_is_no_memory(void **state)
{
	(void)state;
	refused_all(without_growth);
}

static void a_file_without_space_ahead_is_no_memory_or_goes_on(void **state)
{
	(void)state;
	refused_all(without_space);
}

static void a_refused_map_makes_no_provider(void **state)
{
	(void)state;
	refused_all(without_maps);
}

static void a_refused_file_makes_no_provider(void **state)
{
	(void)state;
	refused_all(without_files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_mprotect_is_no_memory),
		cmocka_unit_test(a_file_that_cannot_grow_is_no_memory),
		cmocka_unit_test(a_file_without_space_ahead_is_no_memory_or_goes_on),
		cmocka_unit_test(a_refused_map_makes_no_provider),
		cmocka_unit_test(a_refused_file_makes_no_provider),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
