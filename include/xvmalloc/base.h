/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/base.h: what every public header of libxvmalloc shares: version,
 * attributes, the handle type, and xvmalloc/errors.h, the one table of errors.
 *
 * Depends on nothing but the freestanding headers of C11 (and <errno.h> on a
 * hosted system, so that the error numbers are the system's own).
 */
#ifndef XVMALLOC_BASE_H
#define XVMALLOC_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xvmalloc/errors.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XV_VERSION_MAJOR 0
#define XV_VERSION_MINOR 1
#define XV_VERSION_PATCH 0
#define XV_VERSION_STRING "0.1.0"

#if defined(__GNUC__)
#define XV_API __attribute__((visibility("default")))
#define XV_MUST_USE __attribute__((warn_unused_result))
#else
#define XV_API
#define XV_MUST_USE
#endif

/*
 * A handle names an object: page number, offset in the page, and a tag that
 * tells a stale or invented handle from a good one.
 *
 *   63        48 47                            16 15             0
 *   [   tag    ] [        page number + 1       ] [ offset, bytes ]
 *
 * The tag has 3 bits of the pool's key, and 12 that change each time a block is made in the
 * page. XV_NULL_HANDLE names no object.
 *
 * A pool refuses a handle that does not name a live object of its own. Its page records prove
 * where blocks begin, so that no contents of objects can pass for one. What slips through:
 *   - a stale handle whose very place is an object's again, after its page has made 4,096 blocks,
 *     or a multiple of that, in between; so does one of a page that was given back and taken
 *     again, as it goes on counting;
 *   - a handle of another pool, where an object of this one begins at the very same place: once in
 *     32,768 times, if the pools' seeds differ.
 *
 * A pool made with XV_POOL_KEYED has no such proof. There a stale or invented handle that leads
 * into an object's payload passes at most once in 16 million times, if the bytes there are
 * random, and the very same place repeats after 128 blocks.
 *
 * A handle without a tag (made by xv_handle_at from a page number and an offset) is good where
 * an object begins at its place, whichever object that is.
 */
typedef uint64_t xv_handle;

#define XV_NULL_HANDLE ((xv_handle)0)

/* Page number of a handle. O(1). Undefined for XV_NULL_HANDLE. */
static inline uint32_t xv_handle_page(xv_handle handle)
{
	return (uint32_t)((handle >> 16) & UINT32_MAX) - 1U;
}

/* Offset in bytes of the object's payload within its page. O(1). */
static inline uint32_t xv_handle_offset(xv_handle handle)
{
	return (uint32_t)(handle & 0xFFFFU);
}

/*
 * The handle of the object at this page number and offset, as code written for
 * the 2009 interface names it. Always accepted by the pool that owns the object; with
 * XV_POOL_KEYED at the cost of walking the page's blocks on each use (at most page size / 8
 * steps). An offset above 65,535, or page UINT32_MAX, gives XV_NULL_HANDLE. O(1).
 */
static inline xv_handle xv_handle_at(uint32_t page, uint32_t offset)
{
	if (offset > 0xFFFFU || page == UINT32_MAX)
		return XV_NULL_HANDLE;
	return ((xv_handle)(page + 1U) << 16) | (xv_handle)offset;
}

/* Version of the library linked, as "major.minor.patch". Static storage. */
XV_API const char *xv_version(void);

/*
 * Text of an error of the table above (err as returned, negative). Static
 * storage, never NULL. Thread-safe, O(1).
 */
XV_API const char *xv_strerror(int err);

#ifdef __cplusplus
}
#endif
#endif
