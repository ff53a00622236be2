/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of the parts of the command ramz that have to do with served disks: command lines,
 * sizes, places, quoting.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "args.h"
#include "place.h"
#include "serve.h"
#include "size.h"
#include "unix_socket.h"

/* ---- args ---- */

struct taken {
	const char *text;
	const char *set;
	bool flag, other;
	uint64_t number, bytes;
};

static int take_value(void *into, const char *value)
{
	((struct taken *)into)->set = value;
	return strcmp(value, "bad") == 0 ? XVM_FAILED : 0;
}

static const struct xvm_arg test_table[] = {
	{"text", "T", 1, "a text", XVM_ARG_TEXTS(struct taken, text)},
	{"flag", NULL, 3, "a flag", XVM_ARG_FLAGS(struct taken, flag)},
	{"flag", NULL, 4, "of another user", XVM_ARG_FLAGS(struct taken, other)},
	{"number", "N", 1, "a number", XVM_ARG_NUMBERS(struct taken, number, 2, 9)},
	{"bytes", "SIZE", 1, "a size", XVM_ARG_SIZES(struct taken, bytes, 1, 65536)},
	{"set", "V", 0, "of all users", XVM_ARG_SETS(take_value)},
};

#define WORDS_MAX 12

/* Reads a command line of words separated by blanks. */
static int read_line(const char *line, unsigned user, struct taken *taken, struct xvm_words *words)
{
	static char text[200];
	static char *argv[WORDS_MAX + 1];
	const struct xvm_args args = {"ramz test", test_table,
				      sizeof(test_table) / sizeof(test_table[0]), user};
	char *rest = text;
	int argc = 0;

	*taken = (struct taken){0};
	strcpy(text, line);
	while (argc < WORDS_MAX && (argv[argc] = strtok_r(rest, " ", &rest)) != NULL)
		argc++;
	argv[argc] = NULL;
	return xvm_args_read(&args, argc, argv, taken, words);
}

static void args_are_options_words_and_a_rest(void **state)
{
	struct xvm_words words;
	struct taken taken;

	(void)state;
	assert_int_equal(
		read_line("c one --text=x two --flag - -- --flag three", 1, &taken, &words), 0);
	assert_string_equal(taken.text, "x");
	assert_true(taken.flag);
	assert_int_equal(words.count, 3);
	assert_string_equal(words.word[0], "one");
	assert_string_equal(words.word[1], "two");
	assert_string_equal(words.word[2], "-");
	assert_int_equal(words.rest_count, 2);
	assert_string_equal(words.rest[0], "--flag");
	xvm_args_join(&words);
	assert_int_equal(words.count, 5);
	assert_string_equal(words.word[3], "--flag");
	assert_string_equal(words.word[4], "three");
	assert_int_equal(xvm_args_at_most(&(struct xvm_args){.command = "c"}, &words, 5), 0);
	assert_int_equal(xvm_args_at_most(&(struct xvm_args){.command = "c"}, &words, 4),
			 XVM_FAILED);
}

static void args_are_read_as_what_they_are(void **state)
{
	struct xvm_words words;
	struct taken taken;

	(void)state;
	assert_int_equal(read_line("c --number 9 --bytes=64K --set v", 1, &taken, &words), 0);
	assert_int_equal(taken.number, 9);
	assert_int_equal(taken.bytes, 65536);
	assert_string_equal(taken.set, "v");
	assert_false(taken.flag);
}

static void args_belong_to_their_user(void **state)
{
	struct xvm_words words;
	struct taken taken;

	(void)state;
	assert_int_equal(read_line("c --flag --set x", 4, &taken, &words), 0);
	assert_true(taken.other && !taken.flag);
	assert_int_equal(read_line("c --text x", 2, &taken, &words), XVM_FAILED);
	/* A program without subcommands has all. */
	assert_int_equal(read_line("c --text x --number 2", 0, &taken, &words), 0);
}

