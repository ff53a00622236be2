/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * listener.c: the socket file that clients connect to; see listener.h.
 *
 * A server that takes a path locks its directory from the first look until it listens: of two
 * servers that find the same dead socket only one replaces it, and the other finds a live one. A
 * file that is no socket, or has a listener, is never removed.
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nbdkit_api.h"
#include "path.h"

enum { BACKLOG = 128, LOCK_TRIES = 500, LOCK_STEP_NS = 10000000 };

static int address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path)) {
		nbdkit_error("stats=%s: a socket's path has at most %zu bytes; take a shorter one",
			     path, sizeof(address->sun_path) - 1);
		return -1;
	}
	strcpy(address->sun_path, path);
	return 0;
}

/* ---- one server at a time ---- */

/* Another server has the lock only for a moment; another program may have it for ever. */
static int lock_wait(int fd)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_NS};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		(void)nanosleep(&step, NULL);
	}
	return -ETIMEDOUT;
}

/* Lock the directory of path, which is absolute. Returns a descriptor to close, or -1 after
 * telling nbdkit why. */
static int directory_lock(const char *path)
{
	char *directory = strdup(path);
	int fd = -1, err = -ENOMEM;

	if (directory != NULL) {
		strrchr(directory, '/')[1] = '\0';
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = fd < 0 ? -errno : lock_wait(fd);
	}
	free(directory);
	if (err == 0)
		return fd;
	nbdkit_error("stats=%s: its directory cannot be locked: %s; name another path", path,
		     strerror(-err));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* ---- what is there ---- */

/* Does a server listen there? Returns 1, with *process its number (0 = unknown), 0, or a negative
 * errno. A socket that was removed since it was seen, by its server's end or by another server
 * that takes its place, has none. */
static int socket_is_live(const struct sockaddr_un *address, long *process)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {.pid = 0};
	socklen_t bytes = sizeof(peer);
	int result = 1;

	if (fd < 0)
		return -errno;
	/* EAGAIN: its queue is full, so it is there. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno != EAGAIN)
		result = errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.pid > 0)
		*process = (long)peer.pid;
	(void)close(fd);
	return result;
}

static void say_live(const char *path, long process)
{
	if (process != 0)
		nbdkit_error("stats=%s: a running server, process %ld, has this socket; end it, or "
			     "name another path",
			     path, process);
	else
		nbdkit_error("stats=%s: a running server has this socket; end it, or name another "
			     "path",
			     path);
}

/* Is the path free? 1: it has a dead server's socket. */
static int path_check(const char *path, const struct sockaddr_un *address)
{
	struct stat file;
	long process = 0;
	int live;

	if (lstat(path, &file) != 0) {
		if (errno == ENOENT)
			return 0;
		nbdkit_error("stats=%s: %s; name another path", path, strerror(errno));
		return -1;
	}
	if (!S_ISSOCK(file.st_mode)) {
		nbdkit_error("stats=%s is there and is no socket; remove it, or name another path",
			     path);
		return -1;
	}
	live = socket_is_live(address, &process);
	if (live == 0)
		return 1;
	if (live > 0)
		say_live(path, process);
	else
		nbdkit_error("stats=%s: %s; name another path", path, strerror(-live));
	return -1;
}

/* Sets the mode before the name exists, and again for systems that ignore that. */
static int socket_bind(struct rzn_listener *listener, const char *path,
		       const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) == 0 &&
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
	    chmod(path, 0600) == 0 && listen(fd, BACKLOG) == 0 &&
	    lstat(path, &listener->file) == 0) {
		listener->fd = fd;
		listener->path = path;
		return 0;
	}
	err = -errno;
	(void)close(fd);
	return err;
}

int rzn_listener_check(const char *path)
{
	struct sockaddr_un address;

	if (address_of(path, &address) != 0 || rzn_path_check_directory("stats", path) != 0)
		return -1;
	return path_check(path, &address) < 0 ? -1 : 0;
}

/* The directory is locked. */
static int listener_take(struct rzn_listener *listener, const char *path,
			 const struct sockaddr_un *address)
{
	int dead = path_check(path, address);
	int err;

	if (dead < 0)
		return -1;
	if (dead)
		(void)unlink(path);
	err = socket_bind(listener, path, address);
	if (err == 0)
		return 0;
	nbdkit_error("stats=%s: the socket cannot be made: %s; name another path", path,
		     strerror(-err));
	return -1;
}

int rzn_listener_open(struct rzn_listener *listener, const char *path)
{
	struct sockaddr_un address;
	int lock, result;

	if (address_of(path, &address) != 0)
		return -1;
	lock = directory_lock(path);
	if (lock < 0)
		return -1;
	result = listener_take(listener, path, &address);
	(void)close(lock);
	return result;
}

void rzn_listener_close(struct rzn_listener *listener)
{
	struct stat file;

	if (listener->fd < 0)
		return;
	if (lstat(listener->path, &file) == 0 && file.st_dev == listener->file.st_dev &&
	    file.st_ino == listener->file.st_ino)
		(void)unlink(listener->path);
	(void)close(listener->fd);
	listener->fd = -1;
}
