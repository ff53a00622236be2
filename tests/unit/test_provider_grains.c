/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Grains, on every provider and page size: memory comes and goes by grain, runs of pages
 * go whatever grains they have, and what is said to be held is what is there. And the purge of
 * meta memory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mincore */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* fallocate by the name that the library calls it by */
#endif
#include "provider_support.h"

#include "provider_grains_support.h"
#include "providers.h"

#include <xvmalloc/provider_highmem.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "backing_file.h"
#include "os_memory.h"

#define CAPACITY_BYTES (8 * MIB)

#define SIZES_OF(name, kind, has_base)                                                             \
	{name "/4K", kind, 4096, has_base}, {name "/8K", kind, 8192, has_base},                    \
		{name "/16K", kind, 16384, has_base}, {name "/32K", kind, 32768, has_base},        \
	{                                                                                          \
		name "/64K", kind, 65536, has_base                                                 \
	}

static const struct provider_case cases[] = {
	SIZES_OF("mmap", PROVIDER_MMAP, true),
	SIZES_OF("highmem", PROVIDER_HIGHMEM, false),
	SIZES_OF("buffer", PROVIDER_BUFFER, true),
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

struct fixture {
	const struct provider_case *which;
	struct xv_provider *provider;
	size_t grain_bytes;
	uint32_t grains;
};

static int fixture_make(void **state)
{
	const struct provider_case *which = *state;
	struct fixture *f = calloc(1, sizeof(*f));
	int err;

	if (f == NULL)
		return -1;
	f->which = which;
	err = provider_case_create(which, CAPACITY_BYTES, &f->provider);
	if (err != 0 && err != -XV_ENOTSUP)
		return -1;
	if (err == 0) {
		f->grains = xv_provider_page_grains(f->provider);
		f->grain_bytes = xv_provider_page_bytes(f->provider) / f->grains;
	}
	*state = f;
	return 0;
}

static int fixture_end(void **state)
{
	struct fixture *f = *state;

	provider_case_destroy(f->which, f->provider);
	free(f);
	return 0;
}

#if defined(__linux__) && UINTPTR_MAX > UINT32_MAX && !UNDER_SANITIZER
#define CALLS_ARE_COUNTED true
/* In place of libc's, so that system calls that give memory back can be counted. */
static uint32_t give_calls;

int madvise(void *at, size_t bytes, int advice)
{
	give_calls++;
	return (int)syscall(SYS_madvise, at, bytes, advice);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	give_calls += (mode & FALLOC_FL_PUNCH_HOLE) != 0;
	return (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}
#else
#define CALLS_ARE_COUNTED false
static uint32_t give_calls;
#endif

static struct xv_provider *provider_of(struct fixture *f)
{
	if (f->provider == NULL)
		skip(); /* pages smaller than the OS page */
	return f->provider;
}

static struct xv_provider *provider_with_grains(struct fixture *f)
{
	if (f->provider == NULL || f->grains == 1)
		skip();
	return f->provider;
}

static void fill_grains(struct fixture *f, uint32_t page, uint32_t first, uint32_t count, int value)
{
	char *at = map(f->provider, page);

	memset(at + first * f->grain_bytes, value, count * f->grain_bytes);
	unmap(f->provider, page, at);
}

static void check_grains(struct fixture *f, uint32_t page, uint32_t first, uint32_t count,
			 int value)
{
	char *at = map(f->provider, page);

	assert_true(bytes_are(at + first * f->grain_bytes, value, count * f->grain_bytes));
	unmap(f->provider, page, at);
}

/* There are so many bytes under the first pages, as the system tells. qemu-user with larger pages
 * tells of its host's pages instead, and writes as many bytes. */
static void assert_memory_under(struct fixture *f, uint32_t pages, size_t expected)
{
	size_t os_page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)pages << f->provider->page_shift;
	struct xv_provider_highmem_stats stats;
	unsigned char in_core[16384];
	size_t resident = 0;

	if (f->which->kind == PROVIDER_HIGHMEM) {
		xv_provider_highmem_stats(f->provider, &stats);
		assert_int_equal(stats.backing_bytes, expected);
		return;
	}
	assert_true(bytes / 4096 < sizeof(in_core));
	memset(in_core, 0xAA, sizeof(in_core));
	assert_int_equal(mincore(f->provider->base, bytes, in_core), 0);
	if (in_core[bytes / os_page] != 0xAA)
		return;
	for (size_t i = 0; i < bytes / os_page; i++)
		resident += (in_core[i] & 1) != 0 ? os_page : 0;
	assert_int_equal(resident, expected);
}

static void grain_is_the_os_page_or_the_page(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_of(f);
	size_t os_page = (size_t)sysconf(_SC_PAGESIZE);
	size_t page_bytes = xv_provider_page_bytes(provider);
	size_t expected = os_page > page_bytes / 16 ? os_page : page_bytes / 16;

	if (f->which->kind == PROVIDER_HIGHMEM)
		expected = xvi_backing_unit_bytes(page_bytes, expected);
	if (f->which->kind == PROVIDER_BUFFER || expected > page_bytes)
		expected = page_bytes;
	assert_int_equal(f->grain_bytes, expected);
	assert_int_equal((size_t)1 << provider->grain_shift, expected);
	assert_int_equal(provider->ops->grains_take != NULL, f->grains > 1);
	assert_int_equal(provider->ops->grains_give != NULL, f->grains > 1);
}

static void grain_has_no_memory_before_it_is_taken_and_after_it_is_given(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_with_grains(f);

	for (uint32_t page = 0; page < 32; page++)
		assert_int_equal(alloc(provider), page);
	assert_memory_under(f, 32, 0);
	for (uint32_t page = 0; page < 32; page++) {
		take(provider, page, page % f->grains, 1);
		fill_grains(f, page, page % f->grains, 1, (int)page + 1);
	}
	assert_memory_under(f, 32, 32 * f->grain_bytes);
	for (uint32_t page = 0; page < 32; page += 2)
		give(provider, page, page % f->grains, 1);
	assert_memory_under(f, 32, 16 * f->grain_bytes);
	for (uint32_t page = 1; page < 32; page += 2)
		check_grains(f, page, page % f->grains, 1, (int)page + 1);
	assert_int_equal(provider->ops->stayed_bytes(provider), 0);
}

static void grains_are_taken_and_given_in_any_parts(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_with_grains(f);
	uint32_t half = f->grains / 2;
	uint32_t page = alloc(provider);

	take(provider, page, half, f->grains - half);
	fill_grains(f, page, half, f->grains - half, 1);
	take(provider, page, 0, half);
	fill_grains(f, page, 0, half, 2);
	give(provider, page, half - 1, 2); /* one of each */
	check_grains(f, page, 0, half - 1, 2);
	check_grains(f, page, half + 1, f->grains - half - 1, 1);
	assert_memory_under(f, 1, (f->grains - 2) * f->grain_bytes);
	take(provider, page, half - 1, 2);
	give(provider, page, 0, f->grains);
	assert_memory_under(f, 1, 0);
	/* The page is still handed out. */
	assert_int_equal(alloc(provider), page + 1);
	take(provider, page, 0, f->grains);
}

static void grains_that_are_not_so_are_refused_and_nothing_changes(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_with_grains(f);
	const struct xv_provider_ops *ops = provider->ops;
	uint32_t page = alloc(provider);

	take(provider, page, 1, 1);
	fill_grains(f, page, 1, 1, 7);
	assert_int_equal(ops->grains_take(provider, page, 0, 2), -XV_EINVAL);
	assert_int_equal(ops->grains_take(provider, page, 1, 1), -XV_EINVAL);
	assert_int_equal(ops->grains_take(provider, page, 0, 0), -XV_EINVAL);
	assert_int_equal(ops->grains_take(provider, page, f->grains, 1), -XV_EINVAL);
	assert_int_equal(ops->grains_take(provider, page, 0, f->grains + 1), -XV_EINVAL);
	assert_int_equal(ops->grains_take(provider, page, 1, UINT32_MAX), -XV_EINVAL);
	assert_int_equal(ops->grains_take(provider, page + 1, 0, 1), -XV_EINVAL);
	assert_int_equal(ops->grains_take(provider, UINT32_MAX, 0, 1), -XV_EINVAL);
	assert_false(ops->grains_give(provider, page, 0, 1));
	assert_false(ops->grains_give(provider, page, 0, 2));
	assert_false(ops->grains_give(provider, page, 1, 0));
	assert_false(ops->grains_give(provider, page, 1, f->grains));
	assert_false(ops->grains_give(provider, page + 1, 1, 1));
	assert_false(ops->grains_give(provider, UINT32_MAX, 1, 1));
	check_grains(f, page, 1, 1, 7);
	assert_memory_under(f, 1, f->grain_bytes);
}

static void run_of_pages_goes_with_whatever_grains_it_has(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_of(f);
	uint64_t available = pages_left(provider);
	size_t overhead;

	(void)alloc(provider);
	provider->ops->pages_free(provider, 0, 1);
	overhead = provider->ops->overhead_bytes(provider);
	for (uint32_t page = 0; page < 64; page++) {
		assert_int_equal(alloc(provider), page);
		if (f->grains > 1 && page % 3 != 0)
			take(provider, page, page % f->grains, 1);
		if (f->grains == 1)
			fill_grains(f, page, 0, 1, 9);
		else if (page % 3 != 0)
			fill_grains(f, page, page % f->grains, 1, 9);
	}
	provider->ops->pages_free(provider, 10, 40);
	for (uint32_t page = 0; page < 64; page++) {
		if ((page < 10 || page >= 50) && (f->grains == 1 || page % 3 != 0))
			check_grains(f, page, f->grains == 1 ? 0 : page % f->grains, 1, 9);
	}
	assert_int_equal(alloc(provider), 10);
	provider->ops->pages_free(provider, 0, 64); /* with 11 .. 49 free already */
	if (f->which->kind != PROVIDER_BUFFER)
		assert_memory_under(f, 64, 0);
	assert_int_equal(pages_left(provider), available);
	assert_int_equal(provider->ops->overhead_bytes(provider), overhead);
	provider->ops->pages_free(provider, 60, UINT32_MAX);
	assert_int_equal(pages_left(provider), available);
}

static void run_of_pages_goes_in_one_call(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_of(f);

	if (!CALLS_ARE_COUNTED || f->which->kind == PROVIDER_BUFFER)
		skip();
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t page;

		assert_int_equal(page_take(provider, &page), 0);
	}
	give_calls = 0;
	provider->ops->pages_free(provider, 1, 98);
	assert_int_equal(give_calls, 1);
	provider->ops->pages_free(provider, 0, 100);
	assert_int_equal(give_calls, 3);
}

