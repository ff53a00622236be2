/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * hold.h: a thread holds a provider, so that a fork finds it consistent.
 *
 * Owns: which thread holds, how many times, and how many operations run without the provider's
 * lock. May call: the platform lock. Locking: the lock guards `outside` and `wanted`; `times`
 * belongs to the holder, which has the lock. Complexity: O(1), plus the wait for running
 * operations.
 *
 * To hold is to have the lock, for one thread at a time, with `outside` 0. A hold shared between
 * threads would be copied into the child of one of them, where no thread could end it.
 */
#ifndef XVI_HOLD_H
#define XVI_HOLD_H

#include "xvi_lock.h"

#include <stddef.h>

struct xvi_hold {
	struct xvi_atomic_ptr holder; /* the thread that holds, NULL = none */
	uint32_t times;               /* number of its holds */
	uint32_t outside;             /* operations running without the lock, count */
	bool wanted;                  /* a thread waits for outside to be 0 */
};

/* hold and release of struct xv_provider_ops, with their contract. */
void xvi_hold(struct xvi_hold *hold, struct xvi_lock *lock, uint32_t times);
uint32_t xvi_hold_release(struct xvi_hold *hold, struct xvi_lock *lock);

/* Inside an operation: release the lock for a long system call; take it again with the result of
 * the first. Keeps the lock if a thread waits to hold: it then waits only for the operations that
 * are outside now. */
bool xvi_hold_let_go(struct xvi_hold *hold, struct xvi_lock *lock);
void xvi_hold_take_again(struct xvi_hold *hold, struct xvi_lock *lock, bool was_let_go);

#endif
