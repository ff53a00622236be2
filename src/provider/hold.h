/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * hold.h: a thread holds a provider, so that a fork finds it in one piece.
 *
 * Owns: which thread holds, how many times, and how many operations run with the provider's
 * lock let go. May call: the platform lock. Locking: `outside` and `wanted` are the lock's,
 * `times` is the holder's, who has the lock. Complexity: O(1), and the wait for operations
 * under way.
 *
 * Holding is having the lock, for one thread at a time, with `outside` 0. A hold that were
 * shared between threads would be copied into the child of one of them, where nobody ends it.
 */
#ifndef XVI_HOLD_H
#define XVI_HOLD_H

#include "xvi_lock.h"

#include <stddef.h>

struct xvi_hold {
	struct xvi_atomic_ptr holder; /* the thread that holds, NULL = none */
	uint32_t times;               /* that it holds */
	uint32_t outside;             /* operations under way without the lock, count */
	bool wanted;                  /* a thread waits for outside to be 0 */
};

/* The hold and release of struct xv_provider_ops, with its contract. */
void xvi_hold(struct xvi_hold *hold, struct xvi_lock *lock, uint32_t times);
uint32_t xvi_hold_release(struct xvi_hold *hold, struct xvi_lock *lock);

/*
 * Inside an operation: let the lock go for a long system call, and take it again with what
 * the first returned. The lock stays where a thread waits to hold, which so waits for the
 * operations that are outside now, and for no later one.
 */
bool xvi_hold_let_go(struct xvi_hold *hold, struct xvi_lock *lock);
void xvi_hold_take_again(struct xvi_hold *hold, struct xvi_lock *lock, bool was_let_go);

#endif
