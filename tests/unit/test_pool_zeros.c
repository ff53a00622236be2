/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_zeros.c: freed bytes are zero in a pool with hardening 2. The pages lie in a buffer, so
 * that a test may look at all of them. May call: public headers. One thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>

enum { OBJECTS = 40 };

static struct xv_pool *pool;
static xv_handle handles[OBJECTS];
static _Alignas(uint32_t) unsigned char memory[64 * 65536];

/* Words of all memory that have this value. */
static size_t words_with(uint32_t value)
{
	size_t count = 0;

	for (size_t i = 0; i < sizeof(memory); i += sizeof(value))
		count += memcmp(memory + i, &value, sizeof(value)) == 0;
	return count;
}

static int let_move(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	assert_int_equal(handles[owner], from);
	handles[owner] = to;
	return 0;
}

/* Whatever an object's length is, and whoever frees its bytes: free, realloc or compaction. */
static void freed_bytes_of_every_object_are_zero(void **state)
{
	static const struct xv_owner_ops ops = {.relocated = let_move};
	static const size_t sizes[] = {20, 900, 4000, 5000, 30000, 150000};
	enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
	static unsigned char bytes[150000];
	struct xv_provider *provider;
	struct xv_compact_report report;
	struct xv_pool_options options;
	uint64_t moved = 0;

	(void)state;
	assert_int_equal(xv_provider_buffer_init(&provider, memory, sizeof(memory), 65536), 0);
	xv_pool_options_init(&options);
	options.hardening = 2;
	options.flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
	options.owner_ops = &ops;
	options.shards = 1;
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
	memset(bytes, 0xA5, sizeof(bytes));
	for (uint32_t i = 0; i < OBJECTS; i++) {
		size_t size = sizes[i % SIZES];

		assert_int_equal(xv_malloc_owned(pool, size, i, &handles[i]), 0);
		assert_int_equal(xv_write(pool, handles[i], 0, bytes, size), 0);
	}
	assert_true(words_with(0xA5A5A5A5) > 0);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % 3 == 0)
			assert_int_equal(xv_realloc(pool, &handles[i], sizes[i % SIZES] + 3000), 0);
		else if (i % 3 == 1)
			assert_int_equal(xv_realloc(pool, &handles[i], 10), 0);
	}
	for (uint32_t i = 1; i < OBJECTS; i++) {
		if (i % 5 != 0)
			assert_int_equal(xv_free(pool, handles[i]), 0);
	}
	do {
		assert_int_equal(xv_compact(pool, 0, &report), 0);
		moved += report.moved_blocks;
	} while (report.more);
	assert_true(moved > 0);
	for (uint32_t i = 5; i < OBJECTS; i += 5)
		assert_int_equal(xv_free(pool, handles[i]), 0);
	/* The first one is live. */
	assert_in_range(words_with(0xA5A5A5A5), sizes[0] / 4 - 1, sizes[0] / 4);
	xv_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freed_bytes_of_every_object_are_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
