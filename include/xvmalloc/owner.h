/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/owner.h: owners of objects, and what a step of compaction reports. Included by
 * xvmalloc/pool.h.
 */
#ifndef XVMALLOC_OWNER_H
#define XVMALLOC_OWNER_H

#include <xvmalloc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owner of an object that nobody can relocate: compaction leaves it where it is. */
#define XV_NO_OWNER UINT32_MAX

/*
 * How compaction talks to the owners of objects. Called with a lock of the pool held: it must not
 * call the pool, and should be short.
 */
struct xv_owner_ops {
	/*
	 * The owner's object was copied to `to`; `from` is about to be freed. Take note and
	 * return 0, or refuse with any other value: the object then stays at `from`, and its
	 * page is left alone for this round. Must refuse when the caller's own table does not
	 * hold `from` (the object is being made or freed by another thread at this moment), and
	 * while the caller uses an address of the object that nothing has mapped. Of an object of
	 * several pieces the first one is asked about; the others move by themselves.
	 */
	int (*relocated)(void *context, uint32_t owner, xv_handle from, xv_handle to);
};

/* What a call of xv_compact did, and what is left. */
struct xv_compact_report {
	uint64_t moved_bytes;  /* payload bytes copied, of moves that were not refused */
	uint64_t moved_blocks; /* count */
	uint64_t freed_bytes;  /* held bytes given back, tables too, less what earlier steps of the
				* cycle took */
	uint64_t refused;      /* moves that an owner refused, count */
	uint64_t pinned_pages; /* pages left because they are mapped, count, once a round */
	bool more;             /* the cycle is not over: call again */
};

#ifdef __cplusplus
}
#endif
#endif
