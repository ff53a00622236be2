/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * sqlite_api.h: SQLite as an extension sees it: through the table of functions that it is given
 * when it is loaded. Each file includes this and not sqlite3.h.
 */
#ifndef RZS_SQLITE_API_H
#define RZS_SQLITE_API_H

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

#endif
