/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * unix_socket.h: Unix stream sockets, from the client's side. May call the operating
 * system. Says nothing on standard error. Locking: none.
 */
#ifndef RAMZ_CLI_UNIX_SOCKET_H
#define RAMZ_CLI_UNIX_SOCKET_H

#include <sys/types.h>

#include "base.h"

/* Longest path of a socket, in bytes without its end: what the system's address holds. */
#define RZC_SOCKET_PATH_MAX 107U

/* How long connecting may wait for a server whose queue is full, ms. */
#define RZC_SOCKET_CONNECT_MS 2000

/* Connect to the socket at path. Returns a descriptor, or a negative errno (-ENOTSOCK when
 * something else is there, -ENAMETOOLONG). */
int rzc_socket_connect(const char *path);

/* The users to whom the socket at path and the process that listens belong, of a connection to
 * it. Returns 0 or a negative errno. */
int rzc_socket_owners(int fd, const char *path, uid_t owner[2]);

/* Does anybody listen there? */
bool rzc_socket_is_live(const char *path);

/* Send all bytes. Returns 0 or a negative errno. */
int rzc_socket_send(int fd, const void *data, size_t bytes, int timeout_ms);

/* Wait until something can be read. Returns 0, -ETIMEDOUT (timeout_ms 0 or more; below 0 it
 * waits for ever), or another negative errno. */
int rzc_socket_wait(int fd, int timeout_ms);

#endif
