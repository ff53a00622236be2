/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram_guard.h: sees to it that a zram device does not outlive the process that
 * made it, even when that process is killed outright.
 *
 * A guard is a child process that does nothing but wait on a pipe. When the pipe
 * closes, because its owner let go of it or died, it resets and removes the one
 * device it was told of. No locking: one thread.
 */
#ifndef XVM_ALLOCATORS_ZRAM_GUARD_H
#define XVM_ALLOCATORS_ZRAM_GUARD_H

#include <sys/types.h>

struct zram_guard {
	pid_t pid;
	int pipe; /* written once with the device's number; its closing is the signal */
};

/* Start a guard that knows no device yet. Returns 0 or a negative errno. */
int zram_guard_start(struct zram_guard *guard);

/* Name the device, once. Returns 0 or a negative errno. */
int zram_guard_watch(struct zram_guard *guard, unsigned device);

/*
 * End the guard: it removes its device, if it has one, and this call waits for
 * that. The device must not be open here. Returns 0, or -EBUSY when the device is
 * still there.
 */
int zram_guard_end(struct zram_guard *guard);

/* Write text to a file of sysfs. Returns 0 or a negative errno. Async-signal-safe. */
int zram_file_put(const char *path, const char *text);

#endif
