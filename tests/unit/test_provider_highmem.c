/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The highmem provider: its window, that nothing outside a map is accessible, that
 * freed pages leave the file, and that misuse is refused and counted.
 */
#include "provider_support.h"

#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#endif

static struct xv_provider *create(const struct xv_provider_highmem_options *options)
{
	struct xv_provider *provider = NULL;

	assert_int_equal(xv_provider_highmem_create(&provider, options), 0);
	assert_non_null(provider);
	return provider;
}

static int make_default(void **state)
{
	struct xv_provider *provider = NULL;

	if (xv_provider_highmem_create(&provider, NULL) != 0)
		return -1;
	*state = provider;
	return 0;
}

static int end(void **state)
{
	xv_provider_highmem_destroy(*state);
	return 0;
}

static uint32_t take(struct xv_provider *provider)
{
	uint32_t page = 0;

	assert_int_equal(page_take(provider, &page), 0);
	return page;
}

static void *map(struct xv_provider *provider, uint32_t page)
{
	return provider->ops->page_map(provider, page);
}

static void unmap(struct xv_provider *provider, uint32_t page, void *address)
{
	provider->ops->page_unmap(provider, page, address);
}

static struct xv_provider_highmem_stats stats_of(struct xv_provider *provider)
{
	struct xv_provider_highmem_stats stats;

	xv_provider_highmem_stats(provider, &stats);
	return stats;
}

static uint64_t misuse_of(struct xv_provider *provider)
{
	return stats_of(provider).misuse;
}

static int create_error(uint32_t page_bytes, uint64_t max_bytes, uint32_t window_slots,
			const char *file_dir)
{
	struct xv_provider_highmem_options options = {page_bytes, max_bytes, window_slots,
						      file_dir};
	struct xv_provider *provider = NULL;
	int err = xv_provider_highmem_create(&provider, &options);

	assert_int_equal(provider == NULL, err != 0);
	xv_provider_highmem_destroy(provider);
	return err;
}

static void highmem_refuses_bad_options(void **state)
{
	(void)state;
	assert_int_equal(xv_provider_highmem_create(NULL, NULL), -XV_EINVAL);
	assert_int_equal(create_error(2048, 0, 0, NULL), -XV_EINVAL);
	assert_int_equal(create_error(65537, 0, 0, NULL), -XV_EINVAL);
	assert_int_equal(create_error(131072, 0, 0, NULL), -XV_EINVAL);
	assert_int_equal(create_error(65536, 65535, 0, NULL), -XV_EINVAL);
	assert_int_equal(create_error(0, 0, 1, NULL), -XV_EINVAL);
	assert_int_equal(create_error(0, 0, 1025, NULL), -XV_EINVAL);
	assert_int_equal(create_error(0, 0, 2, NULL), 0);
	assert_int_equal(create_error(65536, 65536, 1024, NULL), 0);
	xv_provider_highmem_destroy(NULL);
}

static void highmem_defaults_are_those_of_the_header(void **state)
{
	struct xv_provider *provider = *state;

	assert_null(provider->base);
	assert_int_equal(xv_provider_page_bytes(provider), 65536);
	assert_int_equal(provider->window_slots, 8);
	assert_int_equal(provider->max_pages << provider->page_shift, (uint64_t)16 << 30);
	assert_true(provider->ops->overhead_bytes(provider) <= 4 * (size_t)sysconf(_SC_PAGESIZE));
}

static void highmem_stale_pointer_faults(void **state)
{
	struct xv_provider *provider = *state;
	uint32_t page = take(provider);
	char *address = map(provider, page);

	if (under_valgrind())
		skip();
	memset(address, 1, 4096);
	assert_int_equal(signal_of_reading(address), 0);
	unmap(provider, page, address);
	assert_int_equal(signal_of_reading(address), SIGSEGV);
}

static void highmem_slots_beside_a_mapped_one_are_inaccessible(void **state)
{
	struct xv_provider *provider = *state;
	size_t bytes = xv_provider_page_bytes(provider);
	uint32_t page = take(provider);
	char *address = map(provider, page);

	if (under_valgrind())
		skip();
	assert_int_equal(signal_of_reading(address + bytes - 1), 0);
	assert_int_equal(signal_of_reading(address + bytes), SIGSEGV);
	unmap(provider, page, address);
}

