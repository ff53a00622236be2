/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What ramz/file.h promises of single calls: what a file says of itself, where a save goes, what is
 * told of it, and files that are none of a store.
 */
#define _GNU_SOURCE

#include <sys/wait.h>

#include <ramz/backing.h>

#include "file_fixture.h"

static uint64_t length_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return (uint64_t)status.st_size;
}

static void what_a_file_says_of_itself(void **unused)
{
	struct ramz_options options;
	struct ramz_file_info info;
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;
	struct ramz *store;

	(void)unused;
	(void)fixture_path(path, "disk");
	assert_int_equal(ramz_file_open(&file, path, 0, NULL), 0);
	memset(&info, 0xA5, sizeof(info));
	assert_int_equal(ramz_file_info(file, &info), 0);
	assert_true(info.is_empty && info.can_save && !info.checksum);
	assert_true(info.file_bytes == 0 && info.version == 0 && info.page_bytes == 0 &&
		    info.size_bytes == 0);
	fixture_options(&options);
	options.page_bytes = 8192;
	options.checksum = true;
	options.codec = ramz_codec_by_name("lz4");
	options.level = 5;
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(ramz_file_save(file, store, NULL, NULL), 0);
	assert_int_equal(ramz_file_info(file, &info), 0);
	assert_true(!info.is_empty && info.can_save && info.checksum);
	assert_int_equal(info.file_bytes, length_of(path));
	assert_true(info.version >= 2);
	assert_int_equal(info.page_bytes, 8192);
	assert_int_equal(info.size_bytes, options.size_bytes);
	assert_string_equal(info.codec, "lz4");
	assert_int_equal(info.level, 5);
	assert_int_equal(ramz_file_info(NULL, &info), -XV_EINVAL);
	assert_int_equal(ramz_file_info(file, NULL), -XV_EINVAL);
	ramz_destroy(store);
	ramz_file_close(file);
	assert_int_equal(access(path, F_OK), 0); /* a closed file stays */
}

/* The directory is the one in which it was opened, wherever the process is. */
static void saves_stay_in_the_directory_of_the_open(void **unused)
{
	struct ramz *store = fixture_store(5);
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES];
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ramz_file *file;

	(void)unused;
	assert_true(here >= 0);
	(void)fixture_path(path, "one");
	(void)fixture_path(other, "two");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(chdir(path), 0);
	assert_int_equal(ramz_file_open(&file, "disk", 0, NULL), 0);
	assert_int_equal(chdir(other), 0);
	assert_int_equal(ramz_file_save(file, store, NULL, NULL), 0);
	ramz_file_close(file);
	assert_int_equal(access("disk", F_OK), -1);
	assert_int_equal(fchdir(here), 0);
	close(here);
	(void)fixture_path(path, "one/disk");
	assert_int_equal(fixture_file_version(path), 5);
	ramz_destroy(store);
	unlink(path);
	(void)fixture_path(path, "one");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(other), 0);
}

