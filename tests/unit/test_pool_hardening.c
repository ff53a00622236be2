/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_hardening.c: what a pool does about bytes that were written where no object is, at
 * levels 1 and 2. May call: public headers. One thread.
 */
#include "pool_hardening_support.h"

static uint64_t closed_pages(void)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(pool, &stats);
	return stats.closed_pages;
}

/* Only xv_release tells a closed page from a place without an object. */
static void every_call_by_address_refuses(xv_handle handle)
{
	void *ptr = (unsigned char *)provider->base + ((size_t)xv_handle_page(handle) << 16) +
		    xv_handle_offset(handle);

	assert_int_equal(xv_release(pool, ptr), -XV_EBADMSG);
	assert_null(xv_resize(pool, ptr, 10));
	assert_int_equal(xv_usable_size(pool, ptr), 0);
	assert_int_equal(xv_handle_of(pool, ptr), XV_NULL_HANDLE);
}

/* Every call on it says so, and changes nothing. */
static void every_call_refuses(xv_handle handle)
{
	unsigned char byte = 7;
	const void *seen;
	void *ptr;
	xv_handle copy = handle;

	assert_int_equal(xv_free(pool, handle), -XV_EBADMSG);
	assert_int_equal(xv_object_size(pool, handle), -XV_EBADMSG);
	assert_int_equal(xv_realloc(pool, &copy, 10), -XV_EBADMSG);
	assert_int_equal(xv_map(pool, handle, &ptr), -XV_EBADMSG);
	assert_int_equal(xv_read(pool, handle, 0, &byte, 1), -XV_EBADMSG);
	assert_int_equal(xv_write(pool, handle, 0, &byte, 1), -XV_EBADMSG);
	assert_int_equal(xv_peek(pool, handle, &byte, 1, &seen), -XV_EBADMSG);
	assert_null(xv_address_of(pool, handle));
	every_call_by_address_refuses(handle);
	assert_int_equal(byte, 7);
	assert_int_equal(copy, handle);
}

static void a_level_that_is_none_is_refused(void **state)
{
	struct xv_pool_options options;

	(void)state;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	xv_pool_options_init(&options);
	options.hardening = XV_HARDENING_MOST + 1;
	assert_int_equal(xv_pool_create(&pool, provider, &options), -XV_EINVAL);
	xv_provider_mmap_destroy(provider);
}

/* The header of the object behind is overwritten by a byte too many. */
static void an_overwritten_header_closes_its_page_and_no_other(void **state)
{
	xv_handle bad = 0;
	uint32_t page;

	(void)state;
	for (uint32_t level = 1; level <= 2; level++) {
		size_t refused = 0;

		pool_open(level, 0, 1);
		make_objects();
		page = xv_handle_page(handles[3]);
		bad = handles[4];
		assert_int_equal(xv_handle_page(bad), page);
		memset(bytes_of(bad) - 4, 0xFF, 4);
		every_call_refuses(bad);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.page, page);
		assert_true(told.offset < 65536 && strlen(told.message) > 0);
		assert_int_equal(closed_pages(), 1);
		for (size_t i = 0; i < OBJECTS; i++) {
			if (xv_handle_page(handles[i]) == page) {
				every_call_refuses(handles[i]);
				refused++;
			} else {
				assert_int_equal(bytes_of(handles[i])[SIZE - 1], i + 1);
				assert_int_equal(xv_free(pool, handles[i]), 0);
			}
		}
		assert_true(refused > 2 && refused < OBJECTS);
		assert_int_equal(told.calls, 1);
		assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
		pool_close();
	}
}