static void page_taken_again_has_no_grains_again(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_with_grains(f);
	uint32_t page = alloc(provider);

	take(provider, page, 0, f->grains);
	provider->ops->pages_free(provider, page, 1);
	assert_int_equal(alloc(provider), page);
	assert_false(provider->ops->grains_give(provider, page, 0, 1));
	take(provider, page, 0, f->grains);
}

/* What each grain of each page holds: 0 = not taken. */
static void grains_agree_with_a_shadow_over_random_operations(void **state)
{
	enum { PAGES = 40, OPERATIONS = 20000 };
	struct fixture *f = *state;
	struct xv_provider *provider = provider_with_grains(f);
	uint64_t random = test_seed(f->which->name);
	static unsigned char shadow[PAGES][16];
	bool out[PAGES] = {false};

	memset(shadow, 0, sizeof(shadow));
	for (int i = 0; i < OPERATIONS; i++) {
		uint32_t page = (uint32_t)(test_random(&random) % PAGES);
		uint32_t first = (uint32_t)(test_random(&random) % f->grains);
		uint32_t count = 1 + (uint32_t)(test_random(&random) % (f->grains - first));
		uint32_t taken = 0;

		for (uint32_t g = first; g < first + count; g++)
			taken += shadow[page][g] != 0;
		if (!out[page]) {
			page = alloc(provider);
			assert_true(page < PAGES && !out[page]);
			out[page] = true;
		} else if (test_random(&random) % 16 == 0) {
			provider->ops->pages_free(provider, page, 1);
			memset(shadow[page], 0, sizeof(shadow[page]));
			out[page] = false;
		} else if (taken == 0) {
			int value = 1 + (int)(test_random(&random) % 255);

			take(provider, page, first, count);
			fill_grains(f, page, first, count, value);
			memset(&shadow[page][first], value, count);
		} else if (taken == count) {
			for (uint32_t g = first; g < first + count; g++)
				check_grains(f, page, g, 1, shadow[page][g]);
			give(provider, page, first, count);
			memset(&shadow[page][first], 0, count);
		} else {
			assert_int_equal(provider->ops->grains_take(provider, page, first, count),
					 -XV_EINVAL);
			assert_false(provider->ops->grains_give(provider, page, first, count));
		}
	}
	for (uint32_t page = 0; page < PAGES; page++) {
		for (uint32_t g = 0; g < f->grains; g++) {
			if (shadow[page][g] != 0)
				check_grains(f, page, g, 1, shadow[page][g]);
		}
	}
	provider->ops->pages_free(provider, 0, PAGES);
	assert_memory_under(f, PAGES, 0);
	assert_int_equal(provider->ops->stayed_bytes(provider), 0);
}

