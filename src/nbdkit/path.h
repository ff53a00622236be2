/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * path.h: what is to be written at the end must be found out at the beginning.
 *
 * Owns nothing. May call: the file system, nbdkit's error messages. Locking: none.
 */
#ifndef RZN_PATH_H
#define RZN_PATH_H

#include <stdbool.h>

/*
 * Can a file be made in the directory of path, and is path not a directory itself? path is
 * absolute, or NULL for none. Returns 0; or -1, and nbdkit has been told why, with the
 * parameter's name, key.
 */
int rzn_path_check(const char *key, const char *path);

/* Do two absolute paths lead to one file, or would they, were it there? */
bool rzn_path_is_same(const char *a, const char *b);

/* The directory alone, as for a socket. Returns as above. */
int rzn_path_check_directory(const char *key, const char *path);

#endif
