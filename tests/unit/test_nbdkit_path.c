/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_path.c: paths that name one file, and paths at which no file can be made.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"
#include "test_nbdkit_support.h"

static char directory[] = "/tmp/test_nbdkit_path.XXXXXX";
static char names[8][80];

/* The path of a file in the directory; it lives until eight others are asked for. */
static const char *in_directory(const char *name)
{
	static unsigned next;
	char *path = names[next++ % 8];

	assert_in_range(snprintf(path, sizeof(names[0]), "%s/%s", directory, name), 1,
			sizeof(names[0]) - 1);
	return path;
}

static int setup(void **unused)
{
	int fd;

	(void)unused;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(mkdir(in_directory("sub"), 0700), 0);
	fd = open(in_directory("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	fd = open(in_directory("other"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(link(in_directory("file"), in_directory("sub/hard")), 0);
	assert_int_equal(symlink("file", in_directory("soft")), 0);
	assert_int_equal(symlink("sub", in_directory("way")), 0);
	return 0;
}

static int teardown(void **unused)
{
	static const char *const files[] = {"file", "other", "sub/hard", "soft", "way"};

	(void)unused;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(unlink(in_directory(files[i])), 0);
	assert_int_equal(rmdir(in_directory("sub")), 0);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

static void one_file_is_known_by_any_name(void **unused)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"file", "file", true},
		{"file", "sub/../file", true},
		{"file", "sub/hard", true},
		{"file", "soft", true},
		{"file", "other", false},
		{"file", "absent", false},
		/* Files that are not there yet. */
		{"absent", "absent", true},
		{"absent", "sub/../absent", true},
		{"sub/absent", "way/absent", true},
		{"absent", "sub/absent", false},
		{"sub/absent", "way/none", false},
		{"gone/absent", "sub/absent", false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *a = in_directory(cases[i].a), *b = in_directory(cases[i].b);

		if (rzn_path_is_same(a, b) != cases[i].same ||
		    rzn_path_is_same(b, a) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	}
}

static void files_in_the_root_have_a_directory(void **unused)
{
	(void)unused;
	assert_true(rzn_path_is_same("/test_nbdkit_path.absent", "//test_nbdkit_path.absent"));
	assert_false(rzn_path_is_same("/test_nbdkit_path.absent", "/test_nbdkit_path.none"));
}

static void assert_path(const char *name, int wanted)
{
	const char *path = in_directory(name);

	said_reset();
	assert_int_equal(rzn_path_check("key", path), wanted);
	assert_int_equal(said.errors, wanted != 0);
	if (wanted != 0) {
		assert_non_null(strstr(said.error, "key="));
		assert_non_null(strstr(said.error, path));
	}
}

static void a_file_is_made_where_none_or_a_regular_one_is(void **unused)
{
	(void)unused;
	said_reset();
	assert_int_equal(rzn_path_check("key", NULL), 0);
	assert_int_equal(said.errors, 0);
	assert_path("file", 0);
	assert_path("absent", 0);
	assert_path("way/absent", 0);
	assert_path("sub", -1);
	assert_path("gone/absent", -1);
	assert_path("file/absent", -1);
	said_reset();
	assert_int_equal(rzn_path_check_directory("key", in_directory("sub")), 0);
	assert_int_equal(rzn_path_check_directory("key", in_directory("gone/absent")), -1);
	assert_int_equal(said.errors, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_file_is_known_by_any_name),
		cmocka_unit_test(files_in_the_root_have_a_directory),
		cmocka_unit_test(a_file_is_made_where_none_or_a_regular_one_is),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
