/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_answer.h: what the commands of the control socket share: their arguments and answers.
 *
 * Owns nothing. May call: jansson, stats_json.h. Locking: none, from any thread.
 */
#ifndef RZN_CONTROL_ANSWER_H
#define RZN_CONTROL_ANSWER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "disk.h"

struct rzn_request {
	const char *arguments;       /* behind the command and a blank, or "" */
	const _Atomic bool *stopped; /* see rzn_command_answer; may be NULL */
};

/* Does nobody want the answer any more? */
bool rzn_request_is_stopped(const struct rzn_request *request);

/* {"ok": true}, to be added to. */
json_t *rzn_answer_ok(void);

/* The same, with held_bytes_before and held_bytes_after, which is asked for now. */
json_t *rzn_answer_held(struct rzn_disk *disk, uint64_t before);

/* error: an errno. */
__attribute__((format(printf, 2, 3))) json_t *rzn_answer_error(int error, const char *format, ...);

uint64_t rzn_held_bytes(struct rzn_disk *disk);

/* A decimal number and nothing else, at most what a JSON integer can hold. */
bool rzn_parse_count(const char *text, uint64_t *count);

enum { RZN_WORD_BYTES = 64 };

/* Take the first word: *arguments is then behind it and its blank. False: it is empty or too long,
 * or nothing stands behind the blank. */
bool rzn_take_word(const char **arguments, char word[RZN_WORD_BYTES]);

#endif
