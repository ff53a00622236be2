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

struct files_item {
	char *path;
	uint64_t pages;
	dev_t device;
	ino_t inode;
	bool many_names; /* hard links: may come again under another name */
};

struct files_list {
	struct files_item *items;
	size_t count;
	size_t capacity;
	uint64_t pages;
};

/* nftw has no argument for its callback. */
static struct files_list *files_walk_list;

static bool files_seen(const struct files_list *list, const struct stat *status)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct files_item *item = &list->items[i];

		if (item->many_names && item->inode == status->st_ino &&
		    item->device == status->st_dev)
			return true;
	}
	return false;
}

static void files_add(struct files_list *list, const char *path, const struct stat *status)
{
	uint64_t bytes = (uint64_t)status->st_size;

	if (bytes == 0 || (status->st_nlink > 1 && files_seen(list, status)))
		return;
	list->items = xvf_grow(list->items, &list->capacity, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = (struct files_item){
		.path = xvf_strdup(path),
		.pages = (bytes + XVF_INPUT_PAGE_BYTES - 1) / XVF_INPUT_PAGE_BYTES,
		.device = status->st_dev,
		.inode = status->st_ino,
		.many_names = status->st_nlink > 1,
	};
	list->pages += list->items[list->count - 1].pages;
}

static int files_visit(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)where;
	if (type == FTW_F && S_ISREG(status->st_mode) && access(path, R_OK) == 0)
		files_add(files_walk_list, path, status);
	return 0;
}

static int files_compare(const void *a, const void *b)
{
	return strcmp(((const struct files_item *)a)->path, ((const struct files_item *)b)->path);
}

static int files_list_path(struct files_list *list, const char *path)
{
	char resolved[PATH_MAX];
	struct stat status;
	int result = 0;

	/* /usr/lib may be reached through a link such as /lib: follow the first one. */
	if (realpath(path, resolved) == NULL || stat(resolved, &status) != 0) {
		xvf_error("cannot read input %s: %s; an INPUT is a file, a directory or pid:N",
			  path, strerror(errno));
		return XVF_FAILED;
	}
	if (S_ISREG(status.st_mode)) {
		files_add(list, resolved, &status);
	} else if (S_ISDIR(status.st_mode)) {
		files_walk_list = list;
		result = nftw(resolved, files_visit, FILES_OPEN_DIRECTORIES, FTW_PHYS);
	} else {
		xvf_error("cannot read input %s: it is neither a regular file nor a directory",
			  path);
		return XVF_FAILED;
	}
	if (result != 0) {
		xvf_error("cannot walk directory %s: %s", path, strerror(errno));
		return XVF_FAILED;
	}
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), files_compare);
	return 0;
}

/* Read page `index` of a file; false at its end or on an error. */
static bool files_read_page(int fd, uint64_t index, uint8_t *page)
{
	size_t have = 0;

	while (have < XVF_INPUT_PAGE_BYTES) {
		ssize_t got = pread(fd, page + have, XVF_INPUT_PAGE_BYTES - have,
				    (off_t)(index * XVF_INPUT_PAGE_BYTES + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	memset(page + have, 0, XVF_INPUT_PAGE_BYTES - have);
	return have > 0;
}

/* Is page `position` of all `total` among those that fit? */
static bool files_takes(uint64_t position, uint64_t total, uint64_t fit)
{
	if (total <= fit)
		return true;
	return xvf_spread_takes(position / FILES_RUN_PAGES,
				(total + FILES_RUN_PAGES - 1) / FILES_RUN_PAGES,
				(fit + FILES_RUN_PAGES - 1) / FILES_RUN_PAGES);
}

static void files_read(struct xvf_pages *pages, const struct files_item *item, uint64_t position,
		       uint64_t total, uint64_t fit)
{
	int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return;
	for (uint64_t i = 0; i < item->pages; i++) {
		uint8_t *page;

		if (!files_takes(position + i, total, fit))
			continue;
		page = xvf_pages_next(pages);
		if (page == NULL || !files_read_page(fd, i, page))
			break;
		xvf_pages_keep(pages);
	}
	close(fd);
}

int xvf_input_read_path(struct xvf_pages *pages, const char *path, uint64_t *available)
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

const char *xvf_libc_directory(void)
{
	static char directory[PATH_MAX];

	return dl_iterate_phdr(files_find_libc, directory) != 0 ? directory : NULL;
}
