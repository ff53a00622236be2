/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file.c: saved stores as files.
 *
 * Owns: that a file at its path is a complete one. May call: the file system. Locking: none.
 * O(bytes).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <ramz/ramz.h>

#include "file_format.h"

struct ramz_file {
	char *path;
	int fd;
};

static int file_says(struct ramz_reason *reason, int err, const char *text)
{
	if (reason != NULL)
		(void)snprintf(reason->text, sizeof(reason->text), "%s", text);
	return err;
}

struct file_sink {
	int fd;
	uint64_t bytes;
};

static int file_write(void *context, const void *data, size_t bytes)
{
	struct file_sink *sink = context;
	const char *at = data;

	while (bytes != 0) {
		ssize_t wrote = write(sink->fd, at, bytes);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -errno;
		at += wrote;
		bytes -= (size_t)wrote;
		sink->bytes += (size_t)wrote;
	}
	return 0;
}

struct file_cursor {
	int fd;
	off_t at;
};

static int64_t file_read(void *context, void *data, size_t bytes)
{
	struct file_cursor *cursor = context;
	ssize_t got;

	do {
		got = pread(cursor->fd, data, bytes, cursor->at);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		cursor->at += got;
	return got < 0 ? -errno : got;
}

static int file_take(const char *path, int flags, int operation, struct ramz_file **out,
		     struct ramz_reason *reason)
{
	struct ramz_file *file = calloc(1, sizeof(*file));
	struct stat status;

	if (file == NULL)
		return file_says(reason, -ENOMEM, "no memory");
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		free(file);
		return file_says(reason, -ENXIO, "it is no regular file");
	}
	file->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | flags, 0600);
	file->path = file->fd < 0 ? NULL : realpath(path, NULL);
	if (file->path != NULL && flock(file->fd, operation | LOCK_NB) == 0) {
		*out = file;
		return file_says(reason, 0, "");
	}
	if (errno == EWOULDBLOCK)
		errno = EBUSY;
	(void)file_says(reason, -errno,
			errno == EBUSY ? "another process holds it" : strerror(errno));
	ramz_file_close(file);
	return -errno;
}

int ramz_file_open(struct ramz_file **out, const char *path, uint32_t wait_ms,
		   struct ramz_reason *reason)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	int err;

	if (out == NULL || path == NULL)
		return file_says(reason, -XV_EINVAL, "a pointer is null");
	err = file_take(path, O_CREAT, LOCK_EX, out, reason);
	for (uint32_t ms = 0; err == -XV_EBUSY && ms < wait_ms; ms += 10) {
		(void)nanosleep(&moment, NULL);
		err = file_take(path, O_CREAT, LOCK_EX, out, reason);
	}
	return err;
}

void ramz_file_close(struct ramz_file *file)
{
	if (file == NULL)
		return;
	if (file->fd >= 0)
		(void)close(file->fd);
	free(file->path);
	free(file);
}

int ramz_file_info(struct ramz_file *file, struct ramz_file_info *info)
{
	unsigned char bytes[FILE_HEADER_BYTES];
	struct rzi_file_header header;
	struct stat status;
	int err;

	if (file == NULL || info == NULL)
		return -XV_EINVAL;
	if (fstat(file->fd, &status) != 0)
		return -errno;
	*info = (struct ramz_file_info){.file_bytes = (uint64_t)status.st_size,
					.can_save = true,
					.is_empty = status.st_size == 0,
					.level = RAMZ_LEVEL_DEFAULT};
	if (info->is_empty)
		return 0;
	if (pread(file->fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -XV_EBADMSG;
	if (rzi_file_header_get(bytes, &header, &err) != NULL)
		return err;
	info->version = header.version;
	info->page_bytes = header.page_bytes;
	info->size_bytes = header.size_bytes;
	info->checksum = (header.flags & FILE_FLAG_CHECKSUM) != 0;
	return 0;
}

/* Nothing may be behind the saved store. */
static int file_check_end(struct file_cursor *cursor, struct ramz *store,
			  struct ramz_reason *reason)
{
	char byte;
	int64_t got = file_read(cursor, &byte, 1);

	if (got == 0)
		return 0;
	ramz_destroy(store);
	if (got < 0)
		return file_says(reason, (int)got, "the file cannot be read");
	return file_says(reason, -XV_EBADMSG, "the file goes on behind the end of the saved store");
}

int ramz_file_load(struct ramz **out, const struct ramz_options *options,
		   const struct ramz_codec *const *codecs, size_t codec_count,
		   struct ramz_file *file, struct ramz_reason *reason)
{
	struct file_cursor cursor = {.fd = file->fd};
	struct ramz_source source = {.read = file_read, .context = &cursor};
	const char *text = "";
	struct ramz *store;
	struct stat status;
	int err;

	if (fstat(file->fd, &status) == 0 && status.st_size == 0)
		return file_says(reason, ramz_create(out, options), "");
	err = ramz_load(&store, options, codecs, codec_count, &source, &text);
	(void)file_says(reason, err, text);
	if (err == 0)
		err = file_check_end(&cursor, store, reason);
	if (err == 0)
		*out = store;
	return err;
}

int ramz_file_save(struct ramz_file *file, struct ramz *store, uint64_t *file_bytes,
		   struct ramz_reason *reason)
{
	struct file_sink bytes = {.bytes = 0};
	struct ramz_sink sink = {.write = file_write, .context = &bytes};
	char *temporary = NULL;
	int err;

	if (asprintf(&temporary, "%s.XXXXXX", file->path) < 0)
		return -ENOMEM;
	bytes.fd = mkostemp(temporary, O_CLOEXEC);
	if (bytes.fd < 0) {
		free(temporary);
		return file_says(reason, -errno, "no temporary file can be made");
	}
	err = ramz_save(store, &sink);
	if (err == 0 && (fsync(bytes.fd) != 0 || flock(bytes.fd, LOCK_EX) != 0 ||
			 rename(temporary, file->path) != 0))
		err = -errno;
	if (err == 0) {
		(void)close(file->fd);
		file->fd = bytes.fd;
		if (file_bytes != NULL)
			*file_bytes = bytes.bytes;
	} else {
		(void)unlink(temporary);
		(void)close(bytes.fd);
	}
	free(temporary);
	return file_says(reason, err, err == 0 ? "" : strerror(-err));
}

int ramz_save_file(struct ramz *store, const char *path, uint64_t *file_bytes,
		   struct ramz_reason *reason)
{
	struct ramz_file *file;
	int err;

	if (store == NULL || path == NULL)
		return file_says(reason, -XV_EINVAL, "a pointer is null");
	err = file_take(path, O_CREAT, LOCK_EX, &file, reason);
	if (err != 0)
		return err;
	err = ramz_file_save(file, store, file_bytes, reason);
	ramz_file_close(file);
	return err;
}

int ramz_load_file(struct ramz **out, const struct ramz_options *options,
		   const struct ramz_codec *const *codecs, size_t codec_count, const char *path,
		   struct ramz_reason *reason)
{
	struct ramz_file *file;
	int err;

	if (out == NULL || path == NULL)
		return file_says(reason, -XV_EINVAL, "a pointer is null");
	err = file_take(path, 0, LOCK_SH, &file, reason);
	if (err != 0)
		return err;
	err = ramz_file_load(out, options, codecs, codec_count, file, reason);
	ramz_file_close(file);
	return err;
}
