/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_support.h: for tests of the page store: pages of every kind, told apart by a
 * number, and stores that are proved before they are dropped.
 *
 * Owns nothing. May call: public headers, CMocka. Locking: none. O(page).
 */
#ifndef TEST_RAMZ_SUPPORT_H
#define TEST_RAMZ_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ramz/ramz.h>

#include "test_random.h"

enum { PAGE = 4096, PAGE_MAX_BYTES = 65536 };

/* A page whose first `random_bytes` are random and whose rest is one byte. */
static inline void page_partly_random(void *dst, size_t bytes, size_t random_bytes, uint64_t seed)
{
	unsigned char *at = dst;

	memset(dst, (int)(seed & 0x7F), bytes);
	for (size_t i = 0; i + 8 <= random_bytes; i += 8) {
		uint64_t word = random_next(&seed);

		memcpy(at + i, &word, 8);
	}
}

static inline void page_same(void *dst, size_t bytes, uint64_t word)
{
	for (size_t i = 0; i < bytes; i += 8)
		memcpy((char *)dst + i, &word, 8);
}

/* A page by number: of each number another one. Every eighth is same-filled, every eighth does
 * not compress, the others do, more or less. */
static inline void page_fill(void *dst, size_t bytes, uint64_t number)
{
	uint64_t seed = number * 0x9E3779B97F4A7C15U + 1;

	switch (number % 8) {
	case 0:
		page_same(dst, bytes, random_next(&seed) >> (number % 64));
		break;
	case 1:
		page_partly_random(dst, bytes, bytes, seed);
		break;
	default:
		page_partly_random(dst, bytes, 8 + (size_t)(random_next(&seed) % bytes), seed);
	}
}

static inline bool page_is(const void *page, size_t bytes, uint64_t number)
{
	unsigned char wanted[PAGE_MAX_BYTES];

	page_fill(wanted, bytes, number);
	return memcmp(page, wanted, bytes) == 0;
}

static inline bool page_is_zero(const void *page, size_t bytes)
{
	uint64_t word;

	return ramz_page_is_same_filled(page, bytes, &word) && word == 0;
}

static inline void store_options(struct ramz_options *options, uint64_t pages)
{
	ramz_options_init(options);
	options->size_bytes = pages * PAGE;
	options->shards = 1; /* so that what is freed is counted at once */
}

static inline struct ramz *store_open_with(uint64_t pages, bool checksum, bool dedup)
{
	struct ramz_options options;
	struct ramz *store = NULL;

	store_options(&options, pages);
	options.checksum = checksum;
	options.dedup = dedup;
	assert_int_equal(ramz_create(&store, &options), 0);
	return store;
}

static inline struct ramz *store_open(uint64_t pages)
{
	return store_open_with(pages, false, false);
}

/* Prove everything. */
static inline void store_check(struct ramz *store)
{
	struct ramz_check_report report;
	int err = ramz_check(store, XV_CHECK_DEEP, &report);

	if (err != 0)
		print_error("page %llu: %s %s\n", (unsigned long long)report.page, report.message,
			    report.pool.message);
	assert_int_equal(err, 0);
}

static inline void store_close(struct ramz *store)
{
	store_check(store);
	ramz_destroy(store);
}

static inline void store_put(struct ramz *store, uint64_t page, uint64_t number)
{
	unsigned char bytes[PAGE];

	page_fill(bytes, PAGE, number);
	assert_int_equal(ramz_write_page(store, page, bytes), 0);
}

static inline void store_expect(struct ramz *store, uint64_t page, uint64_t number)
{
	unsigned char bytes[PAGE];

	memset(bytes, 0x5A, PAGE);
	assert_int_equal(ramz_read_page(store, page, bytes), 0);
	assert_true(page_is(bytes, PAGE, number));
}

static inline void store_expect_zero(struct ramz *store, uint64_t page)
{
	unsigned char bytes[PAGE];

	memset(bytes, 0x5A, PAGE);
	assert_int_equal(ramz_read_page(store, page, bytes), 0);
	assert_true(page_is_zero(bytes, PAGE));
}

static inline struct ramz_stats store_stats(struct ramz *store)
{
	struct ramz_stats stats;

	memset(&stats, 0xA5, sizeof(stats));
	ramz_get_stats(store, &stats);
	return stats;
}

#endif
