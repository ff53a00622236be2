/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_reason.c: the lines that say why. No state. Locking: none. O(1).
 */
#define _POSIX_C_SOURCE 200809L /* strerror_r that returns an int */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "file_impl.h"

int rzi_file_says(struct ramz_reason *reason, int err, const char *format, ...)
{
	va_list arguments;

	if (reason == NULL)
		return err;
	va_start(arguments, format);
	(void)vsnprintf(reason->text, sizeof(reason->text), format, arguments);
	va_end(arguments);
	return err;
}

/* How to mend it. */
static const char *reason_advice(int err)
{
	switch (err) {
	case -ENOSPC:
		return ": free some room there, or name a file on another file system";
	case -EFBIG:
		return ": raise the limit of file sizes (ulimit -f), or name a file on a file "
		       "system that takes larger ones";
	case -EROFS:
		return ": name a file elsewhere";
	case -EACCES:
	case -EPERM:
		return ": change its rights, or name another file";
	default:
		return "";
	}
}

int rzi_file_fails(struct ramz_reason *reason, int err, const char *what)
{
	char text[96];

	if (strerror_r(-err, text, sizeof(text)) != 0)
		(void)snprintf(text, sizeof(text), "error %d", -err);
	return rzi_file_says(reason, err, "%s: %s%s", what, text, reason_advice(err));
}
