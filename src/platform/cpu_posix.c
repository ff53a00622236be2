/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The running CPU on POSIX systems. If the C library (glibc 2.35 and later) has registered a
 * restartable-sequences area for the thread, it is one load from there; else sched_getcpu; else a
 * hash of the thread. No state, O(1). Source: rseq(2), <sys/rseq.h>.
 */
#define _GNU_SOURCE
#include "xvi_cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#if defined(__linux__) && defined(__GLIBC_PREREQ) && defined(__GNUC__)
#if __GLIBC_PREREQ(2, 35) && (defined(__x86_64__) || defined(__aarch64__))
#define HAVE_RSEQ 1
#include <sys/rseq.h>
#endif
#endif

uint32_t xvi_cpu_count(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count > 0 ? (uint32_t)count : 1U;
}

/* The handle of a thread is often an address that differs in few bits from others: mix it well. */
static uint32_t thread_number(void)
{
	pthread_t self = pthread_self();
	const unsigned char *bytes = (const unsigned char *)&self;
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < sizeof(self); i++)
		hash = (hash ^ bytes[i]) * 16777619U;
	return hash ^ (hash >> 15);
}

static uint32_t cpu_from_system(void)
{
#if defined(__linux__)
	int cpu = sched_getcpu();

	if (cpu >= 0)
		return (uint32_t)cpu;
#endif
	return thread_number();
}

uint32_t xvi_cpu_now(void)
{
#if defined(HAVE_RSEQ)
	if (__rseq_size != 0) {
		const char *thread = __builtin_thread_pointer();
		const volatile struct rseq *area =
			(const volatile struct rseq *)(const void *)(thread + __rseq_offset);
		uint32_t cpu = area->cpu_id;

		/* Not registered for this thread: the number is near the top of the range. */
		if ((int32_t)cpu >= 0)
			return cpu;
	}
#endif
	return cpu_from_system();
}
