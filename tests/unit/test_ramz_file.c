/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Saving and loading: what comes back, what is refused and why, and a sink or source that fails
 * at each of its calls.
 */
#define _POSIX_C_SOURCE 200809L /* mkstemp */

#include <errno.h>
#include <unistd.h>

#include "test_ramz_memory_file.h"
#include "test_ramz_text.h"

enum { SLOTS = 700 };

/* Pages of every kind, of every codec of this build, with holes. */
static struct ramz *make_store(bool checksum, bool dedup)
{
	struct ramz *store = store_open_with(SLOTS, checksum, dedup);

	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		if (slot % 7 == 6)
			continue;
		if (ramz_codec_at((size_t)(slot % 5)) != NULL)
			assert_int_equal(ramz_set_codec(store, ramz_codec_at((size_t)(slot % 5)),
							RAMZ_LEVEL_DEFAULT),
					 0);
		store_put(store, slot, slot % 300);
	}
	return store;
}

static void expect_store(struct ramz *store)
{
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		if (slot % 7 == 6)
			store_expect_zero(store, slot);
		else
			store_expect(store, slot, slot % 300);
	}
}

static void what_was_saved_comes_back(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 8; kind++) {
		struct ramz *store = make_store((kind & 1) != 0, (kind & 2) != 0), *loaded;
		struct ramz_options options;
		struct memory_file file;
		const char *reason = NULL;

		save(store, &file);
		store_options(&options, 1);
		options.dedup = (kind & 4) != 0;
		file.at_most = 1000; /* sources may give less than was asked for */
		assert_int_equal(load(&file, &options, &loaded, &reason), 0);
		assert_string_equal(reason, "");
		assert_int_equal(ramz_size_bytes(loaded), SLOTS * PAGE);
		expect_store(loaded);
		if ((kind & 4) != 0)
			assert_true(store_stats(loaded).pages_shared > 0);
		else if ((kind & 2) == 0) /* forms are kept as they are */
			assert_int_equal(store_stats(loaded).stored_bytes,
					 store_stats(store).stored_bytes);
		assert_int_equal(store_stats(loaded).pages_stored, store_stats(store).pages_stored);
		store_close(loaded);
		store_close(store);
		free(file.bytes);
	}
}

static void an_empty_store_can_be_saved(void **state)
{
	struct ramz *store = store_open(9), *loaded;
	struct memory_file file;
	const char *reason;

	(void)state;
	save(store, &file);
	assert_int_equal(load(&file, NULL, &loaded, &reason), 0);
	assert_int_equal(ramz_size_bytes(loaded), 9 * PAGE);
	store_close(loaded);
	store_close(store);
	free(file.bytes);
}

static void torn_files_are_refused(void **state)
{
	struct ramz *store = make_store(true, false);
	struct memory_file file;
	size_t length;

	(void)state;
	save(store, &file);
	length = file.length;
	for (size_t cut = 0; cut < length; cut += 4096 * (size_t)test_shorter()) {
		file.length = cut;
		expect_refusal(&file, -XV_EBADMSG);
	}
	for (size_t cut = 1; cut < 300; cut += (size_t)test_shorter()) {
		file.length = length - cut;
		expect_refusal(&file, -XV_EBADMSG);
		file.length = cut;
		expect_refusal(&file, -XV_EBADMSG);
	}
	store_close(store);
	free(file.bytes);
}

static void changed_bits_are_refused(void **state)
{
	struct ramz *store = make_store(false, false);
	uint64_t seed = environment_number("XV_SEED", 21);
	struct memory_file file;

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	save(store, &file);
	for (size_t i = 0; i < 1200; i += (size_t)test_shorter()) {
		size_t at = i < 300 ? i : random_below(&seed, file.length);
		unsigned char bit = (unsigned char)(1U << random_below(&seed, 8));
		struct ramz *loaded = NULL;
		const char *reason;

		file.bytes[at] ^= bit;
		assert_int_equal(load(&file, NULL, &loaded, &reason), -XV_EBADMSG);
		assert_null(loaded);
		file.bytes[at] ^= bit;
	}
	store_close(store);
	free(file.bytes);
}

/* Blocks change places, come twice, or are missing: each is whole in itself. */
static void blocks_out_of_order_are_refused(void **state)
{
	struct ramz *store = make_store(false, false);
	struct memory_file file, other;
	const unsigned char *bytes;
	size_t first;

	(void)state;
	save(store, &file);
	bytes = file.bytes + 256 + 12; /* of the first block; little-endian on each machine */
	first = 24 + (bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16);
	assert_true(256 + first < file.length);
	other = file;
	other.length = file.length - first;
	other.bytes = malloc(file.length + first);
	memcpy(other.bytes, file.bytes, 256);
	memcpy(other.bytes + 256, file.bytes + 256 + first, file.length - 256 - first);
	expect_refusal(&other, -XV_EBADMSG);
	memcpy(other.bytes, file.bytes, 256 + first);
	memcpy(other.bytes + 256 + first, file.bytes + 256, file.length - 256);
	other.length = file.length + first;
	expect_refusal(&other, -XV_EBADMSG);
	free(other.bytes);
	free(file.bytes);
	store_close(store);
}

