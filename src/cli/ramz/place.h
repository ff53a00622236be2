/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * place.h: where the sockets of served disks are.
 *
 * A served disk has a name, and three files in a directory that only its user can enter:
 * NAME.nbd, the disk's socket; NAME.ctl, the control socket; NAME.pid, its process. The
 * directory is the first of these that applies; clients look in all of them.
 *
 *   $XDG_RUNTIME_DIR/ramz   where the variable is an absolute path
 *   /run/ramz               for root
 *   /tmp/ramz-UID           for others
 *
 * May call the operating system. Locking: none. O(entries of the directories).
 */
#ifndef RAMZ_CLI_PLACE_H
#define RAMZ_CLI_PLACE_H

#include <limits.h>

#include "base.h"

#define RZC_PLACE_DIRECTORIES 2U
#define RZC_PLACE_NAME_MAX 32U

#define RZC_PLACE_DISK ".nbd"
#define RZC_PLACE_CONTROL ".ctl"
#define RZC_PLACE_PROCESS ".pid"

/* Beside a socket in a directory of many, where PATH.pid may be another program's. */
#define RZC_PLACE_PROCESS_BESIDE ".ramz.pid"

struct rzc_place {
	char directory[RZC_PLACE_DIRECTORIES][PATH_MAX];
	size_t count;
};

/* The directories, whether they are there or not. */
void rzc_place_init(struct rzc_place *place);

/* A name is 1 to 32 letters, digits, '_', '-' and '.', and begins with none of the last
 * two. Returns 0, or XVM_FAILED after saying so. */
int rzc_place_check_name(const char *name);

/* Make the first directory where it is not there, and prove that it is the user's own.
 * Returns 0, or XVM_FAILED after saying why not. */
int rzc_place_make(const struct rzc_place *place);

/* DIRECTORY/NAME with the suffix. Returns 0, or XVM_FAILED after saying that it is too
 * long. */
int rzc_place_path(char path[PATH_MAX], const char *directory, const char *name,
		   const char *suffix);

/*
 * The control socket of the disk that is served: of this name, or with NULL the only one; of
 * several, those that nobody serves any more do not count. Looked for in the directories of the
 * user's own alone. Returns 0, or XVM_FAILED after saying that there is none or several, or which
 * directory is not the user's own.
 */
int rzc_place_find(char path[PATH_MAX], const char *name);

/* Tell `found` of each disk with a control socket in those directories, in the order of their
 * names; its server may have been killed. */
void rzc_place_each(void (*found)(void *into, const char *name, const char *path), void *into);

/* An absolute form of path. Returns 0, or XVM_FAILED after saying why there is none. */
int rzc_place_absolute(char absolute[PATH_MAX], const char *path);

#endif
