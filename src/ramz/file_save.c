/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_save.c: a save: write the temporary, put it on disk, give it the name; rules L2 to L5 and
 * L10 of file_impl.h.
 *
 * May call: the file system. Locking: the caller has a lock on the file, and `saving`. O(stored
 * bytes).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file_impl.h"

/* ---- SIGXFSZ ---- */

/* A write past RLIMIT_FSIZE also sends the thread a signal, which ends the process. */
struct save_signals {
	sigset_t before;
	bool blocked;
	bool was_pending;
};

static bool save_signal_is_pending(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
}

static void save_signals_block(struct save_signals *signals)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGXFSZ);
	signals->was_pending = save_signal_is_pending();
	signals->blocked = pthread_sigmask(SIG_BLOCK, &set, &signals->before) == 0;
}

static void save_signals_restore(const struct save_signals *signals)
{
	sigset_t set;
	int number;

	if (!signals->blocked)
		return;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGXFSZ);
	if (!signals->was_pending && save_signal_is_pending())
		(void)sigwait(&set, &number);
	(void)pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}

/* ---- writing ---- */

struct save_sink {
	int fd;
	uint64_t bytes;
	bool failed; /* by the file system, not the store */
};

static int save_write(void *context, const void *data, size_t bytes)
{
	struct save_sink *sink = context;
	const char *at = data;

	while (bytes != 0) {
		ssize_t wrote = write(sink->fd, at, bytes);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0) {
			sink->failed = true;
			return wrote < 0 ? -errno : -EIO;
		}
		at += wrote;
		bytes -= (size_t)wrote;
		sink->bytes += (size_t)wrote;
	}
	return 0;
}

static int save_fill(int fd, const struct rzi_contents *contents, uint64_t *bytes,
		     struct ramz_reason *reason)
{
	struct save_sink target = {.fd = fd};
	struct ramz_sink sink = {.write = save_write, .context = &target};
	struct save_signals signals;
	int err;

	save_signals_block(&signals);
	err = contents->put(contents->context, &sink);
	save_signals_restore(&signals);
	*bytes = target.bytes;
	if (err == -XV_EBADMSG && !target.failed)
		return rzi_file_says(reason, err, "a page in memory is damaged");
	if (err == -XV_EBUSY && !target.failed)
		return rzi_file_says(reason, err,
				     "memory ran short for pages that were written meanwhile: save "
				     "again, or raise the hard limit");
	if (err != 0)
		return rzi_file_fails(reason, err,
				      target.failed ? "the new file cannot be written"
						    : "its contents cannot be produced");
	return 0;
}

/* ---- mode and owner ---- */

/* Set the old file's rights. Adds a note when the owner cannot be kept; then another group gets
 * no rights. */
static int save_keep_rights(int old, int new, struct ramz_reason *reason)
{
	struct stat was, is;
	mode_t mode;

	if (fstat(old, &was) != 0 || fstat(new, &is) != 0)
		return rzi_file_fails(reason, -errno, "the file cannot be looked at");
	mode = was.st_mode & 0777U;
	if (is.st_gid != was.st_gid && fchown(new, (uid_t)-1, was.st_gid) != 0) {
		mode &= ~(mode_t)0070;
		(void)rzi_file_says(
			reason, 0,
			"note: the file now is of group %lu, as its group %lu may not be "
			"given; the group's rights are left out",
			(unsigned long)is.st_gid, (unsigned long)was.st_gid);
	}
	if (is.st_uid != was.st_uid && fchown(new, was.st_uid, (gid_t)-1) != 0)
		(void)rzi_file_says(
			reason, 0,
			"note: the file now belongs to user %lu, as it may not be given "
			"back to user %lu",
			(unsigned long)is.st_uid, (unsigned long)was.st_uid);
	if (fchmod(new, mode) != 0)
		return rzi_file_fails(reason, -errno, "the new file cannot be given its mode");
	return 0;
}

/* ---- the name ---- */

