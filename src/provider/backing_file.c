/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing_file.c: see backing_file.h; for POSIX.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create, fallocate, O_TMPFILE */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* more than 4 GiB from a 32-bit process */
#endif

#include "backing_file.h"

#include "os_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xvmalloc/base.h>

_Static_assert(sizeof(off_t) >= 8, "file offsets reach past 4 GiB");

#if !defined(O_CLOEXEC)
#define O_CLOEXEC 0
#endif

#define GROWTH_BYTES ((uint64_t)1 << 20) /* if space cannot be taken ahead */
#define STAT_BLOCK_BYTES 512U            /* unit of st_blocks */
#define VIEWS_ALIGNMENT ((size_t)64 << 10)
#define PATH_BYTES 4096

static int open_in_memory(void)
{
#if defined(MFD_CLOEXEC)
	int fd = memfd_create("xvmalloc-highmem", MFD_CLOEXEC);

	return fd >= 0 ? fd : -errno;
#else
	return -XV_ENOTSUP;
#endif
}

/* The file has a name for an instant, in a file system without nameless files. */
static int open_and_unlink(const char *directory)
{
	char path[PATH_BYTES];
	int length = snprintf(path, sizeof(path), "%s/xvmalloc-XXXXXX", directory);
	int fd;

	if (length < 0 || length >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkstemp(path);
	if (fd < 0)
		return -errno;
	unlink(path);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int open_in_directory(const char *directory)
{
#if defined(O_TMPFILE)
	int fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

	if (fd >= 0)
		return fd;
#endif
	return open_and_unlink(directory);
}

static int open_anywhere(void)
{
	const char *directories[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
	int fd = open_in_memory();

	for (size_t i = 0; fd < 0 && i < sizeof(directories) / sizeof(directories[0]); i++) {
		if (directories[i] != NULL && directories[i][0] != '\0')
			fd = open_in_directory(directories[i]);
	}
	return fd;
}

/* Can no file be made there because of the name? */
static bool names_no_directory(int err)
{
	return err == ENOENT || err == ENOTDIR || err == EACCES || err == EROFS || err == ELOOP ||
	       err == ENAMETOOLONG;
}

/* Past this limit the system sends SIGXFSZ, so the file stays below it. It may change while the
 * file is open. */
static uint64_t file_size_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return INT64_MAX;
	return limit.rlim_cur < INT64_MAX ? limit.rlim_cur : INT64_MAX;
}

size_t xvi_backing_unit_bytes(size_t page_bytes, size_t os_page_bytes)
{
	(void)page_bytes;
	return os_page_bytes;
}

int xvi_backing_open(struct xvi_backing_file *file, const char *directory,
		     const struct xvi_backing_shape *shape)
{
	int fd = directory != NULL ? open_in_directory(directory) : open_anywhere();

	if (fd < 0)
		return directory != NULL && names_no_directory(-fd) ? -XV_EINVAL : -XV_ENOMEM;
	*file = (struct xvi_backing_file){
		.page_shift = shape->page_shift,
		.fd = fd,
		.can_preallocate = true,
		.views_bytes = (size_t)shape->views << shape->page_shift,
	};
	file->views = xvi_os_reserve(file->views_bytes, VIEWS_ALIGNMENT);
	if (file->views != NULL)
		return 0;
	close(fd);
	return -XV_ENOMEM;
}

void xvi_backing_close(struct xvi_backing_file *file)
{
	xvi_os_release(file->views, file->views_bytes);
	close(file->fd);
}

static char *view_address(const struct xvi_backing_file *file, uint32_t view)
{
	return file->views + ((size_t)view << file->page_shift);
}

/* To leave holes takes one more system call. */
void *xvi_backing_show(const struct xvi_backing_file *file, uint32_t view, uint32_t page,
		       bool has_holes)
{
	char *at = view_address(file, view);
	size_t bytes = (size_t)1 << file->page_shift;
	uint64_t offset = (uint64_t)page << file->page_shift;
	bool shown = has_holes ? xvi_os_map_sparse(at, bytes, file->fd, offset)
			       : xvi_os_map_over(at, bytes, file->fd, offset);

	return shown ? at : NULL;
}

void xvi_backing_hide(const struct xvi_backing_file *file, uint32_t view)
{
	xvi_os_hide(view_address(file, view), (size_t)1 << file->page_shift);
}

/* Is there no room, or does the disk fail? */
static bool means_no_space(int err)
{
#if defined(EDQUOT)
	if (err == EDQUOT)
		return true;
#endif
	return err == ENOSPC || err == ENOMEM || err == EFBIG || err == EIO;
}

/* Returns 0, -XV_ENOMEM, or 1 when space cannot be taken ahead: the file system or a filter of
 * system calls refuses. Every error except no room or a failing disk counts as that. */
static int preallocate(struct xvi_backing_file *file, uint64_t offset, size_t bytes)
{
#if defined(FALLOC_FL_PUNCH_HOLE)
	int result;

	do
		result = fallocate(file->fd, 0, (off_t)offset, (off_t)bytes);
	while (result != 0 && errno == EINTR);
	if (result == 0)
		return 0;
	return means_no_space(errno) ? -XV_ENOMEM : 1;
#else
	(void)file;
	(void)offset;
	(void)bytes;
	return 1;
#endif
}

static int grow_sparse(struct xvi_backing_file *file, uint64_t end)
{
	uint64_t length = (end + GROWTH_BYTES - 1) / GROWTH_BYTES * GROWTH_BYTES;

	if (end <= file->bytes)
		return 0;
	if (length > file_size_limit())
		length = end;
	if (ftruncate(file->fd, (off_t)length) != 0)
		return -XV_ENOMEM;
	file->bytes = length;
	return 0;
}

int xvi_backing_take(struct xvi_backing_file *file, uint64_t offset, size_t bytes)
{
	uint64_t end = offset + bytes;
	int err = 1;

	if (end > file->bytes && end > file_size_limit())
		return -XV_ENOMEM;
	if (file->can_preallocate)
		err = preallocate(file, offset, bytes);
	if (err < 0)
		return err;
	if (err > 0) {
		file->can_preallocate = false;
		return grow_sparse(file, end);
	}
	if (end > file->bytes)
		file->bytes = end;
	return 0;
}

bool xvi_backing_copies(void)
{
	return true;
}

bool xvi_backing_read(const struct xvi_backing_file *file, uint64_t offset, void *to, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t got =
			pread(file->fd, (char *)to + done, bytes - done, (off_t)(offset + done));

		if (got < 0 && errno != EINTR)
			return false;
		if (got == 0) {
			memset((char *)to + done, 0, bytes - done);
			return true;
		}
		done += got > 0 ? (size_t)got : 0;
	}
	return true;
}

bool xvi_backing_write(const struct xvi_backing_file *file, uint64_t offset, const void *from,
		       size_t bytes)
{
	if (offset + bytes > file_size_limit())
		return false;
	for (size_t done = 0; done < bytes;) {
		ssize_t put = pwrite(file->fd, (const char *)from + done, bytes - done,
				     (off_t)(offset + done));

		if (put <= 0 && (put == 0 || errno != EINTR))
			return false;
		done += put > 0 ? (size_t)put : 0;
	}
	return true;
}

bool xvi_backing_give(struct xvi_backing_file *file, uint64_t offset, uint64_t bytes)
{
#if defined(FALLOC_FL_PUNCH_HOLE) && defined(FALLOC_FL_KEEP_SIZE)
	int result;

	do
		result = fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)offset, (off_t)bytes);
	while (result != 0 && errno == EINTR);
	return result == 0;
#else
	(void)file;
	(void)offset;
	(void)bytes;
	return false;
#endif
}

uint64_t xvi_backing_held_bytes(const struct xvi_backing_file *file)
{
	struct stat status;

	if (fstat(file->fd, &status) != 0)
		return 0;
	return (uint64_t)status.st_blocks * STAT_BLOCK_BYTES;
}

size_t xvi_backing_overhead_bytes(const struct xvi_backing_file *file)
{
	(void)file;
	return 0;
}
