/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The buffer provider: any address and size, nothing touched outside the buffer,
 * and pages against meta memory.
 */
#include "provider_support.h"

#include <xvmalloc/provider_buffer.h>

#define GUARD_BYTES 64U
#define GUARD 0xEE

/* A buffer between two guards, at a chosen offset from an aligned address. */
struct guarded {
	unsigned char *allocation;
	unsigned char *buffer;
	size_t bytes;
};

static struct guarded guarded_make(size_t shift, size_t bytes)
{
	struct guarded guarded = {.bytes = bytes};
	size_t total = bytes + shift + 2 * (size_t)GUARD_BYTES;

	guarded.allocation = aligned_alloc(64, (total + 63) / 64 * 64);
	assert_non_null(guarded.allocation);
	memset(guarded.allocation, GUARD, total);
	guarded.buffer = guarded.allocation + GUARD_BYTES + shift;
	return guarded;
}

static void guarded_end(struct guarded *guarded)
{
	assert_true(bytes_are(guarded->buffer - GUARD_BYTES, GUARD, GUARD_BYTES));
	assert_true(bytes_are(guarded->buffer + guarded->bytes, GUARD, GUARD_BYTES));
	free(guarded->allocation);
}

static struct xv_provider *init(struct guarded *guarded, uint32_t page_bytes)
{
	struct xv_provider *provider = NULL;

	assert_int_equal(
		xv_provider_buffer_init(&provider, guarded->buffer, guarded->bytes, page_bytes), 0);
	return provider;
}

static void buffer_refuses_bad_arguments(void **state)
{
	static unsigned char memory[16384];
	struct xv_provider *provider = NULL;
	size_t bytes = sizeof(memory);

	(void)state;
	assert_int_equal(xv_provider_buffer_init(NULL, memory, bytes, 4096), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, NULL, bytes, 4096), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, memory, bytes, 0), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, memory, bytes, 2048), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, memory, bytes, 5000), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, memory, bytes, 131072), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, memory, SIZE_MAX, 4096), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, memory, 0, 4096), -XV_EINVAL);
	assert_int_equal(xv_provider_buffer_init(&provider, memory, 4096, 4096), -XV_EINVAL);
	assert_null(provider);
}

static void fill_all_pages(struct xv_provider *provider, const struct guarded *guarded)
{
	size_t bytes = xv_provider_page_bytes(provider);
	uint32_t page;

	for (uint32_t i = 0; i < provider->max_pages; i++) {
		unsigned char *address;

		assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
		address = provider->ops->page_map(provider, page);
		assert_true(address > guarded->buffer);
		assert_true(address + bytes <= guarded->buffer + guarded->bytes);
		memset(address, 0x11, bytes);
	}
	assert_int_equal(provider->ops->page_alloc(provider, &page), -XV_ENOMEM);
}

static void buffer_works_at_any_address_and_stays_inside(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 260; shift++) {
		struct guarded guarded = guarded_make(shift, 40000 + shift);
		struct xv_provider *provider = init(&guarded, 4096);

		assert_int_equal((uintptr_t)provider->base % 256, 0);
		assert_true(provider->max_pages == 9);
		fill_all_pages(provider, &guarded);
		guarded_end(&guarded);
	}
}

static void buffer_works_at_any_size_and_wastes_less_than_a_page(void **state)
{
	(void)state;
	for (size_t bytes = 1; bytes < 30000; bytes += 37) {
		struct guarded guarded = guarded_make(bytes % 64, bytes);
		struct xv_provider *provider = NULL;

		if (xv_provider_buffer_init(&provider, guarded.buffer, bytes, 4096) != 0) {
			assert_true(bytes < 4096 + 768);
		} else {
			assert_true(provider->max_pages * 4096 + 4096 + 768 > bytes);
			fill_all_pages(provider, &guarded);
		}
		guarded_end(&guarded);
	}
}

static void buffer_large_uses_its_last_page(void **state)
{
	struct guarded guarded = guarded_make(5, 64 * MIB);
	struct xv_provider *provider = init(&guarded, 4096);

	(void)state;
	/* 16384 pages need 2 KiB of bitmap: one page is lost to tables. */
	assert_int_equal(provider->max_pages, 16383);
	fill_all_pages(provider, &guarded);
	guarded_end(&guarded);
}

static void buffer_says_that_meta_is_scarce(void **state)
{
	struct guarded guarded = guarded_make(0, 65536);

	(void)state;
	assert_int_equal(init(&guarded, 4096)->flags, XV_PROVIDER_META_IS_SCARCE);
	guarded_end(&guarded);
}

