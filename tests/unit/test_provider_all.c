/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The contract of xvmalloc/provider.h, proved on every provider at every page size.
 */
#include "provider_support.h"

#include "providers.h"

#define CAPACITY_BYTES (8 * MIB)

struct fixture {
	const struct provider_case *which;
	struct xv_provider *provider;
};

static int fixture_make(void **state)
{
	const struct provider_case *which = *state;
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int err;

	if (fixture == NULL)
		return -1;
	fixture->which = which;
	err = provider_case_create(which, CAPACITY_BYTES, &fixture->provider);
	if (err != 0 && err != -XV_ENOTSUP)
		return -1;
	*state = fixture;
	return 0;
}

static int fixture_end(void **state)
{
	struct fixture *fixture = *state;

	provider_case_destroy(fixture->which, fixture->provider);
	free(fixture);
	return 0;
}

static struct xv_provider *provider_of(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->provider == NULL)
		skip(); /* pages smaller than the OS page */
	return fixture->provider;
}

static void *map(struct xv_provider *provider, uint32_t page)
{
	void *address = provider->ops->page_map(provider, page);

	assert_non_null(address);
	return address;
}

static void unmap(struct xv_provider *provider, uint32_t page, void *address)
{
	provider->ops->page_unmap(provider, page, address);
}

static uint32_t alloc(struct xv_provider *provider)
{
	uint32_t page = UINT32_MAX;

	assert_int_equal(page_take(provider, &page), 0);
	assert_true(page < provider->max_pages);
	return page;
}

static void provider_describes_itself(void **state)
{
	struct xv_provider *provider = provider_of(state);
	struct fixture *fixture = *state;

	assert_int_equal(xv_provider_page_bytes(provider), fixture->which->page_bytes);
	assert_in_range(xv_provider_page_grains(provider), 1, 16);
	if (provider->grain_shift != 0)
		assert_int_equal(xv_provider_page_grains(provider) << provider->grain_shift,
				 xv_provider_page_bytes(provider));
	assert_int_equal(provider->base != NULL, fixture->which->has_base);
	assert_int_equal((uintptr_t)provider->base % 256, 0);
	assert_true(provider->max_pages * xv_provider_page_bytes(provider) >= CAPACITY_BYTES);
	assert_true(provider->window_slots >= 2);
}

static void provider_gives_the_lowest_free_page_first(void **state)
{
	struct xv_provider *provider = provider_of(state);

	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(alloc(provider), i);
	provider->ops->pages_free(provider, 70, 1);
	provider->ops->pages_free(provider, 3, 1);
	provider->ops->pages_free(provider, 64, 1);
	assert_int_equal(alloc(provider), 3);
	assert_int_equal(alloc(provider), 64);
	assert_int_equal(alloc(provider), 70);
	assert_int_equal(alloc(provider), 100);
}

static void provider_refuses_when_full_and_recovers(void **state)
{
	struct xv_provider *provider = provider_of(state);
	uint64_t available = pages_left(provider);
	uint32_t page = 12345;

	for (uint64_t i = 0; i < available; i++)
		alloc(provider);
	assert_int_equal(page_take(provider, &page), -XV_ENOMEM);
	assert_int_equal(page, 12345);
	assert_int_equal(pages_left(provider), 0);
	provider->ops->pages_free(provider, 5, 1);
	assert_int_equal(pages_left(provider), 1);
	assert_int_equal(alloc(provider), 5);
}

static void provider_keeps_each_pages_contents(void **state)
{
	struct xv_provider *provider = provider_of(state);
	size_t bytes = xv_provider_page_bytes(provider);

	for (int i = 0; i < 20; i++) {
		uint32_t page = alloc(provider);
		void *address = map(provider, page);

		assert_int_equal((uintptr_t)address % 256, 0);
		memset(address, i + 1, bytes);
		unmap(provider, page, address);
	}
	for (uint32_t page = 0; page < 20; page++) {
		void *address = map(provider, page);

		assert_true(bytes_are(address, (int)page + 1, bytes));
		unmap(provider, page, address);
	}
}

static void provider_with_base_maps_pages_where_base_says(void **state)
{
	struct xv_provider *provider = provider_of(state);

	if (provider->base == NULL)
		skip();
	for (uint32_t i = 0; i < 5; i++) {
		uint32_t page = alloc(provider);

		assert_ptr_equal(map(provider, page),
				 (char *)provider->base + ((size_t)page << provider->page_shift));
	}
}

