/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing_file.c: a file or a block device as a backing device.
 *
 * The first HEADER_BYTES say that it is one; the segments follow. What begins with something else
 * is not touched.
 *
 * Owns the descriptor, with an exclusive flock. May call: the file system. Locking: none; pread and
 * pwrite from any thread. O(bytes).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <xvmalloc/base.h>

/* What O_DIRECT asks for at most. */
#define DIRECT_ALIGN_BYTES 4096U

#define HEADER_BYTES DIRECT_ALIGN_BYTES
#define MAGIC "ramz backing 1\n"

/* What else a file or a device holds shows within these: btrfs begins at 64 KiB. */
#define LOOKED_BYTES (256U << 10)

/* The context of the device's functions. */
struct backing_file {
	int fd;
	_Atomic int flush_err; /* of the first flush that failed; 0 = none did */
};

static int file_fd(void *context)
{
	return ((struct backing_file *)context)->fd;
}

static int file_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	char *at = dst;

	offset += HEADER_BYTES;
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

	offset += HEADER_BYTES;
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

/* After a flush that failed the system may forget what it could not write, and say of the next one
 * that all is well. So no later one succeeds. */
static int file_flush(void *context)
{
	struct backing_file *file = context;
	int err = atomic_load(&file->flush_err);

	if (err != 0)
		return err;
	if (fdatasync(file->fd) == 0)
		return 0;
	err = -errno;
	atomic_store(&file->flush_err, err);
	return err;
}

/* The blocks go back to the file system, or to the device's spare ones, where either can. */
static void file_discard(void *context, uint64_t offset, uint64_t bytes)
{
	(void)fallocate(file_fd(context), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)(offset + HEADER_BYTES), (off_t)bytes);
}

/* -EEXIST if it holds anything but zeros and was no backing device. */
static int file_look(int fd, unsigned char *bytes)
{
	ssize_t got = pread(fd, bytes, LOOKED_BYTES, 0);

	if (got < 0)
		return -errno;
	if (got >= (ssize_t)sizeof(MAGIC) && memcmp(bytes, MAGIC, sizeof(MAGIC)) == 0)
		return 0;
	for (ssize_t i = 0; i < got; i++) {
		if (bytes[i] != 0)
			return -EEXIST;
	}
	return 0;
}

/* Prove that it may be overwritten, and say in it that it is a backing device. */
static int file_claim(int fd)
{
	void *bytes;
	ssize_t put;
	int err;

	if (posix_memalign(&bytes, DIRECT_ALIGN_BYTES, LOOKED_BYTES) != 0)
		return -ENOMEM;
	err = file_look(fd, bytes);
	if (err == 0) {
		memset(bytes, 0, HEADER_BYTES);
		memcpy(bytes, MAGIC, sizeof(MAGIC));
		put = pwrite(fd, bytes, HEADER_BYTES, 0);
		err = put == HEADER_BYTES ? 0 : put < 0 ? -errno : -EIO;
	}
	free(bytes);
	return err;
}

/* The bytes to use. 0 or a negative errno. *end is the length now, of a device less than 0. */
static int file_size(int fd, off_t *end, uint64_t *size_bytes)
{
	struct stat status;
	off_t there;

	if (fstat(fd, &status) != 0)
		return -errno;
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return -ENOTBLK;
	there = lseek(fd, 0, SEEK_END);
	if (there < 0)
		return -errno;
	*end = S_ISREG(status.st_mode) ? there : -1;
	there = there > (off_t)HEADER_BYTES ? there - (off_t)HEADER_BYTES : 0;
	if (*size_bytes == 0)
		*size_bytes = (uint64_t)there;
	return *end >= 0 || *size_bytes <= (uint64_t)there ? 0 : -EFBIG;
}

