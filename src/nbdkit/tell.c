/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tell.c: messages that do not wait; see tell.h.
 */
#include "tell.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "nbdkit_api.h"

/* A writable pipe takes this much without waiting (PIPE_BUF). */
enum { TEXT_BYTES = 2048 };

void rzn_tell(const char *format, ...)
{
	struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (poll(&log, 1, RZN_TELL_MS) != 0)
		nbdkit_error("%s", text);
}
