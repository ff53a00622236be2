/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The format of a saved store: the version before is still read; blocks of two saves are not one
 * file; what was kept, and what is given instead; a store that changes its size while it is saved.
 */
#include "test_ramz_memory_file.h"

#include <ramz/tiers.h>

#include "fuzz_sums.h"

enum { SLOTS = 400 };

/* ---- version 1 ---- */

/* Saved by the version before: 8 pages; page 1 is one byte, page 3 eight runs, page 6 i % 7. */
struct run {
	size_t at;
	size_t bytes;
	const char *data;
};

static const struct run golden[] = {
	{0, 14, "\x52\x41\x4d\x5a\x50\x41\x47\x45\x01\x00\x00\x00\x00\x10"},
	{25, 1, "\x80"},
	{56, 3, "\x6c\x7a\x34"},
	{248, 33,
	 "\x0d\x1d\xcb\x20\x25\xf1\x6d\x24\x42\x4c\x4b\x31\x00\x00\x00\x00\x03\x00\x00\x00"
	 "\x8e\x00\x00\x00\x68\x94\xb5\x26\x0b\xb2\x8c\xd2\x01"},
	{289, 166,
	 "\x01\x00\x00\x08\x00\x00\x00\x5a\x5a\x5a\x5a\x5a\x5a\x5a\x5a\x03\x00\x00\x00\x00"
	 "\x00\x00\x00\x01\x02\x00\x00\x36\x00\x00\x00\x1f\x00\x01\x00\xff\xed\x1f\x01\x01"
	 "\x00\xff\xed\x1f\x02\x01\x00\xff\xed\x1f\x03\x01\x00\xff\xed\x1f\x04\x01\x00\xff"
	 "\xed\x1f\x05\x01\x00\xff\xed\x1f\x06\x01\x00\xff\xed\x1f\x07\x01\x00\xff\xe8\x50"
	 "\x07\x07\x07\x07\x07\x06\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x20\x00\x00"
	 "\x00\x7f\x00\x01\x02\x03\x04\x05\x06\x07\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	 "\xff\xff\xff\xff\xff\xff\xf0\x50\x03\x04\x05\x06\x00\x45\x4e\x44\x31\x01\x00\x00"
	 "\x00\x00\x00\x00\x00\x10\x00\x00\x00\x0e\x23\x09\x80\xfd\x70\x6d\x5f\x03\x00\x00"
	 "\x00\x00\x00\x00\x00\x8e"},
};

static const struct run golden_checksum[] = {
	{0, 17, "\x52\x41\x4d\x5a\x50\x41\x47\x45\x01\x00\x00\x00\x00\x10\x00\x00\x01"},
	{25, 1, "\x80"},
	{56, 3, "\x6c\x7a\x34"},
	{248, 33,
	 "\x09\x44\x79\xbc\x8d\x88\x3a\xd7\x42\x4c\x4b\x31\x00\x00\x00\x00\x03\x00\x00\x00"
	 "\x9e\x00\x00\x00\xe2\x29\xc5\x20\xb8\xe8\xd9\x31\x01"},
	{289, 182,
	 "\x01\x00\x00\x08\x00\x00\x00\x5a\x5a\x5a\x5a\x5a\x5a\x5a\x5a\x03\x00\x00\x00\x00"
	 "\x00\x00\x00\x01\x02\x00\x00\x3e\x00\x00\x00\x1f\x00\x01\x00\xff\xed\x1f\x01\x01"
	 "\x00\xff\xed\x1f\x02\x01\x00\xff\xed\x1f\x03\x01\x00\xff\xed\x1f\x04\x01\x00\xff"
	 "\xed\x1f\x05\x01\x00\xff\xed\x1f\x06\x01\x00\xff\xed\x1f\x07\x01\x00\xff\xe8\x50"
	 "\x07\x07\x07\x07\x07\x75\x87\x53\x6c\x7a\x58\x4d\xaf\x06\x00\x00\x00\x00\x00\x00"
	 "\x00\x01\x02\x00\x00\x28\x00\x00\x00\x7f\x00\x01\x02\x03\x04\x05\x06\x07\x00\xff"
	 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0\x50\x03\x04\x05\x06"
	 "\x00\x53\x62\xa3\x99\x2f\x13\x08\x02\x45\x4e\x44\x31\x01\x00\x00\x00\x00\x00\x00"
	 "\x00\x10\x00\x00\x00\x91\x01\x56\x39\xd5\xb2\x23\xcd\x03\x00\x00\x00\x00\x00\x00"
	 "\x00\x9e"},
};

