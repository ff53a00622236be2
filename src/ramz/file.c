/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file.c: the public calls on saved files, for holders and visitors. See file_impl.h for the rules.
 *
 * May call: the other file_*.c, load.c. Locking: `saving` around a save, a load, a look. O(bytes).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file_format.h"
#include "file_impl.h"

/* ---- open and close ---- */

static int file_make(struct ramz_file **out, const char *path, int operation,
		     struct ramz_reason *reason)
{
	struct ramz_file *file = calloc(1, sizeof(*file));
	int err;

	if (file == NULL)
		return rzi_file_says(reason, -XV_ENOMEM, "no memory");
	file->directory = -1;
	file->fd = -1;
	file->operation = operation;
	file->has_mutex = pthread_mutex_init(&file->saving, NULL) == 0;
	err = file->has_mutex ? rzi_place_find(file, path, reason)
			      : rzi_file_says(reason, -XV_ENOMEM, "no memory");
	if (err == 0)
		*out = file;
	else
		ramz_file_close(file);
	return err;
}

/* The error of closing the file, which can be one of writing it. */
static int file_end(struct ramz_file *file)
{
	int err = 0;

	if (file->fd >= 0 && close(file->fd) != 0 && errno != EINTR)
		err = -errno;
	if (file->directory >= 0)
		(void)close(file->directory);
	if (file->has_mutex)
		(void)pthread_mutex_destroy(&file->saving);
	free(file->name);
	free(file);
	return err;
}

void ramz_file_close(struct ramz_file *file)
{
	if (file != NULL)
		(void)file_end(file);
}

/* Links may lead elsewhere by now, so each try follows the path anew. */
static int file_try(struct ramz_file **out, const char *path, struct ramz_reason *reason)
{
	struct ramz_file *file;
	int err = file_make(&file, path, LOCK_EX, reason);

	if (err != 0)
		return err;
	err = rzi_file_take(file, true, reason);
	if (err == 0)
		*out = file;
	else
		ramz_file_close(file);
	return err;
}

int ramz_file_open(struct ramz_file **out, const char *path, uint32_t wait_ms,
		   struct ramz_reason *reason)
{
	uint64_t begin = rzi_now_ns(), wait_ns = (uint64_t)wait_ms * 1000000U;
	uint32_t ms = 1;
	int err = -XV_EBUSY;

	(void)rzi_file_says(reason, 0, "%s", "");
	if (out == NULL || path == NULL)
		return rzi_file_says(reason, -XV_EINVAL, "a pointer is null");
	/* To find the holder takes long, so it is done once, at the end. */
	while (err == -XV_EBUSY && rzi_now_ns() - begin < wait_ns) {
		err = file_try(out, path, NULL);
		if (err == -XV_EBUSY)
			rzi_file_pause(&ms);
	}
	if (err != 0)
		err = file_try(out, path, reason);
	if (err != 0)
		return err;
	rzi_temporary_sweep(*out);
	return rzi_file_says(reason, 0, "%s", "");
}

/* ---- reading ---- */

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

/* Nothing may lie behind the saved store. */
static int file_check_end(struct file_cursor *cursor, struct ramz_reason *reason)
{
	char byte;
	int64_t got = file_read(cursor, &byte, 1);

	if (got < 0)
		return rzi_file_fails(reason, (int)got, "the file cannot be read");
	if (got > 0)
		return rzi_file_says(reason, -XV_EBADMSG,
				     "the file goes on behind the end of the saved store");
	return 0;
}

static int file_load_empty(struct ramz **out, const struct ramz_options *options,
			   struct ramz_reason *reason)
{
	const char *text = "the store cannot be made";
	int err = options != NULL ? ramz_options_check(options, &text) : 0;

	if (err == 0) {
		text = "the store cannot be made";
		err = ramz_create(out, options);
	}
	return rzi_file_says(reason, err, "%s", err != 0 ? text : "");
}

static int file_load(struct ramz **out, const struct ramz_options *options,
		     const struct ramz_codec *const *codecs, size_t codec_count,
		     struct ramz_file *file, struct ramz_reason *reason)
{
	struct file_cursor cursor = {.fd = file->fd};
	struct ramz_source source = {.read = file_read, .context = &cursor};
	const char *text = "";
	struct ramz *store;
	struct stat status;
	int err;

	RZI_ASSERT(rzi_mutex_is_taken(&file->saving)); /* a save replaces the file */
	if (fstat(file->fd, &status) != 0)
		return rzi_file_fails(reason, -errno, "it cannot be looked at");
	if (status.st_size == 0)
		return file_load_empty(out, options, reason);
	err = ramz_load(&store, options, codecs, codec_count, &source, &text);
	if (err != 0)
		return rzi_file_says(reason, err, "%s", text);
	err = file_check_end(&cursor, reason);
	if (err != 0)
		ramz_destroy(store);
	else
		*out = store;
	return err;
}

int ramz_file_load(struct ramz **out, const struct ramz_options *options,
		   const struct ramz_codec *const *codecs, size_t codec_count,
		   struct ramz_file *file, struct ramz_reason *reason)
{
	int err;

	(void)rzi_file_says(reason, 0, "%s", "");
	if (out == NULL || file == NULL)
		return rzi_file_says(reason, -XV_EINVAL, "a pointer is null");
	(void)pthread_mutex_lock(&file->saving);
	err = file_load(out, options, codecs, codec_count, file, reason);
	(void)pthread_mutex_unlock(&file->saving);
	return err;
}

