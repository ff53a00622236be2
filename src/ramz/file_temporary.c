/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_temporary.c: the new file while it is written; rules L4 and L6 of file_impl.h.
 *
 * May call: the file system, in the file's directory. Locking: a temporary is locked while its
 * process needs it. O(1), the sweep O(names in the directory).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file_impl.h"
#include "store_impl.h"

#define SUFFIX ".ramz-tmp"

enum {
	DIGITS = 16,                                           /* of a u64 */
	ADDED = 1 + DIGITS + DIGITS + (int)sizeof(SUFFIX) - 1, /* with "." in front */
	NAME_BYTES_USUAL = 255,
	TRIES_MAX = 1000,
};

/* The part that the names of all temporaries of this file share, "NAME.digits"; to be freed. */
static char *temporary_prefix(const struct ramz_file *file)
{
	long most = fpathconf(file->directory, _PC_NAME_MAX);
	size_t length = strlen(file->name);
	size_t room = (size_t)(most > ADDED ? most : NAME_BYTES_USUAL) - ADDED;
	uint64_t hash = rzi_checksum(file->name, length);
	char *prefix = malloc(length + 2 + DIGITS);

	if (prefix == NULL)
		return NULL;
	if (length > room) {
		length = room;
		while (length > 0 && ((unsigned char)file->name[length] & 0xC0U) == 0x80U)
			length--; /* cut between characters of UTF-8 */
	}
	(void)sprintf(prefix, "%.*s.%016llx", (int)length, file->name, (unsigned long long)hash);
	return prefix;
}

/* ---- making ---- */

/* 1: done; 0: try again; or an error. */
static int temporary_try(const struct ramz_file *file, const char *prefix,
			 struct rzi_temporary *temporary)
{
	uint64_t random;
	int err = rzi_random(&random, sizeof(random));

	if (err != 0)
		return err;
	(void)sprintf(temporary->name, "%s%016llx" SUFFIX, prefix, (unsigned long long)random);
	temporary->fd = openat(file->directory, temporary->name,
			       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (temporary->fd < 0)
		return errno == EEXIST ? 0 : -errno;
	/* In between, another process may have seen it as a dead process's. */
	if (flock(temporary->fd, file->operation | LOCK_NB) == 0)
		err = rzi_place_leads_to(file, temporary->name, temporary->fd);
	else if (errno != EWOULDBLOCK)
		err = -errno;
	if (err == 1)
		return 1;
	if (err < 0)
		(void)unlinkat(file->directory, temporary->name, 0);
	(void)close(temporary->fd);
	temporary->fd = -1;
	return err;
}

int rzi_temporary_make(const struct ramz_file *file, struct rzi_temporary *temporary,
		       struct ramz_reason *reason)
{
	char *prefix = temporary_prefix(file);
	int got = 0;

	*temporary = (struct rzi_temporary){.fd = -1};
	if (prefix != NULL)
		temporary->name = malloc(strlen(prefix) + DIGITS + sizeof(SUFFIX));
	if (temporary->name == NULL) {
		free(prefix);
		return rzi_file_says(reason, -XV_ENOMEM, "no memory");
	}
	for (int tries = 0; got == 0 && tries < TRIES_MAX; tries++)
		got = temporary_try(file, prefix, temporary);
	free(prefix);
	if (got == 1)
		return 0;
	free(temporary->name);
	temporary->name = NULL;
	return rzi_file_fails(reason, got < 0 ? got : -EEXIST,
			      "no temporary file can be made in its directory");
}

void rzi_temporary_drop(const struct ramz_file *file, struct rzi_temporary *temporary)
{
	if (temporary->fd >= 0) {
		(void)unlinkat(file->directory, temporary->name, 0);
		(void)close(temporary->fd);
	}
	free(temporary->name);
	*temporary = (struct rzi_temporary){.fd = -1};
}

/* ---- sweeping ---- */

static bool temporary_matches(const char *name, const char *prefix, size_t length)
{
	const char *digits = name + length;

	return strncmp(name, prefix, length) == 0 && strspn(digits, "0123456789abcdef") == DIGITS &&
	       strcmp(digits + DIGITS, SUFFIX) == 0;
}

static bool temporary_is_ours(const struct stat *status)
{
	return S_ISREG(status->st_mode) && status->st_uid == geteuid() && status->st_nlink == 1;
}

static void temporary_sweep_one(const struct ramz_file *file, const char *name)
{
	struct stat status;
	int fd;

	if (fstatat(file->directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !temporary_is_ours(&status))
		return;
	fd = openat(file->directory, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
	    temporary_is_ours(&status) && rzi_place_leads_to(file, name, fd) == 1)
		(void)unlinkat(file->directory, name, 0);
	(void)close(fd);
}

void rzi_temporary_sweep(const struct ramz_file *file)
{
	char *prefix = temporary_prefix(file);
	int fd = openat(file->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	while (prefix != NULL && directory != NULL && (entry = readdir(directory)) != NULL) {
		if (temporary_matches(entry->d_name, prefix, strlen(prefix)))
			temporary_sweep_one(file, entry->d_name);
	}
	if (directory != NULL)
		(void)closedir(directory);
	else if (fd >= 0)
		(void)close(fd);
	free(prefix);
}
