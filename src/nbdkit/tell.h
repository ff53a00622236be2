/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tell.h: messages that do not wait.
 *
 * Owns nothing. May call: nbdkit's error messages. Locking: any thread. O(length), and at most
 * RZN_TELL_MS.
 */
#ifndef RZN_TELL_H
#define RZN_TELL_H

/* The log may be a pipe that nobody reads: what does not fit in this time is dropped. */
enum { RZN_TELL_MS = 200 };

/* As nbdkit_error, for messages inside a request or a save, which must not wait for the log. */
void rzn_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
