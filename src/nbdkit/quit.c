/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * quit.c: notice that nbdkit must end; see quit.h.
 *
 * Each signal and each call writes a byte to a pipe, without blocking: a full pipe says enough.
 */
#include "quit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

enum { NO_FD = -1 };

#define BYTE_SIGNAL 's'
#define BYTE_TOLD 't'

static struct quit {
	int pipe[2];
	struct chained {
		int signal;
		bool set;
		struct sigaction before;
	} chained[4];
} quit = {
	.pipe = {NO_FD, NO_FD},
	.chained = {
		{.signal = SIGINT}, {.signal = SIGTERM}, {.signal = SIGHUP}, {.signal = SIGQUIT}}};

#define CHAINED_COUNT (sizeof(quit.chained) / sizeof(quit.chained[0]))

static void quit_send(char byte)
{
	ssize_t sent;

	do {
		sent = write(quit.pipe[1], &byte, 1);
	} while (sent < 0 && errno == EINTR);
}

static void quit_on_signal(int signal)
{
	int error = errno;

	for (size_t i = 0; i < CHAINED_COUNT; i++) {
		if (quit.chained[i].signal == signal)
			quit.chained[i].before.sa_handler(signal);
	}
	quit_send(BYTE_SIGNAL);
	errno = error;
}

/* A signal that nbdkit does not handle does not end it in order. */
static void quit_chain(struct chained *chained)
{
	struct sigaction action;

	if (sigaction(chained->signal, NULL, &chained->before) != 0 ||
	    (chained->before.sa_flags & SA_SIGINFO) != 0 || chained->before.sa_handler == SIG_DFL ||
	    chained->before.sa_handler == SIG_IGN)
		return;
	action = chained->before;
	action.sa_handler = quit_on_signal;
	chained->set = sigaction(chained->signal, &action, NULL) == 0;
}

int rzn_quit_watch(void)
{
	if (pipe2(quit.pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	for (size_t i = 0; i < CHAINED_COUNT; i++)
		quit_chain(&quit.chained[i]);
	return 0;
}

void rzn_quit_unwatch(void)
{
	for (size_t i = 0; i < CHAINED_COUNT; i++) {
		if (quit.chained[i].set)
			(void)sigaction(quit.chained[i].signal, &quit.chained[i].before, NULL);
		quit.chained[i].set = false;
	}
	for (size_t i = 0; i < 2; i++) {
		if (quit.pipe[i] >= 0)
			(void)close(quit.pipe[i]);
		quit.pipe[i] = NO_FD;
	}
}

void rzn_quit_tell(void)
{
	quit_send(BYTE_TOLD);
}

enum rzn_quit rzn_quit_wait(int timeout_ms)
{
	struct pollfd waited = {.fd = quit.pipe[0], .events = POLLIN};
	char byte;
	int ready;

	do {
		ready = poll(&waited, 1, timeout_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0 || read(quit.pipe[0], &byte, 1) != 1)
		return RZN_QUIT_NOT;
	return byte == BYTE_SIGNAL ? RZN_QUIT_SIGNAL : RZN_QUIT_TOLD;
}
