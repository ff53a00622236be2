/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.c: asking a control socket; see control.h. Locking: none.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unix_socket.h"

#define CONTROL_STEP_BYTES 4096U

/* What the disk's own socket says first, to anybody (NBD protocol, fixed newstyle). */
#define CONTROL_NBD_GREETING "NBDMAGIC"

struct control_text {
	char *text; /* ends with a null */
	size_t used;
	size_t capacity;
};

static void control_say_no_connection(const char *path, int error)
{
	switch (error) {
	case ENOENT:
		xvm_error("there is no control socket %s: start the disk with ramz serve, or give "
			  "its --name or --socket",
			  path);
		break;
	case ECONNREFUSED:
		xvm_error("nobody listens on %s: its server has ended without removing it; start "
			  "the disk again with ramz serve",
			  path);
		break;
	case ENOTSOCK:
		xvm_error("%s is not a socket: give the control socket, NAME.ctl", path);
		break;
	case EACCES:
	case EPERM:
		xvm_error("no permission for %s: it is another user's disk; run ramz as that user "
			  "or as root",
			  path);
		break;
	case ETIMEDOUT:
		xvm_error("the server of %s takes no calls: it hangs, or was stopped", path);
		break;
	case ENAMETOOLONG:
		xvm_error("the path of the socket is longer than %u bytes: go to its directory, "
			  "and give a relative one",
			  RZC_SOCKET_PATH_MAX);
		break;
	default:
		xvm_error("cannot connect to %s: %s", path, strerror(error));
	}
}

static void control_say_broken(const char *path, int error)
{
	if (error == ETIMEDOUT)
		xvm_error("no answer from %s in time: the server is busy or hangs; --timeout "
			  "SECONDS waits longer",
			  path);
	else if (error == EMSGSIZE)
		xvm_error("%s answers with more than %u bytes: is it a disk's control socket?",
			  path, RZC_CONTROL_ANSWER_MAX);
	else
		xvm_error("talking to %s failed: %s; has its server ended?", path, strerror(error));
}

/* Read up to the end of the line or of the connection. Returns 0 or a negative errno. */
static int control_receive(int fd, struct control_text *answer, int timeout_ms)
{
	for (;;) {
		ssize_t got;
		int result = rzc_socket_wait(fd, timeout_ms);

		if (result != 0)
			return result;
		answer->text = xvm_grow(answer->text, &answer->capacity,
					answer->used + CONTROL_STEP_BYTES + 1, 1);
		got = recv(fd, answer->text + answer->used, CONTROL_STEP_BYTES, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		answer->used += (size_t)got;
		answer->text[answer->used] = '\0';
		if (got == 0 || answer->text[answer->used - 1] == '\n')
			return 0;
		if (answer->used > RZC_CONTROL_ANSWER_MAX)
			return -EMSGSIZE;
	}
}

/* Is it the disk's own socket? It greets, and then waits, or ends. */
static bool control_is_disk(const struct control_text *answer)
{
	return answer->used >= strlen(CONTROL_NBD_GREETING) &&
	       memcmp(answer->text, CONTROL_NBD_GREETING, strlen(CONTROL_NBD_GREETING)) == 0;
}

/* Returns 0 with a whole line in *answer, or XVM_FAILED after saying what is wrong. */
static int control_talk(int fd, const char *path, const char *request, int timeout_ms,
			struct control_text *answer)
{
	size_t length = strlen(request);
	char *line = xvm_realloc(NULL, length + 2, 1);
	int result;

	memcpy(line, request, length);
	memcpy(line + length, "\n", 2);
	result = rzc_socket_send(fd, line, length + 1, timeout_ms);
	free(line);
	/* A server that has said no before it read all may have closed already. */
	if (result == 0 || result == -EPIPE)
		result = control_receive(fd, answer, timeout_ms);
	if (control_is_disk(answer))
		xvm_error("%s is a disk's own socket: give the control socket beside it, NAME.ctl",
			  path);
	else if (result != 0)
		control_say_broken(path, -result);
	else if (answer->used == 0)
		xvm_error("%s closed without an answer: has its server just ended?", path);
	else if (answer->text[answer->used - 1] != '\n')
		xvm_error("the answer of %s is cut off after %zu bytes: has its server just ended?",
			  path, answer->used);
	else
		return 0;
	return XVM_FAILED;
}

static json_t *control_parse(const char *path, const struct control_text *answer)
{
	json_t *root = json_loadb(answer->text, answer->used, 0, NULL);
	const json_t *ok = json_object_get(root, "ok");
	const char *error = json_string_value(json_object_get(root, "error"));

	if (json_is_true(ok))
		return root;
	if (!json_is_false(ok))
		xvm_error("the answer of %s is not one of a ramz disk: is it its control socket?",
			  path);
	else
		xvm_error("%s", error != NULL ? error : "the server refuses, and does not say why");
	json_decref(root);
	return NULL;
}

/* A path may lead anywhere by now, but not so the process at the other end. */
static int control_check_peer(int fd, const char *path, enum rzc_control_trust trust)
{
	uid_t owner[2]; /* of the socket, of the process that listens */
	int result = rzc_socket_owners(fd, path, owner);

	if (result != 0) {
		xvm_error("cannot tell whose server listens on %s: %s", path, strerror(-result));
		return XVM_FAILED;
	}
	for (size_t i = 0; i < 2; i++) {
		if (owner[i] == 0 || owner[i] == geteuid() ||
		    (trust == RZC_CONTROL_NAMED && geteuid() == 0))
			continue;
		xvm_error("%s is a server of another user (number %lu), so nothing was asked: run "
			  "ramz as that user, or as root with --socket PATH",
			  path, (unsigned long)owner[i]);
		return XVM_FAILED;
	}
	return 0;
}

json_t *rzc_control_ask(const char *path, const char *request, int timeout_ms,
			enum rzc_control_trust trust)
{
	struct control_text answer = {0};
	int fd = rzc_socket_connect(path);
	json_t *root = NULL;

	if (fd < 0) {
		control_say_no_connection(path, -fd);
		return NULL;
	}
	if (control_check_peer(fd, path, trust) == 0 &&
	    control_talk(fd, path, request, timeout_ms, &answer) == 0)
		root = control_parse(path, &answer);
	free(answer.text);
	close(fd);
	return root;
}

uint64_t rzc_control_count(const json_t *object, const char *keys)
{
	while (object != NULL && *keys != '\0') {
		size_t length = strcspn(keys, ".");
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)length, keys);
		object = json_object_get(object, key);
		keys += length + (keys[length] == '.');
	}
	return json_is_integer(object) && json_integer_value(object) > 0
		       ? (uint64_t)json_integer_value(object)
		       : 0;
}
