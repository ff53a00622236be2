/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * unix_socket.c: Unix stream sockets; see unix_socket.h. Locking: none.
 */
#include "unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_CONNECT_SECONDS 2U

_Static_assert(sizeof(((struct sockaddr_un *)NULL)->sun_path) == RZC_SOCKET_PATH_MAX + 1,
	       "the longest path is as long as the address has room");

void rzc_socket_bound(int fd, uint64_t seconds)
{
	const struct timeval limit = {.tv_sec = (time_t)seconds};

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int socket_open(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	rzc_socket_bound(fd, SOCKET_CONNECT_SECONDS);
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

bool rzc_socket_is_live(const char *path)
{
	int fd = rzc_socket_connect(path);

	if (fd >= 0)
		close(fd);
	/* A server that is too busy to take calls is one. */
	return fd >= 0 || fd == -ETIMEDOUT;
}
