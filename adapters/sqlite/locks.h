/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * locks.h: SQLite's locks on a database file, and its shared memory beside a WAL, for the
 * connections of one process.
 *
 * The five lock levels, their order and what excludes what are those of SQLite's "File Locking And
 * Concurrency"; the slots of shared memory those of its WAL-index.
 *
 * Owns the shared memory. Locking: the caller holds the database's lock, but for rzs_shm_barrier.
 * O(1); rzs_shm_map O(regions) when there is a new one.
 */
#ifndef RZS_LOCKS_H
#define RZS_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

enum { RZS_SHM_SLOTS = 8 }; /* SQLITE_SHM_NLOCK */

/* Of all files on a database. */
struct rzs_locks {
	int level;      /* highest that a file has */
	uint32_t files; /* that have a level above none */

	uint32_t shm_files; /* that use shared memory; it ends with the last one */
	uint32_t regions;
	uint32_t region_bytes;
	void **region;
	int32_t slot[RZS_SHM_SLOTS]; /* files that share it; -1: one has it alone */
};

/* Of one file. */
struct rzs_lock_state {
	int level;
	bool uses_shm;
	uint16_t shared; /* slots, a bit each */
	uint16_t alone;
};

/* Raise or lower a file's lock: result codes of SQLite. */
int rzs_lock(struct rzs_locks *locks, struct rzs_lock_state *mine, int level);
void rzs_unlock(struct rzs_locks *locks, struct rzs_lock_state *mine, int level);

int rzs_shm_map(struct rzs_locks *locks, struct rzs_lock_state *mine, int region, int bytes,
		bool extend, void volatile **out);
int rzs_shm_lock(struct rzs_locks *locks, struct rzs_lock_state *mine, int first, int count,
		 int flags);
void rzs_shm_unmap(struct rzs_locks *locks, struct rzs_lock_state *mine);

/* Bytes of shared memory. */
uint64_t rzs_shm_bytes(const struct rzs_locks *locks);

#endif
