/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_disk.h: a disk with a file in a directory of its own. For one source file of a test.
 */
#ifndef TEST_NBDKIT_DISK_H
#define TEST_NBDKIT_DISK_H

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_file.h"
#include "disk_io.h"
#include "test_nbdkit_support.h"

enum { PAGE = 4096 };

static char directory[] = "/tmp/test_nbdkit_disk.XXXXXX";
static char path[64], file_parameter[80];

static inline void write_noise(struct rzn_disk *disk, uint64_t page, uint64_t number)
{
	char data[PAGE];

	page_of_noise(data, PAGE, number);
	assert_int_equal(rzn_disk_write(disk, data, PAGE, page * PAGE), 0);
}

static inline void assert_noise(struct rzn_disk *disk, uint64_t page, uint64_t number)
{
	char data[PAGE], wanted[PAGE];

	page_of_noise(wanted, PAGE, number);
	assert_int_equal(rzn_disk_read(disk, data, PAGE, page * PAGE), 0);
	assert_memory_equal(data, wanted, PAGE);
}

static inline int make_directory(void **unused)
{
	(void)unused;
	if (mkdtemp(directory) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/disk", directory);
	(void)snprintf(file_parameter, sizeof(file_parameter), "file=%s", path);
	return 0;
}

static inline int remove_directory(void **unused)
{
	(void)unused;
	(void)unlink(path);
	return rmdir(directory);
}

static inline void save_and_end(struct rzn_disk *disk, struct rzn_config *config)
{
	assert_int_equal(rzn_file_save_at_end(disk), RZN_SAVED);
	disk_end(disk, config);
}

/* Each file saved is a new one. */
static inline uint64_t inode_of(const char *name)
{
	struct stat file;

	assert_int_equal(stat(name, &file), 0);
	return file.st_ino;
}

#endif