static void highmem_window_runs_out_and_recovers(void **state)
{
	struct xv_provider_highmem_options options = {.window_slots = 3};
	struct xv_provider *provider = create(&options);
	void *at[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		at[i] = map(provider, take(provider));
	take(provider);
	assert_null(map(provider, 3));
	assert_int_equal(stats_of(provider).map_failures, 1);
	assert_int_equal(stats_of(provider).misuse, 0);
	/* What is mapped already needs no slot. */
	assert_ptr_equal(map(provider, 1), at[1]);
	unmap(provider, 1, at[1]);
	unmap(provider, 1, at[1]);
	assert_non_null(map(provider, 3));
	xv_provider_highmem_destroy(provider);
}

static void highmem_page_mapped_twice_needs_two_unmaps(void **state)
{
	struct xv_provider *provider = *state;
	uint32_t page = take(provider);
	char *first = map(provider, page);
	char *second = map(provider, page);

	first[10] = 'x';
	assert_int_equal(second[10], 'x');
	unmap(provider, page, first);
	assert_int_equal(second[10], 'x');
	second[10] = 'y';
	unmap(provider, page, second);
	assert_int_equal(stats_of(provider).mapped_now, 0);
	assert_int_equal(stats_of(provider).misuse, 0);
	first = map(provider, page);
	assert_int_equal(first[10], 'y');
	unmap(provider, page, first);
}

static void highmem_counts_maps_and_their_peak(void **state)
{
	struct xv_provider *provider = *state;
	struct xv_provider_highmem_stats stats;
	void *at[3];

	for (uint32_t i = 0; i < 3; i++)
		at[i] = map(provider, take(provider));
	unmap(provider, 2, at[2]);
	unmap(provider, 1, at[1]);
	stats = stats_of(provider);
	assert_int_equal(stats.maps, 3);
	assert_int_equal(stats.unmaps, 2);
	assert_int_equal(stats.mapped_now, 1);
	assert_int_equal(stats.mapped_peak, 3);
	assert_int_equal(stats.pages, 3);
	xv_provider_highmem_reset_peak(provider);
	assert_int_equal(stats_of(provider).mapped_peak, 1);
	unmap(provider, 0, at[0]);
	assert_int_equal(stats_of(provider).mapped_peak, 1);
}

static void highmem_refuses_and_counts_each_misuse(void **state)
{
	struct xv_provider *provider = *state;
	uint32_t page = take(provider);
	uint32_t other = take(provider);
	char *address = map(provider, page);

	unmap(provider, other, address);
	assert_int_equal(misuse_of(provider), 1);
	unmap(provider, page, address + 1);
	assert_int_equal(misuse_of(provider), 2);
	unmap(provider, page, NULL);
	assert_int_equal(misuse_of(provider), 3);
	provider->ops->pages_free(provider, page, 1); /* mapped */
	assert_int_equal(misuse_of(provider), 4);
	memset(address, 7, xv_provider_page_bytes(provider));
	unmap(provider, page, address);
	unmap(provider, page, address); /* not mapped any more */
	assert_int_equal(misuse_of(provider), 5);
	provider->ops->pages_free(provider, page, 1);
	provider->ops->pages_free(provider, page, 1); /* free already */
	assert_int_equal(misuse_of(provider), 6);
	assert_null(map(provider, page)); /* a free page */
	assert_int_equal(misuse_of(provider), 7);
	assert_null(map(provider, UINT32_MAX));
	assert_int_equal(misuse_of(provider), 8);
	if (provider->ops->grains_take != NULL) {
		/* A page that take() gives has all of its grains. */
		assert_int_equal(provider->ops->grains_take(provider, other, 0, 1), -XV_EINVAL);
		assert_int_equal(misuse_of(provider), 9);
		assert_true(provider->ops->grains_give(provider, other, 0, 1));
		assert_false(provider->ops->grains_give(provider, other, 0, 1));
		assert_int_equal(misuse_of(provider), 10);
	}
	assert_int_equal(stats_of(provider).mapped_now, 0);
	assert_int_equal(stats_of(provider).pages, 1);
}

static void fill(struct xv_provider *provider, uint32_t pages)
{
	size_t bytes = xv_provider_page_bytes(provider);

	for (uint32_t i = 0; i < pages; i++) {
		uint32_t page = take(provider);
		void *address = map(provider, page);

		assert_non_null(address);
		memset(address, (int)(page % 251) + 1, bytes);
		unmap(provider, page, address);
	}
}

static void check_filled(struct xv_provider *provider, uint32_t page)
{
	size_t bytes = xv_provider_page_bytes(provider);
	void *address = map(provider, page);

	assert_non_null(address);
	assert_true(bytes_are(address, (int)(page % 251) + 1, bytes));
	unmap(provider, page, address);
}

static void check_holes_punched(struct xv_provider *provider)
{
	size_t bytes = xv_provider_page_bytes(provider);

	fill(provider, 256);
	assert_true(stats_of(provider).backing_bytes >= 256 * bytes);
	for (uint32_t page = 0; page < 256; page += 2)
		provider->ops->pages_free(provider, page, 1);
	assert_in_range(stats_of(provider).backing_bytes, 128 * bytes, 128 * bytes + 64 * KIB);
	for (uint32_t page = 1; page < 256; page += 2)
		check_filled(provider, page);
	for (uint32_t page = 1; page < 256; page += 2)
		provider->ops->pages_free(provider, page, 1);
	assert_in_range(stats_of(provider).backing_bytes, 0, 64 * KIB);
	fill(provider, 3);
	check_filled(provider, 2);
}

static void highmem_freed_pages_leave_the_memfd(void **state)
{
	check_holes_punched(*state);
}

/* Contents past 4 GiB are the slow test's; here, that the pages are numbered. */
static void highmem_numbers_more_pages_than_32_bits_of_bytes(void **state)
{
	struct xv_provider_highmem_options options = {.max_bytes = (uint64_t)1 << 40};
	struct xv_provider *provider = create(&options);

	(void)state;
	assert_int_equal(provider->max_pages << provider->page_shift, (uint64_t)1 << 40);
	fill(provider, 2);
	check_filled(provider, 1);
	assert_true(provider->ops->overhead_bytes(provider) <= 8 * (size_t)sysconf(_SC_PAGESIZE));
	xv_provider_highmem_destroy(provider);
}

static void highmem_random_maps_agree_with_a_shadow(void **state)
{
	enum { PAGES = 64, OPERATIONS = 30000 };
	struct xv_provider *provider = *state;
	uint64_t random = test_seed("highmem_random_maps");
	struct {
		uint32_t page;
		char *address;
	} open[8];
	uint32_t open_count = 0;

	fill(provider, PAGES);
	for (int i = 0; i < OPERATIONS; i++) {
		uint32_t page = (uint32_t)(test_random(&random) % PAGES);
		uint32_t which = (uint32_t)(test_random(&random) % 8);

		if (which >= open_count) {
			open[open_count].page = page;
			open[open_count].address = map(provider, page);
			assert_non_null(open[open_count].address);
			open_count++;
			continue;
		}
		assert_int_equal(*open[which].address, (char)(open[which].page % 251 + 1));
		unmap(provider, open[which].page, open[which].address);
		open[which] = open[--open_count];
	}
	while (open_count-- > 0)
		unmap(provider, open[open_count].page, open[open_count].address);
	assert_int_equal(stats_of(provider).misuse, 0);
	assert_int_equal(stats_of(provider).mapped_now, 0);
	assert_int_equal(stats_of(provider).maps, stats_of(provider).unmaps);
}

#define WITH_DEFAULT(test) cmocka_unit_test_setup_teardown(test, make_default, end)

#if !defined(_WIN32)
/* A file, and the limits of a process. */
static void highmem_refuses_a_directory_that_cannot_be_used(void **state)
{
	(void)state;
	assert_int_equal(create_error(0, 0, 0, "/nonexistent/directory"), -XV_EINVAL);
	assert_int_equal(create_error(0, 0, 0, "/dev/null"), -XV_EINVAL);
}

static void highmem_works_over_a_file_in_a_directory(void **state)
{
	static const char *const directories[] = {"/dev/shm", "/var/tmp", "/tmp", "."};

	(void)state;
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		struct xv_provider_highmem_options options = {.file_dir = directories[i]};
		struct xv_provider *provider = NULL;

		if (xv_provider_highmem_create(&provider, &options) != 0)
			continue; /* not there, or not ours to write to */
		fill(provider, 300);
		for (uint32_t page = 0; page < 300; page++)
			check_filled(provider, page);
		provider->ops->pages_free(provider, 7, 1);
		assert_int_equal(take(provider), 7);
		assert_int_equal(misuse_of(provider), 0);
		xv_provider_highmem_destroy(provider);
	}
}