/* ---- meta memory with holes ---- */

static void purged_meta_reads_as_zero_and_the_rest_is_unchanged(void **state)
{
	struct fixture *f = *state;
	struct xv_provider *provider = provider_of(f);
	size_t os_page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = 16 * os_page;
	size_t before;
	char *base;

	if (provider->ops->meta_purge == NULL) {
		struct xvi_os_facts facts;

		xvi_os_facts_get(&facts);
		assert_true(f->which->kind == PROVIDER_BUFFER || facts.charges_commits);
		skip();
	}
	base = provider->ops->meta_reserve(provider, bytes);
	assert_non_null(base);
	assert_int_equal(provider->ops->meta_commit(provider, base, 0, bytes), 0);
	before = provider->ops->overhead_bytes(provider);
	memset(base, 0xAB, bytes);
	/* From within page 2 to within page 10: pages 3 to 9 go. */
	assert_int_equal(provider->ops->meta_purge(provider, base, 2 * os_page + 1, 8 * os_page),
			 7 * os_page);
	assert_true(bytes_are(base, 0xAB, 3 * os_page));
	assert_true(bytes_are(base + 3 * os_page, 0, 7 * os_page));
	assert_true(bytes_are(base + 10 * os_page, 0xAB, 6 * os_page));
	assert_int_equal(provider->ops->meta_purge(provider, base, 1, os_page), 0);
	assert_int_equal(provider->ops->meta_purge(provider, base, os_page, os_page - 1), 0);
	assert_int_equal(provider->ops->meta_purge(provider, base, os_page, 0), 0);
	assert_true(bytes_are(base, 0xAB, 3 * os_page));
	memset(base + 3 * os_page, 0xCD, 7 * os_page);
	assert_true(bytes_are(base + 3 * os_page, 0xCD, 7 * os_page));
	assert_int_equal(provider->ops->overhead_bytes(provider), before);
	provider->ops->meta_release(provider, base, bytes, bytes);
}