static void foreign_files_are_refused(void **state)
{
	struct memory_file file = {.length = 8192};
	uint64_t seed = 6;

	(void)state;
	file.bytes = calloc(1, file.length);
	expect_refusal(&file, -XV_EBADMSG);
	for (size_t i = 0; i < file.length; i++)
		file.bytes[i] = (unsigned char)random_next(&seed);
	expect_refusal(&file, -XV_EBADMSG);
	memcpy(file.bytes, "RAMZPAGE", 8);
	expect_refusal(&file, -XV_EBADMSG);
	free(file.bytes);
}

static void a_store_that_does_not_fit_is_refused(void **state)
{
	struct ramz *store = make_store(false, false), *loaded;
	struct ramz_options options;
	struct memory_file file;
	const char *reason;

	(void)state;
	save(store, &file);
	store_options(&options, 1);
	options.hard_limit_bytes = 600 << 10;
	assert_int_equal(load(&file, &options, &loaded, &reason), -XV_ENOSPC);
	assert_string_equal(reason, "the pages do not fit under the hard limit");
	options.hard_limit_bytes = 0;
	options.raw_above_permille = 2000;
	assert_int_equal(load(&file, &options, &loaded, &reason), -XV_EINVAL);
	assert_non_null(strstr(reason, "raw_above_permille"));
	store_close(store);
	free(file.bytes);
}

/* ---- codecs that the file names ---- */

static struct ramz_codec odd_codec;

static void codecs_are_found_by_name(void **state)
{
	const struct ramz_codec *codecs[] = {&odd_codec};
	struct ramz *store = store_open(20), *loaded;
	struct memory_file file;
	struct ramz_source source = {.read = memory_read, .context = &file};
	const char *reason;

	(void)state;
	odd_codec = *ramz_codec_at(0);
	odd_codec.name = "odd";
	odd_codec.id = 4711;
	assert_int_equal(ramz_set_codec(store, &odd_codec, RAMZ_LEVEL_DEFAULT), 0);
	for (uint64_t slot = 0; slot < 20; slot++)
		store_put(store, slot, slot);
	save(store, &file);
	expect_refusal(&file, -XV_ENOTSUP);
	file.at = 0;
	assert_int_equal(ramz_load(&loaded, NULL, codecs, 1, &source, &reason), 0);
	for (uint64_t slot = 0; slot < 20; slot++)
		store_expect(loaded, slot, slot);
	store_close(loaded);
	store_close(store);
	free(file.bytes);
}

/* Codecs change after the header was written: pages that get a new one are saved raw, and pages
 * that are written with it are not of the moment that is saved. */
struct changing_file {
	struct memory_file file;
	struct ramz *store;
};

static int changing_write(void *context, const void *data, size_t bytes)
{
	struct changing_file *changing = context;

	if (changing->file.calls == 0) {
		const struct ramz_recompress_options all = {.tier = 2};
		struct ramz_recompress_report report;

		assert_int_equal(ramz_set_codec(changing->store, &odd_codec, RAMZ_LEVEL_DEFAULT),
				 0);
		for (uint64_t slot = 0; slot < 20; slot += 2)
			put_text(changing->store, slot, slot + 100);
		assert_int_equal(ramz_set_tier(changing->store, 2, &odd_codec, 9), 0);
		assert_int_equal(ramz_recompress(changing->store, &all, &report), 0);
		assert_true(report.recompressed >= 10);
	}
	return memory_write(&changing->file, data, bytes);
}

static void expect_absent(struct ramz *store, uint64_t slot)
{
	unsigned char page[PAGE];

	assert_int_equal(ramz_read_page(store, slot, page), 0);
	assert_true(page_is_zero(page, PAGE));
}

