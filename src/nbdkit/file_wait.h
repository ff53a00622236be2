/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_wait.h: a server takes over a file from one that is ending.
 *
 * A server that is ending takes a second lock on its file, which keeps nobody out. A server that
 * finds the file held and sees that lock waits for the last save; otherwise it does not wait.
 *
 * Owns nothing. May call: ramz, the file system. Locking: none; from one thread at a time.
 */
#ifndef RZN_FILE_WAIT_H
#define RZN_FILE_WAIT_H

#include <ramz/ramz.h>

/* ramz_file_open, in the foreground. Waits for a server that is ending up to
 * RZN_FILE_WAIT_SECONDS, and says so on standard error; for any other half a second, as it may be
 * about to end. *reason says why it failed, and what to do. */
#define RZN_FILE_WAIT_SECONDS 300
int rzn_file_wait(struct ramz_file **out, const char *path, struct ramz_reason *reason);

/* Mark this server, which holds the file at path, as ending. Lasts as long as the process.
 * Without such locks in the system nobody waits. */
void rzn_file_say_ending(const char *path);

#endif
