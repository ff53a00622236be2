/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_whole.h: the commands that have the whole store for themselves, and stat, which does not
 * wait for them.
 *
 * Owns: the statistics from before the running one of them. May call: ramz, disk.h, stats_json.h.
 * Locking: its own mutex; one of trim, reset and resize at a time. trim and reset O(pages), resize
 * O(pages behind the new end).
 */
#ifndef RZN_CONTROL_WHOLE_H
#define RZN_CONTROL_WHOLE_H

#include "control_answer.h"

json_t *rzn_command_stat(struct rzn_disk *disk, const struct rzn_request *request);
json_t *rzn_command_trim(struct rzn_disk *disk, const struct rzn_request *request);
json_t *rzn_command_reset(struct rzn_disk *disk, const struct rzn_request *request);
json_t *rzn_command_resize(struct rzn_disk *disk, const struct rzn_request *request);

#endif
