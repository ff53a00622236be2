/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The zram device: its figures, and that none is left behind whatever happens.
 * Needs root and a kernel with zram; skipped otherwise.
 */
#define _GNU_SOURCE
#include "test_allocators_support.h"

#include "zram_device.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = XVM_ZRAM_PAGE_BYTES, PAGES = 200, DISK_BYTES = 1 << 20 };

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

static struct xvm_zram *device_open(void)
{
	struct xvm_zram *zram = NULL;
	char why[512] = "";

	if (xvm_zram_open(&zram, NULL, DISK_BYTES, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	return zram;
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
	/* One byte off, since the caller's memory may have any alignment. */
	unsigned char *memory = malloc((size_t)PAGES * PAGE + 1), *pages = memory + 1;
	unsigned char page[PAGE];
	struct xvm_zram *zram = device_open();
	struct xvm_zram_stat stat;
	uint64_t i;

	(void)state;
	assert_non_null(memory);
	for (i = 0; i < PAGES; i++)
		page_fill(pages + i * PAGE, i + 1);
	memset(pages, 0, 2 * PAGE);
	assert_int_equal(xvm_zram_write(zram, 3, pages, PAGES), 0);
	assert_int_equal(xvm_zram_stat(zram, &stat), 0);
	assert_int_equal(stat.orig_bytes, (uint64_t)PAGES * PAGE);
	assert_int_equal(stat.same_pages, 2);
	assert_in_range(stat.compr_bytes, PAGES * PAGE / 3, PAGES * PAGE * 3 / 4);
	assert_true(stat.mem_used_bytes >= stat.compr_bytes);
	for (i = 0; i < PAGES; i++) {
		assert_int_equal(xvm_zram_read(zram, i + 3, page), 0);
		assert_memory_equal(page, pages + i * PAGE, PAGE);
	}
	assert_int_equal(xvm_zram_discard(zram, 3, PAGES / 2), 0);
	assert_int_equal(xvm_zram_compact(zram), 0);
	assert_int_equal(xvm_zram_stat(zram, &stat), 0);
	assert_int_equal(stat.orig_bytes, (uint64_t)PAGES / 2 * PAGE);
	xvm_zram_close(zram);
	free(memory);
}

static void zram_refuses_what_lies_outside(void **state)
{
	struct xvm_zram *zram = device_open();
	unsigned char page[PAGE] = {0};

	(void)state;
	assert_int_equal(xvm_zram_write(zram, DISK_BYTES / PAGE, page, 1), -ERANGE);
	assert_int_equal(xvm_zram_read(zram, UINT64_MAX, page), -ERANGE);
	assert_int_equal(xvm_zram_discard(zram, 1, UINT64_MAX), -ERANGE);
	assert_int_equal(xvm_zram_discard(zram, 1, 0), 0);
	xvm_zram_close(zram);
}

static void zram_close_removes_the_device(void **state)
{
	int before = device_count();
	struct xvm_zram *zram = device_open();
	unsigned number = xvm_zram_number(zram);

	(void)state;
	assert_true(device_exists(number));
	assert_int_equal(device_count(), before + 1);
	xvm_zram_close(zram);
	assert_false(device_exists(number));
	assert_int_equal(device_count(), before);
	xvm_zram_close(NULL);
}

static void zram_failed_open_leaves_no_device(void **state)
{
	int before = device_count();
	struct xvm_zram *zram = NULL;
	char why[512] = "";

	(void)state;
	assert_true(xvm_zram_open(&zram, "no-such-codec", DISK_BYTES, why, sizeof(why)) < 0);
	assert_null(zram);
	assert_non_null(strstr(why, "no-such-codec"));
	assert_int_equal(device_count(), before);
}

/* In a child: make a device, tell its number, and wait to be ended. */
static void child_run(int out)
{
	struct xvm_zram *zram = NULL;
	unsigned char page[PAGE];
	unsigned number;
	char why[512];

	if (xvm_zram_open(&zram, NULL, DISK_BYTES, why, sizeof(why)) != 0)
		_exit(1);
	page_fill(page, 1);
	number = xvm_zram_number(zram);
	if (xvm_zram_write(zram, 0, page, 1) != 0 ||
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
		cmocka_unit_test(zram_refuses_what_lies_outside),
		cmocka_unit_test(zram_close_removes_the_device),
		cmocka_unit_test(zram_failed_open_leaves_no_device),
		cmocka_unit_test(zram_device_dies_with_its_process),
	};
	char why[512];

	if (!xvm_zram_available(why, sizeof(why))) {
		printf("skipped: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
