/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_disk.c: requests of clients at their edges, and the disk's file.
 */
#include <pthread.h>

#include "test_nbdkit_disk.h"

static void fast_zero_is_refused_only_without_a_whole_page(void **unused)
{
	static const struct {
		uint32_t count;
		uint64_t offset;
		bool refused;
	} cases[] = {
		{1, 0, true},         {PAGE - 1, 0, true},      {PAGE - 1, 1, true},
		{PAGE, 1, true},      {2 * PAGE - 2, 1, true},  {PAGE, 0, false},
		{PAGE + 1, 0, false}, {2 * PAGE - 1, 1, false}, {2 * PAGE, 3 * PAGE, false},
	};
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int wanted = cases[i].refused ? -1 : 0;

		write_noise(&disk, 0, i);
		said_reset();
		assert_int_equal(rzn_disk_zero(&disk, cases[i].count, cases[i].offset, true),
				 wanted);
		assert_int_equal(said.number, cases[i].refused ? EOPNOTSUPP : 0);
		if (cases[i].refused)
			assert_noise(&disk, 0, i);
		assert_int_equal(rzn_disk_zero(&disk, cases[i].count, cases[i].offset, false), 0);
	}
	disk_end(&disk, &config);
}

static void trim_leaves_the_rest_of_a_page(void **unused)
{
	char data[3 * PAGE], wanted[3 * PAGE];
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	page_of_noise(wanted, sizeof(wanted), 1);
	assert_int_equal(rzn_disk_write(&disk, wanted, sizeof(wanted), 0), 0);
	assert_int_equal(rzn_disk_trim(&disk, 2 * PAGE, 100), 0);
	memset(wanted + 100, 0, 2 * PAGE);
	assert_int_equal(rzn_disk_read(&disk, data, sizeof(data), 0), 0);
	assert_memory_equal(data, wanted, sizeof(data));
	disk_end(&disk, &config);
}

static void a_full_disk_says_so_once_and_can_be_read(void **unused)
{
	char data[PAGE];
	struct rzn_config config;
	struct rzn_disk disk;
	uint64_t pages = 0;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M", "hard-limit=1M"));
	do {
		page_of_noise(data, PAGE, pages);
	} while (rzn_disk_write(&disk, data, PAGE, pages++ * PAGE) == 0);
	pages--;
	assert_in_range(pages, 200, 256);
	assert_int_equal(said.number, ENOSPC);
	assert_non_null(strstr(said.error, "hard-limit"));
	assert_int_equal(said.errors, 1);
	assert_int_equal(rzn_disk_write(&disk, data, PAGE, pages * PAGE), -1);
	assert_int_equal(said.errors, 1);
	for (uint64_t i = 0; i < pages; i++)
		assert_noise(&disk, i, i);
	/* Discarding makes room, and is never refused. */
	assert_int_equal(rzn_disk_trim(&disk, 20 * PAGE, PAGE + 1), 0);
	write_noise(&disk, pages, pages);
	disk_end(&disk, &config);
}

static void the_soft_limit_is_told(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M", "soft-limit=1M"));
	for (uint64_t i = 0; i < 300; i++)
		write_noise(&disk, i, i);
	assert_int_equal(said.errors, 1);
	assert_non_null(strstr(said.error, "soft-limit"));
	/* Passed again, within ten seconds and behind them. */
	for (int later = 0; later < 2; later++) {
		if (later != 0)
			atomic_fetch_sub(&disk.soft_said_at, 10);
		assert_int_equal(ramz_discard(disk.store, 0, 64 << 20), 0);
		(void)ramz_trim(disk.store);
		for (uint64_t i = 0; i < 300; i++)
			write_noise(&disk, i, i);
		assert_int_equal(said.errors, 1 + later);
	}
	disk_end(&disk, &config);
}

/* ---- the file ---- */

static void a_disk_comes_back_from_its_file(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	uint64_t inode;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	write_noise(&disk, 7, 1);
	save_and_end(&disk, &config);

	/* Larger is possible, and kept; nothing changed is nothing saved. */
	disk_of(&disk, &config, PARAMETERS("size=2M", file_parameter));
	save_and_end(&disk, &config);
	inode = inode_of(path);
	disk_of(&disk, &config, PARAMETERS(file_parameter));
	assert_int_equal(ramz_size_bytes(disk.store), 2 << 20);
	assert_noise(&disk, 7, 1);
	save_and_end(&disk, &config);
	assert_int_equal(inode_of(path), inode);
}

