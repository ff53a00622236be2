/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * vfs.h: the VFS "ramz", and the pragmas of its databases.
 *
 * Owns the registration. May call: everything of the adapter. Locking: see database.h.
 */
#ifndef RZS_VFS_H
#define RZS_VFS_H

#include <xvmalloc/base.h>

#include "sqlite_api.h"

struct rzs_database;

/* The VFS that was the default when this one was registered: for all files but databases, their
 * journals and WALs. */
extern sqlite3_vfs *rzs_system;

/* A pragma of the database: SQLITE_NOTFOUND if it is none of ours. As SQLITE_FCNTL_PRAGMA, which
 * also says what the parts of `arguments` are. */
int rzs_pragma(struct rzs_database *db, char **arguments);

/* What SQLite calls when it loads the extension. */
XV_API int sqlite3_ramzvfs_init(sqlite3 *connection, char **error, const sqlite3_api_routines *api);

#endif
