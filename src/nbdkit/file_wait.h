/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_wait.h: a server that takes over a file from one that is ending.
 *
 * A server that has begun to end says so by a second lock on its file, which keeps nobody away.
 * Who finds the file held and sees that lock waits for the last save; else it does not.
 *
 * Owns nothing. May call: ramz, the file system. Locking: none; from one thread at a time.
 */
#ifndef RZN_FILE_WAIT_H
#define RZN_FILE_WAIT_H

#include <ramz/ramz.h>

/*
 * ramz_file_open, in the foreground: a server that is ending is waited for, up to
 * RZN_FILE_WAIT_SECONDS and with a line on standard error that says so; any other for half a
 * second, as it may be about to say that it ends. *reason says why it failed, and what to do.
 */
#define RZN_FILE_WAIT_SECONDS 300
int rzn_file_wait(struct ramz_file **out, const char *path, struct ramz_reason *reason);

/* This server, which holds the file at path, is ending. Lasts as long as the process. Where the
 * system has no such locks nobody waits. */
void rzn_file_say_ending(const char *path);

#endif