static void open_refused(const char *const *parameters, const char *why)
{
	struct rzn_config config;
	struct rzn_disk disk;

	config_of(&config, parameters);
	assert_int_equal(disk_begin(&disk, &config), -1);
	assert_null(disk.store);
	assert_non_null(strstr(said.error, why));
	rzn_file_release(&disk);
	rzn_config_fini(&config);
}

static void what_does_not_fit_the_file_is_refused(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	for (uint64_t i = 0; i < 200; i++)
		write_noise(&disk, i, i);
	save_and_end(&disk, &config);
	open_refused(PARAMETERS("size=512K", file_parameter), "size=");
	open_refused(PARAMETERS("page=8K", file_parameter), "page=");
	open_refused(PARAMETERS("hard-limit=100K", file_parameter), "hard-limit=");
	open_refused(PARAMETERS("file=/nonexistent/disk"), "No such file");
	open_refused(PARAMETERS("file=/"), "directory");

	disk_of(&disk, &config, PARAMETERS("checksum=true", file_parameter));
	save_and_end(&disk, &config);
	open_refused(PARAMETERS("checksum=false", file_parameter), "leave checksum= out");
}

static void assert_kept(struct rzn_disk *disk, const char *codec, int32_t level, bool checksum)
{
	struct ramz_stats stats;
	int32_t now;

	assert_string_equal(ramz_get_codec(disk->store, &now)->name, codec);
	assert_int_equal(now, level);
	ramz_get_stats(disk->store, &stats);
	assert_int_equal(stats.checksum_bytes != 0, checksum);
}

/* What is given wins, and what is not is the file's. */
static void the_file_keeps_codec_level_and_checksum(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", "codec=lz4:-5", file_parameter));
	write_noise(&disk, 7, 1);
	save_and_end(&disk, &config);

	disk_of(&disk, &config, PARAMETERS(file_parameter));
	assert_kept(&disk, "lz4", -5, false);
	assert_false(rzn_file_is_stale(&disk));
	save_and_end(&disk, &config);

	/* What is given is kept, though no client changes anything. */
	disk_of(&disk, &config, PARAMETERS("codec=lz4:-7", "checksum=true", file_parameter));
	assert_kept(&disk, "lz4", -7, true);
	assert_true(rzn_file_is_stale(&disk));
	save_and_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS("codec=none", file_parameter));
	assert_kept(&disk, "none", RAMZ_LEVEL_DEFAULT, true);
	assert_true(rzn_file_is_stale(&disk));
	save_and_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS(file_parameter));
	assert_kept(&disk, "none", RAMZ_LEVEL_DEFAULT, true);
	assert_false(rzn_file_is_stale(&disk));
	assert_noise(&disk, 7, 1);
	save_and_end(&disk, &config);
}

static void write_byte(struct rzn_disk *disk, uint64_t offset, char byte)
{
	assert_int_equal(rzn_disk_write(disk, &byte, 1, offset), 0);
}

static void zero_page(struct rzn_disk *disk)
{
	assert_int_equal(rzn_disk_zero(disk, PAGE, PAGE, false), 0);
}

static void trim_page(struct rzn_disk *disk)
{
	assert_int_equal(rzn_disk_trim(disk, PAGE, 2 * PAGE), 0);
}

static void write_part(struct rzn_disk *disk)
{
	write_byte(disk, 3 * PAGE + 5, 'x');
}

static void write_same_filled(struct rzn_disk *disk)
{
	char page[PAGE];

	memset(page, 7, sizeof(page));
	assert_int_equal(rzn_disk_write(disk, page, PAGE, 0), 0);
}

static void write_whole(struct rzn_disk *disk)
{
	write_noise(disk, 4, 99);
}

static void set_codec(struct rzn_disk *disk)
{
	assert_int_equal(ramz_set_codec(disk->store, ramz_codec_by_name("none"), 0), 0);
}

static void set_level(struct rzn_disk *disk)
{
	assert_int_equal(ramz_set_codec(disk->store, ramz_codec_by_name("none"), 1), 0);
}

