/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The zram device: its figures, and that none is left behind whatever happens.
 * Needs root and a kernel with zram; skipped otherwise.
 */
#define _GNU_SOURCE
#include "test_allocators_support.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 200, SLOTS = 256 };

static int device_exists(unsigned number)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/zram%u", number);
	return access(path, F_OK) == 0;
}

static int device_count(void)
{
	DIR *directory = opendir("/sys/block");
	struct dirent *item;
	int count = 0;

	assert_non_null(directory);
	while ((item = readdir(directory)) != NULL)
		count += strncmp(item->d_name, "zram", 4) == 0;
	closedir(directory);
	return count;
}

static const struct xvfrag_plugin *const zram = &xvm_allocator_zram;

/* A heap with a codec that each kernel has, or has not. */
static void *device_try(const char *codec, char *why)
{
	const struct xvfrag_plugin_config config = {
		.codec = codec, .max_objects = SLOTS, .why = why};

	return zram->create(&config);
}

static void *device_open(void)
{
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "";
	void *heap = device_try("lzo", why);

	if (heap == NULL)
		fail_msg("%s", why);
	return heap;
}

/* A page that compresses to about half. */
static void page_fill(unsigned char *page, uint64_t seed)
{
	int i;

	memset(page, 0x11, PAGE);
	for (i = 0; i < PAGE / 2; i++)
		page[i] = (unsigned char)(test_random(&seed) >> 32);
}

static void zram_stores_pages_and_counts_them(void **state)
{
	_Alignas(PAGE) unsigned char page[PAGE], got[PAGE];
	void *heap = device_open();
	uint64_t stored, moved = 0;

	(void)state;
	for (uint64_t i = 0; i < PAGES; i++) {
		page_fill(page, i + 1);
		assert_int_equal(zram->write(heap, i + 3, page, PAGE), 0);
	}
	stored = zram->requested_bytes(heap);
	assert_in_range(stored, PAGES * PAGE / 3, PAGES * PAGE * 3 / 4);
	assert_true(zram->held_bytes(heap) >= stored);
	for (uint64_t i = 0; i < PAGES; i++) {
		page_fill(page, i + 1);
		assert_int_equal(zram->read(heap, i + 3, got, PAGE), 0);
		assert_memory_equal(page, got, PAGE);
	}
	assert_true(zram->write(heap, SLOTS, page, PAGE) < 0);
	for (uint64_t i = 0; i < PAGES / 2; i++)
		assert_int_equal(zram->free(heap, i + 3, PAGE), 0);
	assert_int_equal(zram->compact_step(heap, &moved), 0);
	assert_in_range(zram->requested_bytes(heap), stored * 4 / 10, stored * 6 / 10);
	zram->destroy(heap);
}

static void zram_close_removes_the_device(void **state)
{
	int before = device_count();
	void *heap = device_open();
	unsigned number = xvm_zram_number(heap);

	(void)state;
	assert_true(device_exists(number));
	assert_int_equal(device_count(), before + 1);
	zram->destroy(heap);
	assert_false(device_exists(number));
	assert_int_equal(device_count(), before);
}

static void zram_failed_open_leaves_no_device(void **state)
{
	int before = device_count();
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "";

	(void)state;
	assert_null(device_try("no-such-codec", why));
	assert_int_equal(errno, ENODEV);
	assert_non_null(strstr(why, "no-such-codec"));
	assert_int_equal(device_count(), before);
}

/* In a child: make a device, tell its number, and wait to be ended. What a shell started in the
 * background ignores SIGINT. */
static void child_run(int out)
{
	_Alignas(PAGE) unsigned char page[PAGE];
	char why[XVFRAG_PLUGIN_WHY_BYTES];
	void *heap = device_try("lzo", why);
	unsigned number;

	(void)signal(SIGINT, SIG_DFL);
	if (heap == NULL)
		_exit(1);
	page_fill(page, 1);
	number = xvm_zram_number(heap);
	if (zram->write(heap, 0, page, PAGE) != 0 ||
	    write(out, &number, sizeof(number)) != (ssize_t)sizeof(number))
		_exit(1);
	for (;;)
		pause();
}

static void assert_removed_after(int signal_number)
{
	const struct timespec pause_time = {0, 20 * 1000 * 1000};
	int ends[2], tries = 250;
	unsigned number;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		child_run(ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &number, sizeof(number)), sizeof(number));
	close(ends[0]);
	assert_true(device_exists(number));
	assert_int_equal(kill(child, signal_number), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	while (device_exists(number) && tries-- > 0)
		nanosleep(&pause_time, NULL);
	assert_false(device_exists(number));
}

static void zram_device_dies_with_its_process(void **state)
{
	(void)state;
	assert_removed_after(SIGTERM);
	assert_removed_after(SIGINT);
	assert_removed_after(SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zram_stores_pages_and_counts_them),
		cmocka_unit_test(zram_close_removes_the_device),
		cmocka_unit_test(zram_failed_open_leaves_no_device),
		cmocka_unit_test(zram_device_dies_with_its_process),
	};
	char why[XVFRAG_PLUGIN_WHY_BYTES];

	if (xvm_zram_available(why) != 0) {
		printf("skipped: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
