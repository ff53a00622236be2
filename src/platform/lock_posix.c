/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Locks on POSIX systems: a spin lock, and the pthread mutex. A thread that waits for a spin lock
 * tries for a while, then yields, since the lock's owner may need the processor, and later sleeps:
 * under real-time priorities yielding is not enough.
 */
#define _POSIX_C_SOURCE 200809L
#include "xvi_lock.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

enum { SPINS_BEFORE_YIELD = 128, YIELDS_BEFORE_SLEEP = 256, SLEEP_NS = 50000 };

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(uint64_t) * XVI_LOCK_WORDS,
	       "the platform's lock fits its storage");
_Static_assert(_Alignof(pthread_mutex_t) <= _Alignof(uint64_t), "and its alignment");

static pthread_mutex_t *mutex_of(struct xvi_lock *lock)
{
	return (pthread_mutex_t *)(void *)lock->storage.words;
}

int xvi_lock_init(struct xvi_lock *lock, enum xv_lock_kind kind)
{
	lock->kind = kind == XV_LOCK_DEFAULT ? XV_LOCK_SPIN : kind;
	xvi_atomic_store(&lock->locked, 0);
	if (lock->kind == XV_LOCK_MUTEX)
		return pthread_mutex_init(mutex_of(lock), NULL) == 0 ? 0 : -XV_ENOTSUP;
	return 0;
}

void xvi_lock_fini(struct xvi_lock *lock)
{
	if (lock->kind == XV_LOCK_MUTEX)
		pthread_mutex_destroy(mutex_of(lock));
}

void xvi_pause(unsigned *turns)
{
	const struct timespec moment = {.tv_nsec = SLEEP_NS};

	++*turns;
	if (*turns < SPINS_BEFORE_YIELD)
		return;
	if (*turns < SPINS_BEFORE_YIELD + YIELDS_BEFORE_SLEEP) {
		sched_yield();
		return;
	}
	*turns = SPINS_BEFORE_YIELD + YIELDS_BEFORE_SLEEP;
	nanosleep(&moment, NULL);
}

void xvi_lock_acquire_slow(struct xvi_lock *lock)
{
	unsigned turns = 0;

	if (lock->kind != XV_LOCK_SPIN) {
		pthread_mutex_lock(mutex_of(lock));
		return;
	}
	while (!xvi_lock_try(lock))
		xvi_pause(&turns);
}

bool xvi_lock_try_slow(struct xvi_lock *lock)
{
	return pthread_mutex_trylock(mutex_of(lock)) == 0;
}

void xvi_lock_release_slow(struct xvi_lock *lock)
{
	pthread_mutex_unlock(mutex_of(lock));
}