static void file_of_runs(struct memory_file *file, size_t length, const struct run *runs,
			 size_t count)
{
	memset(file, 0, sizeof(*file));
	file->length = length;
	file->bytes = calloc(1, length);
	assert_non_null(file->bytes);
	for (size_t i = 0; i < count; i++)
		memcpy(file->bytes + runs[i].at, runs[i].data, runs[i].bytes);
}

static void expect_golden(struct ramz *store)
{
	unsigned char page[PAGE], wanted[PAGE];

	assert_int_equal(ramz_size_bytes(store), 8 * PAGE);
	for (uint64_t slot = 0; slot < 8; slot++) {
		for (int i = 0; i < PAGE; i++)
			wanted[i] = (unsigned char)(slot == 1   ? 0x5A
						    : slot == 3 ? i / 512
						    : slot == 6 ? i % 7
								: 0);
		assert_int_equal(ramz_read_page(store, slot, page), 0);
		assert_memory_equal(page, wanted, PAGE);
	}
}

static void version_1_is_read(void **state)
{
	struct memory_file files[2];

	(void)state;
	file_of_runs(&files[0], 462, golden, sizeof(golden) / sizeof(golden[0]));
	file_of_runs(&files[1], 478, golden_checksum,
		     sizeof(golden_checksum) / sizeof(golden_checksum[0]));
	for (int kept = 0; kept < 2; kept++) {
		for (int asked = 0; asked < 2; asked++) {
			struct ramz_options options;
			struct ramz *store;
			const char *reason;

			ramz_options_init(&options);
			options.checksum = asked != 0;
			assert_int_equal(load(&files[kept], &options, &store, &reason), 0);
			expect_golden(store);
			assert_int_equal(store_stats(store).checksum_bytes != 0,
					 kept != 0 || asked != 0);
			store_close(store);
		}
		free(files[kept].bytes);
	}
}

/* ---- blocks of two saves ---- */

static struct ramz *make_store(uint64_t salt, bool checksum)
{
	struct ramz_options options;
	struct ramz *store;

