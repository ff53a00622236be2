/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * vfs.c: the VFS "ramz": databases, journals and WALs are in memory (database.h); temporary files
 * and super-journals are the system's.
 *
 * A super-journal must outlive the process, since databases on a disk depend on it: after a crash,
 * one that is missing would make SQLite keep one half of a transaction.
 */
#include "vfs.h"

#include <string.h>

#include "database.h"
#include "sqlite_api.h"

SQLITE_EXTENSION_INIT1

static const char vfs_name[] = "ramz";

sqlite3_vfs *rzs_system;

struct vfs_file {
	sqlite3_file base; /* first: SQLite's */
	struct rzs_database *db;
	enum rzs_region region;
	struct rzs_lock_state lock;
};

static struct vfs_file *file_of(sqlite3_file *base)
{
	return (struct vfs_file *)base;
}

/* ---- a file ---- */

static int file_close(sqlite3_file *base)
{
	struct vfs_file *f = file_of(base);

	if (f->region == RZS_MAIN) {
		pthread_mutex_lock(&f->db->lock);
		rzs_shm_unmap(&f->db->locks, &f->lock);
		rzs_unlock(&f->db->locks, &f->lock, SQLITE_LOCK_NONE);
		pthread_mutex_unlock(&f->db->lock);
	}
	rzs_close(f->db);
	f->base.pMethods = NULL;
	return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *dst, int bytes, sqlite3_int64 offset)
{
	struct vfs_file *f = file_of(base);

	return rzs_read(f->db, f->region, dst, (size_t)bytes, (uint64_t)offset);
}

static int file_write(sqlite3_file *base, const void *src, int bytes, sqlite3_int64 offset)
{
	struct vfs_file *f = file_of(base);

	return rzs_write(f->db, f->region, src, (size_t)bytes, (uint64_t)offset);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 bytes)
{
	struct vfs_file *f = file_of(base);

	return rzs_truncate(f->db, f->region, (uint64_t)bytes);
}

/* Memory is not durable. Rule 3 of database.h puts the edges into the store in time; if that were
 * done here and failed, a commit would have been made and told as an error. */
static int file_sync(sqlite3_file *base, int flags)
{
	(void)base;
	(void)flags;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *bytes)
{
	struct vfs_file *f = file_of(base);

	*bytes = (sqlite3_int64)f->db->extent[f->region].bytes;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
	struct vfs_file *f = file_of(base);
	int code;

	pthread_mutex_lock(&f->db->lock);
	code = rzs_lock(&f->db->locks, &f->lock, level);
	pthread_mutex_unlock(&f->db->lock);
	return code;
}

static int file_unlock(sqlite3_file *base, int level)
{
	struct vfs_file *f = file_of(base);

	pthread_mutex_lock(&f->db->lock);
	rzs_unlock(&f->db->locks, &f->lock, level);
	pthread_mutex_unlock(&f->db->lock);
	return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *base, int *is_reserved)
{
	struct vfs_file *f = file_of(base);

	pthread_mutex_lock(&f->db->lock);
	*is_reserved = f->db->locks.level >= SQLITE_LOCK_RESERVED;
	pthread_mutex_unlock(&f->db->lock);
	return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *argument)
{
	struct vfs_file *f = file_of(base);

	switch (operation) {
	case SQLITE_FCNTL_PRAGMA:
		return rzs_pragma(f->db, argument);
	case SQLITE_FCNTL_LOCKSTATE:
		*(int *)argument = f->lock.level;
		return SQLITE_OK;
	case SQLITE_FCNTL_VFSNAME:
		*(char **)argument = sqlite3_mprintf("%s", vfs_name);
		return SQLITE_OK;
	default:
		return SQLITE_NOTFOUND;
	}
}

static int file_sector_size(sqlite3_file *base)
{
	(void)base;
	return RZS_PAGE_BYTES;
}

