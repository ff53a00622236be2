/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_command.h: the commands of the control socket.
 *
 * Owns: their words and answers. May call: ramz, disk.h, stats_json.h. Locking: none, from
 * any thread.
 */
#ifndef RZN_CONTROL_COMMAND_H
#define RZN_CONTROL_COMMAND_H

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include "disk.h"

/* How long a command may take, which decides who does it. */
enum rzn_pace {
	RZN_PACE_NOW,    /* no longer than writing the answer */
	RZN_PACE_PROMPT, /* it looks or sets, but may wait a moment */
	RZN_PACE_SLOW,   /* it works on the whole disk */
};
enum rzn_pace rzn_command_pace(const char *line);

/*
 * Do the command in line (without its line end), and return the answer: a JSON object with "ok",
 * and on failure "error" and "errno". The caller drops the reference. NULL: no memory. stopped,
 * which may be NULL, becomes true when nobody wants the answer any more: a compaction then ends
 * early, other commands go on to their end.
 */
json_t *rzn_command_answer(struct rzn_disk *disk, const char *line, const _Atomic bool *stopped);

/* The same as one line with its end, for free(). NULL: no memory. */
char *rzn_command_text(struct rzn_disk *disk, const char *line, const _Atomic bool *stopped);

#endif
