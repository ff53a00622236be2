/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.c: the socket for statistics and control; see control.h.
 *
 * One thread has the socket and all its clients. It waits only for poll and, for a moment, for the
 * store's locks. It does short commands itself. Two workers do the rest: commands that only look or
 * set never wait in a queue behind commands on the whole disk. CLIENTS_MAX clients are served at a
 * time. If all places are taken, a client that has moved no byte for GRACE_MS makes room for the
 * next; until then the next one waits in the socket's queue.
 *
 * At the end, running commands end in order, and waiting ones are refused.
 */
#include "control.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_client.h"
#include "control_command.h"
#include "control_worker.h"
#include "listener.h"
#include "nbdkit_api.h"

enum {
	CLIENTS_MAX = 64,
	GRACE_MS = 1000,
	PAUSE_MS = 100,   /* before another try to accept, if descriptors ran out */
	ENDING_MS = 1000, /* for answers that are being sent at the end */
	NO_FD = -1,
};

/* Order in the poll: the wake fd, the listener, the clients. */
enum { POLL_WAKE, POLL_LISTENER, POLL_CLIENTS, POLL_COUNT = POLL_CLIENTS + CLIENTS_MAX };

static struct control {
	struct rzn_disk *disk;
	struct rzn_listener listener;
	int wake_fd; /* an eventfd: a job is done, or the thread must end */
	_Atomic bool told_to_end;
	pthread_t thread;
	bool running;
	struct rzn_worker prompt, slow;
	/* Only for the thread. */
	bool ending;
	int64_t end_ms;       /* when ending: do not wait for answers after this */
	int64_t pause_end_ms; /* ignore the listener until then */
	struct rzn_client client[CLIENTS_MAX];
} control = {.listener = {.fd = NO_FD}, .wake_fd = NO_FD};

static const char bad_line[] = "{\"ok\": false, \"error\": \"the line is too long, has a zero byte "
			       "in it, or does not end: say a command and a line end\", "
			       "\"errno\": 22}\n";
static const char at_end[] = "{\"ok\": false, \"error\": \"the server is ending, and has not begun "
			     "with this: nothing is changed\", \"errno\": 108}\n";

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- a client ---- */

/* There is a place now, so the listener counts again. */
static void client_end(struct rzn_client *client)
{
	rzn_client_end(client);
	control.pause_end_ms = 0;
}

static void client_say_busy(struct rzn_client *client, const struct rzn_busy *busy, int64_t now)
{
	char *text = NULL;

	if (asprintf(&text,
		     "{\"ok\": false, \"error\": \"busy: '%s' is under way since %lld seconds, and "
		     "%d commands wait; try again later\", \"errno\": %d}\n",
		     busy->command, (long long)busy->seconds, RZN_WORKER_WAITING_MAX, EBUSY) < 0)
		text = NULL;
	rzn_client_answer(client, text, now);
}

static void client_give(struct rzn_client *client, struct rzn_worker *worker, int64_t now)
{
	struct rzn_busy busy;

	client->job.line = client->line;
	if (rzn_worker_give(worker, &client->job, &busy)) {
		client->worker = worker;
		client->state = RZN_CLIENT_WAITING;
	} else {
		client_say_busy(client, &busy, now);
	}
}

static void client_do(struct rzn_client *client, int64_t now)
{
	nbdkit_debug("control: %s", client->line);
	switch (rzn_command_pace(client->line)) {
	case RZN_PACE_NOW:
		rzn_client_answer(client, rzn_command_text(control.disk, client->line, NULL), now);
		break;
	case RZN_PACE_PROMPT:
		client_give(client, &control.prompt, now);
		break;
	case RZN_PACE_SLOW:
		client_give(client, &control.slow, now);
		break;
	}
}

static void client_read(struct rzn_client *client, int64_t now)
{
	switch (rzn_client_read(client, now)) {
	case RZN_LINE_MORE:
		break;
	case RZN_LINE_GOOD:
		client_do(client, now);
		break;
	case RZN_LINE_BAD:
		rzn_client_say(client, bad_line, now);
		break;
	case RZN_LINE_GONE:
		client_end(client);
		break;
	}
}

