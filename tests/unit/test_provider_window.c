/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The highmem provider where the system does not show a page in the window: maps are served
 * through copies, all of a page see the same bytes, and nothing is lost.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MCL_*, MAP_ANONYMOUS */
#endif
#include "refused_support.h"

#include <stdio.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_highmem.h>

enum { PAGES = 40, SLOTS = 4 };

static uint32_t page_bytes; /* of the provider that is made next */

static struct xv_provider *make(void)
{
	struct xv_provider_highmem_options options = {
		.page_bytes = page_bytes, .max_bytes = 16 * MIB, .window_slots = SLOTS};
	struct xv_provider *provider = NULL;

	ENSURE(xv_provider_highmem_create(&provider, &options) == 0);
	return provider;
}

static struct xv_provider_highmem_stats stats_of(struct xv_provider *provider)
{
	struct xv_provider_highmem_stats stats;

	xv_provider_highmem_stats(provider, &stats);
	return stats;
}

static char *map(struct xv_provider *provider, uint32_t page)
{
	char *at = provider->ops->page_map(provider, page);

	ENSURE(at != NULL && (uintptr_t)at % 256 == 0);
	return at;
}

static void unmap(struct xv_provider *provider, uint32_t page, char *at)
{
	ENSURE(provider->ops->page_unmap(provider, page, at) == 0);
}

static void fill(struct xv_provider *provider, uint32_t page, int value)
{
	char *at = map(provider, page);

	memset(at, value, page_bytes);
	unmap(provider, page, at);
}

static void check(struct xv_provider *provider, uint32_t page, int value)
{
	char *at = map(provider, page);

	ENSURE(bytes_are(at, value, page_bytes));
	unmap(provider, page, at);
}

static void take_and_fill(struct xv_provider *provider, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = UINT32_MAX;

		ENSURE(page_take(provider, &page) == 0 && page == i);
		fill(provider, page, (int)page + 1);
	}
}

/* Locked memory is at its limit: not even a page can be mapped. */
static void allow_no_more_locked_memory(void)
{
	struct rlimit limit = {0, 0};

	ENSURE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (getuid() == 0 && setuid(65534) != 0)
		_exit(LOOK_SKIPPED);
	if (mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0) != MAP_FAILED)
		_exit(LOOK_SKIPPED);
}

static void refuse_maps(void)
{
	must_refuse(REFUSE_MMAP, REFUSE_ANY, 0, ENOMEM);
}

/* Every mapping that the system allows is made. */
/* May there be more mappings than 32 bits have pages? Then addresses run out first, for copies too.
 */
static bool addresses_run_out_first(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
	long most = 0;

	if (file == NULL)
		return false;
	if (fscanf(file, "%ld", &most) != 1)
		most = 0;
	fclose(file);
	return sizeof(void *) == 4 && most > 1 << 19;
}

static void use_up_maps(void)
{
	if (addresses_run_out_first())
		_exit(LOOK_SKIPPED);
	for (long i = 0; i < 2000000; i++) {
		int protection = i % 2 == 0 ? PROT_NONE : PROT_READ;

		if (mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), protection,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return;
	}
	_exit(LOOK_SKIPPED);
}

static void (*make_maps_fail)(void);

static int maps_go_on(void)
{
	struct xv_provider *provider;
	char *window, *first, *second;

	if (make_maps_fail == allow_no_more_locked_memory)
		lock_all(MCL_FUTURE);
	provider = make();
	take_and_fill(provider, PAGES);
	window = map(provider, 5);
	make_maps_fail();
	for (uint32_t page = 0; page < PAGES; page++)
		check(provider, page, (int)page + 1);
	ENSURE(stats_of(provider).copies == PAGES - 1); /* page 5 is in the window */
	/* All maps of a page see the same bytes. */
	first = map(provider, 7);
	second = map(provider, 7);
	ENSURE(first == second);
	memset(first, 0x77, page_bytes);
	unmap(provider, 7, first);
	ENSURE(bytes_are(second, 0x77, page_bytes));
	second[100] = 1;
	unmap(provider, 7, second);
	ENSURE(provider->ops->page_unmap(provider, 7, second) == -XV_EINVAL);
	first = map(provider, 7);
	ENSURE(first[99] == 0x77 && first[100] == 1);
	unmap(provider, 7, first);
	/* So they do in the window. */
	memset(window, 0x55, page_bytes);
	check(provider, 5, 0x55);
	unmap(provider, 5, window);
	check(provider, 5, 0x55);
	ENSURE(stats_of(provider).map_failures == 0 && stats_of(provider).mapped_now == 0);
	return 0;
}

