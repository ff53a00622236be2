/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * region.c: bytes in and out of a database, its journal and its WAL; see database.h.
 */
#include <string.h>

#include "database.h"
#include "sqlite_api.h"

int rzs_code(int err, int io)
{
	switch (-err) {
	case 0:
		return SQLITE_OK;
	case XV_ENOSPC:
		return SQLITE_FULL;
	case XV_ENOMEM:
	case XV_EAGAIN:
		return SQLITE_IOERR_NOMEM;
	case XV_EBADMSG:
		return SQLITE_IOERR_CORRUPTFS;
	default:
		return io;
	}
}

static uint64_t region_begin(enum rzs_region region)
{
	return (uint64_t)region * RZS_REGION_BYTES;
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + RZS_PAGE_BYTES - 1) / RZS_PAGE_BYTES * RZS_PAGE_BYTES;
}

/* ---- the limit: rule 4 ---- */

/* With the lock. */
static void limit_apply(struct rzs_database *db)
{
	(void)ramz_set_limits(db->store, 0, db->unlimited ? 0 : db->limit_bytes);
}

/* The journal is read: what was changed is brought back. */
static void limit_lift(struct rzs_database *db)
{
	pthread_mutex_lock(&db->lock);
	if (db->limit_bytes != 0 && !db->unlimited) {
		db->unlimited = true;
		limit_apply(db);
	}
	pthread_mutex_unlock(&db->lock);
}

/* The journal is written, or gone. With the lock. */
static void limit_again(struct rzs_database *db)
{
	if (!db->unlimited)
		return;
	db->unlimited = false;
	limit_apply(db);
}

const char *rzs_set_limit(struct rzs_database *db, uint64_t limit_bytes)
{
	struct ramz_options options;
	const char *reason = NULL;

	ramz_options_init(&options);
	options.size_bytes = RZS_REGIONS * RZS_REGION_BYTES;
	options.page_bytes = RZS_PAGE_BYTES;
	options.hard_limit_bytes = limit_bytes;
	if (ramz_options_check(&options, &reason) != 0)
		return reason;
	pthread_mutex_lock(&db->lock);
	db->limit_bytes = limit_bytes;
	limit_apply(db);
	pthread_mutex_unlock(&db->lock);
	return NULL;
}

/* ---- edges: rule 2; all with the lock ---- */

static void edge_note(struct rzs_database *db)
{
	db->edges_dirty = db->edge[RZS_JOURNAL].dirty || db->edge[RZS_WAL].dirty;
}

static int edge_put(struct rzs_database *db, enum rzs_region region)
{
	struct rzs_edge *edge = &db->edge[region];
	int err = 0;

	if (!edge->dirty)
		return 0;
	err = ramz_write_page(db->store, region_begin(region) / RZS_PAGE_BYTES + edge->page,
			      edge->bytes);
	edge->dirty = err != 0;
	edge_note(db);
	return err;
}

static void edge_drop(struct rzs_database *db, enum rzs_region region)
{
	db->edge[region].page = UINT64_MAX;
	db->edge[region].dirty = false;
	edge_note(db);
}

/* Make this page the edge. */
static int edge_take(struct rzs_database *db, enum rzs_region region, uint64_t page)
{
	struct rzs_edge *edge = &db->edge[region];
	int err;

	if (edge->page == page)
		return 0;
	err = edge_put(db, region);
	if (err != 0)
		return err;
	edge->page = UINT64_MAX;
	err = ramz_read_page(db->store, region_begin(region) / RZS_PAGE_BYTES + page, edge->bytes);
	if (err == 0)
		edge->page = page;
	return err;
}

/* Write a part of a page, or all of it. */
static int edge_write(struct rzs_database *db, enum rzs_region region, const unsigned char *src,
		      size_t bytes, uint64_t offset)
{
	uint64_t page = offset / RZS_PAGE_BYTES;
	int err;

	if (bytes == RZS_PAGE_BYTES) {
		if (db->edge[region].page == page)
			edge_drop(db, region);
		return ramz_write_page(db->store, region_begin(region) / RZS_PAGE_BYTES + page,
				       src);
	}
	err = edge_take(db, region, page);
	if (err != 0)
		return err;
	memcpy(db->edge[region].bytes + offset % RZS_PAGE_BYTES, src, bytes);
	db->edge[region].dirty = true;
	db->edges_dirty = true;
	return 0;
}

/* Read a part of a page, or all of it. */
static int edge_read(struct rzs_database *db, enum rzs_region region, unsigned char *dst,
		     size_t bytes, uint64_t offset)
{
	const struct rzs_edge *edge = &db->edge[region];

	if (edge->page != offset / RZS_PAGE_BYTES)
		return ramz_read(db->store, region_begin(region) + offset, dst, bytes);
	memcpy(dst, edge->bytes + offset % RZS_PAGE_BYTES, bytes);
	return 0;
}

/* Bytes from offset to the end of its page, at most `bytes`. */
static size_t page_part(uint64_t offset, size_t bytes)
{
	size_t part = RZS_PAGE_BYTES - (size_t)(offset % RZS_PAGE_BYTES);

	return part < bytes ? part : bytes;
}

int rzs_flush(struct rzs_database *db)
{
	int err;

	if (!db->edges_dirty)
		return SQLITE_OK;
	pthread_mutex_lock(&db->lock);
	err = edge_put(db, RZS_JOURNAL);
	if (err == 0)
		err = edge_put(db, RZS_WAL);
	pthread_mutex_unlock(&db->lock);
	return rzs_code(err, SQLITE_IOERR_FSYNC);
}

