/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_impl.h: the life of a saved file: who may replace it, and when.
 *
 * Words. A place is a directory, by descriptor, and a name in it, with links followed. The file is
 * the inode that the name leads to. A holder (ramz_file_open) has an exclusive flock on the file; a
 * visitor (ramz_save_file, ramz_load_file) has a shared one while it works. A temporary is a new
 * file that is being written.
 *
 * Rules, numbered for the code and the tests:
 *   L1  A lock is on an inode, and the name may lead elsewhere between open and lock. So whoever
 *       gets a lock checks that the name still leads to that inode, and otherwise begins again.
 *       The same holds after a refusal.
 *   L2  Only a process with a lock on the file may lead its name elsewhere. A holder's lock is
 *       exclusive, so it needs nothing more.
 *   L3  Visitors share the file. Two that replace it at once must each replace only what they
 *       have a lock on. So a visitor has the directory's lock from the check to the rename: the
 *       name leads to the file it has a lock on, or another visitor came first, and it takes a
 *       shared lock on that one's file. If a holder has opened that file, lock and save fail.
 *   L4  A new file gets the same kind of lock as its maker has on the old one, before it takes
 *       the name: a holder is never without a lock.
 *   L5  An absent file is made with O_EXCL and locked as any other. A visitor that could not fill
 *       it removes it, if nobody else has a lock on it (it gets an exclusive one).
 *   L6  A temporary without a lock belongs to a dead process. A process with a lock on the file
 *       may remove it if it is regular, its own, of one link and of this file's name. It locks
 *       the temporary for that moment. A process that finds its new temporary locked or gone
 *       makes another.
 *   L7  A visitor may have an exclusive lock for a moment (L5, L6), always under the directory's
 *       lock. So a visitor that is refused tries again under the directory's lock.
 *   L8  Only visitors take the directory's lock, for moments, and their wait has a bound: other
 *       programs may lock a directory, and must not stop a holder.
 *   L9  Only close ends a lock. After a fork both processes have it, until one of them saves: the
 *       new file's lock is the saver's alone. (The directory's lock is unlocked; nobody forks
 *       while it has it.)
 *   L10 A crash between any two calls leaves the old file or the new one under the name, and
 *       perhaps a temporary or an empty new file. All locks go with the process.
 *
 * A temporary is named NAME.<16 digits of NAME's hash><16 random digits>.ramz-tmp; a NAME that is
 * too long is cut. Its mode is 0600 until it is complete.
 *
 * Owns struct ramz_file. Files, bottom up: file_reason, file_place, file_holder, file_lock,
 * file_temporary, file_save, file. Locking inside the process: `saving`, one save or load of an
 * object at a time.
 */
#ifndef RZI_FILE_IMPL_H
#define RZI_FILE_IMPL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <ramz/ramz.h>

#include "platform.h"

struct ramz_file {
	pthread_mutex_t saving;
	int directory; /* open for reading: for its lock, fsync and names */
	char *name;    /* in directory; no link when it was last seen */
	int fd;        /* the locked file; -1 = none */
	int operation; /* LOCK_EX for a holder, LOCK_SH for a visitor */
	bool created;  /* we made the file, and it is still empty */
	bool has_mutex;
};

/* ---- file_reason.c ---- */

/* Put a line into *reason, if reason is not NULL. Returns err. */
int rzi_file_says(struct ramz_reason *reason, int err, const char *format, ...) RZI_PRINTF(3, 4);

/* The same for a failed call: what failed, and the system's text for err (negative). */
int rzi_file_fails(struct ramz_reason *reason, int err, const char *what);

/* ---- file_place.c ---- */

/* Find the directory and the name that path leads to, links followed; the file may be absent.
 * Sets file->directory and file->name and returns 0, or returns an error. */
int rzi_place_find(struct ramz_file *file, const char *path, struct ramz_reason *reason);

/* 0 for a regular file; otherwise an error, and the line says what it is. */
int rzi_place_check_kind(const struct stat *status, struct ramz_reason *reason);

/* Status of what the name leads to now, links not followed. Returns 0, -ENOENT, or another
 * errno. */
int rzi_place_look(const struct ramz_file *file, struct stat *status);

/* Does the name lead to the open file fd? 1, 0 or a negative errno. */
int rzi_place_leads_to(const struct ramz_file *file, const char *name, int fd);

/* 0 for a file of one link; otherwise -EMLINK, and the line says why. */
int rzi_place_check_links(const struct stat *status, struct ramz_reason *reason);

/* May the file be replaced, as far as that is known beforehand? */
int rzi_place_check_writable(const struct ramz_file *file, struct ramz_reason *reason);

/* ---- file_holder.c ---- */

/* Say who has a lock on the file of fd; the line begins with `what`. Returns -XV_EBUSY. O(open
 * files of all processes). */
int rzi_holder_says(int fd, const char *what, struct ramz_reason *reason);

/* ---- file_lock.c ---- */

/* Open the file and lock it as file->operation says (L1), without waiting. Makes an absent file
 * if create is set. Sets file->fd. -XV_EBUSY: locked by others. */
int rzi_file_take(struct ramz_file *file, bool create, struct ramz_reason *reason);

/* The directory's lock (L3). */
int rzi_directory_lock(const struct ramz_file *file, struct ramz_reason *reason);
void rzi_directory_unlock(const struct ramz_file *file);

/* Remove the file that we made, if it is still empty and nobody else has a lock on it (L5). */
void rzi_file_remove_created(struct ramz_file *file);

/* Wait a little, longer each time. */
void rzi_file_pause(uint32_t *ms);

/* ---- file_temporary.c ---- */

struct rzi_temporary {
	char *name;
	int fd;
};

/* Make one, locked (L4, L6), of mode 0600. */
int rzi_temporary_make(const struct ramz_file *file, struct rzi_temporary *temporary,
		       struct ramz_reason *reason);

/* Remove it, if it is still there, and close it. */
void rzi_temporary_drop(const struct ramz_file *file, struct rzi_temporary *temporary);

/* Remove the temporaries of dead processes (L6). */
void rzi_temporary_sweep(const struct ramz_file *file);

/* ---- file_save.c ---- */

/* The contents of a new file: put writes all of it. */
struct rzi_contents {
	int (*put)(void *context, const struct ramz_sink *sink);
	void *context;
};

/* Replace the file, on which we have a lock. */
int rzi_file_save(struct ramz_file *file, const struct rzi_contents *contents, uint64_t *file_bytes,
		  struct ramz_reason *reason);

#endif
