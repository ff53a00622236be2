/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_clients.h: clients of a control socket, whose path is in control_socket. A wait ends
 * after WAIT_MS, so that a server that hangs fails. Include after test_nbdkit_support.h.
 */
#ifndef TEST_NBDKIT_CLIENTS_H
#define TEST_NBDKIT_CLIENTS_H

#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_MS = 60000, ANSWER_BYTES = 1 << 20 };

static char control_socket[64];

static inline int client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, control_socket);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline void say(int fd, const char *text, size_t bytes)
{
	while (bytes != 0) {
		ssize_t sent = send(fd, text, bytes, MSG_NOSIGNAL);

		assert_true(sent > 0);
		text += sent;
		bytes -= (size_t)sent;
	}
}

/* Can something be read within this time? */
static inline bool comes(int fd, int timeout_ms)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};

	return poll(&wanted, 1, timeout_ms) == 1;
}

/* All that comes until the end, which must be a clean one. */
static inline json_t *heard(int fd)
{
	char *text = malloc(ANSWER_BYTES);
	size_t used = 0;
	json_t *answer;
	ssize_t got;

	assert_non_null(text);
	do {
		assert_true(comes(fd, WAIT_MS));
		got = recv(fd, text + used, ANSWER_BYTES - used, 0);
		assert_true(got >= 0);
		used += (size_t)got;
	} while (got != 0);
	assert_int_equal(close(fd), 0);
	assert_true(used > 1 && text[used - 1] == '\n');
	answer = json_loadb(text, used, 0, NULL);
	assert_non_null(answer);
	free(text);
	return answer;
}

static inline int asked(const char *line)
{
	int fd = client();

	say(fd, line, strlen(line));
	say(fd, "\n", 1);
	return fd;
}

static inline json_t *answered(int fd, bool ok)
{
	json_t *answer = heard(fd);

	assert_int_equal(json_is_true(json_object_get(answer, "ok")), ok);
	return answer;
}

static inline void works(const char *line)
{
	json_decref(answered(asked(line), true));
}

static inline void refuses(int fd, const char *part)
{
	json_t *answer = answered(fd, false);

	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), part));
	json_decref(answer);
}

#endif
