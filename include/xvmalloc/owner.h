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
 * How compaction talks to the owners of objects. Called with the pool's lock held: it must not
 * call the pool, and should be short.
 */
struct xv_owner_ops {
	/*
	 * The owner's object now lives at `to`; `from` is about to be freed. Take note and
	 * return 0, or refuse with any other value: the object then stays at `from`. Must
	 * refuse when the caller's own table does not hold `from` (the object is being made
	 * or freed by another thread at this moment).
	 */
	int (*relocated)(void *context, uint32_t owner, xv_handle from, xv_handle to);
};

/* What a call of xv_compact did, and what is left. */
struct xv_compact_report {
	uint64_t moved_bytes;  /* payload bytes copied */
	uint64_t moved_blocks; /* count */
	uint64_t freed_bytes;  /* held bytes given back, pages and tables */
	uint64_t refused;      /* moves that an owner refused, or whose owner was not found */
	uint64_t pinned_pages; /* pages left because they are mapped */
	bool more;             /* the cycle is not over: call again */
};

#ifdef __cplusplus
}
#endif
#endif
