/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_place.c: where a path leads, and whether a saved file may be there.
 *
 * This code follows links itself: it needs the directory of the file, and follows links to absent
 * files too. It refuses what the kernel refuses under protected_symlinks and protected_regular,
 * whatever the machine's settings.
 *
 * May call: the file system; opens only directories. Locking: none. O(path).
 */
#define _GNU_SOURCE /* O_PATH, if the system has it */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_impl.h"

enum { LINKS_MAX = 40 };

#ifdef O_PATH
#define WALK_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)
#else
#define WALK_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#endif
#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

int rzi_place_check_kind(const struct stat *status, struct ramz_reason *reason)
{
	const char *kind = "something unknown";

	if (S_ISREG(status->st_mode))
		return 0;
	if (S_ISDIR(status->st_mode))
		return rzi_file_says(reason, -EISDIR,
				     "it is a directory: name a file, which may be one in it");
	if (S_ISCHR(status->st_mode))
		kind = "a character device";
	else if (S_ISBLK(status->st_mode))
		kind = "a block device";
	else if (S_ISFIFO(status->st_mode))
		kind = "a FIFO";
	else if (S_ISSOCK(status->st_mode))
		kind = "a socket";
	else if (S_ISLNK(status->st_mode))
		kind = "a symbolic link that was put there just now";
	return rzi_file_says(reason, -ENXIO,
			     "it is %s: a saved store needs a regular file, or a name that is free",
			     kind);
}

/* In a directory with the sticky bit that everybody may write to, a file of another user may be a
 * trap. */
static bool place_is_trap(int directory, const struct stat *status)
{
	struct stat parent;

	return fstat(directory, &parent) == 0 && (parent.st_mode & S_ISVTX) != 0 &&
	       (parent.st_mode & S_IWOTH) != 0 && status->st_uid != geteuid() &&
	       status->st_uid != parent.st_uid;
}

static int place_open_directory(int at, const char *path, size_t bytes, struct ramz_reason *reason)
{
	char *directory = bytes == 0 ? strdup(".") : strndup(path, bytes);
	int fd, err;

	if (directory == NULL)
		return rzi_file_says(reason, -XV_ENOMEM, "no memory");
	fd = openat(at, directory, WALK_FLAGS);
	err = -errno;
	free(directory);
	return fd >= 0 ? fd : rzi_file_fails(reason, err, "its directory cannot be opened");
}

/* Go to the directory part of path, starting from *directory; *name is the rest. */
static int place_step(int *directory, const char *path, char **name, struct ramz_reason *reason)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash != NULL ? slash + 1 : path;
	int fd;

	if (*path == '\0')
		return rzi_file_says(reason, -ENOENT, "the path is empty: name a file");
	if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return rzi_file_says(reason, -EISDIR, "it names a directory: name a file");
	fd = place_open_directory(*directory, path, (size_t)(last - path), reason);
	if (fd < 0)
		return fd;
	if (*directory != AT_FDCWD)
		(void)close(*directory);
	*directory = fd;
	*name = strdup(last);
	return *name != NULL ? 0 : rzi_file_says(reason, -XV_ENOMEM, "no memory");
}

