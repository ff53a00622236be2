/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.h: questions to the control socket of a served disk: a line, answered by a line
 * with a JSON object.
 *
 * May call the operating system and jansson. Locking: none.
 */
#ifndef RAMZ_CLI_CONTROL_H
#define RAMZ_CLI_CONTROL_H

#include "command.h"

/* An answer is not longer: bytes. */
#define RZC_ANSWER_MAX (1U << 20)

struct rzc_server;

/* A request that a server works on. */
struct rzc_wait {
	const struct rzc_server *server;
	const char *request; /* its line */
	uint64_t start_ns;
	json_t *first; /* for on_wait: NULL at first; json_decref is called at the end */
};

struct rzc_server {
	char path[PATH_MAX];      /* of its control socket */
	uint64_t timeout_seconds; /* of each part of an answer; 0 = it may take for ever */
	bool is_named;            /* the user gave this very path: root may ask anybody's server */
	void (*on_wait)(struct rzc_wait *wait); /* at once and then every second, on a terminal */
	bool is_quiet;                          /* nothing is said of what goes wrong */
};

/* The server that the options mean. Returns 0, or XVM_FAILED after saying that there is none. */
int rzc_server_find(struct rzc_server *server, const struct rzc_options *options);

/*
 * Ask; format gives the request. Nothing is sent before it is proved that the server is this
 * user's or root's: the socket and the process behind it. Returns the answer, in which "ok" is
 * true, for json_decref; or NULL after saying what is wrong and what to do.
 */
json_t *rzc_ask(const struct rzc_server *server, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What these keys lead to, such as "stats.pool.pages"; NULL where there is nothing. */
const json_t *rzc_find(const json_t *object, const char *keys);

/* The whole number that these keys lead to; 0 where there is none. */
uint64_t rzc_count(const json_t *object, const char *keys);

#endif
