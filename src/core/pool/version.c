/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Version and error texts. No state. */
#include <xvmalloc/base.h>

#include "xvi_bits.h"

const char *xv_version(void)
{
	return XV_VERSION_STRING;
}

const char *xv_strerror(int err)
{
	switch (err) {
	case 0:
		return "no error";
	case -XV_EINVAL:
		return "bad argument, or a handle that names no live object of this pool";
	case -XV_ENOMEM:
		return "the provider has no page, or no memory for the pool's tables";
	case -XV_ENOSPC:
		return "the pool's limit would be passed";
	case -XV_E2BIG:
		return "the size is above the largest object of this pool";
	case -XV_ERANGE:
		return "the range reaches past the end of the object";
	case -XV_EBUSY:
		return "the page is mapped";
	case -XV_EAGAIN:
		return "no window slot is free to map the page";
	case -XV_ENOTSUP:
		return "this pool or provider does not have the feature";
	case -XV_ESPLIT:
		return "the object is in several pieces and cannot be mapped: use xv_read, "
		       "xv_write or xv_peek";
	case -XV_EBADMSG:
		return "bytes of a page were overwritten, or a check found a broken invariant";
	default:
		return "an error of the provider";
	}
}