static void check_child(int (*act)(void))
{
	struct looks looks = look_at(act);

	if (looks.status == LOOK_SKIPPED)
		skip();
	assert_int_equal(looks.status, 0);
}

static void check_at_all_page_sizes(int (*act)(void))
{
	if (memory_cannot_be_looked_at())
		skip();
	for (page_bytes = (uint32_t)sysconf(_SC_PAGESIZE); page_bytes <= 65536; page_bytes *= 2)
		check_child(act);
}

static void maps_go_on_at_the_limit_of_locked_memory(void **state)
{
	(void)state;
	make_maps_fail = allow_no_more_locked_memory;
	check_at_all_page_sizes(maps_go_on);
}

static void maps_go_on_where_mapping_is_refused(void **state)
{
	(void)state;
	make_maps_fail = refuse_maps;
	check_at_all_page_sizes(maps_go_on);
}

static void maps_go_on_without_any_mapping_left(void **state)
{
	(void)state;
	make_maps_fail = use_up_maps;
	check_at_all_page_sizes(maps_go_on);
}

static int slots_run_out(void)
{
	struct xv_provider *provider = make();
	char *at[SLOTS];

	take_and_fill(provider, PAGES);
	refuse_maps();
	for (uint32_t page = 0; page < SLOTS; page++)
		at[page] = map(provider, page);
	ENSURE(provider->ops->page_map(provider, SLOTS) == NULL);
	ENSURE(stats_of(provider).map_failures == 1);
	unmap(provider, 2, at[2]);
	check(provider, SLOTS, SLOTS + 1);
	ENSURE(stats_of(provider).misuse == 0);
	/* Every buffer was used by now, and counts. */
	ENSURE(provider->ops->overhead_bytes(provider) >= SLOTS * (size_t)page_bytes);
	return 0;
}

static void only_slots_limit_maps_through_copies(void **state)
{
	(void)state;
	check_at_all_page_sizes(slots_run_out);
}

/* Grains come and go under a copy; those that are gone stay so. */
static int grains_under_a_copy(void)
{
	struct xv_provider *provider = make();
	uint32_t grains = xv_provider_page_grains(provider);
	size_t grain_bytes = page_bytes / grains;
	uint32_t page;
	char *at;

	if (grains < 4)
		return 0;
	ENSURE(provider->ops->page_alloc(provider, &page) == 0);
	ENSURE(provider->ops->grains_take(provider, page, 0, 3) == 0);
	at = map(provider, page);
	memset(at, 1, 3 * grain_bytes);
	unmap(provider, page, at);
	refuse_maps();
	at = map(provider, page);
	ENSURE(bytes_are(at, 1, 3 * grain_bytes));
	ENSURE(provider->ops->grains_give(provider, page, 1, 1));
	ENSURE(provider->ops->grains_take(provider, page, 3, 1) == 0);
	memset(at + 3 * grain_bytes, 2, grain_bytes);
	unmap(provider, page, at);
	ENSURE(stats_of(provider).backing_bytes == 3 * grain_bytes);
	at = map(provider, page);
	ENSURE(bytes_are(at, 1, grain_bytes));
	ENSURE(bytes_are(at + 2 * grain_bytes, 1, grain_bytes));
	ENSURE(bytes_are(at + 3 * grain_bytes, 2, grain_bytes));
	unmap(provider, page, at);
	return 0;
}

static void copy_puts_no_memory_under_grains_that_are_not_taken(void **state)
{
	(void)state;
	check_at_all_page_sizes(grains_under_a_copy);
}

