/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats_file.h: the statistics written at the end.
 *
 * Owns nothing. May call: stats_json.h, the file system, nbdkit's error messages. Locking:
 * none; from nbdkit's main thread.
 */
#ifndef RZN_STATS_FILE_H
#define RZN_STATS_FILE_H

#include "disk.h"

/*
 * Write the document of `stat` to path, which is replaced when the new file is complete.
 * Returns 0; or -1, and nbdkit has been told why.
 */
int rzn_stats_write(struct rzn_disk *disk, const char *path);

#endif
