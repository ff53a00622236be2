/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk.h: the disk that all connections share: the store, and where its memory comes from.
 *
 * Owns: the store and its provider. May call: ramz, disk_file.h, nbdkit's error messages.
 * Locking: rzn_disk_open and rzn_disk_close while nothing else uses the disk.
 */
#ifndef RZN_DISK_H
#define RZN_DISK_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "config.h"

/* A file as it was when it was last looked at. */
struct rzn_file_mark {
	bool there;
	dev_t device;
	ino_t inode;
	off_t bytes;
	struct timespec changed;
};

struct rzn_disk {
	const struct rzn_config *config;
	struct ramz *store;           /* NULL: not open */
	struct xv_provider *provider; /* highmem's; NULL: the store's own */
	uint64_t size_bytes;          /* constant while open */
	uint64_t page_bytes;
	struct timespec opened;       /* CLOCK_MONOTONIC */
	struct rzn_file_mark file;    /* see disk_file.c */
	uint64_t changes_loaded;      /* the same */
	_Atomic unsigned clients;     /* connections there are now */
	_Atomic int64_t full_said_at; /* second in which the hard limit was last told; 0 never */
	_Atomic int64_t soft_said_at; /* the same of the soft one */
};

/*
 * Make the store, or load it from the file where there is one. Returns 0; or -1, nbdkit has
 * been told why, and there is none. O(1), or O(the file).
 */
int rzn_disk_open(struct rzn_disk *disk, const struct rzn_config *config);

/* End it without saving. A disk that is not open is allowed. */
void rzn_disk_close(struct rzn_disk *disk);

/* Is it time to say again what would otherwise be said at every request? From any thread. */
bool rzn_now_and_then(_Atomic int64_t *said_at);

#endif
