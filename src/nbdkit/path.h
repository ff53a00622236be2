/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * path.h: problems of a path are found at the start, not at the end when it is written.
 *
 * Owns nothing. May call: the file system, nbdkit's error messages. Locking: none.
 */
#ifndef RZN_PATH_H
#define RZN_PATH_H

#include <stdbool.h>

/* Can a file be made in the directory of path, and is path itself no directory? path is absolute,
 * or NULL for none. Returns 0, or -1 after telling nbdkit why, with the parameter's name, key. */
int rzn_path_check(const char *key, const char *path);

/* Do two absolute paths lead to one file, or would they if it existed? */
bool rzn_path_is_same(const char *a, const char *b);

/* Checks only the directory, for a socket. Returns as above. */
int rzn_path_check_directory(const char *key, const char *path);

#endif
