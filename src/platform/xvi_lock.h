/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Locks for the core: none, spin or the platform's mutex. The core sees storage and five calls; one
 * file per platform (lock_posix.c, lock_windows.c, lock_none.c) sees the system. A lock is not
 * recursive. O(1) uncontended.
 *
 * A spin lock is one word: an inline atomic instruction takes it, and a plain store releases it. A
 * mutex needs a call and an atomic instruction for each.
 */
#ifndef XVI_LOCK_H
#define XVI_LOCK_H

#include "xvi_atomic.h"
#include "xvi_bits.h"

#include <stdbool.h>
#include <stdint.h>

#include <xvmalloc/pool.h>

#define XVI_LOCK_WORDS 8U

struct xvi_lock {
	enum xv_lock_kind kind;     /* XV_LOCK_NONE, _SPIN or _MUTEX after init */
	struct xvi_atomic32 locked; /* XV_LOCK_SPIN: 1 while it is held */
	union {
		uint64_t align;
		uint64_t words[XVI_LOCK_WORDS]; /* the platform's mutex */
	} storage;
};

/* Make a lock; XV_LOCK_DEFAULT chooses. Returns 0 or -XV_ENOTSUP. */
int xvi_lock_init(struct xvi_lock *lock, enum xv_lock_kind kind);
void xvi_lock_fini(struct xvi_lock *lock);

void xvi_lock_acquire_slow(struct xvi_lock *lock);
bool xvi_lock_try_slow(struct xvi_lock *lock);
void xvi_lock_release_slow(struct xvi_lock *lock);

static inline void xvi_lock_acquire(struct xvi_lock *lock)
{
	if (lock->kind == XV_LOCK_NONE ||
	    (lock->kind == XV_LOCK_SPIN && xvi_atomic_cas_acquire(&lock->locked, 0, 1)))
		return;
	xvi_lock_acquire_slow(lock);
}

/* Take the lock if it is free. */
static inline bool xvi_lock_try(struct xvi_lock *lock)
{
	if (lock->kind == XV_LOCK_NONE)
		return true;
	if (lock->kind == XV_LOCK_SPIN)
		return xvi_atomic_load(&lock->locked) == 0 &&
		       xvi_atomic_cas_acquire(&lock->locked, 0, 1);
	return xvi_lock_try_slow(lock);
}

/* For assertions: may the caller's thread have it? Only of a spin lock is it known. */
static inline bool xvi_lock_is_taken(const struct xvi_lock *lock)
{
	return lock->kind != XV_LOCK_SPIN || xvi_atomic_load(&lock->locked) != 0;
}

static inline void xvi_lock_release(struct xvi_lock *lock)
{
	XVI_ASSERT(xvi_lock_is_taken(lock));
	if (lock->kind == XV_LOCK_SPIN)
		xvi_atomic_store_release(&lock->locked, 0);
	else if (lock->kind != XV_LOCK_NONE)
		xvi_lock_release_slow(lock);
}

#endif
