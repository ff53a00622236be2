/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats_file.h: the statistics written at the end.
 *
 * Owns nothing. May call: ramz, stats_json.h, nbdkit's error messages. Locking: none; from one
 * thread at a time.
 */
#ifndef RZN_STATS_FILE_H
#define RZN_STATS_FILE_H

#include "disk.h"

/* Write the document of `stat` to path, by the rules of a saved file (ramz_replace_file). Returns
 * 0, or -1 after telling nbdkit why. */
int rzn_stats_write(struct rzn_disk *disk, const char *path);

#endif