static int file_prepare(int fd, uint64_t *size_bytes)
{
	off_t end = -1;
	int err = file_size(fd, &end, size_bytes);

	*size_bytes &= ~(uint64_t)(RAMZ_SEGMENT_BYTES - 1);
	if (err == 0 &&
	    (*size_bytes < RAMZ_BACKING_BYTES_MIN || *size_bytes > RAMZ_BACKING_BYTES_MAX))
		err = -EINVAL;
	if (err == 0)
		err = file_claim(fd);
	/* It is never cut: what is behind may be a checkpoint's. */
	if (err == 0 && end >= 0 && end < (off_t)(*size_bytes + HEADER_BYTES) &&
	    ftruncate(fd, (off_t)(*size_bytes + HEADER_BYTES)) != 0)
		err = -errno;
	return err;
}

/* Its name, which may be new, is durable too. */
static int file_sync_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash == NULL   ? strdup(".")
			  : slash == path ? strdup("/")
					  : strndup(path, (size_t)(slash - path));
	int fd, err = 0;

	if (directory == NULL)
		return -ENOMEM;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Not every file system can, and not everybody may read it. */
	if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL)
		err = -errno;
	if (fd >= 0)
		(void)close(fd);
	free(directory);
	return err;
}

static int file_open(int *fd, const char *path, uint64_t *size_bytes, bool direct)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | (direct ? O_DIRECT : 0);
	bool is_new = false;
	int err;

	*fd = open(path, flags);
	if (*fd < 0 && errno == ENOENT) {
		*fd = open(path, flags | O_CREAT | O_EXCL, 0600);
		is_new = *fd >= 0;
	}
	if (*fd < 0)
		return -errno;
	if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else
		err = file_prepare(*fd, size_bytes);
	if (err == 0)
		err = file_sync_name(path);
	if (err == 0)
		return 0;
	if (is_new)
		(void)unlink(path);
	(void)close(*fd);
	return err;
}

int ramz_backing_file_open(struct ramz_backing *backing, const char *path, uint64_t size_bytes,
			   bool direct)
{
	struct backing_file *file;
	int err;

	if (backing == NULL || path == NULL || size_bytes > INT64_MAX - HEADER_BYTES)
		return -EINVAL;
	file = calloc(1, sizeof(*file));
	if (file == NULL)
		return -ENOMEM;
	err = file_open(&file->fd, path, &size_bytes, direct);
	if (err != 0) {
		free(file);
		return err;
	}
	*backing = (struct ramz_backing){
		.context = file,
		.size_bytes = size_bytes,
		.align_bytes = direct ? DIRECT_ALIGN_BYTES : 1,
		.read = file_read,
		.write = file_write,
		.discard = file_discard,
		.flush = file_flush,
	};
	return 0;
}

void ramz_backing_file_close(struct ramz_backing *backing)
{
	struct backing_file *file;

	if (backing == NULL || backing->read != file_read)
		return;
	file = backing->context;
	(void)close(file->fd);
	free(file);
	backing->read = NULL;
}

/* Into the new file at `temporary`, which then gets its name. */
static int file_save_as(struct ramz *store, const char *temporary, const char *path,
			uint64_t size_bytes)
{
	struct ramz_backing backing;
	int err = ramz_backing_file_open(&backing, temporary, size_bytes, false);

	if (err != 0)
		return err;
	err = ramz_save_backing(store, &backing);
	ramz_backing_file_close(&backing);
	if (err == 0 && link(temporary, path) != 0) /* not over a file that is there */
		err = -errno;
	return err == 0 ? file_sync_name(path) : err;
}

int ramz_save_backing_file(struct ramz *store, const char *path, uint64_t size_bytes)
{
	char *temporary;
	int fd, err;

	if (store == NULL || path == NULL)
		return -EINVAL;
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	err = fd >= 0 ? 0 : -errno;
	if (fd >= 0) {
		(void)close(fd);
		err = file_save_as(store, temporary, path, size_bytes);
		(void)unlink(temporary);
	}
	free(temporary);
	return err;
}
