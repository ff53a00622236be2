/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control.h: one question to the control socket of a served disk: a line, answered by a
 * line with a JSON object.
 *
 * May call the operating system and jansson; built only with it. Locking: none.
 */
#ifndef RAMZ_CLI_CONTROL_H
#define RAMZ_CLI_CONTROL_H

#include <jansson.h>

#include "base.h"

/* An answer is not longer: bytes. */
#define RZC_CONTROL_ANSWER_MAX (1U << 20)

/* Whom the request may be sent to. */
enum rzc_control_trust {
	RZC_CONTROL_OWN,   /* a server of this user or of root */
	RZC_CONTROL_NAMED, /* the user gave this very path: root may ask anybody's server */
};

/*
 * Send the request (without the end of line) to the socket at path, and read the answer,
 * which is to begin and go on within timeout_ms each (below 0: it may take for ever). Nothing is
 * sent before it is proved whose server listens there: the socket's owner and the process behind
 * it. Returns the object, in which "ok" is true, for json_decref; or NULL after saying what is
 * wrong and what to do.
 */
json_t *rzc_control_ask(const char *path, const char *request, int timeout_ms,
			enum rzc_control_trust trust);

/* The whole number that these keys lead to, such as "stats.pool.pages"; 0 where there is none. */
uint64_t rzc_control_count(const json_t *object, const char *keys);

#endif