static void provider_ignores_frees_of_what_it_did_not_give(void **state)
{
	struct xv_provider *provider = provider_of(state);
	uint64_t available = pages_left(provider);
	uint32_t page = alloc(provider);

	provider->ops->pages_free(provider, 1, 1);
	provider->ops->pages_free(provider, (uint32_t)provider->max_pages, 1);
	provider->ops->pages_free(provider, UINT32_MAX, 1);
	assert_int_equal(pages_left(provider), available - 1);
	provider->ops->pages_free(provider, page, 1);
	provider->ops->pages_free(provider, page, 1);
	assert_int_equal(pages_left(provider), available);
	assert_int_equal(alloc(provider), page);
	assert_int_equal(alloc(provider), page + 1);
}

static void *meta_reserve(struct xv_provider *provider, size_t bytes)
{
	void *base = provider->ops->meta_reserve(provider, bytes);

	assert_non_null(base);
	assert_int_equal((uintptr_t)base % 64, 0);
	return base;
}

static void meta_commit(struct xv_provider *provider, void *base, size_t old_bytes,
			size_t new_bytes)
{
	assert_int_equal(provider->ops->meta_commit(provider, base, old_bytes, new_bytes), 0);
}

static void provider_meta_grows_with_zeros_and_keeps_what_was_there(void **state)
{
	static const size_t sizes[] = {1, 100, 4095, 4096, 4097, 20000, 65536};
	struct xv_provider *provider = provider_of(state);
	char *base = meta_reserve(provider, 65536);
	size_t committed = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		meta_commit(provider, base, committed, sizes[i]);
		assert_true(bytes_are(base, 0xAB, committed));
		assert_true(bytes_are(base + committed, 0, sizes[i] - committed));
		memset(base, 0xAB, sizes[i]);
		committed = sizes[i];
	}
	provider->ops->meta_release(provider, base, 65536, committed);
}

static void provider_meta_shrinks_and_grows_again_with_zeros(void **state)
{
	static const size_t smaller[] = {50000, 49152, 4097, 4096, 1000, 1, 0};
	struct xv_provider *provider = provider_of(state);
	char *base = meta_reserve(provider, 65536);

	meta_commit(provider, base, 0, 60000);
	memset(base, 0xCD, 60000);
	for (size_t i = 0; i < sizeof(smaller) / sizeof(smaller[0]); i++) {
		meta_commit(provider, base, 60000, smaller[i]);
		assert_true(bytes_are(base, 0xCD, smaller[i]));
		meta_commit(provider, base, smaller[i], 60000);
		assert_true(bytes_are(base + smaller[i], 0, 60000 - smaller[i]));
		memset(base, 0xCD, 60000);
	}
	provider->ops->meta_release(provider, base, 65536, 60000);
}

static void provider_meta_regions_do_not_touch_each_other_or_pages(void **state)
{
	struct xv_provider *provider = provider_of(state);
	size_t bytes = xv_provider_page_bytes(provider);
	uint32_t page = alloc(provider);
	char *first = meta_reserve(provider, 5000);
	char *second = meta_reserve(provider, 3000);
	void *address = map(provider, page);

	meta_commit(provider, first, 0, 5000);
	meta_commit(provider, second, 0, 3000);
	memset(first, 1, 5000);
	memset(second, 2, 3000);
	memset(address, 3, bytes);
	assert_true(bytes_are(first, 1, 5000));
	assert_true(bytes_are(second, 2, 3000));
	assert_true(bytes_are(address, 3, bytes));
	unmap(provider, page, address);
	provider->ops->meta_release(provider, second, 3000, 3000);
	assert_true(bytes_are(first, 1, 5000));
	provider->ops->meta_release(provider, first, 5000, 5000);
}

static void provider_meta_refuses_what_there_is_no_room_for(void **state)
{
	struct xv_provider *provider = provider_of(state);

	assert_null(provider->ops->meta_reserve(provider, 0));
	assert_null(provider->ops->meta_reserve(provider, SIZE_MAX));
	assert_null(provider->ops->meta_reserve(provider, SIZE_MAX - 100));
	assert_null(provider->ops->meta_reserve(provider, SIZE_MAX - SIZE_MAX / 16));
}

static void provider_overhead_returns_to_what_it_was(void **state)
{
	struct xv_provider *provider = provider_of(state);
	size_t before = provider->ops->overhead_bytes(provider);
	char *base = meta_reserve(provider, 10000);
	uint32_t page;

	meta_commit(provider, base, 0, 5000);
	assert_true(provider->ops->overhead_bytes(provider) >= before);
	meta_commit(provider, base, 5000, 100);
	meta_commit(provider, base, 100, 10000);
	provider->ops->meta_release(provider, base, 10000, 10000);
	page = alloc(provider);
	provider->ops->pages_free(provider, page, 1);
	/* The first page may have touched one OS page of bitmap. */
	assert_in_range(provider->ops->overhead_bytes(provider), before,
			before + (size_t)sysconf(_SC_PAGESIZE));
	assert_true(before <= 4 * (size_t)sysconf(_SC_PAGESIZE));
}

