/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_client.h: one client of the control socket: a line in, a line out, and a deadline for
 * each. No call here waits.
 *
 * A client goes through four states in this order:
 *
 *   FREE      there is no client
 *   READING   its line comes, until until_ms
 *   WAITING   for a worker, without a deadline
 *   SENDING   its answer goes, until until_ms
 *
 * Owns: the connection, and the answer. May call: the system. Locking: none; one thread.
 */
#ifndef RZN_CONTROL_CLIENT_H
#define RZN_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control_worker.h"

/* A line holds a path. A client has this long to send it, and again to take the answer. */
enum { RZN_LINE_BYTES = 8192, RZN_CLIENT_MS = 10000 };

enum rzn_client_state {
	RZN_CLIENT_FREE,
	RZN_CLIENT_READING,
	RZN_CLIENT_WAITING,
	RZN_CLIENT_SENDING
};

struct rzn_client {
	enum rzn_client_state state;
	int fd;                    /* -1: the client went away while WAITING */
	int64_t until_ms;          /* READING and SENDING */
	int64_t moved_ms;          /* when a byte last came or went, or the client came */
	struct rzn_worker *worker; /* WAITING: the worker with the job */
	struct rzn_job job;
	const char *answer;
	char *answer_memory; /* the answer, for free(); NULL: it is static */
	size_t answer_bytes, sent_bytes;
	size_t line_bytes;
	char line[RZN_LINE_BYTES];
};

/* A client has come. fd does not block, and belongs to the client. */
void rzn_client_begin(struct rzn_client *client, int fd, int64_t now_ms);

/* What has come. GOOD: client->line is a command. GONE: nothing more can come or be answered. */
enum rzn_client_line { RZN_LINE_MORE, RZN_LINE_GOOD, RZN_LINE_BAD, RZN_LINE_GONE };
enum rzn_client_line rzn_client_read(struct rzn_client *client, int64_t now_ms);

/* Begin to send a static text, or one for free(), for which NULL means no memory. */
void rzn_client_say(struct rzn_client *client, const char *text, int64_t now_ms);
void rzn_client_answer(struct rzn_client *client, char *text, int64_t now_ms);

/* Send what the client takes. True: it has all of it, or never will. */
bool rzn_client_send(struct rzn_client *client, int64_t now_ms);

/* Close the connection and free everything of the client. */
void rzn_client_end(struct rzn_client *client);

#endif