/* ---- describe ---- */

static void file_info_of_header(const struct rzi_file_header *header, struct ramz_file_info *info)
{
	info->version = header->version;
	info->page_bytes = header->page_bytes;
	info->size_bytes = header->size_bytes;
	info->checksum = (header->flags & FILE_FLAG_CHECKSUM) != 0;
	info->level = header->level;
	if (header->codec == 0)
		memcpy(info->codec, "none", sizeof("none"));
	else if (header->codec != FILE_CODEC_NOT_KEPT)
		memcpy(info->codec, header->name[header->codec], sizeof(info->codec));
}

static int file_info(struct ramz_file *file, struct ramz_file_info *info)
{
	struct file_cursor cursor = {.fd = file->fd};
	unsigned char bytes[FILE_HEADER_BYTES];
	struct rzi_file_header header;
	struct stat status;
	size_t have = 0;
	int err;

	RZI_ASSERT(rzi_mutex_is_taken(&file->saving));
	if (fstat(file->fd, &status) != 0)
		return -errno;
	info->file_bytes = (uint64_t)status.st_size;
	info->is_empty = status.st_size == 0;
	while (!info->is_empty && have < sizeof(bytes)) {
		int64_t got = file_read(&cursor, bytes + have, sizeof(bytes) - have);

		if (got <= 0)
			return got < 0 ? (int)got : -XV_EBADMSG;
		have += (size_t)got;
	}
	if (info->is_empty)
		return 0;
	if (rzi_file_header_get(bytes, &header, &err) != NULL)
		return err;
	file_info_of_header(&header, info);
	return 0;
}

int ramz_file_info(struct ramz_file *file, struct ramz_file_info *info)
{
	struct ramz_file_info mine = {.level = RAMZ_LEVEL_DEFAULT};
	int err;

	if (file == NULL || info == NULL)
		return -XV_EINVAL;
	(void)pthread_mutex_lock(&file->saving);
	err = file_info(file, &mine);
	mine.can_save = rzi_place_check_writable(file, NULL) == 0;
	(void)pthread_mutex_unlock(&file->saving);
	if (err == 0)
		*info = mine;
	return err;
}

/* ---- saving ---- */

static int put_store(void *context, const struct ramz_sink *sink)
{
	return ramz_save(context, sink);
}

int ramz_file_save(struct ramz_file *file, struct ramz *store, uint64_t *file_bytes,
		   struct ramz_reason *reason)
{
	const struct rzi_contents contents = {.put = put_store, .context = store};
	int err;

	(void)rzi_file_says(reason, 0, "%s", "");
	if (file == NULL || store == NULL)
		return rzi_file_says(reason, -XV_EINVAL, "a pointer is null");
	(void)pthread_mutex_lock(&file->saving);
	err = rzi_file_save(file, &contents, file_bytes, reason);
	(void)pthread_mutex_unlock(&file->saving);
	return err;
}

/* ---- visitors ---- */

/* L7: under the directory's lock nobody has a lock for only a moment. */
static int file_visit(struct ramz_file **out, const char *path, bool to_save,
		      struct ramz_reason *reason)
{
	struct ramz_file *file;
	int err = file_make(&file, path, LOCK_SH, reason);

	if (err != 0)
		return err;
	err = to_save ? -XV_EBUSY : rzi_file_take(file, false, reason);
	if (err == -XV_EBUSY) {
		err = rzi_directory_lock(file, reason);
		if (err == 0) {
			err = rzi_file_take(file, to_save, reason);
			if (err == 0 && to_save)
				rzi_temporary_sweep(file);
			rzi_directory_unlock(file);
		}
	}
	if (err == 0)
		*out = file;
	else
		ramz_file_close(file);
	return err;
}

int ramz_replace_file(const char *path, int (*put)(void *context, const struct ramz_sink *sink),
		      void *context, uint64_t *file_bytes, struct ramz_reason *reason)
{
	const struct rzi_contents contents = {.put = put, .context = context};
	struct ramz_file *file;
	int err, closed;

	(void)rzi_file_says(reason, 0, "%s", "");
	if (path == NULL || put == NULL)
		return rzi_file_says(reason, -XV_EINVAL, "a pointer is null");
	err = file_visit(&file, path, true, reason);
	if (err != 0)
		return err;
	err = rzi_file_save(file, &contents, file_bytes, reason);
	if (err != 0)
		rzi_file_remove_created(file);
	closed = file_end(file);
	if (err == 0 && closed != 0)
		err = rzi_file_fails(reason, closed, "the new file cannot be closed");
	return err;
}

int ramz_save_file(struct ramz *store, const char *path, uint64_t *file_bytes,
		   struct ramz_reason *reason)
{
	if (store == NULL)
		return rzi_file_says(reason, -XV_EINVAL, "a pointer is null");
	return ramz_replace_file(path, put_store, store, file_bytes, reason);
}

int ramz_load_file(struct ramz **out, const struct ramz_options *options,
		   const struct ramz_codec *const *codecs, size_t codec_count, const char *path,
		   struct ramz_reason *reason)
{
	struct ramz_file *file;
	int err;

	(void)rzi_file_says(reason, 0, "%s", "");
	if (out == NULL || path == NULL)
		return rzi_file_says(reason, -XV_EINVAL, "a pointer is null");
	err = file_visit(&file, path, false, reason);
	if (err != 0)
		return err;
	err = ramz_file_load(out, options, codecs, codec_count, file, reason);
	ramz_file_close(file);
	return err;
}
