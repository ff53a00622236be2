/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of reading pages from files, directories and processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "input.h"
#include "address_space.h"
#include "test_random.h"
#include "test_xvfrag_support.h"

#define PAGE XVM_INPUT_PAGE_BYTES

static char test_directory[] = "/tmp/xvfrag-test-XXXXXX";

static void path_of(char *path, size_t path_bytes, const char *name)
{
	snprintf(path, path_bytes, "%s/%s", test_directory, name);
}

/* A file whose byte i of page p is p + value; bytes long. */
static void make_named(const char *name, uint8_t value, size_t bytes)
{
	char path[128];
	FILE *file;

	path_of(path, sizeof(path), name);
	file = fopen(path, "w");
	assert_non_null(file);
	for (size_t i = 0; i < bytes; i++)
		fputc((uint8_t)(value + i / PAGE), file);
	fclose(file);
}

static int setup_directory(void **state)
{
	char from[128];
	char to[128];

	(void)state;
	if (mkdtemp(test_directory) == NULL)
		return -1;
	path_of(to, sizeof(to), "sub");
	mkdir(to, 0700);
	make_named("b", 20, 3 * PAGE);
	make_named("a", 10, 2 * PAGE + 5);
	make_named("sub/c", 30, PAGE);
	make_named("empty", 0, 0);
	path_of(from, sizeof(from), "b");
	path_of(to, sizeof(to), "hard");
	if (link(from, to) != 0)
		return -1;
	path_of(to, sizeof(to), "soft");
	return symlink("b", to);
}

static int teardown_directory(void **state)
{
	static const char *const names[] = {"a", "b", "sub/c", "empty", "hard", "soft", "sub", "."};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(path, sizeof(path), names[i]);
		if (remove(path) != 0)
			rmdir(test_directory);
	}
	return 0;
}

/* Files in order of their paths, each once, its last page padded with zeros. */
static void files_of_a_directory_come_in_order_and_once(void **state)
{
	static const uint8_t firsts[] = {10, 11, 12, 20, 21, 22, 30};
	struct xvm_input input;

	(void)state;
	assert_int_equal(xvm_input_load(&input, test_directory, 100 * PAGE), 0);
	assert_int_equal(input.available, 7);
	assert_int_equal(input.pages.count, 7);
	assert_int_equal(xvm_input_same_filled(&input), 6); /* all but the padded one */
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(xvm_pages_at(&input.pages, i)[0], firsts[i]);
	assert_int_equal(xvm_pages_at(&input.pages, 2)[4], 12);
	assert_int_equal(xvm_pages_at(&input.pages, 2)[5], 0);
	assert_int_equal(xvm_pages_at(&input.pages, 2)[PAGE - 1], 0);
	xvm_input_fini(&input);
}

static void files_named_may_be_symbolic_links(void **state)
{
	struct xvm_input input;
	char path[128];

	(void)state;
	path_of(path, sizeof(path), "soft");
	assert_int_equal(xvm_input_load(&input, path, 100 * PAGE), 0);
	assert_int_equal(input.pages.count, 3);
	xvm_input_fini(&input);
}

/* More than fits: runs of 16 pages, from the whole length of it. */
static void files_too_many_are_spread_over_the_whole(void **state)
{
	struct xvm_input input;
	char path[128];

	(void)state;
	make_named("z", 0, 256 * PAGE);
	path_of(path, sizeof(path), "z");
	assert_int_equal(xvm_input_load(&input, path, 64 * PAGE), 0);
	assert_int_equal(input.available, 256);
	assert_int_equal(input.pages.count, 64);
	assert_in_range(xvm_pages_at(&input.pages, 15)[0], 16, 79);
	assert_int_equal(xvm_pages_at(&input.pages, 15)[0], xvm_pages_at(&input.pages, 0)[0] + 15);
	assert_in_range(xvm_pages_at(&input.pages, 63)[0], 192, 255);
	remove(path);
	xvm_input_fini(&input);
}

static int load(const char *path, void *context)
{
	struct xvm_input input;
	int result = xvm_input_load(&input, path, 4 * PAGE);

	(void)context;
	xvm_input_fini(&input);
	return result;
}

static void inputs_missing_or_odd_are_named(void **state)
{
	static const char *const bad[][2] = {
		{"/nonexistent/x", "/nonexistent/x: No such file"},
		{"/dev/zero", "neither a regular file nor a directory"},
		{"pid:x", "'pid:x' is no process"},
		{"pid:4194305", "no process 4194305"}, /* above the largest number */
	};
	char said[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(catch_error(load, bad[i][0], NULL, said, sizeof(said)),
				 XVM_FAILED);
		assert_non_null(strstr(said, bad[i][1]));
	}
}

static void inputs_default_to_directories(void **state)
{
	size_t count;
	const char *const *names = xvm_input_names(NULL, 0, &count);
	struct stat status;

	(void)state;
	assert_true(count > 0);
	assert_string_equal(names[count - 1], "/usr/bin");
	assert_int_equal(stat(names[0], &status), 0);
	assert_true(S_ISDIR(status.st_mode));
}

/* A child with pages that can be told from all others. */
enum { MARKED_PAGES = 300 };

static pid_t start_marked_child(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		uint64_t *memory = mmap(NULL, MARKED_PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (size_t i = 0; memory != MAP_FAILED && i < MARKED_PAGES; i++) {
			memory[i * PAGE / 8] = UINT64_C(0xFEEDFACE12345678);
			memory[i * PAGE / 8 + 1] = i;
		}
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void process_gives_its_anonymous_pages(void **state)
{
	bool seen[MARKED_PAGES] = {false};
	struct xvm_input input;
	char name[32];
	unsigned count = 0;
	int result;
	pid_t pid;

	(void)state;
	if (under_emulator())
		skip(); /* the page map has the byte order of the machine below */
	pid = start_marked_child();
	snprintf(name, sizeof(name), "pid:%d", (int)pid);
	result = xvm_input_load(&input, name, 200000 * PAGE);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(result, 0);
	assert_true(input.available >= input.pages.count);
	for (uint64_t i = 0; i < input.pages.count; i++) {
		uint64_t words[2];

		memcpy(words, xvm_pages_at(&input.pages, i), sizeof(words));
		if (words[0] == UINT64_C(0xFEEDFACE12345678) && words[1] < MARKED_PAGES)
			seen[words[1]] = true;
	}
	for (size_t i = 0; i < MARKED_PAGES; i++)
		count += seen[i];
	assert_int_equal(count, MARKED_PAGES);
	xvm_input_fini(&input);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_a_directory_come_in_order_and_once),
		cmocka_unit_test(files_named_may_be_symbolic_links),
		cmocka_unit_test(files_too_many_are_spread_over_the_whole),
		cmocka_unit_test(inputs_missing_or_odd_are_named),
		cmocka_unit_test(inputs_default_to_directories),
		cmocka_unit_test(process_gives_its_anonymous_pages),
	};

	return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
