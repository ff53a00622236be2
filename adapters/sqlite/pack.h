/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pack.h: what was written comes into the form in which it takes least.
 *
 * Pages are written with lz4, which is fast. A thread of each database puts them into the tier of
 * hex_codec.h, with a dictionary that is trained on the database: a second after a write at the
 * earliest, and in at most a fifth of the time.
 *
 * Owns the thread. May call: ramz/tiers.h. Locking: its own; one thread packs at a time.
 * O(pages of the database) for each time.
 */
#ifndef RZS_PACK_H
#define RZS_PACK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rzs_database;

struct rzs_pack {
	pthread_mutex_t turn; /* who packs */
	pthread_mutex_t lock; /* guards stop */
	pthread_cond_t wake;
	pthread_t thread;
	_Atomic bool stop;
	uint64_t trained_pages; /* of the database when a dictionary was last tried */
	uint64_t packed_writes; /* counter of writes when all was packed; UINT64_MAX: never */
};

/* The tier, and the thread. Returns 0 or a negative errno. */
int rzs_pack_start(struct rzs_database *db);
void rzs_pack_stop(struct rzs_database *db);

/* Pack all of the database now. Returns 0 or a negative errno. */
int rzs_pack_all(struct rzs_database *db);

/* Pages that are packed. */
uint64_t rzs_packed_pages(struct rzs_database *db);

#endif
