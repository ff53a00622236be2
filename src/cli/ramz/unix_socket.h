/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * unix_socket.h: Unix stream sockets, from the client's side. May call the operating
 * system. Says nothing on standard error. Locking: none.
 */
#ifndef RAMZ_CLI_UNIX_SOCKET_H
#define RAMZ_CLI_UNIX_SOCKET_H

#include "base.h"

/* Longest path of a socket, in bytes without its end: what the system's address holds. */
#define RZC_SOCKET_PATH_MAX 107U

/* Connect to the socket at path; wait 2 s at most where its queue is full. Returns a
 * descriptor, or a negative errno (-ENOTSOCK when something else is there, -ENAMETOOLONG,
 * -ETIMEDOUT). */
int rzc_socket_connect(const char *path);

/* Sending and receiving end with EAGAIN after so long; 0: they wait for ever. */
void rzc_socket_bound(int fd, uint64_t seconds);

/* Does anybody listen there? */
bool rzc_socket_is_live(const char *path);

#endif
