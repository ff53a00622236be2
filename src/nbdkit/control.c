/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.c: the socket for statistics and control; see control.h.
 *
 * One client at a time: one line in, one line out. Every wait also watches a pipe through
 * which the thread is told to end.
 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <jansson.h>

#include "control_command.h"
#include "listener.h"
#include "nbdkit_api.h"

/* A line holds a path; a client has so long to say it, and to take the answer. */
enum { LINE_BYTES = 8192, CLIENT_SECONDS = 10, NO_FD = -1 };

static struct control {
	struct rzn_disk *disk;
	struct rzn_listener listener;
	int stop[2]; /* pipe: written to end the thread */
	pthread_t thread;
	bool running;
} control = {.listener = {.fd = NO_FD}, .stop = {NO_FD, NO_FD}};

/* ---- a client ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait until fd can be read. False: the time is over, or the thread is to end. */
static bool wait_readable(int fd, int64_t until_ms)
{
	struct pollfd waited[] = {{.fd = fd, .events = POLLIN},
				  {.fd = control.stop[0], .events = POLLIN}};
	int64_t left;
	int ready;

	do {
		left = until_ms < 0 ? -1 : until_ms - now_ms();
		if (until_ms >= 0 && left <= 0)
			return false;
		ready = poll(waited, 2, (int)left);
	} while (ready < 0 && errno == EINTR);
	return ready > 0 && waited[1].revents == 0;
}

enum line_result { LINE_NONE, LINE_GOOD, LINE_BAD };

/* Read a line, without its end. LINE_NONE: the client said nothing, or not in time. */
static enum line_result client_read_line(int fd, char line[LINE_BYTES])
{
	int64_t until_ms = now_ms() + CLIENT_SECONDS * 1000;
	size_t length = 0;
	char *end;

	while (wait_readable(fd, until_ms)) {
		ssize_t got = recv(fd, line + length, LINE_BYTES - length, MSG_DONTWAIT);

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return got == 0 && length != 0 ? LINE_BAD : LINE_NONE;
		end = memchr(line + length, '\n', (size_t)got);
		length += (size_t)got;
		if (end != NULL) {
			*end = '\0';
			return strlen(line) == (size_t)(end - line) ? LINE_GOOD : LINE_BAD;
		}
		if (length == LINE_BYTES)
			return LINE_BAD;
	}
	return LINE_NONE;
}

static void client_send(int fd, const char *data, size_t bytes)
{
	while (bytes != 0) {
		ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		data += sent;
		bytes -= (size_t)sent;
	}
}

static const char bad_line[] = "{\"ok\": false, \"error\": \"the line is too long, has a zero byte "
			       "in it, or does not end: say a command and a line end\", "
			       "\"errno\": 22}\n";
static const char no_memory[] = "{\"ok\": false, \"error\": \"no memory for the answer; try "
				"again\", \"errno\": 12}\n";

static void client_answer(int fd, const char *line)
{
	json_t *answer = rzn_command_answer(control.disk, line);
	char *text = answer == NULL ? NULL : json_dumps(answer, 0);

	if (text == NULL) {
		client_send(fd, no_memory, sizeof(no_memory) - 1);
	} else {
		client_send(fd, text, strlen(text));
		client_send(fd, "\n", 1);
	}
	free(text);
	json_decref(answer);
}

static void client_serve(int fd)
{
	const struct timeval patience = {.tv_sec = CLIENT_SECONDS};
	char line[LINE_BYTES];

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	switch (client_read_line(fd, line)) {
	case LINE_GOOD:
		nbdkit_debug("control: %s", line);
		client_answer(fd, line);
		break;
	case LINE_BAD:
		client_send(fd, bad_line, sizeof(bad_line) - 1);
		break;
	case LINE_NONE:
		break;
	}
}

/* ---- the thread ---- */

/* Has the thread been told to end? Waits for that so long. */
static bool told_to_stop(int timeout_ms)
{
	struct pollfd waited = {.fd = control.stop[0], .events = POLLIN};

	return poll(&waited, 1, timeout_ms) > 0;
}

static void *control_thread(void *unused)
{
	while (!told_to_stop(0)) {
		int fd;

		if (!wait_readable(control.listener.fd, -1))
			continue;
		fd = accept4(control.listener.fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			client_serve(fd);
			(void)close(fd);
		} else {
			/* Most likely there are too many open files: not at full speed. */
			(void)told_to_stop(100);
		}
	}
	return unused;
}

/* nbdkit's signals are for nbdkit's threads. */
static int thread_start(void)
{
	sigset_t all, before;
	int err;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&control.thread, NULL, control_thread, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	control.running = err == 0;
	return err == 0 ? 0 : -err;
}

/* ---- beginning and end ---- */

static void control_close(void)
{
	rzn_listener_close(&control.listener);
	for (size_t i = 0; i < 2; i++) {
		if (control.stop[i] >= 0)
			(void)close(control.stop[i]);
		control.stop[i] = NO_FD;
	}
}

int rzn_control_start(struct rzn_disk *disk, const char *path)
{
	int err;

	control.disk = disk;
	if (rzn_listener_open(&control.listener, path) != 0)
		return -1;
	err = pipe2(control.stop, O_CLOEXEC) != 0 ? -errno : thread_start();
	if (err == 0)
		return 0;
	nbdkit_error("stats=%s: it cannot be served: %s; leave stats= out", path, strerror(-err));
	control_close();
	return -1;
}

void rzn_control_stop(void)
{
	if (!control.running)
		return;
	while (write(control.stop[1], "", 1) < 0 && errno == EINTR)
		;
	(void)pthread_join(control.thread, NULL);
	control.running = false;
	control_close();
}
