/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk.h: the disk that all connections share: the store, where its memory comes from, and
 * whether it still may be changed.
 *
 * Owns: the store and its provider. May call: ramz, disk_file.h, nbdkit's error messages.
 * Locking: rzn_disk_init, rzn_disk_open and rzn_disk_close while nothing else uses the disk; what
 * is about changes from any thread.
 */
#ifndef RZN_DISK_H
#define RZN_DISK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "config.h"

/* What a saved file has of the disk: a file is out of date when this is another one now. A reset
 * shows in pages_stored, all else that clients do in changes. */
struct rzn_state {
	uint64_t changes; /* requests that may have changed the contents, and have ended */
	uint64_t pages_stored;
	uint64_t size_bytes;
	const struct ramz_codec *codec;
	int32_t level;
};

/* Saves to the disk's own file; see disk_file.h. */
struct rzn_saves {
	pthread_mutex_t saving;  /* held by a save, and before lock */
	pthread_mutex_t lock;    /* of all that follows; held for moments */
	struct rzn_state saved;  /* what the file has */
	uint64_t count;          /* since the disk was opened: those that succeeded, */
	uint64_t failures;       /* and those that did not */
	int64_t last_at;         /* seconds since 1970; 0: there was none */
	struct ramz_reason last; /* why the last one failed; "": it did not */
};

struct rzn_disk {
	const struct rzn_config *config;
	struct ramz *store;           /* NULL: not open */
	struct xv_provider *provider; /* highmem's; NULL: the store's own */
	struct ramz_file *file;       /* held; NULL: none was named, or not held yet */
	struct rzn_saves saves;
	uint64_t size_bytes; /* constant while open */
	uint64_t page_bytes;
	struct timespec opened;         /* CLOCK_MONOTONIC */
	_Atomic uint64_t changes_begun; /* see rzn_disk_change_begin */
	_Atomic uint64_t changes_ended;
	_Atomic bool frozen;
	_Atomic unsigned clients;     /* connections there are now */
	_Atomic int64_t full_said_at; /* second in which the hard limit was last told; 0 never */
	_Atomic int64_t soft_said_at; /* the same of the soft one */
};

/* A disk without a store and without a file. config must outlive it. */
void rzn_disk_init(struct rzn_disk *disk, const struct rzn_config *config);

/*
 * Make the store, or load it from the file that is held (rzn_file_hold) where it has contents.
 * Returns 0; or -1, nbdkit has been told why, and there is no store. O(1), or O(the file).
 */
int rzn_disk_open(struct rzn_disk *disk);

/* End the store without saving; the file stays held. A disk that is not open is allowed. */
void rzn_disk_close(struct rzn_disk *disk);

/*
 * Whatever changes the contents does so between these two. False: the disk is frozen, and
 * nothing may be changed. Neither waits.
 */
bool rzn_disk_change_begin(struct rzn_disk *disk);
void rzn_disk_change_end(struct rzn_disk *disk);

/* Refuse changes from now on, and wait for those under way: what is saved after this is all that
 * a client was told is written. */
void rzn_disk_freeze(struct rzn_disk *disk);

/* Is it time to say again what would otherwise be said at every request? From any thread. */
bool rzn_now_and_then(_Atomic int64_t *said_at);

#endif
