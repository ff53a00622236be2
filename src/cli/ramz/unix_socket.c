/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * unix_socket.c: Unix stream sockets; see unix_socket.h. Locking: none.
 */
#include "unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(((struct sockaddr_un *)NULL)->sun_path) == RZC_SOCKET_PATH_MAX + 1,
	       "the longest path is as long as the address has room");

/* Sending and connecting end after this long; a timeval of 0 waits for ever. */
static void socket_bound(int fd, int timeout_ms)
{
	const struct timeval limit = {
		.tv_sec = timeout_ms > 0 ? timeout_ms / 1000 : 0,
		.tv_usec = timeout_ms > 0 ? timeout_ms % 1000 * 1000 : 0,
	};

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int socket_open(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	socket_bound(fd, RZC_SOCKET_CONNECT_MS);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return fd;
	error = errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	return -error;
}

int rzc_socket_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	struct stat status;

	if (length > RZC_SOCKET_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	if (stat(path, &status) != 0)
		return -errno;
	if (!S_ISSOCK(status.st_mode))
		return -ENOTSOCK;
	return socket_open(&address);
}

int rzc_socket_owners(int fd, const char *path, uid_t owner[2])
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	struct stat status;

	if (stat(path, &status) != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		return -errno;
	owner[0] = status.st_uid;
	owner[1] = peer.uid;
	return 0;
}

bool rzc_socket_is_live(const char *path)
{
	int fd = rzc_socket_connect(path);

	if (fd >= 0)
		close(fd);
	/* A server that is too busy to take calls is one. */
	return fd >= 0 || fd == -ETIMEDOUT;
}

int rzc_socket_send(int fd, const void *data, size_t bytes, int timeout_ms)
{
	const char *next = data;

	socket_bound(fd, timeout_ms);
	while (bytes > 0) {
		ssize_t sent = send(fd, next, bytes, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		next += sent;
		bytes -= (size_t)sent;
	}
	return 0;
}

int rzc_socket_wait(int fd, int timeout_ms)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};
	int ready;

	do {
		ready = poll(&wanted, 1, timeout_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return -errno;
	return ready > 0 ? 0 : -ETIMEDOUT;
}
