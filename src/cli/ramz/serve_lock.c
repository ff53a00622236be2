/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_lock.c: the file with the number of the process that serves; see serve.h.
 *
 * The server holds a lock on it for as long as it lives, and whoever wants to serve there takes
 * that lock first. So the number counts only while the file is locked: what a killed server left
 * names nobody, whatever process has that number now. nbdkit inherits the open file, and writes its
 * number over that of this process. The file is only ever removed by the process that it names.
 * Locking: a lock of the open file description, which lives across fork and exec.
 */
#include "serve.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A number and its line end, and more room than that. */
#define LOCK_TEXT_BYTES 32U

#define LOCK_TRIES 100

/* Clocks of files and of processes differ by up to so much: seconds. */
#define LOCK_SLACK_SECONDS 2

/* A lock of the whole file. */
static struct flock lock_whole(void)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* The number in the file; 0: it is empty; -1: something else is in it. */
static long lock_number(int fd)
{
	char text[LOCK_TEXT_BYTES + 1];
	ssize_t got = pread(fd, text, LOCK_TEXT_BYTES, 0);
	long number;
	char *end;

	if (got <= 0)
		return got < 0 ? -1 : 0;
	text[got] = '\0';
	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || (size_t)(end - text) + (*end == '\n') != (size_t)got || number <= 1 ||
	    number != (pid_t)number)
		return -1;
	return number;
}

static bool lock_is_own(int fd, struct stat *status)
{
	return fstat(fd, status) == 0 && S_ISREG(status->st_mode) && status->st_nlink <= 1 &&
	       status->st_uid == geteuid();
}

bool rzc_serve_is_held(const char *path, pid_t *process)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct flock lock = lock_whole();
	struct stat status;
	bool held;
	long number;

	*process = 0;
	if (fd < 0)
		return false;
	held = lock_is_own(fd, &status) && fcntl(fd, F_OFD_GETLK, &lock) == 0 &&
	       lock.l_type != F_UNLCK;
	number = held ? lock_number(fd) : 0;
	(void)close(fd);
	if (number > 1)
		*process = (pid_t)number;
	return held;
}

/* ---- a file that nobody has locked ---- */

/* How long a process has lived, in seconds; LLONG_MAX where the system does not tell. */
static long long process_age(long process)
{
	char path[40], text[1024] = "";
	unsigned long long ticks;
	struct timespec since_boot;
	const char *behind;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", process);
	file = fopen(path, "re");
	if (file == NULL)
		return LLONG_MAX;
	behind = fgets(text, sizeof(text), file) != NULL ? strrchr(text, ')') : NULL;
	fclose(file);
	/* The name, in brackets, may hold anything; the time is the twentieth field behind it. */
	if (behind == NULL || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0 ||
	    sscanf(behind,
		   ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%llu",
		   &ticks) != 1)
		return LLONG_MAX;
	return since_boot.tv_sec - (long long)(ticks / (unsigned long long)sysconf(_SC_CLK_TCK));
}

/* Does the file name a process that lives, and did when the file was written? It is no server of
 * ours, as it has no lock: it may be another program's. */
static bool lock_names_another(long number, const struct stat *status)
{
	if (number <= 1 || number == getpid() || (kill((pid_t)number, 0) != 0 && errno == ESRCH))
		return false;
	return process_age(number) >= time(NULL) - status->st_mtime - LOCK_SLACK_SECONDS;
}

/* May the file be written over? */
static int lock_check(int fd, const char *path, bool is_private)
{
	struct stat status;
	long number;

	if (!lock_is_own(fd, &status)) {
		xvm_error("%s is there, and is not a regular file of yours with one name: give "
			  "another --name or --socket",
			  path);
		return XVM_FAILED;
	}
	number = lock_number(fd);
	if (number < 0) {
		xvm_error("%s is there, and is not the process number of a server: give another "
			  "--name or --socket",
			  path);
		return XVM_FAILED;
	}
	if (is_private || !lock_names_another(number, &status))
		return 0;
	xvm_error("%s names process %ld, which is no server of a disk: give another --socket, or "
		  "remove the file if nobody needs it",
		  path, number);
	return XVM_FAILED;
}

/* ---- taking it ---- */

/* Does the path still lead to the open file? Its holder may have removed it. */
static bool lock_is_at(int fd, const char *path)
{
	struct stat open_status, path_status;

	return fstat(fd, &open_status) == 0 && lstat(path, &path_status) == 0 &&
	       open_status.st_dev == path_status.st_dev && open_status.st_ino == path_status.st_ino;
}

/* The descriptor with the lock; -EAGAIN: try again; or another negative errno. */
static int lock_try(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
	struct flock lock = lock_whole();
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock) != 0)
		err = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	else if (!lock_is_at(fd, path))
		err = -EAGAIN;
	if (err == 0)
		return fd;
	(void)close(fd);
	return err;
}

/* So that whoever comes second can name this process. nbdkit writes its own number over it. */
static int lock_write(int fd, const char *path)
{
	char text[LOCK_TEXT_BYTES];
	int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length)
		return 0;
	xvm_error("cannot write %s: %s", path, strerror(errno));
	return XVM_FAILED;
}

int rzc_serve_lock(struct rzc_serve *serve, bool is_private)
{
	int fd = -EAGAIN;

	for (int i = 0; i < LOCK_TRIES && fd == -EAGAIN; i++)
		fd = lock_try(serve->process_path);
	if (fd == -EBUSY)
		return 1;
	if (fd < 0) {
		xvm_error("cannot make or lock %s: %s: give another --name or --socket",
			  serve->process_path, strerror(-fd));
		return XVM_FAILED;
	}
	if (lock_check(fd, serve->process_path, is_private) != 0 ||
	    lock_write(fd, serve->process_path) != 0) {
		(void)close(fd);
		return XVM_FAILED;
	}
	serve->lock_fd = fd;
	return 0;
}

void rzc_serve_unlock(struct rzc_serve *serve)
{
	if (serve->lock_fd < 0)
		return;
	if (lock_number(serve->lock_fd) == getpid())
		(void)unlink(serve->process_path);
	rzc_serve_leave(serve);
}

void rzc_serve_leave(struct rzc_serve *serve)
{
	if (serve->lock_fd >= 0)
		(void)close(serve->lock_fd);
	serve->lock_fd = -1;
}
