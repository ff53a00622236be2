/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/handle_table.h: objects with 32-bit names that never change, for callers without a table
 * of their own.
 *
 * A handle table is a pool with owners, and a table in front of it. The pool may move objects
 * (xv_handle_table_compact); the table follows, and an object keeps its id from xv_id_malloc to
 * xv_id_free.
 *
 *   - An id is a row of the table and the generation of that row. 0 is no id.
 *   - A stale id (used or freed after xv_id_free) always gets -XV_EINVAL, until its row has been
 *     given out 2^g times more and the generation has wrapped. g follows from max_ids, the most ids
 *     that can live at once:
 *
 *         max_ids up to   65,535   1,048,575   4,194,303 (default)   67,108,863
 *         2^g             65,536       4,096       1,024                     64
 *
 *     Rows are given out again in the order in which they became free. While the table can grow,
 *     XV_IDS_WAITING free rows wait. So a caller that frees and allocates one object over and over
 *     wraps after XV_IDS_WAITING * 2^g times, not after 2^g.
 *   - A row costs 12 bytes. Rows are made 256 at a time at the end of the table, and stay for other
 *     ids when objects are freed. xv_handle_table_trim gives back 8 bytes of each free row at the
 *     end, and keeps the generations.
 *
 * Thread safety: as the pool's; options.pool.lock is for both. When threads meet at one id:
 *   - While a call on an id runs, nobody else moves, frees or resizes its object. Compaction does
 *     not wait for such an object, but leaves it where it is. So no call sees an object half moved,
 *     a move loses no write, and no call fails because an object moves.
 *   - xv_id_free, xv_id_realloc and xv_id_unmap wait until running calls on the same id have ended
 *     (not for maps), and later calls wait for them. Of two frees at most one succeeds; the other
 *     gets -XV_EINVAL.
 *   - Up to 63 reads and writes of one id run at once; the caller protects the content. Calls on
 *     different ids wait for each other only in the pool, and for a moment when they make or free.
 *
 * Errors: see xvmalloc/errors.h. On error nothing has changed, except that rows made for an object
 * that found no memory stay for later objects. Calls on an id return -XV_EBADMSG while its object
 * lies in a page that the pool has closed (hardening, xvmalloc/pool.h); xv_id_unmap does not. Such
 * an id stays.
 */
#ifndef XVMALLOC_HANDLE_TABLE_H
#define XVMALLOC_HANDLE_TABLE_H

#include <xvmalloc/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xv_handle_table;

/* Name of an object in one table. Its value has no order and no other meaning. */
typedef uint32_t xv_id;

#define XV_NULL_ID ((xv_id)0)

/* Most ids of a table. */
#define XV_IDS_MAX 67108863U

/* Free rows that wait before they are given out again, while the table can grow. */
#define XV_IDS_WAITING 32U

/* Most maps of one object at once. */
#define XV_ID_MAPS_MAX 127U

struct xv_handle_table_options {
	/* Options of the pool. XV_POOL_OWNERS is implied; owner_ops and owner_context belong to
	 * the table and must be NULL. lock is for table and pool; limit_bytes is for the held
	 * bytes of both together. */
	struct xv_pool_options pool;
	uint32_t max_ids; /* most objects at once, 1 .. XV_IDS_MAX; 0 = 4,194,303, or one for each
			   * 512 bytes of the provider if that is less (at least 255) */
};

/* Options with every field at its default: those of the pool, with XV_POOL_SPLIT and
 * XV_POOL_OWNERS. Always start from this. */
XV_API void xv_handle_table_options_init(struct xv_handle_table_options *options);

/*
 * Make a table and its pool over provider, which must outlive them; options may be NULL. Stores the
 * table in *out; end it with xv_handle_table_destroy. No malloc: the table lives in the provider's
 * meta memory, even if options.pool.memory is given. Returns as xv_pool_create; -XV_EINVAL also for
 * owner_ops or owner_context that are set, and for max_ids above XV_IDS_MAX; -XV_ENOTSUP if the
 * provider has no meta memory; -XV_ENOSPC if limit_bytes is less than the empty table and its pool
 * hold. O(1), plus pool and provider.
 */
XV_API XV_MUST_USE int xv_handle_table_create(struct xv_handle_table **out,
					      struct xv_provider *provider,
					      const struct xv_handle_table_options *options);

/* Destroy table and pool, and every object. Maps must have ended. Never beside another call on
 * the table. NULL is allowed. O(pages). */
XV_API void xv_handle_table_destroy(struct xv_handle_table *table);

/* Allocate an object of size bytes, 1 .. xv_pool_max_size, uninitialised. Stores its id in *id.
 * Returns as xv_malloc; -XV_ENOSPC also when max_ids objects live (freed objects that are still
 * mapped count). O(1), plus pool and provider. */
XV_API XV_MUST_USE int xv_id_malloc(struct xv_handle_table *table, size_t size, xv_id *id);

/* Free an object; its id is dead. Returns 0 or -XV_EINVAL (no live id of this table). The object
 * may be mapped: it and its row then stay, and count, until the last map ends. As xv_free. */
XV_API int xv_id_free(struct xv_handle_table *table, xv_id id);

/* Change the size of an object, which keeps its id and its first min(old, new) bytes. Returns as
 * xv_realloc, and -XV_EBUSY when the object is mapped. -XV_EBUSY can also mean that a neighbour
 * in the page is mapped, or that another thread is copying it: try again. */
