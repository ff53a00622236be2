/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * timer.c: what the timer is made of on this machine; see timer.h. Locking: none.
 */
#include "timer.h"

#if XVM_TIMER_X86
#include <cpuid.h>
#endif

#define TIMER_CALIBRATION_NS 20000000U
#define TIMER_OVERHEAD_ROUNDS 20000

/* Does the counter run at one speed whatever the processor does? */
static bool timer_counter_is_invariant(void)
{
#if XVM_TIMER_X86
	unsigned a, b, c, d;
	bool has_rdtscp = __get_cpuid(0x80000001U, &a, &b, &c, &d) && (d & (1U << 27)) != 0;

	return has_rdtscp && __get_cpuid(0x80000007U, &a, &b, &c, &d) && (d & (1U << 8)) != 0;
#else
	return false;
#endif
}

static double timer_ns_per_tick(const struct xvm_timer *timer)
{
	uint64_t start_ns = xvm_timer_clock_ns();
	uint64_t start = xvm_timer_start(timer);
	uint64_t now_ns;
	uint64_t ticks;

	if (!timer->has_counter)
		return 1.0;
	do {
		now_ns = xvm_timer_clock_ns();
	} while (now_ns - start_ns < TIMER_CALIBRATION_NS);
	ticks = xvm_timer_stop(timer) - start;
	return ticks > 0 ? (double)(now_ns - start_ns) / (double)ticks : 1.0;
}

/* The least of many: subtracting more would make fast operations free. */
static uint64_t timer_overhead(const struct xvm_timer *timer)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TIMER_OVERHEAD_ROUNDS; i++) {
		uint64_t start = xvm_timer_start(timer);
		uint64_t ticks = xvm_timer_stop(timer) - start;

		if (ticks < least)
			least = ticks;
	}
	return least;
}

void xvm_timer_init(struct xvm_timer *timer)
{
	timer->has_counter = timer_counter_is_invariant();
	timer->ns_per_tick = timer_ns_per_tick(timer);
	timer->overhead_ticks = timer_overhead(timer);
}
