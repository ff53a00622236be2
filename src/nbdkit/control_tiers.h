/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_tiers.h: the commands about pages that nobody uses: idle, recompress, writeback, backing.
 *
 * Owns nothing. May call: ramz, tiers.h, stats_json.h. Locking: none; idle from any thread, the
 * others one at a time. O(pages).
 */
#ifndef RZN_CONTROL_TIERS_H
#define RZN_CONTROL_TIERS_H

#include "control_answer.h"

json_t *rzn_command_idle(struct rzn_disk *disk, const struct rzn_request *request);
json_t *rzn_command_recompress(struct rzn_disk *disk, const struct rzn_request *request);
json_t *rzn_command_writeback(struct rzn_disk *disk, const struct rzn_request *request);
json_t *rzn_command_backing(struct rzn_disk *disk, const struct rzn_request *request);

#endif
