/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * load.h: what a new database is filled with, and where it is saved.
 *
 * An ordinary database file is read through SQLite, with its locks, its journal and its WAL. A
 * saved file is a store of ramz (ramz/file.h) with the regions of database.h.
 *
 * Owns nothing. May call: SQLite, ramz/file.h. Locking: the list's lock, but for rzs_save.
 * O(bytes). All return result codes of SQLite, and tell its log what is wrong.
 */
#ifndef RZS_LOAD_H
#define RZS_LOAD_H

#include <stdbool.h>

struct ramz_options;
struct ramz_reason;
struct rzs_database;

enum rzs_load_kind {
	RZS_LOAD_NONE, /* a file without bytes */
	RZS_LOAD_ORDINARY,
	RZS_LOAD_SAVED, /* or anything else */
};

int rzs_load_kind(const char *path, enum rzs_load_kind *kind);

/* Open and hold the file of the database, and make the store of it; a new file leaves the store
 * NULL. */
int rzs_load_held(struct rzs_database *db, const struct ramz_options *options);

/* Make the store of the saved file at path. */
int rzs_load_saved(struct rzs_database *db, const char *path, const struct ramz_options *options);

/* Copy the ordinary database at path into this one, which is listed and empty. */
int rzs_load_ordinary(struct rzs_database *db, const char *path);

/* Save to path, or to the held file if path is NULL. On an error *reason says why. */
int rzs_save(struct rzs_database *db, const char *path, struct ramz_reason *reason);

#endif
