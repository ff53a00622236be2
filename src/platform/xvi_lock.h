/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Locks for the core: none, spin or the platform's mutex. The core sees storage
 * and four calls; the one file per platform (lock_posix.c, lock_none.c) sees the
 * system. A lock is not recursive. O(1) uncontended.
 */
#ifndef XVI_LOCK_H
#define XVI_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <xvmalloc/pool.h>

#define XVI_LOCK_WORDS 8U

struct xvi_lock {
	enum xv_lock_kind kind; /* XV_LOCK_NONE, _SPIN or _MUTEX once made */
	union {
		uint64_t align;
		uint64_t words[XVI_LOCK_WORDS]; /* the platform's lock */
	} storage;
};

/* Make a lock. XV_LOCK_DEFAULT picks. Returns 0 or -XV_ENOTSUP. */
int xvi_lock_init(struct xvi_lock *lock, enum xv_lock_kind kind);
void xvi_lock_fini(struct xvi_lock *lock);

void xvi_lock_acquire_slow(struct xvi_lock *lock);
void xvi_lock_release_slow(struct xvi_lock *lock);

static inline void xvi_lock_acquire(struct xvi_lock *lock)
{
	if (lock->kind != XV_LOCK_NONE)
		xvi_lock_acquire_slow(lock);
}

static inline void xvi_lock_release(struct xvi_lock *lock)
{
	if (lock->kind != XV_LOCK_NONE)
		xvi_lock_release_slow(lock);
}

#endif
