/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * hold.c: see hold.h.
 */
#include "hold.h"

/* Its address names the thread, also in the child of a fork(). Never written. */
static _Thread_local char this_thread;

static void take_alone(struct xvi_hold *hold, struct xvi_lock *lock)
{
	unsigned turns = 0;

	xvi_lock_acquire(lock);
	while (hold->outside != 0) {
		hold->wanted = true;
		xvi_lock_release(lock);
		xvi_pause(&turns);
		xvi_lock_acquire(lock);
	}
	hold->wanted = false;
}

void xvi_hold(struct xvi_hold *hold, struct xvi_lock *lock, uint32_t times)
{
	if (xvi_atomic_ptr_load(&hold->holder) != &this_thread) {
		take_alone(hold, lock);
		xvi_atomic_ptr_store(&hold->holder, &this_thread);
	}
	hold->times += times;
}

uint32_t xvi_hold_release(struct xvi_hold *hold, struct xvi_lock *lock)
{
	uint32_t times;

	if (xvi_atomic_ptr_load(&hold->holder) != &this_thread)
		return 0;
	times = hold->times;
	hold->times = 0;
	xvi_atomic_ptr_store(&hold->holder, NULL);
	xvi_lock_release(lock);
	return times;
}

bool xvi_hold_let_go(struct xvi_hold *hold, struct xvi_lock *lock)
{
	if (hold->wanted)
		return false;
	hold->outside++;
	xvi_lock_release(lock);
	return true;
}

void xvi_hold_take_again(struct xvi_hold *hold, struct xvi_lock *lock, bool was_let_go)
{
	if (!was_let_go)
		return;
	xvi_lock_acquire(lock);
	hold->outside--;
}
