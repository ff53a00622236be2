/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve.h: the parts of ramz serve, which runs nbdkit with the plugin of the page store.
 * Locking: none, one thread; another process may serve at the same time.
 */
#ifndef RAMZ_CLI_SERVE_H
#define RAMZ_CLI_SERVE_H

#include <sys/types.h>

#include "command.h"
#include "place.h"

#define RZC_SERVE_NAME "ramz" /* unless another is given */
#define RZC_SERVE_KEY_NAME_BYTES 256U

struct rzc_serve {
	const struct rzc_options *options;
	const char *name; /* of the disk, or its socket as given */

	/* See rzc_serve_place. */
	char disk_path[PATH_MAX]; /* the disk's socket; "" with a port */
	char control_path[PATH_MAX];
	char process_path[PATH_MAX]; /* see rzc_serve_lock */
	int lock_fd;                 /* of that file; -1 = not held by this process */
	char plugin_path[PATH_MAX];  /* or a name that nbdkit knows */

	/* See rzc_serve_key; "" = everybody who reaches it may use the disk. */
	char key_path[PATH_MAX];
	char key_name[RZC_SERVE_KEY_NAME_BYTES]; /* whose key is the first of the file */
};

/*
 * Decide on the paths, make the directory, prove that nobody serves there and see that nobody can
 * begin to, and remove what a server left behind that was killed. Returns 0, or XVM_FAILED after
 * saying why not. In the end, however that comes, call rzc_serve_unlock or become nbdkit.
 */
int rzc_serve_place(struct rzc_serve *serve);

/*
 * Take the lock of process_path, which is made where it is not there, and put this process's
 * number into it. Programs that are run inherit the lock. A file that may be another's is left
 * alone; in a private directory none is. Returns 0; 1 when a server has it; or XVM_FAILED after
 * saying why not.
 */
int rzc_serve_lock(struct rzc_serve *serve, bool is_private);

/* Nobody serves: let go of the lock, and remove the file if it names this process. Not held is
 * allowed. */
void rzc_serve_unlock(struct rzc_serve *serve);

/* nbdkit has it: keep it no longer. */
void rzc_serve_leave(struct rzc_serve *serve);

/* Has a server the lock of the file at path? *process is then its number, or 0 where it is not
 * there yet. */
bool rzc_serve_is_held(const char *path, pid_t *process);

/* Look at the file of keys, if one is given: not everybody can read it, and each line is a name
 * and a key. Returns 0, or XVM_FAILED after saying what is wrong. */
int rzc_serve_key(struct rzc_serve *serve);

/* Print how the disk is used; process serves it. */
void rzc_serve_tell(const struct rzc_serve *serve, pid_t process);

/* text as one word of a shell's command line, in quotes where it needs them. */
void rzc_serve_quote(char *word, size_t room, const char *text);

/* text in a URI: everything but letters, digits and "-._~/" as %XX. */
void rzc_serve_percent(char *word, size_t room, const char *text);

#endif
