/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing_file.c: a file or a block device as a backing device.
 *
 * Owns the descriptor, with an exclusive flock. May call: the file system. Locking: none; pread and
 * pwrite from any thread. O(bytes).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <xvmalloc/base.h>

/* What O_DIRECT asks for at most. */
#define DIRECT_ALIGN_BYTES 4096U

static int file_fd(void *context)
{
	return (int)(intptr_t)context;
}

static int file_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	char *at = dst;

	while (bytes != 0) {
		ssize_t got = pread(file_fd(context), at, bytes, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO; /* the file was cut */
		at += got;
		offset += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return 0;
}

static int file_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	const char *at = src;

	while (bytes != 0) {
		ssize_t put = pwrite(file_fd(context), at, bytes, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += put;
		offset += (uint64_t)put;
		bytes -= (size_t)put;
	}
	return 0;
}

/* The blocks go back to the file system, or to the device's spare ones, where either can. */
static void file_discard(void *context, uint64_t offset, uint64_t bytes)
{
	(void)fallocate(file_fd(context), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			(off_t)bytes);
}

/* The size to use, and the file made so long. 0 or a negative errno. */
static int file_set_size(int fd, uint64_t *size_bytes)
{
	struct stat status;
	off_t end;

	if (fstat(fd, &status) != 0)
		return -errno;
	if (S_ISREG(status.st_mode)) {
		if (*size_bytes == 0)
			return -EINVAL;
		return ftruncate(fd, (off_t)*size_bytes) == 0 ? 0 : -errno;
	}
	if (!S_ISBLK(status.st_mode))
		return -ENOTBLK;
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return -errno;
	if (*size_bytes == 0)
		*size_bytes = (uint64_t)end;
	return *size_bytes <= (uint64_t)end ? 0 : -EFBIG;
}

static int file_open(int *fd, const char *path, uint64_t *size_bytes, bool direct)
{
	int err;

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (direct ? O_DIRECT : 0), 0600);
	if (*fd < 0)
		return -errno;
	if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else
		err = file_set_size(*fd, size_bytes);
	if (err != 0)
		(void)close(*fd);
	return err;
}

int ramz_backing_file_open(struct ramz_backing *backing, const char *path, uint64_t size_bytes,
			   bool direct)
{
	int fd, err;

	if (backing == NULL || path == NULL || size_bytes > INT64_MAX)
		return -EINVAL;
	err = file_open(&fd, path, &size_bytes, direct);
	if (err != 0)
		return err;
	*backing = (struct ramz_backing){
		.context = (void *)(intptr_t)fd,
		.size_bytes = size_bytes & ~(uint64_t)(RAMZ_SEGMENT_BYTES - 1),
		.align_bytes = direct ? DIRECT_ALIGN_BYTES : 1,
		.read = file_read,
		.write = file_write,
		.discard = file_discard,
	};
	return 0;
}

void ramz_backing_file_close(struct ramz_backing *backing)
{
	if (backing != NULL && backing->read == file_read)
		(void)close(file_fd(backing->context));
}