static void a_codec_that_comes_during_saving_does_no_harm(void **state)
{
	odd_codec = *strong_codec();
	odd_codec.name = "odd";
	odd_codec.id = 4711;
	for (int checksum = 0; checksum < 2; checksum++) {
		struct changing_file changing;
		struct ramz_sink sink = {.write = changing_write, .context = &changing};
		struct ramz_options options;
		struct ramz *loaded;
		const char *reason;

		store_options(&options, 20);
		options.checksum = checksum != 0;
		memset(&changing, 0, sizeof(changing));
		assert_int_equal(ramz_create(&changing.store, &options), 0);
		for (uint64_t slot = 1; slot < 20; slot += 2)
			put_text(changing.store, slot, slot);
		assert_int_equal(ramz_save(changing.store, &sink), 0);
		store_check(changing.store);
		assert_int_equal(load(&changing.file, NULL, &loaded, &reason), 0);
		for (uint64_t slot = 0; slot < 20; slot++) {
			if (slot % 2 != 0)
				expect_text(loaded, slot, slot);
			else
				expect_absent(loaded, slot);
			if (slot % 2 == 0)
				expect_text(changing.store, slot, slot + 100);
		}
		store_close(loaded);
		store_close(changing.store);
		free(changing.file.bytes);
	}
	(void)state;
}

/* ---- failing files ---- */

static void every_call_of_a_sink_may_fail(void **state)
{
	struct ramz *store = make_store(false, false);
	struct memory_file file;
	struct ramz_sink sink = {.write = memory_write, .context = &file};
	uint64_t nth = 1;

	(void)state;
	for (;; nth++) {
		int err;

		memset(&file, 0, sizeof(file));
		file.fail_at = nth;
		err = ramz_save(store, &sink);
		free(file.bytes);
		if (err == 0)
			break;
		assert_int_equal(err, -EIO);
	}
	assert_true(nth > 5);
	expect_store(store);
	assert_int_equal(ramz_save(store, NULL), -XV_EINVAL);
	assert_int_equal(ramz_save(NULL, &sink), -XV_EINVAL);
	store_close(store);
}

static void every_call_of_a_source_may_fail(void **state)
{
	struct ramz *store = make_store(false, false), *loaded;
	struct memory_file file;
	const char *reason;
	uint64_t nth = 1;

	(void)state;
	save(store, &file);
	for (;; nth++) {
		file.fail_at = nth;
		if (load(&file, NULL, &loaded, &reason) == 0)
			break;
		assert_string_equal(reason, "the file cannot be read");
	}
	assert_true(nth > 5);
	ramz_destroy(loaded);
	store_close(store);
	free(file.bytes);
}

#if !defined(_WIN32)
/* ---- real files ---- */

static void files_are_replaced_whole_or_not_at_all(void **state)
{
	struct ramz *store = make_store(false, false), *loaded;
	char path[] = "/tmp/test_ramz_file.XXXXXX", temporary[sizeof(path) + 4];
	struct ramz_reason reason = {.text = ""};
	int fd = mkstemp(path);
	FILE *file;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	(void)snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	assert_int_equal(ramz_save_file(store, path, NULL, NULL), 0);
	assert_int_equal(access(temporary, F_OK), -1);
	assert_int_equal(ramz_load_file(&loaded, NULL, NULL, 0, path, &reason), 0);
	expect_store(loaded);
	store_close(loaded);
	file = fopen(path, "ab");
	assert_non_null(file);
	fputc('x', file);
	fclose(file);
	assert_int_equal(ramz_load_file(&loaded, NULL, NULL, 0, path, &reason), -XV_EBADMSG);
	assert_string_equal(reason.text, "the file goes on behind the end of the saved store");
	unlink(path);
	assert_int_equal(ramz_load_file(&loaded, NULL, NULL, 0, path, &reason), -ENOENT);
	assert_int_equal(ramz_save_file(store, "/nowhere/at/all", NULL, NULL), -ENOENT);
	assert_int_equal(ramz_save_file(store, "/dev/full/x", NULL, NULL), -ENOTDIR);
	assert_int_equal(ramz_save_file(NULL, path, NULL, NULL), -XV_EINVAL);
	assert_int_equal(ramz_save_file(store, NULL, NULL, NULL), -XV_EINVAL);
	assert_int_equal(ramz_load_file(NULL, NULL, NULL, 0, path, NULL), -XV_EINVAL);
	assert_int_equal(ramz_load_file(&loaded, NULL, NULL, 0, NULL, NULL), -XV_EINVAL);
	store_close(store);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_saved_comes_back),
		cmocka_unit_test(an_empty_store_can_be_saved),
		cmocka_unit_test(torn_files_are_refused),
		cmocka_unit_test(changed_bits_are_refused),
		cmocka_unit_test(blocks_out_of_order_are_refused),
		cmocka_unit_test(foreign_files_are_refused),
		cmocka_unit_test(a_store_that_does_not_fit_is_refused),
		cmocka_unit_test(codecs_are_found_by_name),
		cmocka_unit_test(a_codec_that_comes_during_saving_does_no_harm),
		cmocka_unit_test(every_call_of_a_sink_may_fail),
		cmocka_unit_test(every_call_of_a_source_may_fail),
#if !defined(_WIN32)
		cmocka_unit_test(files_are_replaced_whole_or_not_at_all),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