/* Nothing survives the process, and a saved file has database and journal as of one moment. */
static int file_characteristics(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_SEQUENTIAL | SQLITE_IOCAP_SAFE_APPEND |
	       SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_shm_map(sqlite3_file *base, int region, int bytes, int extend, void volatile **out)
{
	struct vfs_file *f = file_of(base);
	int code;

	pthread_mutex_lock(&f->db->lock);
	code = rzs_shm_map(&f->db->locks, &f->lock, region, bytes, extend != 0, out);
	pthread_mutex_unlock(&f->db->lock);
	return code;
}

static int file_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
	struct vfs_file *f = file_of(base);
	int code;

	pthread_mutex_lock(&f->db->lock);
	code = rzs_shm_lock(&f->db->locks, &f->lock, first, count, flags);
	pthread_mutex_unlock(&f->db->lock);
	return code;
}

/* A mutex orders memory on every machine. */
static void file_shm_barrier(sqlite3_file *base)
{
	struct vfs_file *f = file_of(base);

	pthread_mutex_lock(&f->db->lock);
	pthread_mutex_unlock(&f->db->lock);
}

static int file_shm_unmap(sqlite3_file *base, int remove)
{
	struct vfs_file *f = file_of(base);

	(void)remove;
	pthread_mutex_lock(&f->db->lock);
	rzs_shm_unmap(&f->db->locks, &f->lock);
	pthread_mutex_unlock(&f->db->lock);
	return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_is_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

/* ---- names ---- */

/* The database that a name belongs to, and which of its parts it is; NULL: it is the system's.
 * With the list's lock. */
static struct rzs_database *vfs_find(const char *name, enum rzs_region *region)
{
	static const char *const suffix[RZS_REGIONS] = {"", "-journal", "-wal"};
	size_t length = strlen(name);

	for (int i = RZS_REGIONS - 1; i >= 0; i--) {
		size_t cut = strlen(suffix[i]);
		struct rzs_database *db;
		char *stem;

		if (length < cut || strcmp(name + length - cut, suffix[i]) != 0)
			continue;
		stem = sqlite3_mprintf("%.*s", (int)(length - cut), name);
		db = stem != NULL ? rzs_find(stem) : NULL;
		sqlite3_free(stem);
		*region = (enum rzs_region)i;
		if (db != NULL)
			return db;
	}
	return NULL;
}

/* Does the name ask for this VFS itself? A connection's VFS is also that of the names in its ATTACH
 * and VACUUM INTO: without vfs=ramz they are files, since a copy in memory would be lost. */
static bool vfs_is_meant(const char *name)
{
	const char *wanted = sqlite3_uri_parameter(name, "vfs");

	return wanted != NULL && strcmp(wanted, vfs_name) == 0;
}

static int open_main(struct vfs_file *f, const char *name, int flags)
{
	struct rzs_request request = {
		.name = name,
		.load = sqlite3_uri_parameter(name, "load"),
		.file = sqlite3_uri_parameter(name, "file"),
		.limit = sqlite3_uri_parameter(name, "limit"),
		.create = (flags & SQLITE_OPEN_CREATE) != 0,
	};

	f->region = RZS_MAIN;
	return rzs_open(&f->db, &request);
}

/* Sets f->db to NULL if the file is none of ours. */
static int open_side(struct vfs_file *f, const char *name, int flags)
{
	int code = SQLITE_OK;

	rzs_list_lock();
	f->db = vfs_find(name, &f->region);
	if (f->db != NULL) {
		if ((flags & SQLITE_OPEN_CREATE) != 0)
			rzs_make(f->db, f->region);
		code = f->db->extent[f->region].exists ? SQLITE_OK : SQLITE_CANTOPEN;
		if (code == SQLITE_OK)
			f->db->files++;
	}
	rzs_list_unlock();
	return code;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
		    int *out_flags)
{
	struct vfs_file *f = file_of(base);
	int code;

	(void)vfs;
	memset(f, 0, sizeof(*f));
	if ((flags & SQLITE_OPEN_MAIN_DB) != 0 && vfs_is_meant(name))
		code = open_main(f, name, flags);
	else if ((flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0)
		code = open_side(f, name, flags);
	else
		return rzs_system->xOpen(rzs_system, name, base, flags, out_flags);
	if (code != SQLITE_OK)
		return code;
	if (f->db == NULL)
		return rzs_system->xOpen(rzs_system, name, base, flags, out_flags);
	f->base.pMethods = &file_methods;
	if (out_flags != NULL)
		*out_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
	enum rzs_region region;
	struct rzs_database *db;

	(void)vfs;
	rzs_list_lock();
	db = vfs_find(name, &region);
	if (db != NULL && region != RZS_MAIN)
		rzs_remove(db, region);
	rzs_list_unlock();
	return db != NULL ? SQLITE_OK : rzs_system->xDelete(rzs_system, name, sync_directory);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	enum rzs_region region;
	struct rzs_database *db;

	(void)vfs;
	rzs_list_lock();
	db = vfs_find(name, &region);
	if (db != NULL)
		*out = db->extent[region].exists;
	rzs_list_unlock();
	return db != NULL ? SQLITE_OK : rzs_system->xAccess(rzs_system, name, flags, out);
}

/* ---- what the system does ---- */

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int bytes, char *out)
{
	(void)vfs;
	return rzs_system->xFullPathname(rzs_system, name, bytes, out);
}

static void *vfs_dl_open(sqlite3_vfs *vfs, const char *name)
{
	(void)vfs;
	return rzs_system->xDlOpen(rzs_system, name);
}

static void vfs_dl_error(sqlite3_vfs *vfs, int bytes, char *out)
{
	(void)vfs;
	rzs_system->xDlError(rzs_system, bytes, out);
}

static void (*vfs_dl_sym(sqlite3_vfs *vfs, void *library, const char *name))(void)
{
	(void)vfs;
	return rzs_system->xDlSym(rzs_system, library, name);
}

static void vfs_dl_close(sqlite3_vfs *vfs, void *library)
{
	(void)vfs;
	rzs_system->xDlClose(rzs_system, library);
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
	(void)vfs;
	return rzs_system->xRandomness(rzs_system, bytes, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return rzs_system->xSleep(rzs_system, us);
}

static int vfs_current_time(sqlite3_vfs *vfs, double *days)
{
	(void)vfs;
	return rzs_system->xCurrentTime(rzs_system, days);
}

static int vfs_last_error(sqlite3_vfs *vfs, int bytes, char *out)
{
	(void)vfs;
	return rzs_system->xGetLastError(rzs_system, bytes, out);
}

static int vfs_current_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	(void)vfs;
	return rzs_system->xCurrentTimeInt64(rzs_system, ms);
}

static sqlite3_vfs vfs = {
	.iVersion = 2,
	.zName = vfs_name,
	.xOpen = vfs_open,
	.xDelete = vfs_delete,
	.xAccess = vfs_access,
	.xFullPathname = vfs_full_pathname,
	.xDlOpen = vfs_dl_open,
	.xDlError = vfs_dl_error,
	.xDlSym = vfs_dl_sym,
	.xDlClose = vfs_dl_close,
	.xRandomness = vfs_randomness,
	.xSleep = vfs_sleep,
	.xCurrentTime = vfs_current_time,
	.xGetLastError = vfs_last_error,
	.xCurrentTimeInt64 = vfs_current_time_ms,
};

/* The VFS stays when the connection that loaded it is closed: databases may be open. */
int sqlite3_ramzvfs_init(sqlite3 *connection, char **error, const sqlite3_api_routines *api)
{
	int code;

	(void)connection;
	SQLITE_EXTENSION_INIT2(api);
	if (sqlite3_vfs_find(vfs.zName) != NULL)
		return SQLITE_OK_LOAD_PERMANENTLY;
	rzs_system = sqlite3_vfs_find(NULL);
	if (rzs_system == NULL || rzs_system->iVersion < 2) {
		*error = sqlite3_mprintf("ramz: the default VFS is older than version 2");
		return SQLITE_ERROR;
	}
	vfs.szOsFile = (int)sizeof(struct vfs_file) > rzs_system->szOsFile
			       ? (int)sizeof(struct vfs_file)
			       : rzs_system->szOsFile;
	vfs.mxPathname = rzs_system->mxPathname;
	code = sqlite3_vfs_register(&vfs, 0);
	return code == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : code;
}