#define BEHAVIOUR(function)                                                                        \
	{                                                                                          \
#function, function                                                                \
	}

static const struct {
	const char *name;
	void (*function)(void **state);
} behaviours[] = {
	BEHAVIOUR(grain_is_the_os_page_or_the_page),
	BEHAVIOUR(grain_has_no_memory_before_it_is_taken_and_after_it_is_given),
	BEHAVIOUR(grains_are_taken_and_given_in_any_parts),
	BEHAVIOUR(grains_that_are_not_so_are_refused_and_nothing_changes),
	BEHAVIOUR(run_of_pages_goes_with_whatever_grains_it_has),
	BEHAVIOUR(run_of_pages_goes_in_one_call),
	BEHAVIOUR(page_taken_again_has_no_grains_again),
	BEHAVIOUR(grains_agree_with_a_shadow_over_random_operations),
	BEHAVIOUR(purged_meta_reads_as_zero_and_the_rest_is_unchanged),
};

#define BEHAVIOURS (sizeof(behaviours) / sizeof(behaviours[0]))

int main(void)
{
	static struct CMUnitTest tests[CASES * BEHAVIOURS];
	static char names[CASES * BEHAVIOURS][120];
	size_t count = 0;

	for (size_t i = 0; i < CASES; i++) {
		for (size_t j = 0; j < BEHAVIOURS; j++) {
			snprintf(names[count], sizeof(names[count]), "%s %s", cases[i].name,
				 behaviours[j].name);
			tests[count] = (struct CMUnitTest){
				.name = names[count],
				.test_func = behaviours[j].function,
				.setup_func = fixture_make,
				.teardown_func = fixture_end,
				.initial_state = (void *)(uintptr_t)&cases[i],
			};
			count++;
		}
	}
	return _cmocka_run_group_tests("grains", tests, count, NULL, NULL);
}
