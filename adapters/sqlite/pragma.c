/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pragma.c: PRAGMA ramz_stat, ramz_pack, ramz_limit and ramz_save; README.md says what they do.
 */
#include <string.h>

#include "database.h"
#include "load.h"
#include "size_text.h"
#include "vfs.h"

enum { STAT_COUNT = 10 };

struct stat_value {
	const char *name;
	uint64_t value;
};

static void stat_values(struct rzs_database *db, struct stat_value values[STAT_COUNT])
{
	struct ramz_stats stats;
	uint64_t shm_bytes, limit_bytes;

	ramz_get_stats(db->store, &stats);
	pthread_mutex_lock(&db->lock);
	shm_bytes = rzs_shm_bytes(&db->locks);
	limit_bytes = db->limit_bytes;
	pthread_mutex_unlock(&db->lock);
	memcpy(values,
	       (struct stat_value[STAT_COUNT]){
		       {"held_bytes", stats.held_bytes + shm_bytes + sizeof(*db)},
		       {"stored_bytes", stats.stored_bytes},
		       {"dictionary_bytes", stats.dictionary_bytes},
		       {"shm_bytes", shm_bytes},
		       {"limit_bytes", limit_bytes},
		       {"database_bytes", db->extent[RZS_MAIN].bytes},
		       {"journal_bytes", db->extent[RZS_JOURNAL].bytes},
		       {"wal_bytes", db->extent[RZS_WAL].bytes},
		       {"pages", stats.pages_stored},
		       {"packed_pages", rzs_packed_pages(db)},
	       },
	       STAT_COUNT * sizeof(*values));
}

static int pragma_stat(struct rzs_database *db, const char *name, char **answer)
{
	struct stat_value values[STAT_COUNT];
	sqlite3_str *json = sqlite3_str_new(NULL);

	stat_values(db, values);
	for (int i = 0; i < STAT_COUNT; i++) {
		if (name != NULL && strcmp(name, values[i].name) == 0) {
			sqlite3_free(sqlite3_str_finish(json));
			*answer = sqlite3_mprintf("%llu", (sqlite3_uint64)values[i].value);
			return SQLITE_OK;
		}
		sqlite3_str_appendf(json, "%s\"%s\":%llu", i == 0 ? "{" : ",", values[i].name,
				    (sqlite3_uint64)values[i].value);
	}
	sqlite3_str_appendall(json, "}");
	*answer = sqlite3_str_finish(json);
	if (name == NULL)
		return SQLITE_OK;
	sqlite3_free(*answer);
	*answer = sqlite3_mprintf("ramz_stat: there is no value \"%s\"; PRAGMA ramz_stat alone "
				  "shows all",
				  name);
	return SQLITE_ERROR;
}

static int pragma_pack(struct rzs_database *db, char **answer)
{
	int code = rzs_code(rzs_pack_all(db), SQLITE_IOERR);

	if (code == SQLITE_OK)
		*answer = sqlite3_mprintf("%llu", (sqlite3_uint64)rzs_packed_pages(db));
	else
		*answer = sqlite3_mprintf("ramz_pack: %s; what was packed stays so",
					  sqlite3_errstr(code));
	return code;
}

static int pragma_limit(struct rzs_database *db, const char *text, char **answer)
{
	const char *fault = NULL;
	uint64_t bytes = 0;

	if (text == NULL)
		return pragma_stat(db, "limit_bytes", answer);
	fault = xvt_size_parse(text, ramz_memory_bytes(), &bytes);
	if (fault == NULL)
		fault = rzs_set_limit(db, bytes);
	*answer = fault != NULL ? sqlite3_mprintf("ramz_limit=%s: %s", text, fault)
				: sqlite3_mprintf("%llu", (sqlite3_uint64)bytes);
	return fault != NULL ? SQLITE_ERROR : SQLITE_OK;
}

static int pragma_save(struct rzs_database *db, const char *path, char **answer)
{
	struct ramz_reason reason;
	int code;

	if (path == NULL && db->file == NULL) {
		*answer = sqlite3_mprintf("ramz_save: the database has no file; say where, "
					  "PRAGMA ramz_save='PATH', or open it with file=PATH");
		return SQLITE_ERROR;
	}
	code = rzs_save(db, path, &reason);
	if (code != SQLITE_OK)
		*answer = sqlite3_mprintf("ramz_save: %s: %s", path != NULL ? path : db->file_path,
					  reason.text[0] != 0 ? reason.text : sqlite3_errstr(code));
	return code;
}

int rzs_pragma(struct rzs_database *db, char **arguments)
{
	char **answer = &arguments[0];
	const char *name = arguments[1], *value = arguments[2];

	if (sqlite3_stricmp(name, "ramz_stat") == 0)
		return pragma_stat(db, value, answer);
	if (sqlite3_stricmp(name, "ramz_pack") == 0)
		return pragma_pack(db, answer);
	if (sqlite3_stricmp(name, "ramz_limit") == 0)
		return pragma_limit(db, value, answer);
	if (sqlite3_stricmp(name, "ramz_save") == 0)
		return pragma_save(db, value, answer);
	return SQLITE_NOTFOUND;
}