	store_options(&options, SLOTS);
	options.checksum = checksum;
	assert_int_equal(ramz_create(&store, &options), 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		store_put(store, slot, slot * 8 + 2 + salt);
	return store;
}

static size_t block_bytes(const struct memory_file *file, size_t at)
{
	const unsigned char *word = file->bytes + at + 12; /* little-endian everywhere */

	return 24 +
	       (word[0] | (size_t)word[1] << 8 | (size_t)word[2] << 16 | (size_t)word[3] << 24);
}

/* Two saves of one store have equal layouts: every block of one in the place of the other's. */
static void blocks_of_two_saves_are_refused(void **state)
{
	struct ramz *store = make_store(0, false), *loaded;
	struct memory_file one, two;
	unsigned char saved[256];
	const char *reason;
	unsigned blocks = 0;

	(void)state;
	save(store, &one);
	save(store, &two);
	assert_int_equal(one.length, two.length);
	memcpy(saved, one.bytes, 256);
	memcpy(one.bytes, two.bytes, 256);
	expect_refusal(&one, -XV_EBADMSG);
	memcpy(one.bytes, saved, 256);
	for (size_t at = 256; at < one.length; blocks++) {
		size_t bytes = block_bytes(&one, at);
		unsigned char *mine = malloc(bytes);

		assert_int_equal(bytes, block_bytes(&two, at));
		memcpy(mine, one.bytes + at, bytes);
		memcpy(one.bytes + at, two.bytes + at, bytes);
		expect_refusal(&one, -XV_EBADMSG);
		assert_int_equal(load(&one, NULL, &loaded, &reason), -XV_EBADMSG);
		assert_non_null(strstr(reason, "another save"));
		memcpy(one.bytes + at, mine, bytes);
		free(mine);
		at += bytes;
	}
	assert_true(blocks > 4);
	assert_int_equal(load(&one, NULL, &loaded, &reason), 0);
	store_close(loaded);
	store_close(store);
	free(one.bytes);
	free(two.bytes);
}

/* ---- what is kept ---- */

static void expect_codec(struct ramz *store, const char *name, int32_t level)
{
	int32_t is;

	assert_string_equal(ramz_get_codec(store, &is)->name, name);
	assert_int_equal(is, level);
}

static void load_expecting(struct memory_file *file, const struct ramz_options *options,
			   const char *name, int32_t level, bool checksum)
{
	struct ramz *loaded;
	const char *reason;

	assert_int_equal(load(file, options, &loaded, &reason), 0);
	expect_codec(loaded, name, level);
	assert_int_equal(store_stats(loaded).checksum_bytes != 0, checksum);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		store_expect(loaded, slot, slot * 8 + 2);
	store_put(loaded, 0, 2);
	store_close(loaded);
}

static void what_is_not_given_is_as_saved(void **state)
{
	struct ramz *store = make_store(0, true);
	struct ramz_options options;
	struct memory_file file;

	(void)state;
	assert_int_equal(ramz_set_codec(store, ramz_codec_by_name("lz4"), -3), 0);
	save(store, &file);
	load_expecting(&file, NULL, "lz4", -3, true);
	ramz_options_init(&options);
	load_expecting(&file, &options, "lz4", -3, true);
	options.level = -7;
	load_expecting(&file, &options, "lz4", -7, true);
	options.level = RAMZ_LEVEL_DEFAULT;
	options.codec = ramz_codec_by_name("lz4");
	load_expecting(&file, &options, "lz4", -3, true);
	options.codec = ramz_codec_by_name("none");
	load_expecting(&file, &options, "none", RAMZ_LEVEL_DEFAULT, true);
	options.page_bytes = PAGE;
	load_expecting(&file, &options, "none", RAMZ_LEVEL_DEFAULT, true);
	free(file.bytes);
	assert_int_equal(ramz_set_codec(store, ramz_codec_by_name("none"), RAMZ_LEVEL_DEFAULT), 0);
	save(store, &file);
	load_expecting(&file, NULL, "none", RAMZ_LEVEL_DEFAULT, true);
	free(file.bytes);
	store_close(store);
}

static void checksums_are_made_for_pages_saved_without(void **state)
{
	struct ramz *store = make_store(0, false);
	struct ramz_options options;
	struct memory_file file;

	(void)state;
	save(store, &file);
	load_expecting(&file, NULL, "lz4", RAMZ_LEVEL_DEFAULT, false);
	ramz_options_init(&options);
	options.checksum = true;
	load_expecting(&file, &options, "lz4", RAMZ_LEVEL_DEFAULT, true);
	options.dedup = true;
	load_expecting(&file, &options, "lz4", RAMZ_LEVEL_DEFAULT, true);
	free(file.bytes);
	store_close(store);
}

static void another_page_size_is_refused(void **state)
{
	struct ramz *store = make_store(0, false), *loaded = NULL;
	struct ramz_options options;
	struct memory_file file;
	const char *reason;

	(void)state;
	save(store, &file);
	ramz_options_init(&options);
	options.page_bytes = 8192;
	assert_int_equal(load(&file, &options, &loaded, &reason), -XV_EINVAL);
	assert_non_null(strstr(reason, "page_bytes"));
	assert_null(loaded);
	free(file.bytes);
	store_close(store);
}

/* A codec that the build lacks matters where a page needs it, or pages to come would. */
static void a_codec_that_no_page_needs_may_be_absent(void **state)
{
	static struct ramz_codec odd;
	struct ramz *store = make_store(0, false), *loaded = NULL;
	struct ramz_options options;
	struct memory_file file;
	const char *reason;

	(void)state;
	odd = *ramz_codec_at(0);
	odd.name = "odd";
	odd.id = 4711;
	assert_int_equal(ramz_set_codec(store, &odd, 1), 0);
	save(store, &file);
	assert_int_equal(load(&file, NULL, &loaded, &reason), -XV_ENOTSUP);
	assert_non_null(strstr(reason, "give another codec"));
	ramz_options_init(&options);
	options.codec = ramz_codec_at(0);
	load_expecting(&file, &options, "lz4", RAMZ_LEVEL_DEFAULT, false);
	free(file.bytes);
	store_put(store, 5, 5 * 8 + 2);
	save(store, &file);
	assert_int_equal(load(&file, &options, &loaded, &reason), -XV_ENOTSUP);
	assert_null(loaded);
	free(file.bytes);
	store_close(store);
}

/* ---- one size ---- */

struct changing_file {
	struct memory_file file;
	struct ramz *store;
	uint64_t seed;
	int kind;
};

static void change(struct changing_file *changing)
{
	struct ramz *store = changing->store;
	uint64_t pages = 1 + random_below(&changing->seed, 3 * SLOTS);

	switch (changing->kind) {
	case 0:
		assert_int_equal(ramz_reset(store), 0);
		break;
	case 1:
		assert_int_equal(ramz_resize(store, PAGE), 0);
		break;
	case 2:
		pages = 3 * SLOTS;
		assert_int_equal(ramz_resize(store, pages * PAGE), 0);
		break;
	default:
		assert_int_equal(ramz_resize(store, pages * PAGE), 0);
	}
	pages = ramz_size_bytes(store) / PAGE;
	for (uint64_t slot = random_below(&changing->seed, 5); slot < pages; slot += 3)
		store_put(store, slot, (slot + SLOTS) * 8 + 2);
}

static int changing_write(void *context, const void *data, size_t bytes)
{
	struct changing_file *changing = context;

	change(changing);
	return memory_write(&changing->file, data, bytes);
}

/* Each page is what it was when the save began, whatever happens in the sink. */
static void a_store_that_is_resized_while_it_is_saved_can_be_loaded(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 4);

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	for (int round = 0; round < 24; round++) {
		struct changing_file changing = {.store = make_store(0, round % 2 != 0),
						 .kind = round % 4,
						 .seed = seed + (uint64_t)round};
		struct ramz_sink sink = {.write = changing_write, .context = &changing};
		struct ramz *loaded;
		const char *reason = "";
		unsigned char *before = malloc((size_t)SLOTS * PAGE);
		unsigned char page[PAGE];
		int err;

		assert_non_null(before);
		assert_int_equal(ramz_read(changing.store, 0, before, (size_t)SLOTS * PAGE), 0);
		assert_int_equal(ramz_save(changing.store, &sink), 0);
		store_check(changing.store);
		err = load(&changing.file, NULL, &loaded, &reason);
		if (err != 0)
			print_error("round %d: %s\n", round, reason);
		assert_int_equal(err, 0);
		assert_int_equal(ramz_size_bytes(loaded), SLOTS * PAGE);
		for (uint64_t slot = 0; slot < SLOTS; slot++) {
			assert_int_equal(ramz_read_page(loaded, slot, page), 0);
			assert_memory_equal(page, before + slot * PAGE, PAGE);
		}
		free(before);
		store_close(loaded);
		store_close(changing.store);
		free(changing.file.bytes);
	}
}

