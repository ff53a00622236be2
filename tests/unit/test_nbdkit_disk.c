/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_disk.c: requests of clients at their edges, and the disk's file.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_file.h"
#include "disk_io.h"
#include "test_nbdkit_support.h"

enum { PAGE = 4096 };

static char directory[] = "/tmp/test_nbdkit_disk.XXXXXX";
static char path[64], file_parameter[80], beside[96];

static void write_noise(struct rzn_disk *disk, uint64_t page, uint64_t number)
{
	char data[PAGE];

	page_of_noise(data, PAGE, number);
	assert_int_equal(rzn_disk_write(disk, data, PAGE, page * PAGE), 0);
}

static void assert_noise(struct rzn_disk *disk, uint64_t page, uint64_t number)
{
	char data[PAGE], wanted[PAGE];

	page_of_noise(wanted, PAGE, number);
	assert_int_equal(rzn_disk_read(disk, data, PAGE, page * PAGE), 0);
	assert_memory_equal(data, wanted, PAGE);
}

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
	disk_of(&disk, &config, PARAMETERS("size=64M", "memlimit=1M"));
	do {
		page_of_noise(data, PAGE, pages);
	} while (rzn_disk_write(&disk, data, PAGE, pages++ * PAGE) == 0);
	pages--;
	assert_in_range(pages, 200, 256);
	assert_int_equal(said.number, ENOSPC);
	assert_non_null(strstr(said.error, "memlimit"));
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
	disk_of(&disk, &config, PARAMETERS("size=64M", "softlimit=1M"));
	for (uint64_t i = 0; i < 300; i++)
		write_noise(&disk, i, i);
	assert_int_equal(said.errors, 1);
	assert_non_null(strstr(said.error, "softlimit"));
	disk_end(&disk, &config);
}

/* ---- the file ---- */

static int make_directory(void **unused)
{
	(void)unused;
	if (mkdtemp(directory) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/disk", directory);
	(void)snprintf(file_parameter, sizeof(file_parameter), "file=%s", path);
	(void)snprintf(beside, sizeof(beside), "%s.%ld", path, (long)getpid());
	return 0;
}

static int remove_directory(void **unused)
{
	(void)unused;
	(void)unlink(path);
	(void)unlink(beside);
	return rmdir(directory);
}

static void save_and_end(struct rzn_disk *disk, struct rzn_config *config)
{
	assert_int_equal(rzn_file_save_at_end(disk), 0);
	disk_end(disk, config);
}

/* Each file saved is a new one. */
static uint64_t inode_of(const char *name)
{
	struct stat file;

	assert_int_equal(stat(name, &file), 0);
	return file.st_ino;
}

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
	assert_int_equal(disk.size_bytes, 2 << 20);
	assert_noise(&disk, 7, 1);
	save_and_end(&disk, &config);
	assert_int_equal(inode_of(path), inode);
}

static void open_refused(const char *const *parameters, const char *why)
{
	struct rzn_config config;
	struct rzn_disk disk;

	config_of(&config, parameters);
	assert_int_equal(rzn_disk_open(&disk, &config), -1);
	assert_null(disk.store);
	assert_non_null(strstr(said.error, why));
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
	open_refused(PARAMETERS("page=8K", file_parameter), "page");
	open_refused(PARAMETERS("memlimit=100K", file_parameter), "memlimit=");
	open_refused(PARAMETERS("file=/nonexistent/disk"), "directory");
	open_refused(PARAMETERS("file=/"), "no regular file");
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

static void the_file_of_somebody_else_is_not_replaced(void **unused)
{
	struct rzn_config config, other_config;
	struct rzn_disk disk, other;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	disk_of(&other, &other_config, PARAMETERS("size=1M", file_parameter));
	write_noise(&disk, 0, 1);
	write_noise(&other, 0, 2);
	save_and_end(&other, &other_config);
	assert_int_equal(rzn_file_save(&disk, path, NULL), -EEXIST);
	assert_int_equal(rzn_file_save_at_end(&disk), 0);
	assert_non_null(strstr(said.error, beside));
	disk_end(&disk, &config);

	disk_of(&disk, &config, PARAMETERS(file_parameter));
	assert_noise(&disk, 0, 2);
	disk_end(&disk, &config);
	assert_int_equal(rename(beside, path), 0);
	disk_of(&disk, &config, PARAMETERS(file_parameter));
	assert_noise(&disk, 0, 1);
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
		cmocka_unit_test(the_file_of_somebody_else_is_not_replaced),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
