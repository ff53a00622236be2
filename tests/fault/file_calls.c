/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* file_calls.c: see file_calls.h. */
#define _GNU_SOURCE

#include "file_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_calls file_calls;

static bool call_fails(const char *name)
{
	struct file_calls *plan = &file_calls;

	if (plan->hook != NULL && strcmp(name, plan->hook_name) == 0 && --plan->hook_at == 0) {
		void (*hook)(void) = plan->hook;

		plan->hook = NULL;
		hook();
	}
	if (++plan->calls != plan->fail_at &&
	    (plan->fail_named == NULL || strcmp(name, plan->fail_named) != 0))
		return false;
	plan->failed = name;
	if (plan->die)
		(void)raise(SIGKILL);
	errno = plan->error;
	return true;
}

/* name, result, the call's parameters, their names, the result of a failure. Offsets of 64 bits
 * have names of their own, and which ones the library uses is the C library's business. */
#define WRAP_AS(symbol, name, result, parameters, arguments, failure)                              \
	result __real_##symbol parameters;                                                         \
	result __wrap_##symbol parameters;                                                         \
	result __wrap_##symbol parameters                                                          \
	{                                                                                          \
		return call_fails(#name) ? failure : __real_##symbol arguments;                    \
	}
#define WRAP(name, result, parameters, arguments, failure)                                         \
	WRAP_AS(name, name, result, parameters, arguments, failure)
#define WRAP_BOTH(name, result, parameters, arguments, failure)                                    \
	WRAP_AS(name, name, result, parameters, arguments, failure)                                \
	WRAP_AS(name##64, name, result, parameters, arguments, failure)

WRAP(flock, int, (int fd, int operation), (fd, operation), -1)
WRAP(write, ssize_t, (int fd, const void *data, size_t bytes), (fd, data, bytes), -1)
WRAP(fsync, int, (int fd), (fd), -1)
WRAP(fchmod, int, (int fd, mode_t mode), (fd, mode), -1)
WRAP(fchown, int, (int fd, uid_t user, gid_t group), (fd, user, group), -1)
WRAP(unlinkat, int, (int at, const char *path, int flags), (at, path, flags), -1)
WRAP(renameat, int, (int at, const char *path, int to, const char *name), (at, path, to, name), -1)
WRAP(readlinkat, ssize_t, (int at, const char *path, char *text, size_t bytes),
     (at, path, text, bytes), -1)
WRAP(faccessat, int, (int at, const char *path, int mode, int flags), (at, path, mode, flags), -1)
WRAP(getrandom, ssize_t, (void *dst, size_t bytes, unsigned flags), (dst, bytes, flags), -1)
WRAP(malloc, void *, (size_t bytes), (bytes), NULL)
WRAP(calloc, void *, (size_t count, size_t bytes), (count, bytes), NULL)
WRAP_BOTH(fstat, int, (int fd, void *status), (fd, status), -1)
WRAP_BOTH(fstatat, int, (int at, const char *path, void *status, int flags),
	  (at, path, status, flags), -1)
WRAP_AS(pread, pread, ssize_t, (int fd, void *data, size_t bytes, off_t at), (fd, data, bytes, at),
	-1)
WRAP_AS(pread64, pread, ssize_t, (int fd, void *data, size_t bytes, int64_t at),
	(fd, data, bytes, at), -1)

#define WRAP_OPEN(symbol)                                                                          \
	int __real_##symbol(int at, const char *path, int flags, ...);                             \
	int __wrap_##symbol(int at, const char *path, int flags, ...);                             \
	int __wrap_##symbol(int at, const char *path, int flags, ...)                              \
	{                                                                                          \
		va_list arguments;                                                                 \
		mode_t mode = 0;                                                                   \
                                                                                                   \
		va_start(arguments, flags);                                                        \
		if ((flags & O_CREAT) != 0)                                                        \
			mode = va_arg(arguments, mode_t);                                          \
		va_end(arguments);                                                                 \
		return call_fails("openat") ? -1 : __real_##symbol(at, path, flags, mode);         \
	}

WRAP_OPEN(openat)
WRAP_OPEN(openat64)

int __real_close(int fd);
int __wrap_close(int fd);

/* The descriptor is gone all the same, as with the kernel's. */
int __wrap_close(int fd)
{
	bool fails = call_fails("close");
	int error = errno, closed = __real_close(fd);

	if (fails)
		errno = error;
	return fails ? -1 : closed;
}