static int save_rename(const struct ramz_file *file, const char *temporary,
		       struct ramz_reason *reason)
{
	if (renameat(file->directory, temporary, file->directory, file->name) == 0)
		return 0;
	if (errno == EBUSY)
		return rzi_file_says(reason, -EBUSY,
				     "it is a mount point and cannot be replaced: mount its "
				     "directory instead");
	return rzi_file_fails(reason, -errno, "the new file cannot be given the name");
}

/* A file that was removed is made again like an absent one (L5). */
static int save_rename_to_absent(const struct ramz_file *file, const char *temporary,
				 struct ramz_reason *reason)
{
	struct ramz_file made = {.directory = file->directory,
				 .name = file->name,
				 .fd = -1,
				 .operation = file->operation};
	int err = rzi_file_take(&made, true, reason);

	if (err != 0)
		return err;
	if (made.created)
		err = save_rename(file, temporary, reason);
	else
		err = rzi_file_says(reason, -EEXIST, "another file was put in its place just now");
	if (err != 0 && made.created)
		(void)unlinkat(file->directory, file->name, 0);
	(void)close(made.fd);
	return err;
}

/* L2 */
static int save_commit_held(const struct ramz_file *file, const char *temporary,
			    struct ramz_reason *reason)
{
	struct stat status;
	int there = rzi_place_leads_to(file, file->name, file->fd);

	if (there == 1)
		return save_rename(file, temporary, reason);
	if (there == 0 && rzi_place_look(file, &status) == -ENOENT)
		return save_rename_to_absent(file, temporary, reason);
	if (there < 0)
		return rzi_file_fails(reason, there, "it cannot be looked at");
	return rzi_file_says(reason, -EEXIST,
			     "another file was put in its place, by another program or by the "
			     "other process of a fork, and is left alone: save to another file");
}

/* L3 */
static int save_commit_visited(struct ramz_file *file, const char *temporary,
			       struct ramz_reason *reason)
{
	int err = rzi_directory_lock(file, reason);

	if (err != 0)
		return err;
	if (rzi_place_leads_to(file, file->name, file->fd) != 1) {
		(void)close(file->fd);
		file->fd = -1;
		file->created = false;
		err = rzi_file_take(file, true, reason);
	}
	if (err == 0)
		err = save_rename(file, temporary, reason);
	rzi_directory_unlock(file);
	return err;
}

/* Not every file system can; those return EINVAL. */
static int save_sync_directory(const struct ramz_file *file, struct ramz_reason *reason)
{
	if (fsync(file->directory) == 0 || errno == EINVAL)
		return 0;
	return rzi_file_fails(reason, -errno,
			      "the new file has the name, but its directory cannot be put on disk");
}

/* ---- the whole save ---- */

static int save_temporary(struct ramz_file *file, const struct rzi_temporary *temporary,
			  const struct rzi_contents *contents, uint64_t *bytes,
			  struct ramz_reason *reason)
{
	int err = save_fill(temporary->fd, contents, bytes, reason);

	if (err == 0)
		err = save_keep_rights(file->fd, temporary->fd, reason);
	if (err == 0 && fsync(temporary->fd) != 0)
		err = rzi_file_fails(reason, -errno, "the new file cannot be put on disk");
	if (err != 0)
		return err;
	return file->operation == LOCK_EX ? save_commit_held(file, temporary->name, reason)
					  : save_commit_visited(file, temporary->name, reason);
}

int rzi_file_save(struct ramz_file *file, const struct rzi_contents *contents, uint64_t *file_bytes,
		  struct ramz_reason *reason)
{
	struct rzi_temporary temporary;
	uint64_t bytes;
	int err = rzi_place_check_writable(file, reason);

	RZI_ASSERT(file->fd >= 0); /* L2 */
	if (err == 0)
		err = rzi_temporary_make(file, &temporary, reason);
	if (err != 0)
		return err;
	err = save_temporary(file, &temporary, contents, &bytes, reason);
	if (err != 0) {
		rzi_temporary_drop(file, &temporary);
		return err;
	}
	(void)close(file->fd); /* with the lock on the old file, which no name leads to */
	file->fd = temporary.fd;
	file->created = false;
	temporary.fd = -1;
	rzi_temporary_drop(file, &temporary);
	if (file_bytes != NULL)
		*file_bytes = bytes;
	return save_sync_directory(file, reason);
}