/* A page's first and last eight bytes say which page it is and when it was given. */
static void stamp(struct xv_provider *provider, uint32_t page, uint64_t value)
{
	size_t bytes = xv_provider_page_bytes(provider);
	char *address = map(provider, page);

	memcpy(address, &value, sizeof(value));
	memcpy(address + bytes - sizeof(value), &value, sizeof(value));
	unmap(provider, page, address);
}

static void check_stamp(struct xv_provider *provider, uint32_t page, uint64_t value)
{
	size_t bytes = xv_provider_page_bytes(provider);
	char *address = map(provider, page);

	assert_memory_equal(address, &value, sizeof(value));
	assert_memory_equal(address + bytes - sizeof(value), &value, sizeof(value));
	unmap(provider, page, address);
}

/*
 * 100,000 operations over half the pages on average, against the stamps expected;
 * fewer on large pages, which the system takes long to clear.
 */
static void provider_agrees_with_a_shadow_over_random_operations(void **state)
{
	enum { SHADOW_PAGES = 4096, OPERATIONS = 100000, OPERATIONS_LARGE = 15000 };
	struct xv_provider *provider = provider_of(state);
	uint64_t random = test_seed(((struct fixture *)*state)->which->name);
	uint64_t *stamps = calloc(SHADOW_PAGES, sizeof(*stamps)); /* 0 = not handed out */
	uint32_t limit = (uint32_t)pages_left(provider);
	uint64_t operations = provider->page_shift == 12 ? OPERATIONS : OPERATIONS_LARGE;
	uint32_t lowest = 0;

	assert_non_null(stamps);
	assert_true(limit <= SHADOW_PAGES);
	for (uint64_t i = 1; i <= operations; i++) {
		uint32_t page = (uint32_t)(test_random(&random) % limit);

		if (stamps[page] != 0) {
			check_stamp(provider, page, stamps[page]);
			provider->ops->pages_free(provider, page, 1);
			stamps[page] = 0;
			lowest = page < lowest ? page : lowest;
			continue;
		}
		while (stamps[lowest] != 0)
			lowest++;
		page = alloc(provider);
		assert_int_equal(page, lowest);
		stamps[page] = i;
		stamp(provider, page, i);
	}
	for (uint32_t page = 0; page < limit; page++) {
		if (stamps[page] != 0)
			check_stamp(provider, page, stamps[page]);
	}
	free(stamps);
}

#define BEHAVIOUR(function)                                                                        \
	{                                                                                          \
#function, function                                                                \
	}

static const struct {
	const char *name;
	void (*function)(void **state);
} behaviours[] = {
	BEHAVIOUR(provider_describes_itself),
	BEHAVIOUR(provider_gives_the_lowest_free_page_first),
	BEHAVIOUR(provider_refuses_when_full_and_recovers),
	BEHAVIOUR(provider_keeps_each_pages_contents),
	BEHAVIOUR(provider_with_base_maps_pages_where_base_says),
	BEHAVIOUR(provider_ignores_frees_of_what_it_did_not_give),
	BEHAVIOUR(provider_meta_grows_with_zeros_and_keeps_what_was_there),
	BEHAVIOUR(provider_meta_shrinks_and_grows_again_with_zeros),
	BEHAVIOUR(provider_meta_regions_do_not_touch_each_other_or_pages),
	BEHAVIOUR(provider_meta_refuses_what_there_is_no_room_for),
	BEHAVIOUR(provider_overhead_returns_to_what_it_was),
	BEHAVIOUR(provider_agrees_with_a_shadow_over_random_operations),
};

#define BEHAVIOURS (sizeof(behaviours) / sizeof(behaviours[0]))

int main(void)
{
	static struct CMUnitTest tests[PROVIDER_CASES * BEHAVIOURS];
	static char names[PROVIDER_CASES * BEHAVIOURS][100];
	size_t count = 0;

	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		for (size_t j = 0; j < BEHAVIOURS; j++) {
			snprintf(names[count], sizeof(names[count]), "%s %s",
				 provider_cases[i].name, behaviours[j].name);
			tests[count] = (struct CMUnitTest){
				.name = names[count],
				.test_func = behaviours[j].function,
				.setup_func = fixture_make,
				.teardown_func = fixture_end,
				.initial_state = (void *)(uintptr_t)&provider_cases[i],
			};
			count++;
		}
	}
	return _cmocka_run_group_tests("providers", tests, count, NULL, NULL);
}