/* The client of a job went away: do not begin its job. */
static void client_hang_up(struct rzn_client *client)
{
	assert(client->state == RZN_CLIENT_WAITING && client->fd >= 0);
	if (rzn_worker_take_back(client->worker, &client->job)) {
		client_end(client);
		return;
	}
	(void)close(client->fd);
	client->fd = NO_FD;
}

/* WAITING: is the job done? */
static void client_collect(struct rzn_client *client, int64_t now)
{
	assert(client->state == RZN_CLIENT_WAITING);
	if (!rzn_worker_is_done(client->worker, &client->job))
		return;
	rzn_client_answer(client, client->job.answer, now);
	if (client->fd < 0)
		client_end(client);
}

/* Events that poll reported for a client, and the time. */
static void client_serve(struct rzn_client *client, short events, int64_t now)
{
	if (client->state == RZN_CLIENT_READING && events != 0)
		client_read(client, now);
	if (client->state == RZN_CLIENT_WAITING) {
		if (client->fd >= 0 && (events & (POLLHUP | POLLERR)) != 0)
			client_hang_up(client);
		else
			client_collect(client, now);
	}
	/* At once, without poll: most answers fit. */
	if (client->state == RZN_CLIENT_SENDING && rzn_client_send(client, now))
		client_end(client);
	if ((client->state == RZN_CLIENT_READING || client->state == RZN_CLIENT_SENDING) &&
	    now >= client->until_ms)
		client_end(client);
}

/* ---- new clients ---- */

static struct rzn_client *client_free(void)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (control.client[i].state == RZN_CLIENT_FREE)
			return &control.client[i];
	}
	return NULL;
}

/* Of the clients that may go, the one that has moved nothing for the longest time. */
static struct rzn_client *client_idlest(void)
{
	struct rzn_client *idlest = NULL;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct rzn_client *client = &control.client[i];

		if (client->state != RZN_CLIENT_READING && client->state != RZN_CLIENT_SENDING)
			continue;
		if (idlest == NULL || client->moved_ms < idlest->moved_ms)
			idlest = client;
	}
	return idlest;
}

/* A place for a client in the queue; NULL: not now. */
static struct rzn_client *client_place(int64_t now)
{
	struct rzn_client *client = client_free();

	if (client != NULL)
		return client;
	client = client_idlest();
	if (client == NULL || now < client->moved_ms + GRACE_MS) {
		control.pause_end_ms =
			client == NULL ? now + GRACE_MS : client->moved_ms + GRACE_MS;
		return NULL;
	}
	client_end(client);
	assert(client->state == RZN_CLIENT_FREE);
	return client;
}

static void control_accept(int64_t now)
{
	struct rzn_client *client = client_place(now);
	int fd;

	if (client == NULL)
		return;
	fd = accept4(control.listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		rzn_client_begin(client, fd, now);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		control.pause_end_ms = now + PAUSE_MS; /* most likely too many open files */
}

/* ---- the end ---- */

/* Begin nothing new: clients that have said nothing go, and waiting jobs are taken back. */
static void control_begin_end(int64_t now)
{
	assert(!control.ending);
	control.ending = true;
	control.end_ms = now + ENDING_MS;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct rzn_client *client = &control.client[i];

		if (client->state == RZN_CLIENT_READING)
			client_end(client);
		else if (client->state == RZN_CLIENT_WAITING &&
			 rzn_worker_take_back(client->worker, &client->job))
			rzn_client_say(client, at_end, now);
	}
}

/* Has all ended? Waits for running jobs, and for a while for answers. */
static bool control_has_ended(int64_t now)
{
	assert(control.ending);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		enum rzn_client_state state = control.client[i].state;

		if (state == RZN_CLIENT_WAITING ||
		    (state == RZN_CLIENT_SENDING && now < control.end_ms))
			return false;
	}
	return true;
}