/* The link's text, to be freed; NULL with *err 0 when it is no link. */
static char *place_link(int directory, const char *name, int *err, struct ramz_reason *reason)
{
	struct stat status;
	char *text = malloc(PATH_MAX);
	ssize_t bytes;

	*err = 0;
	if (text == NULL) {
		*err = rzi_file_says(reason, -XV_ENOMEM, "no memory");
		return NULL;
	}
	bytes = readlinkat(directory, name, text, PATH_MAX);
	if (bytes < 0 && errno != EINVAL && errno != ENOENT)
		*err = rzi_file_fails(reason, -errno, "it cannot be looked at");
	else if (bytes == PATH_MAX)
		*err = rzi_file_fails(reason, -ENAMETOOLONG, "a symbolic link");
	else if (bytes >= 0 && fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		*err = rzi_file_fails(reason, -errno, "it cannot be looked at");
	else if (bytes >= 0 && place_is_trap(directory, &status))
		*err = rzi_file_says(reason, -EACCES,
				     "it is another user's symbolic link in a directory that "
				     "everybody may write to: name what it leads to");
	if (*err != 0 || bytes < 0) {
		free(text);
		return NULL;
	}
	text[bytes] = '\0';
	return text;
}

static int place_follow(int *directory, char **name, char *path, struct ramz_reason *reason)
{
	int err = 0;

	for (int links = 0; err == 0 && path != NULL; links++) {
		free(*name);
		*name = NULL;
		err = links > LINKS_MAX ? rzi_file_fails(reason, -ELOOP, "symbolic links")
					: place_step(directory, path, name, reason);
		free(path);
		path = err == 0 ? place_link(*directory, *name, &err, reason) : NULL;
	}
	return err;
}

/* The directory was walked to; now it must be readable. */
static int place_reopen(int *directory, struct ramz_reason *reason)
{
	int fd = openat(*directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return rzi_file_fails(reason, -errno, "its directory cannot be read");
	(void)close(*directory);
	*directory = fd;
	return 0;
}

int rzi_place_find(struct ramz_file *file, const char *path, struct ramz_reason *reason)
{
	int directory = AT_FDCWD, err = 0;
	struct stat status;
	char *name = NULL, *text = strdup(path);

	if (text == NULL)
		return rzi_file_says(reason, -XV_ENOMEM, "no memory");
	/* Links of /proc, such as /dev/stdout, lead elsewhere than their text says. */
	if (stat(path, &status) == 0)
		err = rzi_place_check_kind(&status, reason);
	if (err == 0)
		err = place_follow(&directory, &name, text, reason);
	else
		free(text);
	if (err == 0)
		err = place_reopen(&directory, reason);
	if (err == 0) {
		file->directory = directory;
		file->name = name;
		return 0;
	}
	free(name);
	if (directory != AT_FDCWD)
		(void)close(directory);
	return err;
}

int rzi_place_look(const struct ramz_file *file, struct stat *status)
{
	return fstatat(file->directory, file->name, status, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

int rzi_place_leads_to(const struct ramz_file *file, const char *name, int fd)
{
	struct stat there, open;

	if (fstatat(file->directory, name, &there, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &open) != 0)
		return -errno;
	return there.st_dev == open.st_dev && there.st_ino == open.st_ino;
}

/* Other errors tell nothing: a filter of system calls may refuse to answer. */
static bool place_forbids(int directory, const char *name, int mode)
{
	return faccessat(directory, name, mode, AT_EACCESS) != 0 &&
	       (errno == EACCES || errno == EROFS);
}

/* In a directory with the sticky bit only its owner, the file's owner and root can replace a
 * file. */
static bool place_sticks(int directory, const struct stat *status)
{
	struct stat parent;

	return geteuid() != 0 && fstat(directory, &parent) == 0 &&
	       (parent.st_mode & S_ISVTX) != 0 && status->st_uid != geteuid() &&
	       parent.st_uid != geteuid();
}

int rzi_place_check_links(const struct stat *status, struct ramz_reason *reason)
{
	if (status->st_nlink <= 1)
		return 0;
	return rzi_file_says(reason, -EMLINK,
			     "it has %llu links, and a save would part it from its other names: "
			     "remove those, or save to another file",
			     (unsigned long long)status->st_nlink);
}

int rzi_place_check_writable(const struct ramz_file *file, struct ramz_reason *reason)
{
	struct stat status;
	int err = rzi_place_look(file, &status);

	if (err != 0 && err != -ENOENT)
		return rzi_file_fails(reason, err, "it cannot be looked at");
	/* A link may have been made since the file was opened. */
	if (err == 0 && rzi_place_check_links(&status, reason) != 0)
		return -EMLINK;
	if (err == 0 && place_sticks(file->directory, &status))
		return rzi_file_says(
			reason, -EACCES,
			"it is another user's file, and in a directory with the sticky "
			"bit only its owner may replace it: name another file");
	if (err == 0 && place_is_trap(file->directory, &status))
		return rzi_file_says(reason, -EACCES,
				     "it is another user's file in a directory that everybody may "
				     "write to: name another file");
	if (err == 0 && place_forbids(file->directory, file->name, W_OK))
		return rzi_file_fails(reason, -errno, "it may not be written to");
	if (place_forbids(file->directory, ".", W_OK | X_OK))
		return rzi_file_fails(reason, -errno, "its directory may not be written to");
	return 0;
}
