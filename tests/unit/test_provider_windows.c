/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Providers on Windows: what the system says of their memory, and that its refusals are errors. The
 * test takes the place of three calls of the system: a definition of what a program imports comes
 * before the import.
 */
#include "provider_support.h"

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include <windows.h>

static bool refuses; /* the system has no memory, and shows nothing */

static void *kernel(const char *name)
{
	return (void *)(uintptr_t)GetProcAddress(GetModuleHandleA("kernel32.dll"), name);
}

static void *WINAPI alloc_or_refuse(void *where, SIZE_T bytes, DWORD type, DWORD protection)
{
	void *(WINAPI * call)(void *, SIZE_T, DWORD, DWORD);

	if (refuses && (type & MEM_COMMIT) != 0)
		return NULL;
	*(void **)&call = kernel("VirtualAlloc");
	return call(where, bytes, type, protection);
}

static HANDLE WINAPI section_or_refuse(HANDLE file, SECURITY_ATTRIBUTES *security, DWORD protection,
				       DWORD high, DWORD low, const wchar_t *name)
{
	HANDLE(WINAPI * call)(HANDLE, SECURITY_ATTRIBUTES *, DWORD, DWORD, DWORD, const wchar_t *);

	if (refuses)
		return NULL;
	*(void **)&call = kernel("CreateFileMappingW");
	return call(file, security, protection, high, low, name);
}

static void *WINAPI view_or_refuse(HANDLE section, DWORD access, DWORD high, DWORD low,
				   SIZE_T bytes)
{
	void *(WINAPI * call)(HANDLE, DWORD, DWORD, DWORD, SIZE_T);

	if (refuses)
		return NULL;
	*(void **)&call = kernel("MapViewOfFile");
	return call(section, access, high, low, bytes);
}

extern void *(WINAPI *__imp_VirtualAlloc)(void *, SIZE_T, DWORD, DWORD);
extern HANDLE(WINAPI *__imp_CreateFileMappingW)(HANDLE, SECURITY_ATTRIBUTES *, DWORD, DWORD, DWORD,
						const wchar_t *);
extern void *(WINAPI *__imp_MapViewOfFile)(HANDLE, DWORD, DWORD, DWORD, SIZE_T);

void *(WINAPI *__imp_VirtualAlloc)(void *, SIZE_T, DWORD, DWORD) = alloc_or_refuse;
HANDLE(WINAPI *__imp_CreateFileMappingW)
(HANDLE, SECURITY_ATTRIBUTES *, DWORD, DWORD, DWORD, const wchar_t *) = section_or_refuse;
void *(WINAPI *__imp_MapViewOfFile)(HANDLE, DWORD, DWORD, DWORD, SIZE_T) = view_or_refuse;

static int refuse_no_more(void **state)
{
	(void)state;
	refuses = false;
	return 0;
}

static struct xv_provider *mmap_of(uint32_t page_bytes)
{
	struct xv_provider_mmap_options options;
	struct xv_provider *provider = NULL;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = 8 * MIB;
	assert_int_equal(xv_provider_mmap_create(&provider, &options), 0);
	return provider;
}

static struct xv_provider *highmem(void)
{
	struct xv_provider *provider = NULL;

	assert_int_equal(xv_provider_highmem_create(&provider, NULL), 0);
	return provider;
}

static void mmap_grain_that_the_system_does_not_commit_is_enomem(void **state)
{
	struct xv_provider *provider = mmap_of(65536);
	uint32_t page;

	(void)state;
	assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	refuses = true;
	assert_int_equal(provider->ops->grains_take(provider, page, 2, 3), -XV_ENOMEM);
	refuses = false;
	assert_int_equal(provider->ops->grains_take(provider, page, 0, 16), 0); /* none was taken */
	memset(provider->base, 1, 65536);
	xv_provider_mmap_destroy(provider);
}

static void page_is_refused_then_given(struct xv_provider *provider)
{
	uint32_t page = 77;

	refuses = true;
	assert_int_equal(provider->ops->page_alloc(provider, &page), -XV_ENOMEM);
	assert_int_equal(page, 77);
	refuses = false;
	assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	assert_int_equal(page, 0);
}

static void mmap_page_that_the_system_does_not_commit_is_enomem(void **state)
{
	struct xv_provider *provider = mmap_of(4096);

	(void)state;
	page_is_refused_then_given(provider);
	xv_provider_mmap_destroy(provider);
}

