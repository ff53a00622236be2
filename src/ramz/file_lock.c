/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_lock.c: open a file and lock it, and lock the directory; rules L1, L5, L8 of file_impl.h.
 *
 * May call: the file system. Locking: this file makes it. O(1) for each try.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "file_impl.h"

/* Positive: no error, begin again. */
enum { AGAIN = 1, TRIES_MAX = 100000, PAUSE_MS_MAX = 20 };

/* Work under the lock takes far less. */
#define DIRECTORY_WAIT_NS ((uint64_t)30 * 1000000000U)

/* None of these flags changes a regular file. If another kind was just put in its place, we do
 * not wait for it. */
#define OPEN_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

void rzi_file_pause(uint32_t *ms)
{
	struct timespec moment = {.tv_nsec = (long)*ms * 1000000};

	(void)nanosleep(&moment, NULL);
	if (*ms < PAUSE_MS_MAX)
		++*ms;
}

static int lock_create(struct ramz_file *file, struct ramz_reason *reason)
{
	file->fd =
		openat(file->directory, file->name, O_RDWR | O_CREAT | O_EXCL | OPEN_FLAGS, 0600);
	if (file->fd >= 0) {
		file->created = true;
		return 0;
	}
	if (errno == EEXIST)
		return AGAIN;
	return rzi_file_fails(reason, -errno, "it cannot be created");
}

static int lock_check(const struct stat *status, struct ramz_reason *reason)
{
	int err = rzi_place_check_kind(status, reason);

	return err != 0 ? err : rzi_place_check_links(status, reason);
}

/* Looks before it opens, since to open some devices has an effect. */
static int lock_open(struct ramz_file *file, bool create, int flags, struct ramz_reason *reason)
{
	struct stat status;
	int err = rzi_place_look(file, &status);

	if (err == -ENOENT && create)
		return lock_create(file, reason);
	if (err != 0)
		return rzi_file_fails(reason, err, "it cannot be opened");
	err = lock_check(&status, reason);
	if (err != 0)
		return err;
	file->fd = openat(file->directory, file->name, flags | OPEN_FLAGS);
	if (file->fd < 0)
		return errno == ENOENT ? AGAIN
				       : rzi_file_fails(reason, -errno, "it cannot be opened");
	if (fstat(file->fd, &status) != 0)
		return rzi_file_fails(reason, -errno, "it cannot be looked at");
	return lock_check(&status, reason);
}

static int lock_try(const struct ramz_file *file)
{
	int got;

	do {
		got = flock(file->fd, file->operation | LOCK_NB);
	} while (got != 0 && errno == EINTR);
	return got == 0 ? 0 : -errno;
}

static int lock_refused(const struct ramz_file *file, struct ramz_reason *reason)
{
	int there = rzi_place_leads_to(file, file->name, file->fd);

	if (there < 0)
		return rzi_file_fails(reason, there, "it cannot be looked at");
	return there == 0 ? AGAIN : rzi_holder_says(file->fd, "it", reason);
}

/* Open it, and try to lock it. */
static int lock_open_and_try(struct ramz_file *file, bool create, struct ramz_reason *reason)
{
	int err = lock_open(file, create, O_RDONLY, reason);

	if (err != 0)
		return err;
	err = lock_try(file);
	if (err == -EBADF) { /* NFS: an exclusive lock needs a file open for writing */
		(void)close(file->fd);
		file->fd = -1;
		err = lock_open(file, create, O_RDWR, reason);
		if (err != 0)
			return err;
		err = lock_try(file);
	}
	if (err == -EWOULDBLOCK)
		return lock_refused(file, reason);
	if (err != 0)
		return rzi_file_fails(reason, err == -EOPNOTSUPP ? -XV_ENOTSUP : err,
				      "it cannot be locked, and is not used without a lock");
	return 0;
}

static int lock_take(struct ramz_file *file, bool create, struct ramz_reason *reason)
{
	int err = lock_open_and_try(file, create, reason);

	if (err != 0)
		return err;
	err = rzi_place_leads_to(file, file->name, file->fd);
	if (err < 0)
		return rzi_file_fails(reason, err, "it cannot be looked at");
	RZI_ASSERT(err == 0 || err == 1);
	return err == 1 ? 0 : AGAIN;
}

/* Remove a file that we made and could not lock. */
static void lock_undo(struct ramz_file *file, int err)
{
	if (file->created && err < 0 && err != -XV_EBUSY &&
	    rzi_place_leads_to(file, file->name, file->fd) == 1)
		(void)unlinkat(file->directory, file->name, 0);
	if (file->fd >= 0)
		(void)close(file->fd);
	file->fd = -1;
	file->created = false;
}

int rzi_file_take(struct ramz_file *file, bool create, struct ramz_reason *reason)
{
	int err = AGAIN;

	RZI_ASSERT(file->fd < 0 && !file->created);
	for (int tries = 0; err == AGAIN && tries < TRIES_MAX; tries++) {
		err = lock_take(file, create, reason);
		if (err != 0)
			lock_undo(file, err);
	}
	if (err == AGAIN)
		return rzi_file_says(reason, -XV_EBUSY,
				     "other programs replace it all the time: end them");
	return err;
}

int rzi_directory_lock(const struct ramz_file *file, struct ramz_reason *reason)
{
	uint64_t begin = rzi_now_ns();
	uint32_t ms = 1;

	while (flock(file->directory, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return rzi_file_fails(reason, -errno, "its directory cannot be locked");
		if (rzi_now_ns() - begin > DIRECTORY_WAIT_NS)
			return rzi_holder_says(file->directory, "its directory", reason);
		rzi_file_pause(&ms);
	}
	return 0;
}

void rzi_directory_unlock(const struct ramz_file *file)
{
	(void)flock(file->directory, LOCK_UN);
}

void rzi_file_remove_created(struct ramz_file *file)
{
	struct stat status;

	if (!file->created || rzi_directory_lock(file, NULL) != 0)
		return;
	if (flock(file->fd, LOCK_EX | LOCK_NB) == 0 && fstat(file->fd, &status) == 0 &&
	    status.st_size == 0 && rzi_place_leads_to(file, file->name, file->fd) == 1)
		(void)unlinkat(file->directory, file->name, 0);
	rzi_directory_unlock(file);
}