/* A limit on the file's size came, so a copy cannot be written back until it is gone. */
static int copies_that_cannot_be_written(void)
{
	struct rlimit none, limit;
	struct xv_provider *provider = make();

	ENSURE(getrlimit(RLIMIT_FSIZE, &none) == 0);
	take_and_fill(provider, PAGES);
	refuse_maps();
	limit = none;
	limit.rlim_cur = page_bytes;
	ENSURE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	fill(provider, 8, 0x18);
	fill(provider, 9, 0x19);
	check(provider, 8, 0x18); /* from the buffer */
	check(provider, 9, 0x19);
	for (int i = 0; i < 10; i++)
		fill(provider, 0, i); /* below the limit */
	fill(provider, 10, 0x1A);
	fill(provider, 11, 0x1B);
	ENSURE(provider->ops->page_map(provider, 12) == NULL); /* no buffer is left */
	check(provider, 8, 0x18);
	provider->ops->pages_free(provider, 9, 1); /* with its copy */
	ENSURE(stats_of(provider).misuse == 0);
	check(provider, 12, 13);
	ENSURE(setrlimit(RLIMIT_FSIZE, &none) == 0);
	for (uint32_t page = 12; page < PAGES; page++)
		check(provider, page, (int)page + 1);
	check(provider, 8, 0x18);
	check(provider, 10, 0x1A);
	check(provider, 11, 0x1B);
	return 0;
}

static void copy_that_cannot_be_written_back_is_kept(void **state)
{
	(void)state;
	check_at_all_page_sizes(copies_that_cannot_be_written);
}

/* A pool over such a window does all that it does over another. */
static int pool_goes_on(void)
{
	enum { OBJECTS = 400 };
	struct xv_provider *provider = make();
	uint64_t random = test_seed("pool_over_copies");
	static xv_handle handles[OBJECTS];
	struct xv_pool *pool = NULL;
	struct xv_pool_options options;

	xv_pool_options_init(&options);
	options.flags = XV_POOL_SPLIT;
	options.shards = 1;
	ENSURE(xv_pool_create(&pool, provider, &options) == 0);
	for (int i = 0; i < 20000; i++) {
		uint32_t which = (uint32_t)(test_random(&random) % OBJECTS);
		uint32_t back;

		/* The pool's tables need memory of their own: they are there by then. */
		if (i == 2000) {
			refuse_maps();
			must_refuse(SYS_munmap, REFUSE_ANY, 0, ENOMEM);
		}
		if (handles[which] == XV_NULL_HANDLE) {
			ENSURE(xv_malloc(pool, 100 + which * 7, &handles[which]) == 0);
			ENSURE(xv_write(pool, handles[which], 90, &which, sizeof(which)) == 0);
			continue;
		}
		ENSURE(xv_read(pool, handles[which], 90, &back, sizeof(back)) == 0);
		ENSURE(back == which && xv_free(pool, handles[which]) == 0);
		handles[which] = XV_NULL_HANDLE;
	}
	ENSURE(xv_pool_check(pool, XV_CHECK_DEEP, NULL) == 0);
	ENSURE(stats_of(provider).copies > 10000 && stats_of(provider).map_failures == 0);
	xv_pool_destroy(pool);
	ENSURE(stats_of(provider).pages == 0 && stats_of(provider).misuse == 0);
	return 0;
}

static void pool_needs_no_mapping(void **state)
{
	(void)state;
	check_at_all_page_sizes(pool_goes_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_go_on_at_the_limit_of_locked_memory),
		cmocka_unit_test(maps_go_on_where_mapping_is_refused),
		cmocka_unit_test(maps_go_on_without_any_mapping_left),
		cmocka_unit_test(only_slots_limit_maps_through_copies),
		cmocka_unit_test(copy_puts_no_memory_under_grains_that_are_not_taken),
		cmocka_unit_test(copy_that_cannot_be_written_back_is_kept),
		cmocka_unit_test(pool_needs_no_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