static void args_refuse_what_is_wrong(void **state)
{
	static const char *const lines[] = {"c --text",      "c --flag=1",   "c -x",
					    "c --no",        "c --set bad",  "c --help=1",
					    "c --number 10", "c --number 1", "c --number x",
					    "c --bytes 65K", "c --bytes 0"};
	struct xvm_words words;
	struct taken taken;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(read_line(lines[i], 1, &taken, &words), XVM_FAILED);
	assert_int_equal(read_line("c --help --no", 1, &taken, &words), 0);
	assert_true(words.help);
}

/* ---- sizes ---- */

static void sizes_have_three_digits(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1 KiB"},
		{1536, "1.50 KiB"},
		{10240, "10 KiB"},
		{102912, "100 KiB"},
		{1047552, "1023 KiB"},
		{1048064, "1.00 MiB"},
		{UINT64_C(1) << 30, "1 GiB"},
		{UINT64_C(5) << 39, "2.50 TiB"},
		{UINT64_MAX, "16 EiB"},
	};
	char text[RZC_SIZE_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(rzc_size_text(text, cases[i].bytes), cases[i].text);
}

static void times_have_their_unit(void **state)
{
	char text[RZC_SIZE_TEXT_BYTES];

	(void)state;
	assert_string_equal(rzc_nanoseconds_text(text, 0), "0 ns");
	assert_string_equal(rzc_nanoseconds_text(text, 999), "999 ns");
	assert_string_equal(rzc_nanoseconds_text(text, 1500), "1.50 us");
	assert_string_equal(rzc_nanoseconds_text(text, 45678901), "45.7 ms");
	assert_string_equal(rzc_nanoseconds_text(text, UINT64_C(5000000000000)), "5000 s");
}

/* ---- places ---- */

static void names_make_no_paths(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "-a", "a b", "a\n", "\xc3\xa4"};

	(void)state;
	assert_int_equal(rzc_place_check_name("Disk_1.new-2"), 0);
	assert_int_equal(rzc_place_check_name("12345678901234567890123456789012"), 0);
	assert_int_equal(rzc_place_check_name("123456789012345678901234567890123"), XVM_FAILED);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rzc_place_check_name(bad[i]), XVM_FAILED);
}

/* A directory of the test's own, which XDG_RUNTIME_DIR names. */
static void enter_runtime(char directory[PATH_MAX])
{
	strcpy(directory, "/tmp/test_ramz_cli.XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("XDG_RUNTIME_DIR", directory, 1), 0);
}

static void leave_runtime(const char *directory)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/ramz", directory);
	(void)rmdir(path);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
}