static void reset(struct rzn_disk *disk)
{
	assert_int_equal(ramz_reset(disk->store), 0);
}

static void reset_and_write_as_much(struct rzn_disk *disk)
{
	write_noise(disk, 0, 1);
	assert_int_equal(rzn_file_save_at_end(disk), RZN_SAVED);
	assert_int_equal(ramz_reset(disk->store), 0);
	write_noise(disk, 1, 1);
}

static void resize(struct rzn_disk *disk)
{
	assert_int_equal(ramz_resize(disk->store, 2 << 20), 0);
}

static void every_change_is_saved_and_nothing_else(void **unused)
{
	static void (*const changes[])(struct rzn_disk * disk) = {
		zero_page, trim_page,  write_part, write_same_filled,       write_whole, set_codec,
		set_level, write_part, reset,      reset_and_write_as_much, resize,
	};
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	for (uint64_t i = 0; i < 10; i++)
		write_noise(&disk, i, i);
	assert_int_equal(rzn_file_save_at_end(&disk), RZN_SAVED);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint64_t inode;

		assert_false(rzn_file_is_stale(&disk));
		changes[i](&disk);
		assert_true(rzn_file_is_stale(&disk));
		inode = inode_of(path);
		rzn_file_save_again(&disk);
		assert_int_not_equal(inode_of(path), inode);
		inode = inode_of(path);
		rzn_file_save_again(&disk);
		assert_int_equal(rzn_file_save_at_end(&disk), RZN_SAVED);
		assert_int_equal(inode_of(path), inode);
	}
	disk_end(&disk, &config);
}

static void a_frozen_disk_is_read_and_not_changed(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	char page[PAGE] = {1};

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	write_noise(&disk, 0, 1);
	rzn_disk_freeze(&disk);
	assert_int_equal(rzn_disk_write(&disk, page, PAGE, 0), -1);
	assert_int_equal(said.number, ESHUTDOWN);
	assert_int_equal(rzn_disk_zero(&disk, PAGE, 0, false), -1);
	assert_int_equal(rzn_disk_trim(&disk, PAGE, 0), -1);
	assert_noise(&disk, 0, 1);
	disk_end(&disk, &config);
}

static void a_damaged_file_is_refused_and_left_alone(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct stat file;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	write_noise(&disk, 0, 1);
	save_and_end(&disk, &config);
	assert_int_equal(truncate(path, 1000), 0);
	open_refused(PARAMETERS(file_parameter), "torn");
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, 1000);
}

static _Atomic bool freezing_has_ended;

static void *freeze(void *disk)
{
	rzn_disk_freeze(disk);
	freezing_has_ended = true;
	return NULL;
}

static void freezing_waits_for_changes_under_way(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	pthread_t thread;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	assert_true(rzn_disk_change_begin(&disk));
	assert_int_equal(pthread_create(&thread, NULL, freeze, &disk), 0);
	while (rzn_disk_change_begin(&disk))
		rzn_disk_change_end(&disk);
	assert_false(freezing_has_ended);
	rzn_disk_change_end(&disk);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(freezing_has_ended);
	disk_end(&disk, &config);
}

static void a_file_has_one_disk(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	char other[96];

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	(void)snprintf(other, sizeof(other), "file=%s/.//disk", directory);
	open_refused(PARAMETERS("size=1M", file_parameter), "this process");
	open_refused(PARAMETERS("size=1M", other), "this process");
	disk_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS("size=1M", other));
	disk_end(&disk, &config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fast_zero_is_refused_only_without_a_whole_page),
		cmocka_unit_test(trim_leaves_the_rest_of_a_page),
		cmocka_unit_test(a_full_disk_says_so_once_and_can_be_read),
		cmocka_unit_test(the_soft_limit_is_told),
		cmocka_unit_test(a_disk_comes_back_from_its_file),
		cmocka_unit_test(what_does_not_fit_the_file_is_refused),
		cmocka_unit_test(a_damaged_file_is_refused_and_left_alone),
		cmocka_unit_test(the_file_keeps_codec_level_and_checksum),
		cmocka_unit_test(every_change_is_saved_and_nothing_else),
		cmocka_unit_test(a_frozen_disk_is_read_and_not_changed),
		cmocka_unit_test(freezing_waits_for_changes_under_way),
		cmocka_unit_test(a_file_has_one_disk),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
