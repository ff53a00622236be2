/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * platform.h: what ramz needs of the system beside the C library and POSIX threads: a clock, the
 * running CPU, random bytes, aligned memory, and a pause. (platform.c, platform_windows.c)
 *
 * May call: the system. Locking: none, no state. O(1).
 */
#ifndef RZI_PLATFORM_H
#define RZI_PLATFORM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What the code relies on; bad arguments of a caller get errors instead. */
#if defined(XV_DEBUG) && XV_DEBUG >= 1
#define RZI_ASSERT(x) ((x) ? (void)0 : abort())
#else
#define RZI_ASSERT(x) ((void)0)
#endif

/* For assertions: has a thread the mutex? If none has, the caller's has it then. */
static inline bool rzi_mutex_is_taken(pthread_mutex_t *mutex)
{
	return pthread_mutex_trylock(mutex) != 0;
}

/* Prefetch a cache line that will soon be read or written; the address may be bad. */
#if defined(__GNUC__)
#define RZI_PREFETCH_READ(p) __builtin_prefetch((p), 0, 3)
#define RZI_PREFETCH_WRITE(p) __builtin_prefetch((p), 1, 3)
/* Arguments are checked as those of printf: the number of the format, and of its first argument. */
#define RZI_PRINTF(line, first) __attribute__((format(printf, line, first)))
#else
#define RZI_PRINTF(line, first)
#define RZI_PREFETCH_READ(p) ((void)(p))
#define RZI_PREFETCH_WRITE(p) ((void)(p))
#endif

enum {
	RZI_CACHE_LINE_BYTES = 64, /* usually */
	RZI_PREFETCH_LINES = 8,    /* more gain nothing: the processor goes on by itself */
};

/* Prefetch the beginning of something that will be read. */
static inline void rzi_prefetch(const void *at)
{
	const char *line = at;

	for (int i = 0; i < RZI_PREFETCH_LINES; i++)
		RZI_PREFETCH_READ(line + i * RZI_CACHE_LINE_BYTES);
}

/* Position of the highest set bit; value > 0. */
static inline uint32_t rzi_log2(uint64_t value)
{
#if defined(__GNUC__)
	return 63U - (uint32_t)__builtin_clzll(value);
#else
	uint32_t log2 = 0;

	for (uint32_t step = 32; step > 0; step /= 2) {
		if ((value >> step) != 0) {
			value >>= step;
			log2 += step;
		}
	}
	return log2;
#endif
}

/* Nanoseconds of a clock that only goes forward. */
uint64_t rzi_now_ns(void);

/* Make a condition whose waits end by that clock. Returns 0 or -XV_ENOMEM. */
int rzi_condition_init(pthread_cond_t *condition);

/* Wait for it, at most until that time; may return early. The caller has the lock. */
void rzi_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until_ns);

/* A number that threads running at the same moment seldom share: the CPU if the system tells,
 * else a number of the thread. A hint, any value. */
uint32_t rzi_cpu_hint(void);

/* CPUs of the machine, >= 1. */
uint32_t rzi_cpu_count(void);

/* Give free memory of the C library back to the system, where the library can: it keeps some MB
 * after work that took tens. Some ms. */
void rzi_give_back_heap(void);

/* Memory aligned to alignment, a power of two of which bytes is a multiple; NULL when there is
 * none. Free it with the second call. */
void *rzi_aligned_alloc(size_t alignment, size_t bytes);
void rzi_aligned_free(void *memory);

/* Random bytes for secrets. Returns 0, or a negative errno when the system gives none. */
int rzi_random(void *dst, size_t bytes);

/* Wait a moment for another thread: some turns at once, then yield each time, and later sleep,
 * longer each time. *turns counts; begin with 0. */
void rzi_pause(unsigned *turns);

#endif
