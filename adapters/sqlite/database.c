/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * database.c: the list of databases and their lives; see database.h. What is written is in
 * region.c.
 */
#include "database.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "size_text.h"
#include "sqlite_api.h"

static struct rzs_database *list;
static pthread_mutex_t list_mutex;
static pthread_once_t list_once = PTHREAD_ONCE_INIT;

/* Recursive: a database is filled through SQLite, which opens it again. */
static void list_init(void)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&list_mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

void rzs_list_lock(void)
{
	pthread_once(&list_once, list_init);
	pthread_mutex_lock(&list_mutex);
}

void rzs_list_unlock(void)
{
	pthread_mutex_unlock(&list_mutex);
}

struct rzs_database *rzs_find(const char *name)
{
	struct rzs_database *db = list;

	while (db != NULL && strcmp(db->name, name) != 0)
		db = db->next;
	return db;
}

static void list_remove(const struct rzs_database *db)
{
	struct rzs_database **link = &list;

	while (*link != db)
		link = &(*link)->next;
	*link = db->next;
}

/* ---- a database's life ---- */

static void database_free(struct rzs_database *db)
{
	if (db == NULL)
		return;
	ramz_destroy(db->store);
	ramz_file_close(db->file);
	pthread_mutex_destroy(&db->lock);
	free(db->name);
	free(db->file_path);
	free(db->load);
	free(db->limit);
	free(db);
}

/* NULL stays NULL; false: no memory. */
static bool copied(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from == NULL || *to != NULL;
}

static struct rzs_database *database_alloc(const struct rzs_request *request)
{
	struct rzs_database *db = calloc(1, sizeof(*db));

	if (db == NULL)
		return NULL;
	pthread_mutex_init(&db->lock, NULL);
	db->extent[RZS_MAIN].exists = true;
	for (int region = 0; region < RZS_REGIONS; region++)
		db->edge[region].page = UINT64_MAX;
	if (copied(&db->name, request->name) && copied(&db->file_path, request->file) &&
	    copied(&db->load, request->load) && copied(&db->limit, request->limit))
		return db;
	database_free(db);
	return NULL;
}

/* The limit that is asked for, into the options. */
static int request_limit(struct rzs_database *db, const struct rzs_request *request,
			 struct ramz_options *options)
{
	const char *fault = NULL;

	if (request->limit == NULL)
		return SQLITE_OK;
	fault = xvt_size_parse(request->limit, ramz_memory_bytes(), &db->limit_bytes);
	options->hard_limit_bytes = db->limit_bytes;
	if (fault == NULL && ramz_options_check(options, &fault) == 0)
		return SQLITE_OK;
	sqlite3_log(SQLITE_CANTOPEN, "ramz: limit=%s: %s", request->limit, fault);
	return SQLITE_CANTOPEN;
}

/* Without parameters nothing is read, so a file of that name is likely to be meant. */
static int request_check(const struct rzs_request *request)
{
	if (request->load != NULL || request->file != NULL || access(request->name, F_OK) != 0)
		return SQLITE_OK;
	sqlite3_log(SQLITE_CANTOPEN,
		    "ramz: %s: there is a file of this name; give load=PATH to read a database "
		    "from it, or take another name",
		    request->name);
	return SQLITE_CANTOPEN;
}

/* Make the store: of a saved file, or empty. */
static int database_store(struct rzs_database *db, const struct rzs_request *request,
			  enum rzs_load_kind kind, const struct ramz_options *options)
{
	int code = SQLITE_OK;

	if (request->file != NULL)
		code = rzs_load_held(db, options);
	else if (kind == RZS_LOAD_SAVED)
		code = rzs_load_saved(db, request->load, options);
	if (code == SQLITE_OK && db->store == NULL)
		code = rzs_code(ramz_create(&db->store, options), SQLITE_CANTOPEN);
	if (code == SQLITE_OK)
		code = rzs_code(rzs_pack_start(db), SQLITE_CANTOPEN);
	return code;
}

static int database_create(struct rzs_database **out, const struct rzs_request *request)
{
	struct rzs_database *db = NULL;
	enum rzs_load_kind kind = RZS_LOAD_NONE;
	struct ramz_options options;
	int code = request_check(request);

	ramz_options_init(&options);
	options.size_bytes = RZS_REGIONS * RZS_REGION_BYTES;
	options.page_bytes = RZS_PAGE_BYTES;
	if (code == SQLITE_OK && request->load != NULL)
		code = rzs_load_kind(request->load, &kind);
	if (code == SQLITE_OK && (db = database_alloc(request)) == NULL)
		code = SQLITE_NOMEM;
	if (code == SQLITE_OK)
		code = request_limit(db, request, &options);
	if (code == SQLITE_OK)
		code = database_store(db, request, kind, &options);
	if (code != SQLITE_OK) {
		database_free(db);
		return code;
	}
	db->files = 1;
	db->next = list;
	list = db;
	*out = db;
	/* If file= has a database already, that is it. */
	if (kind == RZS_LOAD_ORDINARY && db->extent[RZS_MAIN].bytes == 0)
		code = rzs_load_ordinary(db, request->load);
	if (code != SQLITE_OK)
		rzs_close(db);
	return code;
}

/* May a connection that gives this parameter share a database that was opened with that one? */
static bool agrees(const struct rzs_database *db, const char *key, const char *given,
		   const char *opened)
{
	if (given == NULL || (opened != NULL && strcmp(given, opened) == 0))
		return true;
	sqlite3_log(SQLITE_CANTOPEN,
		    "ramz: %s: the database is open %s%s=%s; give the same %s= or none", db->name,
		    opened != NULL ? "with " : "without ", key, opened != NULL ? opened : "", key);
	return false;
}

static int database_join(struct rzs_database *db, const struct rzs_request *request)
{
	if (!agrees(db, "file", request->file, db->file_path) ||
	    !agrees(db, "load", request->load, db->load) ||
	    !agrees(db, "limit", request->limit, db->limit))
		return SQLITE_CANTOPEN;
	db->files++;
	return SQLITE_OK;
}

int rzs_open(struct rzs_database **out, const struct rzs_request *request)
{
	struct rzs_database *db;
	int code = SQLITE_CANTOPEN;

	rzs_list_lock();
	db = rzs_find(request->name);
	if (db != NULL)
		code = database_join(db, request);
	else if (request->create)
		code = database_create(&db, request);
	else
		sqlite3_log(code, "ramz: %s: no such database is open, and mode= makes none",
			    request->name);
	if (code == SQLITE_OK)
		*out = db;
	rzs_list_unlock();
	return code;
}

void rzs_close(struct rzs_database *db)
{
	rzs_list_lock();
	if (--db->files == 0) {
		list_remove(db);
		rzs_pack_stop(db);
		database_free(db);
	}
	rzs_list_unlock();
}
