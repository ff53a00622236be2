/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * steps.c: see steps.h for what this owns, may call and how it is locked. O(calls counted).
 */
#include "steps.h"

#include <string.h>

_Thread_local uint64_t steps_taken;

/* The compiler calls it at the beginning of each basic block. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	steps_taken++;
}

static struct cost *cost_find(const struct costs *costs, const char *call)
{
	for (size_t i = 0; i < costs->count; i++) {
		if (strcmp(costs->of[i].call, call) == 0)
			return (struct cost *)&costs->of[i];
	}
	return NULL;
}

void costs_note(struct costs *costs, const char *call, uint64_t steps)
{
	struct cost *cost = cost_find(costs, call);

	if (cost == NULL) {
		assert_true(costs->count < COSTS_MAX);
		cost = &costs->of[costs->count++];
		*cost = (struct cost){.call = call};
	}
	cost->sum += steps;
	cost->times++;
	if (steps > cost->most)
		cost->most = steps;
}

const struct cost *costs_of(const struct costs *costs, const char *call)
{
	const struct cost *cost = cost_find(costs, call);

	assert_non_null(cost);
	return cost;
}

static void costs_compare(const struct costs *small, const struct costs *large, uint64_t times)
{
	enum { FEW = 200 }; /* a rarer way through a call is met in one of the states only */
	unsigned failed = 0;

	assert_int_equal(small->count, large->count);
	for (size_t i = 0; i < large->count; i++) {
		const struct cost *in_large = &large->of[i];
		const struct cost *in_small = costs_of(small, in_large->call);

		assert_true(in_large->most > 0); /* counted at all */
		if (in_large->most > times * in_small->most * 3 / 2 + FEW) {
			print_error(
				"%s: %llu steps at most in a small state, %llu in a large one\n",
				in_large->call, (unsigned long long)in_small->most,
				(unsigned long long)in_large->most);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

void costs_are_constant(const struct costs *small, const struct costs *large)
{
	costs_compare(small, large, 1);
}

void costs_are_linear(const struct costs *small, const struct costs *large, uint64_t times)
{
	costs_compare(small, large, times);
}
