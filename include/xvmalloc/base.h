/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/base.h: what every public header of libxvmalloc shares: version,
 * attributes, the handle type and the one table of errors.
 *
 * Depends on nothing but the freestanding headers of C11 (and <errno.h> on a
 * hosted system, so that the error numbers are the system's own).
 */
#ifndef XVMALLOC_BASE_H
#define XVMALLOC_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
 * Errors. A call that can fail returns 0 (or a value >= 0) or one of these,
 * negated. On error nothing has changed and outputs are untouched.
 *
 *   XV_EINVAL   a bad argument: size 0, a null pointer, an unknown option; or a
 *               handle that names no live object of this pool (wild, stale,
 *               freed twice, another pool's)
 *   XV_ENOMEM   the provider has no page, or no memory for the pool's tables
 *   XV_ENOSPC   the pool's own limit (limit_bytes) would be passed
 *   XV_E2BIG    the size is above the largest object of this pool
 *   XV_ERANGE   a read or write reaches past the end of the object
 *   XV_EBUSY    the page is mapped (pinned), so the call cannot be done now
 *   XV_EAGAIN   no window slot is free to map the page, or too many maps of it
 *   XV_ENOTSUP  this pool or provider does not have the feature asked for
 *   XV_ESPLIT   the object is in several pieces and has no single address
 *   XV_EBADMSG  a check found a broken invariant; its report names it
 */
#if !defined(__STDC_HOSTED__) || __STDC_HOSTED__
#include <errno.h>
#define XV_EINVAL EINVAL
#define XV_ENOMEM ENOMEM
#define XV_ENOSPC ENOSPC
#define XV_E2BIG E2BIG
#define XV_ERANGE ERANGE
#define XV_EBUSY EBUSY
#define XV_EAGAIN EAGAIN
#define XV_ENOTSUP ENOTSUP
#define XV_EBADMSG EBADMSG
#define XV_ESPLIT EXDEV
#else
/* No <errno.h> in a freestanding build: the numbers Linux uses. */
#define XV_EINVAL 22
#define XV_ENOMEM 12
#define XV_ENOSPC 28
#define XV_E2BIG 7
#define XV_ERANGE 34
#define XV_EBUSY 16
#define XV_EAGAIN 11
#define XV_ENOTSUP 95
#define XV_EBADMSG 74
#define XV_ESPLIT 18
#endif

/*
 * A handle names an object: page number, offset in the page, and a tag that
 * tells a stale or invented handle from a good one.
 *
 *   63        48 47                            16 15             0
 *   [   tag    ] [        page number + 1       ] [ offset, bytes ]
 *
 * XV_NULL_HANDLE names no object. A handle without a tag (made by xv_handle_at
 * from a page number and an offset) is good too; the pool then proves it by
 * walking the page's blocks.
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
 * the 2009 interface names it. Always accepted by the pool that owns the object,
 * at the cost of walking the page's blocks on each use (at most page size / 8
 * steps). Bits of offset above the low 16 give XV_NULL_HANDLE. O(1).
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