static void a_file_that_was_removed_is_made_again(void **unused)
{
	struct ramz *store = fixture_store(6);
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;

	(void)unused;
	fixture_save(fixture_path(path, "disk"), 5);
	assert_int_equal(ramz_file_open(&file, path, 0, NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ramz_file_save(file, store, NULL, NULL), 0);
	ramz_file_close(file);
	assert_int_equal(fixture_file_version(path), 6);
	ramz_destroy(store);
}

/* After a fork both have the lock, until one saves. */
static void a_save_by_one_of_two_processes_takes_the_file(void **unused)
{
	struct ramz *store = fixture_store(6);
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;
	pid_t child;
	int status;

	(void)unused;
	fixture_save(fixture_path(path, "disk"), 5);
	assert_int_equal(ramz_file_open(&file, path, 0, NULL), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct ramz *of_child = fixture_store(7);

		_exit(ramz_file_save(file, of_child, NULL, NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(ramz_file_save(file, store, NULL, NULL), -EEXIST);
	ramz_file_close(file);
	assert_int_equal(fixture_file_version(path), 7);
	ramz_destroy(store);
}

static void a_save_says_how_long_the_file_is(void **unused)
{
	struct ramz *store = fixture_store(5);
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;
	uint64_t bytes = 0;

	(void)unused;
	(void)fixture_path(path, "disk");
	assert_int_equal(ramz_save_file(store, path, &bytes, NULL), 0);
	assert_int_equal(bytes, length_of(path));
	assert_int_equal(ramz_resize(store, FIXTURE_PAGE_BYTES), 0);
	assert_int_equal(ramz_file_open(&file, path, 0, NULL), 0);
	assert_int_equal(ramz_file_save(file, store, &bytes, NULL), 0);
	assert_int_equal(bytes, length_of(path));
	ramz_file_close(file);
	ramz_destroy(store);
}

/* With a reason, and without one. */
static void a_reason_may_be_left_out(void **unused)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz_reason reason;
	struct ramz_file *file;

	(void)unused;
	memset(&reason, 'x', sizeof(reason));
	(void)fixture_path(path, "no/such/directory");
	assert_int_equal(ramz_file_open(&file, path, 0, NULL), -ENOENT);
	assert_int_equal(ramz_file_open(&file, path, 0, &reason), -ENOENT);
	assert_true(strlen(reason.text) > 5 && strchr(reason.text, '\n') == NULL);
	(void)fixture_path(path, "disk");
	assert_int_equal(ramz_file_open(&file, path, 0, &reason), 0);
	assert_string_equal(reason.text, "");
	ramz_file_close(file);
	ramz_file_close(NULL);
}

static void a_load_makes_no_file(void **unused)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz *store;

	(void)unused;
	(void)fixture_path(path, "absent");
	assert_int_equal(ramz_load_file(&store, NULL, NULL, 0, path, NULL), -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- other files ---- */

struct words {
	const char *text;
	int err; /* after the text */
};

static int put_words(void *context, const struct ramz_sink *sink)
{
	const struct words *words = context;
	int err = sink->write(sink->context, words->text, strlen(words->text));

	return err != 0 ? err : words->err;
}

static void expect_words(const char *path, const char *text)
{
	char got[64] = "";
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	assert_int_equal(fread(got, 1, sizeof(got) - 1, file), strlen(text));
	assert_int_equal(fclose(file), 0);
	assert_string_equal(got, text);
}

static void other_files_are_replaced_in_the_same_way(void **unused)
{
	struct words words = {.text = "the first"};
	char path[FIXTURE_PATH_BYTES];
	struct ramz_reason reason;
	struct stat status;
	uint64_t bytes = 0;

	(void)unused;
	(void)fixture_path(path, "words");
	assert_int_equal(ramz_replace_file(path, put_words, &words, &bytes, &reason), 0);
	assert_int_equal(bytes, 9);
	assert_int_equal(chmod(path, 0640), 0);
	words.text = "and another";
	assert_int_equal(ramz_replace_file(path, put_words, &words, NULL, NULL), 0);
	expect_words(path, "and another");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	words = (struct words){.text = "a part of", .err = -EDOM};
	assert_int_equal(ramz_replace_file(path, put_words, &words, &bytes, &reason), -EDOM);
	expect_words(path, "and another");
	assert_int_equal(bytes, 9);
}

static void a_path_or_file_that_is_null_is_refused(void **unused)
{
	struct ramz_backing backing;
	struct ramz_file *file;
	struct ramz_reason reason;
	struct ramz_options options;
	struct ramz *store, *loaded;

	(void)unused;
	fixture_options(&options);
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(ramz_save_file(NULL, "/nowhere", NULL, NULL), -XV_EINVAL);
	assert_int_equal(ramz_file_open(NULL, "/nowhere", 0, &reason), -XV_EINVAL);
	assert_int_equal(ramz_file_open(&file, NULL, 0, &reason), -XV_EINVAL);
	assert_int_equal(ramz_file_load(&loaded, NULL, NULL, 0, NULL, &reason), -XV_EINVAL);
	assert_int_equal(ramz_file_save(NULL, store, NULL, &reason), -XV_EINVAL);
	assert_int_equal(ramz_save_file(store, NULL, NULL, &reason), -XV_EINVAL);
	assert_int_equal(ramz_load_file(&loaded, NULL, NULL, 0, NULL, &reason), -XV_EINVAL);
	assert_int_equal(ramz_load_file(NULL, NULL, NULL, 0, "/nowhere", &reason), -XV_EINVAL);
	assert_int_equal(ramz_replace_file(NULL, put_words, NULL, NULL, &reason), -XV_EINVAL);
	assert_int_equal(ramz_replace_file("/nowhere", NULL, NULL, NULL, &reason), -XV_EINVAL);
	assert_true(strlen(reason.text) > 10);
	assert_int_equal(ramz_backing_file_open(NULL, "/nowhere", 64 << 20, false), -XV_EINVAL);
	assert_int_equal(ramz_backing_file_open(&backing, NULL, 64 << 20, false), -XV_EINVAL);
	assert_int_equal(ramz_save_backing_file(NULL, "/nowhere", 64 << 20), -XV_EINVAL);
	assert_int_equal(ramz_save_backing_file(store, NULL, 64 << 20), -XV_EINVAL);
	ramz_backing_file_close(NULL);
	ramz_file_close(NULL);
	ramz_destroy(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(what_a_file_says_of_itself),
		fixture_test(saves_stay_in_the_directory_of_the_open),
		fixture_test(a_file_that_was_removed_is_made_again),
		fixture_test(a_save_by_one_of_two_processes_takes_the_file),
		fixture_test(a_save_says_how_long_the_file_is),
		fixture_test(a_reason_may_be_left_out),
		fixture_test(a_load_makes_no_file),
		fixture_test(other_files_are_replaced_in_the_same_way),
		fixture_test(a_path_or_file_that_is_null_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
