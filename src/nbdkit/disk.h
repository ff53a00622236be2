/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk.h: the disk that all connections share: the store, the provider of its memory, and whether
 * it may still change.
 *
 * Owns: the store and its provider. May call: ramz, disk_file.h, nbdkit's error messages. Locking:
 * rzn_disk_init, rzn_disk_open and rzn_disk_close while nothing else uses the disk; calls about
 * changes from any thread.
 */
#ifndef RZN_DISK_H
#define RZN_DISK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include <ramz/backing.h>

#include "config.h"

/* The state of the disk that a file has: if the disk has another one now, the file is out of
 * date. A reset changes pages_stored, clients change changes. */
struct rzn_state {
	uint64_t changes; /* finished requests that may have changed the contents */
	uint64_t pages_stored;
	uint64_t size_bytes;
	const struct ramz_codec *codec;
	int32_t level;
};

/* Saves to the disk's own file; see disk_file.h. */
struct rzn_saves {
	pthread_mutex_t saving;  /* a save has it, and takes it before lock */
	pthread_mutex_t lock;    /* for all below; held for moments */
	struct rzn_state saved;  /* the state in the file */
	uint64_t count;          /* successful saves since the disk was opened */
	uint64_t failures;       /* failed ones */
	int64_t last_at;         /* seconds since 1970; 0 = none yet */
	struct ramz_reason last; /* why the last save failed; "" = it did not */
};

struct rzn_disk {
	const struct rzn_config *config;
	struct ramz *store;           /* NULL = not open */
	struct xv_provider *provider; /* the highmem provider; NULL = the store's own */
	struct ramz_backing backing;  /* of backing=; its read is NULL when it is not open */
	struct ramz_file *file;       /* held; NULL = not named, or not held yet */
	struct rzn_saves saves;
	uint64_t page_bytes;            /* constant while open; a command changes the size */
	struct timespec opened;         /* CLOCK_MONOTONIC */
	_Atomic uint64_t changes_begun; /* see rzn_disk_change_begin */
	_Atomic uint64_t changes_ended;
	_Atomic bool frozen;
	pthread_mutex_t coming;   /* a connection that begins has it for a moment */
	_Atomic unsigned clients; /* connections now */
	_Atomic int64_t
		full_said_at; /* second of the last message about the hard limit; 0 = none */
	_Atomic int64_t soft_said_at; /* the same for the soft limit */
};

/* A disk without a store and without a file. config must outlive it. */
void rzn_disk_init(struct rzn_disk *disk, const struct rzn_config *config);

/* Make the store, or load it from the held file (rzn_file_hold) if that has contents. Returns 0,
 * or -1 after telling nbdkit why, without a store. O(1), or O(the file). */
int rzn_disk_open(struct rzn_disk *disk);

/* Destroy the store without a save; the file stays held. Does nothing if the disk is not open. */
void rzn_disk_close(struct rzn_disk *disk);

/* A connection begins, and ends. */
void rzn_disk_client_begin(struct rzn_disk *disk);
void rzn_disk_client_end(struct rzn_disk *disk);

/* Make new connections wait until the unlock: a change that no client may see can be made if there
 * is none. Returns the number of connections. */
unsigned rzn_disk_lock_clients(struct rzn_disk *disk);
void rzn_disk_unlock_clients(struct rzn_disk *disk);

/* Every change of the contents goes between these two. False: the disk is frozen and must not
 * change. Neither waits. */
bool rzn_disk_change_begin(struct rzn_disk *disk);
void rzn_disk_change_end(struct rzn_disk *disk);

/* Refuse changes from now on, and wait for running ones: a save after this has all that clients
 * were told is written. */
void rzn_disk_freeze(struct rzn_disk *disk);

/* Is it time to repeat a message that every request would repeat? From any thread. */
bool rzn_now_and_then(_Atomic int64_t *said_at);

#endif
