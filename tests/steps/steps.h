/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * steps.h: how many steps calls of a library take. A step is a basic block of the library; what the
 * system and other libraries do is none. A call is tried many times in a small state and in a large
 * one of the same kind: if it is O(1), the most steps that it took are about as many in both.
 *
 *	struct costs small = {0}, large = {0};
 *
 *	COUNT(&small, "xv_free", assert_int_equal(xv_free(pool, handle), 0));
 *
 * Owns: the counter of each thread. May call: CMocka. Locking: none.
 */
#ifndef TEST_STEPS_H
#define TEST_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { COSTS_MAX = 48 };

extern _Thread_local uint64_t steps_taken; /* by this thread */

struct costs {
	size_t count;
	struct cost {
		const char *call;
		uint64_t most; /* steps of one */
		uint64_t sum;
		uint64_t times;
	} of[COSTS_MAX];
};

#define COUNT(costs, call, expression)                                                             \
	do {                                                                                       \
		uint64_t steps_before = steps_taken;                                               \
                                                                                                   \
		expression;                                                                        \
		costs_note(costs, call, steps_taken - steps_before);                               \
	} while (0)

void costs_note(struct costs *costs, const char *call, uint64_t steps);

/* The cost of this call, which was counted. */
const struct cost *costs_of(const struct costs *costs, const char *call);

/* Each call took about as many steps in the large state as in the small one. */
void costs_are_constant(const struct costs *small, const struct costs *large);

/* Each call took about `times` as many steps in the large state, at most. */
void costs_are_linear(const struct costs *small, const struct costs *large, uint64_t times);

#endif
