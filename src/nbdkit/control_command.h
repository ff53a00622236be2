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

#include <jansson.h>

#include "disk.h"

/*
 * Do what line says (without its line end), and return the answer: a JSON object with "ok",
 * and where it is false "error" and "errno". The caller drops the reference. NULL: no memory.
 */
json_t *rzn_command_answer(struct rzn_disk *disk, const char *line);

#endif