/* Settings of tiers are read where the header says that there are some. */
static void tiers_that_the_header_does_not_tell_of_are_refused(void **state)
{
	struct ramz *store = store_open(SLOTS), *loaded;
	struct memory_file file;
	const char *reason;

	(void)state;
	assert_int_equal(ramz_set_tier(store, 2, ramz_codec_by_name("lz4"), 9), 0);
	store_put(store, 1, 1);
	save(store, &file);
	fuzz_sum_file(file.bytes, file.length, false);
	assert_int_equal(load(&file, NULL, &loaded, &reason), 0);
	store_close(loaded);
	assert_int_equal(file.bytes[16] & FILE_FLAG_TIERS, FILE_FLAG_TIERS);
	file.bytes[16] &= (unsigned char)~FILE_FLAG_TIERS;
	fuzz_sum_file(file.bytes, file.length, false);
	expect_refusal(&file, -XV_EBADMSG);
	free(file.bytes);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_is_read),
		cmocka_unit_test(blocks_of_two_saves_are_refused),
		cmocka_unit_test(what_is_not_given_is_as_saved),
		cmocka_unit_test(checksums_are_made_for_pages_saved_without),
		cmocka_unit_test(another_page_size_is_refused),
		cmocka_unit_test(tiers_that_the_header_does_not_tell_of_are_refused),
		cmocka_unit_test(a_codec_that_no_page_needs_may_be_absent),
		cmocka_unit_test(a_store_that_is_resized_while_it_is_saved_can_be_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
