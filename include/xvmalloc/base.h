/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/base.h: version, attributes, the handle type and the table of errors
 * (xvmalloc/errors.h). Every header of the libraries includes it.
 *
 * Needs the freestanding headers of C11. On a hosted system it also includes <errno.h>, so that the
 * error numbers are those of the system.
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
 * A handle names an object by page number, offset in the page, and a tag. The tag tells a stale
 * or invented handle from a good one.
 *
 *   63        48 47                            16 15             0
 *   [   tag    ] [        page number + 1       ] [ offset, bytes ]
 *
 * The tag holds 3 bits of the pool's key, and 12 bits that change with each block made in the
 * page. XV_NULL_HANDLE names no object.
 *
 * A pool refuses a handle that does not name one of its live objects. Its page records prove
 * where blocks begin, so the content of an object never passes for a block. Two cases slip
 * through:
 *   - a stale handle, when an object begins at its place again and the page has made 4,096 blocks
 *     in between, or a multiple of 4,096. A page that was given back and taken again goes on
 *     counting.
 *   - a handle of another pool, when an object of this pool begins at its place: once in 32,768
 *     times, if the seeds of the pools differ.
 *
 * A pool with hardening 0 (xvmalloc/pool.h) keeps no such proof. A stale or invented handle that leads into
 * the payload of an object passes there at most once in 16 million times, if the payload is
 * random. A stale handle passes when an object begins at its place again and the page has made
 * 128 blocks in between, or a multiple of 128.
 *
 * xv_handle_at makes a handle without a tag. The pool accepts it when any object begins at its
 * place.
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
 * The handle of the object at this page number and offset, for code that uses the 2009 interface.
 * The object's pool always accepts it. With hardening 0 each use walks over the blocks of the
 * page, in at most page size / 8 steps. Returns XV_NULL_HANDLE for an offset above 65,535 or
 * page UINT32_MAX. O(1).
 */
static inline xv_handle xv_handle_at(uint32_t page, uint32_t offset)
{
	if (offset > 0xFFFFU || page == UINT32_MAX)
		return XV_NULL_HANDLE;
	return ((xv_handle)(page + 1U) << 16) | (xv_handle)offset;
}

/* Version of the linked library, as "major.minor.patch". Static storage. */
XV_API const char *xv_version(void);

/*
 * Text of an error in xvmalloc/errors.h; err is negative, as returned. Static storage, never
 * NULL. Thread-safe. O(1).
 */
XV_API const char *xv_strerror(int err);

#ifdef __cplusplus
}
#endif
#endif
