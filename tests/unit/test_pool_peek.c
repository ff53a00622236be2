/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xv_peek: size and contents in one call, in place or copied. May call: public headers. One
 * thread.
 */
#include "pool_fixture.h"

#include <string.h>

#include "pattern.h"

enum { BUFFER_BYTES = 4 * 65536, OBJECTS = 200 };

static unsigned char buffer[BUFFER_BYTES];

/* What is seen is what was written, where it lies or in the buffer. */
static void sees(struct pool_fixture *f, xv_handle handle, size_t size, uint32_t seed,
		 bool in_place)
{
	const void *at = NULL;

	memset(buffer, 0xEE, size);
	assert_int_equal(xv_peek(f->pool, handle, buffer, sizeof(buffer), &at), size);
	assert_true((at == buffer) == !in_place);
	assert_true(pattern_matches(at, size, seed));
	if (in_place)
		assert_ptr_equal(at, xv_address_of(f->pool, handle));
}

static void open_plain(struct pool_fixture *f)
{
	struct xv_pool_options options;

	fixture_options(f, &options);
	fixture_remake(f, 256, &options, 0);
}

static void an_object_in_one_piece_is_seen_where_it_lies(struct pool_fixture *f)
{
	bool addressable = f->inner->base != NULL;
	xv_handle handle;
	size_t size;

	open_plain(f);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		size = random_size(&f->random, fixture_object_max(f));
		handle = fixture_malloc(f, size);
		fixture_fill(f, handle, i);
		sees(f, handle, size, i, addressable);
	}
	handle = fixture_malloc(f, fixture_object_max(f));
	fixture_fill(f, handle, 99);
	sees(f, handle, fixture_object_max(f), 99, addressable);
	fixture_check(f);
}

static void an_object_in_pieces_is_copied(struct pool_fixture *f)
{
	struct xv_pool_options options;
	size_t size = 2 * f->page_bytes + 100;
	xv_handle handle;
	const void *at = f;

	fixture_options(f, &options);
	options.flags = XV_POOL_SPLIT;
	fixture_remake(f, 64, &options, 0);
	handle = fixture_malloc(f, size);
	pattern_fill(buffer, size, 7);
	assert_int_equal(xv_write(f->pool, handle, 0, buffer, size), 0);
	sees(f, handle, size, 7, false);
	/* To the byte, or not at all. */
	assert_int_equal(xv_peek(f->pool, handle, buffer, size, &at), size);
	at = f;
	assert_int_equal(xv_peek(f->pool, handle, buffer, size - 1, &at), -XV_ERANGE);
	assert_ptr_equal(at, f);
}

static void bad_use_is_refused(struct pool_fixture *f)
{
	const void *at = f;
	xv_handle handle;

	open_plain(f);
	handle = fixture_malloc(f, 100);
	assert_int_equal(xv_peek(NULL, handle, buffer, 100, &at), -XV_EINVAL);
	assert_int_equal(xv_peek(f->pool, handle, NULL, 100, &at), -XV_EINVAL);
	assert_int_equal(xv_peek(f->pool, handle, buffer, 100, NULL), -XV_EINVAL);
	assert_int_equal(xv_peek(f->pool, XV_NULL_HANDLE, buffer, 100, &at), -XV_EINVAL);
	fixture_free(f, handle);
	assert_int_equal(xv_peek(f->pool, handle, buffer, 100, &at), -XV_EINVAL);
	assert_ptr_equal(at, f);
	assert_true(fixture_stats(f).bad_handles != 0);
}

static const struct pool_test tests[] = {
	POOL_TEST(an_object_in_one_piece_is_seen_where_it_lies, EACH_ALIGNMENT),
	POOL_TEST(an_object_in_pieces_is_copied, 0),
	POOL_TEST(bad_use_is_refused, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_peek", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
