/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A page that is overwritten, and written back to the same place of a segment filled anew, while it
 * is read from there: the entry of its slot is as it was, the bytes that were read are the old
 * ones.
 */
#include <ramz/backing.h>

#include "test_ramz_text.h"

enum { SEGMENTS = 4 };

static struct {
	struct ramz *store;
	unsigned char bytes[SEGMENTS * RAMZ_SEGMENT_BYTES];
	uint64_t number; /* of the text that the page has */
	unsigned meet;   /* reads that meet an overwriting */
	unsigned writes;
} d;

static void write_back(void)
{
	const struct ramz_writeback_options options = {.min_age = 0};
	struct ramz_writeback_report report;

	assert_int_equal(ramz_writeback(d.store, &options, &report), 0);
	assert_int_equal(report.pages, 1);
}

static int reused_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	(void)context;
	memcpy(dst, d.bytes + offset, bytes);
	if (d.meet != 0) {
		d.meet--;
		put_text(d.store, 0, d.number); /* frees the segment */
		write_back();
	}
	return 0;
}

static int reused_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	(void)context;
	d.writes++;
	memcpy(d.bytes + offset, src, bytes);
	return 0;
}

static void a_page_that_comes_back_to_its_place_is_read_again(void **state)
{
	const struct ramz_backing device = {.size_bytes = sizeof(d.bytes),
					    .align_bytes = 1,
					    .read = reused_read,
					    .write = reused_write};

	(void)state;
	d.store = store_open(1);
	assert_int_equal(ramz_attach(d.store, &device), 0);
	for (d.number = 1; d.number < 20; d.number++) {
		put_text(d.store, 0, d.number);
		write_back();
		d.meet = 1 + (unsigned)d.number % 3;
		expect_text(d.store, 0, d.number);
		assert_int_equal(d.meet, 0);
	}
	store_close(d.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_comes_back_to_its_place_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
