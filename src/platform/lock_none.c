/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Locks and CPUs without threads: XV_LOCK_NONE, which is also the default, and one CPU.
 */
#include "xvi_lock.h"

#include "xvi_cpu.h"

int xvi_lock_init(struct xvi_lock *lock, enum xv_lock_kind kind)
{
	if (kind != XV_LOCK_DEFAULT && kind != XV_LOCK_NONE)
		return -XV_ENOTSUP;
	lock->kind = XV_LOCK_NONE;
	return 0;
}

void xvi_lock_fini(struct xvi_lock *lock)
{
	(void)lock;
}

void xvi_lock_acquire_slow(struct xvi_lock *lock)
{
	(void)lock;
}

bool xvi_lock_try_slow(struct xvi_lock *lock)
{
	(void)lock;
	return true;
}

void xvi_lock_release_slow(struct xvi_lock *lock)
{
	(void)lock;
}

void xvi_pause(unsigned *turns)
{
	(void)turns;
}

uint32_t xvi_cpu_count(void)
{
	return 1;
}

uint32_t xvi_cpu_now(void)
{
	return 0;
}
