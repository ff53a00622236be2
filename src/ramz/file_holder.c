/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_holder.c: who has a lock on a file.
 *
 * /proc/locks names the process that took a lock. After a fork it may have ended, and its number
 * may be another process's by now. So a process counts as a holder when one of its descriptors has
 * the lock: /proc/PID/fd tells that it leads to the file, /proc/PID/fdinfo that it has a flock.
 * /proc/locks is asked only when another user's descriptors cannot be read, and the line then says
 * "probably". The holder is unknown on systems other than Linux.
 *
 * May call: the file system. Locking: none. O(open files of all processes).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/sysmacros.h>
#endif

#include "file_impl.h"

struct holder {
	long pid; /* 0 = unknown */
	bool shares;
	bool probably;
	char command[32]; /* "" = unknown */
};

static FILE *holder_open(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (file == NULL && fd >= 0)
		(void)close(fd);
	return file;
}

static DIR *holder_open_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;

	if (directory == NULL && fd >= 0)
		(void)close(fd);
	return directory;
}

/* Has this open file a flock? If so, *shares tells which kind. */
static bool holder_info_has_lock(int process, const char *number, bool *shares)
{
	char name[sizeof("fdinfo/") + NAME_MAX], line[160];
	bool has = false;
	FILE *file;

	(void)snprintf(name, sizeof(name), "fdinfo/%s", number);
	file = holder_open(process, name);
	while (!has && file != NULL && fgets(line, sizeof(line), file) != NULL) {
		has = strncmp(line, "lock:", 5) == 0 && strstr(line, "FLOCK") != NULL;
		*shares = has && strstr(line, " WRITE ") == NULL;
	}
	if (file != NULL)
		(void)fclose(file);
	return has;
}

/* Has this process a lock on the file? Returns 1, 0, or -1 when its descriptors cannot be read. */
static int holder_is(int process, const struct stat *file, bool *shares)
{
	DIR *directory = holder_open_directory(process, "fd");
	struct dirent *entry;
	struct stat status;
	int is = 0;

	if (directory == NULL)
		return -1;
	while (is == 0 && (entry = readdir(directory)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 &&
		    status.st_dev == file->st_dev && status.st_ino == file->st_ino &&
		    holder_info_has_lock(process, entry->d_name, shares))
			is = 1;
	}
	(void)closedir(directory);
	return is;
}

static void holder_command(int process, struct holder *holder)
{
	FILE *file = holder_open(process, "comm");

	if (file == NULL || fgets(holder->command, sizeof(holder->command), file) == NULL)
		holder->command[0] = '\0';
	for (char *c = holder->command; *c != '\0'; c++) {
		if (*c == '\n')
			*c = '\0';
		else if (iscntrl((unsigned char)*c))
			*c = '?';
	}
	if (file != NULL)
		(void)fclose(file);
}

/* The process that /proc/locks names, if its descriptors cannot be read; else 0. */
static long holder_from_locks(int proc, const struct stat *file, bool *shares)
{
	FILE *locks = holder_open(proc, "locks");
	unsigned long long inode;
	unsigned device_major, device_minor;
	char line[160], kind[8];
	long pid, found = 0;

	while (found == 0 && locks != NULL && fgets(line, sizeof(line), locks) != NULL) {
		if (sscanf(line, "%*s FLOCK ADVISORY %7s %ld %x:%x:%llu", kind, &pid, &device_major,
			   &device_minor, &inode) == 5 &&
		    inode == file->st_ino && pid > 0
#if defined(__linux__)
		    && device_major == major(file->st_dev) && device_minor == minor(file->st_dev)
#endif
		) {
			*shares = strcmp(kind, "READ") == 0;
			found = pid;
		}
	}
	if (locks != NULL)
		(void)fclose(locks);
	return found;
}

static bool holder_try(int proc, const char *number, const struct stat *file, struct holder *holder)
{
	int process = openat(proc, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int is = process >= 0 ? holder_is(process, file, &holder->shares) : 0;

	if (is == 1 || (is < 0 && holder->probably)) {
		holder->pid = atol(number);
		holder->probably = is < 0;
		holder_command(process, holder);
	}
	if (process >= 0)
		(void)close(process);
	return holder->pid != 0;
}

static void holder_find(const struct stat *file, struct holder *holder)
{
	DIR *proc = holder_open_directory(AT_FDCWD, "/proc");
	struct dirent *entry;
	char number[24];

	if (proc == NULL)
		return;
	while (holder->pid == 0 && (entry = readdir(proc)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]))
			(void)holder_try(dirfd(proc), entry->d_name, file, holder);
	}
	if (holder->pid == 0) {
		(void)snprintf(number, sizeof(number), "%ld",
			       holder_from_locks(dirfd(proc), file, &holder->shares));
		holder->probably = true;
		if (strcmp(number, "0") != 0)
			(void)holder_try(dirfd(proc), number, file, holder);
	}
	(void)closedir(proc);
}

int rzi_holder_says(int fd, const char *what, struct ramz_reason *reason)
{
	struct holder holder = {.pid = 0};
	struct stat status;
	const char *does;

	if (reason == NULL)
		return -XV_EBUSY;
	if (fstat(fd, &status) == 0)
		holder_find(&status, &holder);
	does = holder.shares ? "loaded or saved" : "held";
	if (holder.pid == 0)
		return rzi_file_says(reason, -XV_EBUSY,
				     "%s is held by another process, and the system does not tell "
				     "which: end that, or name another file",
				     what);
	if (holder.pid == (long)getpid())
		return rzi_file_says(reason, -XV_EBUSY,
				     "%s is %s by this process (%ld) already: use that, or name "
				     "another file",
				     what, does, holder.pid);
	return rzi_file_says(reason, -XV_EBUSY, "%s is %s by %sprocess %ld%s%s%s: %s", what, does,
			     holder.probably ? "probably " : "", holder.pid,
			     holder.command[0] != '\0' ? " (" : "", holder.command,
			     holder.command[0] != '\0' ? ")" : "",
			     holder.shares ? "try again when it is done"
					   : "end that, or name another file");
}
