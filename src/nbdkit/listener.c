/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * listener.c: the socket file that clients connect to; see listener.h.
 */
#include "listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "nbdkit_api.h"
#include "path.h"

enum { BACKLOG = 128 };

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

/* Does a server listen there? 1, 0 (nobody does), or a negative errno. */
static int socket_is_live(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result = 1;

	if (fd < 0)
		return -errno;
	/* EAGAIN: it has more clients waiting than it takes, so it is there. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno != EAGAIN)
		result = errno == ECONNREFUSED ? 0 : -errno;
	(void)close(fd);
	return result;
}

/* Is the path free, or a dead server's socket? 1: a dead one's. */
static int path_check(const char *path, const struct sockaddr_un *address)
{
	struct stat file;
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
	live = socket_is_live(address);
	if (live == 0)
		return 1;
	nbdkit_error("stats=%s: %s; name another path", path,
		     live > 0 ? "a running server has this socket" : strerror(-live));
	return -1;
}

/* The mode is set before the name is there, and again for systems that take no notice. */
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

int rzn_listener_open(struct rzn_listener *listener, const char *path)
{
	struct sockaddr_un address;
	int dead = address_of(path, &address) != 0 ? -1 : path_check(path, &address);
	int err;

	if (dead < 0)
		return -1;
	if (dead)
		(void)unlink(path);
	err = socket_bind(listener, path, &address);
	if (err == 0)
		return 0;
	nbdkit_error("stats=%s: the socket cannot be made: %s; name another path", path,
		     strerror(-err));
	return -1;
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