static void a_closed_page_is_not_used_again_before_a_reset(void **state)
{
	uint32_t page;

	(void)state;
	pool_open(1, 0, 1);
	make_objects();
	page = xv_handle_page(handles[0]);
	assert_int_equal(xv_free(pool, handles[1]), 0);
	memset(bytes_of(handles[0]) - 4, 0xFF, 4);
	every_call_refuses(handles[0]);
	for (size_t i = 0; i < 1000; i++) {
		xv_handle handle;

		assert_int_equal(xv_malloc(pool, 1 + i * 3, &handle), 0);
		assert_int_not_equal(xv_handle_page(handle), page);
	}
	(void)xv_pool_trim(pool);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	assert_int_equal(xv_pool_reset(pool), 0);
	assert_int_equal(closed_pages(), 0);
	assert_int_equal(xv_malloc(pool, SIZE, &handles[0]), 0);
	assert_int_equal(xv_handle_page(handles[0]), page);
	pool_close();
}

static int visit(void *context, xv_handle handle, size_t size)
{
	(void)size;
	assert_int_not_equal(xv_handle_page(handle), xv_handle_page(handles[0]));
	++*(size_t *)context;
	return 0;
}

/* Owners are refused as well. Objects count as live, are not visited, and their maps end. */
static void objects_of_a_closed_page_are_live_and_not_visited(void **state)
{
	struct xv_pool_stats before, after;
	size_t visited = 0, closed = 0;
	uint32_t owner = 77;
	void *ptr;

	(void)state;
	pool_open(1, XV_POOL_OWNERS, 1);
	make_objects();
	assert_int_equal(xv_free(pool, handles[2]), 0);
	assert_int_equal(xv_malloc(pool, SIZE, &handles[2]), 0);
	assert_int_equal(xv_map(pool, handles[1], &ptr), 0);
	xv_pool_get_stats(pool, &before);
	memset(bytes_of(handles[0]) - 8, 0xFF, 4);
	assert_int_equal(xv_get_owner(pool, handles[0], &owner), -XV_EBADMSG);
	assert_int_equal(xv_set_owner(pool, handles[1], 5), -XV_EBADMSG);
	assert_int_equal(owner, 77);
	xv_pool_get_stats(pool, &after);
	assert_int_equal(after.closed_pages, 1);
	assert_int_equal(after.objects, before.objects);
	assert_int_equal(after.requested_bytes, before.requested_bytes);
	assert_int_equal(after.rounding_bytes - before.rounding_bytes,
			 before.free_bytes + before.spare_bytes - after.free_bytes -
				 after.spare_bytes);
	for (size_t i = 0; i < OBJECTS; i++)
		closed += xv_handle_page(handles[i]) == xv_handle_page(handles[0]);
	assert_int_equal(xv_pool_walk(pool, visit, &visited), 0);
	assert_int_equal(visited, OBJECTS - closed);
	assert_int_equal(xv_unmap(pool, handles[1], ptr), 0);
	assert_int_equal(xv_unmap(pool, handles[1], ptr), -XV_EINVAL);
	pool_close();
}

/* A write behind the last object of a page, where a hole lies, is found when the hole is used. */
static void a_hole_that_was_written_to_is_not_used(void **state)
{
	xv_handle handle;

	(void)state;
	pool_open(1, 0, 1);
	make_objects();
	assert_int_equal(xv_free(pool, handles[5]), 0);
	memset(bytes_of(handles[4]) + SIZE, 0x55, 4);
	assert_int_equal(xv_malloc(pool, SIZE, &handle), 0);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.page, xv_handle_page(handles[4]));
	assert_int_not_equal(xv_handle_page(handle), xv_handle_page(handles[4]));
	pool_close();
}

