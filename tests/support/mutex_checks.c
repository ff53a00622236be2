/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mutex_checks.c: ends a test that unlocks a mutex which nobody has locked, or waits with it, and
 * one that wakes others while it has no mutex: what they wait for must not change between their
 * look and their wait. The linker puts these functions before the system's: --wrap, see
 * xv_check_mutexes().
 *
 * Owns nothing. May call: POSIX threads. Locking: none of its own. O(1).
 */
#include <pthread.h>
#include <stdlib.h>

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __real_pthread_cond_signal(pthread_cond_t *condition);
int __real_pthread_cond_broadcast(pthread_cond_t *condition);
int __real_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
				  const struct timespec *until);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
				  const struct timespec *until);

/* After a fork the owner may be the parent's thread: any will do. */
static void must_be_locked(const pthread_mutex_t *mutex)
{
#if defined(__GLIBC__)
	if (mutex->__data.__owner == 0)
		abort();
#else
	(void)mutex;
#endif
}

/* Mutexes that the thread has; what it unlocks for another one is not among them. */
static _Thread_local unsigned held;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	held++;
	return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	int err = __real_pthread_mutex_trylock(mutex);

	held += err == 0;
	return err;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	must_be_locked(mutex);
	held -= held != 0;
	return __real_pthread_mutex_unlock(mutex);
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	must_be_locked(mutex);
	return __real_pthread_cond_wait(condition, mutex);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
				  const struct timespec *until)
{
	must_be_locked(mutex);
	return __real_pthread_cond_timedwait(condition, mutex, until);
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
	if (held == 0)
		abort();
	return __real_pthread_cond_signal(condition);
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
	if (held == 0)
		abort();
	return __real_pthread_cond_broadcast(condition);
}
