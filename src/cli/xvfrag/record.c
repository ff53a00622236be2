/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * record.c: sending records; see record.h. Nothing here allocates. Locking: none.
 */
#include "record.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

_Static_assert(sizeof(struct xvf_record) <= _POSIX_PIPE_BUF, "a record is written whole");

void xvf_record_send(int fd, const struct xvf_record *record)
{
	ssize_t done;

	do {
		done = write(fd, record, sizeof(*record));
	} while (done < 0 && errno == EINTR);
	if (done != (ssize_t)sizeof(*record))
		_exit(XVM_EXIT_FAILURE);
}

void xvf_record_result(int fd, const struct xvf_result *result)
{
	struct xvf_record record = {.kind = XVF_RECORD_RESULT};

	record.u.result = *result;
	xvf_record_send(fd, &record);
}

int xvf_record_fail(int fd, const char *format, ...)
{
	struct xvf_record record = {.kind = XVF_RECORD_FAILURE};
	va_list args;

	va_start(args, format);
	vsnprintf(record.u.failure, sizeof(record.u.failure), format, args);
	va_end(args);
	xvf_record_send(fd, &record);
	return XVM_FAILED;
}
