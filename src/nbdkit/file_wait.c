/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_wait.c: take over a file; see file_wait.h.
 *
 * The second lock is on a range of bytes behind the end of every file, and belongs to an open file
 * description. flock, with which a file is held, does not see it. When the last save has replaced
 * the file, the new file lacks it: a server that comes at that moment is covered by the half second
 * that it waits in any case.
 */
#include "file_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANY_HOLDER_MS = 500 };

#ifdef F_OFD_SETLK
static struct flock mark(short type)
{
	return (struct flock){.l_type = type,
			      .l_whence = SEEK_SET,
			      .l_start = (off_t)(INT64_MAX / 2),
			      .l_len = 1};
}

/* The file is regular, or it could not be held. */
static int mark_open(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

void rzn_file_say_ending(const char *path)
{
	struct flock lock = mark(F_RDLCK);
	int fd = mark_open(path);

	/* The open descriptor is the mark. */
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) != 0)
		(void)close(fd);
}

static bool holder_is_ending(const char *path)
{
	struct flock lock = mark(F_WRLCK);
	int fd = mark_open(path);
	bool ending = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_RDLCK;

	if (fd >= 0)
		(void)close(fd);
	return ending;
}
#else
void rzn_file_say_ending(const char *path)
{
	(void)path;
}

static bool holder_is_ending(const char *path)
{
	(void)path;
	return false;
}
#endif

/* The reason without the advice behind its last colon: the user need not end this server. */
static void say_waiting(const char *path, const struct ramz_reason *reason)
{
	const char *advice = strrchr(reason->text, ':');
	int length = advice != NULL ? (int)(advice - reason->text) : (int)strlen(reason->text);

	fprintf(stderr,
		"nbdkit: ramz: file=%s: %.*s, which is ending: waiting for it, up to %d s\n", path,
		length, reason->text, RZN_FILE_WAIT_SECONDS);
}

int rzn_file_wait(struct ramz_file **out, const char *path, struct ramz_reason *reason)
{
	bool ending = false;
	int err = ramz_file_open(out, path, 0, reason);

	if (err == -XV_EBUSY) {
		ending = holder_is_ending(path);
		if (!ending)
			err = ramz_file_open(out, path, ANY_HOLDER_MS, reason);
	}
	if (err == -XV_EBUSY && (ending || holder_is_ending(path))) {
		say_waiting(path, reason);
		err = ramz_file_open(out, path, RZN_FILE_WAIT_SECONDS * 1000, reason);
	}
	return err;
}
