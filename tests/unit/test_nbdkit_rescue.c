/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_rescue.c: where a disk goes whose file was taken away, or cannot be written at the end.
 */
#include <sys/resource.h>

#include "test_nbdkit_disk.h"

/* The file that was told in the last message. */
static void rescued_path(char rescued[PATH_MAX], const char *place)
{
	const char *at = strstr(said.error, "the disk is in ");

	assert_non_null(at);
	assert_int_equal(sscanf(at, "the disk is in %4095[^ ]", rescued), 1);
	assert_int_equal(strncmp(rescued, place, strlen(place)), 0);
}

static void assert_rescued(struct rzn_disk *disk, struct rzn_config *config, const char *place)
{
	char rescued[PATH_MAX];
	struct stat file;

	assert_int_equal(rzn_file_save_at_end(disk), RZN_RESCUED);
	rescued_path(rescued, place);
	disk_end(disk, config);
	assert_int_equal(stat(rescued, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0600);
	assert_int_equal(rename(rescued, path), 0);
	disk_of(disk, config, PARAMETERS(file_parameter));
	assert_noise(disk, 0, 1);
	disk_end(disk, config);
}

static void what_was_put_in_the_files_place_is_left_alone(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct stat file;
	FILE *other;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	write_noise(&disk, 0, 1);
	assert_int_equal(unlink(path), 0);
	other = fopen(path, "w");
	assert_non_null(other);
	assert_int_equal(fputs("another's", other) < 0, 0);
	assert_int_equal(fclose(other), 0);
	rzn_file_save_again(&disk);
	assert_int_equal(disk.saves.failures, 1);
	assert_string_not_equal(disk.saves.last.text, "");
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, 9);
	assert_rescued(&disk, &config, path);
}

static void a_file_that_is_gone_is_made_again(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	(void)unlink(path);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter));
	write_noise(&disk, 0, 1);
	assert_int_equal(rzn_file_save_at_end(&disk), RZN_SAVED);
	assert_int_equal(unlink(path), 0);
	write_noise(&disk, 0, 1);
	save_and_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS(file_parameter));
	assert_noise(&disk, 0, 1);
	disk_end(&disk, &config);
}

/* What only root may do is refused so often. With offsets of 64 bits the name may be another one.
 */
static unsigned refusals;

int __real_setrlimit(int resource, const struct rlimit *limit);
int __real_setrlimit64(int resource, const struct rlimit *limit);
int __wrap_setrlimit(int resource, const struct rlimit *limit);
int __wrap_setrlimit64(int resource, const struct rlimit *limit);

static bool limit_is_refused(void)
{
	errno = EPERM;
	return refusals != 0 && refusals-- != 0;
}

int __wrap_setrlimit(int resource, const struct rlimit *limit)
{
	return limit_is_refused() ? -1 : __real_setrlimit(resource, limit);
}

int __wrap_setrlimit64(int resource, const struct rlimit *limit)
{
	return limit_is_refused() ? -1 : __real_setrlimit64(resource, limit);
}

/* The file's length is bounded for this process, and so for each of its files. */
static void a_save_that_fails_goes_where_it_was_told_to(void **state)
{
	struct rlimit before, small = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
	char fallback[96], other[80];
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unlink(path);
	(void)snprintf(other, sizeof(other), "%s/other", directory);
	(void)snprintf(fallback, sizeof(fallback), "save-fallback=%s", other);
	assert_int_equal(mkdir(other, 0700), 0);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter, fallback));
	write_noise(&disk, 0, 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	refusals = *state != NULL;
	assert_rescued(&disk, &config, other);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(rmdir(other), 0);
}

static void a_disk_that_no_place_takes_stays(void **unused)
{
	char fallback[96], other[80];
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	(void)unlink(path);
	(void)snprintf(other, sizeof(other), "%s/other", directory);
	(void)snprintf(fallback, sizeof(fallback), "save-fallback=%s", other);
	assert_int_equal(mkdir(other, 0700), 0);
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter, fallback));
	write_noise(&disk, 0, 1);
	assert_int_equal(rmdir(other), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(rzn_file_save_at_end(&disk), RZN_LOST);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rzn_file_save_at_end(&disk), RZN_SAVED);
	assert_noise(&disk, 0, 1);
	disk_end(&disk, &config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_the_files_place_is_left_alone),
		cmocka_unit_test(a_file_that_is_gone_is_made_again),
		cmocka_unit_test(a_save_that_fails_goes_where_it_was_told_to),
		cmocka_unit_test_prestate(a_save_that_fails_goes_where_it_was_told_to, "no root"),
		cmocka_unit_test(a_disk_that_no_place_takes_stays),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
