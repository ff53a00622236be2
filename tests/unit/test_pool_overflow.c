/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_overflow.c: 1 to 64 bytes written behind an object, at level 2 of hardening, over every
 * provider and with every alignment. The next call on the object tells, whichever it is; its page
 * is closed and no other, and a reset makes it good. May call: public headers. One thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <xvmalloc/pool.h>

#include "../support/providers.h"

enum { OVERFLOW_MOST = 64, CALLS = 8 };

static struct xv_pool *pool;
static unsigned told;
static uint32_t told_page;

static void corrupted(void *context, uint32_t page, uint32_t offset, const char *message)
{
	(void)context;
	(void)offset;
	assert_true(message != NULL && message[0] != '\0');
	told++;
	told_page = page;
}

/* An object of its number in every byte. */
static xv_handle object_make(size_t size, int number)
{
	xv_handle handle;
	void *at;

	assert_int_equal(xv_malloc(pool, size, &handle), 0);
	assert_int_equal(xv_map(pool, handle, &at), 0);
	memset(at, number, size);
	assert_int_equal(xv_unmap(pool, handle, at), 0);
	return handle;
}

static void object_expect(xv_handle handle, size_t size, int number)
{
	const unsigned char *bytes;
	void *at;

	assert_int_equal(xv_object_size(pool, handle), size);
	assert_int_equal(xv_map(pool, handle, &at), 0);
	bytes = at;
	for (size_t i = 0; i < size; i++)
		assert_int_equal(bytes[i], number);
	assert_int_equal(xv_unmap(pool, handle, at), 0);
}

/* What one of the calls with a handle returns. */
static int call(unsigned which, xv_handle handle)
{
	unsigned char byte[64] = {0};
	const void *seen;
	void *at;

	switch (which % CALLS) {
	case 0:
		return xv_free(pool, handle);
	case 1:
		return xv_read(pool, handle, 0, byte, 1);
	case 2:
		return xv_write(pool, handle, 0, byte, 1);
	case 3:
		return xv_map(pool, handle, &at);
	case 4:
		return xv_peek(pool, handle, byte, sizeof(byte), &seen);
	case 5:
		return xv_realloc(pool, &handle, 1);
	case 6:
		return xv_realloc(pool, &handle, 2000);
	default:
		return xv_object_size(pool, handle);
	}
}

/* The object lies between two others of its page, so that what is behind it has memory. */
static void overflow_is_told(size_t bytes)
{
	size_t size = 1 + bytes * 7 % 61, far_size = xv_pool_max_size(pool);
	xv_handle far = object_make(far_size, 9); /* fills a page of its own */
	xv_handle before = object_make(40, 1);
	xv_handle handle = object_make(size, 2);
	xv_handle behind = object_make(100, 3);
	uint32_t page = xv_handle_page(handle);
	unsigned char *end;
	void *at;

	assert_true(page != xv_handle_page(far));
	assert_int_equal(page, xv_handle_page(behind));
	assert_int_equal(xv_map(pool, handle, &at), 0);
	end = (unsigned char *)at + size;
	for (size_t i = 0; i < bytes; i++)
		end[i] ^= 0xFF;
	assert_int_equal(xv_unmap(pool, handle, at), 0);
	told = 0;
	assert_int_equal(call((unsigned)bytes, handle), -XV_EBADMSG);
	assert_int_equal(told, 1);
	assert_int_equal(told_page, page);
	assert_int_equal(call((unsigned)bytes + 1, handle), -XV_EBADMSG);
	assert_int_equal(xv_free(pool, before), -XV_EBADMSG);
	assert_int_equal(xv_free(pool, behind), -XV_EBADMSG);
	assert_int_equal(told, 1);
	object_expect(far, far_size, 9);
	assert_true(xv_handle_page(object_make(40, 4)) != page);
	assert_int_equal(xv_free(pool, far), 0);
	assert_int_equal(xv_pool_reset(pool), 0);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
}

static void every_overflow_is_told_at_the_next_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROVIDER_CASES * 3; i++) {
		const struct provider_case *which = &provider_cases[i / 3];
		struct xv_provider *provider;
		struct xv_pool_options options;

		if (provider_case_create(which, 4 << 20, &provider) != 0)
			continue;
		xv_pool_options_init(&options);
		options.hardening = 2;
		options.alignment = 4U << i % 3;
		options.corrupted = corrupted;
		assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
		for (size_t bytes = 1; bytes <= OVERFLOW_MOST; bytes++)
			overflow_is_told(bytes);
		xv_pool_destroy(pool);
		provider_case_destroy(which, provider);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_overflow_is_told_at_the_next_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
