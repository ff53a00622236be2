/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.c: asking a control socket; see control.h. Locking: none.
 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "unix_socket.h"

#define CONTROL_STEP_BYTES 4096U

/* How often a server that works is looked at. */
#define CONTROL_TICK_MS 1000

/* What the disk's own socket says first, to anybody (NBD protocol, fixed newstyle). */
#define CONTROL_NBD_GREETING "NBDMAGIC"

struct control_text {
	char *text; /* ends with a null */
	size_t used;
	size_t capacity;
};

int rzc_server_find(struct rzc_server *server, const struct rzc_options *options)
{
	server->timeout_seconds = options->timeout_seconds;
	server->is_named = options->socket != NULL;
	server->on_wait = NULL;
	server->is_quiet = false;
	if (!server->is_named)
		return rzc_place_find(server->path, options->name);
	/* As given: a relative path may be the only one that is short enough. */
	snprintf(server->path, sizeof(server->path), "%s", options->socket);
	return 0;
}

/* ---- what goes wrong ---- */

#define control_error(server, ...) ((server)->is_quiet ? (void)0 : xvm_error(__VA_ARGS__))

static int control_no_connection(const struct rzc_server *server, int error)
{
	static const struct {
		int error;
		const char *text;
	} causes[] = {
		{ENOENT, "there is no control socket %s: start the disk with ramz serve, or give "
			 "its --name or --socket"},
		{ECONNREFUSED, "nobody listens on %s: its server has ended without removing it; "
			       "start the disk again with ramz serve"},
		{ENOTSOCK, "%s is not a socket: give the control socket, NAME.ctl"},
		{EACCES, "no permission for %s: it is another user's disk; run ramz as that user "
			 "or as root"},
		{ETIMEDOUT, "the server of %s takes no calls: it hangs, or was stopped"},
		{ENAMETOOLONG, "the socket's path %s is too long: go to its directory, and give a "
			       "relative one"},
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (causes[i].error != error)
			continue;
		control_error(server, causes[i].text, server->path);
		return XVM_FAILED;
	}
	control_error(server, "cannot connect to %s: %s", server->path, strerror(error));
	return XVM_FAILED;
}

static int control_broken(const struct rzc_server *server, int error)
{
	const char *path = server->path;

	if (error == EAGAIN)
		control_error(server,
			      "no answer from %s in time: the server is busy or hangs; --timeout "
			      "SECONDS waits longer",
			      path);
	else if (error == EMSGSIZE)
		control_error(server,
			      "%s answers with more than %u bytes: is it a disk's control socket?",
			      path, RZC_ANSWER_MAX);
	else
		control_error(server, "talking to %s failed: %s; has its server ended?", path,
			      strerror(error));
	return XVM_FAILED;
}

/* A path may lead anywhere by now, but not so the process at the other end: both must be this
 * user's or root's. */
static int control_check_peer(int fd, const struct rzc_server *server)
{
	struct ucred peer = {0};
	socklen_t bytes = sizeof(peer);
	struct stat status;
	uid_t other;

	if (stat(server->path, &status) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) {
		control_error(server, "cannot tell whose server listens on %s: %s", server->path,
			      strerror(errno));
		return XVM_FAILED;
	}
	other = status.st_uid != 0 && status.st_uid != geteuid() ? status.st_uid : peer.uid;
	if (other == 0 || other == geteuid() || (server->is_named && geteuid() == 0))
		return 0;
	control_error(
		server,
		"%s is a server of another user (number %lu), so nothing was asked: run ramz as "
		"that user, or as root with --socket PATH",
		server->path, (unsigned long)other);
	return XVM_FAILED;
}

/* ---- the conversation ---- */

/* Returns 0 or an errno. */
static int control_send(int fd, const char *line, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, line, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR) /* stopped, and continued */
			continue;
		if (sent < 0)
			return errno;
		line += sent;
		length -= (size_t)sent;
	}
	return 0;
}

/* Wait for the first byte, and call on_wait at once and then every second. Returns 0 or an errno.
 */
