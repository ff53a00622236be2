/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_calls.h: the system calls of saved files, which the linker leads here (--wrap): each may
 * fail, may be the last one before the process dies, and may have something happen just before it.
 *
 * Owns the one plan. One thread. May call: the system.
 */
#ifndef FILE_CALLS_H
#define FILE_CALLS_H

#include <stdbool.h>
#include <stdint.h>

struct file_calls {
	/* The call that fails, counted from 1; 0 = none. */
	uint64_t fail_at;
	int error;
	const char *fail_named; /* every call of this name fails, too */
	bool die;               /* by SIGKILL, instead of failing */

	/* Before the hook_at-th call of this name; once. NULL = none. */
	void (*hook)(void);
	const char *hook_name;
	uint64_t hook_at;

	uint64_t calls;
	const char *failed; /* name of the call that failed; NULL */
};

extern struct file_calls file_calls;

#endif
