/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * quit.h: notice that nbdkit must end.
 *
 * nbdkit tells its plugin only when the last client has left. So this listens to the signals that
 * end it, before nbdkit's own handlers, which it then calls.
 *
 * Owns: the handlers of those signals, between watch and unwatch. May call: the system. Locking:
 * watch, wait and unwatch from one thread at a time; tell from any.
 */
#ifndef RZN_QUIT_H
#define RZN_QUIT_H

#include <stdbool.h>

/* What ended a wait. */
enum rzn_quit {
	RZN_QUIT_NOT,    /* the time is over */
	RZN_QUIT_SIGNAL, /* nbdkit got a signal that ends it */
	RZN_QUIT_TOLD,   /* rzn_quit_tell was called */
};

/* After nbdkit has set its handlers. Returns 0 or a negative errno. */
int rzn_quit_watch(void);
void rzn_quit_unwatch(void);

/* End a wait, or the next one. */
void rzn_quit_tell(void);

/* Wait timeout_ms milliseconds, -1 for ever. One signal ends one wait. */
enum rzn_quit rzn_quit_wait(int timeout_ms);

#endif
