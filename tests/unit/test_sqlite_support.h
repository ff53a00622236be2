/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_sqlite_support.h: SQLite with the VFS "ramz" in it, for the tests of adapters/sqlite.
 *
 * Owns the last line of SQLite's log. May call: SQLite, CMocka. Locking: none. O(1).
 */
#ifndef TEST_SQLITE_SUPPORT_H
#define TEST_SQLITE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "test_random.h"
#include "vfs.h"

#define UNUSED __attribute__((unused))

static _Thread_local char sqlite_log[512];

static void log_keep(void *context, int code, const char *text)
{
	(void)context;
	if (code != SQLITE_NOTICE && (code & 0xff) != SQLITE_NOTICE)
		(void)snprintf(sqlite_log, sizeof(sqlite_log), "%s", text);
}

/* For cmocka_run_group_tests: register the VFS. */
static UNUSED int vfs_setup(void **state)
{
	sqlite3 *any;
	char *error = NULL;

	(void)state;
	sqlite3_config(SQLITE_CONFIG_LOG, log_keep, NULL);
	sqlite3_config(SQLITE_CONFIG_URI, 1);
	assert_int_equal(sqlite3_open(":memory:", &any), SQLITE_OK);
	assert_int_equal(sqlite3_ramzvfs_init(any, &error, NULL), SQLITE_OK_LOAD_PERMANENTLY);
	assert_int_equal(sqlite3_ramzvfs_init(any, &error, NULL), SQLITE_OK_LOAD_PERMANENTLY);
	sqlite3_close(any);
	return 0;
}

/* The result code of an open; the connection is closed if it fails. */
static int try_open(sqlite3 **db, const char *uri)
{
	int code = sqlite3_open(uri, db);

	if (code == SQLITE_OK)
		return code;
	code = sqlite3_extended_errcode(*db);
	sqlite3_close(*db);
	*db = NULL;
	return code;
}

static UNUSED sqlite3 *open_db(const char *uri)
{
	sqlite3 *db;
	int code = try_open(&db, uri);

	if (code != SQLITE_OK)
		fail_msg("%s: %s (%s)", uri, sqlite3_errstr(code), sqlite_log);
	return db;
}

/* The primary result code of statements. */
static UNUSED int try_sql(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) & 0xff;
}

static UNUSED void run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s (%d)", sql, sqlite3_errmsg(db), sqlite3_extended_errcode(db));
}

/* The first column of the first row; "" without a row. Until the next call of the thread. */
static UNUSED const char *text_of(sqlite3 *db, const char *sql)
{
	static _Thread_local char text[1024];
	sqlite3_stmt *statement;

	text[0] = 0;
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(statement) == SQLITE_ROW)
		(void)snprintf(text, sizeof(text), "%s",
			       (const char *)sqlite3_column_text(statement, 0));
	if (sqlite3_finalize(statement) != SQLITE_OK)
		fail_msg("%s: %s (%d)", sql, sqlite3_errmsg(db), sqlite3_extended_errcode(db));
	return text;
}

static UNUSED int64_t number_of(sqlite3 *db, const char *sql)
{
	return strtoll(text_of(db, sql), NULL, 10);
}

static UNUSED void check_integrity(sqlite3 *db)
{
	assert_string_equal(text_of(db, "PRAGMA integrity_check"), "ok");
}

/* A path that is in nobody's way. */
static UNUSED const char *temporary_path(char path[64], const char *name)
{
	(void)snprintf(path, 64, "/tmp/test_sqlite.%ld.%s", (long)getpid(), name);
	(void)remove(path);
	return path;
}

#endif
