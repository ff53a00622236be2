/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * platform_windows.c: the system's side of ramz, for Windows with the POSIX threads of mingw-w64
 * (winpthreads).
 *
 * May call: the system. Locking: none, no state. O(1).
 */
#define _CRT_RAND_S /* rand_s: random bytes of the system */
#include "platform.h"

#include <malloc.h>
#include <string.h>
#include <time.h>
#include <windows.h>

#include <xvmalloc/base.h>

#define NS_PER_S 1000000000U

/* A writer locks an entry for some hundred nanoseconds. */
#define TURNS_BEFORE_YIELD 64U
/* After these it was preempted, and sleep costs nothing. The shortest is a tick of the system's
 * timer, up to 15 ms. */
#define TURNS_BEFORE_SLEEP 1024U
#define SLEEP_MS 1U

uint64_t rzi_now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int rzi_condition_init(pthread_cond_t *condition)
{
	return pthread_cond_init(condition, NULL) == 0 ? 0 : -XV_ENOMEM;
}

/* Conditions know no clock that only goes forward: wait for a time that is left. */
void rzi_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until_ns)
{
	uint64_t now_ns = rzi_now_ns();
	uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct timespec left = {.tv_sec = (time_t)(left_ns / NS_PER_S),
				.tv_nsec = (long)(left_ns % NS_PER_S)};

	(void)pthread_cond_timedwait_relative_np(condition, lock, &left);
}

uint32_t rzi_cpu_hint(void)
{
	return GetCurrentProcessorNumber();
}

uint32_t rzi_cpu_count(void)
{
	DWORD count = GetMaximumProcessorCount(ALL_PROCESSOR_GROUPS);

	return count > 0 ? (uint32_t)count : 1U;
}

void rzi_give_back_heap(void)
{
	(void)_heapmin();
}

void *rzi_aligned_alloc(size_t alignment, size_t bytes)
{
	return _aligned_malloc(bytes, alignment);
}

void rzi_aligned_free(void *memory)
{
	_aligned_free(memory);
}

int rzi_random(void *dst, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += sizeof(unsigned)) {
		size_t left = bytes - at;
		unsigned word;

		if (rand_s(&word) != 0)
			return -EIO;
		memcpy((char *)dst + at, &word, left < sizeof(word) ? left : sizeof(word));
	}
	return 0;
}

void rzi_pause(unsigned *turns)
{
	++*turns;
	if (*turns < TURNS_BEFORE_YIELD) {
		YieldProcessor();
		return;
	}
	if (*turns < TURNS_BEFORE_SLEEP) {
		(void)SwitchToThread();
		return;
	}
	*turns = TURNS_BEFORE_SLEEP;
	Sleep(SLEEP_MS);
}
