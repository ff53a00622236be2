/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/errors.h: the table of errors. Every header of the libraries includes it.
 */
#ifndef XVMALLOC_ERRORS_H
#define XVMALLOC_ERRORS_H

/*
 * A call that can fail returns 0 (or a value >= 0) or one of these, negated. On error nothing
 * has changed and outputs are untouched, unless the call says otherwise (a long copy: xv_read).
 *
 *   XV_EINVAL   a bad argument (size 0, a null pointer, an unknown option), or a handle that
 *               names no live object of this pool (invented, stale, freed twice, another pool's)
 *   XV_ENOMEM   the provider has no page, or no memory for the pool's tables
 *   XV_ENOSPC   the call would pass the pool's limit (limit_bytes)
 *   XV_E2BIG    the size is above the largest object of this pool
 *   XV_ERANGE   a read or write reaches past the end of the object
 *   XV_EBUSY    the page is mapped, so the call cannot be done now
 *   XV_EAGAIN   no window slot is free to map the page, or the page has too many maps
 *   XV_ENOTSUP  this pool or provider lacks the feature
 *   XV_ESPLIT   the object has several pieces and no single address
 *   XV_EBADMSG  a check found a broken invariant; its report names it. From a call with a handle:
 *               bytes of the object's page were overwritten, and the page is closed
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

#endif