/* ---- read and write ---- */

static int side_read(struct rzs_database *db, enum rzs_region region, unsigned char *dst,
		     size_t bytes, uint64_t offset)
{
	int err = 0;

	if (region == RZS_JOURNAL && bytes > 1)
		limit_lift(db);
	pthread_mutex_lock(&db->lock);
	while (err == 0 && bytes > 0) {
		size_t part = page_part(offset, bytes);

		err = edge_read(db, region, dst, part, offset);
		dst += part;
		offset += part;
		bytes -= part;
	}
	pthread_mutex_unlock(&db->lock);
	return err;
}

int rzs_read(struct rzs_database *db, enum rzs_region region, void *dst, size_t bytes,
	     uint64_t offset)
{
	uint64_t end = db->extent[region].bytes;
	size_t have = offset >= end ? 0 : end - offset < bytes ? (size_t)(end - offset) : bytes;
	int err;

	if (region == RZS_MAIN)
		err = ramz_read(db->store, offset, dst, have);
	else
		err = side_read(db, region, dst, have, offset);
	if (err != 0)
		return rzs_code(err, SQLITE_IOERR_READ);
	memset((unsigned char *)dst + have, 0, bytes - have);
	return have == bytes ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

/* With the lock. */
static int side_truncate(struct rzs_database *db, enum rzs_region region, uint64_t bytes)
{
	uint64_t end = page_up(db->extent[region].bytes);
	int err = 0;

	/* What lies in the edge behind the new end need not be in the store first. */
	if (db->edge[region].page != UINT64_MAX && db->edge[region].page * RZS_PAGE_BYTES >= bytes)
		edge_drop(db, region);
	else
		err = edge_put(db, region);
	if (err == 0 && bytes < end)
		err = ramz_discard(db->store, region_begin(region) + bytes, end - bytes);
	if (err != 0)
		return err;
	edge_drop(db, region);
	db->extent[region].bytes = bytes;
	return 0;
}

static int side_write(struct rzs_database *db, enum rzs_region region, const unsigned char *src,
		      size_t bytes, uint64_t offset)
{
	int err = 0;

	pthread_mutex_lock(&db->lock);
	if (region == RZS_JOURNAL)
		limit_again(db);
	/* A WAL is begun anew when all of it is in the database and nobody reads it. */
	if (region == RZS_WAL && offset == 0)
		err = side_truncate(db, region, 0);
	while (err == 0 && bytes > 0) {
		size_t part = page_part(offset, bytes);

		err = edge_write(db, region, src, part, offset);
		src += part;
		offset += part;
		bytes -= part;
		if (err == 0 && offset > db->extent[region].bytes)
			db->extent[region].bytes = offset;
	}
	pthread_mutex_unlock(&db->lock);
	return err;
}

int rzs_write(struct rzs_database *db, enum rzs_region region, const void *src, size_t bytes,
	      uint64_t offset)
{
	int code, err;

	if (bytes > RZS_REGION_BYTES || offset > RZS_REGION_BYTES - bytes)
		return SQLITE_FULL;
	if (region != RZS_MAIN)
		return rzs_code(side_write(db, region, src, bytes, offset), SQLITE_IOERR_WRITE);
	code = rzs_flush(db);
	if (code != SQLITE_OK)
		return code;
	err = ramz_write(db->store, offset, src, bytes, NULL);
	if (err == 0 && offset + bytes > db->extent[RZS_MAIN].bytes)
		db->extent[RZS_MAIN].bytes = offset + bytes;
	return rzs_code(err, SQLITE_IOERR_WRITE);
}

int rzs_truncate(struct rzs_database *db, enum rzs_region region, uint64_t bytes)
{
	uint64_t end = page_up(db->extent[region].bytes);
	int err = 0;

	if (region != RZS_MAIN) {
		pthread_mutex_lock(&db->lock);
		err = side_truncate(db, region, bytes);
		if (err == 0 && region == RZS_JOURNAL)
			limit_again(db);
		pthread_mutex_unlock(&db->lock);
		return rzs_code(err, SQLITE_IOERR_TRUNCATE);
	}
	if (bytes < end)
		err = ramz_discard(db->store, bytes, end - bytes);
	if (err == 0)
		db->extent[RZS_MAIN].bytes = bytes;
	return rzs_code(err, SQLITE_IOERR_TRUNCATE);
}

void rzs_make(struct rzs_database *db, enum rzs_region region)
{
	db->extent[region].exists = true;
}

void rzs_remove(struct rzs_database *db, enum rzs_region region)
{
	(void)rzs_truncate(db, region, 0); /* whole pages: it cannot fail */
	db->extent[region].exists = false;
}

/* ---- a store that was loaded ---- */

static int measure_page(void *context, uint64_t page, const struct ramz_page_info *info)
{
	struct rzs_database *db = context;
	uint64_t region_pages = RZS_REGION_BYTES / RZS_PAGE_BYTES;
	struct rzs_extent *extent = &db->extent[page / region_pages];

	(void)info;
	extent->exists = true;
	extent->bytes = (page % region_pages + 1) * RZS_PAGE_BYTES;
	return 0;
}

int rzs_measure(struct rzs_database *db)
{
	return ramz_walk(db->store, 0, measure_page, db);
}