/* The links of an object of several pieces lead anywhere. */
static void an_overwritten_link_is_not_followed(void **state)
{
	static unsigned char bytes[300000];
	xv_handle large, small;

	(void)state;
	pool_open(1, XV_POOL_SPLIT, 1);
	assert_int_equal(xv_malloc(pool, sizeof(bytes), &large), 0);
	assert_int_equal(xv_write(pool, large, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(xv_malloc(pool, 100, &small), 0);
	/* The first piece has no address: its words lie behind its header. */
	memset((unsigned char *)provider->base + ((size_t)xv_handle_page(large) << 16) +
		       xv_handle_offset(large),
	       0x11, 4);
	assert_int_equal(xv_read(pool, large, 0, bytes, sizeof(bytes)), -XV_EBADMSG);
	assert_int_equal(xv_free(pool, large), -XV_EBADMSG);
	assert_int_equal(told.calls, 1);
	assert_int_equal(xv_free(pool, small),
			 xv_handle_page(small) == xv_handle_page(large) ? -XV_EBADMSG : 0);
	pool_close();
}

/* The header at the beginning of a page: change these bits of its word. */
static void first_header_change(uint32_t page, uint32_t bits)
{
	unsigned char *at = (unsigned char *)provider->base + ((size_t)page << 16);
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	word ^= bits;
	memcpy(at, &word, sizeof(word));
}

/* A piece that is none by its kind, though it leads back, was overwritten itself. */
static void the_page_of_an_overwritten_kind_is_closed(void **state)
{
	static const unsigned char other_kinds[] = {8, 12, 4}; /* REST to WHOLE, FIRST, FIXED */
	static unsigned char bytes[100000];
	xv_handle large;

	(void)state;
	for (size_t i = 0; i < sizeof(other_kinds); i++) {
		pool_open(1, XV_POOL_SPLIT, 1);
		assert_int_equal(xv_malloc(pool, sizeof(bytes), &large), 0);
		first_header_change(1, other_kinds[i]);
		assert_int_equal(xv_read(pool, large, 0, bytes, sizeof(bytes)), -XV_EBADMSG);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.page, 1);
		pool_close();
	}
}

/* Found from the other end, when the last piece is to be moved. */
static void so_is_that_of_the_first_piece(void **state)
{
	static const unsigned char other_kinds[] = {4, 12, 8}; /* FIRST to WHOLE, REST, FIXED */

	(void)state;
	for (size_t kind = 0; kind < sizeof(other_kinds); kind++) {
		struct xv_compact_report report = {.more = true};
		xv_handle large;

		pool_open(1, XV_POOL_SPLIT | XV_POOL_OWNERS, 1);
		if (xv_provider_page_grains(provider) < 16) { /* nothing is moved for so little */
			pool_close();
			skip();
		}
		assert_int_equal(xv_malloc_owned(pool, 65536 + 200, 1, &large), 0);
		for (size_t i = 0; i < OBJECTS; i++)
			assert_int_equal(xv_malloc_owned(pool, 200, 2, &handles[i]), 0);
		for (size_t i = 0; i < OBJECTS; i++) {
			if (i % 8 != 0)
				assert_int_equal(xv_free(pool, handles[i]), 0);
		}
		first_header_change(0, other_kinds[kind]);
		while (report.more)
			assert_int_equal(xv_compact(pool, 65536, &report), 0);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.page, 0);
		pool_close();
	}
}

/* Of two pieces whose links disagree, the page of the one that was overwritten is closed. */
static void the_page_of_the_overwritten_link_is_closed(void **state)
{
	static unsigned char bytes[100000];

	(void)state;
	for (uint32_t back = 0; back < 2; back++) {
		xv_handle large, other;
		unsigned char *page;

		pool_open(1, XV_POOL_SPLIT, 1);
		assert_int_equal(xv_malloc(pool, sizeof(bytes), &large), 0);
		assert_int_equal(xv_malloc(pool, sizeof(bytes), &other), 0);
		/* The first piece fills page 0; the rest is the first block of page 1. */
		assert_int_equal(xv_handle_page(large), 0);
		page = (unsigned char *)provider->base + ((size_t)back << 16);
		page[back != 0 ? 4 + 12 : 4 + 4] ^= 8; /* the unit in the link */
		assert_int_equal(xv_read(pool, large, 0, bytes, sizeof(bytes)), -XV_EBADMSG);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.page, back);
		pool_close();
	}
}