static bool file_size_limit_is_an_error_and_no_signal(void)
{
	struct rlimit limit = {10 * 65536, 10 * 65536};
	struct xv_provider_highmem_options options = {.page_bytes = 65536};
	struct xv_provider *provider = NULL;
	uint32_t pages = 0;
	uint32_t page;

	if (setrlimit(RLIMIT_FSIZE, &limit) != 0 ||
	    xv_provider_highmem_create(&provider, &options) != 0)
		return false;
	while (page_take(provider, &page) == 0)
		pages++;
	return pages == 10 && page_take(provider, &page) == -XV_ENOMEM;
}

static void highmem_stops_at_the_file_size_limit(void **state)
{
	(void)state;
	assert_true(true_in_child(file_size_limit_is_an_error_and_no_signal));
}

static bool no_descriptor_is_an_error(void)
{
	struct rlimit limit = {3, 3};
	struct xv_provider *provider = NULL;

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	return xv_provider_highmem_create(&provider, NULL) == -XV_ENOMEM && provider == NULL;
}

static void highmem_without_a_descriptor_left_says_so(void **state)
{
	(void)state;
	if (under_valgrind())
		skip(); /* it keeps descriptors of its own */
	assert_true(true_in_child(no_descriptor_is_an_error));
}

static size_t open_files(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static void highmem_closes_what_it_opened(void **state)
{
	size_t before = open_files();
	struct xv_provider *provider;
	uint32_t page;

	(void)state;
	assert_int_equal(xv_provider_highmem_create(&provider, NULL), 0);
	assert_int_equal(open_files(), before + 1);
	assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	xv_provider_highmem_destroy(provider);
	assert_int_equal(open_files(), before);
}
#else
static void highmem_has_no_directory(void **state)
{
	(void)state;
	assert_int_equal(create_error(0, 0, 0, "."), -XV_ENOTSUP);
}
#endif

static void null_providers_are_harmless(void **state)
{
	(void)state;
	xv_provider_highmem_destroy(NULL);
	xv_provider_mmap_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(highmem_refuses_bad_options),
		WITH_DEFAULT(highmem_defaults_are_those_of_the_header),
		WITH_DEFAULT(highmem_stale_pointer_faults),
		WITH_DEFAULT(highmem_slots_beside_a_mapped_one_are_inaccessible),
		cmocka_unit_test(highmem_window_runs_out_and_recovers),
		WITH_DEFAULT(highmem_page_mapped_twice_needs_two_unmaps),
		cmocka_unit_test(null_providers_are_harmless),
		WITH_DEFAULT(highmem_counts_maps_and_their_peak),
		WITH_DEFAULT(highmem_refuses_and_counts_each_misuse),
		WITH_DEFAULT(highmem_freed_pages_leave_the_memfd),
		cmocka_unit_test(highmem_numbers_more_pages_than_32_bits_of_bytes),
		WITH_DEFAULT(highmem_random_maps_agree_with_a_shadow),
#if !defined(_WIN32)
		cmocka_unit_test(highmem_refuses_a_directory_that_cannot_be_used),
		cmocka_unit_test(highmem_works_over_a_file_in_a_directory),
		cmocka_unit_test(highmem_stops_at_the_file_size_limit),
		cmocka_unit_test(highmem_without_a_descriptor_left_says_so),
		cmocka_unit_test(highmem_closes_what_it_opened),
#else
		cmocka_unit_test(highmem_has_no_directory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