static void place_is_the_users_own(void **state)
{
	char directory[PATH_MAX];
	struct rzc_place place;
	struct stat status;

	(void)state;
	enter_runtime(directory);
	rzc_place_init(&place);
	assert_int_equal(place.count, 2);
	assert_int_equal(rzc_place_make(&place), 0);
	assert_int_equal(rzc_place_make(&place), 0);
	assert_int_equal(stat(place.directory[0], &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	assert_int_equal(chmod(place.directory[0], 0750), 0);
	assert_int_equal(rzc_place_make(&place), XVM_FAILED);
	/* A link is not taken for the directory that it leads to. */
	assert_int_equal(rmdir(place.directory[0]), 0);
	assert_int_equal(symlink(directory, place.directory[0]), 0);
	assert_int_equal(rzc_place_make(&place), XVM_FAILED);
	assert_int_equal(unlink(place.directory[0]), 0);
	leave_runtime(directory);
	setenv("XDG_RUNTIME_DIR", "not/absolute", 1);
	rzc_place_init(&place);
	assert_int_equal(place.count, 1);
	unsetenv("XDG_RUNTIME_DIR");
}

static void touch(const char *directory, const char *name)
{
	char path[PATH_MAX + 32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
}

static void a_disk_is_found_in_a_directory_of_the_users_own(void **state)
{
	static const char *const files[] = {"test-b.ctl", "test-a.nbd", "test-c.ctlx"};
	char directory[PATH_MAX], path[PATH_MAX], want[PATH_MAX + 32];
	struct rzc_place place;

	(void)state;
	enter_runtime(directory);
	rzc_place_init(&place);
	assert_int_equal(rzc_place_make(&place), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		touch(place.directory[0], files[i]);
	snprintf(want, sizeof(want), "%s/test-b.ctl", place.directory[0]);
	assert_int_equal(rzc_place_find(path, "test-b"), 0);
	assert_string_equal(path, want);
	assert_int_equal(rzc_place_find(path, "test-a"), XVM_FAILED);
	assert_int_equal(rzc_place_find(path, "test-c"), XVM_FAILED);
	/* The only one. */
	assert_int_equal(rzc_place_find(path, NULL), 0);
	assert_string_equal(path, want);
	/* Somebody else could put something there. */
	assert_int_equal(chmod(place.directory[0], 0720), 0);
	assert_int_equal(rzc_place_find(path, "test-b"), XVM_FAILED);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(want, sizeof(want), "%s/%s", place.directory[0], files[i]);
		unlink(want);
	}
	leave_runtime(directory);
}

static void sockets_tell_why_not(void **state)
{
	char directory[PATH_MAX], path[PATH_MAX + 8], longer[120];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	enter_runtime(directory);
	snprintf(path, sizeof(path), "%s/s", directory);
	assert_int_equal(rzc_socket_connect(path), -ENOENT);
	touch(directory, "s");
	assert_int_equal(rzc_socket_connect(path), -ENOTSOCK);
	unlink(path);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(rzc_socket_connect(longer), -ENAMETOOLONG);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(rzc_socket_connect(path), -ECONNREFUSED);
	assert_false(rzc_socket_is_live(path));
	assert_int_equal(listen(listener, 0), 0);
	assert_true(rzc_socket_is_live(path));
	close(listener);
	unlink(path);
	leave_runtime(directory);
}

/* ---- serve ---- */

static void words_are_quoted_for_a_shell(void **state)
{
	char word[64];

	(void)state;
	rzc_serve_quote(word, sizeof(word), "/run/ramz/a-1.nbd");
	assert_string_equal(word, "/run/ramz/a-1.nbd");
	rzc_serve_quote(word, sizeof(word), "/it's $HOME");
	assert_string_equal(word, "'/it'\\''s $HOME'");
	rzc_serve_quote(word, sizeof(word), "");
	assert_string_equal(word, "''");
	rzc_serve_percent(word, sizeof(word), "/a b,%\xc3\xa4~");
	assert_string_equal(word, "/a%20b%2C%25%C3%A4~");
}

static void serve_at(struct rzc_serve *serve, const char *path)
{
	*serve = (struct rzc_serve){.lock_fd = -1};
	strcpy(serve->process_path, path);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void a_number_counts_only_while_the_file_is_locked(void **state)
{
	char directory[PATH_MAX], path[PATH_MAX + 8], text[32];
	struct rzc_serve first, second;
	pid_t process = 7;

	(void)state;
	enter_runtime(directory);
	snprintf(path, sizeof(path), "%s/p", directory);
	assert_false(rzc_serve_is_held(path, &process));
	assert_int_equal(process, 0);
	snprintf(text, sizeof(text), "%ld\n", (long)getppid()); /* it lives */
	put(path, text);
	assert_false(rzc_serve_is_held(path, &process));
	assert_int_equal(process, 0);
	serve_at(&first, path);
	serve_at(&second, path);
	assert_int_equal(rzc_serve_lock(&first, true), 0);
	assert_true(rzc_serve_is_held(path, &process));
	assert_int_equal(process, getpid());
	assert_int_equal(rzc_serve_lock(&second, true), 1);
	/* What the server writes counts. */
	put(path, text);
	assert_true(rzc_serve_is_held(path, &process));
	assert_int_equal(process, getppid());
	put(path, "");
	assert_true(rzc_serve_is_held(path, &process));
	assert_int_equal(process, 0);
	/* It names another process, so this one does not remove it. */
	put(path, text);
	rzc_serve_unlock(&first);
	assert_false(rzc_serve_is_held(path, &process));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(rzc_serve_lock(&second, true), 0);
	rzc_serve_unlock(&second);
	assert_int_equal(access(path, F_OK), -1);
	leave_runtime(directory);
}

/* nbdkit has the lock because it inherits the open file, also where it forks and its parent
 * ends. */
static void a_lock_lives_as_long_as_the_last_process_that_inherited_it(void **state)
{
	char directory[PATH_MAX], path[PATH_MAX + 8], byte;
	struct rzc_serve serve;
	int hold[2], status;
	pid_t child, process;

	(void)state;
	enter_runtime(directory);
	snprintf(path, sizeof(path), "%s/p", directory);
	serve_at(&serve, path);
	assert_int_equal(pipe(hold), 0);
	assert_int_equal(rzc_serve_lock(&serve, true), 0);
	child = fork();
	if (child == 0) {
		close(hold[1]);
		if (read(hold[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	rzc_serve_leave(&serve);
	assert_true(rzc_serve_is_held(path, &process));
	close(hold[0]);
	close(hold[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(rzc_serve_is_held(path, &process));
	unlink(path);
	leave_runtime(directory);
}

static void files_of_others_are_not_taken(void **state)
{
	static const char *const texts[] = {
		"x",     "12 13\n", "12\n13\n", "-5\n", " 12\n", "1\n", "99999999999999999999\n",
		"0x12\n"};
	char directory[PATH_MAX], path[PATH_MAX + 8], link_path[PATH_MAX + 8], text[40];
	struct rzc_serve serve;

	(void)state;
	enter_runtime(directory);
	snprintf(path, sizeof(path), "%s/p", directory);
	snprintf(link_path, sizeof(link_path), "%s/l", directory);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *file;

		put(path, texts[i]);
		serve_at(&serve, path);
		assert_int_equal(rzc_serve_lock(&serve, true), XVM_FAILED);
		file = fopen(path, "r");
		assert_non_null(file);
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		assert_string_equal(text, texts[i]);
	}
	put(path, "99999999\n"); /* of nobody */
	assert_int_equal(symlink("p", link_path), 0);
	serve_at(&serve, link_path);
	assert_int_equal(rzc_serve_lock(&serve, false), XVM_FAILED);
	unlink(link_path);
	assert_int_equal(link(path, link_path), 0);
	assert_int_equal(rzc_serve_lock(&serve, false), XVM_FAILED);
	unlink(link_path);
	serve_at(&serve, path);
	assert_int_equal(rzc_serve_lock(&serve, false), 0);
	rzc_serve_unlock(&serve);
	leave_runtime(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(args_are_options_words_and_a_rest),
		cmocka_unit_test(args_are_read_as_what_they_are),
		cmocka_unit_test(args_belong_to_their_user),
		cmocka_unit_test(args_refuse_what_is_wrong),
		cmocka_unit_test(sizes_have_three_digits),
		cmocka_unit_test(times_have_their_unit),
		cmocka_unit_test(names_make_no_paths),
		cmocka_unit_test(place_is_the_users_own),
		cmocka_unit_test(a_disk_is_found_in_a_directory_of_the_users_own),
		cmocka_unit_test(sockets_tell_why_not),
		cmocka_unit_test(words_are_quoted_for_a_shell),
		cmocka_unit_test(a_number_counts_only_while_the_file_is_locked),
		cmocka_unit_test(a_lock_lives_as_long_as_the_last_process_that_inherited_it),
		cmocka_unit_test(files_of_others_are_not_taken),
	};

	xvm_set_program("ramz");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