/* A link that leads to a freed place was overwritten; nobody wrote to the page of that place. */
static void a_link_to_a_freed_place_closes_its_own_page(void **state)
{
	static unsigned char bytes[100000];

	(void)state;
	for (uint32_t back = 0; back < 2; back++) {
		xv_handle large, freed, kept;
		uint32_t link[2];

		pool_open(2, XV_POOL_SPLIT | XV_POOL_OWNERS, 1);
		assert_int_equal(xv_malloc_owned(pool, sizeof(bytes), 1, &large), 0);
		assert_int_equal(xv_handle_page(large), 0);
		do
			assert_int_equal(xv_malloc_owned(pool, SIZE, 2, &kept), 0);
		while (xv_handle_page(kept) < 2);
		assert_int_equal(xv_malloc_owned(pool, SIZE, 3, &freed), 0);
		assert_int_equal(xv_handle_page(freed), xv_handle_page(kept));
		assert_int_equal(xv_free(pool, freed), 0);
		link[0] = xv_handle_page(freed);
		link[1] = (xv_handle_offset(freed) - 8) / 4; /* before it, its owner and header */
		/* The first piece fills page 0; the rest is the first block of page 1. */
		memcpy((unsigned char *)provider->base + ((size_t)back << 16) +
			       (back != 0 ? 4 + 8 : 4 + 4),
		       link, sizeof(link));
		assert_int_equal(xv_read(pool, large, 0, bytes, sizeof(bytes)), -XV_EBADMSG);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.page, back);
		assert_int_equal(xv_read(pool, kept, 0, bytes, SIZE), 0);
		pool_close();
	}
}

static void zeroed_objects_are_made_beside_overwritten_ones(void **state)
{
	struct xv_pool_stats before, after;
	xv_handle handle;

	(void)state;
	for (uint32_t bit = 0; bit < 32; bit++) {
		pool_open(1, 0, 1);
		make_objects();
		assert_int_equal(xv_free(pool, handles[5]), 0);
		(bytes_of(handles[6]) - 4)[bit / 8] ^= (unsigned char)(1U << bit % 8);
		xv_pool_get_stats(pool, &before);
		assert_int_equal(xv_calloc(pool, 1, SIZE, &handle), 0);
		assert_int_equal(bytes_of(handle)[SIZE - 1], 0);
		xv_pool_get_stats(pool, &after);
		assert_in_range(after.objects - before.objects, 1, 1 + after.closed_pages);
		pool_close();
	}
}

/* A changed bit of a header, with zeros where a false length leads. A tag nobody can tell. */
static void no_bit_of_a_header_gives_an_object_other_bytes(void **state)
{
	enum { TAG_BIT = 20, PLACE = 2 };

	(void)state;
	for (uint32_t level = 1; level <= 2; level++) {
		for (uint32_t bit = 2; bit < 32; bit++) {
			uint32_t word;
			int size;

			pool_open(level, 0, 1);
			for (size_t i = 0; i < OBJECTS; i++)
				assert_int_equal(xv_calloc(pool, 1, 80, &handles[i]), 0);
			memcpy(&word, bytes_of(handles[PLACE]) - 4, 4);
			word ^= 1U << bit;
			memcpy(bytes_of(handles[PLACE]) - 4, &word, 4);
			size = xv_object_size(pool, handles[PLACE]);
			assert_int_equal(size, bit < TAG_BIT ? -XV_EBADMSG : -XV_EINVAL);
			assert_int_equal(told.calls, bit < TAG_BIT);
			pool_close();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_level_that_is_none_is_refused),
		cmocka_unit_test(an_overwritten_header_closes_its_page_and_no_other),
		cmocka_unit_test(no_bit_of_a_header_gives_an_object_other_bytes),
		cmocka_unit_test(a_closed_page_is_not_used_again_before_a_reset),
		cmocka_unit_test(objects_of_a_closed_page_are_live_and_not_visited),
		cmocka_unit_test(a_hole_that_was_written_to_is_not_used),
		cmocka_unit_test(an_overwritten_link_is_not_followed),
		cmocka_unit_test(the_page_of_an_overwritten_kind_is_closed),
		cmocka_unit_test(so_is_that_of_the_first_piece),
		cmocka_unit_test(the_page_of_the_overwritten_link_is_closed),
		cmocka_unit_test(a_link_to_a_freed_place_closes_its_own_page),
		cmocka_unit_test(zeroed_objects_are_made_beside_overwritten_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