/* ---- the thread ---- */

/* Fill what poll looks at; returns how long it may wait. */
static int control_wishes(struct pollfd wish[POLL_COUNT], int64_t now)
{
	static const short events[] = {[RZN_CLIENT_READING] = POLLIN,
				       [RZN_CLIENT_WAITING] = 0,
				       [RZN_CLIENT_SENDING] = POLLOUT};
	bool listens = !control.ending && now >= control.pause_end_ms;
	int64_t until = INT64_MAX;

	if (control.ending)
		until = now < control.end_ms ? control.end_ms : INT64_MAX;
	else if (!listens)
		until = control.pause_end_ms;
	wish[POLL_WAKE] = (struct pollfd){.fd = control.wake_fd, .events = POLLIN};
	wish[POLL_LISTENER] =
		(struct pollfd){.fd = listens ? control.listener.fd : NO_FD, .events = POLLIN};
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		const struct rzn_client *client = &control.client[i];
		bool there = client->state != RZN_CLIENT_FREE;

		wish[POLL_CLIENTS + i] =
			(struct pollfd){.fd = there ? client->fd : NO_FD,
					.events = there ? events[client->state] : 0};
		if (there && client->state != RZN_CLIENT_WAITING && client->until_ms < until)
			until = client->until_ms;
	}
	return until == INT64_MAX ? -1 : until > now ? (int)(until - now) : 0;
}

static void control_turn(struct pollfd wish[POLL_COUNT])
{
	eventfd_t woken;
	int64_t now = now_ms();
	int ready = poll(wish, POLL_COUNT, control_wishes(wish, now));

	now = now_ms();
	if (ready < 0) /* a signal, or no memory: try again, but not at full speed */
		(void)usleep(1000);
	if (ready > 0 && wish[POLL_WAKE].revents != 0)
		(void)eventfd_read(control.wake_fd, &woken);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (control.client[i].state != RZN_CLIENT_FREE)
			client_serve(&control.client[i],
				     ready > 0 ? wish[POLL_CLIENTS + i].revents : 0, now);
	}
	if (ready > 0 && wish[POLL_LISTENER].revents != 0)
		control_accept(now);
}

static void *control_thread(void *unused)
{
	struct pollfd wish[POLL_COUNT];

	while (!control.ending || !control_has_ended(now_ms())) {
		control_turn(wish);
		if (!control.ending && atomic_load(&control.told_to_end))
			control_begin_end(now_ms());
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (control.client[i].state != RZN_CLIENT_FREE)
			client_end(&control.client[i]);
	}
	return unused;
}

/* ---- start and stop ---- */

static int threads_start(void)
{
	int err = rzn_worker_start(&control.prompt, control.disk, control.wake_fd);

	if (err == 0)
		err = rzn_worker_start(&control.slow, control.disk, control.wake_fd);
	if (err == 0)
		err = -pthread_create(&control.thread, NULL, control_thread, NULL);
	control.running = err == 0;
	return err;
}

/* Only nbdkit's threads get nbdkit's signals. */
static int control_start(void)
{
	sigset_t all, before;
	int err;

	control.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control.wake_fd < 0)
		return -errno;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = threads_start();
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static void control_close(void)
{
	rzn_worker_join(&control.prompt);
	rzn_worker_join(&control.slow);
	rzn_listener_close(&control.listener);
	if (control.wake_fd >= 0)
		(void)close(control.wake_fd);
	control.wake_fd = NO_FD;
}

int rzn_control_start(struct rzn_disk *disk, const char *path)
{
	int err;

	assert(!control.running && disk->store != NULL);
	control.disk = disk;
	control.ending = false;
	control.pause_end_ms = 0;
	atomic_store(&control.told_to_end, false);
	if (rzn_listener_open(&control.listener, path) != 0)
		return -1;
	err = control_start();
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
	atomic_store(&control.told_to_end, true);
	(void)eventfd_write(control.wake_fd, 1);
	(void)pthread_join(control.thread, NULL);
	control.running = false;
	control_close();
}
