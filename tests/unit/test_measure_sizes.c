/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of size lists: from pages, from files, to files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sizes.h"
#include "test_random.h"
#include "test_xvfrag_support.h"

static int read_sizes(const char *path, void *context)
{
	return xvm_sizes_from_file(context, path);
}

static void check_refused(const char *text, const char *line, const char *reason)
{
	struct xvm_sizes sizes;
	char said[512];
	const char *path = make_file(text, strlen(text));

	assert_int_equal(catch_error(read_sizes, path, &sizes, said, sizeof(said)), XVM_FAILED);
	assert_non_null(strstr(said, path));
	assert_non_null(strstr(said, line));
	assert_non_null(strstr(said, reason));
	unlink(path);
	xvm_sizes_fini(&sizes);
}

static void sizes_file_is_one_number_a_line(void **state)
{
	static const char text[] = "# a comment\n100\n0\n\n4096\r\n 77 \n0\n5000";
	static const uint32_t expected[] = {100, 4096, 77, 5000};
	const char *path = make_file(text, strlen(text));
	struct xvm_sizes sizes;

	(void)state;
	assert_int_equal(xvm_sizes_from_file(&sizes, path), 0);
	assert_int_equal(sizes.objects.count, 4);
	assert_memory_equal(sizes.objects.items, expected, sizeof(expected));
	assert_int_equal(sizes.page_count, 6);
	assert_int_equal(sizes.same_filled, 2);
	assert_int_equal(sizes.raw, 1);
	assert_int_equal(sizes.object_bytes, 100 + 4096 + 77 + 5000);
	assert_int_equal(sizes.pages.count, 0);
	unlink(path);
	xvm_sizes_fini(&sizes);
}

static void sizes_file_errors_name_file_line_and_reason(void **state)
{
	(void)state;
	check_refused("1\n2\nabc\n", ":3:", "expected one size");
	check_refused("1\n-2\n", ":2:", "expected one size");
	check_refused("1 2\n", ":1:", "expected one size");
	check_refused("# x\n67108865\n", ":2:", "67108864");
	check_refused("99999999999999999999999\n", ":1:", "expected one size");
	check_refused("12\xFFgarbage\n", ":1:", "expected one size");
}

static void sizes_file_that_is_missing_is_named(void **state)
{
	struct xvm_sizes sizes;
	char said[512];

	(void)state;
	assert_int_equal(catch_error(read_sizes, "/nonexistent/sizes", &sizes, said, sizeof(said)),
			 XVM_FAILED);
	assert_non_null(strstr(said, "/nonexistent/sizes"));
	assert_non_null(strstr(said, "No such file"));
}

/* Four pages: zeros, text that compresses, noise that does not, one byte again and again. */
static struct xvm_pages fill_pages(void)
{
	static uint8_t data[4 * XVM_INPUT_PAGE_BYTES];
	uint8_t *text = data + XVM_INPUT_PAGE_BYTES, *noise = text + XVM_INPUT_PAGE_BYTES;
	uint64_t seed = 3;

	for (size_t i = 0; i < XVM_INPUT_PAGE_BYTES; i++) {
		text[i] = (uint8_t)((size_t) "a line of text\n"[i % 15] + (i / 150) % 3);
		noise[i] = (uint8_t)random_next(&seed);
	}
	memset(noise + XVM_INPUT_PAGE_BYTES, 0xEE, XVM_INPUT_PAGE_BYTES);
	return (struct xvm_pages){.data = data, .count = 4, .capacity = 4};
}

static void sizes_of_pages_tell_same_filled_compressed_and_raw(void **state)
{
	const struct ramz_codec *codec;
	struct xvm_sizes sizes;
	struct xvm_pages pages = fill_pages();

	(void)state;
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		bool none = strcmp(codec->name, "none") == 0;

		assert_int_equal(xvm_sizes_from_pages(&sizes, &pages, codec, RAMZ_LEVEL_DEFAULT),
				 0);
		assert_int_equal(sizes.page_count, 4);
		assert_int_equal(sizes.same_filled, 2);
		assert_int_equal(sizes.raw, none ? 2 : 1);
		assert_int_equal(sizes.objects.count, 2);
		assert_int_equal(sizes.pages.items[0], 1);
		assert_int_equal(sizes.pages.items[1], 2);
		if (!none)
			assert_in_range(sizes.objects.items[0], 1, XVM_STORE_BYTES_MAX);
		assert_int_equal(sizes.objects.items[1], 4096);
		xvm_sizes_fini(&sizes);
	}
}

static void sizes_written_are_read_back(void **state)
{
	struct xvm_sizes written;
	struct xvm_sizes read_back;
	struct xvm_pages pages = fill_pages();
	char path[] = "/tmp/xvfrag-test-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	(void)state;
	assert_int_equal(
		xvm_sizes_from_pages(&written, &pages, ramz_codec_at(0), RAMZ_LEVEL_DEFAULT), 0);
	assert_true(xvm_sizes_write(&written, file));
	fclose(file);
	assert_int_equal(xvm_sizes_from_file(&read_back, path), 0);
	assert_int_equal(read_back.page_count, written.page_count);
	assert_int_equal(read_back.same_filled, written.same_filled);
	assert_int_equal(read_back.objects.count, written.objects.count);
	assert_memory_equal(read_back.objects.items, written.objects.items,
			    written.objects.count * sizeof(uint32_t));
	unlink(path);
	xvm_sizes_fini(&written);
	xvm_sizes_fini(&read_back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_file_is_one_number_a_line),
		cmocka_unit_test(sizes_file_errors_name_file_line_and_reason),
		cmocka_unit_test(sizes_file_that_is_missing_is_named),
		cmocka_unit_test(sizes_of_pages_tell_same_filled_compressed_and_raw),
		cmocka_unit_test(sizes_written_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