XV_API XV_MUST_USE int xv_id_realloc(struct xv_handle_table *table, xv_id id, size_t size);

/* Exact size of an object in bytes: > 0, or an error as xv_object_size. */
XV_API int xv_id_size(struct xv_handle_table *table, xv_id id);

/* Copy bytes out of or into an object, from offset on. As xv_read and xv_write. */
XV_API XV_MUST_USE int xv_id_read(struct xv_handle_table *table, xv_id id, size_t offset,
				  void *buffer, size_t length);
XV_API XV_MUST_USE int xv_id_write(struct xv_handle_table *table, xv_id id, size_t offset,
				   const void *buffer, size_t length);

/*
 * Copy a whole object into buffer, which has buffer_bytes. Returns its size in bytes, or errors as
 * xv_peek: -XV_EINVAL (no live id, null), -XV_ERANGE (the buffer is too short), -XV_EAGAIN. As
 * xv_id_size and xv_id_read in one call; an object of one piece in an addressable page is copied
 * without a lock of the pool. O(size).
 */
XV_API XV_MUST_USE int xv_id_read_whole(struct xv_handle_table *table, xv_id id, void *buffer,
					size_t buffer_bytes);

/* A mapped object. */
struct xv_id_mapping {
	void *ptr; /* its first byte */
	xv_id id;  /* the id it was mapped by, which may be dead by now */
};

/*
 * Map an object. mapping->ptr stays good until xv_id_unmap, even if the id is freed: until then no
 * other object gets its bytes, and its size stays. Compaction leaves the object and its whole page
 * where they are. Maps of one object nest. Returns as xv_map; -XV_ESPLIT means that the object has
 * several pieces: use xv_id_read and xv_id_write; -XV_EAGAIN also when it has XV_ID_MAPS_MAX maps.
 * O(1).
 */
XV_API XV_MUST_USE int xv_id_map(struct xv_handle_table *table, xv_id id,
				 struct xv_id_mapping *mapping);

/* End a map. The last map of a freed object frees the object. mapping is what xv_id_map gave;
 * pass it once. Returns 0 or -XV_EINVAL (no map of this table). O(1). */
XV_API int xv_id_unmap(struct xv_handle_table *table, const struct xv_id_mapping *mapping);

/* ---- The table as a whole ---- */

/* Do one bounded step of compaction, as xv_compact. An object that another thread's call uses
 * counts as refused. */
XV_API int xv_handle_table_compact(struct xv_handle_table *table, size_t step_bytes,
				   struct xv_compact_report *report);

/* Give back memory without moving anything: xv_pool_trim, and the free rows at the end of the
 * table except for their generations, so stale ids stay stale. Returns the bytes by which
 * held_bytes falls. Never beside another call on the table. O(pages + rows). */
XV_API size_t xv_handle_table_trim(struct xv_handle_table *table);

/* Change the limit on held bytes of table and pool; 0 = no limit. As xv_pool_set_limit. */
XV_API void xv_handle_table_set_limit(struct xv_handle_table *table, uint64_t limit_bytes);

/*
 * Stop the calls of all other threads on the table and its pool, and let them go on. For
 * pthread_atfork, so that a child process finds both consistent: lock before fork(), unlock after
 * it in parent and child. Waits until running calls on ids have ended; maps go on. In between the
 * caller must call neither table nor pool. What xv_pool_lock_all says of the child's memory holds
 * here too. O(rows + shards).
 */
XV_API void xv_handle_table_lock_all(struct xv_handle_table *table);
XV_API void xv_handle_table_unlock_all(struct xv_handle_table *table);

/* The pool underneath, for calls that the table lacks: xv_compactable, xv_pool_walk and others.
 * The caller must not free, resize or set the owner of objects of the table there, reset the pool,
 * set its limit, or lock the pool alone for a fork. Objects made there have no id. NULL for NULL.
 * O(1). */
XV_API struct xv_pool *xv_handle_table_pool(struct xv_handle_table *table);

struct xv_handle_table_stats {
	uint64_t held_bytes;  /* pool.held_bytes + table_bytes */
	uint64_t table_bytes; /* table and rows */
	uint64_t ids;         /* live ids, and freed ones whose objects are mapped, count */
	uint64_t rows;        /* all rows, free ones included, count */
	uint64_t max_ids;     /* count */
	uint64_t generations; /* 2^g: see above */
	uint64_t bad_ids; /* calls refused for their id, count; mappings that xv_id_unmap refuses
			   * are not included */
	struct xv_pool_stats pool;
};

/* Fill *stats. O(1), plus xv_pool_get_stats. */
XV_API void xv_handle_table_get_stats(struct xv_handle_table *table,
				      struct xv_handle_table_stats *stats);

/*
 * Prove table and pool, as xv_pool_check. Invariants of the table have numbers above 100
 * (src/handle_table/table_impl.h). For them report->offset is the row (UINT32_MAX when it is about
 * none), and report->page is UINT32_MAX. XV_CHECK_DEEP never beside another call on the table.
 */
XV_API XV_MUST_USE int xv_handle_table_check(struct xv_handle_table *table,
					     enum xv_check_level level,
					     struct xv_check_report *report);

#ifdef __cplusplus
}
#endif
#endif
