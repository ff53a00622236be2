/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * database.h: a database of this process: one store with its pages, its journal and its WAL.
 *
 * The store has a region for each of the three. One store has one limit, one dictionary and one
 * moment: a saved file has database and journal as they were together, so that SQLite finds in it
 * what a stopped machine would have left on a disk.
 *
 *   1. The length of a region is where its last write ended, or what it was truncated to. What is
 *      behind it reads as zeros and holds nothing.
 *   2. SQLite writes journal and WAL in small parts, and puts most of them behind the last one.
 *      The page that is being filled, the edge, is kept as it is until another page is written.
 *   3. Pages of the database are written only when the edges are in the store. So in a saved file
 *      a page of the database is never newer than the journal that belongs to it.
 *   4. The limit does not apply while a transaction is rolled back: what it brings back had room
 *      before.
 *
 * Owns: the databases of the process, found by name. May call: ramz, SQLite's files (locks.h,
 * pack.h, load.h). Locking: rzs_list_lock guards the list, and is held while a database is made
 * and filled; `lock` of a database guards its edges and locks. The list's lock comes first.
 */
#ifndef RZS_DATABASE_H
#define RZS_DATABASE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <ramz/ramz.h>

#include "locks.h"
#include "pack.h"

enum rzs_region {
	RZS_MAIN,
	RZS_JOURNAL,
	RZS_WAL,
	RZS_REGIONS,
};

/* Most bytes of a region. */
#define RZS_REGION_BYTES (UINT64_C(1) << 38)

/* Of the store, whatever SQLite's page is: README.md says why. */
enum { RZS_PAGE_BYTES = 4096 };

struct rzs_edge {
	uint64_t page; /* of the store; UINT64_MAX = none */
	bool dirty;    /* not in the store yet */
	unsigned char bytes[RZS_PAGE_BYTES];
};

struct rzs_extent {
	_Atomic uint64_t bytes;
	_Atomic bool exists; /* as a file; RZS_MAIN always does */
};

struct rzs_database {
	struct rzs_database *next;
	char *name;      /* what SQLite made of the name given: a whole path */
	char *file_path; /* parameter file=; NULL = none */
	char *load;      /* the others it was opened with; NULL = none */
	char *limit;
	uint32_t files;  /* of SQLite, open on it */

	struct ramz *store;
	struct ramz_file *file; /* held; NULL = none */
	struct rzs_pack pack;

	pthread_mutex_t lock;
	struct rzs_extent extent[RZS_REGIONS];
	struct rzs_edge edge[RZS_REGIONS]; /* of RZS_MAIN: unused */
	_Atomic bool edges_dirty;
	_Atomic bool unlimited; /* a rollback runs: rule 4 */
	uint64_t limit_bytes;   /* 0 = none */
	struct rzs_locks locks;
};

/* What the parameters of a name ask for; NULL = not given. */
struct rzs_request {
	const char *name;
	const char *load;
	const char *file;
	const char *limit;
	bool create;
};

void rzs_list_lock(void);
void rzs_list_unlock(void);

/* The database of this name, or NULL. With the list's lock. O(databases). */
struct rzs_database *rzs_find(const char *name);

/* Find the database, or make it, and count a file on it; end with rzs_close. Returns a result code
 * of SQLite; what is wrong goes to SQLite's log. */
int rzs_open(struct rzs_database **out, const struct rzs_request *request);

/* Count one file less; the last one ends the database. */
void rzs_close(struct rzs_database *db);

/* ---- bytes of a region: result codes of SQLite ---- */

int rzs_read(struct rzs_database *db, enum rzs_region region, void *dst, size_t bytes,
	     uint64_t offset);
int rzs_write(struct rzs_database *db, enum rzs_region region, const void *src, size_t bytes,
	      uint64_t offset);
int rzs_truncate(struct rzs_database *db, enum rzs_region region, uint64_t bytes);

/* Put the edges into the store. */
int rzs_flush(struct rzs_database *db);

/* Journal or WAL comes to be, or goes. */
void rzs_make(struct rzs_database *db, enum rzs_region region);
void rzs_remove(struct rzs_database *db, enum rzs_region region);

/* Set the limit on held bytes; 0 = none. Returns NULL, or what is wrong (static storage). */
const char *rzs_set_limit(struct rzs_database *db, uint64_t limit_bytes);

/* The result code for an error of ramz; `io` for those that have no code of their own. */
int rzs_code(int err, int io);

/* The lengths of the regions of a store that was loaded: to the end of their last page. */
int rzs_measure(struct rzs_database *db);

#endif
