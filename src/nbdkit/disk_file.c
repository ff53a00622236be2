/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_file.c: loading and saving; see disk_file.h.
 *
 * The file is replaced, never written into, so a lock on it would not last. Instead it is
 * remembered how it looked when it was loaded or last saved: a file that looks different is
 * somebody else's work, such as that of a second server with the same file.
 */
#include "disk_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nbdkit_api.h"
#include "path.h"

/* Value of changes_loaded that never is the number of changes. */
#define NEVER_SAVED UINT64_MAX

/* ---- whose file it is ---- */

static struct rzn_file_mark file_mark(const char *path)
{
	struct rzn_file_mark mark = {.there = false};
	struct stat file;

	if (stat(path, &file) == 0)
		mark = (struct rzn_file_mark){.there = true,
					      .device = file.st_dev,
					      .inode = file.st_ino,
					      .bytes = file.st_size,
					      .changed = file.st_mtim};
	return mark;
}

static bool file_is_ours(const struct rzn_disk *disk)
{
	struct rzn_file_mark now = file_mark(disk->config->file);
	const struct rzn_file_mark *then = &disk->file;

	if (!now.there)
		return true; /* there is nothing to lose */
	return then->there && now.device == then->device && now.inode == then->inode &&
	       now.bytes == then->bytes && now.changed.tv_sec == then->changed.tv_sec &&
	       now.changed.tv_nsec == then->changed.tv_nsec;
}

/* Grows with every change of the contents. */
static uint64_t disk_changes(const struct rzn_disk *disk)
{
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	return stats.writes + stats.notify_free;
}

void rzn_file_mark_changed(struct rzn_disk *disk)
{
	disk->changes_loaded = NEVER_SAVED;
}

/* ---- loading ---- */

static int refuse_page(const struct rzn_config *config, size_t page_bytes)
{
	nbdkit_error("file=%s was saved with pages of %zu bytes; leave page= out", config->file,
		     page_bytes);
	return -1;
}

static int refuse_size(const struct rzn_config *config, uint64_t size_bytes)
{
	nbdkit_error("file=%s holds a disk of %llu bytes, and size= would cut it; leave size= "
		     "out, or give a larger one",
		     config->file, (unsigned long long)size_bytes);
	return -1;
}

static int refuse_checksum(const struct rzn_config *config)
{
	nbdkit_error("file=%s was saved without checksums; leave checksum= out", config->file);
	return -1;
}

/* What was asked for, against what was saved. */
static int file_check_given(const struct rzn_disk *disk)
{
	const struct rzn_config *config = disk->config;
	const struct ramz_options *asked = &config->options;
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	if (config->page_given && asked->page_bytes != stats.page_bytes)
		return refuse_page(config, stats.page_bytes);
	if (config->size_given && asked->size_bytes < stats.size_bytes &&
	    stats.size_bytes - asked->size_bytes >= stats.page_bytes)
		return refuse_size(config, stats.size_bytes);
	if (asked->checksum && stats.pool.objects != 0 && stats.checksum_bytes == 0)
		return refuse_checksum(config);
	return 0;
}

/* A disk may be made larger than it was saved. */
static int file_grow(struct rzn_disk *disk)
{
	uint64_t size_bytes = disk->config->options.size_bytes;
	int err;

	disk->changes_loaded = disk_changes(disk);
	if (!disk->config->size_given || size_bytes <= ramz_size_bytes(disk->store))
		return 0;
	err = ramz_resize(disk->store, size_bytes);
	disk->changes_loaded = NEVER_SAVED;
	if (err == 0)
		return 0;
	nbdkit_error("size=: the disk of file=%s cannot grow so far: %s; make it less",
		     disk->config->file, strerror(-err));
	return -1;
}

/* What to do about a file that cannot be loaded. */
static const char *file_advice(int err)
{
	switch (err) {
	case -XV_EBADMSG:
		return "put a good copy there, or name another file";
	case -XV_ENOSPC:
		return "raise memlimit=";
	case -XV_ENOMEM:
		return "free some memory";
	case -XV_ENOTSUP:
		return "take a plugin that can read it";
	default:
		return "make it readable, or name another file";
	}
}

static int file_read(struct rzn_disk *disk, const struct ramz_options *options)
{
	const char *path = disk->config->file;
	struct ramz_reason reason = {.text = ""};
	int err;

	disk->file = file_mark(path);
	err = ramz_load_file(&disk->store, options, NULL, 0, path, &reason);
	if (err == 0)
		return file_check_given(disk) == 0 && file_grow(disk) == 0 ? 1 : -1;
	nbdkit_error("file=%s cannot be loaded: %s%s%s. It is left as it is; %s", path, reason.text,
		     err == -XV_EBADMSG ? "" : ": ", err == -XV_EBADMSG ? "" : strerror(-err),
		     file_advice(err));
	return -1;
}

int rzn_file_load(struct rzn_disk *disk, const struct ramz_options *options)
{
	const char *path = disk->config->file;

	disk->changes_loaded = NEVER_SAVED;
	if (path == NULL)
		return 0;
	if (rzn_path_check("file", path) != 0)
		return -1;
	if (access(path, F_OK) == 0)
		return file_read(disk, options);
	if (errno == ENOENT)
		return 0;
	nbdkit_error("file=%s: %s; name a file that can be read", path, strerror(errno));
	return -1;
}

/* ---- saving ---- */

int rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes)
{
	const char *own = disk->config->file;
	bool is_own = own != NULL && strcmp(path, own) == 0;
	struct rzn_file_mark mark;
	int err;

	if (is_own && !file_is_ours(disk))
		return -EEXIST;
	err = ramz_save_file(disk->store, path, NULL, NULL);
	if (err != 0)
		return err;
	mark = file_mark(path);
	if (is_own)
		disk->file = mark;
	if (file_bytes != NULL)
		*file_bytes = (uint64_t)mark.bytes;
	return 0;
}

/* Another's file is at the disk's path. */
static int file_save_beside(struct rzn_disk *disk)
{
	const char *path = disk->config->file;
	char *beside = NULL;
	int err = -ENOMEM;

	if (asprintf(&beside, "%s.%ld", path, (long)getpid()) >= 0)
		err = rzn_file_save(disk, beside, NULL);
	if (err == 0)
		nbdkit_error("file=%s was written by somebody else meanwhile and is left alone; "
			     "this disk is saved as %s",
			     path, beside);
	free(beside);
	return err;
}

int rzn_file_save_at_end(struct rzn_disk *disk)
{
	const char *path = disk->config->file;
	int err;

	if (path == NULL)
		return 0;
	if (disk_changes(disk) == disk->changes_loaded && access(path, F_OK) == 0)
		return 0;
	err = rzn_file_save(disk, path, NULL);
	if (err == -EEXIST)
		err = file_save_beside(disk);
	if (err == 0)
		return 0;
	nbdkit_error("file=%s could not be saved (%s): what was written to the disk since it was "
		     "last saved is lost; an older file is left as it was",
		     path, strerror(-err));
	return -1;
}
