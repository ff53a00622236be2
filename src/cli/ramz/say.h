/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * say.h: messages of ramz on standard error, as "ramz: ...".
 *
 * The modules shared with xvfrag report through xvf_error and xvf_note. In this program
 * the linker (--wrap, see CMakeLists.txt) leads those calls here, so that what they say
 * bears this program's name. Locking: none, one thread. O(1).
 */
#ifndef RAMZ_CLI_SAY_H
#define RAMZ_CLI_SAY_H

/* What xvf_error and xvf_note are in this program. */
void __wrap_xvf_error(const char *format, ...);
void __wrap_xvf_note(const char *format, ...);

/* No notes from now on. */
void rzc_be_quiet(void);

#endif
