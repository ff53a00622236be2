/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * unix_ask SOCKET [LINE]: sends the line, if there is one, to a Unix stream socket and prints what
 * comes back until the other side closes. For the scripts of tests/ and bench/, which talk to a disk's
 * control socket with it. Calls the system alone; exit status 0 or 1.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int complain(const char *what)
{
	fprintf(stderr, "unix_ask: %s: %s\n", what, strerror(errno));
	return -1;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return complain(path);
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return complain("socket");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	complain(path);
	close(fd);
	return -1;
}

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
		if (sent < 0)
			return complain("send");
		bytes += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int print_answer(int fd)
{
	char part[4096];

	for (;;) {
		ssize_t got = read(fd, part, sizeof(part));
		if (got < 0)
			return complain("read");
		if (got == 0)
			return fflush(stdout) == 0 ? 0 : complain("standard output");
		fwrite(part, 1, (size_t)got, stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: unix_ask SOCKET [LINE]\n");
		return 1;
	}
	int fd = connect_to(argv[1]);
	if (fd < 0)
		return 1;
	int failed = argc == 3 && (send_all(fd, argv[2], strlen(argv[2])) != 0 ||
				   send_all(fd, "\n", 1) != 0);
	failed = failed || print_answer(fd) != 0;
	close(fd);
	return failed;
}
