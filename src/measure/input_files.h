/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input_files.h: pages out of files and directories.
 *
 * A directory stands for the regular files below it, in the byte order of their
 * paths; symbolic links in it are not followed, and a file with several names
 * counts once. Each file is cut into pages as the page cache holds it: the last
 * one is padded with zeros. Where there is more than fits, runs of 16 pages are
 * taken, spread evenly over the whole.
 *
 * May call the operating system. Locking: none. O(files * log files + pages read).
 */
#ifndef XVM_INPUT_FILES_H
#define XVM_INPUT_FILES_H

#include "pages.h"

#include <sys/types.h>

/*
 * Append the pages of the file or directory at path until pages is full. *available
 * gets the count of pages there are. Files that cannot be read are left out.
 * Returns 0, or XVM_FAILED after saying what is wrong.
 */
int xvm_input_read_path(struct xvm_pages *pages, const char *path, uint64_t *available);

/* One name of a file that was found. */
struct xvm_input_file {
	char *path; /* malloc'd */
	uint64_t pages;
	dev_t device;
	ino_t inode;
};

/*
 * Sort files by their paths, and drop (path freed) all names of a file but its first.
 * Returns how many are left. O(count * log count), whatever has how many names.
 */
size_t xvm_input_files_sort(struct xvm_input_file *files, size_t count);

/* The directory of the C library this process runs on, or NULL. Static storage. */
const char *xvm_libc_directory(void);

#endif