static int control_await(int fd, const struct rzc_server *server, const char *line)
{
	struct rzc_wait wait = {.server = server, .request = line, .start_ns = xvm_clock_ns()};
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	const uint64_t limit_ns = server->timeout_seconds * CONTROL_TICK_MS * UINT64_C(1000000);
	int error = 0;

	do {
		if (limit_ns > 0 && xvm_clock_ns() - wait.start_ns >= limit_ns)
			error = EAGAIN;
		else
			server->on_wait(&wait);
	} while (error == 0 && poll(&answer, 1, CONTROL_TICK_MS) == 0);
	xvm_progress("%s", "");
	json_decref(wait.first);
	return error;
}

/* Read up to the end of the line or of the connection. Returns 0 or an errno. */
static int control_receive(int fd, struct control_text *answer)
{
	for (;;) {
		ssize_t got;

		answer->text = xvm_grow(answer->text, &answer->capacity,
					answer->used + CONTROL_STEP_BYTES + 1, 1);
		got = recv(fd, answer->text + answer->used, CONTROL_STEP_BYTES, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		answer->used += (size_t)got;
		answer->text[answer->used] = '\0';
		if (got == 0 || answer->text[answer->used - 1] == '\n')
			return 0;
		if (answer->used > RZC_ANSWER_MAX)
			return EMSGSIZE;
	}
}

/* Returns 0 with a whole line in *answer, or XVM_FAILED after saying what is wrong. */
static int control_talk(int fd, const struct rzc_server *server, const char *line,
			struct control_text *answer)
{
	const char *path = server->path;
	int error = control_send(fd, line, strlen(line));

	/* A server that has said no before it read all may have closed already. */
	if (error == 0 && server->on_wait != NULL && isatty(STDERR_FILENO))
		error = control_await(fd, server, line);
	if (error == 0 || error == EPIPE)
		error = control_receive(fd, answer);
	/* The disk's own socket greets, and then waits, or ends. */
	if (answer->used > 0 &&
	    strncmp(answer->text, CONTROL_NBD_GREETING, strlen(CONTROL_NBD_GREETING)) == 0)
		control_error(
			server,
			"%s is a disk's own socket: give the control socket beside it, NAME.ctl",
			path);
	else if (error != 0)
		return control_broken(server, error);
	else if (answer->used == 0)
		control_error(server, "%s closed without an answer: has its server just ended?",
			      path);
	else if (answer->text[answer->used - 1] != '\n')
		control_error(
			server,
			"the answer of %s is cut off after %zu bytes: has its server just ended?",
			path, answer->used);
	else
		return 0;
	return XVM_FAILED;
}

static json_t *control_parse(const struct rzc_server *server, const struct control_text *answer)
{
	json_t *root = json_loadb(answer->text, answer->used, 0, NULL);
	const json_t *ok = json_object_get(root, "ok");
	const char *error = json_string_value(json_object_get(root, "error"));

	if (json_is_true(ok))
		return root;
	if (!json_is_false(ok))
		control_error(
			server,
			"the answer of %s is not one of a ramz disk: is it its control socket?",
			server->path);
	else
		control_error(server, "%s",
			      error != NULL ? error : "the server refuses, and does not say why");
	json_decref(root);
	return NULL;
}

json_t *rzc_ask(const struct rzc_server *server, const char *format, ...)
{
	char line[RZC_REQUEST_BYTES + 1];
	struct control_text answer = {0};
	int fd = rzc_socket_connect(server->path);
	json_t *root = NULL;
	va_list args;

	va_start(args, format);
	vsnprintf(line, RZC_REQUEST_BYTES, format, args);
	va_end(args);
	strcat(line, "\n");
	if (fd < 0) {
		(void)control_no_connection(server, -fd);
		return NULL;
	}
	rzc_socket_bound(fd, server->timeout_seconds);
	if (control_check_peer(fd, server) == 0 && control_talk(fd, server, line, &answer) == 0)
		root = control_parse(server, &answer);
	free(answer.text);
	close(fd);
	return root;
}

const json_t *rzc_find(const json_t *object, const char *keys)
{
	while (object != NULL && *keys != '\0') {
		size_t length = strcspn(keys, ".");
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)length, keys);
		object = json_object_get(object, key);
		keys += length + (keys[length] == '.');
	}
	return object;
}

uint64_t rzc_count(const json_t *object, const char *keys)
{
	json_int_t count = json_integer_value(rzc_find(object, keys));

	return count > 0 ? (uint64_t)count : 0;
}
