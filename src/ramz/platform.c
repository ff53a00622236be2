/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * platform.c: the system's side of ramz, for POSIX, with the running CPU and random bytes of Linux.
 *
 * May call: the system. Locking: none, no state. O(1).
 */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getcpu, getrandom */
#else
#define _POSIX_C_SOURCE 200809L
#endif

#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xvmalloc/base.h>
#if defined(__linux__)
#include <sys/random.h>
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* A writer locks an entry for some hundred nanoseconds. */
#define TURNS_BEFORE_YIELD 64U
/* After these it was preempted, and sleep costs nothing. */
#define TURNS_BEFORE_SLEEP 256U
#define SLEEP_NS 20000
#define SLEEP_DOUBLINGS 6U /* up to 1.3 ms */

uint64_t rzi_now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

int rzi_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int err;

	if (pthread_condattr_init(&attributes) != 0)
		return -XV_ENOMEM;
	err = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	if (err == 0)
		err = pthread_cond_init(condition, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	return err == 0 ? 0 : -XV_ENOMEM;
}

void rzi_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000U),
				 .tv_nsec = (long)(until_ns % 1000000000U)};

	(void)pthread_cond_timedwait(condition, lock, &until);
}

static uint64_t thread_number(void)
{
	pthread_t self = pthread_self();
	uint64_t word = 0;

	_Static_assert(sizeof(self) <= sizeof(word), "threads have no numbers here");
	memcpy(&word, &self, sizeof(self));
	return word;
}

static uint32_t thread_hash(void)
{
	return (uint32_t)((thread_number() * 0x9E3779B97F4A7C15U) >> 40);
}

uint32_t rzi_cpu_hint(void)
{
#if defined(__linux__)
	int cpu = sched_getcpu();

	if (cpu >= 0)
		return (uint32_t)cpu;
#endif
	return thread_hash();
}

uint32_t rzi_cpu_count(void)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);

	return count >= 1 && count < INT32_MAX ? (uint32_t)count : 1;
}

void rzi_give_back_heap(void)
{
#if defined(__GLIBC__)
	(void)malloc_trim(0);
#endif
}

void *rzi_aligned_alloc(size_t alignment, size_t bytes)
{
	return aligned_alloc(alignment, bytes);
}

void rzi_aligned_free(void *memory)
{
	free(memory);
}

/* Also if a kernel or a filter of system calls does not know getrandom. */
static int random_from_device(unsigned char *dst, size_t bytes)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	while (err == 0 && bytes != 0) {
		ssize_t got = read(fd, dst, bytes);

		if (got > 0) {
			dst += got;
			bytes -= (size_t)got;
		} else if (got == 0 || errno != EINTR) {
			err = got == 0 ? -EIO : -errno;
		}
	}
	(void)close(fd);
	return err;
}

int rzi_random(void *dst, size_t bytes)
{
#if defined(__linux__)
	/* Up to 256 bytes come at once. */
	if (bytes <= 256 && getrandom(dst, bytes, GRND_NONBLOCK) == (ssize_t)bytes)
		return 0;
#endif
	return random_from_device(dst, bytes);
}

/* Under real-time priorities yielding is not enough: the other thread may have a lower priority,
 * and runs only while this one sleeps. */
void rzi_pause(unsigned *turns)
{
	struct timespec moment = {0};
	unsigned sleeps;

	++*turns;
	if (*turns < TURNS_BEFORE_YIELD)
		return;
	if (*turns < TURNS_BEFORE_SLEEP) {
		(void)sched_yield();
		return;
	}
	sleeps = *turns - TURNS_BEFORE_SLEEP;
	if (sleeps > SLEEP_DOUBLINGS) {
		sleeps = SLEEP_DOUBLINGS;
		*turns = TURNS_BEFORE_SLEEP + SLEEP_DOUBLINGS;
	}
	moment.tv_nsec = (long)SLEEP_NS << sleeps;
	(void)nanosleep(&moment, NULL);
}
