/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * load.c: databases from files and to files; see load.h.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "database.h"
#include "hex_codec.h"
#include "sqlite_api.h"
#include "vfs.h"

static const struct ramz_codec *const codecs[] = {&rzs_hex_codec};

static int load_fail(int code, const char *parameter, const char *path, const char *text)
{
	sqlite3_log(code, "ramz: %s=%s: %s", parameter, path, text);
	return code;
}

int rzs_load_kind(const char *path, enum rzs_load_kind *kind)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof(magic)];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got;

	if (fd < 0)
		return load_fail(SQLITE_CANTOPEN, "load", path, strerror(errno));
	got = read(fd, head, sizeof(head));
	close(fd);
	if (got < 0)
		return load_fail(SQLITE_CANTOPEN, "load", path, strerror(errno));
	*kind = got == 0                                                         ? RZS_LOAD_NONE
		: got == sizeof(head) && memcmp(head, magic, sizeof(magic)) == 0 ? RZS_LOAD_ORDINARY
										 : RZS_LOAD_SAVED;
	return SQLITE_OK;
}

/* ---- saved files ---- */

static int load_code(int err)
{
	return err == -XV_EBUSY     ? SQLITE_BUSY
	       : err == -XV_EBADMSG ? SQLITE_NOTADB
				    : rzs_code(err, SQLITE_CANTOPEN);
}

/* Is the store that was loaded one of a database? */
static int load_check(struct rzs_database *db, const char *parameter, const char *path)
{
	if (ramz_size_bytes(db->store) != RZS_REGIONS * RZS_REGION_BYTES)
		return load_fail(SQLITE_NOTADB, parameter, path,
				 "it is a saved store, but of no database; give a file that PRAGMA "
				 "ramz_save wrote");
	return rzs_code(rzs_measure(db), SQLITE_IOERR);
}

int rzs_load_held(struct rzs_database *db, const struct ramz_options *options)
{
	struct ramz_reason reason = {.text = ""};
	struct ramz_file_info info;
	enum rzs_load_kind kind = RZS_LOAD_NONE;
	int err;

	if (access(db->file_path, F_OK) == 0 && rzs_load_kind(db->file_path, &kind) == SQLITE_OK &&
	    kind == RZS_LOAD_ORDINARY)
		return load_fail(SQLITE_NOTADB, "file", db->file_path,
				 "it is an ordinary database; give it as load=, and as file= "
				 "where the compressed one is to be saved");
	err = ramz_file_open(&db->file, db->file_path, 0, &reason);
	if (err != 0)
		return load_fail(load_code(err), "file", db->file_path, reason.text);
	err = ramz_file_info(db->file, &info);
	if (err == 0 && info.is_empty)
		return SQLITE_OK;
	if (err == 0)
		err = ramz_file_load(&db->store, options, codecs, 1, db->file, &reason);
	if (err != 0)
		return load_fail(load_code(err), "file", db->file_path,
				 reason.text[0] != 0 ? reason.text : strerror(-err));
	return load_check(db, "file", db->file_path);
}

int rzs_load_saved(struct rzs_database *db, const char *path, const struct ramz_options *options)
{
	struct ramz_reason reason;
	int err = ramz_load_file(&db->store, options, codecs, 1, path, &reason);

	if (err != 0)
		return load_fail(load_code(err), "load", path, reason.text);
	return load_check(db, "load", path);
}

/* An ordinary database is not replaced: its owner would not find it again. */
int rzs_save(struct rzs_database *db, const char *path, struct ramz_reason *reason)
{
	enum rzs_load_kind kind = RZS_LOAD_NONE;
	int code = rzs_flush(db);

	reason->text[0] = 0;
	if (code != SQLITE_OK)
		return code;
	if (path == NULL)
		return load_code(ramz_file_save(db->file, db->store, NULL, reason));
	if (access(path, F_OK) == 0 && rzs_load_kind(path, &kind) == SQLITE_OK &&
	    kind == RZS_LOAD_ORDINARY) {
		(void)snprintf(reason->text, sizeof(reason->text),
			       "it is an ordinary database, which a save does not replace; take "
			       "another path, or VACUUM INTO");
		return SQLITE_CANTOPEN;
	}
	return load_code(ramz_save_file(db->store, path, NULL, reason));
}

/* ---- ordinary databases ---- */

/* Copy in one transaction, which needs no journal: the database is given up if it fails. */
static int ordinary_copy(sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *backup;
	int code = sqlite3_exec(to, "PRAGMA journal_mode=OFF", NULL, NULL, NULL);

	if (code != SQLITE_OK)
		return code;
	backup = sqlite3_backup_init(to, "main", from, "main");
	if (backup == NULL)
		return sqlite3_errcode(to);
	(void)sqlite3_backup_step(backup, -1);
	return sqlite3_backup_finish(backup);
}

/* The database as a URI; NULL: no memory. */
static char *ordinary_uri(const char *name)
{
	sqlite3_str *uri = sqlite3_str_new(NULL);

	sqlite3_str_appendall(uri, "file:");
	for (; *name != 0; name++)
		sqlite3_str_appendf(uri, "%%%02x", (unsigned)(unsigned char)*name);
	sqlite3_str_appendall(uri, "?vfs=ramz");
	return sqlite3_str_finish(uri);
}

int rzs_load_ordinary(struct rzs_database *db, const char *path)
{
	enum { WAIT_MS = 5000 };
	sqlite3 *from = NULL, *to = NULL;
	char *uri = ordinary_uri(db->name);
	int code = uri == NULL ? SQLITE_NOMEM
			       : sqlite3_open_v2(path, &from,
						 SQLITE_OPEN_READONLY | SQLITE_OPEN_PRIVATECACHE,
						 rzs_system->zName);

	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(from, WAIT_MS);
		code = sqlite3_open_v2(
			uri, &to,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_URI, NULL);
	}
	if (code == SQLITE_OK)
		code = ordinary_copy(to, from);
	sqlite3_free(uri);
	if (code != SQLITE_OK)
		load_fail(code, "load", path, sqlite3_errstr(code));
	sqlite3_close(to);
	sqlite3_close(from);
	return code;
}
