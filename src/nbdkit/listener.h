/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * listener.h: the socket file that clients connect to.
 *
 * Owns: the file at its path, between open and close. May call: the system, path.h, nbdkit's
 * error messages. Locking: none; from nbdkit's main thread.
 */
#ifndef RZN_LISTENER_H
#define RZN_LISTENER_H

#include <sys/stat.h>

struct rzn_listener {
	int fd; /* -1 = not open */
	const char *path;
	struct stat file; /* to recognise it again */
};

/* Could the socket be made at path? Returns 0, or -1 after telling nbdkit why: path is too long,
 * or something else or another server is there. */
int rzn_listener_check(const char *path);

/* Listen at path, mode 0600; replaces a dead server's socket. Of two servers that do so at once
 * one gets it. path is absolute and must outlive it. Returns as above. */
int rzn_listener_open(struct rzn_listener *listener, const char *path);

/* Stop, and remove the file if it is still this socket's. Does nothing if it is not open. */
void rzn_listener_close(struct rzn_listener *listener);

#endif
