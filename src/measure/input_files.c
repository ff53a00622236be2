/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input_files.c: pages out of files and directories; see input_files.h.
 *
 * Two passes: list the files, which gives the total, then read the runs of pages
 * that are taken. Locking: none.
 */
#include "input_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pages taken together where not all are: 64 KiB keeps neighbours together. */
#define FILES_RUN_PAGES 16U
#define FILES_OPEN_DIRECTORIES 16

struct files_list {
	struct xvm_input_file *items;
	size_t count;
	size_t capacity;
	uint64_t pages;
};

/* nftw has no argument for its callback. */
static struct files_list *files_walk_list;

static void files_add(struct files_list *list, const char *path, const struct stat *status)
{
	uint64_t bytes = (uint64_t)status->st_size;

	if (bytes == 0)
		return;
	list->items = xvm_grow(list->items, &list->capacity, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = (struct xvm_input_file){
		.path = xvm_strdup(path),
		.pages = (bytes + XVM_INPUT_PAGE_BYTES - 1) / XVM_INPUT_PAGE_BYTES,
		.device = status->st_dev,
		.inode = status->st_ino,
	};
}

static int files_visit(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)where;
	if (type == FTW_F && S_ISREG(status->st_mode) && access(path, R_OK) == 0)
		files_add(files_walk_list, path, status);
	return 0;
}

static int files_compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct xvm_input_file *)a)->path,
		      ((const struct xvm_input_file *)b)->path);
}

static bool files_are_one(const struct xvm_input_file *a, const struct xvm_input_file *b)
{
	return a->inode == b->inode && a->device == b->device;
}

static int files_compare_inodes(const void *a, const void *b)
{
	const struct xvm_input_file *x = a, *y = b;

	if (files_are_one(x, y))
		return files_compare_paths(a, b);
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : 1;
}

size_t xvm_input_files_sort(struct xvm_input_file *files, size_t count)
{
	size_t kept = 0;

	if (count == 0)
		return 0;
	qsort(files, count, sizeof(*files), files_compare_inodes);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && files_are_one(&files[i], &files[kept - 1]))
			free(files[i].path);
		else
			files[kept++] = files[i];
	}
	qsort(files, kept, sizeof(*files), files_compare_paths);
	return kept;
}

static int files_list_path(struct files_list *list, const char *path)
{
	char resolved[PATH_MAX];
	struct stat status;
	int result = 0;

	/* /usr/lib may be reached through a link such as /lib: follow the first one. */
	if (realpath(path, resolved) == NULL || stat(resolved, &status) != 0) {
		xvm_error("cannot read input %s: %s; an INPUT is a file, a directory or pid:N",
			  path, strerror(errno));
		return XVM_FAILED;
	}
	if (S_ISREG(status.st_mode)) {
		files_add(list, resolved, &status);
	} else if (S_ISDIR(status.st_mode)) {
		files_walk_list = list;
		result = nftw(resolved, files_visit, FILES_OPEN_DIRECTORIES, FTW_PHYS);
	} else {
		xvm_error("cannot read input %s: it is neither a regular file nor a directory",
			  path);
		return XVM_FAILED;
	}
	if (result != 0) {
		xvm_error("cannot walk directory %s: %s", path, strerror(errno));
		return XVM_FAILED;
	}
	list->count = xvm_input_files_sort(list->items, list->count);
	for (size_t i = 0; i < list->count; i++)
		list->pages += list->items[i].pages;
	return 0;
}

/* Read page `index` of a file; false at its end or on an error. */
static bool files_read_page(int fd, uint64_t index, uint8_t *page)
{
	size_t have = 0;

	while (have < XVM_INPUT_PAGE_BYTES) {
		ssize_t got = pread(fd, page + have, XVM_INPUT_PAGE_BYTES - have,
				    (off_t)(index * XVM_INPUT_PAGE_BYTES + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	memset(page + have, 0, XVM_INPUT_PAGE_BYTES - have);
	return have > 0;
}

/* Is page `position` of all `total` among those that fit? */
static bool files_takes(uint64_t position, uint64_t total, uint64_t fit)
{
	if (total <= fit)
		return true;
	return xvm_spread_takes(position / FILES_RUN_PAGES,
				(total + FILES_RUN_PAGES - 1) / FILES_RUN_PAGES,
				(fit + FILES_RUN_PAGES - 1) / FILES_RUN_PAGES);
}

static void files_read(struct xvm_pages *pages, const struct xvm_input_file *item,
		       uint64_t position, uint64_t total, uint64_t fit)
{
	int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return;
	for (uint64_t i = 0; i < item->pages; i++) {
		uint8_t *page;

		if (!files_takes(position + i, total, fit))
			continue;
		page = xvm_pages_next(pages);
		if (page == NULL || !files_read_page(fd, i, page))
			break;
		xvm_pages_keep(pages);
	}
	close(fd);
}

int xvm_input_read_path(struct xvm_pages *pages, const char *path, uint64_t *available)
{
	struct files_list list = {0};
	uint64_t fit = pages->capacity - pages->count;
	uint64_t position = 0;
	int result = files_list_path(&list, path);

	for (size_t i = 0; i < list.count; i++) {
		if (result == 0)
			files_read(pages, &list.items[i], position, list.pages, fit);
		position += list.items[i].pages;
		free(list.items[i].path);
	}
	free(list.items);
	*available = list.pages;
	return result;
}

static int files_find_libc(struct dl_phdr_info *info, size_t bytes, void *context)
{
	char *directory = context;
	const char *slash = strrchr(info->dlpi_name, '/');
	size_t length;

	(void)bytes;
	if (slash == NULL || slash == info->dlpi_name)
		return 0;
	if (strncmp(slash, "/libc.", 6) != 0 && strncmp(slash, "/libc-", 6) != 0 &&
	    strncmp(slash, "/ld-musl", 8) != 0)
		return 0;
	length = (size_t)(slash - info->dlpi_name);
	if (length >= PATH_MAX)
		return 0;
	memcpy(directory, info->dlpi_name, length);
	directory[length] = '\0';
	return 1;
}

const char *xvm_libc_directory(void)
{
	static char directory[PATH_MAX];

	return dl_iterate_phdr(files_find_libc, directory) != 0 ? directory : NULL;
}
