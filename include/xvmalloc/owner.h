/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/owner.h: owners of objects, and the report of a compaction step. xvmalloc/pool.h
 * includes it.
 */
#ifndef XVMALLOC_OWNER_H
#define XVMALLOC_OWNER_H

#include <xvmalloc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owner of an object that compaction must not move. */
#define XV_NO_OWNER UINT32_MAX

/*
 * Compaction calls these to tell owners that objects move. It holds a lock of the pool: the call
 * must not call the pool, and should be short.
 */
struct xv_owner_ops {
	/*
	 * The object of `owner` was copied to `to`, and `from` is about to be freed. Store `to`
	 * and return 0, or refuse with any other value: the object then stays at `from`, and
	 * compaction leaves its page alone for this round. Must refuse when the caller's table
	 * does not hold `from`, since another thread is making or freeing the object. Must refuse
	 * while the caller uses an address of the object without a map. For an object of several
	 * pieces only the move of the first one is told.
	 */
	int (*relocated)(void *context, uint32_t owner, xv_handle from, xv_handle to);
};

/* What a call of xv_compact did, and whether more is left. */
struct xv_compact_report {
	uint64_t moved_bytes;  /* payload bytes copied by moves that no owner refused */
	uint64_t moved_blocks; /* count */
	uint64_t freed_bytes;  /* held bytes given back, tables included, less what earlier steps
				* of the cycle took */
	uint64_t refused;      /* moves that an owner refused, count */
	uint64_t pinned_pages; /* mapped pages that were left alone, count, once a round */
	bool more;             /* the cycle is not over: call again */
};

#ifdef __cplusplus
}
#endif
#endif
