/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * say.c: messages; see say.h. Owns whether notes are wanted. May call the C library.
 */
#include "say.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool say_quiet;

static void say(const char *format, va_list args)
{
	/* A progress line may stand there: back to its start, and erase it (ECMA-48 EL). */
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	fputs("ramz: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void __wrap_xvf_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void __wrap_xvf_note(const char *format, ...)
{
	va_list args;

	if (say_quiet)
		return;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void rzc_be_quiet(void)
{
	say_quiet = true;
}