static void buffer_meta_takes_pages_from_the_end(void **state)
{
	struct guarded guarded = guarded_make(3, 20 * 4096);
	struct xv_provider *provider = init(&guarded, 4096);
	uint64_t all = pages_left(provider);
	unsigned char *meta = provider->ops->meta_reserve(provider, 6000);
	uint64_t left = pages_left(provider);
	uint32_t page;

	(void)state;
	assert_non_null(meta);
	assert_in_range(left, all - 2, all - 1);
	assert_int_equal(provider->ops->meta_commit(provider, meta, 0, 6000), 0);
	for (uint64_t i = 0; i < left; i++) {
		unsigned char *address;

		assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
		address = provider->ops->page_map(provider, page);
		memset(address, 0x22, 4096);
	}
	assert_int_equal(provider->ops->page_alloc(provider, &page), -XV_ENOMEM);
	assert_true(bytes_are(meta, 0, 6000));
	provider->ops->meta_release(provider, meta, 6000, 6000);
	assert_int_equal(pages_left(provider), all - left);
	assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	guarded_end(&guarded);
}

static void buffer_meta_refuses_to_reach_into_used_pages(void **state)
{
	struct guarded guarded = guarded_make(0, 20 * 4096);
	struct xv_provider *provider = init(&guarded, 4096);
	uint32_t page;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(provider->ops->page_alloc(provider, &page), 0);
	assert_null(provider->ops->meta_reserve(provider, 11 * 4096));
	/* Page 9, the highest, is in the way even when those below it are free. */
	for (uint32_t i = 0; i < 9; i++)
		provider->ops->pages_free(provider, i, 1);
	assert_null(provider->ops->meta_reserve(provider, 11 * 4096));
	assert_int_equal(pages_left(provider), provider->max_pages - 1);
	provider->ops->pages_free(provider, 9, 1);
	assert_non_null(provider->ops->meta_reserve(provider, 11 * 4096));
	guarded_end(&guarded);
}

static void buffer_meta_may_take_all_there_is(void **state)
{
	struct guarded guarded = guarded_make(0, 20 * 4096);
	struct xv_provider *provider = init(&guarded, 4096);
	size_t all = (size_t)(guarded.buffer + guarded.bytes - (unsigned char *)provider->base);
	uint32_t page;
	void *meta;

	(void)state;
	assert_null(provider->ops->meta_reserve(provider, all + 1));
	meta = provider->ops->meta_reserve(provider, all / 64 * 64);
	assert_ptr_equal(meta, provider->base);
	assert_int_equal(pages_left(provider), 0);
	assert_int_equal(provider->ops->page_alloc(provider, &page), -XV_ENOMEM);
	assert_null(provider->ops->meta_reserve(provider, 1));
	provider->ops->meta_release(provider, meta, all / 64 * 64, 0);
	assert_int_equal(pages_left(provider), provider->max_pages);
	guarded_end(&guarded);
}

/* Three regions, released in each of the six orders: all comes back at the last. */
static void buffer_meta_comes_back_in_any_order_of_release(void **state)
{
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const size_t bytes[3] = {5000, 1, 9000};
	struct guarded guarded = guarded_make(9, 40 * 4096);
	struct xv_provider *provider = init(&guarded, 4096);
	uint64_t all = pages_left(provider);
	size_t overhead = provider->ops->overhead_bytes(provider);

	(void)state;
	for (int order = 0; order < 6; order++) {
		void *meta[3];

		for (int i = 0; i < 3; i++)
			meta[i] = provider->ops->meta_reserve(provider, bytes[i]);
		for (int i = 0; i < 3; i++) {
			int which = orders[order][i];

			assert_true(pages_left(provider) < all);
			provider->ops->meta_release(provider, meta[which], bytes[which], 0);
		}
		assert_int_equal(pages_left(provider), all);
		assert_int_equal(provider->ops->overhead_bytes(provider), overhead);
	}
	guarded_end(&guarded);
}

static void buffer_overhead_counts_reserved_meta_until_it_is_committed(void **state)
{
	struct guarded guarded = guarded_make(0, 40 * 4096);
	struct xv_provider *provider = init(&guarded, 4096);
	size_t before = provider->ops->overhead_bytes(provider);
	void *meta = provider->ops->meta_reserve(provider, 6400);

	(void)state;
	assert_int_equal(before, (unsigned char *)provider->base - guarded.buffer);
	assert_int_equal(provider->ops->overhead_bytes(provider), before + 6400);
	assert_int_equal(provider->ops->meta_commit(provider, meta, 0, 6400), 0);
	assert_int_equal(provider->ops->overhead_bytes(provider), before);
	assert_int_equal(provider->ops->meta_commit(provider, meta, 6400, 400), 0);
	assert_int_equal(provider->ops->overhead_bytes(provider), before + 6000);
	guarded_end(&guarded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_refuses_bad_arguments),
		cmocka_unit_test(buffer_works_at_any_address_and_stays_inside),
		cmocka_unit_test(buffer_works_at_any_size_and_wastes_less_than_a_page),
		cmocka_unit_test(buffer_large_uses_its_last_page),
		cmocka_unit_test(buffer_says_that_meta_is_scarce),
		cmocka_unit_test(buffer_meta_takes_pages_from_the_end),
		cmocka_unit_test(buffer_meta_refuses_to_reach_into_used_pages),
		cmocka_unit_test(buffer_meta_may_take_all_there_is),
		cmocka_unit_test(buffer_meta_comes_back_in_any_order_of_release),
		cmocka_unit_test(buffer_overhead_counts_reserved_meta_until_it_is_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