static void meta_memory_that_the_system_does_not_commit_is_enomem(void **state)
{
	struct xv_provider *provider = mmap_of(65536);
	char *base = provider->ops->meta_reserve(provider, MIB);

	(void)state;
	assert_non_null(base);
	assert_int_equal(provider->ops->meta_commit(provider, base, 0, 4096), 0);
	refuses = true;
	assert_int_equal(provider->ops->meta_commit(provider, base, 4096, 8192), -XV_ENOMEM);
	assert_int_equal(signal_of_reading(base + 4096), SIGSEGV);
	refuses = false;
	assert_int_equal(provider->ops->meta_commit(provider, base, 4096, 8192), 0);
	memset(base, 1, 8192);
	assert_int_equal(provider->ops->meta_commit(provider, base, 8192, 4096), 0);
	assert_int_equal(signal_of_reading(base + 4096), SIGSEGV);
	assert_int_equal(signal_of_reading(base), 0);
	provider->ops->meta_release(provider, base, MIB, 4096);
	xv_provider_mmap_destroy(provider);
}

static void provider_without_memory_for_its_tables_is_enomem(void **state)
{
	struct xv_provider *provider = NULL;

	(void)state;
	refuses = true;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), -XV_ENOMEM);
	assert_int_equal(xv_provider_highmem_create(&provider, NULL), -XV_ENOMEM);
	assert_null(provider);
}

static void huge_pages_change_nothing(void **state)
{
	struct xv_provider_mmap_options options;
	struct xv_provider *provider = NULL;

	(void)state;
	xv_provider_mmap_options_init(&options);
	options.huge_pages = true;
	assert_int_equal(xv_provider_mmap_create(&provider, &options), 0);
	assert_int_equal(xv_provider_page_grains(provider), 16);
	xv_provider_mmap_destroy(provider);
}

static void highmem_page_is_one_grain_and_goes_as_a_whole(void **state)
{
	struct xv_provider *provider = highmem();
	struct xv_provider_highmem_stats stats;
	uint32_t page;

	(void)state;
	assert_int_equal(xv_provider_page_grains(provider), 1);
	assert_null(provider->ops->grains_take);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	xv_provider_highmem_stats(provider, &stats);
	assert_int_equal(stats.backing_bytes, 3 * 65536);
	provider->ops->pages_free(provider, 1, 1);
	xv_provider_highmem_stats(provider, &stats);
	assert_int_equal(stats.backing_bytes, 2 * 65536);
	xv_provider_highmem_destroy(provider);
}

static void highmem_without_a_section_is_enomem(void **state)
{
	struct xv_provider *provider = highmem();

	(void)state;
	page_is_refused_then_given(provider);
	xv_provider_highmem_destroy(provider);
}

static void highmem_map_without_a_view_fails(void **state)
{
	struct xv_provider *provider = highmem();
	struct xv_provider_highmem_stats stats;
	uint32_t page;
	char *at;

	(void)state;
	assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	refuses = true;
	assert_null(provider->ops->page_map(provider, page));
	xv_provider_highmem_stats(provider, &stats);
	assert_int_equal(stats.map_failures, 1);
	assert_int_equal(stats.mapped_now, 0);
	assert_int_equal(stats.copies, 0);
	refuses = false;
	at = provider->ops->page_map(provider, page);
	assert_non_null(at);
	at[65535] = 1;
	assert_int_equal(provider->ops->page_unmap(provider, page, at), 0);
	assert_int_equal(signal_of_reading(at), SIGSEGV);
	xv_provider_highmem_destroy(provider);
}

static void highmem_ends_the_views_of_mapped_pages(void **state)
{
	struct xv_provider *provider = highmem();
	uint32_t page;
	char *at;

	(void)state;
	assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	at = provider->ops->page_map(provider, page);
	assert_non_null(at);
	assert_int_equal(signal_of_reading(at), 0);
	xv_provider_highmem_destroy(provider);
	assert_int_equal(signal_of_reading(at), SIGSEGV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(mmap_grain_that_the_system_does_not_commit_is_enomem,
					  refuse_no_more),
		cmocka_unit_test_teardown(mmap_page_that_the_system_does_not_commit_is_enomem,
					  refuse_no_more),
		cmocka_unit_test_teardown(meta_memory_that_the_system_does_not_commit_is_enomem,
					  refuse_no_more),
		cmocka_unit_test_teardown(provider_without_memory_for_its_tables_is_enomem,
					  refuse_no_more),
		cmocka_unit_test(huge_pages_change_nothing),
		cmocka_unit_test(highmem_page_is_one_grain_and_goes_as_a_whole),
		cmocka_unit_test_teardown(highmem_without_a_section_is_enomem, refuse_no_more),
		cmocka_unit_test_teardown(highmem_map_without_a_view_fails, refuse_no_more),
		cmocka_unit_test(highmem_ends_the_views_of_mapped_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
