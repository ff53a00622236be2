/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_saved.c: ramz_load of files that nobody saved.
 *
 * The first two bytes of the input choose the options and which sums are made right; the rest is
 * the file. A load succeeds or says why it did not. A store that was loaded is used, and saved: the
 * saved one has the same pages.
 *
 * Owns a copy of the file. May call: public headers. Locking: none; one thread. O(input).
 */
#include "fuzz_memory.h"
#include "fuzz_sums.h"

enum { KEEP_SUMS = 1, KEEP_LENGTHS = 2, SET_CHECKSUM = 4, DEDUP = 8, SET_PAGE = 16, LIMIT = 32 };

static void draw_options(struct ramz_options *options, uint32_t kind)
{
	ramz_options_init(options);
	options->checksum = (kind & SET_CHECKSUM) != 0;
	options->dedup = (kind & DEDUP) != 0;
	options->shards = 1;
	if ((kind & SET_PAGE) != 0)
		options->page_bytes = 4096;
	if ((kind & LIMIT) != 0)
		options->hard_limit_bytes = (uint64_t)1 << 20;
}

/* Pages that can be read are the same in both. */
static void compare(struct ramz *a, struct ramz *b)
{
	size_t page_bytes = ramz_page_bytes(a);
	uint64_t pages = ramz_size_bytes(a) / page_bytes, step = pages / 64 + 1;
	unsigned char *page = malloc(2 * page_bytes);

	FUZZ_CHECK(page != NULL && ramz_size_bytes(b) == ramz_size_bytes(a));
	for (uint64_t i = 0; i < pages; i += step) {
		int err = ramz_read_page(a, i, page);

		FUZZ_CHECK(ramz_read_page(b, i, page + page_bytes) == err);
		FUZZ_CHECK(err != 0 || memcmp(page, page + page_bytes, page_bytes) == 0);
	}
	free(page);
}

static void save_and_load(struct ramz *store)
{
	struct fuzz_file file = {.bytes = NULL};
	struct ramz_sink sink = {.write = fuzz_file_write, .context = &file};
	struct ramz *copy = NULL;

	if (ramz_save(store, &sink) == 0) {
		FUZZ_CHECK(fuzz_file_load(&file, NULL, &copy) == 0);
		compare(store, copy);
		ramz_destroy(copy);
	}
	free(file.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input in = {.at = data, .left = bytes};
	uint32_t kind = fuzz_byte(&in), seed = fuzz_byte(&in);
	struct ramz *const untouched = (struct ramz *)(uintptr_t)0x5A;
	struct fuzz_file file = {.length = in.left};
	struct ramz *store = untouched;
	struct ramz_options options;

	if (in.left == 0)
		return 0;
	file.bytes = malloc(in.left);
	FUZZ_CHECK(file.bytes != NULL);
	memcpy(file.bytes, in.at, in.left);
	if ((kind & KEEP_SUMS) == 0)
		fuzz_sum_file(file.bytes, file.length, (kind & KEEP_LENGTHS) == 0);
	draw_options(&options, kind);
	if (fuzz_file_load(&file, &options, &store) == 0) {
		save_and_load(store);
		fuzz_store_use(store, seed);
		ramz_destroy(store);
	} else {
		FUZZ_CHECK(store == untouched);
	}
	free(file.bytes);
	return 0;
}
