/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Locks on POSIX systems: pthread mutex, or a test-and-set spin lock that gives up
 * the processor after a while (a holder that was preempted needs it to run).
 */
#include "xvi_lock.h"

#include "xvi_atomic.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define SPINS_BEFORE_YIELD 128

union posix_lock {
	pthread_mutex_t mutex;
	atomic_flag flag;
};

_Static_assert(sizeof(union posix_lock) <= sizeof(uint64_t) * XVI_LOCK_WORDS,
	       "the platform's lock fits its storage");
_Static_assert(_Alignof(union posix_lock) <= _Alignof(uint64_t), "and its alignment");

static union posix_lock *lock_of(struct xvi_lock *lock)
{
	return (union posix_lock *)(void *)lock->storage.words;
}

int xvi_lock_init(struct xvi_lock *lock, enum xv_lock_kind kind)
{
	lock->kind = kind == XV_LOCK_DEFAULT ? XV_LOCK_MUTEX : kind;
	if (lock->kind == XV_LOCK_MUTEX)
		return pthread_mutex_init(&lock_of(lock)->mutex, NULL) == 0 ? 0 : -XV_ENOTSUP;
	if (lock->kind == XV_LOCK_SPIN)
		atomic_flag_clear(&lock_of(lock)->flag);
	return 0;
}

void xvi_lock_fini(struct xvi_lock *lock)
{
	if (lock->kind == XV_LOCK_MUTEX)
		pthread_mutex_destroy(&lock_of(lock)->mutex);
}

void xvi_pause(unsigned *turns)
{
	if (*turns < SPINS_BEFORE_YIELD)
		++*turns;
	else
		sched_yield();
}

static void spin_acquire(atomic_flag *flag)
{
	unsigned turns = 0;

	while (atomic_flag_test_and_set_explicit(flag, memory_order_acquire))
		xvi_pause(&turns);
}

void xvi_lock_acquire_slow(struct xvi_lock *lock)
{
	if (lock->kind == XV_LOCK_SPIN)
		spin_acquire(&lock_of(lock)->flag);
	else
		pthread_mutex_lock(&lock_of(lock)->mutex);
}

void xvi_lock_release_slow(struct xvi_lock *lock)
{
	if (lock->kind == XV_LOCK_SPIN)
		atomic_flag_clear_explicit(&lock_of(lock)->flag, memory_order_release);
	else
		pthread_mutex_unlock(&lock_of(lock)->mutex);
}
