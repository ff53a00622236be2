/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Locks on Windows: a spin lock, and the slim reader/writer lock as a mutex. A thread that waits
 * for a spin lock tries for a while, then yields, and later sleeps: yielding runs no thread of a
 * lower priority, and the lock's owner may be one.
 */
#include "xvi_lock.h"

#include <windows.h>

/* The shortest sleep is a tick of the system's timer, up to 15 ms. */
enum { SPINS_BEFORE_YIELD = 128, YIELDS_BEFORE_SLEEP = 1024, SLEEP_MS = 1 };

_Static_assert(sizeof(SRWLOCK) <= sizeof(uint64_t) * XVI_LOCK_WORDS,
	       "the platform's lock fits its storage");
_Static_assert(_Alignof(SRWLOCK) <= _Alignof(uint64_t), "and its alignment");

static SRWLOCK *mutex_of(struct xvi_lock *lock)
{
	return (SRWLOCK *)(void *)lock->storage.words;
}

int xvi_lock_init(struct xvi_lock *lock, enum xv_lock_kind kind)
{
	lock->kind = kind == XV_LOCK_DEFAULT ? XV_LOCK_SPIN : kind;
	xvi_atomic_store(&lock->locked, 0);
	if (lock->kind == XV_LOCK_MUTEX)
		InitializeSRWLock(mutex_of(lock));
	return 0;
}

/* The system keeps nothing for a lock that nobody holds. */
void xvi_lock_fini(struct xvi_lock *lock)
{
	(void)lock;
}

void xvi_pause(unsigned *turns)
{
	++*turns;
	if (*turns < SPINS_BEFORE_YIELD) {
		YieldProcessor();
		return;
	}
	if (*turns < SPINS_BEFORE_YIELD + YIELDS_BEFORE_SLEEP) {
		(void)SwitchToThread();
		return;
	}
	*turns = SPINS_BEFORE_YIELD + YIELDS_BEFORE_SLEEP;
	Sleep(SLEEP_MS);
}

void xvi_lock_acquire_slow(struct xvi_lock *lock)
{
	unsigned turns = 0;

	if (lock->kind != XV_LOCK_SPIN) {
		AcquireSRWLockExclusive(mutex_of(lock));
		return;
	}
	while (!xvi_lock_try(lock))
		xvi_pause(&turns);
}

bool xvi_lock_try_slow(struct xvi_lock *lock)
{
	return TryAcquireSRWLockExclusive(mutex_of(lock)) != 0;
}

void xvi_lock_release_slow(struct xvi_lock *lock)
{
	ReleaseSRWLockExclusive(mutex_of(lock));
}
