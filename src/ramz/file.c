/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file.c: saved stores as files.
 *
 * Owns: that a file at its path is a complete one. May call: the file system. Locking: none.
 * O(bytes).
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ramz/ramz.h>

#define TEMPORARY_SUFFIX ".tmp"

static int file_write(void *context, const void *data, size_t bytes)
{
	const int *fd = context;
	const char *at = data;

	while (bytes != 0) {
		ssize_t wrote = write(*fd, at, bytes);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -errno;
		at += wrote;
		bytes -= (size_t)wrote;
	}
	return 0;
}

static int64_t file_read(void *context, void *data, size_t bytes)
{
	const int *fd = context;
	ssize_t got;

	do {
		got = read(*fd, data, bytes);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* path with a suffix; to be freed. */
static char *file_temporary_path(const char *path)
{
	size_t length = strlen(path);
	char *temporary = malloc(length + sizeof(TEMPORARY_SUFFIX));

	if (temporary != NULL) {
		memcpy(temporary, path, length);
		memcpy(temporary + length, TEMPORARY_SUFFIX, sizeof(TEMPORARY_SUFFIX));
	}
	return temporary;
}

/* The new name must outlive a power failure too. Not every file system can tell. */
static void file_sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
	char *directory = malloc(length + 1);
	int fd;

	if (directory == NULL)
		return;
	memcpy(directory, slash == NULL ? "." : path, length);
	directory[length] = '\0';
	fd = open(directory, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		(void)close(fd);
	}
	free(directory);
}

static int file_fill(struct ramz *store, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct ramz_sink sink = {.write = file_write, .context = &fd};
	int err;

	if (fd < 0)
		return -errno;
	err = ramz_save(store, &sink);
	if (err == 0 && fsync(fd) != 0)
		err = -errno;
	if (close(fd) != 0 && err == 0)
		err = -errno;
	return err;
}

int ramz_save_file(struct ramz *store, const char *path)
{
	char *temporary;
	int err;

	if (store == NULL || path == NULL)
		return -XV_EINVAL;
	temporary = file_temporary_path(path);
	if (temporary == NULL)
		return -XV_ENOMEM;
	err = file_fill(store, temporary);
	if (err == 0 && rename(temporary, path) != 0)
		err = -errno;
	if (err == 0)
		file_sync_directory(path);
	else
		(void)unlink(temporary);
	free(temporary);
	return err;
}

static void file_set_reason(const char **reason, const char *text)
{
	if (reason != NULL)
		*reason = text;
}

/* Nothing may be behind the saved store. */
static int file_check_end(int fd, struct ramz *store, const char **reason)
{
	char byte;
	int64_t got = file_read(&fd, &byte, 1);

	if (got == 0)
		return 0;
	ramz_destroy(store);
	file_set_reason(reason, got < 0 ? "the file cannot be read"
					: "the file goes on behind the end of the saved store");
	return got < 0 ? (int)got : -XV_EBADMSG;
}

int ramz_load_file(struct ramz **out, const struct ramz_options *options,
		   const struct ramz_codec *const *codecs, size_t codec_count, const char *path,
		   const char **reason)
{
	struct ramz_source source = {.read = file_read};
	struct ramz *store;
	int fd, err;

	file_set_reason(reason, "a pointer is null");
	if (out == NULL || path == NULL)
		return -XV_EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		file_set_reason(reason, "the file cannot be opened");
		return err;
	}
	source.context = &fd;
	err = ramz_load(&store, options, codecs, codec_count, &source, reason);
	if (err == 0)
		err = file_check_end(fd, store, reason);
	if (err == 0)
		*out = store;
	(void)close(fd);
	return err;
}
