/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * timer.h: the time of one operation, in ticks.
 *
 * On x86 with an invariant time-stamp counter a tick is one count of it, read so
 * that no instruction of the operation moves out of the measured stretch; elsewhere
 * it is a nanosecond of CLOCK_MONOTONIC. The cost of reading is measured once and
 * subtracted from every operation.
 *
 * The one header of xvfrag that knows processors. Locking: none. O(1).
 */
#ifndef XVM_TIMER_H
#define XVM_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#define XVM_TIMER_X86 1
#include <x86intrin.h>
#else
#define XVM_TIMER_X86 0
#endif

struct xvm_timer {
	bool has_counter;        /* ticks are counts of the processor's counter */
	uint64_t overhead_ticks; /* of one start and stop with nothing between */
	double ns_per_tick;
};

/* Find out what there is, its cost and its speed. Takes some 20 ms. */
void xvm_timer_init(struct xvm_timer *timer);

static inline uint64_t xvm_timer_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static inline uint64_t xvm_timer_start(const struct xvm_timer *timer)
{
#if XVM_TIMER_X86
	if (timer->has_counter) {
		uint64_t ticks;

		_mm_lfence();
		ticks = __rdtsc();
		_mm_lfence();
		return ticks;
	}
#endif
	(void)timer;
	return xvm_timer_clock_ns();
}

static inline uint64_t xvm_timer_stop(const struct xvm_timer *timer)
{
#if XVM_TIMER_X86
	if (timer->has_counter) {
		unsigned processor;
		uint64_t ticks = __rdtscp(&processor);

		_mm_lfence();
		return ticks;
	}
#endif
	(void)timer;
	return xvm_timer_clock_ns();
}

/* Ticks of an operation between start and stop, without the timer's own. */
static inline uint64_t xvm_timer_ticks(const struct xvm_timer *timer, uint64_t start, uint64_t stop)
{
	uint64_t ticks = stop - start;

	return ticks > timer->overhead_ticks ? ticks - timer->overhead_ticks : 0;
}

#endif
